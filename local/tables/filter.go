package tables

import (
	"bytes"
	"cmp"
	"math"
	"strings"
	"time"
)

// Filters of "Querying tables and entities": comparisons of a property with a
// literal, joined by and, or, not and parentheses.

// expr is a node of a filter.
type expr interface {
	// holds says whether the row matches.
	holds(r *row) bool
}

type (
	and        struct{ left, right expr }
	or         struct{ left, right expr }
	not        struct{ of expr }
	comparison struct {
		name    string
		op      operator
		literal any // string, bool, int64, float64, time.Time, Guid, []byte
	}
)

type operator string

func (e and) holds(r *row) bool { return e.left.holds(r) && e.right.holds(r) }
func (e or) holds(r *row) bool  { return e.left.holds(r) || e.right.holds(r) }
func (e not) holds(r *row) bool { return !e.of.holds(r) }

// holds is false where the row has no such property, or one that cannot be
// compared with the literal, whatever the operator: the service works like that,
// so that "ne" does not find rows without the property.
func (e comparison) holds(r *row) bool {
	var value any
	switch e.name {
	case "PartitionKey":
		value = r.partition
	case "RowKey":
		value = r.key
	case "Timestamp":
		value = r.stamp
	default:
		value = r.props[e.name]
	}
	order, ok := compare(value, e.literal)
	if !ok {
		return false
	}
	switch e.op {
	case "eq":
		return order == 0
	case "ne":
		return order != 0
	case "lt":
		return order < 0
	case "le":
		return order <= 0
	case "gt":
		return order > 0
	}
	return order >= 0
}

// compare orders two values of like types; numbers compare across their types.
func compare(value, literal any) (int, bool) {
	switch l := literal.(type) {
	case string:
		v, ok := value.(string)
		return strings.Compare(v, l), ok
	case Guid:
		v, ok := value.(Guid)
		return strings.Compare(string(v), string(l)), ok
	case []byte:
		v, ok := value.([]byte)
		return bytes.Compare(v, l), ok
	case time.Time:
		v, ok := value.(time.Time)
		return v.Compare(l), ok
	case bool:
		v, ok := value.(bool)
		return cmp.Compare(truth(v), truth(l)), ok
	}
	v, ok := value.(float64)
	if f, isFloat := literal.(float64); ok || isFloat {
		if !ok {
			n, isInt := integer(value)
			v, ok = float64(n), isInt
		}
		if !isFloat {
			n, _ := integer(literal)
			f = float64(n)
		}
		return cmp.Compare(v, f), ok && !math.IsNaN(v)
	}
	n, ok := integer(value)
	m, _ := integer(literal)
	return cmp.Compare(n, m), ok
}

func integer(value any) (int64, bool) {
	switch v := value.(type) {
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// bounds is what a filter says about keys wherever it holds: the rows to look at.
// An empty from or before and a nil partition are no bound.
type bounds struct {
	partition    *string
	from, before string
}

// boundsOf narrows by the comparisons that are joined by and at the top; the
// filter itself is still asked about every row.
func boundsOf(e expr) bounds {
	var b bounds
	b.narrow(e)
	return b
}

func (b *bounds) narrow(e expr) {
	switch e := e.(type) {
	case and:
		b.narrow(e.left)
		b.narrow(e.right)
	case comparison:
		key, ok := e.literal.(string)
		switch {
		case !ok:
		case e.name == "PartitionKey" && e.op == "eq":
			b.partition = &key
		case e.name == "RowKey":
			b.narrowRow(e.op, key)
		}
	}
}

// narrowRow keeps the bounds loose by what a half-open range cannot say; "\x00"
// after a key is the least key above it.
func (b *bounds) narrowRow(op operator, key string) {
	if op == "eq" || op == "ge" || op == "gt" {
		b.from = max(b.from, key)
	}
	before := ""
	switch op {
	case "lt":
		before = key
	case "le", "eq":
		before = key + "\x00"
	}
	if before != "" && (b.before == "" || before < b.before) {
		b.before = before
	}
}
