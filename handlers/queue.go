package handlers

import (
	"context"
	"time"

	"github.com/calbridge/calbridge/shared/queue"
)

// queueFunction is a function that a queue triggers. call returns an error only
// for what a redelivery can heal: the host abandons the message at once, and
// twenty tries pass in seconds (write-path.md section 1).
type queueFunction struct {
	name string
	call func(context.Context, Invocation) error
}

// lateAfter is how long a message may wait, from the time at which the bus made it
// visible, before the log tells its age in seconds (lateLine). The bus has no metric
// of that: the alert calbridge-late is made of these lines.
const lateAfter = 5 * time.Minute

// lateLine is the text that infra/queries/late.kql looks for.
const lateLine = "message served late"

// waited is how long the message lay where it was taken from; zero for a dead letter,
// whose time is that of its first queue, and where the host named none.
func (i Invocation) waited(now time.Time) time.Duration {
	if i.EnqueuedAt.IsZero() || i.DeadLetterReason != "" {
		return 0
	}
	return now.Sub(i.EnqueuedAt)
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
