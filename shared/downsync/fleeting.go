package downsync

import (
	"context"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// fleetingFor is how far back a change can be that a notification told of, when it was
// looked for twice: notifications come within three minutes (graph/contract.md 6.5).
const fleetingFor = 15 * time.Minute

// maxFleeting is how many events are asked about at once.
const maxFleeting = 20

// fleeting asks about the events of ours that were written lately and that no reading has
// shown. A change that was notified and that nobody could find may be that one of them came
// and went between two readings, of which a delta need not tell.
func (r *reading) fleeting(ctx context.Context) error {
	inventory, ok := r.ours.(Inventory)
	all := calendars(r.c)
	at := slices.IndexFunc(all, func(c connection.Calendar) bool { return c.Default })
	if !ok || at < 0 || !r.c.Writes() {
		return nil
	}
	lately, err := inventory.Written(ctx, r.lane, r.c.Mailbox, r.now().Add(-fleetingFor))
	if err != nil || len(lately) == 0 {
		return err
	}
	cursor, err := r.cursors.Get(ctx, state.CalendarKey(r.c.ID, all[at].ID))
	if err != nil {
		return err
	}
	asked := 0
	for _, w := range lately {
		if !w.Ends.After(cursor.From) || !w.Ends.Before(cursor.To) || wasShown(cursor.Shown, shownMark(w.ID, w.ChangeKey)) {
			continue
		}
		if asked++; asked > maxFleeting || r.spent() {
			break
		}
		fate, err := r.ours.Changed(ctx, r.org.ID, r.lane, r.as, r.c.Mailbox, graph.Item{ID: w.ID, Removed: true})
		if err := r.bearable(err); err != nil {
			return err
		}
		if err == nil && fate == Handled {
			r.progress.Found++
		}
	}
	return nil
}
