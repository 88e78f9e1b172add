package servicebus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/calbridge/calbridge/shared/queue"
)

// Sender sends to the broker without a connection, with the rules, limits and
// errors of queue.Azure, which passes the same suite.
func (b *Broker) Sender() queue.Sender { return twin{b} }

type twin struct{ b *Broker }

var _ queue.Sender = twin{}

// Send packs as the adapter does, so that the same messages are accepted
// together or not at all.
func (t twin) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("servicebus: send to %s: %w", entity, err)
	}
	batches, err := pack(messages)
	if err != nil {
		return fmt.Errorf("servicebus: send to %s: %w", entity, err)
	}
	for _, batch := range batches {
		if err := t.b.send(entity, batch); err != nil {
			return fmt.Errorf("servicebus: send to %s: %w", entity, asQueueError(err))
		}
	}
	return nil
}

func (b *Broker) send(name string, batch []*incoming) error {
	if b.down.Load() {
		return errDown
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e, err := b.entity(name)
	if err != nil {
		return err
	}
	_, err = e.accept(batch, b.Now())
	return err
}

// asQueueError adds the error that callers of a queue.Sender compare with.
func asQueueError(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Condition {
	case TooLarge:
		return errors.Join(queue.ErrTooLarge, err)
	case Full:
		return errors.Join(queue.ErrFull, err)
	}
	return err
}

// pack copies messages into as few batches as fit, in order, counting bytes as
// azservicebus.MessageBatch does: the properties of the first message once more
// as the envelope, and 5 or 8 bytes per message.
func pack(messages []queue.Message) ([][]*incoming, error) {
	var batches [][]*incoming
	var batch []*incoming
	size := 0
	for i := range messages {
		if err := messages[i].Check(); err != nil {
			return nil, err
		}
		in := copied(messages[i])
		envelope, whole, err := encodedSize(in.Message)
		if err != nil {
			return nil, err
		}
		in.size = whole
		if whole += 5; whole-5 >= 256 {
			whole += 3
		}
		if len(batch) > 0 && size+whole > maxMessage {
			batches, batch = append(batches, batch), nil
		}
		if len(batch) == 0 {
			size = envelope
		}
		if size+whole > maxMessage {
			return nil, queue.ErrTooLarge
		}
		size += whole
		batch = append(batch, in)
	}
	if len(batch) > 0 {
		batches = append(batches, batch)
	}
	return batches, nil
}

// copied shares no memory with the caller, and has what a connection would have
// done to it: an id if there was none, times in whole milliseconds.
func copied(m queue.Message) *incoming {
	m.Body = append([]byte(nil), m.Body...)
	m.Properties = cloned(m.Properties)
	if m.ID == "" {
		m.ID = uuid.NewString()
	}
	if !m.ScheduledFor.IsZero() {
		m.ScheduledFor = m.ScheduledFor.Truncate(time.Millisecond).UTC()
	}
	return &incoming{Message: m}
}
