package exchange

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the same zones on every machine
)

// Zone is a time zone that events can name.
type Zone struct {
	Name     string // as given
	Windows  string // Windows name; Name where there is none
	Location *time.Location
}

// zones resolves names, Windows and IANA alike (2.3), and remembers them.
type zones struct {
	table *zoneTable
	known sync.Map // name -> Zone
}

type zoneTable struct {
	iana    map[string]string // lower-case Windows name -> IANA
	windows map[string]string // IANA -> Windows
	names   []string          // Windows names in order
}

func newZones() *zones { return &zones{table: readZones()} }

var readZones = sync.OnceValue(func() *zoneTable {
	t := &zoneTable{iana: map[string]string{}, windows: map[string]string{}}
	for line := range strings.SplitSeq(strings.TrimSpace(windowsZones), "\n") {
		name, list, _ := strings.Cut(line, "=")
		all := strings.Fields(list)
		t.names = append(t.names, name)
		t.iana[strings.ToLower(name)] = all[0]
		for _, zone := range all {
			t.windows[zone] = name
		}
	}
	return t
})

// WindowsZones lists the Windows names that are accepted, west to east.
func WindowsZones() []string { return append([]string(nil), readZones().names...) }

func (z *zones) find(name string) (Zone, bool) {
	if known, ok := z.known.Load(name); ok {
		return known.(Zone), true
	}
	zone := Zone{Name: name, Windows: name}
	iana := name
	if of, ok := z.table.iana[strings.ToLower(name)]; ok {
		iana = of
		zone.Windows = z.table.windows[of]
	} else if windows, ok := z.table.windows[name]; ok {
		zone.Windows = windows
	} else if !plausible(name) {
		return Zone{}, false
	}
	location, err := time.LoadLocation(iana)
	if err != nil {
		return Zone{}, false
	}
	zone.Location = location
	z.known.Store(name, zone)
	return zone, true
}

// plausible keeps out what the Go zone reader takes and Exchange does not: the
// machine's own zone, files beside the zones.
func plausible(name string) bool {
	return name != "" && name != "Local" && name != "Factory" && len(name) <= 64 &&
		!strings.HasPrefix(name, "posix") && !strings.HasPrefix(name, "right/") && !strings.ContainsAny(name, "\\:\x00 ")
}

const wallClock = "2006-01-02T15:04:05"

// parseWall reads yyyy-MM-ddTHH:mm:ss[.fffffff] as if it were UTC. An offset is
// refused: what the service would make of it is not contractual (2.3).
func parseWall(s string) (time.Time, *Error) {
	base, fraction, dotted := strings.Cut(s, ".")
	t, err := time.Parse(wallClock, base)
	if err != nil || len(base) != len(wallClock) || t.Year() < 1601 {
		return time.Time{}, errDateTime()
	}
	if !dotted {
		return t, nil
	}
	if len(fraction) == 0 || len(fraction) > 7 {
		return time.Time{}, errDateTime()
	}
	ns := 0
	for i := range 9 {
		digit := 0
		if i < len(fraction) {
			digit = int(fraction[i]) - '0'
		}
		if digit < 0 || digit > 9 {
			return time.Time{}, errDateTime()
		}
		ns = ns*10 + digit
	}
	return t.Add(time.Duration(ns)), nil
}

func errDateTime() *Error {
	return invalid("ErrorInvalidRequest", "The dateTime value is not of the form yyyy-MM-ddTHH:mm:ss.fffffff without offset.")
}

// instant is the moment at which a wall clock in location shows wall: the first
// one of an overlap, and for a time within a gap the one that the offset before
// the gap gives (3.5).
func instant(wall time.Time, location *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), location)
	_, before := t.Add(-24 * time.Hour).Zone()
	if early := wall.Add(-time.Duration(before) * time.Second); early.Before(t) && sameWall(early.In(location), wall) {
		return early.UTC()
	}
	if !sameWall(t, wall) {
		return wall.Add(-time.Duration(before) * time.Second).UTC()
	}
	return t.UTC()
}

func sameWall(t, wall time.Time) bool {
	return t.Hour() == wall.Hour() && t.Minute() == wall.Minute() && t.Day() == wall.Day()
}

// Zone resolves the name of a zone, or returns the error that Graph gives.
func (s *Store) Zone(name string) (Zone, error) {
	if zone, ok := s.zones.find(name); ok {
		return zone, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return Zone{}, s.badZone()
}

// badZone is the refusal of an unknown zone. The caller holds the lock.
func (s *Store) badZone() *Error {
	e := errZone()
	if s.switches.ZoneFailureCode != "" {
		e.Code = s.switches.ZoneFailureCode
	}
	return e
}
