package state

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads the little JSON that the table service speaks: objects of
// scalars, and one array of them. It accepts only valid JSON (FuzzScanner holds
// it against encoding/json) and copies nothing but names and escaped strings.
type scanner struct {
	b      []byte
	i      int
	fields []field // of the entity being read, reused
}

type kind byte

const (
	null kind = iota
	truth
	number
	text
)

// scalar is a value as it stands in the input: a number's digits, a string's
// content with its escapes resolved, true or false.
type scalar struct {
	kind kind
	text []byte
}

// next skips white space and returns the byte there, 0 at the end.
func (s *scanner) next() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.next() != c || s.i == len(s.b) {
		return false
	}
	s.i++
	return true
}

func (s *scanner) end() error {
	if s.next(); s.i != len(s.b) {
		return errJSON
	}
	return nil
}

// object calls member after each name; member consumes the value.
func (s *scanner) object(member func(name string) error) error {
	if !s.take('{') {
		return errJSON
	}
	if s.take('}') {
		return nil
	}
	for {
		name, err := s.string()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return errJSON
		}
		if err := member(string(name)); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return errJSON
		}
	}
}

func (s *scanner) array(element func() error) error {
	if !s.take('[') {
		return errJSON
	}
	if s.take(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return errJSON
		}
	}
}

func (s *scanner) scalar() (scalar, error) {
	switch c := s.next(); {
	case c == '"':
		b, err := s.string()
		return scalar{text, b}, err
	case c == '-' || c >= '0' && c <= '9':
		b := s.number()
		if b == nil {
			return scalar{}, errJSON
		}
		return scalar{number, b}, nil
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.b[s.i:], []byte(word)) {
			start := s.i
			s.i += len(word)
			if word == "null" {
				return scalar{}, nil
			}
			return scalar{truth, s.b[start:s.i]}, nil
		}
	}
	return scalar{}, errJSON
}

// number returns nil for what JSON does not allow.
func (s *scanner) number() []byte {
	start := s.i
	if s.b[s.i] == '-' {
		s.i++
	}
	first := s.i
	if n := s.digits(); n == 0 || n > 1 && s.b[first] == '0' {
		return nil
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if s.digits() == 0 {
			return nil
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if s.digits() == 0 {
			return nil
		}
	}
	return s.b[start:s.i]
}

func (s *scanner) digits() int {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i - start
}

// string returns a part of the input, or a copy where there are escapes.
func (s *scanner) string() ([]byte, error) {
	if !s.take('"') {
		return nil, errJSON
	}
	start := s.i
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return valid(s.b[start : s.i-1])
		case c == '\\':
			return s.unescape(start)
		case c < 0x20:
			return nil, errJSON
		}
	}
	return nil, errJSON
}

func valid(b []byte) ([]byte, error) {
	if !utf8.Valid(b) {
		return nil, errJSON
	}
	return b, nil
}

// unescape goes on from the first backslash of a string that began at start.
func (s *scanner) unescape(start int) ([]byte, error) {
	out := append(make([]byte, 0, s.i-start+64), s.b[start:s.i]...)
	for s.i < len(s.b) {
		c := s.b[s.i]
		s.i++
		switch {
		case c == '"':
			return valid(out)
		case c < 0x20:
			return nil, errJSON
		case c != '\\':
			out = append(out, c)
		default:
			var ok bool
			if out, ok = s.escape(out); !ok {
				return nil, errJSON
			}
		}
	}
	return nil, errJSON
}

// escape reads what follows a backslash. Half a surrogate pair becomes U+FFFD,
// as in encoding/json.
func (s *scanner) escape(out []byte) ([]byte, bool) {
	if s.i == len(s.b) {
		return out, false
	}
	c := s.b[s.i]
	s.i++
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), c); i >= 0 {
		return append(out, "\"\\/\b\f\n\r\t"[i]), true
	}
	if c != 'u' {
		return out, false
	}
	r, ok := s.unit()
	if !ok {
		return out, false
	}
	if utf16.IsSurrogate(r) && bytes.HasPrefix(s.b[s.i:], []byte(`\u`)) {
		rest := s.i
		s.i += 2
		low, ok := s.unit()
		if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
			return utf8.AppendRune(out, pair), true
		}
		s.i = rest
	}
	return utf8.AppendRune(out, r), true
}

func (s *scanner) unit() (rune, bool) {
	if s.i+4 > len(s.b) {
		return 0, false
	}
	var r rune
	for _, c := range s.b[s.i : s.i+4] {
		d := bytes.IndexByte([]byte(hex), c|0x20)
		if d < 0 || c < '0' || c > '9' && c < 'A' {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	s.i += 4
	return r, true
}
