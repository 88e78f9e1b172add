package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/stack"
)

// routes are all routes as a stranger may begin a path that matches them, with a
// method that they take.
var routes = []struct{ method, path string }{
	{"GET", "/api/health"},
	{"POST", "/api/bookings"},
	{"GET", "/api/organizations/acme"},
	{"POST", "/api/organizations/acme"},
	{"POST", "/api/organizations/acme/bookings"},
	{"POST", "/api/organizations/acme/x/y"},
	{"POST", "/api/organizations/acme/x/y/z"},
	{"POST", "/api/operator/x"},
	{"POST", "/api/operator/x/y"},
	{"POST", "/api/operator/x/y/z"},
	{"POST", "/api/graph/notifications"},
	{"POST", "/api"},
	{"POST", ""},
}

// bends are put behind a route; %s is where they want to go. They are those of
// functions/contract.md section 2.1, and their relatives.
var bends = []string{
	`/%s`, `/../%s`, `/../../%s`, `/../../../%s`, `/../../../../%s`, `/../../../../../%s`,
	`/..\..\..\..\%s`, `/..\..\%s`, `\..\..\..\..\%s`, `\%s`,
	`/..%%5C..%%5C..%%5C..%%5C%s`, `/..%%5c..%%5c%s`, `%%5C..%%5C..%%5C..%%5C%s`, `%%5c%s`,
	`/..%%2F..%%2F..%%2F..%%2F%s`, `%%2f..%%2f..%%2f..%%2f%s`, `%%2f%s`,
	`/%%2e%%2e/%%2e%%2e/%%2e%%2e/%%2e%%2e/%s`, `/%%252e%%252e/%%252e%%252e/%%252e%%252e/%%252e%%252e/%s`,
	`/%%252e%%252e%%252f%%252e%%252e%%252f%%252e%%252e%%252f%s`, `/..%%255C..%%255C..%%255C..%%255C%s`,
	`/%%25252e%%25252e/%%25252e%%25252e/%s`, `/.%%2e/.%%2e/.%%2e/.%%2e/%s`,
	`?/../../../%s`, `%%3F/../../../%s`, `#/../../../%s`, `%%23/../../../../%s`, `;/../../../../%s`, `%%00/../../../%s`, `//../../../../%s`, `/./%s`,
}

// headers of a stranger; $PORT is the handler's port, %s where they want to go.
var headers = []string{
	"",
	"X-Forwarded-Proto: http://127.0.0.1:$PORT/%s?\r\n",
	"X-Forwarded-Proto: http://127.0.0.1:$PORT/%s#, http\r\n",
	"X-Forwarded-Proto: https\r\nX-Forwarded-Host: 127.0.0.1:$PORT\r\n",
	"DISGUISED-HOST: 127.0.0.1:$PORT/%s?\r\n",
	"DISGUISED-HOST: 127.0.0.1:$PORT\\%s#\r\n",
	"DISGUISED-HOST: 127.0.0.1:$PORT\r\n",
	"X-Azure-Functions-InvocationId: 11111111-1111-4111-8111-111111111111\r\nX-Azure-Functions-HostVersion: 4.1037.0\r\n",
}

// hosts that a stranger names in Host.
var hosts = []string{"calendar.example.com", "127.0.0.1:$PORT"}

// destinations are what a key or an envelope should guard.
var destinations = []string{"BookingIntake", "CalendarWrite", "api/bookings", "api/operator/organizations/acme/tenant"}

// TestOutsideRequestsReachNoEnvelopeAndNoOtherFunction sends every bend on every
// route with every header, without a key and with the function key where the route
// takes one, and carries a body that would be accepted at its destination: a
// message for BookingIntake, a booking for Bookings, a tenant for Operator. None
// may be: no such booking exists afterwards, and the tenant is what it was.
func TestOutsideRequestsReachNoEnvelopeAndNoOtherFunction(t *testing.T) {
	ports := make(chan string, 1)
	o := stack.Options{}
	o.Clock = &stack.Clock{}
	program := inProcess(o.Clock.Now)
	o.Launcher = launcher(func(c host.Command) (host.Process, error) {
		for _, pair := range c.Env {
			if name, value, _ := strings.Cut(pair, "="); name == "FUNCTIONS_CUSTOMHANDLER_PORT" && value != "" {
				ports <- value
			}
		}
		return program.Start(c)
	})
	w := begin(t, o)
	port := <-ports
	w.people("aino")
	s := &stranger{w: w, port: port}
	for _, key := range []string{"", host.FunctionKey} {
		for _, route := range routes {
			for _, bend := range bends {
				for i, header := range headers {
					for j, name := range hosts {
						// All bends with all headers, but not all of that with all destinations.
						to := destinations[(i+j+len(bend))%len(destinations)]
						if key != "" && to == "api/bookings" {
							continue // which this key opens
						}
						s.try(route.method, route.path+place(bend, to), place(header, to), name, key, to)
					}
				}
			}
		}
	}
	t.Logf("%d requests, answers by status: %v", s.n, s.statuses)
	drained(w, "bookings")
	for _, c := range w.changes.Others() {
		t.Errorf("the topic says %+v", c)
	}
	if n := w.changes.Total(); n != 0 {
		t.Errorf("%d events on the topic, want none", n)
	}
	s.check()
	// The control: what the stranger sends works where it must not come from.
	s.n++
	answer, _ := s.raw("127.0.0.1:"+port, "POST", "/BookingIntake", "", "127.0.0.1:"+port, "", s.envelope())
	if answer != 200 {
		t.Errorf("the host's own envelope is answered %d, want 200", answer)
	}
	b := booked{Organization: acme, ID: fmt.Sprintf("forged-%d", s.n), Revision: 1, People: []string{"aino"}}
	w.settle(b, "written")
}

// launcher is a function as a host.Launcher.
type launcher func(host.Command) (host.Process, error)

func (f launcher) Start(c host.Command) (host.Process, error) { return f(c) }

func place(pattern, to string) string {
	if !strings.Contains(pattern, "%") {
		return pattern
	}
	return strings.ReplaceAll(strings.ReplaceAll(pattern, "%%", "%"), "%s", to)
}

// stranger is somebody outside.
type stranger struct {
	w        *world
	port     string
	n        int
	statuses map[int]int
	conn     net.Conn
	reader   *bufio.Reader
}

// booking is the event that would show up.
func (s *stranger) booking() []byte {
	return booked{Organization: acme, ID: fmt.Sprintf("forged-%d", s.n), Revision: 1, People: []string{"aino"}}.event()
}

// envelope is what the host sends for a message that holds it.
func (s *stranger) envelope() string {
	body, err := json.Marshal(map[string]any{
		"Data":     map[string]any{"message": base64.StdEncoding.EncodeToString(s.booking())},
		"Metadata": map[string]any{"MessageId": `"forged"`, "DeliveryCount": "1", "SessionId": `"forged"`},
	})
	if err != nil {
		s.w.t.Fatal(err)
	}
	return string(body)
}

// try makes one request with the body that fits where it wants to go.
func (s *stranger) try(method, target, header, name, key, to string) {
	s.n++
	var body string
	switch to {
	case "api/bookings":
		body = string(s.booking())
	case "api/operator/organizations/acme/tenant":
		body = `{"tenant":"` + other + `"}`
	default:
		body = s.envelope()
	}
	fix := strings.NewReplacer("$PORT", s.port).Replace
	status, _ := s.raw(strings.TrimPrefix(s.w.URL, "http://"), method, target, fix(header), fix(name), key, body)
	if s.statuses == nil {
		s.statuses = map[int]int{}
	}
	s.statuses[status]++
}

// check tells whether the organisation is as it was.
func (s *stranger) check() {
	got, err := s.w.API().Do(s.w.t.Context(), "GET", "organizations/acme", host.FunctionKey, "", nil)
	if err != nil || !strings.Contains(string(got.Body), tenant) || strings.Contains(string(got.Body), other) {
		s.w.t.Errorf("%v: the organisation is now %s", err, got.Body)
	}
}

// raw sends the bytes as they are, over one connection while it lasts. The status
// is 0 where there was no answer.
func (s *stranger) raw(address, method, target, header, name, key, body string) (status int, text string) {
	if target == "" || target[0] != '/' {
		target = "/" + target
	}
	if key != "" {
		header += "x-functions-key: " + key + "\r\n"
	}
	if s.conn == nil || s.conn.RemoteAddr().String() != address {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			s.w.t.Fatal(err)
		}
		s.conn, s.reader = conn, bufio.NewReader(conn)
	}
	_, err := fmt.Fprintf(s.conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, target, name, header, len(body), body)
	if err != nil {
		s.close()
		return 0, ""
	}
	resp, err := http.ReadResponse(s.reader, &http.Request{Method: method})
	if err != nil {
		s.close()
		return 0, ""
	}
	all, err := io.ReadAll(resp.Body)
	if err != nil || resp.Close {
		s.close()
	}
	return resp.StatusCode, string(all)
}

func (s *stranger) close() {
	_ = s.conn.Close()
	s.conn = nil
}
