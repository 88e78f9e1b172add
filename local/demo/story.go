// Package demo plays the bookings of examples/ through a running stack and
// compares what comes of them with examples/expected.json: on the topic, at the
// status route, and in the simulator's calendars.
package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"time"

	"github.com/calbridge/calbridge/examples"
	"github.com/calbridge/calbridge/shared/booking"
)

// Story is what is sent, and what is to come of it.
type Story struct {
	Tenants []Tenant
	Steps   []Step
}

// Tenant is one customer: an organisation, its Microsoft 365 tenant, its people.
type Tenant struct {
	ID, Domain, Organization, TimeZone string
	Users                              []User
	// Settings is the organisation's, for PUT.
	Settings []byte `json:"-"`
}

// User is somebody in the simulator's directory.
type User struct {
	Principal, Name, State string
	Aliases                []string
}

// Step is one booking that is sent.
type Step struct {
	File, Shows string
	// Answer is the HTTP status; Errors the JSON pointers of the problem document.
	Answer int
	Errors []string
	// Results is what the topic says per user, as in "skipped not-assigned"; "*" is
	// for all on the booking who are not named.
	Results map[string]string
	// Event is what is sent, Booking the same decoded; of a faulty one only Event is set.
	Event   []byte          `json:"-"`
	Booking booking.Booking `json:"-"`
}

// Load reads the story and moves it to the week after the one that now is in.
func Load(files fs.FS, now time.Time) (Story, error) {
	var s Story
	if err := read(files, "tenants.json", &s); err != nil {
		return s, err
	}
	if err := read(files, "expected.json", &s); err != nil {
		return s, err
	}
	for i := range s.Tenants {
		t := &s.Tenants[i]
		var err error
		if t.Settings, err = fs.ReadFile(files, "organizations/"+t.Organization+".json"); err != nil {
			return s, err
		}
	}
	weeks, err := shift(now)
	if err != nil {
		return s, err
	}
	for i := range s.Steps {
		step := &s.Steps[i]
		text, err := fs.ReadFile(files, "bookings/"+step.File)
		if err != nil {
			return s, err
		}
		if step.Event, err = moved(text, weeks); err != nil {
			return s, fmt.Errorf("%s: %w", step.File, err)
		}
		message, err := booking.Decode(step.Event)
		var invalid *booking.Invalid
		if err != nil && (step.Answer == 202 || !errors.As(err, &invalid)) {
			return s, fmt.Errorf("%s: %w", step.File, err)
		}
		step.Booking = message.Booking
	}
	return s, nil
}

func read(files fs.FS, name string, into any) error {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// shift is by how many days the story's Monday lies before the Monday that
// follows now: a number of whole weeks, so that days of the week stay.
func shift(now time.Time) (days int, err error) {
	monday, err := time.Parse(time.DateOnly, examples.Monday)
	if err != nil {
		return 0, err
	}
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	next := today.AddDate(0, 0, 7-(int(today.Weekday())+6)%7)
	return int(next.Sub(monday) / (24 * time.Hour)), nil
}

var dates = regexp.MustCompile(`("dateTime": ")(\d{4}-\d{2}-\d{2})`)

// moved is an event with the dates of its start and end moved; the rest stays as
// it stands in the file.
func moved(event []byte, days int) ([]byte, error) {
	var bad error
	out := dates.ReplaceAllFunc(event, func(match []byte) []byte {
		parts := dates.FindSubmatch(match)
		date, err := time.Parse(time.DateOnly, string(parts[2]))
		if err != nil {
			bad = err
			return match
		}
		return append(append([]byte{}, parts[1]...), date.AddDate(0, 0, days).Format(time.DateOnly)...)
	})
	return out, bad
}

// expected is what the topic must say of a step, by user.
func (s Step) expected() map[string]string {
	out := map[string]string{}
	for _, t := range s.Booking.Targets() {
		out[t.ID] = s.Results["*"]
	}
	for user, result := range s.Results {
		if user != "*" {
			out[user] = result
		}
	}
	return out
}
