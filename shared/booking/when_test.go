package booking_test

import (
	"errors"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/booking/bookingtest"
)

func TestAMissingZoneIsTheOrganisations(t *testing.T) {
	b := bookingtest.Booking(bookingtest.With(flight(), data{"start.timeZone": nil}))
	resolved, err := b.Resolve("Tokyo Standard Time")
	if err != nil {
		t.Fatal(err)
	}
	if resolved.Start.TimeZone != "Asia/Tokyo" || resolved.End.TimeZone != "Europe/London" {
		t.Errorf("start %+v, end %+v", resolved.Start, resolved.End)
	}
	if b.Start.TimeZone != "" {
		t.Error("the booking itself was changed")
	}
	if utc, err := b.Resolve(""); err != nil || utc.Start.TimeZone != "UTC" {
		t.Errorf("without an organisation's zone: %+v, %v", utc.Start, err)
	}
}

func TestWhatDependsOnTheOrganisationsZoneIsCheckedWithIt(t *testing.T) {
	tests := []struct {
		name    string
		data    data
		zone    string
		pointer string // "" when nothing is wrong
	}{
		{"start at 16:05 in London, end 17:20 in London", bookingtest.With(flight(), data{"start.timeZone": nil}), "Europe/London", ""},
		{"start at 16:05 in New York, end 17:20 in London", bookingtest.With(flight(), data{"start.timeZone": nil}), "America/New_York", "/data/end/dateTime"},
		{"all day, one zone named", bookingtest.With(bookingtest.Hotel("acme", "h", 1), data{"end.timeZone": "Asia/Tokyo"}), "Asia/Tokyo", ""},
		{"all day, another zone named", bookingtest.With(bookingtest.Hotel("acme", "h", 1), data{"end.timeZone": "Asia/Tokyo"}), "Asia/Seoul", "/data/end/timeZone"},
		{"not scheduled", bookingtest.With(flight(), data{"start": nil, "end": nil}), "Asia/Tokyo", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := bookingtest.Booking(test.data).Resolve(test.zone)
			var invalid *booking.Invalid
			switch {
			case test.pointer == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.pointer == "":
			case !errors.As(err, &invalid) || len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != test.pointer:
				t.Errorf("got %v, want a fault at %s", err, test.pointer)
			}
		})
	}
}

func TestZonesAreCanonicalAfterDecode(t *testing.T) {
	b := bookingtest.Booking(bookingtest.With(flight(), data{"start.timeZone": "FLE Standard Time", "end.timeZone": "W. Europe Standard Time", "end.dateTime": "2026-12-01T18:20:00"}))
	if b.Start.TimeZone != "Europe/Kiev" || b.End.TimeZone != "Europe/Berlin" {
		t.Errorf("%q and %q", b.Start.TimeZone, b.End.TimeZone)
	}
}

func TestAnEndInsideTheGapMovesForward(t *testing.T) {
	// In Berlin 02:00 to 03:00 of 28 March 2027 does not exist.
	b := bookingtest.Booking(bookingtest.With(flight(), data{
		"start": data{"dateTime": "2027-03-28T03:10:00", "timeZone": "Europe/Berlin"},
		"end":   data{"dateTime": "2027-03-28T02:30:00", "timeZone": "Europe/Berlin"},
	}))
	end, err := b.End.Instant()
	if err != nil || !end.Equal(time.Date(2027, 3, 28, 1, 30, 0, 0, time.UTC)) {
		t.Errorf("%v, %v", end, err)
	}
}

func TestInstantNeedsAZoneAndATime(t *testing.T) {
	for _, bad := range []booking.Time{{DateTime: "2027-03-28T03:10:00"}, {DateTime: "now", TimeZone: "UTC"}} {
		if _, err := bad.Instant(); err == nil {
			t.Errorf("%+v has an instant", bad)
		}
	}
}
