package graphapi

import (
	"sort"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	signToken // one of ( ) , :
	stringToken
)

type token struct {
	kind tokenKind
	text string
}

// lex splits an OData expression. A quote within a string is written twice.
func lex(s string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t':
			i++
		case c == '(' || c == ')' || c == ',' || c == '$' || c == '=' || c == ';':
			tokens = append(tokens, token{signToken, s[i : i+1]})
			i++
		case c == '\'':
			text, n := quoted(s[i:])
			if n == 0 {
				return nil, badFilter()
			}
			tokens = append(tokens, token{stringToken, text})
			i += n
		default:
			end := i
			for end < len(s) && !strings.ContainsRune(" \t(),'$=;", rune(s[end])) {
				end++
				if s[end-1] == ':' && !digitBefore(s, end-1) {
					break
				}
			}
			tokens = append(tokens, token{wordToken, s[i:end]})
			i = end
		}
	}
	return append(tokens, token{}), nil
}

// digitBefore tells the colons of a time from the one after a lambda's variable.
func digitBefore(s string, at int) bool { return at > 0 && s[at-1] >= '0' && s[at-1] <= '9' }

// quoted reads a string literal at the start of s and returns its length there,
// 0 if it has no end.
func quoted(s string) (text string, length int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1
	}
	return "", 0
}

// ParseExpand reads $expand=singleValueExtendedProperties($filter=id eq 'x' or
// id eq 'y'), which is the only expansion the simulator has.
func ParseExpand(s string) ([]exchange.PropertyID, error) {
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &filterParser{tokens: tokens}
	for _, word := range []string{"singleValueExtendedProperties", "(", "$", "filter", "="} {
		if !p.take(word) {
			return nil, badQuery("Only singleValueExtendedProperties with a filter on id can be expanded.")
		}
	}
	var ids []exchange.PropertyID
	for {
		literal := token{}
		if p.take("id") && p.take("eq") {
			literal = p.next()
		}
		if literal.kind != stringToken {
			return nil, badFilter()
		}
		id, err := exchange.ParsePropertyID(literal.text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
		if !p.take("or") {
			break
		}
	}
	if !p.take(")") || p.peek().kind != endToken {
		return nil, badFilter()
	}
	return ids, nil
}

// order is one key of $orderby.
type order struct {
	less       func(a, b *exchange.Event) int
	descending bool
}

func parseOrder(s string) ([]order, error) {
	var keys []order
	for part := range strings.SplitSeq(s, ",") {
		words := strings.Fields(part)
		if len(words) == 0 || len(words) > 2 {
			return nil, badQuery("Invalid orderby clause.")
		}
		var key order
		name := strings.ToLower(words[0])
		if get, ok := times[name]; ok {
			key.less = func(a, b *exchange.Event) int { return get(a).Compare(get(b)) }
		} else if get, ok := texts[name]; ok {
			key.less = func(a, b *exchange.Event) int { return strings.Compare(get(a), get(b)) }
		} else {
			return nil, badQuery("The property '" + clip(words[0]) + "' does not support sorting.")
		}
		if len(words) == 2 {
			key.descending = strings.EqualFold(words[1], "desc")
			if !key.descending && !strings.EqualFold(words[1], "asc") {
				return nil, badQuery("Invalid orderby clause.")
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func sortEvents(events []exchange.Event, keys []order) {
	sort.SliceStable(events, func(i, j int) bool {
		for _, key := range keys {
			if o := key.less(&events[i], &events[j]); o != 0 {
				return o < 0 != key.descending
			}
		}
		return false
	})
}
