package downsync

import (
	"context"
	"errors"
	"fmt"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/state"
)

// alertHeld is the code of the alert that a mailbox is held.
const alertHeld = "held"

// brake holds a connection when more is gone in one round than the organisation's limit
// allows (A2): then nothing of the round is told as deleted, nothing more of the mailbox
// is read, and a person is asked. A series counts once, however many of its days are gone.
func (x *round) brake(ctx context.Context) (held bool, err error) {
	if x.cursor.Round.Approved || x.cursor.Round.Restored {
		return false, nil
	}
	lost := x.losses()
	if lost == 0 || x.lostBefore+lost <= x.org.Brake.Count {
		return false, nil
	}
	known, err := x.knownInAll(ctx)
	lost, known = lost+x.lostBefore, known+x.lostBefore
	if err != nil || 100*lost <= x.org.Brake.Percent*known {
		return false, err
	}
	return true, x.hold(ctx, lost, known)
}

// losses counts the records of which something is gone.
func (x *round) losses() int {
	n := 0
	for id, record := range x.book.records {
		if record.One != nil && x.gone[markOf(id)] {
			n++
		}
		for day := range record.Days {
			if x.gone[markOf(appointment.DayID(id, day))] {
				n++
				break
			}
		}
	}
	return n
}

// knownInAll counts what is known of all calendars of the mailbox.
func (x *round) knownInAll(ctx context.Context) (int, error) {
	n := 0
	for _, one := range calendars(x.c) {
		if one.ID == x.id {
			if err := x.book.loadAll(ctx); err != nil {
				return 0, err
			}
			for _, record := range x.book.records {
				if !record.Empty() {
					n++
				}
			}
			continue
		}
		all, err := x.appointments.All(ctx, state.CalendarKey(x.c.ID, one.ID))
		if err != nil {
			return 0, err
		}
		n += len(all)
	}
	return n, nil
}

// hold stops the connection. The round is stored first, so that it goes on from there;
// the alert goes before the row: after a kill in between it goes again, as the same one.
func (x *round) hold(ctx context.Context, lost, known int) error {
	if err := x.flush(ctx); err != nil {
		return err
	}
	if err := x.save(ctx); err != nil {
		return err
	}
	if err := x.alert(ctx, x.cursor.Round.Delta, "raised", fmt.Sprintf("At least %d of %d appointments of a connected calendar are gone at once. "+
		"None of them counts as deleted, and the calendar is not read any more, until somebody approves that they are or has them restored.", lost, known)); err != nil {
		return err
	}
	err := x.held.Put(ctx, state.Held{Organization: x.org.ID, Connection: x.c.ID, Lane: x.lane, User: x.c.User, Calendar: x.id,
		Since: x.now().UTC(), Removals: lost, Known: known, Round: x.cursor.Round.Delta})
	if err != nil && !errors.Is(err, state.ErrExists) {
		return err
	}
	x.progress.State, x.progress.Cause = state.SyncHeld, ""
	return nil
}

func (r *reading) alert(ctx context.Context, round, how, words string) error {
	a := outbound.Alert{ID: key.UUID("alert/held/" + r.c.ID.String() + "/" + round + "/" + how), Code: alertHeld, State: how, Message: words,
		Kind: key.User, Target: r.c.User}
	return r.publish(ctx, []outbound.Event{a.Event(r.origin(r.org.ID))})
}

// heldBack reports whether the connection is held and nobody has decided yet. What was
// decided is carried out first: the decision moves into the round, then the row goes.
func (r *reading) heldBack(ctx context.Context) (bool, error) {
	h, err := r.held.Get(ctx, r.org.ID, r.c.ID)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if r.onlyOurs() {
		return false, r.unheld(ctx, h)
	}
	if h.Decision == "" {
		r.progress.State, r.progress.Cause = state.SyncHeld, ""
		return true, r.progressed(ctx)
	}
	calendar := state.CalendarKey(r.c.ID, h.Calendar)
	cursor, err := r.cursors.Get(ctx, calendar)
	if err != nil {
		return false, err
	}
	if cursor.Round != nil {
		cursor.Round.Approved, cursor.Round.Restored = h.Decision == state.HeldApprove, h.Decision == state.HeldRestore
		if _, err := r.cursors.Put(ctx, calendar, cursor); err != nil {
			return false, err
		}
	}
	if err := r.alert(ctx, h.Round, "over", "The appointments that were gone at once were decided about, and the calendar is read again."); err != nil {
		return false, err
	}
	return false, r.held.Release(ctx, r.org.ID, r.c.ID)
}
