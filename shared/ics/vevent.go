package ics

import (
	"fmt"
	"strconv"
	"strings"

	ical "github.com/arran4/golang-ical"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
)

// file is one that is being made.
type file struct {
	in    Input
	text  string             // DESCRIPTION
	zones map[string]*needed // by IANA name
}

// occurrence is what a VEVENT says of its own; the rest is the file's.
type occurrence struct {
	start, end moment
	timed      bool   // start and end are there
	title      string // as it is shown
	text       string // "" for none
}

// events are the VEVENTs: one, and one for each changed occurrence of a series.
func (f *file) events() ([]*ical.VEvent, error) {
	o := occurrence{timed: f.in.scheduled(), title: f.in.Event.Subject, text: f.text}
	if f.in.Method == Cancel {
		o.title = event.Cancelled(o.title, f.in.Options.Locale)
	}
	if o.timed {
		var err error
		if o.start, err = newMoment(f.in.Event.Start, f.in.Event.AllDay); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
		if o.end, err = newMoment(f.in.Event.End, f.in.Event.AllDay); err != nil {
			return nil, fmt.Errorf("end: %w", err)
		}
	}
	// A cancellation without a rule is of the whole series (RFC 5546 3.2.5).
	if f.in.Booking.Recurrence == nil || f.in.Method == Cancel {
		return []*ical.VEvent{f.event(o, nil)}, nil
	}
	return f.series(o)
}

// event is one VEVENT; more adds what a series needs, after the times.
func (f *file) event(o occurrence, more func(*ical.ComponentBase)) *ical.VEvent {
	e := ical.NewEvent(line(f.in.UID))
	c := &e.ComponentBase
	set := func(p ical.Property, value string) {
		if value != "" {
			c.AddProperty(ical.ComponentProperty(p), value)
		}
	}
	set(ical.PropertyDtstamp, f.in.Stamp.UTC().Format(utcForm))
	set(ical.PropertySequence, strconv.FormatInt(Sequence(f.in.Booking.Revision), 10))
	if o.timed {
		f.add(c, ical.PropertyDtstart, o.start)
		if o.end.instant().After(o.start.instant()) { // an end must be later (RFC 5545 3.8.2.2)
			f.add(c, ical.PropertyDtend, o.end)
		}
	}
	if more != nil {
		more(c)
	}
	set(ical.PropertySummary, line(o.title))
	set(ical.PropertyDescription, lines(o.text))
	set(ical.PropertyLocation, place(f.in.Event.Location))
	set(ical.PropertyUrl, uri(f.in.Booking.URL))
	for _, name := range f.in.Event.Categories {
		set(ical.PropertyCategories, line(name))
	}
	set(ical.PropertyStatus, f.status())
	set(ical.PropertyClass, class(f.in.Event.Sensitivity))
	f.setBusy(set)
	f.addPeople(c)
	f.addAlarm(e, line(o.title))
	return e
}

func (f *file) status() string {
	switch {
	case f.in.Method == Cancel:
		return "CANCELLED"
	case f.in.Booking.Status == booking.Tentative:
		return "TENTATIVE"
	}
	return "CONFIRMED"
}

func class(sensitivity string) string {
	switch sensitivity {
	case "personal":
		return "X-PERSONAL"
	case "private":
		return "PRIVATE"
	case "confidential":
		return "CONFIDENTIAL"
	}
	return "PUBLIC"
}

// setBusy tells whether the time is taken; that of a cancelled event is not.
func (f *file) setBusy(set func(ical.Property, string)) {
	shows := f.in.Event.ShowAs
	if f.in.Method == Cancel {
		shows = "free"
	}
	transparency, busy := "OPAQUE", "BUSY"
	switch shows {
	case "free":
		transparency, busy = "TRANSPARENT", "FREE"
	case "tentative":
		busy = "TENTATIVE"
	case "oof":
		busy = "OOF"
	case "workingElsewhere":
		transparency, busy = "TRANSPARENT", "WORKINGELSEWHERE"
	}
	set(ical.PropertyTransp, transparency)
	set("X-MICROSOFT-CDO-BUSYSTATUS", busy)
	if f.in.Event.AllDay {
		set("X-MICROSOFT-CDO-ALLDAYEVENT", "TRUE")
	}
}

// place is name and address in one line; the projection gives the address as
// the name where there is none.
func place(l event.Location) string {
	name, address := line(l.Name), line(l.Address)
	if name == "" || address == "" || name == address {
		return max(name, address)
	}
	return name + ", " + address
}

func (f *file) addPeople(c *ical.ComponentBase) {
	if f.in.Organizer.Address != "" {
		named(c, ical.PropertyOrganizer, f.in.Organizer, "")
	}
	for _, a := range f.in.Attendees {
		if strings.TrimSpace(a.Address) == "" {
			continue
		}
		kind, role := "INDIVIDUAL", "REQ-PARTICIPANT"
		switch {
		case a.Room:
			kind, role = "ROOM", "NON-PARTICIPANT"
		case a.Optional:
			role = "OPT-PARTICIPANT"
		}
		parameters := ";CUTYPE=" + kind + ";ROLE=" + role
		if f.in.Method == Request {
			parameters += ";PARTSTAT=NEEDS-ACTION;RSVP=TRUE"
		}
		named(c, ical.PropertyAttendee, a.Party, parameters)
	}
}

// addAlarm adds the reminder, which shows the title (RFC 5545 3.6.6).
func (f *file) addAlarm(e *ical.VEvent, title string) {
	minutes := f.in.Event.ReminderMinutes
	if minutes < 0 || f.in.Method == Cancel {
		return
	}
	a := e.AddAlarm()
	a.SetAction(ical.ActionDisplay)
	a.SetTrigger("-PT" + strconv.Itoa(minutes) + "M")
	a.AddProperty(ical.ComponentPropertyDescription, title)
}
