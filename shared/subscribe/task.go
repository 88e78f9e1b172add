package subscribe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Properties of a task's messages.
const (
	afterProperty = "after" // after which of an organisation's connections a task goes on
	slotProperty  = "slot"  // the agenda's slot that ordered it, in Unix seconds
)

// Properties are those of a task's messages that say what it is about.
func Properties() []string { return []string{subscriptionProperty, slotProperty} }

// send sends in the trace of the work, also when the invocation's own time is up. Its
// error is a *queue.Refused.
func (k *Keeper) send(ctx context.Context, messages ...queue.Message) error {
	return queue.Send(ctx, k.bus, queue.MailboxTasks, messages...)
}

// Takes reports whether a message of mailbox-tasks is one for Task: those about
// subscriptions, and those of notifications that do not know their organisation yet.
func Takes(m queue.Message) bool {
	var t queue.Task
	if json.Unmarshal(m.Body, &t) != nil {
		return false
	}
	return t.Op == OpSubscribe || t.Op == OpRenew || t.Op == downsync.Op && t.Organization == "" && t.Connection != ""
}

// Task takes a message that Takes names. Whatever fails but the bus ends with the same
// task, later, and success; after a few times the agenda tries again. An error means that
// the bus refused, or that another build has to take the message (queue.Unread). The
// syncer reads the calendars that were notified of, in this very invocation where it is in
// their session.
func (k *Keeper) Task(ctx context.Context, m queue.Message, syncer Syncer) error {
	t, err := queue.ReadTask(m, k.version)
	if err != nil {
		return err
	}
	id, err := key.Parse(t.Connection)
	switch {
	case t.Connection == "" && t.Organization != "":
		err = k.all(ctx, t, m)
	case err != nil:
		return &queue.Malformed{Why: "no connection"}
	case t.Organization == "":
		err = k.notified(ctx, t, id, m, syncer)
	default:
		err = k.settle(ctx, t, id, m)
	}
	return k.again(ctx, m, err)
}

// again ends a task that failed: a refusal of the bus is returned, and what another build
// has to take; after anything else the task comes again, later, until the agenda takes
// over.
func (k *Keeper) again(ctx context.Context, m queue.Message, err error) error {
	var refused *queue.Refused
	if err == nil || errors.As(err, &refused) || queue.Unread(err) {
		return err
	}
	attempt := m.Number(queue.AttemptProperty) + 1
	k.log.WarnContext(ctx, "postponed", "queue", queue.MailboxTasks, "attempt", attempt, "error", err)
	if attempt > maxAttempts {
		return nil
	}
	wait := min(2*time.Second<<(attempt-1), 5*time.Minute)
	if failure := (*graph.Error)(nil); errors.As(err, &failure) && failure.RetryAfter > wait {
		wait = failure.RetryAfter
	}
	at := k.now().Add(wait + time.Duration(k.jitter()*0.2*float64(wait)))
	return k.send(ctx, m.Again(at, map[string]any{queue.AttemptProperty: attempt}))
}

// all orders a look at each of an organisation's connections, and that their calendars
// are read, a page at a time.
func (k *Keeper) all(ctx context.Context, t queue.Task, m queue.Message) error {
	after := m.Text(afterProperty)
	rows, next, err := k.connections.List(ctx, t.Organization, after, pageSize)
	if err != nil {
		return err
	}
	now := k.now()
	var messages []queue.Message
	for i, row := range rows {
		at := now.Add(time.Duration(i) * pace)
		messages = append(messages, Message(row.Connection, t.Cause, at))
		if row.Reads() { // what is told of it, or how often, may be otherwise now
			messages = append(messages, downsync.Message(t.Organization, row.Connection, t.Cause, at))
		}
	}
	if next != "" {
		rest := t.Message(m.SessionID, now.Add(time.Duration(len(rows))*pace))
		rest.Properties = map[string]any{afterProperty: next}
		messages = append(messages, rest)
	}
	return k.send(ctx, messages...)
}

// pace is how far apart queue.Tasks are that one task orders: fifty a second.
const pace = 20 * time.Millisecond

// notified takes what a notification caused: its subscription is checked against the row,
// and the calendars are read, in the session of their mailbox.
func (k *Keeper) notified(ctx context.Context, t queue.Task, id key.Key, m queue.Message, syncer Syncer) error {
	row, err := k.rows.Get(ctx, id)
	if errors.Is(err, state.ErrNotFound) {
		k.log.InfoContext(ctx, "notification dropped: its connection is gone", "connection", id.String())
		return nil
	}
	if err != nil {
		return err
	}
	t.Organization = row.Organization
	subscription := m.Text(subscriptionProperty)
	if t.Op != downsync.Op {
		return k.send(ctx, forwarded(t, m, row.Session))
	}
	c, as, readable, err := k.look(ctx, row.Organization, id)
	switch {
	case err != nil:
		return err
	case !readable && row.Resting:
		// It could not be ended; the next sign-in finds it, or it ends by itself.
		k.log.InfoContext(ctx, "notification ignored: its subscription could not be ended", "connection", id.String())
		return k.share(ctx, row, t.Cause)
	case !readable && row.ID == "" && subscription != "":
		return (&matter{Keeper: k, row: row, c: c}).endTold(ctx, subscription)
	case !readable || row.ID == "":
		// Ended here, or not known of: what should be is made so, and nothing is read
		// that may not be.
		if err := k.send(ctx, k.message(row, OpSubscribe, CauseUnknown, time.Time{})); err != nil || !readable {
			return err
		}
	case subscription != "" && !same(subscription, row.ID):
		k.unknown(ctx, as, subscription)
	default:
		if err := k.heard(ctx, row); err != nil {
			return err
		}
	}
	if err := k.share(ctx, row, t.Cause); err != nil {
		return err
	}
	next := forwarded(t, m, downsync.Session(c))
	if next.SessionID == m.SessionID {
		next.ID = m.ID
		return syncer.Task(ctx, next)
	}
	return k.send(ctx, next)
}

// forwarded is a task of a notification that knows its organisation and session. It has
// the same id however often it is forwarded.
func forwarded(t queue.Task, m queue.Message, session string) queue.Message {
	next := t.Message(session, time.Time{})
	next.ID = fmt.Sprintf("%.100s.s", m.ID)
	if subscription, ok := m.Properties[subscriptionProperty]; ok && t.Op != downsync.Op {
		next.Properties = map[string]any{subscriptionProperty: subscription}
	}
	return next
}

// unknown ends a subscription that Graph has and no row does. Nobody waits for it: where
// it cannot be ended now, the next notification tries again.
func (k *Keeper) unknown(ctx context.Context, as graph.Access, id string) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := k.subscriber.Unsubscribe(call, as, id)
	k.log.WarnContext(ctx, "a subscription that no row has was ended", "connection", as.Connection.String(), "error", err)
}

// heard notes that a subscription tells of changes, to the grain.
func (k *Keeper) heard(ctx context.Context, row state.Subscription) error {
	now := k.now().UTC()
	if row.Suspect.IsZero() && now.Sub(row.Heard) < heardGrain {
		return nil
	}
	row.Heard, row.Suspect = now, time.Time{}
	_, err := k.rows.Put(ctx, row)
	if errors.Is(err, state.ErrPrecondition) || errors.Is(err, state.ErrNotFound) {
		return nil // somebody else wrote; the next notification notes it
	}
	return err
}

// look reads whether and in whose name a connection's calendars may be read. A zero
// connection is one that is gone.
func (k *Keeper) look(ctx context.Context, owner string, id key.Key) (c connection.Connection, as graph.Access, readable bool, err error) {
	row, err := k.connections.Get(ctx, owner, id)
	if errors.Is(err, state.ErrNotFound) || err == nil && row.State == connection.Disconnected {
		return c, as, false, nil
	}
	if err != nil {
		return c, as, false, err
	}
	org, err := k.orgs.Organization(ctx, owner)
	if errors.Is(err, state.ErrNotFound) {
		return row.Connection, as, false, nil
	}
	if err != nil {
		return c, as, false, err
	}
	as, readable = downsync.AccessTo(org, row.Connection)
	if as.App() && org.State.Consent == organization.ConsentMissing {
		readable = false // until it is back nobody has a token; the schedule finds out
	}
	return row.Connection, as, readable, nil
}
