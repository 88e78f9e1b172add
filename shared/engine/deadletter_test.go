package engine_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

// Duplicate detection remembers ids for ten minutes, also those of messages that are
// gone: what is sent again under one of them is swallowed.
func TestADeadTaskGoesBackUnderAnIdThatTheBusHasNotSeen(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	seen := 0
	newest := func() queue.Message {
		t.Helper()
		all := w.Broker.Peek(queue.MailboxTasks)
		if seen++; len(all) != seen {
			t.Fatalf("%d tasks, want %d", len(all), seen)
		}
		last := slices.MaxFunc(all, func(a, b servicebus.Received) int { return cmp.Compare(a.SequenceNumber, b.SequenceNumber) })
		return last.Message
	}
	// It failed twice in a way that may pass, and the bus was down for the third.
	var m queue.Message
	for attempt, id := range []string{"t", "t.1", "t.2"} {
		m = queue.Message{ID: id, SessionID: "s", Body: []byte(`{"v":1,"op":"probe","organization":"acme"}`), Properties: map[string]any{"attempt": int64(attempt)}}
		if err := w.Bus.Send(t.Context(), queue.MailboxTasks, m); err != nil {
			t.Fatal(err)
		}
		m = newest()
	}
	for round := range 3 {
		if err := w.Engine().DeadLetter(t.Context(), queue.MailboxTasks, m); err != nil {
			t.Fatal(err)
		}
		if m = newest(); m.Properties["round"] != int64(round+1) {
			t.Errorf("%v", m.Properties)
		}
	}
}
