// Package appointment holds the model of what comes down: what a person's calendar
// tells the booking app (calbridge.appointment.v1, wire.md), and the rules by which a
// delta page becomes that.
//
// It is pure: no clock, no network, no storage.
//
// # What an appointment is
//
// Something that takes place once: an event of its own, or one day of a series. A
// series itself is told as its days, because a reader who may see busy times only could
// make nothing of a rule; where everything is told, each day carries the rule of its
// series in recurrence, under the series' id. A day is named by its series and its
// original date, never by Graph's id of it, which need not survive a change of the
// series (graph/contract.md sections 10 and 3.6).
//
// # Privacy
//
// [Reduce] leaves of an event what may be known of it (A6), and nothing else of it is
// stored or published: nothing at all; its busy time; its title; all. A private or
// confidential one is never more than a busy time, whatever the organisation allows.
//
// # Decided here, since the specification is silent
//
//   - A cancelled meeting that still stands in its attendee's calendar is told as free:
//     nobody deleted it, and it takes nobody's time.
//   - Times are in UTC; of an all-day event they are its dates at midnight.
//   - Texts are cut at the sizes below, so that an event always fits a message.
package appointment

import (
	"encoding/json"
	"time"
)

// Privacy is how much of a calendar is told.
type Privacy string

// The degrees (A6).
const (
	Nothing Privacy = "nothing"
	Busy    Privacy = "busy"
	Title   Privacy = "title"
	All     Privacy = "all"
)

// Bounds of what is told, in characters; what is longer is cut.
const (
	MaxTitle    = 255
	MaxBody     = 32 << 10
	MaxName     = 255
	MaxPeople   = 500
	MaxCalendar = 512
)

// Appointment is what may be told of one event.
type Appointment struct {
	// ID is the event's immutable id; of a day of a series "OID.<series id>.<date>".
	ID        string
	ChangeKey string // of the version that was read
	// Start and End are in UTC; of an all-day one midnights of its dates. End is exclusive.
	Start, End  time.Time
	AllDay      bool
	ShowAs      string // free, tentative, busy, oof, workingElsewhere or unknown
	Sensitivity string // normal, personal, private or confidential
	Private     bool   // reduced to its busy time because its owner marked it so

	// Title is told with Title and All; nil is not told.
	Title *string
	// Details is told with All; nil is not told.
	Details *Details
}

// Details is what only All tells.
type Details struct {
	Body       string      // HTML or text, as it was read
	BodyType   string      // html or text
	Location   string      // its name; "" for none
	Organizer  Person      // zero for none
	People     []Person    // in the order of the event, at most MaxPeople
	Recurrence *Recurrence // of a day of a series
}

// Person is somebody on an event.
type Person struct {
	Name     string `json:"name,omitempty"`
	Email    string `json:"email,omitempty"`
	Type     string `json:"type,omitempty"`     // required, optional or resource
	Response string `json:"response,omitempty"` // as Graph names it
}

// Recurrence is what a day of a series tells of the series.
type Recurrence struct {
	Series   string `json:"series"`   // the series' id, the same for all of its days
	Original string `json:"original"` // the day that it is, or was moved from: 2006-01-02
	// Pattern and Range are Graph's (graph/contract.md 3.1, 3.2), as they were told.
	Pattern json.RawMessage `json:"pattern,omitempty"`
	Range   json.RawMessage `json:"range,omitempty"`
}
