package downsync

import (
	"context"
	"errors"
	"slices"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// onlyOurs reports whether a reading is for what people did to events of ours and for
// nothing else: with the privacy nothing, where bookings go into the calendar (accessTo).
func (r *reading) onlyOurs() bool { return privacyOf(r.org, r.c) == appointment.Nothing }

// perhapsOurs takes an item where nothing else is told: nothing is noted of one that is not
// ours. A day of a series is not asked about, since nothing of ours has days; of what was
// made a series its master tells, which comes with it (graph/contract.md 4.5).
func (x *round) perhapsOurs(ctx context.Context, i graph.Item) error {
	if i.Kind == graph.Occurrence || i.Kind == graph.Exception {
		return nil
	}
	_, err := x.fateShown(ctx, i)
	return err
}

// narrowed forgets what is known of a calendar where nothing of it may be told any more,
// and whatever a time of that has left. A round then begins without a link.
func (x *round) narrowed(ctx context.Context) (err error) {
	if x.cursor.ETag == "" || x.cursor.Basis != "" && (!x.onlyOurs() || x.cursor.Basis == basisOf(x.org, x.c)) {
		return nil
	}
	x.cursor, err = x.blankCalendar(ctx, x.key, x.cursor)
	return err
}

// blankCalendar forgets what was in a calendar without a word, and keeps how often it has
// changed what may be told: when it is told again, that is news. The cursor goes first. One
// without a basis says that rows may be left, also after a kill; the app counts as knowing
// nothing from then on.
func (r *reading) blankCalendar(ctx context.Context, calendar key.Key, old state.Cursor) (state.Cursor, error) {
	blank := state.Cursor{Bases: old.Bases, ETag: old.ETag}
	if old.Basis != "" {
		var err error
		if blank.ETag, err = r.cursors.Put(ctx, calendar, blank); err != nil {
			return old, err
		}
	}
	return blank, r.appointments.Clear(ctx, calendar)
}

// blank forgets what was in all calendars of a connection that is not to be read: nothing of
// them may be told, or its direction reads nothing any more.
func (r *reading) blank(ctx context.Context) error {
	h, err := r.held.Get(ctx, r.org.ID, r.c.ID)
	switch {
	case err == nil && r.onlyOurs():
		err = r.unheld(ctx, h)
	case err == nil:
		err = r.over(ctx, h, overLeft)
	}
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	return r.leave(ctx, nil)
}

// leave forgets, without a word, the calendars that were read and are not among those to be
// read any more. What is noted of them is how often they have changed what may be told, so
// that all of them is news when they are read again.
func (r *reading) leave(ctx context.Context, all []connection.Calendar) error {
	p := &r.progress
	left := slices.DeleteFunc(slices.Clone(p.Read), func(id string) bool {
		return slices.ContainsFunc(all, func(one connection.Calendar) bool { return one.ID == id })
	})
	for _, id := range left {
		calendar := state.CalendarKey(r.c.ID, id)
		old, err := r.cursors.Get(ctx, calendar)
		if err != nil {
			return err
		}
		if old.ETag != "" {
			if _, err = r.blankCalendar(ctx, calendar, old); err != nil {
				return err
			}
		}
		p.Left = withCalendar(p.Left, id)
	}
	p.Read = slices.DeleteFunc(p.Read, func(id string) bool { return slices.Contains(left, id) })
	return nil
}

// unheld lets a connection go on of which nobody has to decide any more: what is held are
// appointments, and of those nothing is told.
func (r *reading) unheld(ctx context.Context, h state.Held) error {
	return r.over(ctx, h, "The appointments that were gone at once are not to be told any more by the organisation's settings: "+
		"they are forgotten, and nobody has to decide.")
}
