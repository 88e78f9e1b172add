package organization

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/problem"
	"github.com/calbridge/calbridge/shared/zone"
)

// reader takes members out of a document by pointer, remembers which were
// asked for, and collects faults. Pointers are one or two members deep and
// hold no character that JSON pointers escape.
type reader struct {
	root   map[string]any
	asked  map[string]bool
	faults []problem.Fault
}

func newReader(body []byte) (*reader, *problem.Fault) {
	if !utf8.Valid(body) {
		return nil, &problem.Fault{Code: "encoding", Detail: "The document is not UTF-8."}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, &problem.Fault{Code: "syntax", Detail: "The document is not JSON."}
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, &problem.Fault{Code: "syntax", Detail: "Something follows the JSON document."}
	}
	root, ok := value.(map[string]any)
	if !ok {
		return nil, &problem.Fault{Code: "type", Detail: "The document must be an object."}
	}
	return &reader{root: root, asked: map[string]bool{}}, nil
}

func (r *reader) fault(pointer, code, detail string, args ...any) {
	r.faults = append(r.faults, problem.Fault{Pointer: pointer, Code: code, Detail: fmt.Sprintf(detail, args...)})
}

// member returns the value at pointer; false when it is absent or null.
func (r *reader) member(pointer string) (any, bool) {
	r.asked[pointer] = true
	var value any = r.root
	for name := range strings.SplitSeq(pointer[1:], "/") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false // the parent's own fault says so
		}
		value = object[name]
	}
	return value, value != nil
}

// unknown reports every member that nobody asked for.
func (r *reader) unknown() {
	var walk func(at string, object map[string]any)
	walk = func(at string, object map[string]any) {
		for _, name := range slices.Sorted(maps.Keys(object)) {
			pointer := at + "/" + problem.Escape(name)
			child, isObject := object[name].(map[string]any)
			switch {
			case at == "" && readOnly(name):
			case !r.asked[pointer]:
				r.fault(pointer, "unknown-member", "There is no such setting.")
			case isObject:
				walk(pointer, child)
			}
		}
	}
	walk("", r.root)
}

func (r *reader) object(pointer string) {
	if v, ok := r.member(pointer); ok {
		if _, ok := v.(map[string]any); !ok {
			r.fault(pointer, "type", "This must be an object.")
		}
	}
}

func (r *reader) boolean(pointer string, to *bool) {
	if v, ok := r.member(pointer); ok {
		b, ok := v.(bool)
		if !ok {
			r.fault(pointer, "type", "This must be true or false.")
			return
		}
		*to = b
	}
}

// integer takes min to max, inclusive; why is added to the fault.
func (r *reader) integer(pointer string, to *int, min, max int64, why string) {
	v, ok := r.member(pointer)
	if !ok {
		return
	}
	number, ok := v.(json.Number)
	n, err := number.Int64()
	if !ok || err != nil {
		r.fault(pointer, "type", "This must be an integer.")
		return
	}
	if n < min || n > max {
		r.fault(pointer, "range", "This must be %d to %d.%s", min, max, why)
		return
	}
	*to = int(n)
}

// str returns a string of 1 to max bytes without control characters.
func (r *reader) str(pointer string, max int) (string, bool) {
	v, ok := r.member(pointer)
	if !ok {
		return "", false
	}
	s, ok := v.(string)
	switch {
	case !ok:
		r.fault(pointer, "type", "This must be a string.")
	case s == "":
		r.fault(pointer, "format", "This must not be empty; leave it out for the default.")
	case len(s) > max:
		r.fault(pointer, "too-long", "This must be at most %d bytes.", max)
	case strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }):
		r.fault(pointer, "format", "This must not contain control characters.")
	default:
		return s, true
	}
	return "", false
}

func (r *reader) text(pointer string, to *string, max int) {
	if s, ok := r.str(pointer, max); ok {
		*to = s
	}
}

func (r *reader) oneOf(pointer string, to *string, allowed ...string) {
	s, ok := r.str(pointer, 255)
	if !ok {
		return
	}
	if !slices.Contains(allowed, s) {
		r.fault(pointer, "value", "This must be one of %s.", strings.Join(allowed, ", "))
		return
	}
	*to = s
}

func (r *reader) required(pointer string, allowed ...string) (value string) {
	if _, ok := r.member(pointer); !ok {
		r.fault(pointer, "required", "This must be one of %s.", strings.Join(allowed, ", "))
		return ""
	}
	r.oneOf(pointer, &value, allowed...)
	return value
}

// matched takes a string that ok accepts; what names the kind for the fault.
func (r *reader) matched(pointer string, to *string, ok func(string) bool, what string) {
	s, given := r.str(pointer, 2048)
	if !given {
		return
	}
	if !ok(s) {
		r.fault(pointer, "format", "This must be %s.", what)
		return
	}
	*to = s
}

func (r *reader) url(pointer string, to *string) {
	r.matched(pointer, to, func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
	}, "an http or https URL")
}

func (r *reader) zone(pointer string, to *string) {
	s, ok := r.str(pointer, 255)
	if !ok {
		return
	}
	canonical, ok := zone.Canonical(s)
	if !ok {
		r.fault(pointer, "unknown-zone", "Nobody knows this time zone; use an IANA name such as Europe/Helsinki.")
		return
	}
	*to = canonical
}

var locale = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

func (r *reader) locale(pointer string, to *string) {
	r.matched(pointer, to, func(s string) bool { return len(s) <= 35 && locale.MatchString(s) }, "a language tag such as en, nb or de-AT")
}

var domain = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]$`)

func (r *reader) tenant(pointer string, to *string) {
	r.matched(pointer, to, func(s string) bool { return IsGUID(s) || len(s) <= 253 && domain.MatchString(s) },
		"a tenant's GUID or one of its verified domains")
	*to = strings.ToLower(*to)
}

var email = regexp.MustCompile(`^[^\s@<>(),;:\\"\[\]]{1,64}@[^\s@<>(),;:\\"\[\]]{1,253}$`)

func (r *reader) emails(pointer string, to *[]string) {
	v, ok := r.member(pointer)
	if !ok {
		return
	}
	list, ok := v.([]any)
	if !ok {
		r.fault(pointer, "type", "This must be an array of addresses.")
		return
	}
	if len(list) > 20 {
		r.fault(pointer, "too-many", "At most 20 addresses are told.")
		return
	}
	for i, item := range list {
		s, ok := item.(string)
		if !ok || !email.MatchString(s) {
			r.fault(fmt.Sprintf("%s/%d", pointer, i), "format", "This must be an e-mail address.")
			continue
		}
		*to = append(*to, s)
	}
}

var guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`)

// IsGUID reports whether s is a GUID in its plain form with hyphens.
func IsGUID(s string) bool { return guid.MatchString(s) }
