package tables

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/state/rowjson"
)

// The JSON of an entity, as "Payload format for Table service operations" has it.

const dateTime = "2006-01-02T15:04:05.0000000Z"

var guidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func parseGuid(s string) (Guid, error) {
	if s = strings.ToLower(s); !guidForm.MatchString(s) {
		return "", errors.New("not a guid")
	}
	return Guid(s), nil
}

// parseTime takes the times the service keeps: UTC, from 1601 to 9999, to 100 ns.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, err
	}
	if t = t.UTC(); t.Year() < 1601 || t.Year() > 9999 {
		return time.Time{}, errors.New("out of range")
	}
	return t.Truncate(tick), nil
}

// document is the members of a flat JSON object, in order, with the types that
// annotations give them.
type document struct {
	members []member
	types   map[string]string
}

type member struct {
	name  string
	value rowjson.Value
}

// readDocument refuses what is not one flat object, and members named twice.
func readDocument(body []byte) (document, error) {
	d := document{types: map[string]string{}}
	s := rowjson.New(body)
	err := s.Object(func(name string) error {
		value, err := s.Scalar()
		if err != nil {
			return err
		}
		return d.add(name, value)
	})
	if err == nil {
		err = s.End()
	}
	if errors.Is(err, rowjson.ErrSyntax) {
		err = refuse("InvalidInput")
	}
	return d, err
}

func (d *document) add(name string, value rowjson.Value) error {
	if base, ok := strings.CutSuffix(name, "@odata.type"); ok {
		if _, twice := d.types[base]; twice || value.Kind != rowjson.String {
			return refuse("InvalidInput")
		}
		d.types[base] = string(value.Text)
		return nil
	}
	for i := range d.members {
		if d.members[i].name == name {
			return refuse("DuplicatePropertiesSpecified")
		}
	}
	if len(d.members) > maxMembers {
		return refuse("TooManyProperties")
	}
	d.members = append(d.members, member{name, value})
	return nil
}

// maxMembers leaves room for keys, timestamp and odata members.
const maxMembers = state.MaxProperties + 16

// key returns a key that the body names.
func (d *document) key(name string) (string, bool) {
	for _, m := range d.members {
		if m.name == name {
			return string(m.value.Text), m.value.Kind == rowjson.String
		}
	}
	return "", false
}

// props reads everything but keys, timestamp and odata members. A null is a
// property that is not there.
func (d *document) props() (map[string]any, error) {
	props := make(map[string]any, len(d.members))
	for _, m := range d.members {
		switch {
		case m.name == "PartitionKey", m.name == "RowKey", m.name == "Timestamp", strings.HasPrefix(m.name, "odata."), m.value.Kind == rowjson.Null:
			continue
		case utf8.RuneCountInString(m.name) > state.MaxName:
			return nil, refuse("PropertyNameTooLong")
		case !identifier(m.name):
			return nil, refuse("PropertyNameInvalid")
		}
		value, err := typed(m.value, d.types[m.name])
		if err != nil {
			return nil, err
		}
		props[m.name] = value
	}
	return props, nil
}

// identifier follows C#'s rule for names.
func identifier(name string) bool {
	for i, r := range name {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return name != ""
}

// typed makes the value; the JSON's kind must fit the annotation.
func typed(v rowjson.Value, edm string) (any, error) {
	switch v.Kind {
	case rowjson.Number:
		return typedNumber(string(v.Text), edm)
	case rowjson.String:
		return typedText(string(v.Text), edm)
	}
	if edm == "" || edm == "Edm.Boolean" {
		return v.Text[0] == 't', nil
	}
	return nil, refuse("InvalidInput")
}

func typedNumber(digits, edm string) (any, error) {
	if edm == "Edm.Double" || edm == "" && strings.ContainsAny(digits, ".eE") {
		if f, err := strconv.ParseFloat(digits, 64); err == nil {
			return f, nil
		}
	}
	if edm == "" || edm == "Edm.Int32" {
		if n, err := strconv.ParseInt(digits, 10, 32); err == nil {
			return int32(n), nil
		}
	}
	return nil, refuse("InvalidInput")
}

func typedText(s, edm string) (value any, err error) {
	switch edm {
	case "", "Edm.String":
		return s, nil
	case "Edm.Int64":
		value, err = strconv.ParseInt(s, 10, 64)
	case "Edm.Double":
		value, err = specialDouble(s)
	case "Edm.Binary":
		value, err = base64.StdEncoding.Strict().DecodeString(s)
	case "Edm.DateTime":
		value, err = parseTime(s)
	case "Edm.Guid":
		value, err = parseGuid(s)
	default:
		err = errors.New("unknown type")
	}
	if err != nil {
		return nil, refuse("InvalidInput")
	}
	return value, nil
}

func specialDouble(s string) (float64, error) {
	switch s {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	return 0, errors.New("not a special double")
}

// appendRow writes a row as the service does: doubles without annotation but
// always with a point or exponent, the types that JSON blurs annotated unless
// the client wants no metadata. A nil selection is everything.
func appendRow(b []byte, r *row, metadata bool, selected []string) []byte {
	b = append(b, '{')
	if metadata {
		b = rowjson.AppendString(append(b, `"odata.etag":`...), r.etag)
	}
	want := func(name string) bool {
		for _, s := range selected {
			if s == name {
				return true
			}
		}
		return selected == nil
	}
	if want("PartitionKey") {
		b = appendValue(b, "PartitionKey", r.partition, metadata)
	}
	if want("RowKey") {
		b = appendValue(b, "RowKey", r.key, metadata)
	}
	if want("Timestamp") {
		b = appendValue(b, "Timestamp", r.stamp, metadata)
	}
	for name, value := range r.props {
		if want(name) {
			b = appendValue(b, name, value, metadata)
		}
	}
	return append(b, '}')
}

func appendValue(b []byte, name string, value any, metadata bool) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	if edm := edmOf(value); edm != "" && metadata {
		b = append(append(append(b, '"'), name...), `@odata.type":"`...)
		b = append(append(b, edm...), `",`...)
	}
	b = append(rowjson.AppendString(b, name), ':')
	switch v := value.(type) {
	case string:
		return rowjson.AppendString(b, v)
	case Guid:
		return rowjson.AppendString(b, string(v))
	case bool:
		return strconv.AppendBool(b, v)
	case int32:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return append(strconv.AppendInt(append(b, '"'), v, 10), '"')
	case []byte:
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), v), '"')
	case time.Time:
		return append(v.AppendFormat(append(b, '"'), dateTime), '"')
	}
	return appendDouble(b, value.(float64))
}

func edmOf(value any) string {
	switch v := value.(type) {
	case Guid:
		return "Edm.Guid"
	case int64:
		return "Edm.Int64"
	case []byte:
		return "Edm.Binary"
	case time.Time:
		return "Edm.DateTime"
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "Edm.Double"
		}
	}
	return ""
}

func appendDouble(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[start:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}
