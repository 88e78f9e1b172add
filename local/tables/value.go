package tables

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/state"
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
	names  []string
	values map[string]any // string, bool, json.Number or nil
	types  map[string]string
}

// readDocument refuses what is not one flat object, and members named twice.
func readDocument(body []byte) (document, error) {
	d := document{values: map[string]any{}, types: map[string]string{}}
	if !utf8.Valid(body) {
		return d, refuse("InvalidInput")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return d, refuse("InvalidInput")
	}
	for dec.More() {
		if err := d.member(dec); err != nil {
			return d, err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return d, refuse("InvalidInput")
	}
	if _, err := dec.Token(); err != io.EOF {
		return d, refuse("InvalidInput")
	}
	return d, nil
}

func (d *document) member(dec *json.Decoder) error {
	t, err := dec.Token()
	name, ok := t.(string)
	if err != nil || !ok {
		return refuse("InvalidInput")
	}
	value, err := dec.Token()
	if _, nested := value.(json.Delim); err != nil || nested {
		return refuse("InvalidInput")
	}
	if base, ok := strings.CutSuffix(name, "@odata.type"); ok {
		edm, ok := value.(string)
		if _, twice := d.types[base]; twice || !ok {
			return refuse("InvalidInput")
		}
		d.types[base] = edm
		return nil
	}
	if _, twice := d.values[name]; twice {
		return refuse("DuplicatePropertiesSpecified")
	}
	d.values[name] = value
	d.names = append(d.names, name)
	return nil
}

// key returns a key that the body names.
func (d *document) key(name string) (string, bool) {
	key, ok := d.values[name].(string)
	return key, ok
}

// props reads everything but keys, timestamp and odata members. A null is a
// property that is not there.
func (d *document) props() (map[string]any, error) {
	props := make(map[string]any, len(d.names))
	for _, name := range d.names {
		switch {
		case name == "PartitionKey", name == "RowKey", name == "Timestamp", strings.HasPrefix(name, "odata."), d.values[name] == nil:
			continue
		case utf8.RuneCountInString(name) > state.MaxName:
			return nil, refuse("PropertyNameTooLong")
		case !identifier(name):
			return nil, refuse("PropertyNameInvalid")
		}
		value, err := typed(d.values[name], d.types[name])
		if err != nil {
			return nil, err
		}
		props[name] = value
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
func typed(value any, edm string) (any, error) {
	switch v := value.(type) {
	case bool:
		if edm == "" || edm == "Edm.Boolean" {
			return v, nil
		}
	case json.Number:
		return typedNumber(v.String(), edm)
	case string:
		return typedText(v, edm)
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
		b = appendText(append(b, `"odata.etag":`...), r.etag)
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
		b = appendText(b, name+"@odata.type")
		b = append(append(append(b, `:"`...), edm...), `",`...)
	}
	b = append(appendText(b, name), ':')
	switch v := value.(type) {
	case string:
		return appendText(b, v)
	case Guid:
		return appendText(b, string(v))
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

// appendText quotes s, quickly where nothing needs an escape.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always can be
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
