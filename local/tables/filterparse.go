package tables

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits of the service's filters. The depth only keeps the parser's stack small.
const (
	maxComparisons = 15
	maxDepth       = 64
)

// errFilter is wrapped by what parseFilter refuses.
var errFilter = errors.New("filter")

// parseFilter reads
//
//	or         = and { "or" and }
//	and        = unary { "and" unary }
//	unary      = "not" unary | "(" or ")" | comparison
//	comparison = name op literal | literal op name
//	op         = "eq" | "ne" | "lt" | "le" | "gt" | "ge"
//	literal    = 'text' | 12 | 12L | 1.5 | true | false
//	           | datetime'…' | guid'…' | X'…' | binary'…'
//
// A quote in a text is doubled. Words are in lower case, as the service wants
// them. The keys compare with texts only, Timestamp with times only.
func parseFilter(s string) (expr, error) {
	p := filterParser{lexer: lexer{rest: s}}
	p.advance()
	e, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.token.kind != endToken {
		return nil, fmt.Errorf("%w: unexpected %.20q", errFilter, p.token.text)
	}
	return e, nil
}

type filterParser struct {
	lexer
	token       token
	comparisons int
}

func (p *filterParser) advance() { p.token = p.next() }

func (p *filterParser) word(w string) bool {
	if p.token.kind != wordToken || p.token.text != w {
		return false
	}
	p.advance()
	return true
}

func (p *filterParser) or(depth int) (expr, error) {
	left, err := p.and(depth)
	for err == nil && p.word("or") {
		var right expr
		right, err = p.and(depth)
		left = or{left, right}
	}
	return left, err
}

func (p *filterParser) and(depth int) (expr, error) {
	left, err := p.unary(depth)
	for err == nil && p.word("and") {
		var right expr
		right, err = p.unary(depth)
		left = and{left, right}
	}
	return left, err
}

func (p *filterParser) unary(depth int) (expr, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: nested too deeply", errFilter)
	}
	if p.word("not") {
		e, err := p.unary(depth + 1)
		return not{e}, err
	}
	if p.token.kind != openToken {
		return p.comparison()
	}
	p.advance()
	e, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if p.token.kind != closeToken {
		return nil, fmt.Errorf("%w: missing )", errFilter)
	}
	p.advance()
	return e, nil
}

// mirrored is the operator with its sides exchanged.
var mirrored = map[operator]operator{"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}

func (p *filterParser) comparison() (expr, error) {
	if p.comparisons++; p.comparisons > maxComparisons {
		return nil, fmt.Errorf("%w: more than %d comparisons", errFilter, maxComparisons)
	}
	left := p.token
	p.advance()
	op := operator(p.token.text)
	if _, ok := mirrored[op]; !ok || p.token.kind != wordToken {
		return nil, fmt.Errorf("%w: expected an operator", errFilter)
	}
	p.advance()
	right := p.token
	p.advance()
	if left.kind == literalToken {
		left, right, op = right, left, mirrored[op]
	}
	if left.kind != wordToken || right.kind != literalToken || !identifier(left.text) {
		return nil, fmt.Errorf("%w: expected a property and a literal", errFilter)
	}
	return comparison{left.text, op, right.value}, systemType(left.text, right.value)
}

func systemType(name string, literal any) error {
	ok := true
	switch name {
	case "PartitionKey", "RowKey":
		_, ok = literal.(string)
	case "Timestamp":
		_, ok = literal.(time.Time)
	}
	if !ok {
		return fmt.Errorf("%w: %s compared with another type", errFilter, name)
	}
	return nil
}

type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	literalToken
	openToken
	closeToken
	badToken
)

type token struct {
	kind  tokenKind
	text  string
	value any // of a literal
}

type lexer struct{ rest string }

func (l *lexer) next() token {
	l.rest = strings.TrimLeft(l.rest, " \t")
	if l.rest == "" {
		return token{kind: endToken}
	}
	switch c := l.rest[0]; {
	case c == '(':
		l.rest = l.rest[1:]
		return token{kind: openToken, text: "("}
	case c == ')':
		l.rest = l.rest[1:]
		return token{kind: closeToken, text: ")"}
	case c == '\'':
		text, ok := l.quoted()
		return literal(text, text, ok)
	}
	n := 0
	for n < len(l.rest) && !strings.ContainsRune(" \t()'", rune(l.rest[n])) {
		n++
	}
	word := l.rest[:n]
	l.rest = l.rest[n:]
	if strings.HasPrefix(l.rest, "'") {
		text, ok := l.quoted()
		return typedLiteral(word, text, ok)
	}
	return bareWord(word)
}

// quoted reads a text that begins at the quote.
func (l *lexer) quoted() (string, bool) {
	var b strings.Builder
	rest := l.rest[1:]
	for {
		before, after, ok := strings.Cut(rest, "'")
		b.WriteString(before)
		if !ok {
			l.rest = ""
			return "", false
		}
		if !strings.HasPrefix(after, "'") {
			l.rest = after
			return b.String(), true
		}
		b.WriteByte('\'')
		rest = after[1:]
	}
}

func literal(text string, value any, ok bool) token {
	if !ok {
		return token{kind: badToken, text: text}
	}
	return token{kind: literalToken, text: text, value: value}
}

func typedLiteral(prefix, text string, ok bool) token {
	var value any
	var err error
	switch prefix {
	case "datetime":
		value, err = parseTime(text)
	case "guid":
		value, err = parseGuid(text)
	case "X", "binary":
		value, err = hex.DecodeString(text)
	default:
		err = errFilter
	}
	return literal(text, value, ok && err == nil)
}

func bareWord(word string) token {
	if word == "true" || word == "false" {
		return literal(word, word == "true", true)
	}
	if c := word[0]; c != '-' && (c < '0' || c > '9') {
		return token{kind: wordToken, text: word}
	}
	if n, err := strconv.ParseInt(strings.TrimSuffix(word, "L"), 10, 64); err == nil {
		return literal(word, n, true)
	}
	f, err := strconv.ParseFloat(word, 64)
	return literal(word, f, err == nil && !strings.ContainsAny(word, "xX_pP"))
}
