package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
)

// switchOff switches sync off with the wish that events which are not over go (T4).
func switchOff(t *testing.T, w *world.World, remove bool) {
	t.Helper()
	if err := w.Engine().Reconcile(context.Background(), world.Organization, "sync"); err != nil {
		t.Fatal(err)
	}
	w.Org.Sync, w.Org.State.Removing = false, remove
	settle(t, w)
}

func TestSwitchingSyncOffWithRemovalRemovesWhatIsNotOver(t *testing.T) {
	for _, kind := range []string{"application", "delegated"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, exchange.Switches{})
			if kind == "delegated" {
				w.Delegate("any")
				sign(t, w, "aino", ainos(w), connection.Up)
			}
			past := map[string]any{"start": map[string]any{"dateTime": "2026-11-20T11:30:00"}, "end": map[string]any{"dateTime": "2026-11-20T11:45:00"}}
			send(t, w, bookingOf(t, "over", 1, past))
			send(t, w, bookingOf(t, "coming", 1, nil))
			settle(t, w)
			w.Advance(3 * time.Hour)
			switchOff(t, w, true)
			expect(t, w, "coming", "aino", "removed", "sync-off")
			expect(t, w, "over", "aino", "written", "", "over r1")

			send(t, w, bookingOf(t, "coming", 2, nil)) // as for anybody while sync is off
			settle(t, w)
			expect(t, w, "coming", "aino", "ics", "sync-off")

			if err := w.Engine().Reconcile(t.Context(), world.Organization, "sync"); err != nil {
				t.Fatal(err)
			}
			w.Org.Sync, w.Org.State.Removing = true, false
			settle(t, w)
			expect(t, w, "coming", "aino", "written", "", "coming r2")
		})
	}
}

func TestSwitchingSyncOffWithoutTheWishRemovesNothing(t *testing.T) {
	w := written(t)
	switchOff(t, w, false)
	expect(t, w, "b", "aino", "written", "", "A")
}

// What cannot be reached stays as it was published, named: nobody gets a file of what
// is in the calendar.
func TestRemovalStopsAtACalendarThatCannotBeReached(t *testing.T) {
	w := delegated(t)
	c := sign(t, w, "aino", ainos(w), connection.Up)
	send(t, w, bookingOf(t, "b", 1, nil))
	settle(t, w)
	disconnect(t, w, c)
	pass(t, w)
	switchOff(t, w, true)
	expect(t, w, "b", "aino", "written", "", "b r1")
	if rowOf(t, w, "b", "aino").Event == "" {
		t.Error("nobody knows of the event")
	}
}

// Who is cancelled in between is told so, not of the switch.
func TestACancellationWhileEventsAreRemovedIsACancellation(t *testing.T) {
	w := written(t)
	if err := w.Engine().Reconcile(t.Context(), world.Organization, "sync"); err != nil {
		t.Fatal(err)
	}
	w.Org.Sync, w.Org.State.Removing = false, true
	revise(t, w, 2, "")
	settle(t, w)
	expect(t, w, "b", "aino", "removed", "cancelled")
}
