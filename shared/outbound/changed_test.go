package outbound_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
)

func TestAChangeIsWrittenAsTheWireSays(t *testing.T) {
	start := time.Date(2026, 12, 2, 9, 0, 0, 0, time.UTC)
	c := outbound.BookingChanged{EventID: "77aa", Booking: "PNR-7QX/1", Kind: key.User, Target: "u-17", Revision: 3, Change: outbound.ChangeMoved, Rule: "report",
		Fields: map[string]outbound.Field{
			"start":       {Old: outbound.Clock{DateTime: "2026-12-01T16:05:00", TimeZone: "Europe/Helsinki"}, New: outbound.ClockIn(start, "Europe/Helsinki")},
			"allDay":      {Old: true, New: false},
			"title":       {New: "<Mine> & yours"},
			"description": {},
		}}
	e := c.Event(origin())
	valid(t, e)
	const want = `{"specversion":"1.0","id":"77aa","source":"https://calendar.example.com/api/organizations/acme",` +
		`"type":"calbridge.booking.changed.v1","subject":"PNR-7QX/1","time":"2026-12-01T10:00:00.25Z","datacontenttype":"application/json",` +
		`"data":{"booking":"PNR-7QX/1","user":"u-17","revision":3,"change":"moved","fields":{"allDay":{"old":true,"new":false},"description":{},` +
		`"start":{"old":{"dateTime":"2026-12-01T16:05:00","timeZone":"Europe/Helsinki"},"new":{"dateTime":"2026-12-02T11:00:00","timeZone":"Europe/Helsinki"}},` +
		`"title":{"new":"<Mine> & yours"}},"rule":"report"}}`
	if diff := cmp.Diff(want, string(e.Body)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if e.Type != outbound.TypeBookingChanged || e.Organization != "acme" || e.Session != key.Lane("acme", key.User, "u-17").String() {
		t.Errorf("%+v", e)
	}
}

func TestADeletionOfARoomsEventFitsTheSchema(t *testing.T) {
	valid(t, outbound.BookingChanged{EventID: "1", Booking: "b", Kind: key.Room, Target: "r", Revision: 1, Change: outbound.ChangeDeleted, Rule: "time"}.Event(origin()))
}

func TestATimeInAZoneThatNobodyKnowsIsToldInUTC(t *testing.T) {
	at := time.Date(2026, 7, 1, 22, 30, 0, 0, time.FixedZone("", 7200))
	for zone, want := range map[string]outbound.Clock{
		"Nowhere/City": {DateTime: "2026-07-01T20:30:00", TimeZone: "UTC"},
		"":             {DateTime: "2026-07-01T20:30:00", TimeZone: "UTC"},
		"Asia/Tokyo":   {DateTime: "2026-07-02T05:30:00", TimeZone: "Asia/Tokyo"},
	} {
		if got := outbound.ClockIn(at, zone); got != want {
			t.Errorf("%q: %+v", zone, got)
		}
	}
}
