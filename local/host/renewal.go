package host

import (
	"context"
	"sync"
	"time"
)

// renewal renews one lock at half of what is left of it, for as long as
// maxAutoLockRenewalDuration allows, counted from the start.
type renewal struct {
	in    *instance
	since time.Time
	// renew extends the lock and returns its new end.
	renew func(context.Context) (time.Time, error)
	ended func(error)

	mu      sync.Mutex
	until   time.Time
	alarm   *alarm
	stopped bool
}

// renewing starts the renewal of a lock that ends at until.
func (in *instance) renewing(until time.Time, renew func(context.Context) (time.Time, error), ended func(error)) *renewal {
	r := &renewal{in: in, since: in.h.clock.now(), until: until, renew: renew, ended: ended}
	r.mu.Lock()
	r.wait()
	r.mu.Unlock()
	return r
}

// wait sets the next alarm; mu is held. A lock end that makes no sense to our clock
// is looked at again soon.
func (r *renewal) wait() {
	if r.stopped {
		return
	}
	left := r.until.Sub(r.in.h.clock.now())
	r.alarm = r.in.h.clock.after(min(max(left/2, time.Second), 150*time.Second), r.fire)
}

func (r *renewal) fire() {
	limit := r.in.h.config.bus.maxRenewal
	if limit >= 0 && r.in.h.clock.now().Sub(r.since) >= limit {
		return
	}
	ctx, cancel := context.WithTimeout(r.in.calls, settleWithin)
	defer cancel()
	until, err := r.renew(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	if err != nil {
		r.ended(err)
		return
	}
	r.until = until
	r.wait()
}

// lockedUntil is the end of the lock as last heard.
func (r *renewal) lockedUntil() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until
}

func (r *renewal) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.alarm != nil {
		r.alarm.stop()
	}
}
