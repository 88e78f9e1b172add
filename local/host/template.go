package host

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// template is a route template as ASP.NET's router reads it (§3.2), below the prefix.
type template struct {
	segments []segment
}

// segment is a literal, or one parameter.
type segment struct {
	literal     string // lower case; matched regardless of case
	parameter   string // name; empty for a literal
	optional    bool
	catchAll    bool
	constraints []constraint
}

// parseTemplate reads a template. Multi-part segments and default values are refused.
func parseTemplate(text string) (*template, error) {
	t := &template{}
	rest := strings.TrimPrefix(text, "/")
	for rest != "" {
		var s segment
		var err error
		if s, rest, err = parseSegment(rest); err != nil {
			return nil, fmt.Errorf("route %q: %w", text, err)
		}
		if n := len(t.segments); n > 0 {
			switch last := t.segments[n-1]; {
			case last.catchAll:
				return nil, fmt.Errorf("route %q: a catch-all must be the last segment", text)
			case last.optional && !s.optional && !s.catchAll:
				return nil, fmt.Errorf("route %q: only optional segments may follow an optional one", text)
			}
		}
		if s.parameter != "" && t.index(s.parameter) >= 0 {
			return nil, fmt.Errorf("route %q: parameter %q appears twice", text, s.parameter)
		}
		t.segments = append(t.segments, s)
	}
	return t, nil
}

func (t *template) index(parameter string) int {
	return slices.IndexFunc(t.segments, func(s segment) bool { return strings.EqualFold(s.parameter, parameter) })
}

// parseSegment reads up to the next slash outside braces.
func parseSegment(text string) (s segment, rest string, err error) {
	if text[0] != '{' {
		literal, rest, _ := strings.Cut(text, "/")
		if literal == "" || strings.ContainsAny(literal, "{}?*") {
			return s, "", fmt.Errorf("segment %q is neither a literal nor one parameter", literal)
		}
		return segment{literal: strings.ToLower(literal)}, rest, nil
	}
	inner, rest, err := cutParameter(text[1:])
	if err != nil {
		return s, "", err
	}
	if rest != "" {
		if rest[0] != '/' {
			return s, "", errors.New("a segment of several parts is not supported by the stand-in")
		}
		rest = rest[1:]
	}
	s, err = parseParameter(inner)
	return s, rest, err
}

// cutParameter reads a parameter up to its closing brace; doubled braces stand for
// themselves, and a single open brace is an error, as when the real host indexes.
func cutParameter(text string) (inner, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		doubled := i+1 < len(text) && text[i+1] == c
		switch {
		case (c == '{' || c == '}') && doubled:
			b.WriteByte(c)
			i++
		case c == '{':
			return "", "", errors.New("a brace inside a parameter must be doubled")
		case c == '}':
			return b.String(), text[i+1:], nil
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("a parameter is not closed")
}

// parseParameter reads name, constraints and the closing question mark.
func parseParameter(text string) (segment, error) {
	var s segment
	text, s.optional = strings.CutSuffix(text, "?")
	if strings.HasPrefix(text, "*") {
		s.catchAll = true
		text = strings.TrimLeft(text, "*")
		if s.optional {
			return s, errors.New("a catch-all cannot be optional")
		}
	}
	end := strings.IndexAny(text, ":=")
	if end < 0 {
		end = len(text)
	}
	s.parameter = text[:end]
	if s.parameter == "" || strings.ContainsAny(s.parameter, "/{}?*") {
		return s, fmt.Errorf("%q is no parameter name", s.parameter)
	}
	for text = text[end:]; text != ""; {
		if text[0] == '=' {
			return s, errors.New("default values are not supported by the stand-in")
		}
		var one string
		one, text = cutConstraint(text[1:])
		c, err := parseConstraint(one)
		if err != nil {
			return s, err
		}
		s.constraints = append(s.constraints, c)
	}
	return s, nil
}

// cutConstraint reads one constraint. Arguments in brackets end at a closing bracket
// that is followed by a colon, an equals sign or the end.
func cutConstraint(text string) (one, rest string) {
	open := strings.IndexByte(text, '(')
	colon := strings.IndexAny(text, ":=")
	if open < 0 || colon >= 0 && colon < open {
		if colon < 0 {
			return text, ""
		}
		return text[:colon], text[colon:]
	}
	for i := open; i < len(text); i++ {
		if text[i] == ')' && (i+1 == len(text) || text[i+1] == ':' || text[i+1] == '=') {
			return text[:i+1], text[i+1:]
		}
	}
	return text, ""
}

// match reports whether the template takes a decoded path (without prefix and leading
// slash), and with which parameters, in the template's order.
func (t *template) match(path string) ([]routeValue, bool) {
	var values []routeValue
	i := 0
	for rest := path; rest != ""; i++ {
		if i == len(t.segments) {
			return nil, false
		}
		s := &t.segments[i]
		part, after, more := strings.Cut(rest, "/")
		if part == "" {
			return nil, false // two slashes in a row match nothing
		}
		if s.catchAll {
			values = append(values, routeValue{s.parameter, rest})
			i++
			break
		}
		if s.parameter == "" {
			if !strings.EqualFold(s.literal, part) {
				return nil, false
			}
		} else {
			values = append(values, routeValue{s.parameter, part})
		}
		if rest = after; !more {
			rest = ""
		}
	}
	for j := i; j < len(t.segments); j++ {
		s := &t.segments[j]
		if s.catchAll && len(s.constraints) == 0 {
			continue
		}
		if !s.optional {
			return nil, false
		}
	}
	return values, t.allowed(values)
}

// allowed checks the constraints of the parameters that are there.
func (t *template) allowed(values []routeValue) bool {
	for _, v := range values {
		for _, c := range t.segments[t.index(v.name)].constraints {
			if !c(v.value) {
				return false
			}
		}
	}
	return true
}

// routeValue is one parameter of a matched route.
type routeValue struct{ name, value string }

// compare orders templates: the more specific comes first. Per segment: literal,
// constrained parameter, parameter, constrained catch-all, catch-all.
func (t *template) compare(u *template) int {
	for i := range min(len(t.segments), len(u.segments)) {
		if c := cmp.Compare(t.segments[i].rank(), u.segments[i].rank()); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(t.segments), len(u.segments))
}

func (s segment) rank() int {
	switch {
	case s.parameter == "":
		return 1
	case s.catchAll && len(s.constraints) > 0:
		return 4
	case s.catchAll:
		return 5
	case len(s.constraints) > 0:
		return 2
	}
	return 3
}
