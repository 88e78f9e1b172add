package engine

import (
	"context"

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
	many := len(gone) > t.org.Brake.Count
	if many {
		share, err := t.share(ctx, len(gone))
		if err != nil {
			return err
		}
		many = share > t.org.Brake.Percent
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

// share is how many percent of the lane's events a number of them is. It reads the
// lane's history, and so only where the brake may be needed.
func (t *turn) share(ctx context.Context, n int) (int, error) {
	rows, err := t.lanes.Deliveries(ctx, t.lane, t.start)
	if err != nil {
		return 0, err
	}
	mirrored := 0
	for _, d := range rows {
		if d.Event != "" || d.Intent.Op == state.OpPatch {
			mirrored++
		}
	}
	return 100 * n / max(mirrored, n), nil
}
