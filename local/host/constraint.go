package host

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

// constraint tells whether a parameter may have a value (§3.2).
type constraint func(value string) bool

// parseConstraint reads one inline constraint, name or name(arguments).
func parseConstraint(text string) (constraint, error) {
	name, arguments, hasArguments := strings.Cut(text, "(")
	arguments = strings.TrimSuffix(arguments, ")")
	if hasArguments && name == "regex" {
		return regexConstraint(arguments)
	}
	if hasArguments {
		return boundedConstraint(name, arguments)
	}
	switch name {
	case "alpha":
		return regexConstraint(`^[a-z]*$`)
	case "required":
		return func(v string) bool { return v != "" }, nil
	case "int":
		return func(v string) bool { return isInteger(v, 32) }, nil
	case "long":
		return func(v string) bool { return isInteger(v, 64) }, nil
	case "bool":
		return func(v string) bool {
			v = strings.ToLower(strings.TrimSpace(v))
			return v == "true" || v == "false"
		}, nil
	case "decimal", "double", "float":
		return func(v string) bool {
			_, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			return err == nil
		}, nil
	case "guid":
		return regexConstraint(`^(\{|\()?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}(\}|\))?\z`)
	}
	return nil, fmt.Errorf("constraint %q is not known here", text)
}

// boundedConstraint reads the constraints that take one or two numbers.
func boundedConstraint(name, arguments string) (constraint, error) {
	low, high, two := strings.Cut(arguments, ",")
	a, err := strconv.ParseInt(strings.TrimSpace(low), 10, 64)
	b := a
	if err == nil && two {
		b, err = strconv.ParseInt(strings.TrimSpace(high), 10, 64)
	}
	if err != nil || two && name != "length" && name != "range" {
		return nil, fmt.Errorf("constraint %s(%s): bad arguments", name, arguments)
	}
	switch name {
	case "length":
		return lengthBetween(a, b), nil
	case "minlength":
		return lengthBetween(a, math.MaxInt64), nil
	case "maxlength":
		return lengthBetween(0, b), nil
	case "min":
		return numberBetween(a, math.MaxInt64), nil
	case "max":
		return numberBetween(math.MinInt64, b), nil
	case "range":
		return numberBetween(a, b), nil
	}
	return nil, fmt.Errorf("constraint %q is not known here", name)
}

// lengthBetween counts as .NET does, in UTF-16 units.
func lengthBetween(low, high int64) constraint {
	return func(v string) bool {
		n := int64(len(utf16.Encode([]rune(v))))
		return n >= low && n <= high
	}
}

func numberBetween(low, high int64) constraint {
	return func(v string) bool {
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return err == nil && n >= low && n <= high
	}
}

// isInteger takes what .NET's NumberStyles.Integer takes: blanks around, a sign.
func isInteger(v string, bits int) bool {
	_, err := strconv.ParseInt(strings.Trim(v, " \t\n\v\f\r"), 10, bits)
	return err == nil
}

// regexConstraint compiles a .NET pattern: letter case ignored, and $ lets one line
// feed through at the end, as it does there.
func regexConstraint(pattern string) (constraint, error) {
	re, err := regexp.Compile("(?i)" + dollars(pattern))
	if err != nil {
		return nil, fmt.Errorf("constraint regex(%s): %w", pattern, err)
	}
	return re.MatchString, nil
}

// dollars rewrites the anchors $ and \Z to Go's terms.
func dollars(pattern string) string {
	var b strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern):
			i++
			if pattern[i] == 'Z' && !class {
				b.WriteString(`\n?\z`)
			} else {
				b.WriteByte(c)
				b.WriteByte(pattern[i])
			}
			continue
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '$' && !class:
			b.WriteString(`\n?\z`)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
