package handlers

import (
	"context"

	"github.com/calbridge/calbridge/shared/queue"
)

// Writer serves a lane.
type Writer interface {
	// Write takes a wake-up of the queue deliveries; its SessionID is the lane key.
	// An error means that the bus refused.
	Write(ctx context.Context, m queue.Message) error
}

// calendarWrite is the function CalendarWrite, queue deliveries, one session at a time.
func calendarWrite(w Writer) func(context.Context, Invocation) error {
	return func(ctx context.Context, inv Invocation) error { return w.Write(ctx, inv.Message) }
}
