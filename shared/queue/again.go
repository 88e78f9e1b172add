package queue

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Properties that messages carry from one sending to the next.
const (
	// AttemptProperty counts how often the work failed in a way that may pass.
	AttemptProperty = "attempt"
	// RoundProperty counts how often the message was a dead letter.
	RoundProperty = "round"
	// AwaitProperty is since when the message waits for another build, in Unix seconds.
	AwaitProperty = "await"
	// sentProperty counts how often it was sent again, for whatever reason.
	sentProperty = "send"
)

// Number reads a counter of a message; what is absent or no number is 0.
func (m Message) Number(name string) int64 {
	switch v := m.Properties[name].(type) {
	case int64:
		return v
	case int32:
		return int64(v)
	case int:
		return int64(v)
	case float64:
		return int64(v)
	}
	return 0
}

// Text reads a property; what is absent or no string is "".
func (m Message) Text(name string) string {
	s, _ := m.Properties[name].(string)
	return s
}

// With returns the message with one property more, or another value of it. The message
// itself keeps its own.
func (m Message) With(name string, value any) Message {
	p := make(map[string]any, len(m.Properties)+1)
	maps.Copy(p, m.Properties)
	p[name] = value
	m.Properties = p
	return m
}

// Base is the id of the first of a message's sendings, at most 100 characters.
func (m Message) Base() string {
	id := m.ID
	if n := m.sendings(); n > 0 {
		id = strings.TrimSuffix(id, fmt.Sprintf(".%d", n))
	}
	return fmt.Sprintf("%.100s", id)
}

// sendings is how often the message was sent again. Messages of before it was counted
// have only their attempts.
func (m Message) sendings() int64 { return max(m.Number(sentProperty), m.Number(AttemptProperty)) }

// Again is the message once more, to be received at an instant (zero: at once): with its
// properties and those given, under a new id, <id>.<n>, since the bus swallows a repeated
// one (wire.md, Internal messages).
func (m Message) Again(at time.Time, properties map[string]any) Message {
	n, base := m.sendings()+1, m.Base()
	p := make(map[string]any, len(m.Properties)+len(properties)+1)
	maps.Copy(p, m.Properties)
	delete(p, AwaitProperty) // of a wait that is over
	maps.Copy(p, properties)
	p[sentProperty] = n
	m.ID, m.ScheduledFor, m.Properties = fmt.Sprintf("%s.%d", base, n), at, p
	return m
}

// How long a message waits for a build that reads what this one cannot, and how often it
// is looked at meanwhile.
const (
	awaitFor   = 24 * time.Hour
	awaitFirst = 5 * time.Second
	awaitMost  = 10 * time.Minute
)

// Await is the message once more, for a build of another version: soon at first, then
// ever later, every ten minutes in the end; jitter, from 0 to 1, adds up to a fifth. False
// when it has waited for a day.
func (m Message) Await(now time.Time, jitter float64) (Message, bool) {
	since := time.Unix(m.Number(AwaitProperty), 0)
	if m.Number(AwaitProperty) == 0 {
		since = now
	}
	waited := max(0, now.Sub(since))
	if waited >= awaitFor {
		return m, false
	}
	wait := min(max(awaitFirst, waited), awaitMost)
	return m.Again(now.Add(wait+time.Duration(jitter*float64(wait)/5)), map[string]any{AwaitProperty: since.Unix()}), true
}

// Refused is a refusal of the bus: the one failure that only a redelivery heals.
type Refused struct{ Err error }

func (e *Refused) Error() string { return "bus: " + e.Err.Error() }

// Unwrap makes errors.Is see the cause.
func (e *Refused) Unwrap() error { return e.Err }

// sendTimeout is how long a send may take, whatever is left of the invocation.
const sendTimeout = 10 * time.Second

// Send sends messages in the trace of the work that causes them, where they have none of
// their own; also when the invocation's own time is up: what was decided must not be
// forgotten for want of a second. No messages is no call. Its error is a *Refused.
func Send(ctx context.Context, bus Sender, entity string, messages ...Message) error {
	if len(messages) == 0 {
		return nil
	}
	messages = Traced(ctx, messages)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	if err := bus.Send(ctx, entity, messages...); err != nil {
		return &Refused{fmt.Errorf("send to %s: %w", entity, err)}
	}
	return nil
}

// Traced returns messages with the trace of ctx, where they have none of their own.
func Traced(ctx context.Context, messages []Message) []Message {
	trace := Trace(ctx)
	if trace == "" {
		return messages
	}
	out := make([]Message, len(messages))
	for i, m := range messages {
		if m.Properties[TraceProperty] == nil {
			m = m.With(TraceProperty, trace)
		}
		out[i] = m
	}
	return out
}
