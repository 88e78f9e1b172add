package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

var _ Shelf = (*Azure)(nil)

const (
	// siftChunk is how many messages are locked ahead: few, because those behind a
	// Stop are given back as failed.
	siftChunk = 16
	// patience is how long a receiver waits for what others may hold.
	patience = 2 * time.Second
	// togetherness is how long the rest may come after the first message; it is only
	// waited for in full when others took some.
	togetherness = 200 * time.Millisecond
	// settleDeadline bounds each settling. The SDK ignores the client's retry options
	// there, and completing on a lost link would take 44 s (servicebus.md section 5).
	settleDeadline = 5 * time.Second
	// lostLinks is how often in a row a receiver may come back with nothing.
	lostLinks = 3
)

// Peek implements Shelf. It opens a link, asks the management node once, and
// closes the link.
func (a *Azure) Peek(ctx context.Context, p Place, from int64, limit int) ([]Stored, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	r, err := a.receiver(p)
	if err != nil {
		return nil, fmt.Errorf("queue.Peek at %s: %w", p, err)
	}
	defer closeReceiver(ctx, r)
	messages, err := r.PeekMessages(ctx, limit, &azservicebus.PeekMessagesOptions{FromSequenceNumber: &from})
	if err != nil {
		return nil, fmt.Errorf("queue.Peek at %s: %w", p, err)
	}
	out := make([]Stored, len(messages))
	for i, m := range messages {
		out[i], _ = stored(m)
	}
	return out, nil
}

// Sift implements Shelf. A message whose body is of a kind that Message cannot
// carry (AMQP values other than text and bytes, sequences) is kept unasked.
func (a *Azure) Sift(ctx context.Context, p Place, limit int, decide func(context.Context, Stored) (Verdict, error)) error {
	r, err := a.receiver(p)
	if err != nil {
		return fmt.Errorf("queue.Sift at %s: %w", p, err)
	}
	s := &sifting{receiver: r, decide: decide}
	defer closeReceiver(ctx, r)
	err = s.run(ctx, limit)
	s.giveBack(ctx)
	if err != nil {
		return fmt.Errorf("queue.Sift at %s: %w", p, err)
	}
	return nil
}

func (a *Azure) receiver(p Place) (*azservicebus.Receiver, error) {
	o := &azservicebus.ReceiverOptions{}
	if p.Dead {
		o.SubQueue = azservicebus.SubQueueDeadLetter
	}
	return a.client.NewReceiverForQueue(p.Queue, o)
}

// String names a place as the bus does.
func (p Place) String() string {
	if p.Dead {
		return p.Queue + "/$deadletterqueue"
	}
	return p.Queue
}

// sifting is one call of Sift.
type sifting struct {
	receiver *azservicebus.Receiver
	decide   func(context.Context, Stored) (Verdict, error)
	last     int64 // highest sequence number seen
	kept     []*azservicebus.ReceivedMessage
}

func (s *sifting) run(ctx context.Context, limit int) error {
	for lost := 0; limit > 0; {
		messages, err := s.next(ctx, min(limit, siftChunk))
		if err != nil || messages == nil {
			return err
		}
		if lost++; len(messages) > 0 {
			lost = 0
		} else if lost == lostLinks {
			return errors.New("the link was lost again and again")
		}
		limit -= len(messages)
		for i, m := range messages {
			if stop, err := s.one(ctx, m); stop || err != nil {
				s.kept = append(s.kept, messages[i:]...)
				return err
			}
		}
	}
	return nil
}

// next locks messages. It returns nil when there are none, and an empty list when
// the link was lost: the SDK says neither so nor that the place is empty
// (servicebus.md section 5), so what lies there is peeked at first. No more is
// asked for than was seen: what is given back would otherwise come again on the
// same link, and be locked when the link closes. That messages are received in the
// order of their numbers is guessed for dead-letter queues; where it does not
// hold, a call ends early and the next one goes on.
func (s *sifting) next(ctx context.Context, most int) ([]*azservicebus.ReceivedMessage, error) {
	from := s.last + 1
	waiting, err := s.receiver.PeekMessages(ctx, most, &azservicebus.PeekMessagesOptions{FromSequenceNumber: &from})
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	messages, err := s.receiver.ReceiveMessages(wait, len(waiting), &azservicebus.ReceiveMessagesOptions{TimeAfterFirstMessage: togetherness})
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return nil, nil // others hold it
	case err != nil:
		return nil, err
	case messages == nil:
		messages = []*azservicebus.ReceivedMessage{}
	}
	return messages, nil
}

// one asks about a message; stop reports that it stays with all that follow.
func (s *sifting) one(ctx context.Context, m *azservicebus.ReceivedMessage) (stop bool, err error) {
	seen, ok := stored(m)
	s.last = max(s.last, seen.Sequence)
	verdict := Keep
	if ok {
		if verdict, err = s.decide(ctx, seen); err != nil {
			return true, err
		}
	}
	switch verdict {
	case Remove:
		return false, settle(ctx, func(ctx context.Context) error { return s.receiver.CompleteMessage(ctx, m, nil) })
	case Stop:
		return true, nil
	}
	s.kept = append(s.kept, m)
	return false, nil
}

// giveBack frees what stays. What cannot be freed is free when its lock runs out.
func (s *sifting) giveBack(ctx context.Context) {
	for _, m := range s.kept {
		err := settle(ctx, func(ctx context.Context) error { return s.receiver.AbandonMessage(ctx, m, nil) })
		var refused *azservicebus.Error
		if err != nil && !errors.As(err, &refused) {
			return
		}
	}
}

// settle settles also when the caller's time is up, within a time of its own.
func settle(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleDeadline)
	defer cancel()
	return do(ctx)
}

func closeReceiver(ctx context.Context, r *azservicebus.Receiver) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = r.Close(ctx) // nobody uses it any more
}

// stored is a message as Shelf shows it; false when its body cannot be carried.
func stored(m *azservicebus.ReceivedMessage) (Stored, bool) {
	body, ok := bodyOf(m)
	out := Stored{Message: Message{ID: m.MessageID, Body: body, Properties: propertiesOf(m.ApplicationProperties)},
		Deliveries: int(m.DeliveryCount)}
	set(&out.SessionID, m.SessionID)
	set(&out.Subject, m.Subject)
	set(&out.ContentType, m.ContentType)
	set(&out.ScheduledFor, m.ScheduledEnqueueTime)
	set(&out.Sequence, m.SequenceNumber)
	set(&out.EnqueuedAt, m.EnqueuedTime)
	out.EnqueuedAt, out.ScheduledFor = out.EnqueuedAt.UTC(), out.ScheduledFor.UTC()
	return out, ok
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func bodyOf(m *azservicebus.ReceivedMessage) ([]byte, bool) {
	if m.RawAMQPMessage == nil {
		return m.Body, true
	}
	raw := m.RawAMQPMessage.Body
	switch v := raw.Value.(type) {
	case string:
		return []byte(v), true
	case []byte:
		return v, true
	case nil:
	default:
		return nil, false
	}
	var body []byte
	for _, section := range raw.Data {
		body = append(body, section...)
	}
	return body, raw.Sequence == nil
}

// propertiesOf are the properties that a Message can have: numbers of other sizes
// are widened, times become text, the rest, which nothing here reads, is left out.
func propertiesOf(given map[string]any) map[string]any {
	if len(given) == 0 {
		return nil
	}
	out := make(map[string]any, len(given))
	for name, value := range given {
		switch v := value.(type) {
		case string, int64, bool, float64:
			out[name] = v
		case int:
			out[name] = int64(v)
		case int8:
			out[name] = int64(v)
		case int16:
			out[name] = int64(v)
		case int32:
			out[name] = int64(v)
		case uint8:
			out[name] = int64(v)
		case uint16:
			out[name] = int64(v)
		case uint32:
			out[name] = int64(v)
		case float32:
			out[name] = float64(v)
		case time.Time:
			out[name] = v.UTC().Format(time.RFC3339Nano)
		}
	}
	return out
}
