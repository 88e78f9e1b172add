package settings

import (
	"fmt"
	"regexp"
	"strings"
)

// Fault is one mistake in the settings.
type Fault struct {
	Setting string // its name
	Detail  string // what is wrong; never holds the value
}

// Invalid is the error of settings that cannot be used; its text has one line per fault.
type Invalid struct{ Faults []Fault }

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Setting + " " + f.Detail
	}
	return strings.Join(lines, "\n")
}

// reader looks settings up and collects faults.
type reader struct {
	lookup Lookup
	faults []Fault
}

func (r *reader) fault(setting, format string, args ...any) {
	r.faults = append(r.faults, Fault{setting, fmt.Sprintf(format, args...)})
}

// get returns a setting without the blanks around it; empty is absent.
func (r *reader) get(name string) (text string, given bool) {
	text, _ = r.lookup(name)
	text = strings.TrimSpace(text)
	return text, text != ""
}

func (r *reader) required(name string) (text string, given bool) {
	text, given = r.get(name)
	if !given {
		r.fault(name, "is missing")
	}
	return text, given
}

// given returns those of the names that have a value.
func (r *reader) given(names ...string) []string {
	var given []string
	for _, name := range names {
		if _, ok := r.get(name); ok {
			given = append(given, name)
		}
	}
	return given
}

var (
	guidShape    = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	domainShape  = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,}$`)
	addressShape = regexp.MustCompile(`^[^@\s<>",;]+@[^@\s<>",;]+$`)
)

func isAddress(text string) bool { return addressShape.MatchString(text) }

func isTenant(text string) bool { return guidShape.MatchString(text) || domainShape.MatchString(text) }

// guid reads an optional GUID, in lower case.
func (r *reader) guid(name string) string {
	text, given := r.get(name)
	if given && !guidShape.MatchString(text) {
		r.fault(name, "must be a GUID")
	}
	return strings.ToLower(text)
}
