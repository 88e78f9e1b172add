package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/state"
)

// question is one call of the ask, for one slot.
type question struct {
	slot *slot
	home state.Home
	call graph.Call
}

// ask looks into the calendar for every slot that is in doubt: by the event ids
// of row and intent; where none is alive, and for every look, by mark in each
// mailbox that row, intent or look names.
func (t *turn) ask(ctx context.Context) {
	var byID []question
	for _, s := range t.slots {
		if !s.asks() {
			continue
		}
		s.seen = nil
		for _, ref := range t.refs(s) {
			if s.why == vanished && ref.event == s.step.event {
				continue // its patch was 404: a deleted event may still answer a GET by id
			}
			byID = append(byID, question{s, ref.home, graph.Call{Op: graph.Get, Mailbox: ref.home.Mailbox, Event: ref.event}})
		}
	}
	t.answer(ctx, byID)
	var byMark []question
	for _, s := range t.slots {
		returned := t.returned(s)
		if !s.asks() || len(s.seen) > 0 && s.why != lookDue && len(returned) == 0 {
			continue
		}
		for _, home := range t.homes(s) {
			byMark = append(byMark, question{s, home, graph.Call{Op: graph.Find, Mailbox: home.Mailbox, Mark: s.row.Key.Hex()}})
		}
		if s.adopts && s.want.home.Mailbox != "" {
			returned = withHome(returned, s.want.home)
		}
		for _, home := range returned { // an event that was adopted there carries no mark
			byMark = append(byMark, question{s, home, graph.Call{Op: graph.FindUID, Mailbox: home.Mailbox, UID: ics.UID(s.row.Key)}})
		}
		if s.adopts && s.want.home.Mailbox != "" && graph.FitUID(s.row.ICalUID) && s.row.ICalUID != ics.UID(s.row.Key) {
			// The file carried the UID of the event that was left behind.
			byMark = append(byMark, question{s, s.want.home, graph.Call{Op: graph.FindUID, Mailbox: s.want.home.Mailbox, UID: s.row.ICalUID}})
		}
	}
	t.answer(ctx, byMark)
}

func (s *slot) asks() bool { return s.fate == open && s.why != notAsked && !s.want.hold }

// ref is an event by its id and mailbox.
type ref struct {
	event string
	home  state.Home
}

// refs are the events that row and intent name, and the one a duplicate named, as far
// as they may be called.
func (t *turn) refs(s *slot) []ref {
	var out []ref
	add := func(event string, home state.Home) {
		if event != "" && t.reach.has(home) && !slices.ContainsFunc(out, func(r ref) bool { return r.event == event }) {
			out = append(out, ref{event, home})
		}
	}
	add(s.row.Event, s.row.Home)
	add(s.row.Intent.Event, s.row.Intent.Home)
	add(s.existing, s.want.home)
	return out
}

// homes are the mailboxes in which an event of the delivery may live, as far as they
// may be called (I7).
func (t *turn) homes(s *slot) []state.Home {
	var out []state.Home
	for _, h := range append([]state.Home{s.want.home, s.row.Home, s.row.Intent.Home}, s.row.Look.Homes...) {
		if t.reach.has(h) && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// answer makes the calls and adds what they showed to the slots.
func (t *turn) answer(ctx context.Context, questions []question) {
	for i, r := range t.do(ctx, questions) {
		q := questions[i]
		t.note(q.slot, q.call.Op.String(), entryOf(r))
		switch {
		case r.Err == nil && q.call.Op == graph.Get:
			q.slot.seen = append(q.slot.seen, found{r.Event, q.home, false})
		case r.Err == nil:
			for _, e := range r.Found {
				q.slot.seen = append(q.slot.seen, found{e, q.home, q.call.Op == graph.FindUID})
			}
		case q.slot.fate != open || q.slot.want.hold:
		case r.Err.Kind == graph.Gone && q.call.Op == graph.Get:
		case closedFor(r.Err, q.home, q.slot.want.home):
		default:
			t.fail(q.slot, q.home, r.Err)
		}
	}
}

// closedFor reports whether an old mailbox of the target does not exist any
// more: then nothing of ours lives there.
func closedFor(err *graph.Error, home, today state.Home) bool {
	return home != today && today.Mailbox != "" && err.Kind == graph.Unreachable && err.Reason == graph.ReasonNotFound
}

// plan decides every open slot.
func (t *turn) plan() {
	for _, s := range t.slots {
		if s.fate != open {
			continue
		}
		t.replan(s)
	}
}

// replan decides a slot, by what may be called now.
func (t *turn) replan(s *slot) {
	t.outOfReach(s)
	s.isThere()
	s.step = plan(s.row, s.want, s.why, s.seen, s.mine)
	s.recognise()
	if s.step.op == state.OpPatch && s.step.outcome == final {
		s.set = s.fields()
	}
}

// mergeBodies reads the bodies of events whose text of ours changed, and puts the
// new text between the markers; what people wrote around it goes back unchanged.
func (t *turn) mergeBodies(ctx context.Context) {
	var questions []question
	for _, s := range t.slots {
		if s.fate == open && s.step.op == state.OpPatch && s.set.Has(event.Body) {
			questions = append(questions, question{s, s.step.home,
				graph.Call{Op: graph.Get, Mailbox: s.step.home.Mailbox, Event: s.step.event, WithBody: true}})
		}
	}
	for i, r := range t.do(ctx, questions) {
		s := questions[i].slot
		t.note(s, "read", entryOf(r))
		switch {
		case r.Err == nil:
			s.merged, _ = event.Merge(r.Event.Body, s.want.event.Body)
			s.ifMatch = r.Event.ChangeKey
		case r.Err.Kind == graph.Gone:
			s.merged, s.ifMatch = s.want.event.Body, "" // the patch will find it gone, and ask
		default:
			t.fail(s, questions[i].home, r.Err)
			if s.fate == open { // the mailbox is closed: the plan is another one
				t.replan(s)
			}
		}
	}
}

// fields are the parts of the event that a patch sends: what changed since the
// last confirmed content; after a doubt all, and as long as a look is open, since
// until then a call of ours may still land in between.
func (s *slot) fields() event.Fields {
	if s.why != notAsked || s.row.Look.Nonce != "" {
		return event.All
	}
	return event.Changed(s.row.Print, *s.want.event) | mends(s.row, s.want)
}

func graphError(err error) *graph.Error {
	var e *graph.Error
	if errors.As(err, &e) {
		return e
	}
	return &graph.Error{Kind: graph.Transient, Unanswered: true, Cause: err}
}

func entryOf(r graph.Result) state.Entry {
	e := state.Entry{Status: r.Status, RequestID: r.RequestID, EventID: r.Event.ID}
	if r.Err != nil {
		e.Code = r.Err.Code
		if e.Code == "" {
			e.Code = r.Err.Kind.String()
		}
	}
	return e
}
