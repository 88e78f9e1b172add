package servicebus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

// bus is a broker with a client connected to it.
type bus struct {
	*servicebus.Broker
	server *servicebus.Server
	client *azservicebus.Client
}

// plain and lanes are queues with a lock of 30 s and 3 deliveries; topic has the
// subscriptions all and some.
func start(t testing.TB, change func(*servicebus.Options)) bus {
	t.Helper()
	p := servicebus.Properties{Lock: 30 * time.Second, MaxDeliveries: 3, TimeToLive: time.Hour, DeadLetterExpired: true}
	withSessions := p
	withSessions.Sessions = true
	o := servicebus.Options{Topology: servicebus.Topology{
		Queues: []servicebus.Queue{{Name: "plain", Properties: p}, {Name: "lanes", Properties: withSessions}},
		Topics: []servicebus.Topic{{Name: "topic", Subscriptions: []servicebus.Subscription{
			{Name: "all", Properties: p},
			{Name: "some", Properties: p, Rules: []servicebus.Rule{subject("wanted")}},
		}}},
	}}
	if change != nil {
		change(&o)
	}
	b := servicebus.New(o)
	s := listen(t, b)
	return bus{b, s, connect(t, s)}
}

// subject is a rule that takes one subject.
type subject string

func (s subject) Match(m queue.Message) bool { return m.Subject == string(s) }

func connect(t testing.TB, s *servicebus.Server) *azservicebus.Client {
	t.Helper()
	c, err := azservicebus.NewClientFromConnectionString(s.ConnectionString(), queue.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWith(t, c.Close) })
	return c
}

// soon bounds every call: the SDK's own retries take most of a minute.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (b bus) put(t testing.TB, entity string, messages ...queue.Message) {
	t.Helper()
	if err := b.Sender().Send(t.Context(), entity, messages...); err != nil {
		t.Fatal(err)
	}
}

func (b bus) receiver(t testing.TB, queue string, o *azservicebus.ReceiverOptions) *azservicebus.Receiver {
	t.Helper()
	r, err := b.client.NewReceiverForQueue(queue, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWith(t, r.Close) })
	return r
}

func (b bus) session(t testing.TB, id string) *azservicebus.SessionReceiver {
	t.Helper()
	r, err := b.client.AcceptSessionForQueue(soon(t), "lanes", id, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeWith(t, r.Close) })
	return r
}

func one(t testing.TB, r receiver) *azservicebus.ReceivedMessage {
	t.Helper()
	m, err := r.ReceiveMessages(soon(t), 1, nil)
	if err != nil || len(m) != 1 {
		t.Fatalf("received %d messages, %v; want one", len(m), err)
	}
	return m[0]
}

func none(t testing.TB, r receiver) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if m, err := r.ReceiveMessages(ctx, 1, nil); err == nil && len(m) > 0 {
		t.Fatalf("received %q, want nothing", m[0].MessageID)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code azservicebus.Code) {
	t.Helper()
	var e *azservicebus.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want one of code %q", err, code)
	}
}

func wantCondition(t testing.TB, err error, condition string) {
	t.Helper()
	var e *amqp.Error
	if !errors.As(err, &e) || string(e.Condition) != condition {
		t.Errorf("error %v, want condition %q", err, condition)
	}
}

func ptr[T any](v T) *T { return &v }

func ids(list []servicebus.Received) []string {
	out := make([]string, 0, len(list))
	for _, m := range list {
		out = append(out, m.ID)
	}
	return out
}
