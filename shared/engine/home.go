package engine

import (
	"context"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// settleHome finds the mailbox that the lane's target has today: that of the person's
// primary connection, else the one that Graph names for the address. It asks Graph only
// when the address or the tenant changed since it was last asked.
func (t *turn) settleHome(ctx context.Context) error {
	if err := t.findHome(ctx); err != nil {
		return err
	}
	for _, s := range t.slots {
		s.want.home = t.home
		if err := t.leaveMailbox(ctx, s); err != nil {
			return err
		}
		if s.fate != open || s.want.event == nil || t.alone(s) {
			continue
		}
		if err := t.shareMailbox(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) findHome(ctx context.Context) error {
	tenant := t.org.State.Tenant
	switch {
	case t.reach.chosen():
		return t.takeHome(ctx)
	case t.info.Home.Tenant == tenant && tenant != "" && t.info.ResolvedAddress == t.info.Address:
		t.home = t.info.Home
		return nil
	}
	return t.learnHome(ctx, tenant)
}

// alone reports whether nobody need be asked who else has the mailbox: the target is
// known by its own address, or where people choose their accounts, has the event.
func (t *turn) alone(s *slot) bool {
	if t.reach.delegated {
		return s.row.State == Written && s.row.Event != "" && s.row.Home == t.home
	}
	return t.home.Mailbox == booking.Normal(t.info.Address)
}

// learnHome asks Graph which mailbox answers for the lane's address, if something
// is to be written there, or was written where the target lived before.
func (t *turn) learnHome(ctx context.Context, tenant string) error {
	wanted := func(s *slot) bool { return s.fate == open && s.want.event != nil }
	needed := t.info.Home.Mailbox != "" && t.info.Home.Tenant == tenant && t.info.Address != "" && !personal(t.info)
	for _, s := range t.slots {
		needed = needed || wanted(s)
	}
	if s, _ := closed(facts{org: t.org, known: t.known}); !needed || s != "" {
		return nil
	}
	if t.info.Address == "" {
		for _, s := range t.slots {
			if wanted(s) {
				s.want = s.want.held(ICS, reasonNotFound)
			}
		}
		return nil
	}
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	box, err := t.calendar.Mailbox(call, graph.AppAccess(tenant), t.info.Address)
	if err != nil {
		failure := graphError(err)
		for _, s := range t.slots {
			if wanted(s) {
				t.note(s, "mailbox", entryOf(graph.Result{Err: failure, Status: failure.Status}))
				t.fail(s, t.info.Home, failure)
			}
		}
		return nil
	}
	t.home, t.learnt = state.Home{Tenant: tenant, Mailbox: box.Address}, true
	if old := t.info.Home; old.Mailbox != "" && old != t.home {
		return t.oweAll(ctx)
	}
	return nil
}

// oweAll marks everything else of the lane as owed, behind live work: the target
// has moved to another mailbox, and its events follow.
func (t *turn) oweAll(ctx context.Context) error {
	here := map[key.Key]bool{}
	for _, s := range t.slots {
		here[s.row.Key] = true
	}
	owed, err := t.oweLane(ctx, t.lane, t.start.AddDate(0, 0, -t.org.BackfillPastDays),
		func(d state.Delivery) bool { return !here[d.Key] && d.Debt == "" && d.Event != "" })
	for _, o := range owed {
		t.left[o.Row] = o.Due
	}
	return err
}

// shareMailbox finds out whether somebody else on the booking has the same
// mailbox, known by another address: then one of them gets the event.
func (t *turn) shareMailbox(ctx context.Context, s *slot) error {
	if len(s.b.Targets()) == 1 {
		return nil
	}
	if _, ok := owner(s.b, t.info.Target, t.home.Mailbox); ok && !t.reach.delegated {
		s.want = s.want.without(Skipped, reasonDuplicate)
		return nil
	}
	// Whoever else has the mailbox claims it too, and gives the claim back on moving.
	holder, err := t.bookings.Claim(ctx, t.info.Organization, s.row.Booking, t.home.Mailbox, t.lane, invited(s.b))
	if err != nil {
		return err
	}
	if holder != t.lane {
		s.want = s.want.without(Skipped, reasonDuplicate)
	}
	return nil
}

// leaveMailbox gives back the claim on a mailbox that the target has moved out of,
// and owes the booking to the others on it: who had to stand back may have the
// event now.
func (t *turn) leaveMailbox(ctx context.Context, s *slot) error {
	old := s.row.Home
	if s.fate != open || old.Mailbox == "" || t.home.Mailbox == "" || old == t.home || len(s.b.Targets()) < 2 {
		return nil
	}
	held, err := t.bookings.Release(ctx, t.info.Organization, s.row.Booking, old.Mailbox, t.lane)
	if err != nil || !held {
		return err
	}
	var messages []queue.Message
	for _, other := range s.body.Targets {
		if other.Lane == t.lane {
			continue
		}
		debt := state.Debt{Lane: state.Lane{Key: other.Lane}, Delivery: other.Delivery, Booking: s.row.Booking, Ends: s.row.Ends,
			Priority: state.Bulk, Due: t.start, Nonce: state.NewDebt(t.start)}
		if err := t.lanes.Owe(ctx, debt); err != nil {
			return err
		}
		messages = append(messages, wake(other.Lane, time.Time{}))
	}
	return t.send(ctx, queue.Deliveries, messages...)
}

// invited are the lanes of those who are to get a booking now.
func invited(b booking.Booking) []state.Target {
	var out []state.Target
	for _, target := range b.Targets() {
		if target.Kind == key.User && target.Person.Participates() {
			out = append(out, state.Target{Lane: key.Lane(b.Organization, target.Kind, target.ID)})
		}
	}
	return out
}

// fail gives a slot the fate that a failure of a call to a mailbox has. A call that was not
// answered may still happen, and one that a server failed on may have: then the
// intent stays, and the next attempt asks.
func (t *turn) fail(s *slot, home state.Home, err *graph.Error) {
	if t.unsettled(err) {
		s.fate, s.surely = postponed, true
		return
	}
	switch err.Kind {
	case graph.Throttled:
		wait := max(err.RetryAfter, time.Second)
		t.until = later(t.until, t.now().Add(wait+time.Duration(t.jitter()*float64(time.Second))))
		s.fate = throttled
	case graph.Unreachable:
		if t.reach.delegated {
			t.failConnection(s, home, err)
			return
		}
		if err.Reason == graph.ReasonNotFound && t.home == t.info.Home && !t.stale && t.info.ResolvedAddress == t.info.Address {
			t.stale = true // the mailbox may have another name by now: ask again by the address
		}
		if t.stale && err.Reason == graph.ReasonNotFound {
			s.fate, s.surely = postponed, true
			return
		}
		t.refuse(s, orReason(err.Reason, graph.ReasonUnavailable))
	case graph.Invalid:
		s.alert = err.Code
		t.refuse(s, reasonRefused)
	case graph.Unauthorised:
		if t.reach.delegated {
			t.failConnection(s, home, err)
			return
		}
		if err.Reason != "" {
			t.refuse(s, err.Reason)
			return
		}
		if fateOf(err) == graph.FateCredential {
			t.credential = err
		}
		s.fate, s.surely = postponed, true
	default:
		s.fate, s.surely = postponed, err.Status == 0 && !err.Unanswered
	}
}

// refuse ends a slot with a file: its calendar cannot be written. What is there
// stays, named in the row.
func (t *turn) refuse(s *slot, reason string) {
	s.want = s.want.held(ICS, reason)
	if s.mine { // the call was refused: its number carries this result
		s.step = step{op: state.OpNone, event: s.row.Event, home: s.row.Home, state: ICS, reason: reason, generation: s.row.Generation}
		s.fate = done
	}
}

func orReason(reason, otherwise string) string {
	if reason == "" {
		return otherwise
	}
	return reason
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
