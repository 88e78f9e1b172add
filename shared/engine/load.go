package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/state"
)

// load reads the organisation, how its calendars may be called, and the bookings, and
// decides each delivery.
func (t *turn) load(ctx context.Context) (err error) {
	t.org, err = t.orgs.Organization(ctx, t.info.Organization)
	switch {
	case errors.Is(err, state.ErrNotFound):
	case err != nil:
		return fmt.Errorf("organisation of lane %s: %w", t.lane, err)
	default:
		t.known = true
		if t.reach, err = t.reachNow(ctx, t.org, t.info); err != nil {
			return err
		}
	}
	err = t.each(ctx, len(t.slots), func(ctx context.Context, i int) (err error) {
		s := t.slots[i]
		s.body, err = t.bookings.Get(ctx, t.info.Organization, s.row.Booking)
		if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrCorrupt) {
			t.lost(s)
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range t.slots {
		if s.fate == open && s.body.Revision > 0 {
			t.safely(ctx, s, func() { t.decide(s) })
			if s.fate == postponed {
				t.lost(s) // what panics for a day is given up
			}
		}
	}
	return nil
}

func (t *turn) decide(s *slot) {
	b, err := booking.Load(s.body.Body)
	if err == nil {
		b, err = b.Resolve(t.org.TimeZone)
	}
	if err != nil {
		// It was valid when it was accepted: settings changed since.
		t.log.Error("stored booking cannot be read", "organization", t.info.Organization, "delivery", s.row.Key)
		s.want = want{revision: s.body.Revision}.held(ICS, reasonRefused)
		return
	}
	s.b = b
	s.row = t.reach.renamed(s.row)
	if old := s.row.Home.Tenant; old != "" && t.known && t.org.State.Tenant != "" && old != t.org.State.Tenant && !anyTenant(t.org) {
		s.row = leaveBehind(s.row)
		t.note(s, "left", state.Entry{EventID: s.stored.Event})
	}
	s.want = decide(facts{org: t.org, known: t.known, booking: b, kind: t.info.Kind, target: t.info.Target, lane: t.info, reach: t.reach, row: s.row, now: t.start})
	if why, ok := t.gaveUp(s); ok && !s.want.hold {
		s.want = s.want.held(ICS, reasonGaveUp)
		s.want.says, s.alert = true, why
	}
}

// lost keeps a delivery whose booking is not in the tables until it gives up:
// nothing can be decided about it.
func (t *turn) lost(s *slot) {
	s.want = want{revision: s.row.Revision, says: true}.held(ICS, reasonGaveUp)
	code, ok := t.gaveUp(s)
	if !ok {
		s.fate = postponed
		return
	}
	s.fate, s.alert = open, code
}

// leaveBehind forgets an event in a tenant that the organisation is no longer
// bound to: it may not be touched, only listed (I7).
func leaveBehind(row state.Delivery) state.Delivery {
	row.Event, row.ChangeKey, row.ICalUID, row.Home, row.Print = "", "", "", state.Home{}, ""
	row.Intent = state.Intent{}
	row.Generation++
	return row
}

// gaveUp reports whether a delivery has failed for too long, or was told to end.
func (t *turn) gaveUp(s *slot) (string, bool) {
	since := s.row.Failing
	if at := state.DebtTime(s.row.Debt); at.After(since) {
		since = at
	}
	if !s.row.Failing.IsZero() && t.start.Sub(since) > giveUpAfter {
		return "gave-up", true
	}
	if !t.giveUp.IsZero() && s.row.Debt != "" && !state.DebtTime(s.row.Debt).After(t.giveUp) {
		return "dead-lettered", true
	}
	return "", false
}

// safely keeps a panic of one delivery from its neighbours.
func (t *turn) safely(ctx context.Context, s *slot, f func()) {
	defer func() {
		if p := recover(); p != nil {
			t.log.ErrorContext(ctx, "panic in a delivery", "delivery", s.row.Key, "stack", string(debug.Stack()))
			s.fate = postponed
			t.note(s, "panic", state.Entry{})
		}
	}()
	f()
}
