package handlers

import (
	"context"

	"github.com/calbridge/calbridge/shared/queue"
)

// deadLetterBookings is the function DeadLetterBookings, bookings/$deadletterqueue.
func deadLetterBookings(d DeadLetterer) func(context.Context, Invocation) error {
	return deadLetter(d, queue.Bookings)
}
