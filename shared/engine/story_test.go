package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/queue"
)

// person of a booking in a test.
type person map[string]any

func someone(user string) person {
	return person{"user": user, "email": user + "@acme.example", "role": "required"}
}

// bookingOf is a message with a booking; change sets members of its data.
func bookingOf(t *testing.T, id string, revision int64, change map[string]any) []byte {
	t.Helper()
	return bookingJSON(id, revision, change)
}

func bookingJSON(id string, revision int64, change map[string]any) []byte {
	data := map[string]any{"organization": world.Organization, "id": id, "revision": revision, "status": "confirmed",
		"title":  fmt.Sprintf("%s r%d", id, revision),
		"start":  map[string]any{"dateTime": "2026-12-01T16:05:00", "timeZone": "Europe/Helsinki"},
		"end":    map[string]any{"dateTime": "2026-12-01T17:20:00", "timeZone": "Europe/London"},
		"people": []person{someone("aino")}}
	for k, v := range change {
		data[k] = v
		if v == nil {
			delete(data, k)
		}
	}
	body, err := json.Marshal(map[string]any{"specversion": "1.0", "id": "e1", "source": "/test", "type": "calbridge.booking.v1", "data": data})
	if err != nil {
		panic(err) // maps of plain values always encode
	}
	return body
}

func newWorld(t *testing.T, switches exchange.Switches) *world.World {
	t.Helper()
	w, err := world.New(switches)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"aino", "bert", "chie"} {
		w.AddMailbox(user + "@acme.example")
	}
	return w
}

func send(t *testing.T, w *world.World, body []byte) {
	t.Helper()
	if err := w.Send(context.Background(), body); err != nil {
		t.Fatal(err)
	}
}

func settle(t *testing.T, w *world.World) {
	t.Helper()
	if err := w.Settle(); err != nil {
		t.Fatal(err)
	}
}

// expect checks the last result of a delivery and what the calendars hold of it.
func expect(t *testing.T, w *world.World, booking, user, state, reason string, subjects ...string) {
	t.Helper()
	last, err := w.Last(booking, user)
	if err != nil {
		t.Error(err)
	}
	if last.State != state || last.Reason != reason {
		t.Errorf("%s for %s: %s/%s, want %s/%s", booking, user, last.State, last.Reason, state, reason)
	}
	var got []string
	for _, e := range w.Ours(booking, user) {
		got = append(got, e.Subject)
	}
	if fmt.Sprint(got) != fmt.Sprint(subjects) {
		t.Errorf("%s for %s: events %v, want %v", booking, user, got, subjects)
	}
	if n := len(w.Exchange.Mails()); n > 0 {
		t.Errorf("%d mails, want none", n)
	}
}

func TestABookingIsWrittenChangedAndCancelled(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	send(t, w, bookingOf(t, "b1", 1, map[string]any{"people": []person{someone("aino"), someone("bert")}}))
	settle(t, w)
	expect(t, w, "b1", "aino", "written", "", "b1 r1")
	expect(t, w, "b1", "bert", "written", "", "b1 r1")

	send(t, w, bookingOf(t, "b1", 2, nil)) // bert is no longer on it
	settle(t, w)
	expect(t, w, "b1", "aino", "written", "", "b1 r2")
	expect(t, w, "b1", "bert", "removed", "not-invited-any-more")

	send(t, w, bookingOf(t, "b1", 1, nil)) // late and old
	send(t, w, bookingOf(t, "b1", 3, map[string]any{"status": "cancelled"}))
	settle(t, w)
	expect(t, w, "b1", "aino", "removed", "cancelled")
	expect(t, w, "b1", "bert", "removed", "not-invited-any-more")
	if n := len(w.Results()); n != 6 {
		t.Errorf("%d results, want one for each person and revision: %+v", n, w.Results())
	}
}

func TestATraceGoesAlongFromTheBookingToItsResult(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	w := newWorld(t, exchange.Switches{})
	m := queue.Message{Body: bookingOf(t, "b", 1, nil), Properties: map[string]any{queue.TraceProperty: trace}}
	if err := w.Bus.Send(t.Context(), queue.Bookings, m); err != nil {
		t.Fatal(err)
	}
	settle(t, w)
	for _, told := range w.Broker.Peek(world.Changes) {
		if told.Properties[queue.TraceProperty] != trace {
			t.Errorf("%s carries %v", told.Subject, told.Properties[queue.TraceProperty])
		}
	}
}
