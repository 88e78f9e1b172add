package downsync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/state"
)

// alertHeld is the code of the alert that a mailbox is held.
const alertHeld = "held"

// brake holds a connection when more is gone in one reading than the organisation's limit
// allows (A2): then nothing of the round is told as deleted, nothing more of the mailbox
// is read, and a person is asked. A series counts once, however many of its days are gone.
// What may be gone and cannot be asked for counts too: else a Graph that fails would split
// what is gone at once over several rounds.
func (x *round) brake(ctx context.Context) (held bool, err error) {
	if x.cursor.Round.Approved || x.cursor.Round.Restored {
		return false, nil
	}
	lost := x.losses(true)
	if lost == 0 {
		return false, nil
	}
	before, err := x.lostBefore(ctx)
	if err != nil || before+lost <= x.org.Brake.Count {
		return false, err
	}
	known, err := x.knownInAll(ctx)
	lost, known = lost+before, known+before
	if err != nil || 100*lost <= x.org.Brake.Percent*known {
		return false, err
	}
	return true, x.hold(ctx, lost, known)
}

// losses counts the records of which something is gone, or, where that counts as well,
// may be gone.
func (x *round) losses(unread bool) int {
	n := 0
	for id, record := range x.book.records {
		if record.One != nil && (x.gone[markOf(id)] || unread && x.unread[id]) {
			n++
		}
		for day, known := range record.Days {
			if x.gone[markOf(appointment.DayID(id, day))] || unread && (x.unread[id] || x.unread[known.Event]) {
				n++
				break
			}
		}
	}
	return n
}

// lostBefore is what this reading has told as gone in other rounds, which nobody changes
// meanwhile. One request for each other calendar, once in a slice.
func (x *round) lostBefore(ctx context.Context) (n int, err error) {
	if x.before != nil {
		return *x.before, nil
	}
	for _, one := range calendars(x.c) {
		cursor := x.cursor
		if one.ID != x.id {
			if cursor, err = x.cursors.Get(ctx, state.CalendarKey(x.c.ID, one.ID)); err != nil {
				return 0, err
			}
		}
		lost := cursor.Lost
		if lost != nil && lost.Reading == x.m.Base() && (one.ID != x.id || lost.Round != x.name()) {
			n += lost.Count
		}
	}
	x.before = &n
	return n, nil
}

// name tells a round from others, by what it goes on from.
func (x *round) name() string { return fmt.Sprintf("%x", markOf(x.cursor.Link)) }

// loses notes in the cursor what is about to be told as gone: flush stores it before it
// publishes that, so that a kill after it does not take it from the count.
func (x *round) loses() {
	n := x.losses(false)
	if n == 0 || x.cursor.Round.Approved || x.cursor.Round.Restored {
		return
	}
	lost := state.Losses{Reading: x.m.Base(), Round: x.name(), Count: n}
	if before := x.cursor.Lost; before != nil && before.Reading == lost.Reading {
		if before.Round == lost.Round { // killed while it was told: what is left of it is counted
			lost.Count = max(n, before.Count)
		} else {
			lost.Count += before.Count
		}
	}
	x.cursor.Lost = &lost
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

// hold stops the connection. The round is stored first, so that it goes on from there, and
// the row before the alert: whoever finds one whose alert is not noted publishes that again,
// as the same one, so that every alert gets its end.
func (x *round) hold(ctx context.Context, lost, known int) error {
	if err := x.flush(ctx); err != nil {
		return err
	}
	if err := x.save(ctx); err != nil {
		return err
	}
	h := state.Held{Organization: x.org.ID, Connection: x.c.ID, Lane: x.lane, User: x.c.User, Calendar: x.id,
		Since: x.now().UTC(), Removals: lost, Known: known, Round: x.cursor.Round.Delta}
	if err := x.held.Put(ctx, h); err != nil && !errors.Is(err, state.ErrExists) {
		return err
	}
	h, err := x.held.Get(ctx, x.org.ID, x.c.ID)
	if err != nil {
		return err
	}
	x.progress.State, x.progress.Cause = state.SyncHeld, ""
	return x.raise(ctx, h)
}

// raise publishes the alert of what is held, and notes that; nothing where it was.
func (s *Syncer) raise(ctx context.Context, h state.Held) error {
	if h.Raised {
		return nil
	}
	if err := s.alert(ctx, h, "raised", fmt.Sprintf("At least %d of %d appointments of a connected calendar are gone at once, or cannot be found. "+
		"None of them counts as deleted, and the calendar is not read any more, until somebody approves that they are or has them restored.", h.Removals, h.Known)); err != nil {
		return err
	}
	h.Raised = true
	return s.held.Put(ctx, h)
}

// over ends what is held: its alert, then its row. A kill in between ends it again, with
// the same alert.
func (s *Syncer) over(ctx context.Context, h state.Held, words string) error {
	if err := s.raise(ctx, h); err != nil {
		return err
	}
	if err := s.alert(ctx, h, "over", words); err != nil {
		return err
	}
	return s.held.Release(ctx, h.Organization, h.Connection)
}

// Words of an alert's end.
const (
	overDecided = "The appointments that were gone at once were decided about, and the calendar is read again."
	overLeft    = "The calendar from which appointments were gone at once is not read any more: they are forgotten, and nobody has to decide."
	overGone    = "The connection of the calendar from which appointments were gone at once has ended: they are forgotten, and nobody has to decide."
)

func (s *Syncer) alert(ctx context.Context, h state.Held, how, words string) error {
	a := outbound.Alert{ID: key.UUID("alert/held/" + h.Connection.String() + "/" + h.Round + "/" + how), Code: alertHeld, State: how, Message: words,
		Kind: key.User, Target: h.User}
	return s.publish(ctx, []outbound.Event{a.Event(s.origin(h.Organization))})
}

// endHeld ends what is held of a connection, if anything is.
func (s *Syncer) endHeld(ctx context.Context, organization string, id key.Key, words string) error {
	h, err := s.held.Get(ctx, organization, id)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.over(ctx, h, words)
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
	if !slices.ContainsFunc(calendars(r.c), func(one connection.Calendar) bool { return one.ID == h.Calendar }) {
		return false, r.over(ctx, h, overLeft)
	}
	if h.Decision == "" {
		if err := r.raise(ctx, h); err != nil {
			return true, err
		}
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
	return false, r.over(ctx, h, overDecided)
}
