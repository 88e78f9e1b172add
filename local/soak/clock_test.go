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
// were read. It jumps over the time in which nothing but scheduled messages is there:
// nobody works then.
func (s *soak) settle(ctx context.Context) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for idle := 0; ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			s.t.Errorf("not settled in time: %v", s.left())
			return
		}
		active, scheduled := s.lying()
		switch {
		case active > 0:
			idle = 0
		case scheduled == 0:
			return
		default:
			idle++
		}
		if next, ok := s.Bus.NextScheduled(); ok && idle >= 3 {
			idle = 0
			s.Advance(max(0, next.Sub(s.Clock.Now())))
		}
	}
}

// lying counts messages: those that somebody has or may take, and those for later.
func (s *soak) lying() (active, scheduled int) {
	for _, path := range append([]string{queue.Changes + "/subscriptions/all"}, work...) {
		now, later := s.Bus.Counts(path)
		active, scheduled = active+now, scheduled+later
	}
	return active, scheduled
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
