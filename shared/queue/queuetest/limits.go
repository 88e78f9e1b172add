package queuetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/queue"
)

// LargestBody is the body, in bytes, of the largest message that has an id of 1
// character and nothing else: MaxMessage less what properties, envelope and
// sections take by the SDK's count.
const LargestBody = 262_074

func testTooLarge(t *testing.T, b Bus) {
	largest := queue.Message{ID: "1", Body: bytes.Repeat([]byte("x"), LargestBody)}
	send(t, b, queue.Bookings, largest)
	if m := take(t, b, queue.Bookings); len(m.Body) != LargestBody {
		t.Errorf("body of %d bytes, want %d", len(m.Body), LargestBody)
	}
	larger := queue.Message{ID: "1", Body: append(largest.Body, 'x')}
	if err := b.Send(t.Context(), queue.Bookings, larger); !errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("one byte more gives %v, want ErrTooLarge", err)
	}
	properties := queue.Message{ID: "1", Body: largest.Body, Properties: map[string]any{"p": "v"}}
	if err := b.Send(t.Context(), queue.Bookings, properties); !errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("one property more gives %v, want ErrTooLarge", err)
	}
	send(t, b, queue.Bookings, queue.Message{ID: "after"})
	wantIDs(t, b, queue.Bookings, "after")
}

func testTooLargeAmongOthers(t *testing.T, b Bus) {
	err := b.Send(t.Context(), queue.Bookings,
		queue.Message{ID: "1"}, queue.Message{ID: "2", Body: make([]byte, queue.MaxMessage)}, queue.Message{ID: "3"})
	if !errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	wantNothing(t, b, queue.Bookings)
}

func testLongIDs(t *testing.T, b Bus) {
	id := strings.Repeat("i", queue.MaxID)
	send(t, b, queue.Deliveries, queue.Message{ID: id, SessionID: id})
	if m := take(t, b, queue.Deliveries); m.ID != id || m.SessionID != id {
		t.Errorf("ids of %d and %d characters, want 128", len(m.ID), len(m.SessionID))
	}
	for _, m := range []queue.Message{{ID: id + "i", SessionID: "s"}, {ID: "i", SessionID: id + "i"}} {
		if err := b.Send(t.Context(), queue.Deliveries, m); !errors.Is(err, queue.ErrTooLarge) {
			t.Errorf("ids of %d and %d characters give %v, want ErrTooLarge", len(m.ID), len(m.SessionID), err)
		}
	}
}

func testSplit(t *testing.T, b Bus) {
	var messages []queue.Message
	for i := range 30 {
		messages = append(messages, queue.Message{ID: fmt.Sprint(i), SessionID: "lane", Body: make([]byte, 40_000)})
	}
	send(t, b, queue.Deliveries, messages...)
	for i := range messages {
		if m := take(t, b, queue.Deliveries); m.ID != fmt.Sprint(i) || len(m.Body) != 40_000 {
			t.Fatalf("message %s with %d bytes, want %d with 40000", m.ID, len(m.Body), i)
		}
	}
	wantNothing(t, b, queue.Deliveries)
}

func testFull(t *testing.T, b Bus) {
	b.Limit(queue.Bookings, 100_000)
	body := make([]byte, 40_000)
	send(t, b, queue.Bookings, queue.Message{ID: "1", Body: body}, queue.Message{ID: "2", Body: body})
	for range 3 {
		err := b.Send(t.Context(), queue.Bookings, queue.Message{ID: "3", Body: body})
		if !errors.Is(err, queue.ErrFull) {
			t.Fatalf("error %v, want ErrFull", err)
		}
	}
	if m := take(t, b, queue.Bookings); m.ID != "1" {
		t.Errorf("message %q, want 1", m.ID)
	}
	send(t, b, queue.Bookings, queue.Message{ID: "4", Body: body})
	wantIDs(t, b, queue.Bookings, "2", "4")
}

func testUnknown(t *testing.T, b Bus) {
	err := b.Send(t.Context(), "nowhere", queue.Message{ID: "1"})
	if err == nil || errors.Is(err, queue.ErrFull) || errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("error %v, want one that is neither ErrFull nor ErrTooLarge", err)
	}
	send(t, b, queue.Bookings, queue.Message{ID: "1"})
	wantIDs(t, b, queue.Bookings, "1")
}

func testNoSession(t *testing.T, b Bus) {
	if err := b.Send(t.Context(), queue.Deliveries, queue.Message{ID: "1"}); err == nil {
		t.Error("sent without session id, want an error")
	}
	wantNothing(t, b, queue.Deliveries)
}

func testDuplicates(t *testing.T, b Bus) {
	task := func(id string) queue.Message { return queue.Message{ID: id, SessionID: "mailbox"} }
	send(t, b, queue.MailboxTasks, task("1"))
	send(t, b, queue.MailboxTasks, task("1"), task("2"), task("2"))
	wantIDs(t, b, queue.MailboxTasks, "1", "2")
	b.Advance(9 * time.Minute)
	send(t, b, queue.MailboxTasks, task("1"))
	wantNothing(t, b, queue.MailboxTasks)
	b.Advance(2 * time.Minute)
	send(t, b, queue.MailboxTasks, task("1"))
	wantIDs(t, b, queue.MailboxTasks, "1")
}

func testNoDuplicates(t *testing.T, b Bus) {
	send(t, b, queue.Bookings, queue.Message{ID: "1"}, queue.Message{ID: "1"})
	wantIDs(t, b, queue.Bookings, "1", "1")
}

func testDeadLetter(t *testing.T, b Bus) {
	send(t, b, queue.Deliveries, queue.Message{ID: "poison", SessionID: "lane"}, queue.Message{ID: "next", SessionID: "lane"})
	for i := 1; i <= 20; i++ {
		m, ok := b.Next(t, queue.Deliveries)
		if !ok || m.ID != "poison" || m.Deliveries != i {
			t.Fatalf("message %q, delivery %d; want poison, delivery %d", m.ID, m.Deliveries, i)
		}
		m.Abandon()
	}
	wantIDs(t, b, queue.Deliveries, "next")
	wantDead(t, b, queue.Deliveries, Dead{"poison", "MaxDeliveryCountExceeded"})
}

func testExpiry(t *testing.T, b Bus) {
	send(t, b, queue.Bookings, queue.Message{ID: "old"})
	b.Advance(14*24*time.Hour - time.Minute)
	send(t, b, queue.Bookings, queue.Message{ID: "young"})
	b.Advance(2 * time.Minute)
	wantIDs(t, b, queue.Bookings, "young")
	wantDead(t, b, queue.Bookings, Dead{"old", "TTLExpiredException"})
}

func wantDead(t *testing.T, b Bus, entity string, want Dead) {
	t.Helper()
	if dead := b.Dead(t, entity); len(dead) != 1 || dead[0] != want {
		t.Errorf("dead letters of %s are %+v, want %+v", entity, dead, want)
	}
}

func testDown(t *testing.T, b Bus) {
	send(t, b, queue.Bookings, queue.Message{ID: "before"})
	b.Down(true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := b.Send(ctx, queue.Bookings, queue.Message{ID: "during"})
	if err == nil || errors.Is(err, queue.ErrFull) || errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("error %v, want one that is neither ErrFull nor ErrTooLarge", err)
	}
	b.Down(false)
	send(t, b, queue.Bookings, queue.Message{ID: "after"})
	wantIDs(t, b, queue.Bookings, "before", "after")
}

func testCancelled(t *testing.T, b Bus) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Send(ctx, queue.Bookings, queue.Message{ID: "1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	wantNothing(t, b, queue.Bookings)
}
