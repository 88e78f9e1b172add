package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
func (e *Engine) Write(ctx context.Context, m queue.Message) error {
	lane, err := key.Parse(m.SessionID)
	if err != nil {
		e.log.ErrorContext(ctx, "wake-up without a lane dropped", "error", err)
		return nil
	}
	t := &turn{Engine: e, lane: lane, start: e.now(), left: map[string]time.Time{}}
	if opOf(m) == opGiveUp {
		t.giveUp = beforeOf(m)
	}
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
	home   state.Home // today's; zero until it is known
	learnt bool       // home is news to the lane row
	stale  bool       // the mailbox that the lane row names is not there any more
	// verdict on the mailbox that is news to the lane row; empty when there is none.
	verdict string
	slots   []*slot
	ledger  []state.Entry
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
	adopts bool // whether an event imported from our file is looked for
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

// open reads what the lane owes and picks what this turn serves.
func (t *turn) open(ctx context.Context) (err error) {
	var owed []state.Owed
	if t.info, owed, t.more, err = t.lanes.Open(ctx, t.lane, t.start, maxRows); err != nil {
		return err
	}
	for _, o := range owed {
		t.left[o.Row] = o.Due
	}
	if t.info.NotBefore.After(t.start) {
		t.until = t.info.NotBefore
		return nil
	}
	picks := pick(owed, t.start)
	slots, err := t.read(ctx, picks)
	if err != nil {
		return err
	}
	t.slots = alone(slots)
	return t.strays(ctx, picks, slots)
}

// strays keeps owed rows whose delivery is not there, or cannot be read, from
// blocking the lane: the operator's recovery brings back what is missing.
func (t *turn) strays(ctx context.Context, picks []picked, slots []*slot) error {
	for i, s := range slots {
		if s != nil {
			continue
		}
		t.log.ErrorContext(ctx, "owed rows without a readable delivery dropped", "lane", t.lane, "delivery", picks[i].delivery)
		if err := t.lanes.Drop(ctx, t.lane, picks[i].rows()); err != nil {
			return err
		}
		for _, o := range picks[i].rows() {
			delete(t.left, o.Row)
		}
	}
	return nil
}

// picked is a delivery that is due, with its owed rows.
type picked struct {
	delivery key.Key
	debts    []state.Owed
	look     *state.Owed
}

func (p picked) rows() []state.Owed {
	if p.look == nil {
		return p.debts
	}
	return append(p.debts[:len(p.debts):len(p.debts)], *p.look)
}

// maxSettled is how many owed rows of one delivery a turn takes away: with what
// else changes they fit into a transaction. The rest finds nothing owed later.
const maxSettled = 90

// pick groups owed rows by delivery and takes the first 20 that are due, in the
// order of the rows.
func pick(owed []state.Owed, now time.Time) []picked {
	var out []picked
	at := map[key.Key]int{}
	for _, o := range owed {
		_, seen := at[o.Delivery]
		if !seen && !o.Due.After(now) && len(out) < maxRows {
			at[o.Delivery] = len(out)
			out = append(out, picked{delivery: o.Delivery})
		}
	}
	for _, o := range owed {
		i, ok := at[o.Delivery]
		switch {
		case !ok:
		case !o.Look && len(out[i].debts) < maxSettled:
			out[i].debts = append(out[i].debts, o)
		case !o.Look:
		case !o.Due.After(now):
			out[i].look = &o
		}
	}
	return out
}

// read loads the delivery rows. It comes before the bookings are loaded: an
// older booking must never meet a newer debt.
func (t *turn) read(ctx context.Context, picks []picked) ([]*slot, error) {
	slots := make([]*slot, len(picks))
	err := t.each(ctx, len(picks), func(ctx context.Context, i int) error {
		d, err := t.lanes.Delivery(ctx, t.lane, picks[i].delivery)
		if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrCorrupt) {
			return nil // see strays
		}
		if err != nil {
			return err
		}
		slots[i] = &slot{stored: d, row: d, debts: picks[i].debts, look: picks[i].look, debt: d.Debt}
		if s := slots[i]; s.look != nil && s.look.Nonce != d.Look.Nonce {
			s.debts = append(s.debts, *s.look) // of a look that ended: only to be cleared
			s.look = nil
		}
		return nil
	})
	return slots, err
}

// alone leaves a delivery whose attempts died twice to a turn of its own, so that
// what kills the process kills no other delivery's turn.
func alone(slots []*slot) []*slot {
	const deaths = 2 // the first attempt counts as 0, and its intent is still there
	var quiet []*slot
	for i, s := range slots {
		if s == nil {
			continue
		}
		if s.stored.Intent.Op == "" || s.stored.Intent.Attempt+1 < deaths {
			quiet = append(quiet, s)
		} else if i == 0 {
			return slots[:1]
		}
	}
	return quiet
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

// load reads organisation and bookings, and decides each delivery.
func (t *turn) load(ctx context.Context) (err error) {
	t.org, err = t.orgs.Organization(ctx, t.info.Organization)
	switch {
	case errors.Is(err, state.ErrNotFound):
	case err != nil:
		return fmt.Errorf("organisation of lane %s: %w", t.lane, err)
	default:
		t.known = true
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
	if old := s.row.Home.Tenant; old != "" && t.known && t.org.State.Tenant != "" && old != t.org.State.Tenant {
		s.row = leaveBehind(s.row)
		t.note(s, "left", state.Entry{EventID: s.stored.Event})
	}
	s.want = decide(facts{org: t.org, known: t.known, booking: b, kind: t.info.Kind, target: t.info.Target, lane: t.info, row: s.row, now: t.start})
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
