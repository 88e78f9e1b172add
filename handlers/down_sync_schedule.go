package handlers

import (
	"context"
	"errors"
)

// Sweeper does the schedule's work.
type Sweeper interface {
	// Sweep wakes the lanes whose debt is older than ten minutes. An error means that
	// not all could be looked at; the next run looks at them again.
	Sweep(ctx context.Context) error
}

// downSyncSchedule is the function DownSyncSchedule, a timer, every 30 minutes: it
// enqueues the calendars whose turn it is (R8) and wakes lanes. The one runs whatever
// becomes of the other.
func downSyncSchedule(s Sweeper, r Readings) func(context.Context, Invocation) error {
	return func(ctx context.Context, _ Invocation) error { return errors.Join(r.Due(ctx), s.Sweep(ctx)) }
}
