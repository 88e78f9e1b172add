package graphapi

import (
	"context"
	"sync"
	"time"
)

// slots counts the requests that run in each mailbox for each app, and how many
// began in the current ten minutes (section 8).
type slots struct {
	now func() time.Time

	mu    sync.Mutex
	size  int // requests at once; 0 without limit
	limit int // requests in ten minutes; 0 without limit
	used  map[slot]*use
}

// slot is an app in a mailbox.
type slot struct{ tenant, app, mailbox string }

type use struct {
	running int
	free    chan struct{} // closed when one ends, then made new
	since   time.Time
	begun   int
}

// window is how long requests are counted.
const window = 10 * time.Minute

func newSlots(size, limit int, now func() time.Time) *slots {
	return &slots{size: size, limit: limit, now: now, used: map[slot]*use{}}
}

// set changes the limits.
func (s *slots) set(size, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size, s.limit = size, limit
	for _, u := range s.used {
		close(u.free) // whoever waits looks again
		u.free = make(chan struct{})
	}
}

// limited reports whether there is any limit.
func (s *slots) limited() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size > 0 || s.limit > 0
}

// try takes a slot unless all are taken. It returns how long to wait when there
// is none, and otherwise a function that frees it.
func (s *slots) try(key slot) (free func(), wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.use(key)
	if s.size > 0 && u.running >= s.size {
		return nil, time.Second
	}
	if wait := s.spent(u); wait > 0 {
		return nil, wait
	}
	return s.take(u), 0
}

// wait takes a slot as soon as one is free. It fails with the end of ctx, or
// when the ten minutes' requests are spent.
func (s *slots) wait(ctx context.Context, key slot) (free func(), wait time.Duration, err error) {
	for {
		s.mu.Lock()
		u := s.use(key)
		if wait := s.spent(u); wait > 0 {
			s.mu.Unlock()
			return nil, wait, nil
		}
		if s.size == 0 || u.running < s.size {
			free := s.take(u)
			s.mu.Unlock()
			return free, 0, nil
		}
		changed := u.free
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

func (s *slots) use(key slot) *use {
	u := s.used[key]
	if u == nil {
		u = &use{free: make(chan struct{}), since: s.now()}
		s.used[key] = u
	}
	return u
}

// spent returns how long the ten minutes still last if their requests are used up.
func (s *slots) spent(u *use) time.Duration {
	if s.limit == 0 {
		return 0
	}
	age := s.now().Sub(u.since)
	if age >= window || age < 0 {
		u.since, u.begun = s.now(), 0
		return 0
	}
	if u.begun < s.limit {
		return 0
	}
	return window - age
}

// take counts one more. The caller holds the lock.
func (s *slots) take(u *use) func() {
	u.running++
	u.begun++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		u.running--
		close(u.free)
		u.free = make(chan struct{})
	})
}
