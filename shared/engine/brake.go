package engine

import (
	"context"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// brake holds what looks like a mailbox that was replaced: when more events of one
// turn are gone than the organisation's limit, and more than its share of what the
// mailbox held, nobody deleted them one by one. They are neither taken for the
// user's deletions nor made again: the row keeps the event, an alert asks a person,
// and the next change of the booking asks the calendar again (write-path.md
// section 4). What is held stays so as long as the event does not answer.
func (t *turn) brake(ctx context.Context) error {
	var gone []*slot
	for _, s := range t.slots {
		if s.fate == open && s.step.outcome == final && s.step.reason == reasonByUser && s.row.ByUser.Revision == 0 {
			gone = append(gone, s)
		}
	}
	many, err := t.tooMany(ctx, gone)
	if err != nil {
		return err
	}
	for _, s := range gone {
		if !many && s.row.Reason != reason.Held {
			continue
		}
		if s.row.Reason != reason.Held {
			s.alert = reason.Held
		}
		s.want = s.want.held(Skipped, reason.Held)
		s.want.says = true
		t.replan(s)
	}
	return nil
}

// tooMany reports whether events that are gone, with those of the lane that delta found
// gone and those that were just held, are more than the organisation's limit and its
// share of the lane's events. It reads the lane's history, and so only where the brake
// may be needed: a turn sees no more than 20 events.
func (t *turn) tooMany(ctx context.Context, gone []*slot) (bool, error) {
	here := map[key.Key]bool{}
	found := false // by delta, which says one at a time what was gone at once
	for _, s := range gone {
		here[s.row.Key] = true
		found = found || s.why == missing
	}
	if len(gone) <= t.org.Brake.Count && !found {
		return false, nil
	}
	rows, err := t.lanes.Deliveries(ctx, t.lane, t.start)
	if err != nil {
		return false, err
	}
	const cycle = time.Hour
	n, mirrored := len(gone), 0
	for _, d := range rows {
		if d.Event != "" || d.Intent.Op == state.OpPatch {
			mirrored++
		}
		justHeld := d.Reason == reason.Held && t.start.Sub(d.Updated) < cycle
		if !here[d.Key] && d.Event != "" && (d.Heard.Mend.Gone && !d.Heard.Mend.Restore || justHeld) {
			n++
		}
	}
	return n > t.org.Brake.Count && 100*n/max(mirrored, n) > t.org.Brake.Percent, nil
}
