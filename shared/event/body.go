package event

import (
	"fmt"
	"html"
	"strings"
	"unicode"

	"github.com/calbridge/calbridge/shared/booking"
)

// maxNames is how many participants are listed. Of a larger group only the
// organiser and the responsible person are named: otherwise each enrolment in a
// course of hundreds would rewrite hundreds of calendars.
const maxNames = 30

// body is our part of an event's body: the markers, and between them the text,
// the link, the place and the people, all as escaped text.
func body(b booking.Booking, e Event, o Options) string {
	w := wordsOf(o.Locale)
	var out strings.Builder
	out.WriteString(head)
	if text := paragraph(b.Description.Text); text != "" {
		out.WriteString("<div>" + text + "</div>")
	}
	if b.URL != "" {
		link := html.EscapeString(strings.TrimSpace(unmark(b.URL)))
		fmt.Fprintf(&out, `<div><a href="%s">%s</a></div>`, link, link)
	}
	var rows [][2]string
	row := func(label, text string) {
		if text != "" {
			rows = append(rows, [2]string{label, text})
		}
	}
	row(w.when, span(e))
	row(w.where, place(b.Location))
	organizers, others := names(b)
	row(w.organizer, strings.Join(organizers, ", "))
	row(w.responsible, responsible(b))
	if len(others) <= maxNames {
		row(w.participants, strings.Join(others, ", "))
	}
	row(w.product, o.Product)
	for _, r := range rows {
		fmt.Fprintf(&out, "<div>%s: %s</div>", r[0], paragraph(line(r[1], maxRow)))
	}
	out.WriteString(tail)
	return out.String()
}

// maxRow bounds a row of the body, in UTF-16 units.
const maxRow = 8000

// span tells both clocks of a booking that crosses zones, since Outlook shows one.
func span(e Event) string {
	if e.AllDay || e.Start.Zone == e.End.Zone {
		return ""
	}
	return fmt.Sprintf("%s %s – %s %s", clock(e.Start), city(e.Start.Zone), clock(e.End), city(e.End.Zone))
}

func clock(t Time) string {
	if len(t.DateTime) != len("2006-01-02T15:04:05") {
		return t.DateTime
	}
	return t.DateTime[:10] + " " + t.DateTime[11:16]
}

// city is the readable end of a zone's name.
func city(zone string) string {
	return strings.ReplaceAll(zone[strings.LastIndexByte(zone, '/')+1:], "_", " ")
}

func place(l booking.Location) string {
	parts := []string{}
	for _, p := range []string{l.Name, l.Address} {
		if p = strings.TrimSpace(p); p != "" && (len(parts) == 0 || parts[0] != p) {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}

// names lists those who take part, each once; who has not chosen yet is left out (L4).
func names(b booking.Booking) (organizers, others []string) {
	for _, t := range b.Targets() {
		name := nameOf(t.Person)
		switch {
		case name == "" || !t.Person.Participates():
		case t.Person.Role == booking.Organizer:
			organizers = append(organizers, name)
		default:
			others = append(others, name)
		}
	}
	return organizers, others
}

// nameOf prefers a name, since an address shown to everybody is more than they need.
func nameOf(p booking.Person) string {
	if name := strings.TrimSpace(p.Name); name != "" {
		return name
	}
	return strings.TrimSpace(p.Email)
}

// responsible is the name of the responsible person, where the booking has it and
// it is not the organiser's.
func responsible(b booking.Booking) string {
	for _, t := range b.Targets() {
		if t.Person.User == b.Responsible.User && t.Person.Role != booking.Organizer {
			return nameOf(t.Person)
		}
	}
	return ""
}

// paragraph makes HTML of plain text: escaped, lines broken as they are, control
// characters gone.
func paragraph(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\u2028', r == '\u2029':
			return '\n'
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, text)
	text = html.EscapeString(unmark(strings.TrimSpace(text)))
	return strings.ReplaceAll(text, "\n", "<br>")
}
