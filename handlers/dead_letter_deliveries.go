package handlers

import (
	"context"

	"github.com/calbridge/calbridge/shared/queue"
)

// deadLetterDeliveries is the function DeadLetterDeliveries,
// deliveries/$deadletterqueue: no session there, but SessionID keeps the lane.
func deadLetterDeliveries(d DeadLetterer) func(context.Context, Invocation) error {
	return deadLetter(d, queue.Deliveries)
}
