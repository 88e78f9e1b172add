// Package ics turns the event of a booking into a calendar file (RFC 5545) for
// those whose calendar cannot be written.
//
// It is pure: no clock, no network, and nothing of Graph or of tables.
//
// # Versions of a file
//
// All files of a delivery have one UID, so that a later one updates what an
// earlier one put into a calendar, and one with METHOD:CANCEL removes it (T7).
// [UID] is Outlook's own form, which its import keeps as it is: the event that
// Outlook makes of our file has the same iCalUId, and is found and adopted by it
// (A16). What other programs do with a UID, see graph.WrappedUID.
//
// SEQUENCE follows the revision, see [Sequence]. Where two files have the same
// one, the later DTSTAMP is the later version (RFC 5546 2.1.5).
//
// # What is in a file
//
//   - Times stand in their zones, as the booking names them, with a VTIMEZONE for
//     each; a flight has two. Zones that are UTC give UTC times, and so does a
//     reading in the hour that happens twice in autumn, of which readers take the
//     other. All-day bookings are dates with an exclusive end, and so fall on the
//     same days everywhere.
//   - STATUS is the booking's; TRANSP and X-MICROSOFT-CDO-BUSYSTATUS are what the
//     event shows (MS-OXCICAL 2.1.3.1.1.20.25, .31). WORKINGELSEWHERE is guessed:
//     the table there has no name for it.
//   - CLASS of a personal event is X-PERSONAL (MS-OXCICAL 2.1.3.1.1.20.4), which
//     others treat as PRIVATE (RFC 5545 3.8.1.3).
//   - A cancelled event is free, has no alarm, and says in its title what became
//     of it, for calendars that keep it.
//   - DESCRIPTION is [event.Text]. There is no X-ALT-DESC: it would double the
//     size of a file that is carried in a message.
//   - Nobody is named as ORGANIZER or ATTENDEE unless the organisation asked for
//     invitations. RFC 5546 3.2.1 and 3.2.5 want an organiser also for PUBLISH and
//     CANCEL; programs do not, and Outlook would make a meeting of somebody
//     else's out of it, to be answered by mail (I5).
//   - No X-WR-CALNAME, of which Outlook makes a calendar of its own.
//
// # Series
//
// The rule of a series goes through as it is, once it was found to be one, with
// its end in the form that RFC 5545 3.3.10 wants. Excluded and cancelled
// occurrences are EXDATEs, changed ones VEVENTs with a RECURRENCE-ID.
//
// # Text
//
// Control characters are taken away and lines end in \n, so that no text can
// begin a line of the file. Lines of the file end in CRLF and are folded at 75
// octets, between characters (RFC 5545 3.1).
package ics

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	ical "github.com/arran4/golang-ical"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
)

// Method says what a calendar is to do with a file (RFC 5546 1.4).
type Method string

// The methods. Request is for organisations with invitations only.
const (
	Publish Method = "PUBLISH"
	Request Method = "REQUEST"
	Cancel  Method = "CANCEL"
)

// Errors of File.
var (
	// ErrUnscheduled: a booking without a time has no file; only Cancel needs none.
	ErrUnscheduled = errors.New("ics: no start and end")
	// ErrTime: start or end is no reading of a zone that is known.
	ErrTime = errors.New("ics: no time of a known zone")
	// ErrRecurrence: the rule of the series is none of RFC 5545.
	ErrRecurrence = errors.New("ics: no recurrence rule")
	// ErrMethod: the method is unknown, or a Request lacks organizer or attendees.
	ErrMethod = errors.New("ics: method without what it needs")
)

// Input is what a file is made of.
type Input struct {
	Method Method
	// UID is UID(delivery), or the iCalUId of the event that is there.
	UID string
	// Stamp is when this version was made; of later versions it must not be earlier.
	Stamp time.Time
	// Booking is the revision that the file is about.
	Booking booking.Booking
	// Event is its projection, also for Cancel.
	Event event.Event
	// Options are those of the projection, with the reader's locale.
	Options event.Options
	// Organizer and Attendees are empty unless invitations are on.
	Organizer Party
	Attendees []Attendee
}

// Party is somebody with a mail address.
type Party struct{ Name, Address string }

// Attendee is who is invited.
type Attendee struct {
	Party
	Optional bool
	Room     bool
}

// productID names the program, for those who look for the cause of a fault.
const productID = "-//Calbridge//Calbridge//EN"

// ContentType is that of a file (RFC 5545 8.1).
func ContentType(m Method) string { return "text/calendar; charset=utf-8; method=" + string(m) }

// File is a calendar file. It depends on nothing but in: the same input gives the
// same bytes. The errors are those listed above, with detail but without text of
// the booking.
func File(in Input) ([]byte, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	f := file{in: in, text: event.Text(in.Booking, in.Event, in.Options), zones: map[string]*needed{}}
	events, err := f.events()
	if err != nil {
		return nil, err
	}
	c := ical.Calendar{}
	c.SetVersion("2.0")
	c.SetProductId(productID)
	c.SetCalscale("GREGORIAN")
	c.SetMethod(ical.Method(in.Method))
	for _, z := range f.timezones() {
		c.AddVTimezone(z)
	}
	for _, e := range events {
		c.AddVEvent(e)
	}
	var out bytes.Buffer
	// The library would end lines as the system does that it runs on.
	if err := c.SerializeTo(&out, ical.WithNewLine("\r\n"), ical.WithLineLength(75)); err != nil {
		return nil, fmt.Errorf("ics.File: %w", err)
	}
	return out.Bytes(), nil
}

func (in Input) check() error {
	switch in.Method {
	case Publish, Cancel:
	case Request: // RFC 5546 3.2.2
		if in.Organizer.Address == "" || len(in.Attendees) == 0 {
			return fmt.Errorf("%w: a request needs an organizer and attendees", ErrMethod)
		}
	default:
		return fmt.Errorf("%w: unknown", ErrMethod)
	}
	if !in.scheduled() && in.Method != Cancel {
		return ErrUnscheduled
	}
	return nil
}

// scheduled reports whether there is a time. A file that cancels may have none:
// DTSTART is not required beside METHOD (RFC 5545 3.6.1).
func (in Input) scheduled() bool { return in.Event.Start.DateTime != "" && in.Event.End.DateTime != "" }
