package handlers

import "context"

// Sweeper does the schedule's work.
type Sweeper interface {
	// Sweep wakes the lanes whose debt is older than ten minutes. An error means that
	// not all could be looked at; the next run looks at them again.
	Sweep(ctx context.Context) error
}

// downSyncSchedule is the function DownSyncSchedule, a timer, every 30 minutes.
func downSyncSchedule(s Sweeper) func(context.Context, Invocation) error {
	return func(ctx context.Context, _ Invocation) error { return s.Sweep(ctx) }
}
