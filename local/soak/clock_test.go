package soak

import (
	"context"
	"time"

	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

// speed is how many times as fast as the real clock the stack's runs.
const speed = 20

// run moves the clock until ctx ends.
func (s *soak) run(ctx context.Context) {
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case now := <-ticker.C:
			s.Advance((speed - 1) * now.Sub(last))
			last = now
		case <-ctx.Done():
			return
		}
	}
}

// work are the queues that must be empty at the end, with those of dead letters.
var work = []string{queue.Bookings, queue.Deliveries, queue.MailboxTasks,
	servicebus.DeadLetter(queue.Bookings), servicebus.DeadLetter(queue.Deliveries), servicebus.DeadLetter(queue.MailboxTasks)}

// settle returns when no message is left, scheduled ones included, and all results
// were read. It jumps over the time in which nobody works: to the instant at which a
// message is due, or the lock of a host that died runs out.
func (s *soak) settle(ctx context.Context) {
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for idle := 0; ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			s.t.Errorf("not settled in time: %v", s.left())
			return
		}
		ready, next := s.Bus.Due()
		switch {
		case ready > 0 || s.Host.Calls() > 0 || s.M365.Graph.Running() > 0:
			idle = 0
		case next.IsZero() && s.total() == 0:
			return
		default:
			idle++
		}
		if idle >= pause && !next.IsZero() {
			idle = 0
			s.Advance(max(0, next.Sub(s.Clock.Now())))
		}
	}
}

// pause is for how many looks in a row nobody may be at work before the clock jumps.
// What is between two calls has that long: a message on its way to a handler, or an
// outcome on its way to the bus. Where it is not enough, a lock runs out and a
// message comes twice; no attempt is overtaken, for none is under way.
const pause = 4

// total counts the messages that are left, results included.
func (s *soak) total() int {
	total, _ := s.Bus.Counts(queue.Changes + "/subscriptions/all")
	for _, n := range s.left() {
		total += n
	}
	return total
}

// left are the counts by queue.
func (s *soak) left() map[string]int {
	out := map[string]int{}
	for _, path := range work {
		if now, later := s.Bus.Counts(path); now+later > 0 {
			out[path] = now + later
		}
	}
	return out
}
