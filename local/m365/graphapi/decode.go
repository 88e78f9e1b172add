package graphapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

func badBody(format string, args ...any) error {
	return &exchange.Error{Status: http.StatusBadRequest, Code: "RequestBodyRead", Message: fmt.Sprintf(format, args...)}
}

// DecodeEvent reads the body of a create or update. It refuses what Graph would:
// names that the type does not have, values of another type, members that no
// enumeration has; and, stricter, properties that clients may not write.
func DecodeEvent(body []byte) (exchange.Change, error) {
	var c exchange.Change
	members, err := readObject(body)
	if err != nil {
		return c, err
	}
	for name, value := range members {
		if strings.HasPrefix(name, "@") || strings.Contains(name, "@odata.") {
			err = annotation(name, value)
		} else {
			err = decodeProperty(&c, name, value, members)
		}
		if err != nil {
			return exchange.Change{}, err
		}
	}
	return c, nil
}

// annotation checks @odata.type and lets the others pass.
func annotation(name string, value json.RawMessage) error {
	var s string
	if name == "@odata.type" && (json.Unmarshal(value, &s) != nil || strings.TrimPrefix(s, "#") != "microsoft.graph.event") {
		return badBody("A type named '%s' could not be resolved by the model.", clip(s))
	}
	return nil
}

// decodeProperty decodes one property; others holds all that came with it.
func decodeProperty(c *exchange.Change, name string, value json.RawMessage, others map[string]json.RawMessage) error {
	switch name {
	case "subject":
		return decodeText(&c.Subject, name, value)
	case "body":
		return decodeBody(&c.Body, value)
	case "start":
		return decodeTime(&c.Start, name, value)
	case "end":
		return decodeTime(&c.End, name, value)
	case "isAllDay":
		return decodeBool(&c.AllDay, name, value, false)
	case "location":
		return decodeLocation(c, value, others)
	case "locations":
		return decodeLocations(c, value)
	case "attendees":
		return decodeAttendees(c, value)
	case "categories":
		return decodeTexts(&c.Categories, name, value)
	case "showAs":
		return decodeEnum(&c.ShowAs, "freeBusyStatus", value, "busy")
	case "sensitivity":
		return decodeEnum(&c.Sensitivity, "sensitivity", value, "normal")
	case "importance":
		return decodeEnum(&c.Importance, "importance", value, "normal")
	case "isReminderOn":
		return decodeBool(&c.ReminderOn, name, value, false)
	case "reminderMinutesBeforeStart":
		return decodeInt(&c.ReminderMinutes, name, value)
	case "isDraft":
		return decodeBool(&c.Draft, name, value, false)
	case "hideAttendees":
		return decodeBool(&c.HideAttendees, name, value, false)
	case "responseRequested":
		return decodeBool(&c.ResponseRequested, name, value, true)
	case "allowNewTimeProposals":
		return decodeBool(&c.AllowNewTimeProposals, name, value, true)
	case "isOnlineMeeting":
		return decodeBool(&c.OnlineMeeting, name, value, false)
	case "onlineMeetingProvider":
		return decodeEnum(&c.OnlineMeetingProvider, "onlineMeetingProviderType", value, "unknown")
	case "recurrence":
		return decodeRecurrence(c, value)
	case "singleValueExtendedProperties":
		return decodeProperties(c, value)
	case "transactionId":
		return decodeTransaction(c, value)
	}
	return unwritable(name)
}

// unwritable tells apart what clients may not write, what the simulator leaves
// out, and what does not exist.
func unwritable(name string) error {
	switch name {
	case "originalStartTimeZone", "originalEndTimeZone":
		return nil // the documented PATCH sample sends them (2.2)
	case "extensions", "attachments", "multiValueExtendedProperties":
		return &exchange.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: "The simulator does not keep " + name + "."}
	}
	if declared()[strings.ToLower(name)] {
		return &exchange.Error{Status: http.StatusBadRequest, Code: "ErrorInvalidPropertySet", Message: "The property '" + name + "' is read-only and cannot be set."}
	}
	return noProperty(name, "microsoft.graph.event")
}

func noProperty(name, kind string) error {
	return badBody("The property '%s' does not exist on type '%s'. Make sure to only use property names that are defined by the type.", clip(name), kind)
}

// readObject reads one JSON object and nothing after it; a name twice is refused.
func readObject(body []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	start, err := dec.Token()
	if err != nil || start != json.Delim('{') {
		return nil, badBody("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		var value json.RawMessage
		if err != nil || !ok || dec.Decode(&value) != nil {
			return nil, badBody("Unable to read JSON request payload.")
		}
		if _, twice := members[name]; twice {
			return nil, badBody("The property '%s' is specified more than once.", clip(name))
		}
		members[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, badBody("Unable to read JSON request payload.")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, badBody("Unable to read JSON request payload.")
	}
	return members, nil
}

// members reads a nested object, whose names must be among known.
func members(value json.RawMessage, kind string, known ...string) (map[string]json.RawMessage, error) {
	all, err := readObject(value)
	if err != nil {
		return nil, badBody("Cannot convert the value to the expected type '%s'.", kind)
	}
next:
	for name := range all {
		if strings.HasPrefix(name, "@") {
			delete(all, name)
			continue
		}
		for _, k := range known {
			if k == name {
				continue next
			}
		}
		return nil, noProperty(name, kind)
	}
	return all, nil
}

func isNull(value json.RawMessage) bool { return string(bytes.TrimSpace(value)) == "null" }

func wrongType(name, kind string) error {
	return badBody("Cannot convert the value of '%s' to the expected type '%s'.", name, kind)
}

// text reads a string; null and absent are "".
func text(name string, value json.RawMessage) (string, error) {
	var s string
	if value == nil || isNull(value) {
		return "", nil
	}
	if json.Unmarshal(value, &s) != nil {
		return "", wrongType(name, "Edm.String")
	}
	return s, nil
}

func decodeText(to **string, name string, value json.RawMessage) error {
	s, err := text(name, value)
	*to = &s
	return err
}

func decodeTexts(to **[]string, name string, value json.RawMessage) error {
	list := []string{}
	var pointers []*string
	if !isNull(value) {
		if json.Unmarshal(value, &pointers) != nil {
			return wrongType(name, "Collection(Edm.String)")
		}
	}
	for _, p := range pointers {
		if p == nil {
			return wrongType(name, "Collection(Edm.String)")
		}
		list = append(list, *p)
	}
	*to = &list
	return nil
}

// decodeBool reads a boolean; null takes the default.
func decodeBool(to **bool, name string, value json.RawMessage, byDefault bool) error {
	b := byDefault
	if !isNull(value) && json.Unmarshal(value, &b) != nil {
		return wrongType(name, "Edm.Boolean")
	}
	*to = &b
	return nil
}

func decodeInt(to **int, name string, value json.RawMessage) error {
	var n int32
	if json.Unmarshal(value, &n) != nil {
		return wrongType(name, "Edm.Int32")
	}
	i := int(n)
	*to = &i
	return nil
}

// decodeEnum reads a member of an enumeration, in any case; null is the default.
func decodeEnum(to **string, enum string, value json.RawMessage, byDefault string) error {
	s, err := oneOf(enum, value, byDefault)
	*to = &s
	return err
}

func oneOf(enum string, value json.RawMessage, byDefault string) (string, error) {
	if value == nil || isNull(value) {
		return byDefault, nil
	}
	s, err := text(enum, value)
	if err != nil {
		return "", err
	}
	member, ok := exchange.Enum(enum, s)
	if !ok {
		return "", badBody("Requested value '%s' was not found in 'microsoft.graph.%s'.", clip(s), enum)
	}
	return member, nil
}
