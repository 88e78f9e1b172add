package event

import (
	"fmt"
	"html"
	"strings"
	"unicode"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/key"
)

// maxNames is how many people are listed. Of a larger group only the organiser
// and the responsible person are named: otherwise each enrolment in a course of
// hundreds would rewrite hundreds of calendars. One person alone knows it anyway.
const maxNames = 30

// body is our part of an event's body: the markers, and between them the text,
// the link, the place and the people, all as escaped text.
func body(b booking.Booking, e Event, o Options) string {
	var out strings.Builder
	out.WriteString(head)
	if text := paragraph(b.Description.Text); text != "" {
		out.WriteString("<div>" + text + "</div>")
	}
	if b.URL != "" {
		link := html.EscapeString(strings.TrimSpace(unmark(b.URL)))
		fmt.Fprintf(&out, `<div><a href="%s">%s</a></div>`, link, link)
	}
	for _, r := range rows(b, e, o) {
		fmt.Fprintf(&out, "<div>%s: %s</div>", r[0], paragraph(line(r[1], maxRow)))
	}
	out.WriteString(tail)
	return out.String()
}

// rows are the labels and texts below a booking's description.
func rows(b booking.Booking, e Event, o Options) [][2]string {
	w := wordsOf(o.Locale)
	var rows [][2]string
	row := func(label, text string) {
		if text != "" {
			rows = append(rows, [2]string{label, text})
		}
	}
	row(w.when, span(e))
	row(w.where, place(b.Location))
	targets := b.Targets()
	row(w.organizer, strings.Join(names(targets, true), ", "))
	row(w.responsible, responsible(targets, b.Responsible.User))
	if n := len(b.People); n > 1 && n <= maxNames {
		row(w.participants, strings.Join(names(targets, false), ", "))
	}
	row(w.product, o.Product)
	return rows
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

// names lists the organisers, or the others who take part; who has not chosen
// yet is left out (L4).
func names(targets []booking.Target, organizers bool) []string {
	var list []string
	for _, t := range targets {
		if (t.Person.Role == booking.Organizer) != organizers || !t.Person.Participates() {
			continue
		}
		if name := nameOf(t.Person); name != "" {
			list = append(list, name)
		}
	}
	return list
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
func responsible(targets []booking.Target, user string) string {
	for _, t := range targets {
		if t.Kind == key.User && t.ID == user && t.Person.Role != booking.Organizer {
			return nameOf(t.Person)
		}
	}
	return ""
}

// paragraph makes HTML of plain text: escaped, lines broken as they are, control
// characters gone.
func paragraph(text string) string {
	return strings.ReplaceAll(html.EscapeString(lines(text)), "\n", "<br>")
}

// lines keeps the lines of a text, ended by LF, and takes away control characters
// and what looks like a marker.
func lines(text string) string {
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
	return unmark(strings.TrimSpace(text))
}
