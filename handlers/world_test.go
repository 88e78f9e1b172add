package handlers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// world is a server on a real port, with the engine's part played by recorder.
type world struct {
	*recorder
	t      *testing.T
	addr   string
	store  state.Tables
	orgs   *state.Organizations
	logged *log
	clock  *clock
}

// recorder notes what was called and answers as told.
type recorder struct {
	mu       sync.Mutex
	calls    []string // function and message id, or organisation and booking id
	messages []queue.Message
	deadline time.Time // of the last call's context

	fail      error // what every call returns
	clearing  error // what ClearDeleted returns
	panicking any   // what every call panics with
	accepted  booking.Booking
	status    engine.Status
	lying     engine.Lying
	count     int
}

func (r *recorder) note(ctx context.Context, call string, m queue.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls, r.messages = append(r.calls, call), append(r.messages, m)
	r.deadline, _ = ctx.Deadline()
	if r.panicking != nil {
		panic(r.panicking)
	}
	return r.fail
}

func (r *recorder) called() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.calls...)
}

func (r *recorder) Submit(ctx context.Context, body []byte) (booking.Booking, error) {
	return r.accepted, r.note(ctx, "submit", queue.Message{Body: body})
}

func (r *recorder) Intake(ctx context.Context, m queue.Message) error {
	return r.note(ctx, "intake "+m.ID, m)
}

func (r *recorder) Write(ctx context.Context, m queue.Message) error {
	return r.note(ctx, "write "+m.ID, m)
}

func (r *recorder) DeadLetter(ctx context.Context, source string, m queue.Message) error {
	return r.note(ctx, "dead-letter "+source+" "+m.ID, m)
}

func (r *recorder) Sweep(ctx context.Context) error {
	return r.note(ctx, "sweep", queue.Message{Properties: map[string]any{"trace": queue.Trace(ctx)}})
}

func (r *recorder) Task(ctx context.Context, m queue.Message) error {
	return r.note(ctx, "task "+m.ID, m)
}

func (r *recorder) File(ctx context.Context, organization, booking, kind, target string) (engine.File, error) {
	err := r.note(ctx, fmt.Sprintf("file %s %s %s %s", organization, booking, kind, target), queue.Message{})
	return engine.File{Name: "Ä.ics", ContentType: "text/calendar; charset=utf-8; method=PUBLISH", Content: []byte("BEGIN:VCALENDAR")}, err
}

func (r *recorder) KeepAlive(ctx context.Context) error {
	return r.note(ctx, "keep alive", queue.Message{})
}

func (r *recorder) Renewals(ctx context.Context) error {
	return r.note(ctx, "renewals", queue.Message{})
}

func (r *recorder) Receive(ctx context.Context, body []byte) (subscribe.Received, error) {
	return subscribe.Received{Good: 1, Bogus: r.count, Tasks: 1}, r.note(ctx, "receive "+string(body), queue.Message{})
}

func (r *recorder) Reconcile(ctx context.Context, organization, cause string) error {
	return r.note(ctx, "reconcile "+organization+" "+cause, queue.Message{})
}

func (r *recorder) Rewatch(ctx context.Context, organization, cause string) error {
	return r.note(ctx, "rewatch "+organization+" "+cause, queue.Message{})
}

func (r *recorder) DisconnectAll(ctx context.Context, organization string) error {
	return r.note(ctx, "disconnect all "+organization, queue.Message{})
}

func (r *recorder) ClearDeleted(context.Context, string) error { return r.clearing }

func (r *recorder) Status(ctx context.Context, organization, booking, after string, limit int) (engine.Status, error) {
	return r.status, r.note(ctx, fmt.Sprintf("status %s %s %q %d", organization, booking, after, limit), queue.Message{})
}

func (r *recorder) StatusWithLedger(ctx context.Context, organization, booking, after string, limit int) (engine.Status, error) {
	return r.status, r.note(ctx, fmt.Sprintf("ledger %s %s %q %d", organization, booking, after, limit), queue.Message{})
}

func (r *recorder) Rejected(ctx context.Context, after string, limit int) (engine.Lying, error) {
	return r.lying, r.note(ctx, fmt.Sprintf("rejected %q %d", after, limit), queue.Message{})
}

func (r *recorder) DeadLetters(ctx context.Context, name, after string, limit int) (engine.Lying, error) {
	return r.lying, r.note(ctx, fmt.Sprintf("dead letters %q %q %d", name, after, limit), queue.Message{})
}

func (r *recorder) Redrive(ctx context.Context, order engine.Redrive) (int, error) {
	return r.count, r.note(ctx, fmt.Sprintf("redrive %+v", order), queue.Message{})
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// log keeps what was logged, for many writers.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T, without guard, checks map[string]Check) *world {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := unserved(t)
	w.addr = listener.Addr().String()
	s := &httptest.Server{Listener: listener, Config: &http.Server{Handler: w.server(w.addr, without, checks)}}
	s.Start()
	t.Cleanup(s.Close)
	return w
}

// unserved is a world whose server somebody else listens for.
func unserved(t *testing.T) *world {
	w := &world{recorder: &recorder{}, t: t, logged: &log{}, clock: &clock{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}}
	w.store = tables.NewStore(w.clock.Now).Direct()
	w.orgs = state.NewOrganizations(w.store, w.clock.Now)
	return w
}

// server is for a listener on addr.
func (w *world) server(addr string, without guard, checks map[string]Check) *Server {
	return New(addr, "https://calendar.example.com", Deps{Submit: w, Intake: w, Write: w, DeadLetter: w, Sweep: w, Readings: w.readings(), Tasks: w, Status: w, Files: w, People: newRoster(w, w.store),
		Organizations: w.orgs, Directory: w.orgs, Repair: w, Links: w.issuer(), Consent: w.consents(), Connections: w.connections(), Notifications: w, Renewals: w, Dependencies: checks},
		&Options{Logger: slog.New(slog.NewJSONHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: w.clock.Now,
			Version: "1.2.3", Commit: "abc", without: without})
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// problem decodes a problem document and checks its frame.
func (w *world) problem(r reply, status int, code string) document {
	w.t.Helper()
	var d document
	if err := json.Unmarshal([]byte(r.body), &d); err != nil {
		w.t.Fatalf("no problem document: %d %s", r.status, r.body)
	}
	if r.status != status || d.Status != status || d.Type != "urn:calbridge:problem:"+code || d.Title == "" || d.Instance == "" ||
		r.header.Get("Content-Type") != "application/problem+json" {
		w.t.Errorf("got %d %s %v, want %d %s", r.status, r.body, r.header, status, code)
	}
	return d
}

// raw sends bytes as they are: what a client library would repair is the point.
func (w *world) raw(request string) reply { return w.rawTo(w.addr, request) }

func (w *world) rawTo(addr, request string) reply {
	w.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		w.t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("no response to %.60q: %v", request, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

const hostID = "5f0f9a0e-5a3f-4c8b-9d0b-6b7f6a2f1c11"

// envelope sends what the host sends (contract 2.1), with headers instead of or
// beside its own; "Host" replaces.
func (w *world) envelope(path, body string, headers ...string) reply {
	host := w.addr
	var more strings.Builder
	for _, h := range headers {
		if v, ok := strings.CutPrefix(h, "Host: "); ok {
			host = v
			continue
		}
		more.WriteString(h + "\r\n")
	}
	return w.raw("POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nX-Azure-Functions-HostVersion: 4.1037.0\r\n" +
		"X-Azure-Functions-InvocationId: " + hostID + "\r\nUser-Agent: Azure-Functions-Host/4.1037.0\r\nTransfer-Encoding: chunked\r\n" +
		more.String() + "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\n" +
		"Content-Type: application/json; charset=utf-8\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body))
}

// web sends a forwarded request (contract 2.2).
func (w *world) web(method, path, contentType, body string, headers ...string) reply {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: calendar.example.com\r\nX-Azure-Functions-InvocationId: %s\r\n", method, path, hostID)
	fmt.Fprintf(&b, "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1:1234\r\nDISGUISED-HOST: calendar.example.com\r\n")
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if contentType != "" {
		b.WriteString("Content-Type: " + contentType + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return w.raw(b.String())
}

func (w *world) put(id, body string, headers ...string) reply {
	return w.web("PUT", "/api/organizations/"+id, "application/json", body, headers...)
}

var errDown = errors.New("down")
