package rowjson

import "unicode/utf8"

const hex = "0123456789abcdef"

// AppendString quotes s. Line and paragraph separators are escaped as well:
// Azurite reads a transaction's JSON line by line and takes them for line ends.
func AppendString(b []byte, s string) []byte {
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

// Size is the length of what AppendString appends.
func Size(s string) int {
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
