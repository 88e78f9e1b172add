// Package rules reads and applies the filters of a Service Bus subscription: SQL
// filters and correlation filters. It knows neither queues nor AMQP.
//
// # SQL filters
//
// The grammar is that of "Subscription Rule SQL Filter Syntax" in Microsoft's
// Service Bus documentation: comparisons, IS [NOT] NULL, [NOT] IN, [NOT] LIKE with
// ESCAPE, EXISTS, NOT, AND, OR, arithmetic, parentheses; names plain, in [brackets]
// or in "quotes", with the scope user. (the default) or sys.; the function
// property(name), or p(name). Keywords and names of properties know no case; text
// does.
//
// A property that a message lacks is unknown, and so is all that is worked out of
// it, except IS NULL and EXISTS; AND, OR and NOT follow SQL-92. A message matches
// when the whole is true. The system properties are those of [Message]; another
// name is refused, as "an attempt to access a nonexistent system property is an
// error". An expression has at most 1,024 characters (the service's quota).
//
// # Guessed
//
// Comparing values of different kinds, and dividing by zero, is unknown. Brackets
// nest at most 32 deep. A property alone is no predicate, even one that holds
// true. newid() is refused. Dates have no literal and can be compared with nothing.
package rules

import (
	"maps"
	"strings"

	"github.com/google/uuid"
)

// Message is what filters look at. Empty strings are absent.
type Message struct {
	ID, SessionID, Subject, ContentType          string
	CorrelationID, To, ReplyTo, ReplyToSessionID string
	PartitionKey                                 string
	// Properties are the application properties, with any type that AMQP has.
	Properties map[string]any
}

// Correlation is a correlation filter: a message matches when all that is set
// here is equal there, to the letter. An empty filter matches everything.
type Correlation struct {
	MessageID, SessionID, Label, ContentType     string
	CorrelationID, To, ReplyTo, ReplyToSessionID string
	Properties                                   map[string]any
}

// Match reports whether the filter lets m through.
func (c Correlation) Match(m Message) bool {
	for _, pair := range [][2]string{{c.MessageID, m.ID}, {c.SessionID, m.SessionID}, {c.Label, m.Subject}, {c.ContentType, m.ContentType},
		{c.CorrelationID, m.CorrelationID}, {c.To, m.To}, {c.ReplyTo, m.ReplyTo}, {c.ReplyToSessionID, m.ReplyToSessionID}} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	for name, want := range c.Properties {
		if compare("=", plain(want), lookup(m.Properties, name)) != true {
			return false
		}
	}
	return true
}

// lookup finds an application property, by its exact name first.
func lookup(properties map[string]any, name string) any {
	if v, ok := properties[name]; ok {
		return plain(v)
	}
	for key := range maps.Keys(properties) {
		if strings.EqualFold(key, name) {
			return plain(properties[key])
		}
	}
	return nil
}

// plain brings a value to one of int64, float64, string, bool; nil is unknown and
// anything else can only be there.
func plain(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		if v > 1<<63-1 {
			return float64(v)
		}
		return int64(v)
	case float32:
		return float64(v)
	case uuid.UUID:
		return v.String()
	}
	return v
}

// system are the properties of scope sys, in lower case.
var system = map[string]func(Message) string{
	"messageid":        func(m Message) string { return m.ID },
	"sessionid":        func(m Message) string { return m.SessionID },
	"label":            func(m Message) string { return m.Subject },
	"subject":          func(m Message) string { return m.Subject },
	"contenttype":      func(m Message) string { return m.ContentType },
	"correlationid":    func(m Message) string { return m.CorrelationID },
	"to":               func(m Message) string { return m.To },
	"replyto":          func(m Message) string { return m.ReplyTo },
	"replytosessionid": func(m Message) string { return m.ReplyToSessionID },
	"partitionkey":     func(m Message) string { return m.PartitionKey },
}
