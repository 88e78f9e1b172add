// Package event is the calendar event as Calbridge wants it to be: the
// projection of a booking for one target, and what of it changed.
//
// It is pure: no clock, no network, nothing of Graph's JSON.
//
// # Our text in the body
//
// What we write into a body stands between two short lines of small grey text,
// [calbridge] and [/calbridge]. Text is what survives: Exchange rewrites HTML
// (graph/contract.md 2.2), Outlook for Windows keeps bodies as RTF, and comments,
// ids, classes and unknown attributes do not come back. The markers are ASCII
// without spaces, so that they are neither encoded nor wrapped. That they survive
// every client is guessed; [Merge] therefore has a rule for their absence, and
// finds them also where inline tags were put into them or brackets encoded.
//
// # All-day events
//
// Start and end are the midnights of the booking's zone, so the days are those
// that the booking names, whatever the mailbox's zone (graph/contract.md 2.3).
package event

// Event is the whole of what Calbridge writes into a calendar.
type Event struct {
	Subject string
	// Body is our part of the body as HTML, markers included.
	Body  string
	Start Time
	End   Time // exclusive
	// AllDay events start and end at midnight in one zone.
	AllDay   bool
	Location Location
	// ShowAs is one of free, tentative, busy, oof, workingElsewhere.
	ShowAs string
	// Sensitivity is one of normal, personal, private, confidential.
	Sensitivity string
	Categories  []string
	// ReminderMinutes before the start; negative means no reminder.
	ReminderMinutes int
}

// Time is a wall clock reading in a zone, as Graph's dateTimeTimeZone has it.
type Time struct {
	DateTime string // 2006-01-02T15:04:05, no offset
	Zone     string // IANA name
}

// Location is where a booking takes place; both parts may be empty.
type Location struct{ Name, Address string }

// Fields is a set of an event's parts; an update sends only those that changed.
type Fields uint16

// The parts that are compared and sent on their own. When holds start, end and
// all-day, which Graph validates together.
const (
	Subject Fields = 1 << iota
	Body
	When
	Place
	ShowAs
	Sensitivity
	Categories
	Reminder

	All = Subject | Body | When | Place | ShowAs | Sensitivity | Categories | Reminder
)

// Has reports whether f contains all of g.
func (f Fields) Has(g Fields) bool { return f&g == g }
