package handlers

import (
	"context"

	"github.com/calbridge/calbridge/shared/queue"
)

// queueFunction is a function that a queue triggers. call returns an error only
// for what a redelivery can heal: the host abandons the message at once, and
// twenty tries pass in seconds (write-path.md section 1).
type queueFunction struct {
	name string
	call func(context.Context, Invocation) error
}

// DeadLetterer sends what was dead-lettered back to work, or gives it up.
type DeadLetterer interface {
	// DeadLetter takes a message of a queue's dead-letter queue. An error means that
	// the bus refused, and that the message must come again.
	DeadLetter(ctx context.Context, source string, m queue.Message) error
}

func deadLetter(d DeadLetterer, source string) func(context.Context, Invocation) error {
	return func(ctx context.Context, inv Invocation) error { return d.DeadLetter(ctx, source, inv.Message) }
}
