package event_test

import (
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/booking/bookingtest"
	"github.com/calbridge/calbridge/shared/event"
)

func TestStartAndEndAreInstants(t *testing.T) {
	tests := []struct {
		name       string
		data       data
		zone       string
		start, end string // "" when not scheduled
	}{
		{"flight", flight(), "", "2026-12-01T14:05:00Z", "2026-12-01T17:20:00Z"},
		{"hotel in Helsinki", bookingtest.Hotel("acme", "h", 1), "Europe/Helsinki", "2026-11-30T22:00:00Z", "2026-12-03T22:00:00Z"},
		{"hotel in Tokyo", bookingtest.Hotel("acme", "h", 1), "Asia/Tokyo", "2026-11-30T15:00:00Z", "2026-12-03T15:00:00Z"},
		{"hotel nowhere", bookingtest.Hotel("acme", "h", 1), "", "2026-12-01T00:00:00Z", "2026-12-04T00:00:00Z"},
		{"night of the change", bookingtest.With(flight(), data{
			"start": data{"dateTime": "2027-10-30T22:00:00"}, "end": data{"dateTime": "2027-10-31T06:00:00"}}), "Europe/Berlin",
			"2027-10-30T20:00:00Z", "2027-10-31T05:00:00Z"},
		{"not scheduled", bookingtest.With(flight(), data{"start": nil, "end": nil}), "Asia/Tokyo", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := bookingtest.Booking(test.data)
			start, scheduled := event.Starts(b, test.zone)
			end, ends := event.Ends(b, test.zone)
			if scheduled != ends || scheduled != (test.start != "") {
				t.Fatalf("scheduled %v and %v", scheduled, ends)
			}
			if scheduled && (start.Format(time.RFC3339) != test.start || end.Format(time.RFC3339) != test.end || end.Location() != time.UTC) {
				t.Errorf("%v to %v", start, end)
			}
		})
	}
}

func TestASeriesEndsNotBeforeItsLastOccurrence(t *testing.T) {
	tests := []struct {
		name, rule string
		last       string // end of the last occurrence
		known      bool
	}{
		{"count", "FREQ=WEEKLY;COUNT=10", "2027-02-02T17:20:00Z", true},
		{"count of days", "FREQ=DAILY;INTERVAL=3;COUNT=4", "2026-12-10T17:20:00Z", true},
		{"until a day", "FREQ=WEEKLY;BYDAY=TU;UNTIL=20270202", "2027-02-02T17:20:00Z", true},
		{"until an instant", "FREQ=DAILY;UNTIL=20270202T235959Z", "2027-02-02T17:20:00Z", true},
		{"for ever", "FREQ=WEEKLY", "2100-01-01T00:00:00Z", false},
		{"months", "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3", "2027-03-31T17:20:00Z", false},
		{"fifth Mondays", "FREQ=MONTHLY;BYDAY=5MO;COUNT=3", "2027-08-30T17:20:00Z", false},
		{"nonsense", "FREQ=WEEKLY;COUNT=x", "2100-01-01T00:00:00Z", false},
		{"huge", "FREQ=WEEKLY;COUNT=999999999", "2100-01-01T00:00:00Z", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := bookingtest.Booking(bookingtest.With(flight(), data{"recurrence": data{"rrule": test.rule}}))
			end, ok := event.Ends(b, "")
			last, err := time.Parse(time.RFC3339, test.last)
			if !ok || err != nil || end.Before(last) {
				t.Fatalf("%v is before %s", end, test.last)
			}
			if known := end.Year() < 9999; known != test.known || known && end.Sub(last) > 10*24*time.Hour {
				t.Errorf("%v, known %v", end, known)
			}
		})
	}
	t.Run("moved beyond it", func(t *testing.T) {
		b := bookingtest.Booking(bookingtest.With(flight(), data{"recurrence": data{"rrule": "FREQ=DAILY;COUNT=2", "overrides": []any{
			data{"occurrence": "2026-12-02", "start": data{"dateTime": "2027-05-01T10:00:00"}, "end": data{"dateTime": "2027-05-01T11:00:00"}}}}}))
		if end, _ := event.Ends(b, "Europe/Helsinki"); end.Format(time.RFC3339) != "2027-05-01T08:00:00Z" {
			t.Errorf("ends %v", end)
		}
	})
}

func TestAZoneThatTheOrganisationChangedLaterHidesNoTimes(t *testing.T) {
	// Accepted with Europe/Helsinki; in New York the start comes after the end.
	b := bookingtest.Booking(bookingtest.With(flight(), data{"start.timeZone": nil}))
	if _, err := b.Resolve("America/New_York"); err == nil {
		t.Fatal("nothing is wrong with it")
	}
	if end, ok := event.Ends(b, "America/New_York"); !ok || end.Format(time.RFC3339) != "2026-12-01T17:20:00Z" {
		t.Errorf("%v, %v", end, ok)
	}
	if e := event.Project(b, event.Options{TimeZone: "America/New_York"}); e.Start.Zone != "America/New_York" || e.Start.DateTime != "2026-12-01T16:05:00" {
		t.Errorf("%+v", e.Start)
	}
}
