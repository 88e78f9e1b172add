package host

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// receiveSessions keeps maxConcurrentSessions slots, each of which serves one session
// at a time (§5).
func (in *instance) receiveSessions(f *function, c *busClient) {
	var slots sync.WaitGroup
	for range in.h.config.bus.maxConcurrentSessions {
		slots.Go(func() { in.slot(f, c) })
	}
	slots.Wait()
}

// slot accepts sessions and serves them until the host stops.
func (in *instance) slot(f *function, c *busClient) {
	for failures := 0; in.listening.Err() == nil; {
		s, err := in.accept(f, c)
		switch {
		case err == nil:
			failures = 0
			in.serveSession(f, c, s)
		case isNothing(err):
			failures = 0
		default:
			if failures++; failures == 1 {
				in.h.print(Error, "Function."+f.name, "", fmt.Sprintf("accepting a session failed: %v", err))
			}
			_ = in.h.clock.sleep(in.listening, backoff(failures))
		}
	}
}

// accept waits for any session with messages.
func (in *instance) accept(f *function, c *busClient) (*azservicebus.SessionReceiver, error) {
	ctx, cancel := context.WithTimeout(in.listening, acceptWithin)
	defer cancel()
	if f.trigger.QueueName != "" {
		return c.AcceptNextSessionForQueue(ctx, f.trigger.QueueName, nil)
	}
	return c.AcceptNextSessionForSubscription(ctx, f.trigger.TopicName, f.trigger.Subscription, nil)
}

// serveSession hands over the messages of a session one after the other. It gives the
// session back when it was idle for sessionIdleTimeout, when the lock is lost, and
// after anything but a success: an abandoned message comes first again only for a
// receiver that accepts anew.
func (in *instance) serveSession(f *function, c *busClient, s *azservicebus.SessionReceiver) {
	lost, lose := context.WithCancelCause(in.listening)
	lock := in.renewing(s.LockedUntil(), func(ctx context.Context) (time.Time, error) {
		err := s.RenewSessionLock(ctx, nil)
		return s.LockedUntil(), err
	}, lose)
	defer func() {
		lose(nil)
		lock.stop()
		in.closeReceiver(s)
	}()
	for {
		messages := in.nextOf(lost, f, s)
		if len(messages) == 0 || !in.deliver(f, c, s, lock.lockedUntil(), messages) {
			return
		}
	}
}

// nextOf waits for the next message of a session, no longer than it may be idle. No
// message ends the session.
func (in *instance) nextOf(ctx context.Context, f *function, s *azservicebus.SessionReceiver) []*azservicebus.ReceivedMessage {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := in.h.clock.after(in.h.config.bus.sessionIdle, cancel)
	defer idle.stop()
	for range 3 {
		messages, err := s.ReceiveMessages(ctx, in.batchSize(f), nil)
		if len(messages) > 0 || err != nil {
			return messages
		}
		// Nothing and no error: the link was just lost, which is not the same as idle.
	}
	return nil
}

type closer interface{ Close(context.Context) error }

func (in *instance) closeReceiver(r closer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(in.calls), closeWithin)
	defer cancel()
	_ = r.Close(ctx)
}
