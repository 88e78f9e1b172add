package host

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// errBadPath is answered with 400.
var errBadPath = errors.New("path cannot be decoded")

// decodePath is what Kestrel makes of the path of a request target: percent signs
// decoded once except %2F, undecodable ones kept, then dot segments removed at slashes
// (backslashes are ordinary characters). A zero byte is an error.
func decodePath(raw string) (string, error) {
	if !strings.HasPrefix(raw, "/") {
		return "", errBadPath
	}
	decoded := raw
	if strings.IndexByte(raw, '%') >= 0 {
		decoded = percentDecode(raw, func(r rune) bool { return r != '/' })
	}
	if strings.IndexByte(decoded, 0) >= 0 {
		return "", errBadPath
	}
	return removeDotSegments(decoded), nil
}

// percentDecode decodes the valid UTF-8 sequences in text whose character want accepts.
func percentDecode(text string, want func(rune) bool) string {
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		if text[i] != '%' {
			b.WriteByte(text[i])
			i++
			continue
		}
		bytes, consumed := percentRun(text[i:])
		r, size := utf8.DecodeRune(bytes)
		if len(bytes) == 0 || r == utf8.RuneError && size <= 1 || !want(r) {
			b.WriteByte('%')
			i++
			continue
		}
		b.WriteRune(r)
		i += consumed / len(bytes) * size
	}
	return b.String()
}

// percentRun reads up to four percent-encoded bytes at the start of text.
func percentRun(text string) (bytes []byte, consumed int) {
	var buf [4]byte
	n := 0
	for n < 4 && len(text) >= consumed+3 && text[consumed] == '%' {
		high, ok1 := unhex(text[consumed+1])
		low, ok2 := unhex(text[consumed+2])
		if !ok1 || !ok2 {
			break
		}
		buf[n] = high<<4 | low
		n++
		consumed += 3
	}
	return buf[:n], consumed
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// removeDotSegments resolves "." and ".." segments (RFC 3986, 5.2.4); empty segments stay.
func removeDotSegments(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	parts := strings.Split(path[1:], "/")
	out := parts[:0]
	for i, p := range parts {
		last := i == len(parts)-1
		switch p {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, p)
		}
	}
	return "/" + strings.Join(out, "/")
}
