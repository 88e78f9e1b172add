package engine_test

import (
	"context"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/local/world"
)

// forgetting marks the world's organisation as recovered.
type forgetting struct{ w *world.World }

func (f forgetting) Recover(context.Context, string) error {
	f.w.Org.State.RecoveredAt = f.w.Now()
	return nil
}

func TestAfterTablesAreLostTheCalendarIsAskedBeforeAnythingIsCreated(t *testing.T) {
	for _, memory := range []exchange.Memory{exchange.FreedOnDelete, exchange.Kept, exchange.Ghost, exchange.Forgotten} {
		w := newWorld(t, exchange.Switches{Memory: memory})
		revise(t, w, 1, "A")
		settle(t, w)
		revise(t, w, 2, "")
		settle(t, w)
		revise(t, w, 3, "B") // the event is of a higher generation now
		settle(t, w)
		expect(t, w, "b", "aino", "written", "", "B")
		event := w.Ours("b", "aino")[0].ID

		w.Tables = tables.NewStore(w.Now).Direct()
		forgetting{w}.Recover(t.Context(), world.Organization)
		revise(t, w, 4, "C")
		settle(t, w)
		expect(t, w, "b", "aino", "written", "", "C")
		if got := w.Ours("b", "aino")[0].ID; got != event {
			t.Errorf("memory %v: another event was made", memory)
		}
		from := len(w.Effects)
		revise(t, w, 5, "D")
		settle(t, w)
		if n := count(w, from)["graph find ×1"]; n > 0 {
			t.Errorf("the row is looked at again: %d searches", n)
		}
	}
}

func TestAnOldCopyOfTheTablesDoublesNothing(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	old := tables.NewStore(w.Now).Direct()
	w.Tables = old
	revise(t, w, 1, "A")
	settle(t, w)
	// The copy ends here; what follows is lost with the tables.
	w.Tables = tables.NewStore(w.Now).Direct()
	w.Org.State.RecoveredAt = w.Now()
	revise(t, w, 2, "B")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "B")

	w.Tables = old
	w.Advance(1e9)
	w.Org.State.RecoveredAt = w.Now()
	revise(t, w, 3, "C")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "C")
}
