package subscribe

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/queue"
)

// bucket is the span of time whose notifications of a connection become one task.
const bucket = 5 * time.Second

// subscriptionProperty names the subscription that a task's notification came from.
const subscriptionProperty = "subscription"

// Receiver takes what Graph sends. It is safe for concurrent use, reads no table and asks
// nobody: what it takes is on the bus when it returns.
type Receiver struct {
	keys *link.Keys
	bus  queue.Sender
	now  func() time.Time
}

// NewReceiver returns a receiver that trusts what keys have signed.
func NewReceiver(keys *link.Keys, bus queue.Sender, now func() time.Time) *Receiver {
	return &Receiver{keys, bus, now}
}

// Received counts what a call brought.
type Received struct {
	Good  int // notifications, lifecycle events included, of subscriptions of ours
	Bogus int // what cannot be read, or was not signed by us for its tenant
	Tasks int // what became of the good ones
}

// Receive takes the body of a POST (contract 6.4, 6.6). The bogus are counted and cause
// nothing. Of the good ones of a connection, those of five seconds become one task,
// however many calls they come in: the bus drops a task of the same id, and nobody
// receives one before all that share its id have arrived. An error means that the bus
// refused: then Graph has to send it again.
func (r *Receiver) Receive(ctx context.Context, body []byte) (Received, error) {
	good, bad := decode(body)
	counts := Received{Bogus: bad}
	at := r.now().UTC().Truncate(bucket)
	var tasks []queue.Message
	seen := map[string]bool{}
	for _, n := range good {
		connection, ok := Verify(r.keys, n.ClientState, n.Tenant)
		if !ok {
			counts.Bogus++
			continue
		}
		counts.Good++
		if m := merged(n, connection, at); !seen[m.ID] {
			seen[m.ID] = true
			tasks = append(tasks, m)
		}
	}
	if len(tasks) == 0 {
		return counts, nil
	}
	if err := r.bus.Send(ctx, queue.MailboxTasks, queue.Traced(ctx, tasks)...); err != nil {
		return counts, fmt.Errorf("subscribe.Receive: %w", err)
	}
	counts.Tasks = len(tasks)
	return counts, nil
}

// merged is the task of a notification that came in a bucket. The organisation is not
// known yet, nor for certain the session of the mailbox: who takes the task finds both.
func merged(n notification, connection key.Key, at time.Time) queue.Message {
	t := queue.Task{Op: downsync.Op, Connection: connection.String(), Cause: downsync.CauseNotified}
	kind, parts := "notified", []string{t.Connection, strconv.FormatInt(at.Unix(), 10)}
	switch n.Lifecycle {
	case missed:
		kind, t.Cause = missed, downsync.CauseMissed
	case reauthorizationRequired:
		kind, t.Op, t.Cause = n.Lifecycle, OpRenew, CauseReauthorize
		parts = append(parts, strings.ToLower(n.Subscription))
	case subscriptionRemoved:
		kind, t.Op, t.Cause = n.Lifecycle, OpSubscribe, CauseRemoved
		parts = append(parts, strings.ToLower(n.Subscription))
	}
	session := t.Connection
	if id := n.objectID(); id != "" {
		session = key.Of("mailbox", strings.ToLower(n.Tenant), id).String()
	}
	m := t.Message(session, time.Time{})
	m.ID = key.Of(kind, parts...).String()
	m.Properties = map[string]any{subscriptionProperty: strings.ToLower(n.Subscription)}
	if t.Op == downsync.Op {
		m.ScheduledFor = at.Add(2 * bucket)
	}
	return m
}
