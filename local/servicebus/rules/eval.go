package rules

import (
	"cmp"
	"math"
	"strings"
	"unicode/utf8"
)

// joined is AND or OR of true, false and unknown (SQL-92).
func joined(keyword string, a, b any) any {
	decisive := keyword == "OR" // true decides an OR, false an AND
	switch {
	case a == decisive, b == decisive:
		return decisive
	case a == nil, b == nil:
		return nil
	}
	return !decisive
}

// negated is NOT n, if no says so; unknown stays unknown.
func negated(n node, no bool) node {
	if !no {
		return n
	}
	return node{predicate: true, eval: func(m Message) any {
		if v, ok := n.eval(m).(bool); ok {
			return !v
		}
		return nil
	}}
}

// compare is a comparison: unknown when a side is, or when the two are of
// different kinds. Booleans are only equal or not.
func compare(operator string, a, b any) any {
	var order int
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		if !ok {
			return nil
		}
		order = strings.Compare(a, b)
	case bool:
		b, ok := b.(bool)
		if !ok || operator != "=" && operator != "<>" && operator != "!=" {
			return nil
		}
		order = 1
		if a == b {
			order = 0
		}
	case int64, float64:
		var ok bool
		if order, ok = numbers(a, b); !ok {
			return nil
		}
	default:
		return nil
	}
	switch operator {
	case "=":
		return order == 0
	case "<":
		return order < 0
	case ">":
		return order > 0
	case "<=":
		return order <= 0
	case ">=":
		return order >= 0
	}
	return order != 0
}

// numbers orders two numbers: integers exactly, otherwise as floating point.
func numbers(a, b any) (order int, ok bool) {
	x, whole := a.(int64)
	if y, also := b.(int64); whole && also {
		return cmp.Compare(x, y), true
	}
	f, ok1 := float(a)
	g, ok2 := float(b)
	return cmp.Compare(f, g), ok1 && ok2 && !math.IsNaN(f) && !math.IsNaN(g)
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// calculate is arithmetic of numbers, and + of two texts.
func calculate(operator string, a, b any) any {
	if x, ok := a.(string); ok && operator == "+" {
		if y, ok := b.(string); ok {
			return x + y
		}
		return nil
	}
	x, ok1 := a.(int64)
	y, ok2 := b.(int64)
	if ok1 && ok2 {
		return whole(operator, x, y)
	}
	f, ok1 := float(a)
	g, ok2 := float(b)
	if !ok1 || !ok2 {
		return nil
	}
	switch operator {
	case "+":
		return f + g
	case "-":
		return f - g
	case "*":
		return f * g
	}
	if g == 0 {
		return nil
	}
	if operator == "%" {
		return math.Mod(f, g)
	}
	return f / g
}

func whole(operator string, x, y int64) any {
	switch operator {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	}
	switch {
	case y == 0:
		return nil
	case operator == "%":
		return x % y
	}
	return x / y
}

// like matches text with a pattern of % and _; what follows the escape character
// stands for itself.
func like(value, pattern, escape any) any {
	v, ok1 := value.(string)
	p, ok2 := pattern.(string)
	e, ok3 := escape.(string)
	if !ok1 || !ok2 || !ok3 || utf8.RuneCountInString(e) > 1 {
		return nil
	}
	return matches([]rune(v), steps([]rune(p), e))
}

// step is one part of a pattern.
type step struct {
	r         rune
	any, many bool
}

func steps(pattern []rune, escape string) []step {
	var all []step
	for i := 0; i < len(pattern); i++ {
		switch r := pattern[i]; {
		case escape != "" && string(r) == escape && i+1 < len(pattern):
			i++
			all = append(all, step{r: pattern[i]})
		case r == '%':
			all = append(all, step{many: true})
		case r == '_':
			all = append(all, step{any: true})
		default:
			all = append(all, step{r: r})
		}
	}
	return all
}

// matches goes back to the last % only, so that it takes at most len(v)*len(p).
func matches(v []rune, p []step) bool {
	i, j, star, mark := 0, 0, -1, 0
	for i < len(v) {
		switch {
		case j < len(p) && p[j].many:
			star, mark = j, i
			j++
		case j < len(p) && (p[j].any || p[j].r == v[i]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	for j < len(p) && p[j].many {
		j++
	}
	return j == len(p)
}
