package msgraph_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/msgraph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	tenant  = "11111111-aaaa-4bbb-8ccc-000000000001"
	mailbox = "aino o'hara+x@acme.example"
)

// tokens numbers its tokens and counts how often a fresh one is asked for.
type tokens struct{ fresh atomic.Int32 }

func (k *tokens) Token(ctx context.Context, _ graph.Access, fresh bool) (string, error) {
	if fresh {
		k.fresh.Add(1)
	}
	return fmt.Sprintf("token-%d", k.fresh.Load()), ctx.Err()
}

// sent is a request as the server saw it.
type sent struct {
	Method string          `json:"method"`
	URL    string          `json:"url"`
	Header http.Header     `json:"header"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// server records requests and answers as a function says.
type server struct {
	*httptest.Server
	tokens tokens
	mu     sync.Mutex
	seen   []sent
}

func serve(t testing.TB, answer func(w http.ResponseWriter, r sent)) (*server, *msgraph.Client) {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		got := sent{Method: r.Method, URL: r.RequestURI, Header: r.Header, Body: body}
		s.mu.Lock()
		s.seen = append(s.seen, got)
		s.mu.Unlock()
		answer(w, got)
	}))
	t.Cleanup(s.Close)
	c, err := msgraph.New(&s.tokens, &msgraph.Options{Endpoint: s.URL, MaxAnswer: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func (s *server) requests() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// flight is the create of delivery n with every field set.
func flight(n int) graph.Call {
	delivery := key.Delivery("acme", fmt.Sprint(n), key.User, "u-1")
	return graph.Call{
		Op: graph.Create, Mailbox: mailbox, Mark: delivery.Hex(), TransactionID: key.TransactionID(delivery, 1),
		Content: event.Event{
			Subject:  `AY1331 "Helsinki" – London`,
			Body:     "<div><p>Seat 1A &amp; more</p></div>",
			Start:    event.Time{DateTime: "2026-12-01T16:05:00", Zone: "Europe/Helsinki"},
			End:      event.Time{DateTime: "2026-12-01T17:20:00", Zone: "Europe/London"},
			Location: event.Location{Name: "HEL", Address: "Lentäjäntie 3"},
			ShowAs:   "tentative", Sensitivity: "private", Categories: []string{"Travel"}, ReminderMinutes: 15,
		},
	}
}

const made = `{"@odata.etag":"W/\"a2V5\"","id":"AAk=","changeKey":"a2V5","iCalUId":"uid","transactionId":null,"createdDateTime":"2026-11-21T09:00:00.1234567Z","isCancelled":false,"body":{"contentType":"html","content":"<p>x</p>"}}`

func answerWith(status int, body string) func(http.ResponseWriter, sent) {
	return func(w http.ResponseWriter, _ sent) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("request-id", "req-1")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// The exact bytes that leave, per call: what Graph sees is the contract.
func TestRequestsAreTheContracts(t *testing.T) {
	patch := func(set event.Fields, content event.Event) graph.Call {
		return graph.Call{Op: graph.Patch, Mailbox: mailbox, Event: "AAk/x+y=", Set: set, Content: content}
	}
	conditional := patch(event.Body, event.Event{Body: "<p>ours</p>"})
	conditional.Body, conditional.IfMatch = "<p>merged</p>", "a2V5"
	remove := graph.Call{Op: graph.Delete, Mailbox: mailbox, Event: "AAk/x+y=", IfMatch: "a2V5"}
	bare := flight(1)
	bare.Content = event.Event{Start: bare.Content.Start, End: bare.Content.End, ReminderMinutes: -1}
	tests := map[string][]graph.Call{
		"create":         {flight(1)},
		"create-bare":    {bare},
		"patch-all":      {patch(event.All, flight(1).Content)},
		"patch-subject":  {patch(event.Subject, event.Event{Subject: "New"})},
		"patch-clear":    {patch(event.Subject|event.Place|event.Categories|event.Reminder, event.Event{ReminderMinutes: -1})},
		"patch-merged":   {conditional},
		"delete":         {remove},
		"get":            {{Op: graph.Get, Mailbox: mailbox, Event: "AAk/x+y="}},
		"get-body":       {{Op: graph.Get, Mailbox: mailbox, Event: "AAk/x+y=", WithBody: true}},
		"find-uid":       {{Op: graph.FindUID, Mailbox: mailbox, UID: "o'hara+1@calbridge"}},
		"find":           {{Op: graph.Find, Mailbox: mailbox, Mark: flight(1).Mark}},
		"batch-of-mixed": {flight(1), conditional, remove, {Op: graph.Get, Mailbox: mailbox, Event: "AAk="}, {Op: graph.Find, Mailbox: "b", Mark: flight(1).Mark}},
	}
	for name, calls := range tests {
		t.Run(name, func(t *testing.T) {
			s, c := serve(t, answerWith(500, `{}`))
			c.Do(t.Context(), graph.AppAccess(tenant), calls)
			golden(t, name, s.requests())
		})
	}
	t.Run("mailbox", func(t *testing.T) {
		s, c := serve(t, answerWith(500, `{}`))
		if _, err := c.Mailbox(t.Context(), graph.AppAccess(tenant), mailbox); err == nil {
			t.Error("no error from a 500")
		}
		golden(t, "mailbox", s.requests())
	})
}

// golden compares requests, without what varies, to testdata/<name>.txt.
func golden(t *testing.T, name string, requests []sent) {
	t.Helper()
	var b strings.Builder
	for _, r := range requests {
		fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL)
		for _, h := range []string{"Accept", "Authorization", "Content-Encoding", "Content-Type", "If-Match", "Prefer"} {
			for _, v := range r.Header.Values(h) {
				fmt.Fprintf(&b, "%s: %s\n", h, v)
			}
		}
		fmt.Fprintf(&b, "\n%s\n", strings.ReplaceAll(string(r.Body), `,{"id":"`, ",\n"+`{"id":"`))
	}
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestNoRequestEverNamesAttendees(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(string(data)), "attendee") {
			t.Errorf("%s names attendees", f)
		}
	}
}

// one makes a call against a fixed answer.
func one(t *testing.T, call graph.Call, status int, body string) (graph.Result, *server) {
	t.Helper()
	s, c := serve(t, answerWith(status, body))
	return c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{call})[0], s
}

func TestAnEventIsReadAsGraphTellsIt(t *testing.T) {
	get := graph.Call{Op: graph.Get, Mailbox: mailbox, Event: "AAk=", WithBody: true}
	r, _ := one(t, get, 200, strings.Replace(made, `"isCancelled"`,
		`"singleValueExtendedProperties":[{"id":"String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Color","value":"Green"},
		 {"id":"string  {6D1F2C3A-8B57-4E0E-9A41-5C7E0B92D4F3} name CalbridgeDelivery","value":"ABCDEF"}],"isCancelled"`, 1))
	want := graph.Event{
		ID: "AAk=", ChangeKey: "a2V5", ICalUID: "uid", Mark: "abcdef", Body: "<p>x</p>",
		Created: time.Date(2026, 11, 21, 9, 0, 0, 123456700, time.UTC),
	}
	if diff := cmp.Diff(want, r.Event); diff != "" || r.Err != nil || r.Status != 200 || r.RequestID != "req-1" {
		t.Errorf("%+v (-want +got):\n%s", r, diff)
	}
}

func TestChangeKeysOfBothWidthsAreOne(t *testing.T) {
	const short, long = `ZlnW4RIAV06KYYwlrfNZvQAALfZeRQ==`, `DwAAABYAAABmWdbhEgBXTophjCWt81m9AAAt9l5F`
	for _, body := range []string{
		`{"id":"A","changeKey":"` + short + `"}`, `{"id":"A","changeKey":"` + long + `"}`,
		`{"id":"A","@odata.etag":"W/\"` + short + `\""}`, `{"id":"A","@odata.etag":"W/\"` + long + `\""}`,
		`{"id":"A","@odata.etag":"\"` + long + `\""}`,
	} {
		if r, _ := one(t, flight(1), 201, body); r.Err != nil || r.Event.ChangeKey != short {
			t.Errorf("%s: key %q, %v", body, r.Event.ChangeKey, r.Err)
		}
	}
}

// A write whose answer cannot be read has happened; a read has not.
func TestUnreadableAnswersAreTransient(t *testing.T) {
	big := `{"id":"A","body":{"content":"` + strings.Repeat("x", 2<<20) + `"}}`
	for name, body := range map[string]string{
		"html": "<html>ok</html>", "empty": "", "null": "null", "no id": "{}", "cut": `{"id":"A`, "list": "[]",
		"id of another type": `{"id":7}`, "giant": big,
	} {
		for _, op := range []graph.Op{graph.Create, graph.Patch, graph.Get} {
			call := flight(1)
			call.Op, call.Event = op, "AAk="
			if r, _ := one(t, call, 200, body); r.Err == nil || r.Err.Kind != graph.Transient || !r.Err.Unanswered {
				t.Errorf("%s, %v: %+v", name, op, r)
			}
		}
		find := graph.Call{Op: graph.Find, Mailbox: mailbox, Mark: flight(1).Mark}
		if r, _ := one(t, find, 200, body); r.Err == nil || r.Err.Kind != graph.Transient {
			t.Errorf("%s, find: %+v", name, r)
		}
		remove := graph.Call{Op: graph.Delete, Mailbox: mailbox, Event: "AAk="}
		if r, _ := one(t, remove, 204, ""); r.Err != nil {
			t.Errorf("delete: %v", r.Err)
		}
	}
}

func TestErrorBodiesOfEveryShapeAreClassified(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		kind   graph.Kind
		code   string
	}{
		{"graph's", 404, `{"error":{"code":"ErrorItemNotFound","message":"x"}}`, graph.Gone, "ErrorItemNotFound"},
		{"no message", 404, `{"error":{"code":"ErrorItemNotFound"}}`, graph.Gone, "ErrorItemNotFound"},
		{"null message", 400, `{"error":{"code":"ErrorInvalidIdMalformed","message":null}}`, graph.Gone, "ErrorInvalidIdMalformed"},
		{"no error", 404, `{}`, graph.Transient, ""},
		{"error is a string", 404, `{"error":"invalid_request"}`, graph.Transient, ""},
		{"html", 404, `<html>Not Found</html>`, graph.Transient, ""},
		{"empty", 403, ``, graph.Transient, ""},
		{"giant", 404, `{"error":{"code":"ErrorItemNotFound","message":"` + strings.Repeat("x", 2<<20) + `"}}`, graph.Transient, ""},
		{"spurious 412", 412, `{"error":{"code":"ErrorIrresolvableConflict"}}`, graph.Transient, "ErrorIrresolvableConflict"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := one(t, graph.Call{Op: graph.Delete, Mailbox: mailbox, Event: "AAk="}, tt.status, tt.body)
			if r.Err == nil || r.Err.Kind != tt.kind || r.Err.Code != tt.code || r.Err.Status != tt.status || r.Err.Unanswered {
				t.Errorf("%+v", r.Err)
			}
		})
	}
}

func TestADuplicateNamesItsEvent(t *testing.T) {
	const body = `{"error":{"code":"ErrorDuplicateTransactionId","message":"x","@event.existingEventId":"AAk="}}`
	for _, status := range []int{400, 409} {
		r, _ := one(t, flight(1), status, body)
		if !r.Err.Duplicate() || r.Err.Kind != graph.Conflict || r.Err.ExistingID != "AAk=" {
			t.Errorf("%d: %+v", status, r.Err)
		}
	}
}

func TestAWriteIsNeverSentTwiceNorElsewhere(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308, 408, 415, 429, 500, 502, 503, 504} {
		for _, n := range []int{1, 2} {
			s, c := serve(t, func(w http.ResponseWriter, _ sent) {
				w.Header().Set("Location", other.URL)
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(status)
			})
			results := c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{flight(1), flight(2)}[:n])
			if got := len(s.requests()); got != 1 || elsewhere.Load() != 0 || results[0].Err == nil {
				t.Errorf("%d, %d calls: %d requests, %d elsewhere, %+v", status, n, got, elsewhere.Load(), results[0].Err)
			}
		}
	}
}

func TestAConnectionLostAfterSendingIsUnansweredAndNotRepeated(t *testing.T) {
	warm := true
	s, c := serve(t, func(w http.ResponseWriter, r sent) {
		if warm {
			answerWith(201, made)(w, r)
			return
		}
		panic(http.ErrAbortHandler)
	})
	c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{flight(1)}) // so that a used connection is lost
	warm = false
	for _, calls := range [][]graph.Call{{flight(1)}, {flight(1), flight(2)}} {
		before := len(s.requests())
		for _, r := range c.Do(t.Context(), graph.AppAccess(tenant), calls) {
			if r.Err == nil || r.Err.Kind != graph.Transient || !r.Err.Unanswered || r.Status != 0 {
				t.Errorf("%+v", r.Err)
			}
			if strings.Contains(r.Err.Cause.Error(), "acme.example") {
				t.Error("the cause names the mailbox")
			}
		}
		if got := len(s.requests()) - before; got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
	}
}

func TestARefusedConnectionIsNotUnanswered(t *testing.T) {
	s, c := serve(t, answerWith(201, made))
	s.Close()
	for _, calls := range [][]graph.Call{{flight(1)}, {flight(1), flight(2)}} {
		for _, r := range c.Do(t.Context(), graph.AppAccess(tenant), calls) {
			if r.Err == nil || r.Err.Kind != graph.Transient || r.Err.Unanswered || r.Status != 0 {
				t.Errorf("%d calls: %+v", len(calls), r.Err)
			}
		}
	}
}

func TestADeadlineEndsACallUnanswered(t *testing.T) {
	release := make(chan struct{})
	_, c := serve(t, func(w http.ResponseWriter, _ sent) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, r := range c.Do(ctx, graph.AppAccess(tenant), []graph.Call{flight(1), flight(2)}) {
		if r.Err == nil || !r.Err.Unanswered || !errors.Is(r.Err, context.DeadlineExceeded) {
			t.Errorf("%+v", r.Err)
		}
	}
}

func TestOneFreshTokenAfterA401(t *testing.T) {
	for _, n := range []int{1, 2} {
		s, c := serve(t, answerWith(401, `{"error":{"code":"InvalidAuthenticationToken","message":"x"}}`))
		for _, r := range c.Do(t.Context(), graph.AppAccess(tenant), []graph.Call{flight(1), flight(2)}[:n]) {
			if r.Err == nil || r.Err.Kind != graph.Unauthorised {
				t.Errorf("%+v", r.Err)
			}
		}
		got := s.requests()
		if len(got) != 2 || got[0].Header.Get("Authorization") != "Bearer token-0" || got[1].Header.Get("Authorization") != "Bearer token-1" || s.tokens.fresh.Load() != 1 {
			t.Errorf("%d requests, %d fresh tokens", len(got), s.tokens.fresh.Load())
		}
	}
}

func TestTheSDKsHeadersTellWhoCalls(t *testing.T) {
	_, s := one(t, flight(1), 201, made)
	h := s.requests()[0].Header
	if !strings.HasPrefix(h.Get("SdkVersion"), "graph-go-core/") || h.Get("client-request-id") == "" {
		t.Errorf("%v", h)
	}
}

func TestOnlyAnOriginIsAnEndpoint(t *testing.T) {
	for _, endpoint := range []string{"http://graph.example", "https://graph.example/v1.0", "https://u:p@graph.example", "graph.example", "https://graph.example?x=1", "ftp://127.0.0.1"} {
		if _, err := msgraph.New(&tokens{}, &msgraph.Options{Endpoint: endpoint}); err == nil {
			t.Errorf("%q was accepted", endpoint)
		}
	}
	for _, endpoint := range []string{"", "https://graph.microsoft.us", "http://127.0.0.1:1/", "http://localhost:1", "http://[::1]:1"} {
		if _, err := msgraph.New(&tokens{}, &msgraph.Options{Endpoint: endpoint}); err != nil {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestTheOwnerIsReadInLowerCase(t *testing.T) {
	_, c := serve(t, answerWith(200, `{"id":"x","owner":{"name":"A","address":"Aino@Acme.Example"}}`))
	if m, err := c.Mailbox(t.Context(), graph.AppAccess(tenant), "x"); err != nil || m.Address != "aino@acme.example" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, body := range []string{`{}`, `{"owner":null}`, `<html>`} {
		_, c := serve(t, answerWith(200, body))
		_, err := c.Mailbox(t.Context(), graph.AppAccess(tenant), "x")
		var failure *graph.Error
		if !errors.As(err, &failure) || failure.Kind != graph.Transient {
			t.Errorf("%s: %v", body, err)
		}
	}
}
