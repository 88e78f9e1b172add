package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// Operations of a task (wire.md, Internal messages).
const (
	opBackfill   = "backfill"   // a lane, or all of an organisation, is owed what is current and upcoming
	opProbe      = "probe"      // a lane's or connection's mailbox is looked at again
	opKeepAlive  = "keepalive"  // a connection's token is renewed
	opDisconnect = "disconnect" // a connection's tokens and row go, or all of a deleted organisation
	opMove       = "move"       // a person's connections have changed: what follows from it is done; without a lane, of all persons
)

// causeTakeover is the cause of a backfill of a lane whose writer may be at work with
// what was so before: it owes also what is owed already.
const causeTakeover = "takeover"

// task is the body of a message of mailbox-tasks.
type task queue.Task

// settling is how long a change of an organisation's settings takes until every
// process sees it: rows are cached for 15 seconds.
const settling = 20 * time.Second

// Pace of a backfill (write-path.md section 4, Live before bulk).
const (
	lanesPerSecond = 20
	lanesPerPage   = 200
)

// afterProperty tells a backfill of an organisation after which of its people it
// goes on, and which backfill it is.
const (
	afterProperty = "after"
	chainProperty = "chain"
)

// message puts a task into the session of its lane, connection or organisation.
func (t task) message(at time.Time) queue.Message {
	return queue.Task(t).Message(cmp.Or(t.Lane, t.Connection, key.Organization(t.Organization).String()), at)
}

// Reconcile orders that all current and upcoming deliveries of an organisation
// are looked at again, because its settings are about to change. It is called
// before the change is stored, so that a change without it cannot be; it takes
// effect when every process knows the new settings. So are the subscriptions to the
// calendars of its connections.
func (e *Engine) Reconcile(ctx context.Context, organization, cause string) error {
	at := e.now().Add(settling)
	return e.send(ctx, queue.MailboxTasks, task{Op: opBackfill, Organization: organization, Cause: cause}.message(at),
		subscribe.AllMessage(organization, subscribe.CauseSettings, at))
}

// Rewatch orders that the subscriptions to an organisation's calendars are looked at,
// because its calendars are about to be closed to us: they end when every process knows,
// and not when they tell of something or are due. It is called before the change is stored.
func (e *Engine) Rewatch(ctx context.Context, organization, cause string) error {
	return e.send(ctx, queue.MailboxTasks, subscribe.AllMessage(organization, cause, e.now().Add(settling)))
}

// Task takes a message of the queue mailbox-tasks: it reads, marks rows as owed
// and wakes lanes; it never changes an event.
func (e *Engine) Task(ctx context.Context, m queue.Message) error {
	t, err := queue.ReadTask(m, e.version)
	if err == nil {
		err = e.task(ctx, task(t), m)
	}
	return e.again(ctx, queue.MailboxTasks, m, err)
}

func (e *Engine) task(ctx context.Context, t task, m queue.Message) error {
	switch t.Op {
	case opBackfill, opProbe, opKeepAlive, opDisconnect, opMove:
	default:
		return &queue.Malformed{Why: "an unknown operation"}
	}
	if t.Organization == "" {
		return &queue.Malformed{Why: "no organisation"}
	}
	if t.Connection != "" || t.Op == opDisconnect || t.Op == opMove {
		return e.connectionTask(ctx, t, m)
	}
	org, err := e.orgs.Organization(ctx, t.Organization)
	if errors.Is(err, state.ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("organisation of a task: %w", err)
	}
	if t.Lane == "" && t.Op == opBackfill {
		return e.backfillPage(ctx, t, m)
	}
	lane, err := key.Parse(t.Lane)
	if err != nil {
		return &queue.Malformed{Why: "no lane"}
	}
	switch t.Op {
	case opBackfill:
		return e.backfillLane(ctx, org, lane, t.Cause == causeTakeover)
	case opProbe:
		return e.probe(ctx, org, lane)
	}
	return &queue.Malformed{Why: "no connection"}
}

// backfillPage sends a task for each of 200 lanes of an organisation, spread over
// ten seconds, and one to go on with the next 200 after that: 20 lanes a second.
// It reads one page of people and one row, writes that row, and sends once.
//
// A newer backfill of the organisation takes over: the older one ends at its next
// page, since all of its lanes have their turn in the newer one, and the newer one
// begins where the older one's turns end. So the limit holds for both together.
func (e *Engine) backfillPage(ctx context.Context, t task, m queue.Message) error {
	after, chain := m.Text(afterProperty), m.Text(chainProperty)
	run, err := e.due.Backfill(ctx, t.Organization)
	if err != nil {
		return err
	}
	if after != "" && chain != run.Chain {
		return nil
	}
	if after == "" {
		chain = m.Base()
	}
	lanes, next, err := e.people.Lanes(ctx, t.Organization, after, lanesPerPage)
	if err != nil {
		return err
	}
	from := later(e.now(), run.Until)
	messages := make([]queue.Message, 0, len(lanes)+1)
	for i, lane := range lanes {
		one := t
		one.Lane = lane.String()
		messages = append(messages, one.message(e.paced(from, i)))
	}
	if next != "" {
		rest := t.message(e.paced(from, len(lanes)))
		rest.Properties = map[string]any{afterProperty: next, chainProperty: chain}
		messages = append(messages, rest)
	}
	until := from.Add(time.Duration(len(lanes)) * time.Second / lanesPerSecond)
	if err := e.due.SetBackfill(ctx, t.Organization, state.Backfill{Chain: chain, Until: until}); err != nil {
		return err
	}
	return e.send(ctx, queue.MailboxTasks, messages...)
}

// paced is when the i-th lane has its turn.
func (e *Engine) paced(from time.Time, i int) time.Time {
	if e.unpaced {
		return time.Time{}
	}
	return from.Add(time.Duration(i) * time.Second / lanesPerSecond)
}

// backfillLane owes a lane what is current or upcoming, in bulk, and wakes it; anew
// means also what is owed already.
func (e *Engine) backfillLane(ctx context.Context, org organization.Organization, lane key.Key, anew bool) error {
	since := e.now().AddDate(0, 0, -org.BackfillPastDays)
	waiting := false // owed by a backfill that died before it woke, or by live work
	owed, err := e.oweLane(ctx, lane, since, func(d state.Delivery) bool {
		waiting = waiting || d.Debt != ""
		return d.Debt == "" || anew
	})
	if err != nil || len(owed) == 0 && !waiting {
		return err
	}
	return e.send(ctx, queue.Deliveries, wake(lane, time.Time{}))
}

// probe looks whether a mailbox that could not be reached can be now: then what is
// owed to it is written, else it is looked at again tomorrow. Where people connect,
// their connections are looked at instead (keepAlive).
func (e *Engine) probe(ctx context.Context, org organization.Organization, lane key.Key) error {
	row, err := e.lanes.Lane(ctx, lane)
	if err != nil {
		return err
	}
	address := row.Address
	if row.Chosen && row.Home.Tenant == org.State.Tenant {
		address = cmp.Or(row.Home.Mailbox, address)
	}
	if state, _ := closed(facts{org: org, known: true}); address == "" || state != "" || org.Permission == organization.Delegated {
		return nil // switching on looks at everything anew
	}
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	_, err = e.calendar.Mailbox(call, graph.AppAccess(org.State.Tenant), address)
	if err == nil {
		if err := e.consentProven(ctx, org.ID, org.State.Tenant, organization.EvidenceProbe); err != nil {
			return err
		}
		return e.backfillLane(ctx, org, lane, false)
	}
	failure := graphError(err)
	lost := failure.Kind == graph.Unauthorised && failure.Reason == reasonConsent && !unsettled(org, failure, e.now())
	if lost {
		if err := e.doubtConsent(ctx, org, seenOf(lane, organization.SignGone, false)); err != nil {
			return err
		}
	} else if failure.Kind != graph.Unreachable && failure.Kind != graph.Invalid {
		return failure
	}
	return e.probeTomorrow(ctx, org.ID, lane)
}

// probeTomorrow puts a lane on the agenda of re-checks.
func (e *Engine) probeTomorrow(ctx context.Context, organization string, lane key.Key) error {
	at := e.now().Add(24 * time.Hour)
	if err := e.due.AddProbe(ctx, at, organization, lane); err != nil {
		return err
	}
	return e.lanes.SetProbe(ctx, lane, at)
}

// probeSlot sends a task for each lane of a slot whose mailbox could not be reached.
func (e *Engine) probeSlot(ctx context.Context, at time.Time, others *aside) error {
	probes, err := e.due.Probes(ctx, at)
	if err := others.but(err); err != nil {
		return err
	}
	now := e.now()
	for i, p := range probes {
		t := task{Op: opProbe, Organization: p.Organization, Lane: p.Lane.String(), Cause: "daily"}
		if err := e.send(ctx, queue.MailboxTasks, t.message(e.paced(now, i))); err != nil {
			return err
		}
		if err := e.due.ProbeDone(ctx, p); err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
	}
	return nil
}
