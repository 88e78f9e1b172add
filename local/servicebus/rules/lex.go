package rules

import (
	"fmt"
	"strconv"
	"strings"
)

type kind int

const (
	end  kind = iota
	word      // keyword or plain name
	name      // name in brackets or quotes
	text      // 'string'
	integer
	decimal
	sign
)

type token struct {
	kind kind
	text string
	at   int // byte offset
}

// is reports whether the token is a keyword or sign.
func (t token) is(s string) bool {
	return (t.kind == word || t.kind == sign) && strings.EqualFold(t.text, s)
}

// lex splits an expression.
func lex(s string) ([]token, error) {
	var all []token
	for i := 0; i < len(s); {
		t, next, err := one(s, i)
		if err != nil {
			return nil, err
		}
		if next > i && t.kind != end {
			all = append(all, t)
		}
		i = next
	}
	return append(all, token{kind: end, at: len(s)}), nil
}

// one reads the token at i, or the blank there, and where the next one begins.
func one(s string, i int) (token, int, error) {
	c := s[i]
	switch {
	case strings.IndexByte(" \t\r\n", c) >= 0:
		return token{}, i + 1, nil
	case c == '\'':
		return delimited(s, i, '\'', text)
	case c == '"':
		return delimited(s, i, '"', name)
	case c == '[':
		return delimited(s, i, ']', name)
	case digit(c) || c == '.' && i+1 < len(s) && digit(s[i+1]):
		return number(s, i)
	case letter(c):
		at := i
		for at < len(s) && (letter(s[at]) || digit(s[at])) {
			at++
		}
		return token{word, s[i:at], i}, at, nil
	}
	for _, two := range []string{"<>", "!=", "<=", ">="} {
		if strings.HasPrefix(s[i:], two) {
			return token{sign, two, i}, i + 2, nil
		}
	}
	if strings.IndexByte("=<>()+-*/%,.", c) >= 0 {
		return token{sign, s[i : i+1], i}, i + 1, nil
	}
	return token{}, 0, fmt.Errorf("unexpected character at %d", i)
}

// delimited reads up to a closing sign, which within is written twice.
func delimited(s string, i int, closing byte, k kind) (token, int, error) {
	var out strings.Builder
	for at := i + 1; at < len(s); at++ {
		if s[at] != closing {
			out.WriteByte(s[at])
			continue
		}
		if at+1 == len(s) || s[at+1] != closing {
			return token{k, out.String(), i}, at + 1, nil
		}
		out.WriteByte(closing)
		at++
	}
	return token{}, 0, fmt.Errorf("what begins at %d has no end", i)
}

// number reads 42, 1.5, .5, 1.5E-2.
func number(s string, i int) (token, int, error) {
	at, k := i, integer
	for at < len(s) && (digit(s[at]) || s[at] == '.') {
		if s[at] == '.' {
			k = decimal
		}
		at++
	}
	if at < len(s) && s[at]|0x20 == 'e' {
		k = decimal
		if at++; at < len(s) && (s[at] == '+' || s[at] == '-') {
			at++
		}
		for at < len(s) && digit(s[at]) {
			at++
		}
	}
	if at < len(s) && letter(s[at]) {
		return token{}, 0, fmt.Errorf("a number at %d runs into a name", i)
	}
	var err error
	if k == integer {
		_, err = strconv.ParseInt(s[i:at], 10, 64)
	} else {
		_, err = strconv.ParseFloat(s[i:at], 64)
	}
	if err != nil {
		return token{}, 0, fmt.Errorf("no number at %d", i)
	}
	return token{k, s[i:at], i}, at, nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
func letter(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '@' || c == '#' || c >= 0x80
}
