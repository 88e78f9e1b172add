package outbound

import (
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/zone"
)

// What became of an event that we wrote.
const (
	ChangeMoved    = "moved"    // its times, perhaps more
	ChangeEdited   = "edited"   // anything but its times
	ChangeAnswered = "answered" // its owner answered it, and no more
	ChangeDeleted  = "deleted"
)

// BookingChanged tells that people changed, in Outlook, an event that we wrote.
type BookingChanged struct {
	// EventID is that of the event: a re-send of the same change has the same one.
	EventID  string
	Booking  string // its id
	Kind     string // key.User or key.Room
	Target   string
	Revision int64 // the one that was in the calendar
	Change   string
	// Fields are what changed, by the booking's names; nil for a deletion.
	Fields map[string]Field
	// Rule is what the organisation's settings make of it: report, product or outlook;
	// of a deletion never, time or always.
	Rule string
}

// Field is a part of an event that people changed. A value is left out where it is not
// known, or not to be told.
type Field struct {
	Old any `json:"old,omitempty"` // as we wrote it
	New any `json:"new,omitempty"` // as it is now
}

// Clock is a time as bookings have it: a wall clock with its zone.
type Clock struct {
	DateTime string `json:"dateTime"`
	TimeZone string `json:"timeZone"`
}

// ClockIn is an instant as it is read in a zone; in UTC where nobody knows the zone.
func ClockIn(t time.Time, name string) Clock {
	if _, loc, ok := zone.Load(name); ok {
		return Clock{t.In(loc).Format(zone.Layout), name}
	}
	return Clock{t.UTC().Format(zone.Layout), "UTC"}
}

// Event is calbridge.booking.changed.v1.
func (c BookingChanged) Event(o Origin) Event {
	data := struct {
		Booking  string           `json:"booking"`
		User     string           `json:"user,omitempty"`
		Room     string           `json:"room,omitempty"`
		Revision int64            `json:"revision"`
		Change   string           `json:"change"`
		Fields   map[string]Field `json:"fields,omitempty"`
		Rule     string           `json:"rule,omitempty"`
	}{Booking: c.Booking, Revision: c.Revision, Change: c.Change, Fields: c.Fields, Rule: c.Rule}
	if c.Kind == key.Room {
		data.Room = c.Target
	} else {
		data.User = c.Target
	}
	return o.event(c.EventID, TypeBookingChanged, c.Booking, key.Lane(o.Organization, c.Kind, c.Target), data)
}
