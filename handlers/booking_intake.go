package handlers

import (
	"context"

	"github.com/calbridge/calbridge/shared/queue"
)

// Intaker stores a booking and wakes its lanes.
type Intaker interface {
	// Intake takes a message of the queue bookings. An error means that the bus refused.
	Intake(ctx context.Context, m queue.Message) error
}

// bookingIntake is the function BookingIntake, queue bookings, no sessions.
func bookingIntake(i Intaker) func(context.Context, Invocation) error {
	return func(ctx context.Context, inv Invocation) error { return i.Intake(ctx, inv.Message) }
}
