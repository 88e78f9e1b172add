// Package queuetest is the suite that every queue.Sender and queue.Shelf passes:
// the adapter over a connection, and the broker's in-memory twin. It holds what the rest of
// Calbridge relies on: order, scheduling, limits and the errors they give,
// duplicate detection, dead letters.
package queuetest

import (
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/queue"
)

// Bus is a sender and a shelf to test, and the other side of it. Every method fails the test
// by itself when the bus does not answer.
type Bus interface {
	queue.Sender
	queue.Shelf
	// Now is the bus's time.
	Now() time.Time
	// Advance moves it forward.
	Advance(d time.Duration)
	// Next takes the next visible message of a queue, of whichever session is
	// free, or of the subscription all of queue.Changes. It reports false when
	// there is none now.
	Next(t *testing.T, entity string) (Taken, bool)
	// Dead lists a queue's dead letters.
	Dead(t *testing.T, entity string) []Dead
	// Limit sets how many bytes an entity holds.
	Limit(entity string, bytes int64)
	// Down makes the bus unreachable until Down(false).
	Down(down bool)
}

// Taken is a message in hand.
type Taken struct {
	queue.Message
	// Deliveries is 1 at the first.
	Deliveries int
	Complete   func()
	Abandon    func()
}

// Dead is a dead letter.
type Dead struct {
	ID, Reason string
}

// Run runs the suite; open makes a bus with empty entities as deployed.
func Run(t *testing.T, open func(t *testing.T) Bus) {
	tests := []struct {
		name string
		run  func(t *testing.T, b Bus)
	}{
		{"a message arrives as it was sent", testContent},
		{"properties keep their types", testProperties},
		{"other property types are refused", testPropertyTypes},
		{"the caller keeps its memory", testMemory},
		{"no messages is no error", testNone},
		{"order holds inside a session", testOrder},
		{"an abandoned message comes before later ones", testAbandoned},
		{"a scheduled message is invisible until then", testScheduled},
		{"scheduled messages do not hold up others", testScheduledOrder},
		{"the largest message arrives, one byte more is too large", testTooLarge},
		{"nothing is sent when one message is too large", testTooLargeAmongOthers},
		{"ids of 128 characters arrive, longer ones are too large", testLongIDs},
		{"more than a batch holds is split", testSplit},
		{"a batch may hold several sessions", testSessions},
		{"a full queue says so, and takes again when emptied", testFull},
		{"an unknown entity is an error", testUnknown},
		{"a session id is required where the queue has sessions", testNoSession},
		{"a repeated id is dropped where the queue detects it", testDuplicates},
		{"a repeated id arrives where the queue does not", testNoDuplicates},
		{"the topic reaches its subscription", testTopic},
		{"a message that fails 20 times is a dead letter", testDeadLetter},
		{"a message too old is a dead letter", testExpiry},
		{"a bus that is down is an error, and works again after", testDown},
		{"a cancelled context is an error", testCancelled},
		{"peeking shows what lies there and locks nothing", testPeek},
		{"sifting asks about each message once, and removes what it is told to", testSift},
		{"dead letters of sessions are peeked at and sifted without them", testSiftDead},
		{"an error while sifting leaves that message and the rest", testSiftFails},
		{"what others hold is peeked at and not sifted", testSiftHeld},
		{"who sifts shares no memory with the bus", testSiftMemory},
		{"a place that is unknown is an error, not empty", testShelfUnknown},
		{"a bus that is down is not an empty place", testShelfDown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

func send(t *testing.T, b Bus, entity string, messages ...queue.Message) {
	t.Helper()
	if err := b.Send(t.Context(), entity, messages...); err != nil {
		t.Fatalf("send to %s: %v", entity, err)
	}
}

// take takes and completes the next message.
func take(t *testing.T, b Bus, entity string) Taken {
	t.Helper()
	m, ok := b.Next(t, entity)
	if !ok {
		t.Fatalf("nothing on %s, want a message", entity)
	}
	m.Complete()
	return m
}

func wantNothing(t *testing.T, b Bus, entity string) {
	t.Helper()
	if m, ok := b.Next(t, entity); ok {
		t.Fatalf("message %q on %s, want nothing", m.ID, entity)
	}
}

func wantIDs(t *testing.T, b Bus, entity string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if m := take(t, b, entity); m.ID != id {
			t.Fatalf("message %q on %s, want %q", m.ID, entity, id)
		}
	}
	wantNothing(t, b, entity)
}
