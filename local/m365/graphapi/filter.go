package graphapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Filter decides whether an event is in an answer.
type Filter func(*exchange.Event) bool

// limits of a filter, beyond which it is refused.
const (
	longestFilter = 4096
	deepestFilter = 32
)

// ParseFilter reads a $filter: comparisons, contains and startswith, and, or,
// not, parentheses, and singleValueExtendedProperties/Any(ep: ...) whose body
// names one property by ep/id eq and tests ep/value (2.8).
func ParseFilter(s string) (Filter, error) {
	if len(s) > longestFilter {
		return nil, badFilter()
	}
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &filterParser{tokens: tokens}
	test, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != endToken {
		return nil, badFilter()
	}
	return func(e *exchange.Event) bool { return test(row{event: e}) }, nil
}

func badFilter() error {
	return badQuery("Invalid filter clause.")
}

// row is what a test looks at: an event and, within Any, one of its properties.
type row struct {
	event    *exchange.Event
	property exchange.Property
}

type test func(row) bool

type filterParser struct {
	tokens []token
	at     int
	// variable is the name of the property within Any; named says that its id was
	// compared.
	variable string
	named    bool
}

func (p *filterParser) peek() token { return p.tokens[p.at] }

func (p *filterParser) next() token {
	t := p.tokens[p.at]
	if t.kind != endToken {
		p.at++
	}
	return t
}

// take takes a word or sign if it comes next.
func (p *filterParser) take(text string) bool {
	if t := p.peek(); t.kind != stringToken && strings.EqualFold(t.text, text) {
		p.next()
		return true
	}
	return false
}

func (p *filterParser) or(depth int) (test, error) {
	left, err := p.and(depth)
	for err == nil && p.take("or") {
		var right test
		one := left
		right, err = p.and(depth)
		left = func(r row) bool { return one(r) || right(r) }
	}
	return left, err
}

func (p *filterParser) and(depth int) (test, error) {
	left, err := p.unary(depth)
	for err == nil && p.take("and") {
		var right test
		one := left
		right, err = p.unary(depth)
		left = func(r row) bool { return one(r) && right(r) }
	}
	return left, err
}

func (p *filterParser) unary(depth int) (test, error) {
	if depth > deepestFilter {
		return nil, badFilter()
	}
	switch {
	case p.take("not"):
		inner, err := p.unary(depth + 1)
		if err != nil {
			return nil, err
		}
		return func(r row) bool { return !inner(r) }, nil
	case p.take("("):
		inner, err := p.or(depth + 1)
		if err != nil || !p.take(")") {
			return nil, badFilter()
		}
		return inner, nil
	}
	return p.term(depth)
}

// term reads a comparison, a function of two strings, or Any.
func (p *filterParser) term(depth int) (test, error) {
	word := p.next()
	if word.kind != wordToken {
		return nil, badFilter()
	}
	switch strings.ToLower(word.text) {
	case "contains", "startswith":
		return p.function(strings.ToLower(word.text))
	case "singlevalueextendedproperties/any":
		return p.any(depth)
	case "cast":
		return p.cast()
	}
	return p.compare(word.text)
}

func (p *filterParser) any(depth int) (test, error) {
	if p.variable != "" || !p.take("(") {
		return nil, badFilter()
	}
	variable, ok := strings.CutSuffix(p.next().text, ":")
	if !ok && !p.take(":") {
		return nil, badFilter()
	}
	if variable == "" || strings.Contains(variable, "/") {
		return nil, badFilter()
	}
	p.variable, p.named = variable, false
	body, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if !p.named || !p.take(")") {
		return nil, badFilter()
	}
	p.variable = ""
	return func(r row) bool {
		if !r.event.Indexed {
			return false
		}
		for _, property := range r.event.Properties {
			if body(row{r.event, property}) {
				return true
			}
		}
		return false
	}, nil
}

// function reads contains(path,'text') or startswith(path,'text').
func (p *filterParser) function(name string) (test, error) {
	if !p.take("(") {
		return nil, badFilter()
	}
	path := p.next()
	if path.kind != wordToken || !p.take(",") {
		return nil, badFilter()
	}
	text := p.next()
	if text.kind != stringToken || !p.take(")") {
		return nil, badFilter()
	}
	get, err := p.text(path.text)
	if err != nil {
		return nil, err
	}
	want := strings.ToLower(text.text)
	if name == "contains" {
		return func(r row) bool { return strings.Contains(strings.ToLower(get(r)), want) }, nil
	}
	return func(r row) bool { return strings.HasPrefix(strings.ToLower(get(r)), want) }, nil
}

// cast reads cast(ep/value, Edm.Int32) op number.
func (p *filterParser) cast() (test, error) {
	if !p.take("(") || p.variable == "" || !strings.EqualFold(p.next().text, p.variable+"/value") || !p.take(",") {
		return nil, badFilter()
	}
	kind := strings.ToLower(p.next().text)
	if kind != "edm.int32" && kind != "edm.int64" && kind != "edm.double" || !p.take(")") {
		return nil, badFilter()
	}
	holds, err := p.operator()
	if err != nil {
		return nil, err
	}
	want, err := strconv.ParseFloat(p.next().text, 64)
	if err != nil {
		return nil, badFilter()
	}
	return func(r row) bool {
		got, err := strconv.ParseFloat(r.property.Value, 64)
		return err == nil && holds(compareNumbers(got, want))
	}, nil
}

func compareNumbers(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// operator reads eq, ne, gt, ge, lt or le.
func (p *filterParser) operator() (func(order int) bool, error) {
	switch strings.ToLower(p.next().text) {
	case "eq":
		return func(o int) bool { return o == 0 }, nil
	case "ne":
		return func(o int) bool { return o != 0 }, nil
	case "gt":
		return func(o int) bool { return o > 0 }, nil
	case "ge":
		return func(o int) bool { return o >= 0 }, nil
	case "lt":
		return func(o int) bool { return o < 0 }, nil
	case "le":
		return func(o int) bool { return o <= 0 }, nil
	}
	return nil, badFilter()
}

// compare reads what follows a path: an operator and a literal.
func (p *filterParser) compare(path string) (test, error) {
	equality := strings.ToLower(p.peek().text)
	holds, err := p.operator()
	if err != nil {
		return nil, err
	}
	literal := p.next()
	if p.variable != "" && path == p.variable+"/id" {
		return p.propertyID(equality, literal)
	}
	if get, ok := flags[strings.ToLower(path)]; ok && p.variable == "" {
		want := strings.EqualFold(literal.text, "true")
		if literal.kind == stringToken || equality != "eq" && equality != "ne" || !want && !strings.EqualFold(literal.text, "false") {
			return nil, badFilter()
		}
		return func(r row) bool { return (get(r.event) == want) == (equality == "eq") }, nil
	}
	if get, ok := times[strings.ToLower(path)]; ok && p.variable == "" {
		want, err := moment(literal.text)
		if err != nil || want.IsZero() {
			return nil, badFilter()
		}
		return func(r row) bool { return holds(get(r.event).Compare(want)) }, nil
	}
	get, err := p.text(path)
	if err != nil {
		return nil, err
	}
	if literal.kind != stringToken || equality != "eq" && equality != "ne" {
		return nil, badFilter()
	}
	return func(r row) bool { return strings.EqualFold(get(r), literal.text) == (equality == "eq") }, nil
}

func (p *filterParser) propertyID(operator string, literal token) (test, error) {
	if operator != "eq" || literal.kind != stringToken {
		return nil, badFilter()
	}
	id, err := exchange.ParsePropertyID(literal.text)
	if err != nil {
		return nil, err
	}
	p.named = true
	return func(r row) bool { return r.property.ID.Same(id) }, nil
}

// text finds a path of string type.
func (p *filterParser) text(path string) (func(row) string, error) {
	if p.variable != "" {
		if path == p.variable+"/value" {
			return func(r row) string { return r.property.Value }, nil
		}
		return nil, badFilter()
	}
	if get, ok := texts[strings.ToLower(path)]; ok {
		return func(r row) string { return get(r.event) }, nil
	}
	return nil, badQuery("The property '" + clip(path) + "' does not support filtering.")
}

var texts = map[string]func(*exchange.Event) string{
	"subject":     func(e *exchange.Event) string { return e.Subject },
	"icaluid":     func(e *exchange.Event) string { return e.ICalUID },
	"showas":      func(e *exchange.Event) string { return e.ShowAs },
	"sensitivity": func(e *exchange.Event) string { return e.Sensitivity },
	"importance":  func(e *exchange.Event) string { return e.Importance },
	"type":        func(e *exchange.Event) string { return eventType(e) },
}

var flags = map[string]func(*exchange.Event) bool{
	"isallday":    func(e *exchange.Event) bool { return e.AllDay },
	"iscancelled": func(e *exchange.Event) bool { return e.Cancelled },
	"isdraft":     func(e *exchange.Event) bool { return e.Draft },
}

var times = map[string]func(*exchange.Event) time.Time{
	"start/datetime":       func(e *exchange.Event) time.Time { return e.From },
	"end/datetime":         func(e *exchange.Event) time.Time { return e.To },
	"createddatetime":      func(e *exchange.Event) time.Time { return e.Created },
	"lastmodifieddatetime": func(e *exchange.Event) time.Time { return e.Modified },
}
