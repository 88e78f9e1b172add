package ics_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/zone"
)

// oddZones have every kind of rule: none, half an hour of it, on both halves of
// the globe, at midnight, of months that move, ended lately, with seconds once.
var oddZones = []string{
	"Africa/Abidjan", "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Africa/Juba", "Africa/Khartoum", "Africa/Monrovia",
	"America/Asuncion", "America/Caracas", "America/Godthab", "America/Havana", "America/Los_Angeles", "America/Mexico_City",
	"America/Miquelon", "America/New_York", "America/Phoenix", "America/Santiago", "America/Sao_Paulo", "America/St_Johns",
	"Antarctica/Troll", "Asia/Amman", "Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Pyongyang",
	"Asia/Tehran", "Asia/Tokyo", "Atlantic/Azores", "Australia/Adelaide", "Australia/Eucla", "Australia/Lord_Howe", "Australia/Sydney",
	"Etc/GMT+11", "Etc/GMT-14", "Europe/Berlin", "Europe/Chisinau", "Europe/Dublin", "Europe/Helsinki", "Europe/Istanbul",
	"Europe/London", "Europe/Moscow", "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Easter", "Pacific/Kiritimati",
	"Pacific/Marquesas", "Pacific/Norfolk", "UTC",
}

// around are hours at and near each change of a zone in some years, and some
// others.
func around(loc *time.Location) []time.Time {
	var list []time.Time
	for _, year := range []int{2015, 2027, 2040} {
		at := time.Date(year, 1, 1, 0, 0, 0, 0, loc)
		list = append(list, at, at.AddDate(0, 6, 14), at.Add(-time.Minute))
		_, offset := at.Zone()
		for ; at.Year() == year; at = at.Add(15 * time.Minute) {
			if _, now := at.Zone(); now != offset {
				offset = now
				for _, minutes := range []time.Duration{-90, -15, 0, 15, 90} {
					list = append(list, at.Add(minutes*time.Minute))
				}
			}
		}
	}
	return list
}

// TestEveryZoneIsReadAsTheSameInstant has the other readers compute, from the
// VTIMEZONEs alone, when bookings near changes of their clock begin.
func TestEveryZoneIsReadAsTheSameInstant(t *testing.T) {
	readers, ok := otherReaders(t)
	if !ok {
		return
	}
	dir := t.TempDir()
	var files, wants []string
	for _, name := range oddZones {
		_, loc, ok := zone.Load(name)
		if !ok {
			t.Fatal(name)
		}
		for _, at := range around(loc) {
			e := event.Event{Subject: name, Start: event.Time{DateTime: at.Format(zone.Layout), Zone: name},
				End: event.Time{DateTime: at.Add(50 * time.Hour).Format(zone.Layout), Zone: name}, ReminderMinutes: -1}
			file := filepath.Join(dir, fmt.Sprintf("%d.ics", len(files)))
			if err := os.WriteFile(file, []byte(made(t, ics.Input{Method: ics.Publish, UID: "u", Event: e})), 0o600); err != nil {
				t.Fatal(err)
			}
			files, wants = append(files, file), append(wants, span(t, e))
		}
	}
	js, libical := readers.icaljs(t, files), readers.libical(t, files)
	for i, want := range wants {
		if js[i].Instants[0] != want || libical[i].Instants[0] != want {
			text, _ := os.ReadFile(files[i])
			t.Errorf("want %s, ical.js reads %s, libical %s, of\n%s", want, js[i].Instants[0], libical[i].Instants[0], text)
		}
	}
	t.Logf("%d files", len(files))
}

func TestAZoneIsThereForTheYearsNeeded(t *testing.T) {
	tests := []struct {
		name, zone, from, to string
		zones, standard, day int // components
		rules                int
	}{
		{"a rule", "Europe/Berlin", "2026-12-02T09:00:00", "2026-12-02T10:00:00", 1, 1, 1, 2},
		{"none", "Asia/Tokyo", "2026-12-02T09:00:00", "2026-12-02T10:00:00", 1, 1, 0, 0},
		{"never any", "Etc/GMT-14", "2026-12-02T09:00:00", "2026-12-02T10:00:00", 1, 1, 0, 0},
		{"UTC", "Etc/UTC", "2026-12-02T09:00:00", "2026-12-02T10:00:00", 0, 0, 0, 0},
		{"no rule", "Africa/Casablanca", "2026-06-02T09:00:00", "2026-06-02T10:00:00", 1, 1, 2, 0},
		{"no rule, two years", "Africa/Casablanca", "2026-12-02T09:00:00", "2027-12-02T10:00:00", 1, 2, 3, 0},
		{"ended", "America/Sao_Paulo", "2019-06-02T09:00:00", "2019-06-02T10:00:00", 1, 1, 1, 0},
		{"within the hour that is twice", "Europe/Berlin", "2027-10-31T02:00:00", "2027-10-31T02:30:00", 0, 0, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := event.Event{Subject: "x", Start: event.Time{DateTime: test.from, Zone: test.zone}, End: event.Time{DateTime: test.to, Zone: test.zone}}
			file := made(t, ics.Input{Method: ics.Publish, UID: "u", Event: e})
			got := []int{strings.Count(file, "BEGIN:VTIMEZONE"), strings.Count(file, "BEGIN:STANDARD"), strings.Count(file, "BEGIN:DAYLIGHT"), strings.Count(file, "RRULE:")}
			if want := []int{test.zones, test.standard, test.day, test.rules}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%v zones, standard, daylight, rules; want %v in\n%s", got, want, file)
			}
		})
	}
}
