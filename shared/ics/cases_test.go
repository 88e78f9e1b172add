package ics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/booking/bookingtest"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/key"
)

type data = bookingtest.Data

// input is a file of the booking that d means, published.
func input(d data, o event.Options) ics.Input {
	b := bookingtest.Booking(d)
	return ics.Input{
		Method: ics.Publish, UID: ics.UID(key.Delivery(b.Organization, b.ID, key.User, "u-17")),
		Stamp:   time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC),
		Booking: b, Event: event.Project(b, o), Options: o,
	}
}

func made(t testing.TB, in ics.Input) string {
	t.Helper()
	file, err := ics.File(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(file)
}

var (
	travel   = event.Options{TimeZone: "Europe/Helsinki", ReminderMinutes: 15, Profile: "travel", Product: "Acme Travel", Locale: "en"}
	training = event.Options{TimeZone: "Europe/Berlin", ReminderMinutes: 15, Profile: "training", Product: "Acme Learning", Locale: "de"}
)

func flight() data  { return bookingtest.Flight("acme", "PNR-7QX/1", 3) }
func session() data { return bookingtest.Training("acme", "t", 1, 3) }

// when is a session at other times.
func when(zone, start, end string) data {
	return bookingtest.With(session(), data{"start": data{"dateTime": start, "timeZone": zone}, "end": data{"dateTime": end, "timeZone": zone}})
}

func weekly(rule string, more data) data {
	r := data{"rrule": rule}
	for name, value := range more {
		r[name] = value
	}
	return bookingtest.With(when("Europe/Berlin", "2026-12-01T09:00:00", "2026-12-01T11:00:00"), data{"recurrence": r})
}

func locale(o event.Options, l string) event.Options {
	o.Locale = l
	return o
}

func reminder(o event.Options, minutes int) event.Options {
	o.ReminderMinutes = minutes
	return o
}

func with(in ics.Input, change func(*ics.Input)) ics.Input {
	change(&in)
	return in
}

func cancel(in *ics.Input) { in.Method = ics.Cancel }

func invited(in *ics.Input) {
	in.Method = ics.Request
	in.Organizer = ics.Party{Name: `Trainer, Tuija "T" \ O'Brien; x:y`, Address: "trainer+x@acme.example"}
	in.Attendees = []ics.Attendee{
		{Party: ics.Party{Name: "Seán O'Brien", Address: `"sean o'brien, x"@acme.example`}},
		{Party: ics.Party{Name: "小林", Address: "Jürgen@Bücher.example"}, Optional: true},
		{Party: ics.Party{Name: "Nobody"}},
		{Party: ics.Party{Name: "Room 1\r\nX-EVIL:1", Address: "room1@acme.example"}, Room: true},
		{Party: ics.Party{Address: "noname@acme.example"}},
	}
}

// cases are the golden files, by name.
func cases() map[string]ics.Input {
	const evil = "Line; one, two\\n \\ \"x\"\r\nATTENDEE:mailto:evil@x.example\tTab\x00\x07\u2028end\u0085."
	long := strings.Repeat("Ääkkösiä, 日本語; 🧖‍♀️ ", 1500)[:32*1024-20]
	return map[string]ics.Input{
		"flight":                input(flight(), locale(travel, "fi-FI")),
		"flight-cancelled":      with(input(bookingtest.With(flight(), data{"revision": 4, "status": "cancelled"}), travel), cancel),
		"hotel":                 input(bookingtest.Hotel("acme", "h", 1), locale(travel, "nb-NO")),
		"hotel-cancelled":       with(input(bookingtest.Hotel("acme", "h", 2), locale(travel, "ja")), cancel),
		"training":              input(bookingtest.With(session(), data{"reminderMinutes": 30, "location": data{"name": "Raum 4; links", "address": "Hauptstraße 1, 10115 Berlin"}}), training),
		"no-reminder":           input(session(), reminder(training, -1)),
		"reminder-zero":         input(session(), reminder(training, 0)),
		"invitation":            with(input(session(), training), invited),
		"invitation-cancelled":  with(with(input(session(), locale(training, "ru")), invited), cancel),
		"unscheduled-cancelled": with(input(bookingtest.With(flight(), data{"start": nil, "end": nil}), locale(travel, "de")), cancel),
		"dst-spring":            input(when("Europe/Berlin", "2027-03-28T01:30:00", "2027-03-28T03:30:00"), training),
		"dst-gap":               input(when("Europe/Berlin", "2027-03-28T02:30:00", "2027-03-28T06:00:00"), training),
		"dst-autumn":            input(when("Europe/Berlin", "2027-10-31T01:30:00", "2027-10-31T03:30:00"), training),
		"dst-overlap":           input(when("America/New_York", "2026-11-01T01:30:00", "2026-11-01T01:45:00"), training),
		"tokyo":                 input(when("Tokyo Standard Time", "2026-12-02T09:00:00", "2026-12-02T11:00:00"), locale(training, "ja")),
		"lord-howe":             input(when("Australia/Lord_Howe", "2027-04-04T01:00:00", "2027-04-04T02:30:00"), training),
		"santiago":              input(when("America/Santiago", "2027-09-04T23:00:00", "2027-09-05T02:00:00"), training),
		"casablanca":            input(when("Africa/Casablanca", "2027-02-06T12:00:00", "2027-02-07T12:00:00"), training),
		"dublin":                input(when("Europe/Dublin", "2027-03-27T20:00:00", "2027-03-28T20:00:00"), training),
		"new-year":              input(when("Pacific/Auckland", "2026-12-31T22:00:00", "2027-01-01T02:00:00"), training),
		"utc":                   input(when("Etc/UTC", "2026-12-02T09:00:00", "2026-12-02T11:00:00"), training),
		"no-length":             input(when("Asia/Kolkata", "2026-12-02T09:00:00", "2026-12-02T09:00:00"), training),
		"out-of-office":         input(bookingtest.With(session(), data{"showAs": "oof", "sensitivity": "private", "status": "tentative"}), training),
		"elsewhere":             input(bookingtest.With(session(), data{"showAs": "workingElsewhere", "sensitivity": "personal", "categories": []any{"A,B", "C;D", "Ä"}}), locale(training, "en")),
		"free":                  input(bookingtest.With(session(), data{"showAs": "free", "sensitivity": "confidential", "url": "https://x.example/ä?q=it's&r=c,d;e", "revision": 1 << 40}), training),
		"evil":                  with(input(bookingtest.With(flight(), data{"title": evil, "description": data{"text": evil}, "location": data{"name": evil, "address": evil}, "categories": []any{evil}}), travel), func(in *ics.Input) { in.Event.Subject, in.Event.Location.Name = evil, evil }),
		"emoji":                 input(bookingtest.With(flight(), data{"title": "Sauna 🧖‍♀️ & \"Glögi\" <now> " + strings.Repeat("👩‍👩‍👧‍👦", 12)}), travel),
		"apostrophes":           input(bookingtest.With(flight(), data{"title": `O'Brien's "talk" \n`, "people": []any{bookingtest.Person("1", "a@acme.example", "Seán O'Brien"), bookingtest.Person("2", "b@acme.example", `D'Arcy "D"`)}}), travel),
		"title-255":             input(bookingtest.With(flight(), data{"title": strings.Repeat("x", 255)}), travel),
		"title-255-wide":        input(bookingtest.With(flight(), data{"title": strings.Repeat("日本", 127) + "語"}), travel),
		"description-32k":       input(bookingtest.With(flight(), data{"description": data{"text": strings.ToValidUTF8(long, "")}}), travel),
		"series": input(weekly("FREQ=WEEKLY;BYDAY=TU;COUNT=20", data{"exdates": []any{"2026-12-29", "2027-01-05"}, "overrides": []any{
			data{"occurrence": "2026-12-15", "start": data{"dateTime": "2026-12-16T13:00:00"}, "title": "Moved, and renamed"},
			data{"occurrence": "2027-03-30", "end": data{"dateTime": "2027-03-30T18:00:00", "timeZone": "Europe/London"}},
			data{"occurrence": "2027-01-12", "cancelled": true}}}), locale(training, "ru")),
		"series-endless":    input(weekly("byday=TU;FREQ=WEEKLY;INTERVAL=26", nil), training),
		"series-until":      input(weekly("FREQ=MONTHLY;UNTIL=20270501;BYDAY=+1TU", nil), training),
		"series-cancelled":  with(input(weekly("FREQ=WEEKLY;COUNT=20", nil), locale(training, "fi")), cancel),
		"series-casablanca": input(bookingtest.With(when("Africa/Casablanca", "2026-12-01T09:00:00", "2026-12-01T11:00:00"), data{"recurrence": data{"rrule": "FREQ=MONTHLY"}}), training),
		"series-all-day": input(bookingtest.With(bookingtest.Hotel("acme", "h", 1), data{"recurrence": data{"rrule": "FREQ=MONTHLY;UNTIL=20270501T120000Z", "exdates": []any{"2027-01-01"},
			"overrides": []any{data{"occurrence": "2027-04-01", "start": data{"dateTime": "2027-03-27T00:00:00"}}}}}), travel),
		"series-utc": input(bookingtest.With(when("UTC", "2026-12-01T09:00:00", "2026-12-01T11:00:00"), data{"recurrence": data{"rrule": "FREQ=DAILY;COUNT=3", "exdates": []any{"2026-12-02"}}}), training),
	}
}
