// Package queue holds the messages that Calbridge sends, and the one adapter
// that sends them (Azure, over azservicebus).
//
// # Delivery
//
// Messages are delivered at least once. Those of one session are given to one
// receiver at a time, in the order they became visible; between sessions there
// is no order. A message that fails 20 times goes to the dead-letter queue of
// its queue. Nothing here relies on duplicate detection for correctness.
package queue

import (
	"context"
	"errors"
	"time"
)

// Names of the queues and the topic (fixed, design.md).
const (
	Bookings     = "bookings"
	Deliveries   = "deliveries"
	MailboxTasks = "mailbox-tasks"
	Rejected     = "bookings-rejected"
	Changes      = "changes" // topic
)

// MaxMessage is the largest message, in bytes with its properties, that Service
// Bus Standard takes.
const MaxMessage = 256 * 1024

// Message is what is sent, and what a receiver sees of it.
type Message struct {
	// ID is at most 128 characters.
	ID string
	// SessionID is at most 128 characters; required where the queue has sessions.
	SessionID string
	// Subject and ContentType may be empty.
	Subject, ContentType string
	Body                 []byte
	// Properties are application properties: string, int64, bool, float64.
	Properties map[string]any
	// ScheduledFor is the UTC instant before which nobody receives the message;
	// zero means at once.
	ScheduledFor time.Time
}

// Sender puts messages on a queue or topic.
type Sender interface {
	// Send returns nil when every message was accepted. On any error some may have
	// been accepted and some not: the caller sends all again, or gives up as a whole.
	// Messages are packed into as few batches as fit. One that fits no batch is ErrTooLarge.
	Send(ctx context.Context, entity string, messages ...Message) error
}

// Errors that callers decide on; compare with errors.Is. Anything else means
// the bus could not be reached.
var (
	ErrTooLarge = errors.New("message too large for the bus")
	ErrFull     = errors.New("queue or topic is full")
)
