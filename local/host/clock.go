package host

import (
	"context"
	"sync"
	"time"
)

// clock tells the time and wakes those who wait for some of it to pass.
type clock struct {
	now func() time.Time

	mu     sync.Mutex
	alarms map[*alarm]struct{}
}

// alarm calls f once. A strict alarm follows the clock only; any other also rings
// when its span has passed in real time.
type alarm struct {
	c      *clock
	due    time.Time
	strict bool
	f      func()
	timer  *time.Timer
}

func newClock(now func() time.Time) *clock {
	if now == nil {
		now = time.Now
	}
	return &clock{now: now, alarms: map[*alarm]struct{}{}}
}

// after calls f in a goroutine of its own when d has passed, in real time or by
// the clock.
func (c *clock) after(d time.Duration, f func()) *alarm {
	return c.set(&alarm{c: c, due: c.now().Add(d), f: f}, d)
}

// at calls f in a goroutine of its own when the clock has reached t.
func (c *clock) at(t time.Time, f func()) *alarm {
	return c.set(&alarm{c: c, due: t, strict: true, f: f}, t.Sub(c.now()))
}

func (c *clock) set(a *alarm, d time.Duration) *alarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarms[a] = struct{}{}
	a.timer = time.AfterFunc(max(d, 0), a.rung)
	return a
}

// rung is called by the real timer. A strict alarm whose instant the clock has not
// reached waits on.
func (a *alarm) rung() {
	c := a.c
	c.mu.Lock()
	_, waiting := c.alarms[a]
	left := a.due.Sub(c.now())
	if waiting && a.strict && left > 0 {
		a.timer.Reset(max(left, time.Millisecond))
		waiting = false
	} else {
		delete(c.alarms, a)
	}
	c.mu.Unlock()
	if waiting {
		a.f()
	}
}

// stop reports whether it kept f from being called.
func (a *alarm) stop() bool {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	_, waiting := a.c.alarms[a]
	delete(a.c.alarms, a)
	a.timer.Stop()
	return waiting
}

// tick rings every alarm that is due by the clock.
func (c *clock) tick() {
	now := c.now()
	c.mu.Lock()
	var due []*alarm
	for a := range c.alarms {
		if !a.due.After(now) {
			due = append(due, a)
			delete(c.alarms, a)
			a.timer.Stop()
		}
	}
	c.mu.Unlock()
	for _, a := range due {
		go a.f()
	}
}

// sleep returns when d has passed, or early with ctx's error.
func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	rang := make(chan struct{})
	a := c.after(d, func() { close(rang) })
	defer a.stop()
	select {
	case <-rang:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sleepUntil returns when the clock has reached t, or early with ctx's error.
func (c *clock) sleepUntil(ctx context.Context, t time.Time) error {
	rang := make(chan struct{})
	a := c.at(t, func() { close(rang) })
	defer a.stop()
	select {
	case <-rang:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
