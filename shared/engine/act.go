package engine

import (
	"context"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// saveIntents stores what every attempt is about to do, before it is done, with
// what a doubt has found; all rows in one transaction. A row that changed
// meanwhile is somebody else's and left out.
func (t *turn) saveIntents(ctx context.Context) error {
	var updates []state.Update
	var attempts []*slot
	for _, s := range t.slots {
		switch {
		case s.fate != open:
		case s.step.outcome == quiet, s.step.outcome == wait:
			s.fate = done
		default:
			updates = append(updates, t.intend(s))
			attempts = append(attempts, s)
		}
	}
	if len(updates) == 0 {
		return nil
	}
	saved, err := t.save(ctx, updates)
	if err != nil {
		return err
	}
	for i, s := range attempts {
		tag, ok := saved[s.row.Key]
		if !ok {
			s.fate = dropped
			continue
		}
		s.stored, s.mine = updates[i].After, true
		s.stored.ETag = tag
		s.row = s.stored
		s.left = state.Home{} // the look names it
		if s.step.op == state.OpNone {
			s.fate = done
			t.note(s, string(s.step.op), state.Entry{State: s.step.state, Reason: s.step.reason, EventID: s.step.event})
		}
	}
	return nil
}

// save stores updates, with the home if it is news, and keeps account of the
// owed rows that stand.
func (t *turn) save(ctx context.Context, updates []state.Update) (map[key.Key]string, error) {
	var home *state.Lane
	if t.learnt {
		home = &state.Lane{Home: t.home, ResolvedAddress: t.resolved()}
	}
	if t.verdict != "" {
		if home == nil {
			home = &state.Lane{}
		}
		home.Verdict = t.verdict
	}
	saved, err := t.lanes.Save(ctx, t.lane, updates, home)
	if err != nil {
		return nil, err
	}
	t.learnt, t.verdict = false, ""
	for _, u := range updates {
		if _, ok := saved[u.Before.Key]; !ok {
			continue
		}
		for _, o := range u.Settle {
			delete(t.left, o.Row)
		}
		for _, o := range u.Owe {
			t.left[state.OwedRow(o.Priority, o.Due, o.Delivery, o.Nonce)] = o.Due
		}
	}
	return saved, nil
}

// intend is the row with the intent of its attempt. Overtaking an intent whose
// outcome nobody knows orders a look for when it must have landed.
func (t *turn) intend(s *slot) state.Update {
	now := t.now()
	after, old := s.row, s.row.Intent
	after.Intent = state.Intent{ID: key.Random(), Op: s.step.op, Event: s.step.event, Home: s.step.home,
		Generation: s.step.generation, Sequence: max(s.row.Sequence, old.Sequence) + 1, At: now}
	if old.Op != "" {
		after.Intent.Attempt = old.Attempt + 1
	}
	if s.mine {
		after.Intent.Attempt = old.Attempt
	}
	after.Sequence, after.Generation = after.Intent.Sequence, s.step.generation
	after.Looked = s.row.Looked
	after.Intent.Sight = s.writes()
	if s.why != notAsked && !s.want.hold {
		after = withFacts(after, s.step.keep)
	}
	if s.step.reason == reasonByUser && s.row.ByUser.Revision == 0 {
		after.ByUser = state.ByUser{Revision: s.want.revision, When: s.want.when}
	}
	u := state.Update{Before: s.stored, After: after}
	if old.InDoubt() && !s.mine {
		t.orderLook(s, &u, old.Home, s.row.Home)
	}
	if s.left.Mailbox != "" {
		t.orderLeft(s, &u)
	}
	return u
}

// withFacts is the row with what the calendar showed: the event that is the
// delivery's, or none. Its content counts as unknown until the result is saved.
func withFacts(row state.Delivery, keep *found) state.Delivery {
	row.Print = ""
	if keep == nil {
		if row.Event != "" { // else it is that of an event that was left behind, and of our files
			row.ICalUID = ""
		}
		row.Event, row.ChangeKey, row.Home = "", "", state.Home{}
		return row
	}
	if keep.event.ID != row.Event {
		row.Sight, row.Heard.Mend = "", state.Mend{} // those of another event
	}
	row.Event, row.ChangeKey, row.ICalUID, row.Home = keep.event.ID, keep.event.ChangeKey, keep.event.ICalUID, keep.home
	return row
}

// orderLook adds a look to an update, ten minutes from now, at the mailboxes
// given and those of a look that stands. Its date only ever moves later. The look
// has a nonce of its own, so that this attempt does not end it (see strike).
func (t *turn) orderLook(s *slot, u *state.Update, homes ...state.Home) {
	old := u.After.Look
	look := state.Look{Nonce: key.Random(), Due: later(t.now().Add(lookDelay), old.Due).Truncate(time.Millisecond), Homes: slices.Clone(old.Homes), Left: old.Left,
		Sights: withSight(old.Sights, s.row.Intent.Sight)}
	for _, h := range homes {
		if h.Mailbox != "" && !slices.Contains(look.Homes, h) {
			look.Homes = append(look.Homes, h)
		}
	}
	t.replaceLook(s, u, look)
}

// replaceLook sets a delivery's look and its owed row; an empty one ends it.
func (t *turn) replaceLook(s *slot, u *state.Update, look state.Look) {
	if old := u.After.Look; old.Nonce != "" {
		u.Settle = append(u.Settle, state.Owed{Row: state.OwedRow(state.Live, old.Due, s.row.Key, old.Nonce), Delivery: s.row.Key})
	}
	u.After.Look = look
	if look.Nonce != "" {
		u.Owe = append(u.Owe, state.Owed{Priority: state.Live, Due: look.Due, Delivery: s.row.Key, Nonce: look.Nonce, Look: true})
	}
}

// call makes the calls of all open attempts, in one request for each access, and tells
// whether some slot needs another round.
func (t *turn) call(ctx context.Context) (again bool) {
	var attempts []question
	for _, s := range t.slots {
		if s.fate == open {
			attempts = append(attempts, question{s, s.step.home, s.callOf()})
		}
	}
	for i, r := range t.do(ctx, attempts) {
		s := attempts[i].slot
		if r.Err == errNotMade {
			s.fate, s.surely = postponed, true
			continue
		}
		entry := entryOf(r)
		if r.Err == nil {
			entry.State, entry.Reason = s.step.state, s.step.reason
		}
		t.note(s, string(s.step.op), entry)
		t.took(s, r)
		again = again || s.fate == open
	}
	return again
}

func (s *slot) callOf() graph.Call {
	c := graph.Call{Mailbox: s.step.home.Mailbox, Event: s.step.event}
	switch s.step.op {
	case state.OpCreate:
		c.Op, c.Content, c.Set = graph.Create, *s.want.event, event.All
		c.Mark, c.TransactionID = s.row.Key.Hex(), key.TransactionID(s.row.Key, s.step.generation)
	case state.OpPatch:
		c.Op, c.Content, c.Set, c.Body, c.IfMatch = graph.Patch, *s.want.event, s.set, s.merged, s.ifMatch
	case state.OpDelete:
		c.Op = graph.Delete
	}
	return c
}

// took gives a slot the fate that the answer to its call has.
func (t *turn) took(s *slot, r graph.Result) {
	const most = 3 // tries against a conflict
	switch {
	case r.Err == nil:
		s.fate, s.result = done, r.Event
		if r.Event.ID == "" {
			s.result.ID = s.step.event
		}
	case r.Err.Kind == graph.Gone && s.step.op == state.OpDelete:
		s.fate = done
	case s.step.op == state.OpDelete && closedFor(r.Err, s.step.home, s.want.home):
		s.fate = done
		if s.step.outcome == part && s.why != vanished {
			// The old name is gone; under today's the event may still be there.
			s.fate, s.why = open, vanished
		}
	case r.Err.Kind == graph.Gone && s.step.op == state.OpPatch && s.why != vanished:
		s.why = vanished // asks by mark once
	case r.Err.Duplicate() && s.step.op == state.OpCreate && s.why != duplicated:
		s.why, s.existing = duplicated, r.Err.ExistingID
	case r.Err.Kind == graph.Conflict && !r.Err.Duplicate() && s.tries < most-1:
		s.tries++
	default:
		t.fail(s, s.step.home, r.Err)
	}
}
