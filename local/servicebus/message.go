package servicebus

import (
	"time"

	"github.com/google/uuid"

	"github.com/calbridge/calbridge/shared/queue"
)

// Limits of the Standard tier (write-path.md section 1). The two on properties
// are the documented quotas, refused here with a guessed condition.
const (
	maxMessage       = queue.MaxMessage
	maxID            = 128
	maxProperty      = 32 * 1024
	maxAllProperties = 64 * 1024
)

// State of a message that is peeked at.
type State string

// States.
const (
	Active    State = "active"    // waiting, or locked by a receiver
	Scheduled State = "scheduled" // accepted, visible later
)

// Token is the lock a receiver settles with; a new one per delivery.
type Token = uuid.UUID

// Received is a message as a receiver, or someone peeking, sees it.
type Received struct {
	queue.Message
	// SequenceNumber grows per entity in the order of becoming visible; a
	// scheduled message gets a second one then.
	SequenceNumber int64
	// DeliveryCount is 1 at the first delivery; when peeked at, 1 more than the
	// number of failed ones.
	DeliveryCount int
	State         State
	// EnqueuedAt is the UTC instant of becoming visible; of a scheduled message
	// that of being accepted. It survives dead-lettering.
	EnqueuedAt time.Time
	// ExpiresAt is zero for never.
	ExpiresAt time.Time
	// Locked tells that a receiver holds it, until LockedUntil.
	Locked      bool
	LockedUntil time.Time
	// DeadLetterSource is the entity it was dead-lettered from, else empty;
	// Reason and Description are the properties DeadLetterReason and
	// DeadLetterErrorDescription.
	DeadLetterSource, DeadLetterReason, DeadLetterDescription string
	// TimeToLive as the sender asked for; zero is the entity's own.
	TimeToLive time.Duration
}

// Names of the properties that dead-lettering sets.
const (
	reasonProperty      = "DeadLetterReason"
	descriptionProperty = "DeadLetterErrorDescription"
)

// incoming is a message on its way in: what the core needs to know, and in
// payload whatever the transport wants back on the way out.
type incoming struct {
	queue.Message
	ttl     time.Duration
	size    int // bytes, encoded, with properties
	payload any
}

// message is a stored one. All fields are guarded by the broker's mutex.
type message struct {
	incoming
	owner    *entity // whose bytes it counts as
	home     *store  // where it waits; nil while scheduled, and once it is gone
	lane     *lane
	seq      int64
	accepted int64 // sequence number of acceptance
	enqueued time.Time
	expires  time.Time // zero: never
	failures int
	source   string

	locked bool
	token  Token
	until  time.Time
	holder *Session // of session entities
	taker  *taker   // of plain ones
}

func (m *message) received() Received {
	r := Received{
		Message:          m.Message,
		SequenceNumber:   m.seq,
		DeliveryCount:    m.failures + 1,
		State:            Active,
		EnqueuedAt:       m.enqueued,
		ExpiresAt:        m.expires,
		Locked:           m.locked,
		DeadLetterSource: m.source,
		TimeToLive:       m.ttl,
	}
	if m.home == nil {
		r.State = Scheduled
	}
	if m.locked {
		r.LockedUntil = m.lockedUntil()
	}
	r.DeadLetterReason, _ = m.Properties[reasonProperty].(string)
	r.DeadLetterDescription, _ = m.Properties[descriptionProperty].(string)
	r.Body = append([]byte(nil), m.Body...)
	r.Properties = cloned(m.Properties)
	return r
}

func (m *message) lockedUntil() time.Time {
	if m.holder != nil {
		return m.holder.until
	}
	return m.until
}

// change sets properties on a copy: subscriptions and callers may share the map.
func (m *message) change(properties map[string]any) {
	if len(properties) == 0 {
		return
	}
	m.Properties = cloned(m.Properties)
	if m.Properties == nil {
		m.Properties = make(map[string]any, len(properties))
	}
	for k, v := range properties {
		m.Properties[k] = v
	}
}

func cloned(properties map[string]any) map[string]any {
	if properties == nil {
		return nil
	}
	out := make(map[string]any, len(properties)+2)
	for k, v := range properties {
		out[k] = v
	}
	return out
}
