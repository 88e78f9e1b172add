package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/graph"
)

// many is a world with n bookings of aino's written.
func many(t *testing.T, n int) *world.World {
	t.Helper()
	w := newWorld(t, exchange.Switches{})
	for i := range n {
		send(t, w, bookingOf(t, fmt.Sprintf("b%02d", i), 1, nil))
	}
	settle(t, w)
	return w
}

func emptied(t *testing.T, w *world.World, n int) {
	t.Helper()
	owner := w.Exchange.Owner(world.Tenant, "aino@acme.example")
	for i := range n {
		if err := owner.Delete(w.Ours(fmt.Sprintf("b%02d", i), "aino")[0].ID); err != nil {
			t.Fatal(err)
		}
	}
}

// again sends the next revision of n bookings, and serves them in one turn.
func again(t *testing.T, w *world.World, n int, revision int64) {
	t.Helper()
	for i := range n {
		send(t, w, bookingOf(t, fmt.Sprintf("b%02d", i), revision, nil))
		take(t, w)
	}
	settle(t, w)
}

func TestAMailboxThatAnswers404ForAllItHeldIsHeldAndAskedAgain(t *testing.T) {
	w := many(t, 15)
	emptied(t, w, 15)
	for revision := int64(2); revision <= 3; revision++ {
		again(t, w, 15, revision)
		for i := range 15 {
			expect(t, w, fmt.Sprintf("b%02d", i), "aino", "skipped", "held")
		}
	}
	alerts := 0
	for _, m := range w.Broker.Peek(world.Changes) {
		if m.Subject == "calbridge.alert.v1" {
			alerts++
		}
	}
	if alerts != 15 {
		t.Errorf("%d alerts, want one for each event", alerts)
	}
}

func TestAFewDeletionsAreTheUsersOwn(t *testing.T) {
	w := many(t, 15)
	emptied(t, w, 9)
	again(t, w, 15, 2)
	for i := range 15 {
		id := fmt.Sprintf("b%02d", i)
		if i < 9 {
			expect(t, w, id, "aino", "skipped", "removed-by-user")
		} else {
			expect(t, w, id, "aino", "written", "", id+" r2")
		}
	}
}

// A mailbox that was emptied, or replaced by another one of that address. What it held is
// asked for again with every revision and made again with none; new bookings are written,
// and what is cancelled needs nobody's decision any more.
func TestAnEmptiedMailboxIsHeldAndTakesNewBookings(t *testing.T) {
	w := many(t, 15)
	if err := w.Exchange.Return(world.Tenant, "aino@acme.example", exchange.Emptied); err != nil {
		t.Fatal(err)
	}
	for revision := int64(2); revision <= 3; revision++ {
		from := len(w.Effects)
		again(t, w, 15, revision)
		asked := 0
		for effect, n := range count(w, from) {
			if strings.HasPrefix(effect, "graph get") || strings.HasPrefix(effect, "graph find") || strings.HasPrefix(effect, "graph patch") {
				asked += n
			}
			if strings.HasPrefix(effect, "graph create") {
				t.Errorf("revision %d: %s", revision, effect)
			}
		}
		if asked == 0 {
			t.Errorf("revision %d: the calendar was not asked: %v", revision, count(w, from))
		}
	}
	send(t, w, bookingOf(t, "new", 1, nil))
	send(t, w, bookingOf(t, "b00", 4, map[string]any{"status": "cancelled"}))
	settle(t, w)
	expect(t, w, "new", "aino", "written", "", "new r1")
	if last, err := w.Last("b00", "aino"); err != nil || last.State != "removed" && last.State != "skipped" || last.Reason != "cancelled" {
		t.Errorf("cancelled: %+v, %v", last, err)
	}
	if n := len(mailbox(w)); n != 1 {
		t.Errorf("%d events, want the new one", n)
	}
}

// A mailbox that answers 404 for a while, for instance while it is restored.
func TestWhatWasHeldIsWrittenOnceItsMailboxAnswersAgain(t *testing.T) {
	w := many(t, 15)
	there := mailbox(w)
	away := &blind{Calendar: w.Calendar}
	w.Calendar = away
	again(t, w, 15, 2)
	expectHeld(t, w, 15)
	if n := len(mailbox(w)); n != len(there) {
		t.Fatalf("%d events, want the %d that are there", n, len(there))
	}
	w.Calendar = away.Calendar
	again(t, w, 15, 3)
	for i := range 15 {
		id := fmt.Sprintf("b%02d", i)
		expect(t, w, id, "aino", "written", "", id+" r3")
	}
}

// blind is a Graph that knows no event of any mailbox.
type blind struct{ graph.Calendar }

func (b *blind) Do(_ context.Context, _ graph.Access, calls []graph.Call) []graph.Result {
	out := make([]graph.Result, len(calls))
	for i, c := range calls {
		if c.Event != "" {
			out[i] = graph.Result{Status: 404, Err: &graph.Error{Kind: graph.Gone, Status: 404, Code: "ErrorItemNotFound"}}
		}
	}
	return out
}

func expectHeld(t *testing.T, w *world.World, n int) {
	t.Helper()
	for i := range n {
		if last, err := w.Last(fmt.Sprintf("b%02d", i), "aino"); err != nil || last.State != "skipped" || last.Reason != "held" {
			t.Errorf("b%02d: %+v, %v, want held", i, last, err)
		}
	}
}
