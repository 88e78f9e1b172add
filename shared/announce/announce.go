// Package announce is what a booking app says of people beside its bookings
// (wire.md, Connections and people: PUT people): who they are, and whether they
// are still active.
//
// [Decode] takes {"people":[…]} and reports all faults at once, each with the JSON
// pointer of its place. A member that is absent stays as it is known; an empty
// text takes away what was known. Unlike a booking's, an unknown member is
// refused: a misspelt "active" would silently keep a person who has left.
//
// The form of ids, addresses and names is that of a booking's people
// (docs/schemas/booking.v1.json). Guessed, because wire.md names only the number
// of people: that a person twice in one announcement is a fault, since nobody can
// tell which entry is meant.
//
// The package is pure.
package announce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/problem"
)

// Limits.
const (
	MaxPeople   = 1000
	MaxDocument = 1 << 20 // bytes; a thousand people of ordinary names take a fifth of it
	maxAddress  = 320     // characters
	maxName     = 256
	maxLocale   = 35
	maxFaults   = booking.MaxFaults
)

// Person is what is said of one person; nil is not said.
type Person struct {
	User                         string // at most 256 characters
	Email, Account, Name, Locale *string
	Active                       *bool
}

// The forms of an address and of an account in booking.v1.json.
const unusual = `\s<>()\[\],;:\\"\x00-\x1f\x7f-\x{9f}`

// reader collects faults, the first hundred.
type reader struct {
	email, account *regexp.Regexp
	faults         []problem.Fault
}

func (r *reader) fault(pointer, code, detail string, args ...any) {
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, problem.Fault{Pointer: pointer, Code: code, Detail: fmt.Sprintf(detail, args...)})
	}
}

// Decode reads an announcement. With faults, there are no people.
func Decode(body []byte) ([]Person, []problem.Fault) {
	r := &reader{email: regexp.MustCompile(`^([^@` + unusual + `]+@[^@` + unusual + `]+)?$`),
		account: regexp.MustCompile(`^[^` + unusual + `]*$`)}
	people := r.people(body)
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return people, nil
}

func (r *reader) people(body []byte) []Person {
	root, ok := r.root(body)
	if !ok {
		return nil
	}
	list, ok := root["people"].([]any)
	switch {
	case root["people"] == nil:
		r.fault("/people", booking.CodeRequired, "This must be a list of people.")
	case !ok:
		r.fault("/people", booking.CodeType, "This must be a list of people.")
	case len(list) > MaxPeople:
		r.fault("/people", booking.CodeTooMany, "These are %d people; at most %d are taken at once.", len(list), MaxPeople)
		list = nil
	}
	for _, name := range slices.Sorted(maps.Keys(root)) {
		if name != "people" {
			r.fault("/"+problem.Escape(name), "unknown-member", "There is no such member.")
		}
	}
	people := make([]Person, len(list))
	seen := make(map[string]int, len(list))
	for i, item := range list {
		at := fmt.Sprintf("/people/%d", i)
		people[i] = r.person(at, item)
		user := people[i].User
		if first, twice := seen[user]; twice && user != "" {
			r.fault(at+"/user", "duplicate", "This is the person of /people/%d once more.", first)
		} else {
			seen[user] = i
		}
	}
	return people
}

func (r *reader) root(body []byte) (map[string]any, bool) {
	if !utf8.Valid(body) {
		r.fault("", booking.CodeEncoding, "The document is not UTF-8.")
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	var value any
	if err := d.Decode(&value); err != nil {
		r.fault("", booking.CodeSyntax, "The document is not JSON.")
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		r.fault("", booking.CodeSyntax, "Something follows the JSON document.")
		return nil, false
	}
	root, ok := value.(map[string]any)
	if !ok {
		r.fault("", booking.CodeType, "The document must be an object.")
	}
	r.faults = append(r.faults, problem.Twice(body)...)
	return root, ok
}

func (r *reader) person(at string, item any) (p Person) {
	members, ok := item.(map[string]any)
	if !ok {
		r.fault(at, booking.CodeType, "This must be an object.")
		return p
	}
	if user := r.text(at, "user", members, booking.MaxID); user != nil {
		p.User = *user
	}
	if _, there := members["user"]; !there || p.User == "" && members["user"] == "" {
		r.fault(at+"/user", booking.CodeRequired, "This must be the person's id.")
	} else if strings.ContainsFunc(p.User, unicode.IsControl) {
		r.fault(at+"/user", booking.CodeFormat, "An id has no control characters.")
	}
	p.Email = r.shaped(at, "email", members, r.email, "This must be an e-mail address.")
	p.Account = r.shaped(at, "account", members, r.account, "This must be a Microsoft 365 user name or object id.")
	p.Name = r.text(at, "name", members, maxName)
	p.Locale = r.text(at, "locale", members, maxLocale)
	if value, there := members["active"]; there {
		active, ok := value.(bool)
		if !ok {
			r.fault(at+"/active", booking.CodeType, "This must be true or false.")
		}
		p.Active = &active
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains([]string{"user", "email", "account", "name", "locale", "active"}, name) {
			r.fault(at+"/"+problem.Escape(name), "unknown-member", "There is no such member.")
		}
	}
	return p
}

// text takes a string of at most max characters; nil when it is absent or wrong.
func (r *reader) text(at, name string, members map[string]any, max int) *string {
	value, there := members[name]
	if !there {
		return nil
	}
	text, ok := value.(string)
	switch {
	case !ok:
		r.fault(at+"/"+name, booking.CodeType, "This must be a string.")
		return nil
	case utf8.RuneCountInString(text) > max:
		r.fault(at+"/"+name, booking.CodeTooLong, "This must be at most %d characters.", max)
		return nil
	}
	return &text
}

func (r *reader) shaped(at, name string, members map[string]any, form *regexp.Regexp, wanted string) *string {
	text := r.text(at, name, members, maxAddress)
	if text != nil && !form.MatchString(*text) {
		r.fault(at+"/"+name, booking.CodeFormat, "%s", wanted)
		return nil
	}
	return text
}
