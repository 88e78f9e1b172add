package host

import (
	"strings"
	"time"
	"unicode/utf8"
)

// object is a JSON object whose members keep their order and whose names are found
// regardless of case, like the dictionaries that the host fills.
type object struct {
	members []member
}

// member is a name and JSON text.
type member struct {
	name string
	json string
}

// set replaces a member, whose name keeps its place and spelling, or adds one.
func (o *object) set(name, json string) {
	for i := range o.members {
		if strings.EqualFold(o.members[i].name, name) {
			o.members[i].json = json
			return
		}
	}
	o.members = append(o.members, member{name, json})
}

// add adds a member that is known to be new.
func (o *object) add(name, json string) { o.members = append(o.members, member{name, json}) }

func (o *object) has(name string) bool {
	for i := range o.members {
		if strings.EqualFold(o.members[i].name, name) {
			return true
		}
	}
	return false
}

// append writes the object.
func (o *object) append(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o.members {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, m.name)
		b = append(b, ':')
		b = append(b, m.json...)
	}
	return append(b, '}')
}

func (o *object) String() string { return string(o.append(nil)) }

// quote is s as JSON text.
func quote(s string) string { return string(appendQuoted(make([]byte, 0, len(s)+8), s)) }

// twice is s as JSON text inside a JSON string (§2.3).
func twice(s string) string { return quote(quote(s)) }

// appendQuoted writes s as Newtonsoft does: only what must be escaped is, and
// characters beyond ASCII stay.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			if at := strings.IndexByte("\"\\\b\f\n\r\t", c); at >= 0 {
				b = append(b, '\\', `"\bfnrt`[at])
			} else {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, s[start:i]...)
			b = append(b, "\ufffd"...)
			start = i + size
		case r == '\u0085' || r == '\u2028' || r == '\u2029':
			b = append(b, s[start:i]...)
			b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
			start = i + size
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// .NET's times: whole seconds in metadata, full precision elsewhere (§2.3).
const (
	seconds       = "2006-01-02T15:04:05"
	fullPrecision = "2006-01-02T15:04:05.9999999"
)

func quotedTime(t time.Time, layout, zone string) string {
	return `"` + t.UTC().Format(layout) + zone + `"`
}
