package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

// Azure sends over azservicebus: to Azure Service Bus, or to whatever speaks as
// it does. It is safe for concurrent use, keeps one sender link per entity, and
// does not connect before the first Send or Ping.
//
// Messages are packed in order into as few batches as fit into MaxMessage. A
// batch is accepted as a whole or not at all. If one message fits no batch,
// nothing is sent. A batch may hold messages of several sessions, which Standard
// allows because no entity is partitioned.
type Azure struct {
	client  *azservicebus.Client
	timeout time.Duration
	senders senders
}

var _ Sender = (*Azure)(nil)

// AzureOptions may be nil.
type AzureOptions struct {
	// Timeout bounds a Send or Ping whose context has no deadline; zero is 10 s,
	// well below the 60 s that an invocation has.
	Timeout time.Duration
}

const defaultTimeout = 10 * time.Second

// NewAzure sends with a client that the caller made, and closes.
func NewAzure(client *azservicebus.Client, opts *AzureOptions) *Azure {
	a := &Azure{client: client, timeout: defaultTimeout}
	if opts != nil && opts.Timeout > 0 {
		a.timeout = opts.Timeout
	}
	a.senders.open = make(map[string]*sharedSender)
	return a
}

// ClientOptions are those our clients are made with: the SDK's own retries wait
// 4 s and more, which is too long inside an invocation.
func ClientOptions() *azservicebus.ClientOptions {
	return &azservicebus.ClientOptions{RetryOptions: azservicebus.RetryOptions{
		MaxRetries:    3,
		RetryDelay:    50 * time.Millisecond,
		MaxRetryDelay: time.Second,
	}}
}

// FromConnectionString makes client and sender from the setting SERVICEBUS. The
// error never contains the string. Nothing is connected yet.
func FromConnectionString(connection string, opts *AzureOptions) (*Azure, error) {
	client, err := azservicebus.NewClientFromConnectionString(connection, ClientOptions())
	if err != nil {
		return nil, errors.New("queue.FromConnectionString: not a Service Bus connection string")
	}
	return NewAzure(client, opts), nil
}

// FromNamespace makes client and sender from SERVICEBUS__fullyQualifiedNamespace
// (like contoso.servicebus.windows.net) and a credential. Nothing is connected yet.
func FromNamespace(namespace string, credential azcore.TokenCredential, opts *AzureOptions) (*Azure, error) {
	client, err := azservicebus.NewClient(namespace, credential, ClientOptions())
	if err != nil {
		return nil, fmt.Errorf("queue.FromNamespace: %w", err)
	}
	return NewAzure(client, opts), nil
}

// Client is the client underneath, for those who receive.
func (a *Azure) Client() *azservicebus.Client { return a.client }

// Close closes the client and with it every link.
func (a *Azure) Close(ctx context.Context) error { return a.client.Close(ctx) }

// Send implements Sender.
func (a *Azure) Send(ctx context.Context, entity string, messages ...Message) error {
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	if err := a.send(ctx, entity, messages); err != nil {
		return fmt.Errorf("queue.Send to %s: %w", entity, classify(err))
	}
	return nil
}

func (a *Azure) send(ctx context.Context, entity string, messages []Message) error {
	for i := range messages {
		if err := messages[i].Check(); err != nil {
			return err
		}
	}
	s, err := a.senders.get(a.client, entity)
	if err != nil {
		return err
	}
	batches, err := pack(ctx, s.sender, messages)
	for i := 0; err == nil && i < len(batches); i++ {
		err = s.sender.SendMessageBatch(ctx, batches[i], nil)
	}
	a.senders.put(s, !keepsLink(err))
	return err
}

// Ping tells whether messages for Bookings could be sent: it opens a link of its
// own, with token and all, sends nothing, and closes it.
func (a *Azure) Ping(ctx context.Context) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	s, err := a.client.NewSender(Bookings, nil)
	if err != nil {
		return fmt.Errorf("queue.Ping: %w", err)
	}
	_, err = s.NewMessageBatch(ctx, nil)
	closeQuietly(s)
	if err != nil {
		return fmt.Errorf("queue.Ping: %w", classify(err))
	}
	return nil
}

func (a *Azure) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, a.timeout)
}

// pack fills batches in order. The limit is MaxMessage also where the namespace
// would take more, so that all behave alike.
func pack(ctx context.Context, s *azservicebus.Sender, messages []Message) ([]*azservicebus.MessageBatch, error) {
	var batches []*azservicebus.MessageBatch
	var batch *azservicebus.MessageBatch
	for i := range messages {
		m := toSDK(&messages[i])
		if batch != nil {
			err := batch.AddMessage(m, nil)
			if err == nil {
				continue
			}
			if !errors.Is(err, azservicebus.ErrMessageTooLarge) {
				return nil, err
			}
		}
		var err error
		if batch, err = s.NewMessageBatch(ctx, &azservicebus.MessageBatchOptions{MaxBytes: MaxMessage}); err != nil {
			return nil, err
		}
		if err = batch.AddMessage(m, nil); err != nil {
			return nil, err
		}
		batches = append(batches, batch)
	}
	return batches, nil
}

func toSDK(m *Message) *azservicebus.Message {
	out := &azservicebus.Message{Body: m.Body, ApplicationProperties: m.Properties}
	if m.ID != "" {
		out.MessageID = &m.ID
	}
	if m.SessionID != "" {
		out.SessionID = &m.SessionID
	}
	if m.Subject != "" {
		out.Subject = &m.Subject
	}
	if m.ContentType != "" {
		out.ContentType = &m.ContentType
	}
	if !m.ScheduledFor.IsZero() {
		at := m.ScheduledFor.UTC()
		out.ScheduledEnqueueTime = &at
	}
	return out
}

// classify adds the error that callers decide on, by the AMQP condition.
func classify(err error) error {
	if errors.Is(err, azservicebus.ErrMessageTooLarge) {
		return errors.Join(ErrTooLarge, err)
	}
	switch condition(err) {
	case amqp.ErrCondMessageSizeExceeded:
		return errors.Join(ErrTooLarge, err)
	case amqp.ErrCondResourceLimitExceeded:
		return errors.Join(ErrFull, err)
	}
	return err
}

func condition(err error) amqp.ErrCond {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e.Condition
	}
	var link *amqp.LinkError
	if errors.As(err, &link) && link.RemoteErr != nil {
		return link.RemoteErr.Condition
	}
	return ""
}

// keepsLink tells whether the link is good after an error: the message or the
// entity was at fault, or the caller gave up.
func keepsLink(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrTooLarge) {
		return true
	}
	var link *amqp.LinkError
	if errors.As(err, &link) {
		return false
	}
	c := classify(err)
	return errors.Is(c, ErrTooLarge) || errors.Is(c, ErrFull)
}
