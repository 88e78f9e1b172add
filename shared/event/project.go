package event

import (
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/zone"
)

// Options are what an organisation adds to a booking. All hold effective values:
// the profile's defaults are already in them.
type Options struct {
	TimeZone        string // for times without one; "" means UTC
	ReminderMinutes int    // for bookings without one (L6)
	Profile         string // travel, training, planning or rooms
	Product         string // name of the booking product, shown in the body; may be empty
	Locale          string // language of our words in the body, e.g. "fi" or "nb-NO"; English where unknown
}

// Limits of what Exchange stores, in UTF-16 units. Longer text is cut with an
// ellipsis rather than refused, since a shortened title is better than no event.
const (
	maxSubject  = 255
	maxLocation = 255
	maxCategory = 255
)

// Project is what a calendar should hold for a booking. It is the same for every
// target: people are named in the text, never as attendees, because writing
// attendees sends mail (A3).
//
// A booking that is not scheduled has no When, and must not be written.
func Project(b booking.Booking, o Options) Event {
	// A fault can only come from a zone that the organisation changed after intake
	// accepted the booking; the times are filled in all the same.
	b, _ = b.Resolve(o.TimeZone)
	e := Event{
		Subject:         line(b.Title, maxSubject),
		AllDay:          b.AllDay,
		Location:        location(b.Location),
		ShowAs:          showAs(b, o.Profile),
		Sensitivity:     b.Sensitivity,
		Categories:      categories(b.Categories),
		ReminderMinutes: o.ReminderMinutes,
	}
	if e.Sensitivity == "" {
		e.Sensitivity = "normal"
	}
	if b.ReminderMinutes != nil {
		e.ReminderMinutes = *b.ReminderMinutes
	}
	if b.Scheduled() {
		e.Start, e.End = wall(*b.Start, b.AllDay), wall(*b.End, b.AllDay)
		if e.Start.Zone == e.End.Zone && e.End.DateTime < e.Start.DateTime {
			e.End = e.Start // the start was skipped, and moved past the end
		}
	}
	e.Body = body(b, e, o)
	return e
}

// wall is the reading that is sent. One that a change to summer time skips is
// sent as the one it moves to, as Graph may refuse or move it otherwise; the
// midnights of an all-day booking are dates and stay.
func wall(t booking.Time, allDay bool) Time {
	out := Time{DateTime: t.DateTime, Zone: t.TimeZone}
	if instant, err := t.Instant(); err == nil && !allDay {
		out.DateTime = instant.Format(zone.Layout)
	}
	return out
}

func showAs(b booking.Booking, profile string) string {
	switch {
	case b.ShowAs != "":
		return b.ShowAs
	case profile == "travel" || b.Status == booking.Tentative:
		return "tentative"
	}
	return "busy"
}

func location(l booking.Location) Location {
	out := Location{Name: line(l.Name, maxLocation), Address: line(l.Address, maxLocation)}
	if out.Name == "" {
		out.Name = out.Address // Outlook shows the name only
	}
	return out
}

// categories are free strings that Outlook matches to colours by name, without
// regard to case.
func categories(names []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, name := range names {
		name = line(name, maxCategory)
		if folded := strings.ToLower(name); name != "" && !seen[folded] {
			seen[folded] = true
			out = append(out, name)
		}
	}
	return out
}

// line makes one line of a text: control characters and runs of space become one
// space each, because CR and LF in a subject would end a header in mail that
// Exchange makes of it. What is longer than limit UTF-16 units is cut.
func line(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == ' '
	}), " ")
	units := 0
	for i, r := range text {
		n := utf16.RuneLen(r)
		if units+n > limit {
			return cut(text[:i], limit)
		}
		units += n
	}
	return text
}

// cut makes room for the ellipsis at the end of a text of at most limit units.
func cut(text string, limit int) string {
	runes := []rune(text)
	for len(utf16.Encode(runes))+1 > limit {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimRight(string(runes), " ") + "…"
}
