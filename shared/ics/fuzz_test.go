package ics_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	ical "github.com/arran4/golang-ical"
	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/zone"
)

// fataler is *testing.T or *rapid.T.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// lawful holds a file against RFC 5545 3.1, and reads it.
func lawful(t fataler, file string) *ical.Calendar {
	t.Helper()
	body, ended := strings.CutSuffix(file, "\r\n")
	if !ended {
		t.Fatalf("the last line has no end")
	}
	for line := range strings.SplitSeq(body, "\r\n") {
		if len(line) > 75 || len(line) == 0 || strings.ContainsAny(line, "\r\n\x00") || !utf8.ValidString(line) {
			t.Fatalf("a line of %d octets: %q", len(line), line)
		}
	}
	c, err := ical.ParseCalendar(strings.NewReader(file))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

func FuzzTextComesBack(f *testing.F) {
	f.Add("AY1331", "Seat 12A\nHand luggage", "HEL", "Airport", "Travel", "https://x.example/?a=b")
	f.Add("a;b,c\\d\\n\"'", "\r\nEND:VEVENT\r\n", "🧖‍♀️", "\u2028\u0085\x00", "x,y", "https://x.example/\r\nX:y")
	f.Add(strings.Repeat("日本", 128), strings.Repeat(" ", 200), "\xff", "<a> <b>", ";", "")
	f.Fuzz(func(t *testing.T, title, description, place, address, category, url string) {
		b := booking.Booking{Organization: "acme", ID: "x", Revision: 1, Status: booking.Confirmed, Title: title, URL: url,
			Description: booking.Description{Text: description}, Location: booking.Location{Name: place, Address: address}, Categories: []string{category},
			Start: &booking.Time{DateTime: "2026-12-01T10:00:00", TimeZone: "UTC"}, End: &booking.Time{DateTime: "2026-12-01T11:00:00", TimeZone: "UTC"}}
		o := event.Options{Product: title, ReminderMinutes: 15}
		e := event.Project(b, o)
		file, err := ics.File(ics.Input{Method: ics.Publish, UID: "u", Booking: b, Event: e, Options: o, Organizer: ics.Party{Name: title, Address: address}})
		if err != nil {
			t.Fatal(err)
		}
		c := lawful(t, string(file))
		if len(c.Events()) != 1 || len(c.Components) != 1 {
			t.Fatalf("%d components of\n%s", len(c.Components), file)
		}
		got := c.Events()[0]
		text := func(p ical.ComponentProperty) string {
			if found := got.GetProperty(p); found != nil {
				return found.Value
			}
			return ""
		}
		valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
		if want := valid(e.Subject); text(ical.ComponentPropertySummary) != want {
			t.Errorf("title %q, want %q", text(ical.ComponentPropertySummary), want)
		}
		if want := valid(event.Text(b, e, o)); text(ical.ComponentPropertyDescription) != want {
			t.Errorf("description %q, want %q", text(ical.ComponentPropertyDescription), want)
		}
		if len(e.Categories) > 0 && text(ical.ComponentPropertyCategories) != valid(e.Categories[0]) {
			t.Errorf("category %q, want %q", text(ical.ComponentPropertyCategories), e.Categories[0])
		}
		if !strings.Contains(text(ical.ComponentPropertyLocation), valid(e.Location.Name)) || !strings.Contains(text(ical.ComponentPropertyLocation), valid(e.Location.Address)) {
			t.Errorf("location %q of %+v", text(ical.ComponentPropertyLocation), e.Location)
		}
	})
}

func FuzzARuleIsOneOrRefused(f *testing.F) {
	f.Add("FREQ=WEEKLY;BYDAY=MO;COUNT=10", false)
	f.Add("freq=monthly;until=20270501T120000", true)
	f.Add("FREQ=DAILY;UNTIL=20270501T120000Z;BYSETPOS=-1;BYDAY=-1SU", false)
	f.Add("FREQ=YEARLY\r\nX-EVIL:1", false)
	f.Fuzz(func(t *testing.T, rule string, allDay bool) {
		b := booking.Booking{Organization: "acme", ID: "x", Revision: 1, Title: "x", AllDay: allDay, Recurrence: &booking.Recurrence{RRule: rule},
			Start: &booking.Time{DateTime: "2026-12-01T00:00:00", TimeZone: "Europe/Berlin"}, End: &booking.Time{DateTime: "2026-12-02T00:00:00", TimeZone: "Europe/Berlin"}}
		file, err := ics.File(ics.Input{Method: ics.Publish, UID: "u", Booking: b, Event: event.Project(b, event.Options{})})
		if err != nil {
			if !errors.Is(err, ics.ErrRecurrence) {
				t.Fatal(err)
			}
			return
		}
		found := lawful(t, string(file)).Events()[0].GetProperty(ical.ComponentPropertyRrule)
		if found == nil || !strings.HasPrefix(found.Value, "FREQ=") {
			t.Fatalf("%q became %+v", rule, found)
		}
		if _, err := rrule.StrToRRule(found.Value); err != nil {
			t.Fatalf("%q became %q: %v", rule, found.Value, err)
		}
	})
}

// TestAnyTimeIsWrittenAsItself writes events of any zone and length, and finds
// their instants in the file.
func TestAnyTimeIsWrittenAsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := func(label string) event.Time {
			wall := time.Date(1950, 1, 1, 0, rapid.IntRange(0, 250*365*24*60).Draw(t, label), 0, 0, time.UTC)
			name := rapid.SampledFrom(oddZones).Draw(t, label+" zone")
			_, loc, _ := zone.Load(name)
			return event.Time{DateTime: zone.Instant(wall, loc).Format(zone.Layout), Zone: name}
		}
		e := event.Event{Subject: "x", Start: at("start"), ShowAs: rapid.SampledFrom([]string{"free", "busy", ""}).Draw(t, "showAs"),
			ReminderMinutes: rapid.IntRange(-1, 40320).Draw(t, "reminder")}
		e.End = event.Time{DateTime: reading(e.Start).Add(time.Duration(rapid.IntRange(0, 400*24*60).Draw(t, "minutes")) * time.Minute).Format(zone.Layout), Zone: e.Start.Zone}
		file, err := ics.File(ics.Input{Method: ics.Publish, UID: "u", Stamp: time.Unix(0, 0), Event: e})
		if err != nil {
			t.Fatalf("%v", err)
		}
		got := lawful(t, string(file)).Events()[0]
		for property, want := range map[ical.ComponentProperty]event.Time{ical.ComponentPropertyDtStart: e.Start, ical.ComponentPropertyDtEnd: e.End} {
			p := got.GetProperty(property)
			if p == nil {
				// Of an hour that is there twice the end may mean the first, before the start.
				if reading(e.End).After(reading(e.Start)) {
					t.Fatalf("no %s", property)
				}
				continue
			}
			shown, err := time.ParseInLocation("20060102T150405", strings.TrimSuffix(p.Value, "Z"), time.UTC)
			if err != nil {
				t.Fatalf("%v", err)
			}
			if !strings.HasSuffix(p.Value, "Z") {
				if tzid := p.ICalParameters["TZID"]; len(tzid) != 1 || !strings.Contains(string(file), "TZID:"+tzid[0]+"\r\n") {
					t.Fatalf("%v names no zone of the file", tzid)
				}
				shown = zone.Instant(shown, reading(want).Location())
			}
			if !shown.Equal(reading(want)) {
				t.Fatalf("%s is %s, want %+v", property, p.Value, want)
			}
		}
	})
}

// reading is the instant of a time that is known to be one.
func reading(m event.Time) time.Time {
	_, loc, _ := zone.Load(m.Zone)
	wall, err := zone.Parse(m.DateTime)
	if err != nil {
		panic(err)
	}
	return zone.Instant(wall, loc)
}
