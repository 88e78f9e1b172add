package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Kinds of Redrive (wire.md, Operator).
const (
	RedriveRejected    = "rejected"
	RedriveDeadLetters = "dead-letters"
	RedriveBooking     = "booking"
	RedrivePerson      = "person"
	RedriveRecover     = "recover"
)

// MaxRedrive is how many messages one call sends back at most, and how many it
// looks at.
const MaxRedrive = 1000

// Redrive is an operator's order to do again what ended, or never began.
type Redrive struct {
	Kind string
	// Queue of dead letters; "" is all of DeadLetterQueues.
	Queue string
	// Organization is required but for dead letters, which it does not narrow, and for
	// rejected messages, of which "" means all.
	Organization string
	ID           string // of a booking
	User         string // of a person
	// Max is how many messages are sent back at most, 1 to MaxRedrive.
	Max int
}

// ErrNoShelf is returned where the engine was made without a Shelf.
var ErrNoShelf = errors.New("engine: made without a Shelf")

// Redrive carries out an order and returns how much it set going: messages,
// deliveries, or for a recovery organisations. It may be repeated at any time.
// state.ErrNotFound: there is no such organisation, booking or person.
//
// Messages are counted once they were sent, and removed only then; after a failure
// half-way the count is what was sent, and there is no error: the next call goes
// on, and fails if nothing can be sent at all.
func (e *Engine) Redrive(ctx context.Context, r Redrive) (int, error) {
	switch r.Kind {
	case RedriveRejected:
		return e.sendBack(ctx, r, queue.Place{Queue: queue.Rejected})
	case RedriveDeadLetters:
		names := DeadLetterQueues()
		if r.Queue != "" {
			names = []string{r.Queue}
		}
		var places []queue.Place
		for _, name := range names {
			places = append(places, queue.Place{Queue: name, Dead: true})
		}
		return e.sendBack(ctx, r, places...)
	case RedriveBooking:
		return e.redriveBooking(ctx, r.Organization, r.ID)
	case RedrivePerson:
		return e.redrivePerson(ctx, r.Organization, r.User)
	case RedriveRecover:
		return e.Recover(ctx, r.Organization)
	}
	return 0, fmt.Errorf("engine.Redrive: no kind %q", r.Kind)
}

// redriveBooking owes every target a booking ever had, and wakes them, as intake
// does for a new revision: live, because one booking is no bulk, and because new
// debt is served at once where old debt waits for its next attempt.
func (e *Engine) redriveBooking(ctx context.Context, organization, id string) (int, error) {
	row, err := e.bookings.Get(ctx, organization, id)
	if err != nil {
		return 0, err
	}
	return len(row.Targets), e.fanOut(ctx, row)
}

// redrivePerson owes a person what is current and upcoming, behind live work, and
// wakes the lane. What is owed already is owed anew: it may wait for a later
// attempt, or its wake-up be lost.
func (e *Engine) redrivePerson(ctx context.Context, organization, user string) (int, error) {
	org, err := e.orgs.Organization(ctx, organization)
	if err != nil {
		return 0, err
	}
	lane := key.Lane(organization, key.User, user)
	row, err := e.lanes.Lane(ctx, lane)
	if err != nil {
		return 0, err
	}
	if row.Organization == "" {
		return 0, fmt.Errorf("lane %s: %w", lane, state.ErrNotFound)
	}
	since := e.now().AddDate(0, 0, -org.BackfillPastDays)
	owed, err := e.oweLane(ctx, lane, since, func(state.Delivery) bool { return true })
	if err != nil {
		return len(owed), err
	}
	return len(owed), e.send(ctx, queue.Deliveries, wake(lane, time.Time{}))
}

const (
	// redriveProperty marks what one call sends back, so that it stops when the first
	// of it has been rejected again.
	redriveProperty = "redrive"
	// redriveTime is how long one call goes on sending: a request has 60 seconds.
	redriveTime = 35 * time.Second
	// heldAtOnce is how many bytes of other organisations' messages one call holds.
	heldAtOnce = 64 << 20
	// worn is after how many deliveries a message is laid down anew instead of given
	// back: after 20 it would be a dead letter.
	worn = 10
)

// redriving is one call that sends messages back.
type redriving struct {
	*Engine
	order Redrive
	run   string // the mark of what this call sends
	late  func() bool
	sent  int
	held  int // bytes
}

// sendBack sends up to order.Max messages of some places back to work.
func (e *Engine) sendBack(ctx context.Context, order Redrive, places ...queue.Place) (int, error) {
	if e.shelf == nil {
		return 0, ErrNoShelf
	}
	work, cancel := context.WithTimeout(ctx, redriveTime)
	defer cancel()
	r := &redriving{Engine: e, order: order, run: key.Random(), late: func() bool { return work.Err() != nil }}
	for _, p := range places {
		look := order.Max - r.sent
		if order.Organization != "" {
			look = MaxRedrive
		}
		err := e.shelf.Sift(ctx, p, look, func(ctx context.Context, m queue.Stored) (queue.Verdict, error) { return r.decide(ctx, p, m) })
		if err != nil && r.sent == 0 {
			return 0, fmt.Errorf("engine.Redrive: %w", err)
		}
		if err != nil {
			e.log.WarnContext(ctx, "redrive ended early", "queue", p.Queue, "sent", r.sent, "error", err)
			break
		}
	}
	e.log.InfoContext(ctx, "redriven by the operator", "kind", order.Kind, "queue", order.Queue, "organization", order.Organization, "sent", r.sent)
	return r.sent, nil
}

// decide sends a message back, or leaves it where it is.
func (r *redriving) decide(ctx context.Context, p queue.Place, m queue.Stored) (queue.Verdict, error) {
	if r.late() || r.sent == r.order.Max || r.held > heldAtOnce || m.Properties[redriveProperty] == r.run {
		return queue.Stop, nil
	}
	if r.order.Organization != "" && organizationOf(m.Message) != r.order.Organization {
		return r.leave(ctx, p, m)
	}
	to, back, err := r.returned(p, m.Message)
	if err == nil {
		err = r.send(ctx, to, back)
	}
	// What fits no more with the mark is far over what a booking may be: it would only
	// be rejected again.
	if errors.Is(err, queue.ErrTooLarge) || errors.Is(err, errUnreadable) {
		r.log.WarnContext(ctx, "not redriven", "queue", p.Queue, "message", m.ID, "error", err)
		return r.leave(ctx, p, m)
	}
	if err != nil {
		return queue.Stop, err
	}
	r.sent++
	return queue.Remove, nil
}

// leave lets a message lie. One that was handed out often is laid down anew, as
// the last of its queue; a dead letter is never handed out too often.
func (r *redriving) leave(ctx context.Context, p queue.Place, m queue.Stored) (queue.Verdict, error) {
	if p.Dead || m.Deliveries < worn {
		r.held += len(m.Body)
		return queue.Keep, nil
	}
	anew := m.Message
	anew.ScheduledFor, anew.Properties = time.Time{}, m.Message.With(redriveProperty, r.run).Properties
	switch err := r.send(ctx, p.Queue, anew); {
	case errors.Is(err, queue.ErrTooLarge):
		return queue.Keep, nil
	case err != nil:
		return queue.Stop, err
	}
	return queue.Remove, nil
}

var errUnreadable = errors.New("the body cannot be read")

// returned is a message as it goes back to work, and where to: as it was first
// sent, with all its attempts and rounds before it.
func (r *redriving) returned(p queue.Place, m queue.Message) (to string, _ queue.Message, _ error) {
	to = p.Queue
	drop := []string{queue.DeadReasonProperty, queue.DeadDescriptionProperty, queue.AttemptProperty, queue.RoundProperty, queue.AwaitProperty}
	if !p.Dead {
		to = queue.Bookings
		drop = append(drop, "reason", "faults", "encoding")
		plain, err := uncompressed(m)
		if err != nil {
			return "", m, errors.Join(errUnreadable, err)
		}
		m = plain
	}
	m.Properties = maps.Clone(m.Properties)
	if m.Properties == nil {
		m.Properties = map[string]any{}
	}
	for _, name := range drop {
		delete(m.Properties, name)
	}
	m.Properties[redriveProperty] = r.run
	m.ScheduledFor = time.Time{}
	if to == queue.MailboxTasks || to == queue.Deliveries {
		m.ID = key.Random() // else duplicate detection would swallow it
	}
	return to, m, nil
}
