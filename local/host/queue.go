package host

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// queueListener receives from a queue without sessions with up to maxConcurrentCalls
// receivers of one message each. It opens another one only when all are at work, so
// that an idle queue costs one link.
type queueListener struct {
	in *instance
	f  *function
	c  *busClient

	mu             sync.Mutex
	total, waiting int
	receivers      sync.WaitGroup
}

// receiveQueue listens until the host stops.
func (in *instance) receiveQueue(f *function, c *busClient) {
	l := &queueListener{in: in, f: f, c: c}
	l.grow()
	l.receivers.Wait()
}

// grow adds a receiver if nobody waits for messages and there is room for one.
func (l *queueListener) grow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := l.in.h.config.bus.maxConcurrentCalls
	if l.f.trigger.many() {
		limit = 1
	}
	if l.waiting > 0 || l.total >= limit {
		return
	}
	l.total++
	l.waiting++
	l.receivers.Go(l.run)
}

func (l *queueListener) wait(by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting += by
}

// run is one receiver, opened anew after each failure.
func (l *queueListener) run() {
	for failures := 0; l.in.listening.Err() == nil; {
		served, err := l.session()
		if served {
			failures = 0
		}
		if err == nil || isNothing(err) {
			continue
		}
		if failures++; failures == 1 {
			l.in.h.print(Error, "Function."+l.f.name, "", fmt.Sprintf("receiving failed: %v", err))
		}
		_ = l.in.h.clock.sleep(l.in.listening, backoff(failures))
	}
}

// session is the life of one receiver; it reports whether any message came.
func (l *queueListener) session() (served bool, err error) {
	r, err := l.open()
	if err != nil {
		return false, err
	}
	defer l.in.closeReceiver(r)
	return l.serve(r)
}

func (l *queueListener) open() (*azservicebus.Receiver, error) {
	t := l.f.trigger
	if t.QueueName != "" {
		name, sub := entityName(t.QueueName)
		return l.c.NewReceiverForQueue(name, &azservicebus.ReceiverOptions{SubQueue: sub})
	}
	name, sub := entityName(t.Subscription)
	return l.c.NewReceiverForSubscription(t.TopicName, name, &azservicebus.ReceiverOptions{SubQueue: sub})
}

// serve receives and delivers until the receiver fails or the host stops.
func (l *queueListener) serve(r *azservicebus.Receiver) (served bool, err error) {
	for empty := 0; l.in.listening.Err() == nil; {
		messages, err := r.ReceiveMessages(l.in.listening, l.in.batchSize(l.f), nil)
		if err != nil {
			return served, err
		}
		if len(messages) == 0 {
			// No message and no error: the link was just lost.
			if empty++; empty > 1 {
				_ = l.in.h.clock.sleep(l.in.listening, backoff(empty))
			}
			continue
		}
		empty, served = 0, true
		l.wait(-1)
		l.grow()
		l.deliver(r, messages)
		l.wait(+1)
	}
	return served, nil
}

// deliver keeps the lock of a message while the handler works on it. Batches are not renewed.
func (l *queueListener) deliver(r *azservicebus.Receiver, messages []*azservicebus.ReceivedMessage) {
	if m := messages[0]; len(messages) == 1 && m.LockedUntil != nil {
		lock := l.in.renewing(*m.LockedUntil, func(ctx context.Context) (time.Time, error) {
			err := r.RenewMessageLock(ctx, m, nil)
			return *m.LockedUntil, err
		}, func(error) {})
		defer lock.stop()
	}
	l.in.deliver(l.f, l.c, r, time.Time{}, messages)
}
