package engine

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Write serves the lane that a message wakes: at most 20 deliveries, live before
// bulk, oldest first.
//
// Cost of a lone delivery that creates or changes an event: four requests to
// lanes (the owed rows, the delivery, intents, results), one read of the booking,
// one transaction of the ledger, one request to Graph (one more the first time,
// to learn the mailbox; two where the body text changed), one send to the topic.
// Twenty deliveries cost twenty-three requests to lanes, twenty reads of bookings,
// one transaction of the ledger, one $batch and one send.
//
// In a delegated organisation a turn costs one request more, to connections, and no
// request to Graph more: mailboxes are known from connecting. A booking with several
// people costs one request more to bookings at a person's first write, which claims
// the mailbox. Calls go in one $batch for each account that is called, and a lane calls
// a second one only while events move from it.
func (e *Engine) Write(ctx context.Context, m queue.Message) error {
	lane, err := key.Parse(m.SessionID)
	if err != nil {
		return e.again(ctx, queue.Deliveries, m, &queue.Malformed{Why: "no lane"})
	}
	giveUp, err := e.readWake(m)
	if err != nil {
		return e.again(ctx, queue.Deliveries, m, err)
	}
	t := &turn{Engine: e, lane: lane, start: e.now(), giveUp: giveUp, left: map[string]time.Time{}, failures: map[graph.Access]*graph.Error{}}
	return e.again(ctx, queue.Deliveries, m, t.serve(ctx))
}

// turn is one invocation of a lane.
type turn struct {
	*Engine
	lane   key.Key
	start  time.Time
	giveUp time.Time // give up what was owed before; zero means nothing
	info   state.Lane
	org    organization.Organization
	known  bool
	reach  reach
	home   state.Home // today's; zero until it is known
	learnt bool       // home is news to the lane row
	stale  bool       // the mailbox that the lane row names is not there any more
	// verdict on the mailbox that is news to the lane row; empty when there is none.
	verdict string
	// failures are of tokens and mailboxes, one for each access.
	failures map[graph.Access]*graph.Error
	// credential is a refusal of the app's own credential; nil when there was none.
	credential *graph.Error
	slots      []*slot
	ledger     []state.Entry
	// left are the owed rows that stand, by key, with their due times.
	left map[string]time.Time
	more bool // there are owed rows that were not read
	// until is when Graph may be called again; zero when it may now.
	until time.Time
}

// slot is one delivery in a turn.
type slot struct {
	stored state.Delivery // as the table has it
	row    state.Delivery // stored, less what was left behind in another tenant
	debts  []state.Owed   // all owed rows of the delivery that were read
	look   *state.Owed    // its look, if it was read as due
	debt   string         // nonce of the debt when the row was read
	b      booking.Booking
	body   state.Booking
	want   want
	why    cause
	left   state.Home // where its event was left in this turn, as long as no look names it
	lost   string     // the event that was left
	adopts bool       // whether an event imported from our file is looked for
	seen   []found
	step   step
	mine   bool // the row's intent is ours
	fate   fate
	surely bool   // of postponed: nothing happened at Graph, the intent can go
	alert  string // code of an alert to publish with the result
	// existing is the event that a duplicate transaction named.
	existing string
	set      event.Fields // what a patch sends
	merged   string       // the body to send, merged with what stood around ours
	ifMatch  string
	tries    int // calls of this turn that met a conflict
	result   graph.Event
}

// fate is where a slot stands.
type fate int

const (
	open      fate = iota // not decided, or its call is to be made
	done                  // the step was taken: to be published, unless quiet or part
	postponed             // failed in a way that may pass
	throttled             // Graph asked to wait; nothing happened
	dropped               // somebody else works on the row
)

func (t *turn) serve(ctx context.Context) error {
	if err := t.open(ctx); err != nil {
		return err
	}
	if t.info.Target == "" && len(t.slots) > 0 {
		// Nobody: the lane of a target that was only in a revision which another
		// overtook before its debts were written. Nothing was ever said of it.
		for _, s := range t.slots {
			s.fate, s.step.outcome = done, quiet
		}
		if err := t.saveResults(ctx); err != nil {
			return err
		}
	} else if len(t.slots) > 0 {
		if err := t.load(ctx); err != nil {
			return err
		}
		if err := t.settleHome(ctx); err != nil {
			return err
		}
		if err := t.run(ctx); err != nil {
			return err
		}
	}
	return t.wakeAgain(ctx)
}

// run asks, plans, acts, publishes and saves.
func (t *turn) run(ctx context.Context) error {
	for _, s := range t.slots {
		s.why = notAsked
		switch {
		case s.look != nil:
			s.why = lookDue
		case s.row.Intent.InDoubt(), s.row.Look.Nonce != "" && s.row.Event == "" && s.want.event != nil:
			s.why = inDoubt // also while a look is open: what it is to find may be there already
		case len(t.returned(s)) > 0 && !s.want.hold:
			s.why = inDoubt // the way is open again to what was left behind
		case s.row.Heard.Mend.Gone && s.row.Event != "" && !s.want.hold:
			s.why = missing
		}
		t.outOfReach(s)
		if s.left.Mailbox != "" && s.why == notAsked {
			s.why = inDoubt // it may be the same mailbox under another name
		}
		t.recover(s)
		s.adopt()
	}
	const rounds = 4 // a plan, and what a duplicate, a 404 and a conflict ask for
	for range rounds {
		t.ask(ctx)
		t.plan()
		if err := t.brake(ctx); err != nil {
			return err
		}
		t.mergeBodies(ctx)
		if err := t.saveIntents(ctx); err != nil {
			return err
		}
		if !t.call(ctx) {
			break
		}
	}
	for _, s := range t.slots {
		if s.fate == open {
			s.fate = postponed
		}
	}
	if err := t.tellFailures(ctx); err != nil {
		return err
	}
	if err := t.judgeConsent(ctx); err != nil {
		return err
	}
	if err := t.publish(ctx); err != nil {
		return err
	}
	if err := t.Engine.ledger.Add(ctx, t.lane, t.start, t.ledger); err != nil {
		return err
	}
	return t.saveResults(ctx)
}

// adopt puts in doubt a delivery that was a file so far and is to be an event: who
// had the file may have imported it, and that event is then taken over instead of
// doubled. What is not found is created; nothing is guessed.
func (s *slot) adopt() {
	wasFile := s.row.State == ICS || s.row.Looked.After(s.stored.Looked)
	if s.want.event == nil || s.want.hold || s.row.Event != "" || !wasFile {
		return
	}
	s.adopts = true
	if s.why == notAsked {
		s.why = inDoubt
	}
}

// each runs f for 0 to n-1, a few at a time, and returns the first error.
func (e *Engine) each(ctx context.Context, n int, f func(context.Context, int) error) error {
	if n == 1 || e.parallel == 1 {
		for i := range n {
			if err := f(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.parallel)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

// note adds a line to the ledger.
func (t *turn) note(s *slot, operation string, entry state.Entry) {
	entry.At, entry.Operation, entry.Delivery = t.now(), operation, s.row.Key
	entry.Revision, entry.Sequence, entry.Attempt = s.want.revision, s.row.Sequence, s.row.Tries+1
	t.ledger = append(t.ledger, entry)
}

// wakeAgain schedules one wake-up for the earliest row that still stands.
func (t *turn) wakeAgain(ctx context.Context) error {
	if len(t.left) == 0 && !t.more {
		return nil
	}
	at := t.start.AddDate(1, 0, 0)
	for _, due := range t.left {
		if due.Before(at) {
			at = due
		}
	}
	if t.more {
		at = t.start
	}
	if at.Before(t.until) {
		at = t.until
	}
	now := t.now()
	const soon = time.Second // a clock that lags must not send us round and round
	if at.After(now) {
		at = later(at, now.Add(soon))
	}
	if !t.giveUp.IsZero() && !at.After(later(now, t.until)) {
		return t.send(ctx, queue.Deliveries, giveUpMessage(t.lane, t.giveUp, at)) // not all is given up yet
	}
	if !at.After(now) {
		return t.send(ctx, queue.Deliveries, wake(t.lane, time.Time{}))
	}
	// A wake-up that is on its way for then is enough, else those of a lane that has
	// something later would pile up. One that is due any moment is not counted on:
	// clocks differ.
	const skew = time.Minute
	if t.info.Wake.After(now.Add(skew)) && !t.info.Wake.After(at) {
		return nil
	}
	if err := t.send(ctx, queue.Deliveries, wake(t.lane, at)); err != nil || at.Before(now.Add(skew)) {
		return err
	}
	return t.lanes.SetWake(ctx, t.lane, at)
}
