// Package rowjson reads and writes the little JSON that Table Storage speaks:
// objects of scalars, and an array of such objects. Reading and writing rows is
// most of what both ends of the table protocol do, and encoding/json makes a
// dozen allocations for each property of a row.
//
// It accepts only valid JSON: FuzzScanner holds it against encoding/json. What
// the values mean, their Edm types, is for the callers.
package rowjson

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrSyntax says that the input is not JSON, or not as flat as a row.
var ErrSyntax = errors.New("not the JSON of rows")

// Scanner goes through one input. The zero Scanner has an empty one; see New.
type Scanner struct {
	b     []byte
	i     int
	names map[string]string // seen before: rows repeat the same few
}

// New returns a Scanner of b. Values share b's memory.
func New(b []byte) Scanner { return Scanner{b: b, names: map[string]string{}} }

// Kind is the JSON type of a Value.
type Kind byte

// The kinds of scalars.
const (
	Null Kind = iota
	Bool
	Number
	String
)

// Value is a scalar as it stands in the input: a number's digits, a string's
// content with its escapes resolved, true or false. Text may be a part of the
// input.
type Value struct {
	Kind Kind
	Text []byte
}

// next skips white space and returns the byte there, 0 at the end.
func (s *Scanner) next() byte {
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

func (s *Scanner) take(c byte) bool {
	if s.next() != c || s.i == len(s.b) {
		return false
	}
	s.i++
	return true
}

// End fails if anything but white space is left.
func (s *Scanner) End() error {
	if s.next(); s.i != len(s.b) {
		return ErrSyntax
	}
	return nil
}

// Object calls member after each name; member consumes the value.
func (s *Scanner) Object(member func(name string) error) error {
	if !s.take('{') {
		return ErrSyntax
	}
	if s.take('}') {
		return nil
	}
	for {
		name, err := s.name()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return ErrSyntax
		}
		if err := member(name); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return ErrSyntax
		}
	}
}

// Array calls element where each element begins; element consumes it.
func (s *Scanner) Array(element func() error) error {
	if !s.take('[') {
		return ErrSyntax
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
			return ErrSyntax
		}
	}
}

// name reads a member's name, as the string made for it the first time.
func (s *Scanner) name() (string, error) {
	b, err := s.string()
	if err != nil {
		return "", err
	}
	name, ok := s.names[string(b)]
	if !ok {
		name = string(b)
		s.names[name] = name
	}
	return name, nil
}

// Scalar reads a string, number, true, false or null.
func (s *Scanner) Scalar() (Value, error) {
	switch c := s.next(); {
	case c == '"':
		b, err := s.string()
		return Value{String, b}, err
	case c == '-' || c >= '0' && c <= '9':
		b := s.number()
		if b == nil {
			return Value{}, ErrSyntax
		}
		return Value{Number, b}, nil
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.b[s.i:], []byte(word)) {
			start := s.i
			s.i += len(word)
			if word == "null" {
				return Value{}, nil
			}
			return Value{Bool, s.b[start:s.i]}, nil
		}
	}
	return Value{}, ErrSyntax
}

// number returns nil for what JSON does not allow.
func (s *Scanner) number() []byte {
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

func (s *Scanner) digits() int {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i - start
}

// string returns a part of the input, or a copy where there are escapes.
func (s *Scanner) string() ([]byte, error) {
	if !s.take('"') {
		return nil, ErrSyntax
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
			return nil, ErrSyntax
		}
	}
	return nil, ErrSyntax
}

func valid(b []byte) ([]byte, error) {
	if !utf8.Valid(b) {
		return nil, ErrSyntax
	}
	return b, nil
}

// unescape goes on from the first backslash of a string that began at start.
func (s *Scanner) unescape(start int) ([]byte, error) {
	out := append(make([]byte, 0, s.i-start+64), s.b[start:s.i]...)
	for s.i < len(s.b) {
		c := s.b[s.i]
		s.i++
		switch {
		case c == '"':
			return valid(out)
		case c < 0x20:
			return nil, ErrSyntax
		case c != '\\':
			out = append(out, c)
		default:
			var ok bool
			if out, ok = s.escape(out); !ok {
				return nil, ErrSyntax
			}
		}
	}
	return nil, ErrSyntax
}

// escape reads what follows a backslash. Half a surrogate pair becomes U+FFFD,
// as in encoding/json.
func (s *Scanner) escape(out []byte) ([]byte, bool) {
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

func (s *Scanner) unit() (rune, bool) {
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
