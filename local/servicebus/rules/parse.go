package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// SQL is a SQL filter.
type SQL struct {
	expression string
	root       node
}

// String is the expression that the filter was made of.
func (f SQL) String() string { return f.expression }

// Match reports whether the filter lets m through.
func (f SQL) Match(m Message) bool { return f.root.eval(m) == true }

// Limits of an expression.
const (
	longest = 1024
	deepest = 32
)

// Parse reads a SQL filter.
func Parse(expression string) (SQL, error) {
	if len(expression) > longest {
		return SQL{}, fmt.Errorf("rules.Parse: longer than %d characters", longest)
	}
	tokens, err := lex(expression)
	if err != nil {
		return SQL{}, fmt.Errorf("rules.Parse: %w", err)
	}
	p := &parser{tokens: tokens}
	n, err := p.or()
	if err == nil && p.peek().kind != end {
		err = p.unexpected()
	}
	if err == nil && !n.predicate {
		err = fmt.Errorf("it is no predicate")
	}
	if err != nil {
		return SQL{}, fmt.Errorf("rules.Parse: %w", err)
	}
	return SQL{expression, n}, nil
}

// node is part of an expression. A predicate is worth true, false or nil.
type node struct {
	predicate bool
	property  bool // may stand before IS NULL
	eval      func(Message) any
}

type parser struct {
	tokens    []token
	at, depth int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) take(s string) bool {
	if p.peek().is(s) {
		p.at++
		return true
	}
	return false
}

func (p *parser) unexpected() error { return fmt.Errorf("not understood at %d", p.peek().at) }

func (p *parser) or() (node, error)  { return p.chain("OR", p.and) }
func (p *parser) and() (node, error) { return p.chain("AND", p.not) }

// chain reads predicates joined by AND or OR.
func (p *parser) chain(keyword string, operand func() (node, error)) (node, error) {
	left, err := operand()
	for err == nil && p.take(keyword) {
		var right node
		if right, err = operand(); err == nil && !(left.predicate && right.predicate) {
			err = fmt.Errorf("%s joins no predicates", keyword)
		}
		one := left
		left = node{predicate: true, eval: func(m Message) any { return joined(keyword, one.eval(m), right.eval(m)) }}
	}
	return left, err
}

func (p *parser) not() (node, error) {
	if !p.take("NOT") {
		return p.comparison()
	}
	if err := p.deeper(); err != nil {
		return node{}, err
	}
	defer func() { p.depth-- }()
	n, err := p.not()
	if err == nil && !n.predicate {
		err = fmt.Errorf("NOT before no predicate")
	}
	return negated(n, true), err
}

func (p *parser) deeper() error {
	if p.depth++; p.depth > deepest {
		return fmt.Errorf("nested deeper than %d", deepest)
	}
	return nil
}

// comparison reads an expression and what may follow it.
func (p *parser) comparison() (node, error) {
	left, err := p.sum()
	if err != nil || left.predicate {
		return left, err
	}
	for _, operator := range []string{"=", "<>", "!=", "<=", ">=", "<", ">"} {
		if p.take(operator) {
			right, err := p.sum()
			if err == nil && right.predicate {
				err = fmt.Errorf("a predicate is compared")
			}
			return node{predicate: true, eval: func(m Message) any { return compare(operator, left.eval(m), right.eval(m)) }}, err
		}
	}
	if p.take("IS") {
		no := p.take("NOT")
		if !p.take("NULL") || !left.property {
			return node{}, p.unexpected()
		}
		return node{predicate: true, eval: func(m Message) any { return (left.eval(m) == nil) != no }}, nil
	}
	no := p.take("NOT")
	switch {
	case p.take("IN"):
		n, err := p.in(left)
		return negated(n, no), err
	case p.take("LIKE"):
		n, err := p.like(left)
		return negated(n, no), err
	case no:
		return node{}, p.unexpected()
	}
	return left, nil
}

func (p *parser) in(left node) (node, error) {
	list, err := p.list()
	return node{predicate: true, eval: func(m Message) any {
		var found any = false
		for _, n := range list {
			found = joined("OR", found, compare("=", left.eval(m), n.eval(m)))
		}
		return found
	}}, err
}

// list reads expressions in parentheses.
func (p *parser) list() ([]node, error) {
	if !p.take("(") {
		return nil, p.unexpected()
	}
	var list []node
	for {
		n, err := p.sum()
		if err != nil {
			return nil, err
		}
		if n.predicate {
			return nil, fmt.Errorf("a predicate in a list")
		}
		list = append(list, n)
		if p.take(",") {
			continue
		}
		if !p.take(")") {
			return nil, p.unexpected()
		}
		return list, nil
	}
}

func (p *parser) like(left node) (node, error) {
	pattern, err := p.sum()
	if err != nil {
		return node{}, err
	}
	escape := node{eval: func(Message) any { return "" }}
	if p.take("ESCAPE") {
		if escape, err = p.sum(); err != nil {
			return node{}, err
		}
	}
	if left.predicate || pattern.predicate || escape.predicate {
		return node{}, fmt.Errorf("LIKE of a predicate")
	}
	return node{predicate: true, eval: func(m Message) any { return like(left.eval(m), pattern.eval(m), escape.eval(m)) }}, nil
}

func (p *parser) sum() (node, error)     { return p.arithmetic([]string{"+", "-"}, p.product) }
func (p *parser) product() (node, error) { return p.arithmetic([]string{"*", "/", "%"}, p.unary) }

func (p *parser) arithmetic(operators []string, operand func() (node, error)) (node, error) {
	left, err := operand()
next:
	for err == nil {
		for _, operator := range operators {
			if !p.take(operator) {
				continue
			}
			var right node
			if right, err = operand(); err == nil && (left.predicate || right.predicate) {
				err = fmt.Errorf("%s of a predicate", operator)
			}
			one := left
			left = node{eval: func(m Message) any { return calculate(operator, one.eval(m), right.eval(m)) }}
			continue next
		}
		break
	}
	return left, err
}

func (p *parser) unary() (node, error) {
	if err := p.deeper(); err != nil {
		return node{}, err
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("+"), p.peek().is("-"):
		minus := p.take("-")
		n, err := p.unary()
		if err == nil && n.predicate {
			err = fmt.Errorf("a sign before a predicate")
		}
		if !minus {
			return node{eval: n.eval}, err
		}
		return node{eval: func(m Message) any { return calculate("-", int64(0), n.eval(m)) }}, err
	case p.take("("):
		n, err := p.or()
		if err == nil && !p.take(")") {
			err = p.unexpected()
		}
		n.property = false
		return n, err
	}
	return p.primary()
}

// keywords cannot be plain names.
const keywords = " AND OR NOT IN IS NULL LIKE ESCAPE EXISTS TRUE FALSE "

// primary reads a constant, EXISTS, a function or a property.
func (p *parser) primary() (node, error) {
	t := p.peek()
	p.at++
	switch {
	case t.kind == end:
		p.at--
		return node{}, p.unexpected()
	case t.kind == text:
		return constant(t.text), nil
	case t.kind == integer:
		n, err := strconv.ParseInt(t.text, 10, 64)
		return constant(n), err
	case t.kind == decimal:
		n, err := strconv.ParseFloat(t.text, 64)
		return constant(n), err
	case t.is("TRUE"), t.is("FALSE"):
		return constant(t.is("TRUE")), nil
	case t.is("EXISTS") && p.take("("):
		n, err := p.property(p.peek(), true)
		if err == nil && !p.take(")") {
			err = p.unexpected()
		}
		return node{predicate: true, eval: func(m Message) any { return n.eval(m) != nil }}, err
	case (t.is("PROPERTY") || t.is("P")) && p.peek().is("("):
		list, err := p.list()
		if err != nil || len(list) != 1 {
			return node{}, fmt.Errorf("%s takes one name", t.text)
		}
		return node{property: true, eval: func(m Message) any {
			called, _ := list[0].eval(m).(string)
			return lookup(m.Properties, called)
		}}, nil
	}
	return p.property(t, false)
}

// property reads the name of a property that begins with t, which next says is
// still to be taken.
func (p *parser) property(t token, next bool) (node, error) {
	if next {
		p.at++
	}
	if t.kind != name && (t.kind != word || strings.Contains(keywords, " "+strings.ToUpper(t.text)+" ")) {
		p.at--
		return node{}, p.unexpected()
	}
	called := t.text
	if p.take(".") {
		scope := strings.ToLower(called)
		field := p.peek()
		if field.kind != name && field.kind != word || t.kind != word || scope != "sys" && scope != "user" {
			return node{}, p.unexpected()
		}
		p.at++
		if called = field.text; scope == "sys" {
			get, ok := system[strings.ToLower(called)]
			if !ok {
				return node{}, fmt.Errorf("no system property is named so, at %d", field.at)
			}
			return node{property: true, eval: func(m Message) any { return orUnknown(get(m)) }}, nil
		}
	}
	return node{property: true, eval: func(m Message) any { return lookup(m.Properties, called) }}, nil
}

func constant(v any) node { return node{eval: func(Message) any { return v }} }

func orUnknown(s string) any {
	if s == "" {
		return nil
	}
	return s
}
