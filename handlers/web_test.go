package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/problem"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/google/go-cmp/cmp"
)

func object(t *testing.T, r reply, status int) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(r.body), &o); err != nil || r.status != status || r.header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %v %s, want %d", r.status, r.header, r.body, status)
	}
	return o
}

func TestABookingIsAcceptedWithTheAddressOfItsStatus(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.accepted = booking.Booking{Organization: "acme", ID: "PNR/7 å&b", Revision: 9007199254740991}
	for _, media := range []string{"application/cloudevents+json", "application/json", "application/json; charset=UTF-8", "Application/CloudEvents+JSON;charset=utf-8"} {
		r := w.web("POST", "/api/bookings", media, `{"x":1}`)
		object(t, r, 202)
		want := `{"id":"PNR/7 å&b","organization":"acme","revision":9007199254740991,` +
			`"status":"https://calendar.example.com/api/organizations/acme/bookings?id=PNR%2F7+%C3%A5%26b"}`
		if r.body != want {
			t.Errorf("%s: got %s\nwant %s", media, r.body, want)
		}
	}
	if string(w.messages[0].Body) != `{"x":1}` {
		t.Errorf("submitted %s", w.messages[0].Body)
	}
}

func TestEveryFaultOfABookingIsInTheProblem(t *testing.T) {
	w := newWorld(t, 0, nil)
	faults := []problem.Fault{{Pointer: "/data/start/timeZone", Code: "unknown-zone", Detail: "Nobody knows it."}, {Pointer: "/data/organization", Code: "unknown", Detail: "No."}}
	w.fail = &booking.Invalid{Faults: faults}
	d := w.problem(w.web("POST", "/api/bookings", "application/json", "{}"), 400, "invalid")
	if diff := cmp.Diff(faults, d.Errors); diff != "" || d.Instance != hostID {
		t.Errorf("instance %s, errors (-want +got)\n%s", d.Instance, diff)
	}
	w.fail = &booking.Invalid{Faults: []problem.Fault{{Code: booking.CodeTooLarge, Detail: "x"}}}
	w.problem(w.web("POST", "/api/bookings", "application/json", "{}"), 413, "too-large")
}

func TestABusThatIsDownIs503WithRetryAfter(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.fail = errors.New("amqp: secret-connection-string")
	r := w.web("POST", "/api/bookings", "application/json", "{}")
	w.problem(r, 503, "unavailable")
	if r.header.Get("Retry-After") == "" || strings.Contains(r.body, "secret") {
		t.Errorf("got %v %s", r.header, r.body)
	}
}

func TestBodiesOfOtherKindsOrSizesAreRefusedUnread(t *testing.T) {
	w := newWorld(t, 0, nil)
	big := `{"x":"` + strings.Repeat("x", booking.MaxEvent) + `"}`
	for name, test := range map[string]struct {
		method, path, media, body string
		status                    int
		code                      string
		headers                   []string
	}{
		"text":               {"POST", "/api/bookings", "text/plain", "{}", 415, "media-type", nil},
		"no media type":      {"POST", "/api/bookings", "", "{}", 415, "media-type", nil},
		"malformed":          {"POST", "/api/bookings", "application/json;;", "{}", 415, "media-type", nil},
		"latin-1":            {"POST", "/api/bookings", "application/json; charset=iso-8859-1", "{}", 415, "media-type", nil},
		"batch":              {"POST", "/api/bookings", "application/cloudevents-batch+json", "[]", 415, "media-type", nil},
		"array":              {"POST", "/api/bookings", "application/json", " [{}]", 415, "media-type", nil},
		"compressed":         {"POST", "/api/bookings", "application/json", "{}", 415, "media-type", []string{"Content-Encoding: gzip"}},
		"too large":          {"POST", "/api/bookings", "application/json", big, 413, "too-large", nil},
		"large organisation": {"PUT", "/api/organizations/acme", "application/json", big, 413, "too-large", nil},
		"organisation text":  {"PUT", "/api/organizations/acme", "application/cloudevents+json", "{}", 415, "media-type", nil},
		"tenant form":        {"POST", "/api/operator/organizations/acme/tenant", "application/x-www-form-urlencoded", "tenant=x", 415, "media-type", nil},
	} {
		w.problem(w.web(test.method, test.path, test.media, test.body, test.headers...), test.status, test.code)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	if calls := w.called(); len(calls) != 0 {
		t.Errorf("called %v", calls)
	}
}

func TestAPanicBehindAWebRouteIs500WithoutItsReason(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.panicking = "secret"
	r := w.web("POST", "/api/bookings", "application/json", "{}")
	if r.status != 500 || strings.Contains(r.body+w.logged.String(), "secret") {
		t.Errorf("got %d %s", r.status, r.body)
	}
}

func TestUnknownPathsAndMethodsAre404Problems(t *testing.T) {
	w := newWorld(t, 0, nil)
	for _, path := range []string{"GET /api/bookings", "DELETE /api/health", "PATCH /api/organizations/acme", "POST /api/organizations/acme/links",
		"GET /api/organizations/acme/connections", "GET /api/organizations/acme/health", "POST /api/operator/rejected", "GET /api/operator/redrive", "GET /api/operator/dead-letters/bookings",
		"GET /api/operator/organizations/acme", "GET /api/operator/organizations/acme/tenant", "GET /api/feeds/x", "GET /favicon.ico"} {
		method, target, _ := strings.Cut(path, " ")
		w.problem(w.web(method, target, "", ""), 404, "not-found")
	}
}

func TestTheStatusOfABookingIsPaged(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.status = engine.Status{Booking: "PNR/7"}
	object(t, w.web("GET", "/api/organizations/acme/bookings?id=PNR%2F7&limit=200&after=x%3Dy", "", ""), 200)
	object(t, w.web("GET", "/api/organizations/acme/bookings?id=1&ledger=false", "", ""), 200)
	object(t, w.web("GET", "/api/organizations/acme/bookings?id=1&ledger=true&limit=5", "", ""), 200)
	if diff := cmp.Diff([]string{`status acme PNR/7 "x=y" 200`, `status acme 1 "" 100`, `ledger acme 1 "" 5`}, w.called()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, query := range []string{"", "?id=", "?id=1&limit=0", "?id=1&limit=201", "?id=1&limit=x", "?id=1&ledger=1", "?id=1&after=" + strings.Repeat("x", 1025)} {
		w.problem(w.web("GET", "/api/organizations/acme/bookings"+query, "", ""), 400, "invalid")
	}
	w.fail = state.ErrNotFound
	w.problem(w.web("GET", "/api/organizations/acme/bookings?id=1", "", ""), 404, "not-found")
	w.fail = engine.ErrBadCursor
	w.problem(w.web("GET", "/api/organizations/acme/bookings?id=1&after=x", "", ""), 400, "invalid")
	w.fail = errDown
	w.problem(w.web("GET", "/api/organizations/acme/bookings?id=1", "", ""), 503, "unavailable")
}

func TestHealthNamesWhatIsGoneAndIsAskedOncePerTenSeconds(t *testing.T) {
	var asked int
	var down error
	w := newWorld(t, 0, map[string]Check{
		"tables":     func(context.Context) error { asked++; return down },
		"serviceBus": func(context.Context) error { return nil },
	})
	get := func() reply { return w.web("GET", "/api/health", "", "") }
	want := `{"commit":"abc","dependencies":{"serviceBus":"ok","tables":"ok"},"status":"ok","version":"1.2.3"}`
	if r := get(); r.status != 200 || r.body != want {
		t.Errorf("got %d %s", r.status, r.body)
	}
	down = errors.New("secret")
	w.clock.advance(9 * time.Second)
	if r := get(); r.status != 200 || asked != 1 {
		t.Errorf("after 9 s: %d, asked %d times", r.status, asked)
	}
	w.clock.advance(time.Second)
	want = `{"commit":"abc","dependencies":{"serviceBus":"ok","tables":"unavailable"},"status":"unavailable","version":"1.2.3"}`
	if r := get(); r.status != 503 || r.body != want || r.header.Get("Retry-After") == "" {
		t.Errorf("after 10 s: %d %s", r.status, r.body)
	}
	down = nil
	w.clock.advance(10 * time.Second)
	if r := get(); r.status != 200 {
		t.Errorf("recovered: %d", r.status)
	}
}

func TestACheckThatPanicsIsADependencyThatIsGone(t *testing.T) {
	w := newWorld(t, 0, map[string]Check{"graph": func(context.Context) error { panic("x") }})
	if r := w.web("GET", "/api/health", "", ""); r.status != 503 {
		t.Errorf("got %d %s", r.status, r.body)
	}
}
