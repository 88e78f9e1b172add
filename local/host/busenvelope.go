package host

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"
)

// delivery is what the metadata of a Service Bus call is made of (§2.4).
type delivery struct {
	function string
	trigger  binding
	// namespace and identifier are those of the client.
	namespace, identifier string
	// lockedUntil is the end of the session's lock; zero without a session.
	lockedUntil time.Time
	now         time.Time
	id          uuid.UUID
	messages    []*azservicebus.ReceivedMessage
}

// endOfTime stands for "never expires".
var endOfTime = time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC)

// envelope writes the call. It fails where a batch without dataType holds a body that
// is not JSON.
func (d *delivery) envelope() ([]byte, error) {
	data, err := d.data()
	if err != nil {
		return nil, err
	}
	meta := &object{members: make([]member, 0, 32)}
	d.common(meta)
	if d.trigger.many() {
		d.batchMetadata(meta)
	} else {
		messageMetadata(meta, d.messages[0])
	}
	meta.add("sys", sys(d.function, d.now, d.id))
	if !d.trigger.many() && !d.binary() {
		copyBody(meta, string(d.messages[0].Body))
	}
	return envelope(d.trigger.Name, data, meta), nil
}

func (d *delivery) binary() bool { return strings.EqualFold(d.trigger.DataType, "binary") }

// data is Data.<name>, by cardinality and dataType.
func (d *delivery) data() (string, error) {
	if !d.trigger.many() {
		if d.binary() {
			return `"` + base64.StdEncoding.EncodeToString(d.messages[0].Body) + `"`, nil
		}
		return twice(string(d.messages[0].Body)), nil
	}
	parts := make([]string, 0, len(d.messages))
	for _, m := range d.messages {
		switch {
		case d.binary():
			parts = append(parts, `"`+base64.StdEncoding.EncodeToString(m.Body)+`"`)
		case d.trigger.DataType != "":
			parts = append(parts, quote(string(m.Body)))
		default:
			var compact bytes.Buffer
			if json.Compact(&compact, m.Body) != nil {
				return "", errors.New("a message of the batch is not JSON, and the binding has no dataType")
			}
			parts = append(parts, compact.String())
		}
	}
	return quote("[" + strings.Join(parts, ",") + "]"), nil
}

// common writes the entries that one message and a batch share.
func (d *delivery) common(meta *object) {
	receiver := "{}"
	if !d.lockedUntil.IsZero() {
		receiver = `{"SessionLockedUntil":` + quotedTime(d.lockedUntil, fullPrecision, "+00:00") + `}`
	}
	for _, name := range []string{"MessageReceiver", "MessageSession", "MessageActions", "SessionActions"} {
		meta.add(name, receiver)
	}
	meta.add("ReceiveActions", "{}")
	meta.add("Client", `{"FullyQualifiedNamespace":`+quote(d.namespace)+
		`,"IsClosed":false,"TransportType":0,"Identifier":`+quote(d.identifier)+`}`)
}

// messageMetadata writes the entries of one message, in source order.
func messageMetadata(meta *object, m *azservicebus.ReceivedMessage) {
	text := func(name string, value *string) {
		if value != nil {
			meta.add(name, twice(*value))
		}
	}
	times := func(name string, t time.Time) {
		meta.add(name+"Utc", quotedTime(t, seconds, ""))
		meta.add(name, quotedTime(t, seconds, "+00:00"))
	}
	meta.add("DeliveryCount", `"`+strconv.FormatUint(uint64(m.DeliveryCount), 10)+`"`)
	text("DeadLetterSource", m.DeadLetterSource)
	meta.add("LockToken", twice(uuid.UUID(m.LockToken).String()))
	times("ExpiresAt", expiresAt(m))
	times("EnqueuedTime", instant(m.EnqueuedTime))
	if m.MessageID != "" {
		text("MessageId", &m.MessageID)
	}
	text("ContentType", m.ContentType)
	text("ReplyTo", m.ReplyTo)
	meta.add("SequenceNumber", `"`+strconv.FormatInt(sequence(m), 10)+`"`)
	text("To", m.To)
	text("Subject", m.Subject)
	text("Label", m.Subject)
	text("CorrelationId", m.CorrelationID)
	properties := propertyObject(m.ApplicationProperties)
	meta.add("ApplicationProperties", properties)
	meta.add("UserProperties", properties)
	text("SessionId", m.SessionID)
	text("ReplyToSessionId", m.ReplyToSessionID)
	text("PartitionKey", m.PartitionKey)
}

// batchMetadata writes the ...Array entries: JSON text of arrays, nulls kept, times in
// full precision. TransactionPartitionKeyArray holds the partition keys, a fault of
// the extension.
func (d *delivery) batchMetadata(meta *object) {
	list := func(name string, value func(*azservicebus.ReceivedMessage) string) {
		parts := make([]string, len(d.messages))
		for i, m := range d.messages {
			parts[i] = value(m)
		}
		meta.add(name+"Array", quote("["+strings.Join(parts, ",")+"]"))
	}
	text := func(name string, value func(*azservicebus.ReceivedMessage) *string) {
		list(name, func(m *azservicebus.ReceivedMessage) string {
			if v := value(m); v != nil {
				return quote(*v)
			}
			return "null"
		})
	}
	times := func(name string, value func(*azservicebus.ReceivedMessage) time.Time) {
		list(name+"Utc", func(m *azservicebus.ReceivedMessage) string { return quotedTime(value(m), fullPrecision, "") })
		list(name, func(m *azservicebus.ReceivedMessage) string { return quotedTime(value(m), fullPrecision, "+00:00") })
	}
	type message = azservicebus.ReceivedMessage
	list("DeliveryCount", func(m *message) string { return strconv.FormatUint(uint64(m.DeliveryCount), 10) })
	text("DeadLetterSource", func(m *message) *string { return m.DeadLetterSource })
	list("LockToken", func(m *message) string { return quote(uuid.UUID(m.LockToken).String()) })
	times("ExpiresAt", expiresAt)
	times("EnqueuedTime", func(m *message) time.Time { return instant(m.EnqueuedTime) })
	text("MessageId", func(m *message) *string { return &m.MessageID })
	text("ContentType", func(m *message) *string { return m.ContentType })
	text("ReplyTo", func(m *message) *string { return m.ReplyTo })
	list("SequenceNumber", func(m *message) string { return strconv.FormatInt(sequence(m), 10) })
	text("To", func(m *message) *string { return m.To })
	text("Subject", func(m *message) *string { return m.Subject })
	text("Label", func(m *message) *string { return m.Subject })
	text("CorrelationId", func(m *message) *string { return m.CorrelationID })
	properties := func(m *message) string { return propertyObject(m.ApplicationProperties) }
	list("ApplicationProperties", properties)
	list("UserProperties", properties)
	text("SessionId", func(m *message) *string { return m.SessionID })
	text("ReplyToSessionId", func(m *message) *string { return m.ReplyToSessionID })
	text("PartitionKey", func(m *message) *string { return m.PartitionKey })
	text("TransactionPartitionKey", func(m *message) *string { return m.PartitionKey })
}

func sequence(m *azservicebus.ReceivedMessage) int64 {
	if m.SequenceNumber == nil {
		return 0
	}
	return *m.SequenceNumber
}

func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// expiresAt is the enqueued time plus the time to live, or the end of time.
func expiresAt(m *azservicebus.ReceivedMessage) time.Time {
	if m.ExpiresAt != nil && !m.ExpiresAt.IsZero() {
		return *m.ExpiresAt
	}
	if m.TimeToLive == nil || *m.TimeToLive <= 0 || m.EnqueuedTime == nil {
		return endOfTime
	}
	if t := m.EnqueuedTime.Add(*m.TimeToLive); t.Before(endOfTime) {
		return t
	}
	return endOfTime
}

// propertyObject is a real JSON object with native types inside; names are sorted.
func propertyObject(properties map[string]any) string {
	if len(properties) == 0 {
		return "{}"
	}
	o := &object{members: make([]member, 0, len(properties))}
	for _, name := range sortedKeys(properties) {
		o.add(name, native(properties[name]))
	}
	return o.String()
}

// native is a property value in JSON, as Newtonsoft writes it.
func native(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return quote(v)
	case []byte:
		return `"` + base64.StdEncoding.EncodeToString(v) + `"`
	case time.Time:
		return quotedTime(v, fullPrecision, "Z")
	case float32:
		return decimal(float64(v), 32)
	case float64:
		return decimal(v, 64)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return quote(fmt.Sprint(value))
	}
	return string(text)
}

// decimal keeps a decimal point, so that a reader sees a fraction.
func decimal(f float64, bits int) string {
	text := strconv.FormatFloat(f, 'g', -1, bits)
	switch {
	case strings.ContainsAny(text, "NI"):
		return `"` + strings.TrimPrefix(strings.ReplaceAll(strings.ReplaceAll(text, "+Inf", "Infinity"), "-Inf", "-Infinity"), "+") + `"`
	case strings.ContainsAny(text, ".e"):
		return strings.Replace(text, "e", "E", 1)
	}
	return text + ".0"
}
