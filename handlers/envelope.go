package handlers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/queue"
)

// maxEnvelope bounds an envelope in bytes: a message of 256 KiB as base64, or as
// properties, which come twice and may be escaped to six times their length.
const maxEnvelope = 8 << 20

// Invocation is one call of a queue function.
type Invocation struct {
	Function string
	ID       string // GUID, new for each attempt: no idempotency key
	Trace    string // W3C traceparent of the call, "" for none; the message's own is a property
	Message  queue.Message
	// DeliveryCount starts at 1; 0 when the host did not say.
	DeliveryCount int
	// SequenceNumber is the broker's; 0 when the host did not say.
	SequenceNumber int64
	// EnqueuedAt is UTC, in whole seconds; zero when the host did not say.
	EnqueuedAt time.Time
	// DeadLetterReason and DeadLetterDetail are set by the broker on what it dead-lettered.
	DeadLetterReason, DeadLetterDetail string
}

// DecodeInvocation reads the envelope of a Service Bus trigger with dataType
// binary and cardinality one (functions/contract.md 2.3, 2.4). Only a body that
// is not an envelope is an error: metadata that is missing or has another form is
// left zero, and message data that is not base64 is taken as it is, because a
// message that can never be decoded would loop in its dead-letter queue for ever.
func DecodeInvocation(body []byte) (Invocation, error) {
	var envelope struct {
		Data     map[string]json.RawMessage
		Metadata map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return Invocation{}, errors.New("envelope: not an object with Data and Metadata")
	}
	data, err := messageData(envelope.Data)
	if err != nil {
		return Invocation{}, err
	}
	m := metadata(envelope.Metadata)
	inv := Invocation{
		Message: queue.Message{ID: m.text("MessageId"), SessionID: m.text("SessionId"), Subject: m.text("Subject"),
			ContentType: m.text("ContentType"), Body: data, Properties: m.properties()},
		DeliveryCount:  int(m.number("DeliveryCount")),
		SequenceNumber: m.number("SequenceNumber"),
		EnqueuedAt:     m.instant("EnqueuedTimeUtc"),
	}
	inv.DeadLetterReason, _ = inv.Message.Properties["DeadLetterReason"].(string)
	inv.DeadLetterDetail, _ = inv.Message.Properties["DeadLetterErrorDescription"].(string)
	return inv, nil
}

// messageData returns the message's bytes: of the binding named message, or of
// the only one there is.
func messageData(data map[string]json.RawMessage) ([]byte, error) {
	raw, ok := data["message"]
	if !ok {
		if len(data) != 1 {
			return nil, errors.New("envelope: no binding named message")
		}
		for _, only := range data {
			raw = only
		}
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return raw, nil
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return []byte(text), nil
	}
	return decoded, nil
}

// metadata is the member of that name. Scalars are JSON text inside a JSON
// string, since host 4 (contract 2.3); older forms are read too.
type metadata map[string]json.RawMessage

// scalar reads a value into to and reports whether it could.
func (m metadata) scalar(name string, to any) bool {
	raw, ok := m[name]
	if !ok {
		return false
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && json.Unmarshal([]byte(text), to) == nil {
		return true
	}
	return json.Unmarshal(raw, to) == nil
}

func (m metadata) text(name string) string {
	var s *string
	if !m.scalar(name, &s) || s == nil {
		return ""
	}
	return *s
}

func (m metadata) number(name string) int64 {
	var n int64
	if m.scalar(name, &n) {
		return n
	}
	// What a body had overwritten is a number in a string, twice quoted.
	var s string
	if m.scalar(name, &s) && json.Unmarshal([]byte(s), &n) == nil {
		return n
	}
	return 0
}

// instant reads a time with or without zone, the latter as UTC.
func (m metadata) instant(name string) time.Time {
	s := m.text(name)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// properties returns the application properties of the types that messages have.
func (m metadata) properties() map[string]any {
	d := json.NewDecoder(bytes.NewReader(m["ApplicationProperties"]))
	d.UseNumber()
	var values map[string]any
	if d.Decode(&values) != nil {
		return nil
	}
	for name, value := range values {
		switch v := value.(type) {
		case string, bool:
		case json.Number:
			values[name] = number(v)
		default:
			delete(values, name)
		}
	}
	return values
}

// number is an int64 where the text is one, since sequence numbers and revisions
// do not fit a float64.
func number(n json.Number) any {
	if !strings.ContainsAny(n.String(), ".eE") {
		if i, err := n.Int64(); err == nil {
			return i
		}
	}
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return f
}
