package state

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"
)

// The JSON of an entity, written by hand: aztables takes entities as JSON, parses
// them into a map and writes them again, three times the work, and a 20-row
// transaction is our commonest write. Every type that JSON would blur carries its
// odata.type, doubles too: 5.0 written as 5 would be stored as Int32.

const hex = "0123456789abcdef"

// dateTime is Edm.DateTime to 100 ns; the service keeps no finer.
const dateTime = "2006-01-02T15:04:05.0000000Z"

func appendEntity(b []byte, e *Entity) []byte {
	b = append(b, `{"PartitionKey":`...)
	b = appendString(b, e.Partition)
	b = append(b, `,"RowKey":`...)
	b = appendString(b, e.Row)
	for name, value := range e.Props {
		b = append(b, ',')
		b = appendProperty(b, name, value)
	}
	return append(b, '}')
}

// appendProperty writes the values that checkValue accepts; anything else has
// been refused before.
func appendProperty(b []byte, name string, value any) []byte {
	switch v := value.(type) {
	case string:
		return appendString(appendName(b, name, ""), v)
	case bool:
		return strconv.AppendBool(appendName(b, name, ""), v)
	case int32:
		return strconv.AppendInt(appendName(b, name, ""), int64(v), 10)
	case int64:
		b = append(appendName(b, name, "Edm.Int64"), '"')
		return append(strconv.AppendInt(b, v, 10), '"')
	case float64:
		return strconv.AppendFloat(appendName(b, name, "Edm.Double"), v, 'g', -1, 64)
	case []byte:
		b = append(appendName(b, name, "Edm.Binary"), '"')
		return append(base64.StdEncoding.AppendEncode(b, v), '"')
	case time.Time:
		b = append(appendName(b, name, "Edm.DateTime"), '"')
		return append(v.UTC().Truncate(tick).AppendFormat(b, dateTime), '"')
	}
	return append(appendName(b, name, ""), "null"...)
}

// appendName writes a checked name, which needs no escaping, with its type first.
func appendName(b []byte, name, edm string) []byte {
	b = append(append(b, '"'), name...)
	if edm != "" {
		b = append(append(b, `@odata.type":"`...), edm...)
		b = append(append(b, `","`...), name...)
	}
	return append(b, `":`...)
}

// appendString quotes s. Line and paragraph separators are escaped as well:
// Azurite reads a transaction's JSON line by line and takes them for line ends.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		width := escaped(s, i)
		if width == 0 {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, s[i:i+width])
		i += width
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// escaped returns how many bytes at i need an escape, 0 if none.
func escaped(s string, i int) int {
	switch c := s[i]; {
	case c < 0x20 || c == '"' || c == '\\':
		return 1
	case c == 0xe2 && i+2 < len(s) && s[i+1] == 0x80 && s[i+2]&^1 == 0xa8:
		return 3
	}
	return 0
}

func appendEscape(b []byte, s string) []byte {
	if s == `"` || s == `\` {
		return append(b, '\\', s[0])
	}
	r, _ := utf8.DecodeRuneInString(s)
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// jsonSize is the length of what appendString appends.
func jsonSize(s string) int {
	n := 2 + len(s)
	for i := range len(s) {
		switch width := escaped(s, i); {
		case width == 0:
		case s[i] == '"' || s[i] == '\\':
			n++
		default:
			n += 6 - width
		}
	}
	return n
}
