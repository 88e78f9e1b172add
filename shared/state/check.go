package state

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/state/rowjson"
)

// ErrInvalid says that the call itself is wrong: a table or property name, a key,
// a type, or changes that cannot be one transaction. Nothing was sent. The text
// names the rule and our own property name, never a key or a value.
var ErrInvalid = errors.New("not a valid table call")

// Limits of the Table service (write-path.md section 2). The service counts
// strings in UTF-16, two bytes a unit; so do these.
const (
	MaxChanges    = 100      // of one transaction
	MaxPayload    = 4 << 20  // bytes of a transaction's request body
	MaxEntity     = 1 << 20  // bytes of an entity, as Size counts them
	MaxProperty   = 64 << 10 // bytes of a string or binary property
	MaxKey        = 1 << 10  // bytes of a partition or row key
	MaxProperties = 252      // without the keys and the timestamp
	MaxName       = 255      // characters of a property name
	tick          = 100 * time.Nanosecond
)

// Check is the one place where a write is judged before it is sent. *Azure and
// the twin in local/tables both use it, so that what one refuses the other
// refuses too; Azurite alone would accept some of it (servicebus.md section 9).
// The answer wraps ErrInvalid or ErrTooLarge; where one change is too large it
// is a *ChangeError. No changes are no fault.
func Check(table string, changes []Change) error {
	if err := CheckTable(table); err != nil {
		return err
	}
	if len(changes) > MaxChanges {
		return fmt.Errorf("%w: %d changes in one transaction, at most %d", ErrTooLarge, len(changes), MaxChanges)
	}
	payload := payloadFrame
	for i := range changes {
		bytes, err := checkChange(&changes[i])
		if errors.Is(err, ErrTooLarge) {
			return &ChangeError{Index: i, Err: err}
		}
		if err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		payload += bytes
	}
	if payload > MaxPayload {
		return fmt.Errorf("%w: a transaction of about %d bytes, at most %d", ErrTooLarge, payload, MaxPayload)
	}
	return checkTogether(changes)
}

// checkTogether holds what the changes of one transaction owe each other.
func checkTogether(changes []Change) error {
	for i := 1; i < len(changes); i++ {
		e := &changes[i].Entity
		if e.Partition != changes[0].Entity.Partition {
			return fmt.Errorf("%w: change %d is in another partition", ErrInvalid, i)
		}
		for j := range i { // at most 100 changes: cheaper than a map
			if changes[j].Entity.Row == e.Row {
				return fmt.Errorf("%w: changes %d and %d are of the same row", ErrInvalid, j, i)
			}
		}
	}
	return nil
}

// CheckTable accepts what the service accepts as a table's name: 3 to 63 ASCII
// letters and digits, a letter first.
func CheckTable(table string) error {
	if len(table) < 3 || len(table) > 63 || !letter(table[0]) {
		return fmt.Errorf("%w: table name", ErrInvalid)
	}
	for i := range len(table) {
		if c := table[i]; !letter(c) && (c < '0' || c > '9') {
			return fmt.Errorf("%w: table name", ErrInvalid)
		}
	}
	return nil
}

// CheckSpan accepts the spans that Query accepts.
func CheckSpan(span Span) error {
	if span.Limit < 0 {
		return fmt.Errorf("%w: negative limit", ErrInvalid)
	}
	return errors.Join(CheckKeys(span.Partition, span.From), checkKey("end of a span", span.Before))
}

// CheckKeys accepts a pair of keys. A row key may be empty; the service would
// take an empty partition key as well, but aztables cannot send one.
func CheckKeys(partition, row string) error {
	if partition == "" {
		return fmt.Errorf("%w: empty partition key", ErrInvalid)
	}
	if err := checkKey("partition key", partition); err != nil {
		return err
	}
	return checkKey("row key", row)
}

// checkKey refuses / \ # ? and control characters (C0, DEL, C1), as the service
// does. % is allowed there but was long mishandled in URLs, and U+FFFE and the
// like are not characters; our keys hold neither.
func checkKey(what, key string) error {
	units := 0
	for _, r := range key {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r == '/' || r == '\\' || r == '#' || r == '?' {
			return fmt.Errorf("%w: forbidden character in %s", ErrInvalid, what)
		}
		units += utf16.RuneLen(r)
	}
	if !utf8.ValidString(key) {
		return fmt.Errorf("%w: %s is not UTF-8", ErrInvalid, what)
	}
	if 2*units > MaxKey {
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrInvalid, what, 2*units, MaxKey)
	}
	return nil
}

// checkChange returns how many bytes the change adds to a request at most.
func checkChange(c *Change) (payload int, err error) {
	e := &c.Entity
	if c.Action < Insert || c.Action > Delete {
		return 0, fmt.Errorf("%w: action %d", ErrInvalid, c.Action)
	}
	if err := CheckKeys(e.Partition, e.Row); err != nil {
		return 0, err
	}
	if err := checkETag(c.Action, e.ETag); err != nil {
		return 0, err
	}
	payload = changeFrame + keyFactor*(len(e.Partition)+len(e.Row)) + len(e.ETag)
	if c.Action == Delete {
		return payload, nil
	}
	if len(e.Props) > MaxProperties {
		return 0, fmt.Errorf("%w: %d properties, at most %d", ErrTooLarge, len(e.Props), MaxProperties)
	}
	size := entityFrame + 2*(textSize(e.Partition)+textSize(e.Row))
	for name, value := range e.Props {
		stored, sent, err := checkProperty(name, value)
		if err != nil {
			return 0, err
		}
		size += stored
		payload += sent
	}
	if size > MaxEntity {
		return 0, fmt.Errorf("%w: an entity of %d bytes, at most %d", ErrTooLarge, size, MaxEntity)
	}
	return payload, nil
}

func checkETag(action Action, tag string) error {
	if tag == "" {
		return nil
	}
	if action == Insert || action == InsertOrReplace || action == InsertOrMerge {
		return fmt.Errorf("%w: an insert or upsert takes no ETag", ErrInvalid)
	}
	for i := range len(tag) { // it becomes a header of a multipart body
		if tag[i] <= 0x20 || tag[i] >= 0x7f {
			return fmt.Errorf("%w: ETag", ErrInvalid)
		}
	}
	return nil
}

// What a request costs beside the values themselves, as upper bounds: the frame
// of the multipart body, of one part of it (headers, an endpoint of up to 256
// characters, the table), and of a key, which stands in the URL (a quote becomes
// %27%27) and in the JSON.
const (
	payloadFrame = 512
	changeFrame  = 1024
	keyFactor    = 12
	propFrame    = 48 // quotes, colon, comma and the odata.type annotation
	entityFrame  = 4
)

// checkProperty returns the bytes a property takes in the table and, at most, in
// a request.
func checkProperty(name string, value any) (stored, sent int, err error) {
	if err := checkName(name); err != nil {
		return 0, 0, err
	}
	stored, sent = 8+2*len(name), propFrame+2*len(name)
	n, m, err := checkValue(value)
	if err != nil {
		return 0, 0, fmt.Errorf("property %s: %w", name, err)
	}
	return stored + n, sent + m, nil
}

// checkName accepts what both Azure and C# call an identifier, in ASCII, and not
// the names of the system's own properties.
func checkName(name string) error {
	if name == "" || len(name) > MaxName || !letter(name[0]) && name[0] != '_' {
		return fmt.Errorf("%w: property name", ErrInvalid)
	}
	for i := range len(name) {
		if c := name[i]; !letter(c) && c != '_' && (c < '0' || c > '9') {
			return fmt.Errorf("%w: property name", ErrInvalid)
		}
	}
	if name == "PartitionKey" || name == "RowKey" || name == "Timestamp" {
		return fmt.Errorf("%w: property %s belongs to the service", ErrInvalid, name)
	}
	return nil
}

func checkValue(value any) (stored, sent int, err error) {
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) {
			return 0, 0, fmt.Errorf("%w: not UTF-8", ErrInvalid)
		}
		stored = 2 * textSize(v)
		if stored > MaxProperty {
			return 0, 0, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, stored, MaxProperty)
		}
		return 4 + stored, rowjson.Size(v), nil
	case []byte:
		if len(v) > MaxProperty {
			return 0, 0, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(v), MaxProperty)
		}
		return 4 + len(v), (len(v)+2)/3*4 + 2, nil
	case bool:
		return 1, 5, nil
	case int32:
		return 4, 11, nil
	case int64:
		return 8, 22, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, 0, fmt.Errorf("%w: not a finite number", ErrInvalid)
		}
		return 8, 26, nil
	case time.Time:
		if y := v.UTC().Year(); y < 1601 || y > 9999 {
			return 0, 0, fmt.Errorf("%w: the service keeps times of the years 1601 to 9999", ErrInvalid)
		}
		return 8, 32, nil
	}
	return 0, 0, fmt.Errorf("%w: type %T", ErrInvalid, value)
}

// Size is what an entity counts towards MaxEntity, by the formula that Microsoft
// published: 4 bytes, the keys, and per property 8 bytes, its name and its value.
func Size(partition, row string, props map[string]any) int {
	size := entityFrame + 2*(textSize(partition)+textSize(row))
	for name, value := range props {
		n, _, _ := checkValue(value)
		size += 8 + 2*textSize(name) + n
	}
	return size
}

// textSize counts UTF-16 units.
func textSize(s string) int {
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x80 || c >= 0xc0 && c < 0xf0:
			n++
		case c >= 0xf0:
			n += 2
		}
	}
	return n
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// keyText doubles quotes, as an OData string literal wants them.
func keyText(key string) string { return strings.ReplaceAll(key, "'", "''") }
