package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"
)

const (
	// settleWithin is the deadline of each complete, abandon and renewal: the SDK retries
	// those with a policy of its own, for up to 44 s against a dead link.
	settleWithin = 2 * time.Second
	closeWithin  = 2 * time.Second
	// acceptWithin is how long one wait for a session lasts (tryTimeout).
	acceptWithin     = time.Minute
	deadLetterSuffix = "/$deadletterqueue"
)

// busClient is the client of one connection setting.
type busClient struct {
	*azservicebus.Client
	namespace, identifier string
}

// client returns the client of a connection, made once per functions host.
func (in *instance) client(connection string) (*busClient, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if c := in.clients[connection]; c != nil {
		return c, nil
	}
	dial := in.h.options.BusClient
	if dial == nil {
		dial = in.h.settings.dial
	}
	client, err := dial(connection)
	if err != nil {
		return nil, fmt.Errorf("connection %q: %w", connection, err)
	}
	namespace := in.h.settings.namespace(connection)
	c := &busClient{client, namespace, namespace + "-" + uuid.NewString()}
	in.clients[connection] = c
	return c, nil
}

// sender returns the sender for an output, made once.
func (in *instance) sender(connection, entity string) (*azservicebus.Sender, error) {
	c, err := in.client(connection)
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if s := in.senders[connection+"/"+entity]; s != nil {
		return s, nil
	}
	s, err := c.NewSender(entity, nil)
	if err == nil {
		in.senders[connection+"/"+entity] = s
	}
	return s, err
}

func (in *instance) closeBus() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, c := range in.clients {
		ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
		_ = c.Close(ctx)
		cancel()
	}
}

// connectionSetting is a connection's setting; the runtime looks with its own prefix first.
func (s settings) connectionSetting(connection, suffix string) string {
	if v := s.get("AzureWebJobs" + connection + suffix); v != "" {
		return v
	}
	return s.get(connection + suffix)
}

// dial makes a client by connection string, or by namespace and identity (§3.2).
func (s settings) dial(connection string) (*azservicebus.Client, error) {
	options := &azservicebus.ClientOptions{RetryOptions: azservicebus.RetryOptions{
		MaxRetries: 2, RetryDelay: 20 * time.Millisecond, MaxRetryDelay: time.Second,
	}}
	if text := s.connectionSetting(connection, ""); text != "" {
		return azservicebus.NewClientFromConnectionString(text, options)
	}
	namespace := s.connectionSetting(connection, "__fullyQualifiedNamespace")
	if namespace == "" {
		return nil, errors.New("there is no such setting")
	}
	if strings.EqualFold(s.connectionSetting(connection, "__credential"), "managedidentity") {
		o := &azidentity.ManagedIdentityCredentialOptions{}
		if id := s.connectionSetting(connection, "__clientId"); id != "" {
			o.ID = azidentity.ClientID(id)
		}
		credential, err := azidentity.NewManagedIdentityCredential(o)
		if err != nil {
			return nil, err
		}
		return azservicebus.NewClient(namespace, credential, options)
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return azservicebus.NewClient(namespace, credential, options)
}

// namespace is the fully qualified name of a connection's namespace, without port.
func (s settings) namespace(connection string) string {
	if name := s.connectionSetting(connection, "__fullyQualifiedNamespace"); name != "" {
		return name
	}
	for part := range strings.SplitSeq(s.connectionSetting(connection, ""), ";") {
		if name, value, _ := strings.Cut(part, "="); strings.EqualFold(name, "Endpoint") {
			_, value, _ = strings.Cut(value, "://")
			value, _, _ = strings.Cut(strings.TrimRight(value, "/"), ":")
			return value
		}
	}
	return ""
}

// receive listens for a Service Bus trigger until the host stops.
func (in *instance) receive(f *function) {
	client, err := in.client(f.trigger.Connection)
	if err != nil {
		in.h.print(Error, "Function."+f.name, "", fmt.Sprintf("the listener for function %s was unable to start: %v", f.name, err))
		return
	}
	if f.trigger.Sessions {
		in.receiveSessions(f, client)
	} else {
		in.receiveQueue(f, client)
	}
}

// settler is what sessions and queues share.
type settler interface {
	CompleteMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.CompleteMessageOptions) error
	AbandonMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.AbandonMessageOptions) error
}

// deliver calls the function with messages and settles them: complete on success,
// abandon at once on failure (§5). It reports whether all is settled as a success.
func (in *instance) deliver(f *function, c *busClient, s settler, lockedUntil time.Time, messages []*azservicebus.ReceivedMessage) bool {
	d := &delivery{
		function: f.name, trigger: f.trigger, namespace: c.namespace, identifier: c.identifier,
		lockedUntil: lockedUntil, now: in.h.clock.now(), id: uuid.New(), messages: messages,
	}
	body, err := d.envelope()
	if err == nil {
		_, err = in.invoke(f, body)
	}
	if in.calls.Err() != nil {
		return false // the host is gone: the locks run out
	}
	if err == nil && !in.autoCompletes(f) {
		return true
	}
	settled := true
	for _, m := range messages {
		if e := in.settle(s, m, err == nil); e != nil {
			settled = false
			in.h.print(Error, "Function."+f.name, "", fmt.Sprintf("message %d could not be settled: %v", sequence(m), e))
		}
	}
	return err == nil && settled
}

func (in *instance) autoCompletes(f *function) bool {
	if p := f.trigger.AutoComplete; p != nil {
		return *p
	}
	return in.h.config.bus.autoComplete
}

func (in *instance) settle(s settler, m *azservicebus.ReceivedMessage, success bool) error {
	ctx, cancel := context.WithTimeout(in.calls, settleWithin)
	defer cancel()
	if success {
		return s.CompleteMessage(ctx, m, nil)
	}
	return s.AbandonMessage(ctx, m, nil)
}

// batchSize is how many messages one call takes.
func (in *instance) batchSize(f *function) int {
	if f.trigger.many() {
		return in.h.config.bus.maxBatch
	}
	return 1
}

// isNothing reports errors of a wait that just found no session or message.
func isNothing(err error) bool {
	var sb *azservicebus.Error
	if errors.As(err, &sb) && sb.Code == azservicebus.CodeTimeout {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// backoff is the pause after failures in a row: 50 ms doubled up to 5 s.
func backoff(failures int) time.Duration {
	return min(50*time.Millisecond<<min(failures, 10), 5*time.Second)
}

// entityName splits off the dead-letter suffix, any letter case, that names a sub-queue.
func entityName(name string) (string, azservicebus.SubQueue) {
	if n := len(name) - len(deadLetterSuffix); n > 0 && strings.EqualFold(name[n:], deadLetterSuffix) {
		return name[:n], azservicebus.SubQueueDeadLetter
	}
	return name, 0
}
