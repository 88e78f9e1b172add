package queue

import (
	"context"
	"time"
)

// Place is where messages lie: a queue, or its dead-letter queue.
type Place struct {
	Queue string
	Dead  bool
}

// Stored is a message where it lies.
type Stored struct {
	Message
	// Sequence orders the messages of a place; it is above zero.
	Sequence int64
	// EnqueuedAt is the UTC instant at which it became visible in its queue.
	EnqueuedAt time.Time
	// Deliveries is how often it was handed out before, and one.
	Deliveries int
}

// Names of the properties that the bus sets on a dead letter.
const (
	DeadReasonProperty      = "DeadLetterReason"
	DeadDescriptionProperty = "DeadLetterErrorDescription"
)

// Verdict is what becomes of a message that is sifted.
type Verdict int

// The verdicts.
const (
	Keep   Verdict = iota // it stays
	Remove                // it is gone
	Stop                  // it stays, and so does everything behind it
)

// Shelf is what lies on queues without sessions and on dead-letter queues, for
// people who look after it. A place that is unknown is an error, as is a bus that
// does not answer; neither looks like an empty place.
type Shelf interface {
	// Peek returns messages of a place from a sequence number on, in order, and locks
	// nothing; what is locked by others or scheduled is among them. At most limit
	// come, perhaps fewer although more lie there; none means that none are left.
	Peek(ctx context.Context, p Place, from int64, limit int) ([]Stored, error)

	// Sift locks messages of a place, oldest first, and asks decide about each, once,
	// until limit were asked about or nothing is left that others do not hold. A message
	// is removed after decide said so and before it is asked again; when removing
	// fails Sift ends with the error, and the message comes again. What stays is given
	// back at the end, and may count as one failed delivery. An error of decide ends
	// Sift as Stop does, and is returned.
	Sift(ctx context.Context, p Place, limit int, decide func(context.Context, Stored) (Verdict, error)) error
}
