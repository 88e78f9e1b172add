package handlers

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/organization"
)

const wakeUp = `{"Data":{"message":"e30="},"Metadata":{"MessageId":"\"m1\"","SessionId":"\"lane\""}}`

func TestAGenuineEnvelopePassesAllGuards(t *testing.T) {
	w := newWorld(t, 0, nil)
	if r := w.envelope("/CalendarWrite", wakeUp); r.status != 200 || r.body != "{}" {
		t.Errorf("got %d %s", r.status, r.body)
	}
}

func TestOnlyExactlyOurLoopbackHostIsServedEnvelopes(t *testing.T) {
	w := newWorld(t, noFrontEnd|plainForwarding, nil)
	port := w.addr[strings.LastIndex(w.addr, ":"):]
	for _, host := range []string{"localhost" + port, "127.0.0.1", "127.0.0.1" + port + "0", "127.0.0.2" + port, "[::1]" + port,
		"127.0.0.1.evil.example" + port, "x@127.0.0.1" + port, ""} {
		if r := w.envelope("/BookingIntake", wakeUp, "Host: "+host); r.status/100 != 4 {
			t.Errorf("Host %q: %d", host, r.status)
		}
	}
	// An absolute target replaces Host in net/http.
	r := w.raw("POST http://" + w.addr + "/BookingIntake HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}")
	if r.status/100 != 4 {
		t.Errorf("absolute target: %d", r.status)
	}
	r = w.raw("POST /BookingIntake HTTP/1.1\r\nHost: " + w.addr + "\r\nHost: " + w.addr + "\r\nContent-Length: 2\r\n\r\n{}")
	if r.status/100 != 4 {
		t.Errorf("two Hosts: %d", r.status)
	}
	if calls := w.called(); len(calls) != 0 {
		t.Errorf("called %v", calls)
	}
}

func TestHeadersOfAFrontEndKeepEnvelopesShut(t *testing.T) {
	w := newWorld(t, loopbackHost|plainForwarding, nil)
	for _, h := range []string{"DISGUISED-HOST: x", "disguised-host:", "X-Forwarded-Proto: https", "X-Forwarded-For: 1.2.3.4", "x-forwarded-host: x",
		"X-FORWARDED-TlsVersion: 1.3", "X-Original-URL: /", "X-ARR-LOG-ID: x", "X-WAWS-Unencoded-URL: /", "X-MS-CLIENT-PRINCIPAL: x",
		"x-functions-key: k", "Forwarded: for=1.2.3.4", "Authorization: Bearer x", "Cookie: a=b",
		"Origin: null", "Referer: http://a/", "Sec-Fetch-Site: cross-site"} {
		if r := w.envelope("/BookingIntake", wakeUp, h); r.status != 404 {
			t.Errorf("%s: %d", h, r.status)
		}
	}
	if calls := w.called(); len(calls) != 0 {
		t.Errorf("called %v", calls)
	}
}

func TestOddForwardingHeadersAreRefusedOnEveryPath(t *testing.T) {
	w := newWorld(t, loopbackHost|noFrontEnd, nil)
	for _, path := range []string{"/", "/api/health", "/api/organizations/acme", "/CalendarWrite", "/nothing"} {
		for _, h := range []string{"X-Forwarded-Proto: http://x/CalendarWrite?", "X-Forwarded-Proto: https, file", "X-Forwarded-Proto: HTTPS:",
			"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: javascript", "X-Forwarded-Proto: http;https", "DISGUISED-HOST: a/b",
			`DISGUISED-HOST: a\b`, "DISGUISED-HOST: a?b", "DISGUISED-HOST: a#b", "DISGUISED-HOST: a\r\nDISGUISED-HOST: b/"} {
			if r := w.raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + h + "\r\n\r\n"); r.status != 400 {
				t.Errorf("%s with %q: %d", path, h, r.status)
			}
		}
	}
	for _, h := range []string{"X-Forwarded-Proto: https", "X-Forwarded-Proto: http, https", "X-Forwarded-Proto:", "DISGUISED-HOST: calendar.example.com:443"} {
		if r := w.raw("GET /api/health HTTP/1.1\r\nHost: x\r\n" + h + "\r\n\r\n"); r.status != 200 {
			t.Errorf("%q was refused: %d", h, r.status)
		}
	}
}

func TestEnvelopePathsAreExactAndPostOnly(t *testing.T) {
	w := newWorld(t, 0, nil)
	for _, path := range []string{"/calendarwrite", "/CalendarWrite/", "//CalendarWrite", "/CalendarWrite?x=1", "/%43alendarWrite", "/./CalendarWrite",
		"/api/CalendarWrite", "/api/../CalendarWrite", "/Bookings", "/Operator", "/Health", "/CalendarWrite%00", `/\CalendarWrite`} {
		if r := w.envelope(path, wakeUp); r.status/100 != 4 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	for _, method := range []string{"GET", "PUT", "HEAD", "OPTIONS"} {
		if r := w.raw(method + " /CalendarWrite HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n"); r.status != 404 {
			t.Errorf("%s: %d", method, r.status)
		}
	}
	if calls := w.called(); len(calls) != 0 {
		t.Errorf("called %v", calls)
	}
}

func TestNoPathReachesAnotherRouteByItsEncoding(t *testing.T) {
	w := newWorld(t, 0, nil)
	for _, path := range []string{"/api/organizations/acme%2Fbookings?id=1", "/api/organizations/..%2Foperator", "/api/organizations/acme/../../operator/organizations",
		"/api//operator/organizations", "/api/operator/organizations/", "/API/operator/organizations", "/api/Operator/organizations",
		"/api/organizations/%2e%2e/bookings?id=1", `/api/organizations/..\..\CalendarWrite`, "/api/organizations/acme%00/bookings?id=1",
		"/api/organizations/%zz", "/api/organizations/", "/api/", "/api", "/index.html"} {
		r := w.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if r.status/100 != 4 {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if calls := w.called(); len(calls) != 0 {
		t.Errorf("called %v", calls)
	}
}

func TestReadinessIsAnsweredAndSaysNothing(t *testing.T) {
	w := newWorld(t, 0, nil)
	r := w.raw("GET / HTTP/1.1\r\nHost: " + w.addr + "\r\n\r\n")
	if r.status != 200 || r.body != "ready\n" || strings.Contains(w.logged.String(), "done") {
		t.Errorf("got %d %q, log %s", r.status, r.body, w.logged)
	}
}

// Whatever the encoding of a path, what is matched is one of our routes with an
// id that tables and routes accept.
func FuzzMatch(f *testing.F) {
	s := New("127.0.0.1:1", "", Deps{}, nil)
	for _, path := range []string{"/api/health", "/api/organizations/acme/bookings", "/api/organizations/%2e%2e/bookings", "/api/operator/organizations/a%2Fb/tenant"} {
		f.Add("GET", path)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		r, parameters, ok := match(s.web, method, path)
		if !ok {
			return
		}
		id, has := parameters["organization"]
		if has != strings.Contains(r.pattern, "{organization}") || has && !organization.ValidID(id) || r.method != method {
			t.Fatalf("%s %q matched %s with %q", method, path, r.pattern, id)
		}
	})
}
