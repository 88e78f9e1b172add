// Package booking is the booking message: its model, its published JSON Schema,
// its validation, and the rule by which a revision replaces another.
//
// # What is accepted
//
// [Decode] takes one CloudEvents 1.0 event in JSON (structured mode) of type
// [Type], checks it against docs/schemas/booking.v1.json and then for meaning,
// and reports all faults at once. Fields that nobody knows are kept, not refused
// (design.md, Messages); fields that are known have the type the schema says,
// null included: what is not there is left out. The limits are those of design.md.
//
//   - Ids of bookings, people and rooms are free text of at most 256 characters:
//     slashes, quotes and any script are fine, control characters are not, because
//     ids appear in log lines and query strings. They are compared exactly.
//   - The subject of the event is never split: with an id that holds a slash it
//     could be read in two ways. If it is there it must equal "organization/id".
//   - A revision may be written 3, 3.0 or 3e0: JSON Schema's integer.
//   - Members that appear twice, invalid UTF-8 and more than 32 levels are refused:
//     two readers would see two different bookings. An escape that is half of a
//     surrogate pair is read as U+FFFD.
//   - Categories are at most 25 of 255 characters, addresses of people at most 320
//     characters, URLs 2,048, times lie in the years 1900 to 2199 (guessed; no
//     section of the design names a limit).
//
// # Time zones
//
// A time without a zone is in the organisation's, which Decode does not know:
// [Booking.Resolve] fills it in and checks what depends on it. Windows names are
// replaced by IANA names (package zone).
//
// The package is pure: no clock, no network, no settings.
package booking

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/calbridge/calbridge/shared/key"
)

// Type is the CloudEvents type of a booking.
const Type = "calbridge.booking.v1"

// Limits of design.md that code outside the schema needs.
const (
	MaxEvent       = 192 * 1024 // bytes of the whole event
	MaxDescription = 32 * 1024  // bytes of UTF-8
	MaxPeople      = 1000
	MaxRooms       = 50
	MaxID          = 256 // characters
)

// Values of Status.
const (
	Tentative = "tentative"
	Confirmed = "confirmed"
	Cancelled = "cancelled"
)

// Values of Person.Role.
const (
	Organizer = "organizer"
	Required  = "required"
	Optional  = "optional"
)

// Booking is one revision of a booking. Its JSON form is the member data of the event.
type Booking struct {
	Organization string `json:"organization"`
	ID           string `json:"id"`
	Revision     int64  `json:"revision"` // 1 to 2^53-1, only grows
	Status       string `json:"status"`   // Tentative, Confirmed or Cancelled
	Title        string `json:"title"`    // at most 255 characters, may hold anything
	// Description is plain text.
	Description Description `json:"description,omitzero"`
	URL         string      `json:"url,omitempty"` // http or https
	Location    Location    `json:"location,omitzero"`
	// Start and End are nil together: not yet scheduled. End is exclusive.
	Start  *Time `json:"start,omitempty"`
	End    *Time `json:"end,omitempty"`
	AllDay bool  `json:"allDay,omitempty"`
	// Recurrence is nil for a single booking.
	Recurrence *Recurrence `json:"recurrence,omitempty"`
	People     []Person    `json:"people,omitempty"`
	Rooms      []string    `json:"rooms,omitempty"`
	// Responsible is who answers for the booking; may be nobody.
	Responsible Responsible `json:"responsible,omitzero"`
	// ReminderMinutes before the start, 0 to 40,320; nil means the organisation's.
	ReminderMinutes *int `json:"reminderMinutes,omitempty"`
	// ShowAs is free, tentative, busy, oof or workingElsewhere; "" lets the projection choose.
	ShowAs string `json:"showAs,omitempty"`
	// Sensitivity is normal, personal, private or confidential; "" means normal.
	Sensitivity string   `json:"sensitivity,omitempty"`
	Categories  []string `json:"categories,omitempty"`
	// Extensions are the product's own; numbers are json.Number.
	Extensions map[string]any `json:"extensions,omitempty"`
}

// Description is what a booking says about itself.
type Description struct {
	Text string `json:"text,omitempty"` // at most 32 KiB, lines end in LF or CRLF
}

// Location is where a booking takes place; both parts may be empty.
type Location struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"`
}

// Responsible names a user, who need not be on the booking.
type Responsible struct {
	User string `json:"user,omitempty"`
}

// Time is a wall clock reading.
type Time struct {
	DateTime string `json:"dateTime"`           // 2006-01-02T15:04:05
	TimeZone string `json:"timeZone,omitempty"` // IANA name; "" is the organisation's
}

// Recurrence makes a booking a series (RFC 5545).
type Recurrence struct {
	RRule     string     `json:"rrule"`
	ExDates   []string   `json:"exdates,omitempty"`   // 2006-01-02, in the zone of Start
	Overrides []Override `json:"overrides,omitempty"` // at most 500
}

// Override changes one occurrence; what it leaves out stays as in the series.
type Override struct {
	Occurrence string `json:"occurrence"` // the date it had, 2006-01-02
	Start      *Time  `json:"start,omitempty"`
	End        *Time  `json:"end,omitempty"`
	Title      string `json:"title,omitempty"`
	Cancelled  bool   `json:"cancelled,omitempty"`
}

// Person is somebody on a booking.
type Person struct {
	User  string `json:"user"`
	Email string `json:"email,omitempty"`
	// Account is the Microsoft 365 user name or object id where it is not Email.
	Account string `json:"account,omitempty"`
	Name    string `json:"name,omitempty"`
	Locale  string `json:"locale,omitempty"`
	Role    string `json:"role,omitempty"` // never empty after Decode: Required by default
	// Assigned is false for somebody who has not chosen this session (L4); true by default.
	Assigned bool `json:"assigned"`
}

// Mailbox is the name under which Microsoft 365 should know the person, trimmed;
// "" when there is none (mailbox-not-found).
func (p Person) Mailbox() string {
	return strings.TrimSpace(cmp.Or(strings.TrimSpace(p.Account), p.Email))
}

// Participates reports whether the booking belongs in the person's calendar: its
// organiser, or somebody it is assigned to (L4).
func (p Person) Participates() bool { return p.Assigned || p.Role == Organizer }

// Normal is the form in which two addresses are compared: Exchange does not tell
// upper from lower case.
func Normal(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// Target is one whose calendar a booking concerns.
type Target struct {
	Kind   string // key.User or key.Room
	ID     string
	Person Person // of a user
}

// Targets lists each user and each room once, in the order of the message. Of
// several entries for one user the organizer wins, else the first (wire.md).
func (b Booking) Targets() []Target {
	targets := make([]Target, 0, len(b.People)+len(b.Rooms))
	at := make(map[string]int, len(b.People))
	for _, p := range b.People {
		i, seen := at[p.User]
		switch {
		case !seen:
			at[p.User] = len(targets)
			targets = append(targets, Target{Kind: key.User, ID: p.User, Person: p})
		case p.Role == Organizer && targets[i].Person.Role != Organizer:
			targets[i].Person = p
		}
	}
	rooms := make(map[string]bool, len(b.Rooms))
	for _, r := range b.Rooms {
		if !rooms[r] {
			rooms[r] = true
			targets = append(targets, Target{Kind: key.Room, ID: r})
		}
	}
	return targets
}

// Order says how a revision stands to the stored one.
type Order int

// The orders. Only a newer revision changes anything.
const (
	Older Order = -1
	Same  Order = 0
	Newer Order = +1
)

// Compare tells whether an incoming revision is newer than the stored one; 0 is
// the stored revision of a booking never seen.
func Compare(incoming, stored int64) Order { return Order(cmp.Compare(incoming, stored)) }

// Message is a valid event.
type Message struct {
	Booking Booking
	// Data is the member data as it was sent, unknown fields included; Load reads
	// it again.
	Data json.RawMessage
	// Event is the whole event as it was sent.
	Event json.RawMessage
}
