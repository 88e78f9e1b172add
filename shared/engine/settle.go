package engine

import (
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// saveResults stores what became of every slot. A row to which debt was added
// meanwhile is read again and saved with that debt kept, if its intent is still
// ours; the result of an overtaken attempt is dropped: the look that its
// successor ordered will see what it did.
func (t *turn) saveResults(ctx context.Context) error {
	var slots []*slot
	for _, s := range t.slots {
		if s.fate == dropped || s.fate == throttled && !s.mine {
			t.later(s)
			continue
		}
		slots = append(slots, s)
	}
	if err := t.tellMailbox(ctx); err != nil {
		return err
	}
	const rounds = 5
	for round := 0; len(slots) > 0; round++ {
		updates := make([]state.Update, len(slots))
		for i, s := range slots {
			updates[i] = t.resultOf(s)
		}
		saved, err := t.save(ctx, updates)
		if err != nil {
			return err
		}
		var rest []*slot
		for i, s := range slots {
			if tag, ok := saved[s.row.Key]; ok {
				s.stored = updates[i].After
				s.stored.ETag = tag
			} else {
				rest = append(rest, s)
			}
		}
		if slots, err = t.reread(ctx, rest, round == rounds); err != nil {
			return err
		}
	}
	if t.unreachable() && !t.info.Probe.After(t.start) {
		if err := t.probeTomorrow(ctx, t.info.Organization, t.lane); err != nil {
			return err
		}
	}
	if t.stale {
		if err := t.lanes.ForgetHome(ctx, t.lane); err != nil {
			return err
		}
	}
	if t.until.After(t.start) && t.until != t.info.NotBefore {
		return t.lanes.SetNotBefore(ctx, t.lane, t.until)
	}
	return nil
}

// unreachable reports whether some delivery ended as a file because of its
// mailbox: then the mailbox is looked at again tomorrow, and never in between.
func (t *turn) unreachable() bool {
	for _, s := range t.slots {
		if s.fate != done || s.step.outcome != final || s.step.state != ICS {
			continue
		}
		switch s.step.reason {
		case graph.ReasonNotFound, graph.ReasonOnPremises, graph.ReasonUnavailable, graph.ReasonOutsideScope:
			return t.info.Address != "" && !t.reach.delegated // connections are looked at by their own keep-alive
		}
	}
	return false
}

// reread loads the rows that changed under us and returns the slots that are
// still ours to save.
func (t *turn) reread(ctx context.Context, slots []*slot, last bool) ([]*slot, error) {
	var ours []*slot
	for _, s := range slots {
		d, err := t.lanes.Delivery(ctx, t.lane, s.row.Key)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return nil, err
		}
		if err != nil || d.Intent.ID != s.row.Intent.ID || last {
			t.later(s)
			continue
		}
		s.stored = d
		ours = append(ours, s)
	}
	return ours, nil
}

// later keeps a row that somebody else works on from waking its lane at once.
func (t *turn) later(s *slot) {
	const pause = 5 * time.Second
	for _, o := range s.owed() {
		if due, ok := t.left[o.Row]; ok && due.Before(t.start.Add(pause)) {
			t.left[o.Row] = t.start.Add(pause)
		}
	}
}

func (s *slot) owed() []state.Owed {
	if s.look == nil {
		return s.debts
	}
	return append(s.debts[:len(s.debts):len(s.debts)], *s.look)
}

// resultOf is the row as it is to be after the slot's attempt, counted from the
// row as it is stored now.
func (t *turn) resultOf(s *slot) state.Update {
	u := state.Update{Before: s.stored, After: t.reach.renamed(s.stored)}
	if s.fate == done {
		u.After.Looked = s.row.Looked
	}
	switch {
	case s.fate == throttled:
		u.After.Intent = state.Intent{}
	case s.fate == postponed:
		t.postpone(s, &u)
	case s.step.outcome == quiet:
		t.clearDebt(s, &u)
	case s.step.outcome == wait:
		t.await(s, &u)
	case s.step.outcome == part:
		u.After.Intent = state.Intent{}
		if s.step.event == u.After.Event || u.After.Event == "" {
			u.After = forget(u.After)
			u.After.Generation++
		}
	default:
		t.conclude(s, &u)
	}
	t.strike(s, &u)
	s.mended(&u)
	return u
}

// conclude saves a result.
func (t *turn) conclude(s *slot, u *state.Update) {
	a := &u.After
	a.State, a.Reason, a.Revision, a.Updated = s.step.state, s.step.reason, s.want.revision, t.now().UTC()
	a.Intent, a.Failing, a.Tries = state.Intent{}, time.Time{}, 0
	if s.step.op == state.OpDelete {
		a.Generation++
	}
	switch {
	case s.step.state == Written:
		a.Event, a.Home, a.Print, a.ByUser = s.step.event, s.step.home, s.want.print, state.ByUser{}
		a.Sight = s.seenAfter(a.Sight)
		if s.step.op != state.OpNone {
			a.Event = s.result.ID
			a.ChangeKey, a.ICalUID = s.result.ChangeKey, orReason(s.result.ICalUID, a.ICalUID)
		}
	case s.want.hold: // the last confirmed event stays, named
	default:
		*a = forget(*a)
		if s.step.reason != reasonByUser && s.step.reason != reasonInactive {
			a.ByUser.When = "" // another time or status: only "never" still holds
		}
	}
	t.clearDebt(s, u)
}

// forget is the row without an event.
func forget(row state.Delivery) state.Delivery {
	row.Event, row.ChangeKey, row.ICalUID, row.Home, row.Print = "", "", "", state.Home{}, ""
	row.Sight, row.Heard.Mend = "", state.Mend{}
	return row
}

// clearDebt takes away the owed rows that were served, and the debt they stand
// for unless more was added.
func (t *turn) clearDebt(s *slot, u *state.Update) {
	u.Settle = append(u.Settle, s.debts...)
	if u.Before.Debt == s.debt {
		u.After.Debt = ""
	}
}

// postpone moves what is owed to later, with backoff.
func (t *turn) postpone(s *slot, u *state.Update) {
	const first, last = 10 * time.Second, 30 * time.Minute
	a := &u.After
	if s.mine {
		a.Intent.Attempt = 0 // the attempt failed, it did not die
		if s.surely {
			a.Intent = state.Intent{}
		}
	}
	if u.Before.Reason == reasonGaveUp && u.Before.Debt == "" {
		t.lookTomorrow(s, u)
		return
	}
	if a.Failing.IsZero() {
		a.Failing = t.start.UTC()
	}
	a.Tries++
	due := t.now().Add(t.backoff(a.Tries, first, last)).Truncate(time.Millisecond)
	t.moveDebt(s, u, due)
	if s.look != nil && u.After.Look.Nonce == s.look.Nonce {
		look := u.After.Look
		look.Due = later(due, look.Due.Add(time.Millisecond))
		t.replaceLook(s, u, look)
	}
}

// lookTomorrow puts off the look at a delivery that was given up, for as long as its
// booking is not over: nothing is owed any more, so that one attempt a day is enough, and
// nothing is said of it again. Before that was so, the look after giving up began another
// day of attempts, and the delivery was given up again every day for ever.
func (t *turn) lookTomorrow(s *slot, u *state.Update) {
	look := u.After.Look
	look.Due = t.start.Add(heldDelay).Truncate(time.Millisecond)
	if ends := s.row.Ends; !ends.IsZero() && ends.Before(t.start) {
		look = state.Look{}
	}
	t.replaceLook(s, u, look)
}

// moveDebt replaces the owed rows that were read by one that is due later.
func (t *turn) moveDebt(s *slot, u *state.Update, due time.Time) {
	if len(s.debts) == 0 {
		return
	}
	u.Settle = append(u.Settle, s.debts...)
	if u.Before.Debt == s.debt && s.debt != "" {
		u.Owe = append(u.Owe, state.Owed{Priority: s.debts[0].Priority, Due: due, Delivery: s.row.Key, Nonce: s.debt})
	}
}

// await keeps a duplicate that cannot be seen: nothing is created before the look.
func (t *turn) await(s *slot, u *state.Update) {
	u.After.Intent.Op = state.OpDuplicate
	if s.why == duplicated || u.After.Look.Nonce == "" {
		t.orderLook(s, u, s.want.home)
	}
	t.moveDebt(s, u, u.After.Look.Due)
}

// strike ends a look in the attempt that read its row as due and found nothing
// to do; one that cannot be taken, because the calendar is closed, is put off, and so
// is what remains of one whose mailboxes were not all to be called.
func (t *turn) strike(s *slot, u *state.Update) {
	if s.look == nil || s.fate != done || u.After.Look.Nonce != s.look.Nonce {
		return
	}
	switch {
	case s.want.hold:
		look := u.After.Look
		look.Due = t.start.Add(heldDelay).Truncate(time.Millisecond)
		t.replaceLook(s, u, look)
	case s.why == lookDue && s.step.op == state.OpNone:
		t.replaceLook(s, u, t.stillToSee(s, u.After.Look))
	}
}
