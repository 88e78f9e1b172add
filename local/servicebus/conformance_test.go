package servicebus_test

import (
	"context"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/queue/queuetest"
)

func TestTwinConforms(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queuetest.Bus {
		b := deployed(t)
		return twinBus{view{b}, b.Sender(), b.Shelf()}
	})
}

func TestAdapterConformsOverTCP(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queuetest.Bus {
		b := deployed(t)
		s := listen(t, b)
		sender, err := queue.FromConnectionString(s.ConnectionString(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeWith(t, sender.Close) })
		return wireBus{view{b}, sender, sender.Client()}
	})
}

// deployed is a broker with the entities of the deployment.
func deployed(t testing.TB) *servicebus.Broker {
	t.Helper()
	r, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	return servicebus.New(servicebus.Options{Topology: servicebus.FromResources(r)})
}

func listen(t testing.TB, b *servicebus.Broker) *servicebus.Server {
	t.Helper()
	s, err := b.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// closeWith closes something that may have lost its connection, where an error
// says nothing.
func closeWith(t testing.TB, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Second)
	defer cancel()
	_ = do(ctx)
}

// view is what both kinds of bus share: the broker seen from inside.
type view struct{ b *servicebus.Broker }

func (v view) Now() time.Time                   { return v.b.Now() }
func (v view) Advance(d time.Duration)          { v.b.Advance(d) }
func (v view) Limit(entity string, bytes int64) { v.b.Limit(entity, bytes) }
func (v view) Down(down bool)                   { v.b.Down(down) }

func (v view) Dead(_ *testing.T, entity string) []queuetest.Dead {
	var out []queuetest.Dead
	for _, m := range v.b.Peek(servicebus.DeadLetter(entity)) {
		out = append(out, queuetest.Dead{ID: m.ID, Reason: m.DeadLetterReason})
	}
	return out
}

func hasSessions(entity string) bool {
	return entity == queue.Deliveries || entity == queue.MailboxTasks
}

type twinBus struct {
	view
	queue.Sender
	queue.Shelf
}

func (b twinBus) Next(t *testing.T, entity string) (queuetest.Taken, bool) {
	path, done := entity, func() {}
	if entity == queue.Changes {
		path = servicebus.Subscriptions(entity, "all")
	}
	receive := func() (*servicebus.Delivery, bool) { return b.b.Receive(path) }
	if hasSessions(entity) {
		s, ok := b.b.Accept(path)
		if !ok {
			return queuetest.Taken{}, false
		}
		receive, done = s.Receive, s.Close
	}
	d, ok := receive()
	if !ok {
		done()
		return queuetest.Taken{}, false
	}
	finish := func(do func() error) func() {
		return func() {
			defer done()
			if err := do(); err != nil {
				t.Errorf("settling %s: %v", d.ID, err)
			}
		}
	}
	return queuetest.Taken{
		Message: d.Message, Deliveries: d.DeliveryCount,
		Complete: finish(d.Complete), Abandon: finish(func() error { return d.Abandon(nil) }),
	}, true
}

type wireBus struct {
	view
	*queue.Azure
	client *azservicebus.Client
}

// receiver is what azservicebus' two kinds of receiver share.
type receiver interface {
	ReceiveMessages(context.Context, int, *azservicebus.ReceiveMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
	CompleteMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.CompleteMessageOptions) error
	AbandonMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.AbandonMessageOptions) error
	Close(context.Context) error
}

// patience is how long a receiver waits before it takes it that there is nothing.
const patience = 100 * time.Millisecond

// patienceFor is longer where the broker has something to give: a busy machine
// must not look like an empty queue.
func (b wireBus) patienceFor(path string) time.Duration {
	for _, m := range b.b.Peek(path) {
		if m.State == servicebus.Active && !m.Locked {
			return 5 * time.Second
		}
	}
	return patience
}

func (b wireBus) Next(t *testing.T, entity string) (queuetest.Taken, bool) {
	t.Helper()
	path := entity
	if entity == queue.Changes {
		path = servicebus.Subscriptions(entity, "all")
	}
	ctx, cancel := context.WithTimeout(t.Context(), b.patienceFor(path))
	defer cancel()
	var r receiver
	var err error
	switch {
	case hasSessions(entity):
		r, err = b.client.AcceptNextSessionForQueue(ctx, entity, nil)
	case entity == queue.Changes:
		r, err = b.client.NewReceiverForSubscription(entity, "all", nil)
	default:
		r, err = b.client.NewReceiverForQueue(entity, nil)
	}
	if err != nil {
		return queuetest.Taken{}, false
	}
	m, err := r.ReceiveMessages(ctx, 1, nil)
	if err != nil || len(m) == 0 {
		closeWith(t, r.Close)
		return queuetest.Taken{}, false
	}
	finish := func(do func(context.Context) error) func() {
		return func() {
			defer closeWith(t, r.Close)
			if err := do(t.Context()); err != nil {
				t.Errorf("settling %s: %v", m[0].MessageID, err)
			}
		}
	}
	return queuetest.Taken{
		Message: fromSDK(m[0]), Deliveries: int(m[0].DeliveryCount),
		Complete: finish(func(ctx context.Context) error { return r.CompleteMessage(ctx, m[0], nil) }),
		Abandon:  finish(func(ctx context.Context) error { return r.AbandonMessage(ctx, m[0], nil) }),
	}, true
}

func fromSDK(m *azservicebus.ReceivedMessage) queue.Message {
	out := queue.Message{ID: m.MessageID, Body: m.Body, Properties: m.ApplicationProperties}
	if m.SessionID != nil {
		out.SessionID = *m.SessionID
	}
	if m.Subject != nil {
		out.Subject = *m.Subject
	}
	if m.ContentType != nil {
		out.ContentType = *m.ContentType
	}
	if m.ScheduledEnqueueTime != nil {
		out.ScheduledFor = *m.ScheduledEnqueueTime
	}
	return out
}
