package servicebus

import (
	"time"

	"github.com/Azure/go-amqp"

	"github.com/calbridge/calbridge/shared/queue"
)

// Message annotations by which Service Bus tells what it knows of a message.
const (
	annotationScheduled  = "x-opt-scheduled-enqueue-time"
	annotationSequence   = "x-opt-sequence-number"
	annotationAccepted   = "x-opt-enqueue-sequence-number"
	annotationEnqueued   = "x-opt-enqueued-time"
	annotationLocked     = "x-opt-locked-until"
	annotationDeadLetter = "x-opt-deadletter-source"
	annotationState      = "x-opt-message-state"
)

// encode writes a message as azservicebus does.
func encode(m queue.Message) *amqp.Message {
	out := &amqp.Message{
		Properties:  &amqp.MessageProperties{MessageID: m.ID},
		Annotations: amqp.Annotations{},
		Data:        [][]byte{m.Body},
	}
	if m.SessionID != "" {
		out.Properties.GroupID = &m.SessionID
	}
	if m.Subject != "" {
		out.Properties.Subject = &m.Subject
	}
	if m.ContentType != "" {
		out.Properties.ContentType = &m.ContentType
	}
	if len(m.Properties) > 0 {
		out.ApplicationProperties = m.Properties
	}
	if !m.ScheduledFor.IsZero() {
		out.Annotations[annotationScheduled] = m.ScheduledFor
	}
	return out
}

// encodedSize is the number of bytes a message takes without and with its body.
func encodedSize(m queue.Message) (envelope, whole int, err error) {
	out := encode(m)
	body := out.Data
	out.Data = nil
	b, err := out.MarshalBinary()
	if err != nil {
		return 0, 0, err
	}
	section := 5 // descriptor and a length of one byte
	if len(body[0]) >= 256 {
		section = 8
	}
	return len(b), len(b) + section + len(body[0]), nil
}

// decode reads what a client sent: one message, or the messages of a batch.
func decode(payload []byte, format uint32) ([]*incoming, error) {
	if format != batchFormat {
		m, err := decodeOne(payload)
		if err != nil {
			return nil, err
		}
		return []*incoming{m}, nil
	}
	var envelope amqp.Message
	if err := envelope.UnmarshalBinary(payload); err != nil {
		return nil, err
	}
	out := make([]*incoming, 0, len(envelope.Data))
	for _, data := range envelope.Data {
		m, err := decodeOne(data)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// batchFormat is the message format of a transfer whose data sections each hold
// a message.
const batchFormat = 0x80013700

func decodeOne(payload []byte) (*incoming, error) {
	msg := new(amqp.Message)
	if err := msg.UnmarshalBinary(payload); err != nil {
		return nil, err
	}
	in := &incoming{size: len(payload), payload: msg}
	in.Properties = msg.ApplicationProperties
	if len(msg.Data) == 1 {
		in.Body = msg.Data[0]
	}
	if msg.Header != nil {
		in.ttl = msg.Header.TTL
	}
	if at, ok := msg.Annotations[annotationScheduled].(time.Time); ok {
		in.ScheduledFor = at.UTC()
	}
	if p := msg.Properties; p != nil {
		in.ID, _ = p.MessageID.(string)
		in.SessionID = text(p.GroupID)
		in.Subject = text(p.Subject)
		in.ContentType = text(p.ContentType)
	}
	return in, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// outgoing is a stored message as a receiver gets it.
func (m *message) outgoing() *amqp.Message {
	var out amqp.Message
	if kept, ok := m.payload.(*amqp.Message); ok {
		out = *kept
	} else {
		out = *encode(m.Message)
	}
	out.Format, out.DeliveryTag = 0, nil
	header := amqp.MessageHeader{Priority: 4}
	if out.Header != nil {
		header = *out.Header
	}
	header.DeliveryCount = uint32(m.failures)
	header.FirstAcquirer = m.failures == 0
	if !m.expires.IsZero() {
		header.TTL = m.expires.Sub(m.enqueued)
	}
	out.Header = &header
	out.DeliveryAnnotations = nil
	out.Annotations = m.annotations(out.Annotations)
	if len(m.Properties) > 0 {
		out.ApplicationProperties = m.Properties
	}
	return &out
}

func (m *message) annotations(sent amqp.Annotations) amqp.Annotations {
	out := make(amqp.Annotations, len(sent)+6)
	for k, v := range sent {
		out[k] = v
	}
	out[annotationSequence] = m.seq
	out[annotationAccepted] = m.accepted
	out[annotationEnqueued] = m.enqueued
	if m.locked {
		out[annotationLocked] = m.lockedUntil()
	}
	if m.source != "" {
		out[annotationDeadLetter] = m.source
	}
	if m.home == nil {
		out[annotationState] = int32(2) // scheduled
	}
	return out
}
