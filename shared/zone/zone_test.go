package zone

import (
	"sync"
	"testing"
	"time"
)

func TestNamesOfBothKindsAreKnown(t *testing.T) {
	tests := []struct {
		name, want string // want "" where nobody knows it
	}{
		{"Europe/Helsinki", "Europe/Helsinki"},
		{"America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"},
		{"America/Port-au-Prince", "America/Port-au-Prince"},
		{"Asia/Calcutta", "Asia/Calcutta"},
		{"Etc/GMT+11", "Etc/GMT+11"},
		{"UTC", "UTC"},
		{"Etc/UTC", "UTC"},
		{"W. Europe Standard Time", "Europe/Berlin"},
		{"Tokyo Standard Time", "Asia/Tokyo"},
		{"India Standard Time", "Asia/Calcutta"},
		{"", ""},
		{"Local", ""},
		{"Factory", ""},
		{"europe/helsinki", ""},
		{"Europe", ""},
		{"Europe/", ""},
		{"../etc/passwd", ""},
		{"/etc/localtime", ""},
		{"posix/Europe/Helsinki", ""},
		{"+02:00", ""},
		{"Mars/Olympus", ""},
	}
	for _, test := range tests {
		got, ok := Canonical(test.name)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("Canonical(%q) = %q, %v, want %q", test.name, got, ok, test.want)
		}
	}
}

func TestEveryWindowsZoneExists(t *testing.T) {
	if len(windowsZones) < 130 {
		t.Errorf("only %d", len(windowsZones))
	}
	for name := range windowsZones {
		if _, _, ok := Load(name); !ok {
			t.Errorf("%q has no data", name)
		}
	}
}

func TestAReadingIsOneInstant(t *testing.T) {
	tests := []struct {
		name, zone, wall, want string
	}{
		{"winter", "Europe/Berlin", "2027-01-15T12:00:00", "2027-01-15T11:00:00Z"},
		{"summer", "Europe/Berlin", "2027-07-15T12:00:00", "2027-07-15T10:00:00Z"},
		{"before the gap", "Europe/Berlin", "2027-03-28T01:59:59", "2027-03-28T00:59:59Z"},
		{"in the gap", "Europe/Berlin", "2027-03-28T02:30:00", "2027-03-28T01:30:00Z"},
		{"after the gap", "Europe/Berlin", "2027-03-28T03:00:00", "2027-03-28T01:00:00Z"},
		{"first of two", "Europe/Berlin", "2027-10-31T02:30:00", "2027-10-31T00:30:00Z"},
		{"after both", "Europe/Berlin", "2027-10-31T03:00:00", "2027-10-31T02:00:00Z"},
		{"in a gap at midnight", "Asia/Beirut", "2027-03-28T00:30:00", "2027-03-27T22:30:00Z"},
		{"half-hour gap", "Australia/Lord_Howe", "2027-10-03T02:15:00", "2027-10-02T15:45:00Z"},
		{"half-hour overlap", "Australia/Lord_Howe", "2027-04-04T01:45:00", "2027-04-03T14:45:00Z"},
		{"a day that was left out", "Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"},
		{"the day after it", "Pacific/Apia", "2011-12-31T00:00:00", "2011-12-30T10:00:00Z"},
		{"no changes", "Asia/Tokyo", "2027-03-28T02:30:00", "2027-03-27T17:30:00Z"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, loc, ok := Load(test.zone)
			if !ok {
				t.Fatal("no data")
			}
			wall, err := Parse(test.wall)
			if err != nil {
				t.Fatal(err)
			}
			if got := Instant(wall, loc).UTC().Format(time.RFC3339); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Each hour of two years in zones with odd rules: a reading that exists comes
// back, and readings in order are instants in order, but within a gap or an overlap.
func TestReadingsThatExistComeBack(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Chatham", "America/Havana", "Asia/Gaza"} {
		_, loc, ok := Load(name)
		if !ok {
			t.Fatal(name)
		}
		for at := time.Date(2026, 1, 1, 0, 15, 0, 0, time.UTC); at.Year() < 2028; at = at.Add(30 * time.Minute) {
			local := at.In(loc)
			got := Instant(local, loc)
			if got.Format(Layout) != local.Format(Layout) || got.After(local) || local.Sub(got) > time.Hour {
				t.Fatalf("%s: %v became %v", name, local, got)
			}
		}
	}
}

func TestZonesAreLoadedByManyAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for name := range windowsZones {
				Load(name)
			}
		})
	}
	wg.Wait()
}

func FuzzLoad(f *testing.F) {
	f.Add("Europe/Berlin")
	f.Add("../x")
	f.Add("Tokyo Standard Time")
	f.Fuzz(func(t *testing.T, name string) {
		canonical, _, ok := Load(name)
		if again, _, stays := Load(canonical); ok && (!stays || again != canonical) {
			t.Fatalf("%q became %q, and that %q", name, canonical, again)
		}
	})
}
