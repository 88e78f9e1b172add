package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/stack"
	"github.com/calbridge/calbridge/shared/queue"
)

// fault is a booking that cannot be understood. Its data is that of a good
// booking, with some members replaced; nil removes one.
type fault struct {
	name     string
	body     string // instead of the rest
	data     map[string]any
	status   int
	code     string // of the problem
	pointers []string
}

var (
	long   = strings.Repeat("x", 300)
	noZone = map[string]any{"dateTime": "2030-03-04T09:00:00", "timeZone": "Europe/Londres"}
)

func people(n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = map[string]any{"user": fmt.Sprintf("u%d", i)}
	}
	return all
}

var faulty = []fault{
	{name: "no JSON", body: `{"specversion":`, status: 400, code: "invalid", pointers: []string{""}},
	{name: "empty", body: ` `, status: 400, code: "invalid", pointers: []string{""}},
	{name: "wrong type of event", body: `{"specversion":"1.0","id":"1","source":"s","type":"calbridge.booking.v2","data":{"organization":"acme","id":"x","revision":1,"status":"confirmed","title":""}}`,
		status: 400, code: "invalid", pointers: []string{"/type"}},
	{name: "nothing of a booking", data: map[string]any{"organization": nil, "id": nil, "revision": nil, "status": nil, "title": nil},
		status: 400, code: "invalid", pointers: []string{"/data/organization", "/data/id", "/data/revision", "/data/status", "/data/title"}},
	{name: "wrong JSON types", data: map[string]any{"title": 7, "people": map[string]any{}, "allDay": "yes"},
		status: 400, code: "invalid", pointers: []string{"/data/title", "/data/people", "/data/allDay"}},
	{name: "end before start", data: map[string]any{"start": map[string]any{"dateTime": "2030-03-04T10:00:00"}, "end": map[string]any{"dateTime": "2030-03-04T09:00:00"}},
		status: 400, code: "invalid", pointers: []string{"/data/end/dateTime"}},
	{name: "unknown zones", data: map[string]any{"start": noZone, "end": noZone}, status: 400, code: "invalid",
		pointers: []string{"/data/start/timeZone", "/data/end/timeZone"}},
	{name: "revision 0", data: map[string]any{"revision": 0}, status: 400, code: "invalid", pointers: []string{"/data/revision"}},
	{name: "revision in quotes", data: map[string]any{"revision": "3"}, status: 400, code: "invalid", pointers: []string{"/data/revision"}},
	{name: "unknown organisation", data: map[string]any{"organization": "nobody"}, status: 400, code: "invalid", pointers: []string{"/data/organization"}},
	{name: "id of 300 characters", data: map[string]any{"id": long}, status: 400, code: "invalid", pointers: []string{"/data/id"}},
	{name: "user of 300 characters", data: map[string]any{"people": []any{map[string]any{"user": long}}}, status: 400, code: "invalid", pointers: []string{"/data/people/0/user"}},
	{name: "title of 300 characters", data: map[string]any{"title": long}, status: 400, code: "invalid", pointers: []string{"/data/title"}},
	{name: "description of 33 KiB", data: map[string]any{"description": map[string]any{"text": strings.Repeat("x", 33<<10)}}, status: 400, code: "invalid", pointers: []string{"/data/description/text"}},
	{name: "1,001 people", data: map[string]any{"people": people(1001)}, status: 400, code: "invalid", pointers: []string{"/data/people"}},
	{name: "51 rooms", data: map[string]any{"rooms": strings.Split(strings.Repeat("r,", 50)+"r", ",")}, status: 400, code: "invalid", pointers: []string{"/data/rooms"}},
	{name: "193 KiB in all", data: map[string]any{"extensions": map[string]any{"blob": strings.Repeat("x", 193<<10)}}, status: 413, code: "too-large", pointers: []string{""}},
}

// text is the event that is sent.
func (f fault) text(t *testing.T) []byte {
	if f.body != "" {
		return []byte(f.body)
	}
	data := map[string]any{"organization": acme, "id": "faulty", "revision": 1, "status": "confirmed", "title": "T"}
	for name, value := range f.data {
		if value == nil {
			delete(data, name)
		} else {
			data[name] = value
		}
	}
	text, err := json.Marshal(map[string]any{"specversion": "1.0", "id": "1", "source": "s", "type": "calbridge.booking.v1", "data": data})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestBadInputIsToldAndStopsNothing(t *testing.T) {
	w := start(t, stack.Options{})
	w.people("aino")
	for _, f := range faulty {
		t.Run("over HTTP: "+f.name, func(t *testing.T) {
			got, err := w.API().Send(t.Context(), f.text(t))
			if err != nil || got.Status != f.status {
				t.Fatalf("%v, status %d, want %d: %s", err, got.Status, f.status, got.Body)
			}
			problem, err := got.Problem()
			if err != nil || problem.Type != "urn:calbridge:problem:"+f.code {
				t.Fatalf("%v, problem %q, want %q", err, problem.Type, f.code)
			}
			var pointers []string
			for _, e := range problem.Errors {
				pointers = append(pointers, e.Pointer)
			}
			if !same(pointers, f.pointers) {
				t.Errorf("faults at %q, want %q", pointers, f.pointers)
			}
		})
	}
	if n := len(w.Bus.Peek("bookings")); n != 0 {
		t.Fatalf("%d messages in bookings after refusals, want none", n)
	}
	sender := w.Bus.Sender()
	for i, f := range faulty {
		t.Run("on the queue: "+f.name, func(t *testing.T) {
			id, body := fmt.Sprintf("faulty-%d", i), f.text(t)
			if err := sender.Send(t.Context(), queue.Bookings, queue.Message{ID: id, Body: body}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var told stack.Change
			if err := w.changes.Wait(ctx, func() bool { told = rejected(w.changes.Others(), id); return told.ID != "" }); err != nil {
				t.Fatal("no calbridge.rejected.v1")
			}
			if !same(told.Pointers, f.pointers) {
				t.Errorf("faults at %q, want %q", told.Pointers, f.pointers)
			}
			kept := slices.IndexFunc(w.Bus.Peek("bookings-rejected"), func(m servicebus.Received) bool { return m.ID == id && bytes.Equal(m.Body, body) })
			if kept < 0 {
				t.Error("the message is not in bookings-rejected, whole")
			}
		})
	}
	// The lane of somebody on faulty bookings still works, and so does the queue.
	b := booked{ID: "good", Revision: 1, People: []string{"aino"}, Organization: acme}
	w.accept(b)
	w.settle(b, "written")
	if n := len(w.Bus.Peek(servicebus.DeadLetter("bookings"))); n > 0 || w.Host.Restarts() > 0 {
		t.Errorf("%d dead letters, %d crashes, want none", n, w.Host.Restarts())
	}
}

func rejected(all []stack.Change, message string) stack.Change {
	for _, c := range all {
		if c.Type == "calbridge.rejected.v1" && c.MessageID == message {
			return c
		}
	}
	return stack.Change{}
}

func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Ids are free text; what looks dangerous in a URL, a key or a filter is not.
func TestIdsAreFreeText(t *testing.T) {
	w := start(t, stack.Options{})
	ids := []string{"PNR-7QX/1", `a"b'c`, "Käyttäjä 文 🙂", "' or 1 eq 1 --", `..\..\BookingIntake`, "a?b#c&d=e+f%2F", "a;b=c", strings.Repeat("ü", 256)}
	for i, id := range ids {
		user := fmt.Sprintf("p%d", i)
		w.people(user)
		b := booked{Organization: acme, ID: id, Title: "Title of " + id[:min(len(id), 40)], Revision: 1, People: []string{user}}
		w.accept(b)
		w.settle(b, "written")
		status, err := w.API().Status(t.Context(), acme, id)
		if err != nil || len(status) != 1 || status[0].User != user || status[0].State != "written" {
			t.Errorf("status of %q: %v, %+v", id, err, status)
		}
		if got := w.subjects(user); !slices.Equal(got, []string{b.Title}) {
			t.Errorf("calendar for %q: %q", id, got)
		}
	}
}

// A duplicate or an older revision is no fault, and changes nothing.
func TestDuplicatesAndOlderRevisionsChangeNothing(t *testing.T) {
	w := start(t, stack.Options{})
	w.people("aino")
	b := booked{Organization: acme, ID: "b", Revision: 5, Title: "five", People: []string{"aino"}}
	w.accept(b)
	w.settle(b, "written")
	older := b
	older.Revision, older.Title = 4, "four"
	w.accept(older)
	w.accept(b)
	sender := w.Bus.Sender()
	if err := sender.Send(t.Context(), queue.Bookings, queue.Message{ID: "again", Body: older.event()}); err != nil {
		t.Fatal(err)
	}
	last := booked{Organization: acme, ID: "after", Revision: 1, Day: 1, People: []string{"aino"}}
	w.accept(last)
	w.settle(last, "written")
	drained(w, "bookings")
	if got := w.subjects("aino"); !slices.Equal(got, []string{"five", "Title of after"}) {
		t.Errorf("calendar: %q", got)
	}
	if total := w.changes.Total(); total != 2 {
		t.Errorf("%d events on the topic, want 2", total)
	}
	w.nothingLost()
}

// drained waits until a queue is empty.
func drained(w *world, queue string) {
	w.t.Helper()
	eventually(w.t, func() bool { return len(w.Bus.Peek(queue)) == 0 }, "messages are left in "+queue)
}

// eventually waits for something that nobody announces.
func eventually(t testing.TB, done func() bool, otherwise string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(5 * time.Millisecond); !done(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(otherwise)
		}
	}
}

func TestWhatTheBusDoesNotTakeIsNotAccepted(t *testing.T) {
	w := start(t, stack.Options{})
	w.people("aino")
	b := booked{Organization: acme, ID: "b", Revision: 1, People: []string{"aino"}}
	refused := func(why string) {
		t.Helper()
		began := time.Now()
		got, err := w.API().Send(t.Context(), b.event())
		if err != nil || got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
			t.Fatalf("%s: %v, status %d, Retry-After %q", why, err, got.Status, got.Header.Get("Retry-After"))
		}
		if p, err := got.Problem(); err != nil || p.Type != "urn:calbridge:problem:unavailable" {
			t.Errorf("%s: %v, problem %q", why, err, p.Type)
		}
		t.Logf("%s: refused after %v", why, time.Since(began))
	}
	w.Bus.Limit("bookings", 1)
	refused("full")
	w.Bus.Limit("bookings", 1<<30)
	w.Bus.Down(true)
	refused("down")
	w.Bus.Down(false)
	if n := len(w.Bus.Peek("bookings")); n != 0 {
		t.Errorf("%d messages in bookings, want none", n)
	}
	if _, err := w.API().Status(t.Context(), acme, b.ID); err == nil {
		t.Error("a refused booking has a status")
	}
	w.accept(b)
	w.settle(b, "written")
}

// A chunked body gets the host's bare 500, and nothing is enqueued.
func TestAChunkedBodyIsRefusedByTheHost(t *testing.T) {
	w := start(t, stack.Options{})
	body := struct{ *bytes.Reader }{bytes.NewReader(booked{Organization: acme, ID: "b", Revision: 1}.event())} // of a length that net/http cannot know
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/api/bookings", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-functions-key", host.FunctionKey)
	req.Header.Set("content-type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("Content-Type") == "application/problem+json" {
		t.Errorf("status %d, %q; want the host's bare 500", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if _, err := w.API().Status(t.Context(), acme, "b"); err == nil {
		t.Error("the booking was accepted")
	}
}

func TestKeysAreNeeded(t *testing.T) {
	w := start(t, stack.Options{})
	for _, c := range []struct {
		method, path, key string
		want              int
	}{
		{"POST", "bookings", "", 401},
		{"POST", "bookings", "wrong", 401},
		{"GET", "organizations/acme", "", 401},
		{"GET", "operator/organizations", host.FunctionKey, 401},
		{"POST", "operator/organizations/acme/tenant", host.FunctionKey, 401},
		{"GET", "operator/organizations", host.MasterKey, 200},
		{"GET", "organizations/acme", host.FunctionKey, 200},
		{"GET", "organizations/nobody", host.FunctionKey, 404},
		{"GET", "health", "", 200},
	} {
		got, err := w.API().Do(t.Context(), c.method, c.path, c.key, "application/json", nil)
		if err != nil || got.Status != c.want {
			t.Errorf("%s %s with key %q: %v, status %d, want %d", c.method, c.path, c.key, err, got.Status, c.want)
		}
	}
}
