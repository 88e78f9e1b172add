package engine_test

import (
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
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
