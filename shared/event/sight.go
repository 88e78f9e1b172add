package event

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/calbridge/calbridge/shared/zone"
)

// Sight is an event as it can be seen in a calendar, without what is the owner's own
// affair (A4: reminder and categories; text around ours) and without what Exchange
// rewrites: HTML, blanks, zones' names.
type Sight struct {
	Subject, Place, ShowAs, Sensitivity string
	// Start and End are instants; of an all-day event midnights of its dates, written
	// as UTC.
	Start, End time.Time
	AllDay     bool
	// Text is our part of the body; see Ours, and NoText where it is not there. Unread
	// says that the body was not told.
	Text   string
	Unread bool
	// Cancelled, Series and Answer are what only people make: a cancelled meeting, an
	// event that repeats, and the owner's answer ("" where none was given).
	Cancelled, Series bool
	Answer            string
}

// NoText is the Text of a body that our part was taken out of.
const NoText = "\x00"

// Aspects is a set of what can be told apart of a Sight.
type Aspects uint16

// The aspects.
const (
	SawSubject Aspects = 1 << iota
	SawText
	SawWhen
	SawPlace
	SawShowAs
	SawSensitivity
	SawCancelled
	SawSeries
	SawAnswer

	SawAll = SawSubject | SawText | SawWhen | SawPlace | SawShowAs | SawSensitivity | SawCancelled | SawSeries | SawAnswer
)

// Has reports whether a contains all of b.
func (a Aspects) Has(b Aspects) bool { return a&b == b }

// aspects lists them in the order of a trace.
func aspects() []Aspects {
	return []Aspects{SawSubject, SawText, SawWhen, SawPlace, SawShowAs, SawSensitivity, SawCancelled, SawSeries, SawAnswer}
}

// Aspects are the aspects that writing fields settles; a cancelled meeting stays one.
func (f Fields) Aspects() Aspects {
	var out Aspects
	for field, aspect := range map[Fields]Aspects{Subject: SawSubject, Body: SawText, When: SawWhen, Place: SawPlace,
		ShowAs: SawShowAs, Sensitivity: SawSensitivity} {
		if f.Has(field) {
			out |= aspect
		}
	}
	return out
}

// Fields are the fields by which aspects are written; some cannot be.
func (a Aspects) Fields() Fields {
	var out Fields
	for _, f := range parts() {
		if own := f.Aspects(); own != 0 && a.Has(own) {
			out |= f
		}
	}
	return out
}

// Sight is how e looks in a calendar that holds it.
func (e Event) Sight() Sight {
	text, _ := Ours(e.Body)
	return Sight{Subject: e.Subject, Place: e.Location.Name, ShowAs: e.ShowAs, Sensitivity: e.Sensitivity,
		Start: e.Start.instant(e.AllDay), End: e.End.instant(e.AllDay), AllDay: e.AllDay, Text: text}
}

// instant is when a wall clock shows t; zero where that cannot be told.
func (t Time) instant(allDay bool) time.Time {
	loc := time.UTC
	if !allDay {
		_, known, ok := zone.Load(t.Zone)
		if !ok {
			return time.Time{}
		}
		loc = known
	}
	wall, err := zone.Parse(t.DateTime)
	if err != nil {
		return time.Time{}
	}
	return zone.Instant(wall, loc).UTC()
}

// Ours is the visible text between the markers of a body, without blanks: what stands
// there stays the same whatever Exchange makes of the HTML. ok reports whether the
// markers were found.
func Ours(body string) (text string, ok bool) {
	from, to, ok := between(body)
	if !ok {
		return "", false
	}
	var out strings.Builder
	scan(body[from:to], func(t token) {
		if t.char != 0 {
			out.WriteString(body[from:to][t.from:t.to])
		}
	})
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, html.UnescapeString(out.String())), true
}

// traceVersion begins every trace; another one tells nothing.
const traceVersion = "1"

// traceSize is how much of each aspect's hash is kept, in bytes.
const traceSize = 6

// Trace tells sights apart without holding their text: a version and one hash per
// aspect, 83 characters. What was not told has none.
func (s Sight) Trace() string {
	list := []string{traceVersion}
	for _, a := range aspects() {
		list = append(list, s.sum(a))
	}
	return strings.Join(list, ".")
}

// Differ tells in which aspects two traces differ, of those that both tell.
func Differ(a, b string) Aspects {
	left, right := sums(a), sums(b)
	var out Aspects
	for i, aspect := range aspects() {
		if left[i] != "" && right[i] != "" && left[i] != right[i] {
			out |= aspect
		}
	}
	return out
}

// Overlay is trace with some aspects of another.
func Overlay(trace, other string, which Aspects) string {
	list, over := sums(trace), sums(other)
	for i, aspect := range aspects() {
		if which.Has(aspect) && over[i] != "" {
			list[i] = over[i]
		}
	}
	return traceVersion + "." + strings.Join(list, ".")
}

// Known are the aspects that a trace tells.
func Known(trace string) Aspects {
	list := sums(trace)
	var out Aspects
	for i, aspect := range aspects() {
		if list[i] != "" {
			out |= aspect
		}
	}
	return out
}

// sums are the hashes of a trace, in the order of aspects; empty ones where it tells
// nothing, and of one of another version.
func sums(trace string) []string {
	list := strings.Split(trace, ".")
	if len(list) != len(aspects())+1 || list[0] != traceVersion {
		return make([]string, len(aspects()))
	}
	return list[1:]
}

func (s Sight) sum(a Aspects) string {
	if a == SawText && s.Unread || a == SawWhen && (s.Start.IsZero() || s.End.IsZero()) {
		return ""
	}
	h := sha256.New()
	for _, text := range s.texts(a) {
		feed(h, text)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:traceSize])
}

// texts are the values that make up an aspect.
func (s Sight) texts(a Aspects) []string {
	switch a {
	case SawSubject:
		return []string{blanks(s.Subject)}
	case SawText:
		return []string{s.Text}
	case SawWhen:
		return []string{second(s.Start), second(s.End), strconv.FormatBool(s.AllDay)}
	case SawPlace:
		return []string{blanks(s.Place)}
	case SawShowAs:
		return []string{strings.ToLower(s.ShowAs)}
	case SawSensitivity:
		return []string{strings.ToLower(s.Sensitivity)}
	case SawCancelled:
		return []string{strconv.FormatBool(s.Cancelled)}
	case SawSeries:
		return []string{strconv.FormatBool(s.Series)}
	case SawAnswer:
		return []string{s.Answer}
	}
	return nil
}

// second is an instant as calendars keep it.
func second(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// blanks makes runs of blanks one, and takes away those at the ends.
func blanks(text string) string { return strings.Join(strings.Fields(text), " ") }
