package queuetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/calbridge/calbridge/shared/queue"
)

func testContent(t *testing.T, b Bus) {
	want := queue.Message{
		ID: "id 1 / ö", SessionID: "lane", Subject: "calbridge.delivery.v1",
		ContentType: "application/cloudevents+json; charset=utf-8",
		Body:        []byte("{\"v\":1}\x00\xff"),
		Properties:  map[string]any{"organization": "acme"},
	}
	send(t, b, queue.Deliveries, want)
	got := take(t, b, queue.Deliveries)
	if diff := cmp.Diff(want, got.Message, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("message differs (-want +got):\n%s", diff)
	}
	if got.Deliveries != 1 {
		t.Errorf("delivery count %d, want 1", got.Deliveries)
	}
}

func testProperties(t *testing.T, b Bus) {
	want := map[string]any{
		"s": "text", "empty": "", "i": int64(7), "large": int64(1) << 60, "negative": int64(-1),
		"t": true, "f": false, "d": 0.5,
	}
	send(t, b, queue.Bookings, queue.Message{ID: "1", Properties: want})
	if diff := cmp.Diff(want, take(t, b, queue.Bookings).Properties); diff != "" {
		t.Errorf("properties differ (-want +got):\n%s", diff)
	}
}

func testPropertyTypes(t *testing.T, b Bus) {
	for _, value := range []any{7, uint8(7), []byte("x"), time.Time{}, nil, map[string]any{}, []string{"x"}} {
		m := queue.Message{ID: "1", Properties: map[string]any{"p": value}}
		if err := b.Send(t.Context(), queue.Bookings, m); err == nil {
			t.Errorf("a property of type %T was sent, want an error", value)
		}
	}
	wantNothing(t, b, queue.Bookings)
}

func testMemory(t *testing.T, b Bus) {
	m := queue.Message{ID: "1", Body: []byte("before"), Properties: map[string]any{"p": "before"}}
	send(t, b, queue.Bookings, m)
	copy(m.Body, "after!")
	m.Properties["p"] = "after"
	got, ok := b.Next(t, queue.Bookings)
	if !ok || string(got.Body) != "before" || got.Properties["p"] != "before" {
		t.Fatalf("got body %q and property %q, want what they were when sent", got.Body, got.Properties["p"])
	}
	copy(got.Body, "after!")
	got.Properties["p"] = "after"
	got.Abandon()
	if again := take(t, b, queue.Bookings); string(again.Body) != "before" || again.Properties["p"] != "before" {
		t.Errorf("after a receiver's change: body %q, property %q", again.Body, again.Properties["p"])
	}
}

func testNone(t *testing.T, b Bus) {
	send(t, b, queue.Bookings)
	wantNothing(t, b, queue.Bookings)
}

func testOrder(t *testing.T, b Bus) {
	const n = 50
	var batch []queue.Message
	for i := range n {
		m := queue.Message{ID: fmt.Sprint(i), SessionID: "lane"}
		if i < n/2 {
			send(t, b, queue.Deliveries, m)
		} else {
			batch = append(batch, m)
		}
	}
	send(t, b, queue.Deliveries, batch...)
	for i := range n {
		if m := take(t, b, queue.Deliveries); m.ID != fmt.Sprint(i) {
			t.Fatalf("message %s, want %d", m.ID, i)
		}
	}
}

func testAbandoned(t *testing.T, b Bus) {
	send(t, b, queue.Deliveries, queue.Message{ID: "1", SessionID: "lane"}, queue.Message{ID: "2", SessionID: "lane"})
	for i := 1; i <= 3; i++ {
		m, ok := b.Next(t, queue.Deliveries)
		if !ok || m.ID != "1" || m.Deliveries != i {
			t.Fatalf("message %q, delivery %d; want 1, delivery %d", m.ID, m.Deliveries, i)
		}
		m.Abandon()
	}
	wantIDs(t, b, queue.Deliveries, "1", "2")
}

func testScheduled(t *testing.T, b Bus) {
	at := b.Now().Add(time.Hour)
	send(t, b, queue.Deliveries, queue.Message{ID: "later", SessionID: "lane", ScheduledFor: at})
	wantNothing(t, b, queue.Deliveries)
	b.Advance(59 * time.Minute)
	wantNothing(t, b, queue.Deliveries)
	b.Advance(2 * time.Minute)
	m := take(t, b, queue.Deliveries)
	if m.ID != "later" || !m.ScheduledFor.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("message %q, scheduled for %v; want later, %v", m.ID, m.ScheduledFor, at)
	}
}

func testScheduledOrder(t *testing.T, b Bus) {
	now := b.Now()
	send(t, b, queue.Deliveries,
		queue.Message{ID: "second", SessionID: "lane", ScheduledFor: now.Add(2 * time.Minute)},
		queue.Message{ID: "first", SessionID: "lane", ScheduledFor: now.Add(time.Minute)},
		queue.Message{ID: "past", SessionID: "lane", ScheduledFor: now.Add(-time.Hour)},
		queue.Message{ID: "now", SessionID: "lane"})
	wantIDs(t, b, queue.Deliveries, "past", "now")
	b.Advance(3 * time.Minute)
	wantIDs(t, b, queue.Deliveries, "first", "second")
}

func testTopic(t *testing.T, b Bus) {
	send(t, b, queue.Changes, queue.Message{ID: "1", SessionID: "lane", Properties: map[string]any{"type": "calbridge.delivery.v1"}})
	send(t, b, queue.Changes, queue.Message{ID: "1", SessionID: "lane"}, queue.Message{ID: "2", SessionID: "other"})
	wantIDs(t, b, queue.Changes, "1", "2")
}

func testSessions(t *testing.T, b Bus) {
	var batch []queue.Message
	for i := range 12 {
		batch = append(batch, queue.Message{ID: fmt.Sprint(i), SessionID: fmt.Sprint("lane", i%3)})
	}
	send(t, b, queue.Deliveries, batch...)
	next := map[string]int{"lane0": 0, "lane1": 1, "lane2": 2}
	for range batch {
		m := take(t, b, queue.Deliveries)
		if want := fmt.Sprint(next[m.SessionID]); m.ID != want {
			t.Fatalf("message %s of %s, want %s", m.ID, m.SessionID, want)
		}
		next[m.SessionID] += 3
	}
	wantNothing(t, b, queue.Deliveries)
}
