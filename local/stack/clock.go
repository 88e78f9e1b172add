package stack

import (
	"sync/atomic"
	"time"
)

// Clock is the real clock moved by an offset. Its zero value is the real clock.
// It is safe for concurrent use.
type Clock struct{ offset atomic.Int64 }

// Now is the moved time, UTC.
func (c *Clock) Now() time.Time {
	return time.Now().UTC().Add(time.Duration(c.offset.Load()))
}

// Advance moves the clock of the whole stack forward, and makes everything that
// waits look at it.
func (s *Stack) Advance(d time.Duration) {
	s.Clock.offset.Add(int64(d))
	if s.Bus != nil {
		s.Bus.Tick()
	}
	if s.M365 != nil {
		s.M365.Graph.LandDue()
		s.M365.Hub.Poke()
	}
	s.Host.Tick()
}
