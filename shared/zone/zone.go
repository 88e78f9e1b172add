// Package zone knows time zones by name and turns wall clocks into instants.
//
// # Names
//
// IANA names and Microsoft's Windows names are both accepted (graph/contract.md
// 2.3: Graph does the same); what is kept is the IANA name. A Windows name
// becomes the zone of its main territory (CLDR). An IANA name is kept as it is,
// also where it is an old link such as Asia/Calcutta, since Graph's documented
// list has old names too. Names are case-sensitive. The zone data is linked in,
// because a custom handler's container need not have any.
//
// # Daylight saving
//
// A wall clock that is skipped in spring moves forward by the length of the
// gap; one that happens twice in autumn means the first of the two
// (graph/contract.md 3.5, RFC 5545 3.3.5).
package zone

import (
	"regexp"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // see Names
)

// Layout is a wall clock without offset, as bookings and Graph have it.
const Layout = "2006-01-02T15:04:05"

// shape keeps file names such as "../x", "posixrules" and "+VERSION" from the
// zone database's directory.
var shape = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}$`)

// loaded keeps what was read: LoadLocation opens a file each time (about
// 15 microseconds), and a zone never changes while a process lives. It holds at
// most the few hundred names that exist.
var loaded sync.Map // IANA name -> *time.Location

// Load returns the canonical name of a zone and its data; ok is false when
// nobody knows the name.
func Load(name string) (canonical string, loc *time.Location, ok bool) {
	if iana, isWindows := windows(name); isWindows {
		name = iana
	}
	if known, found := loaded.Load(name); found {
		return name, known.(*time.Location), true
	}
	if len(name) > 64 || !shape.MatchString(name) || name == "Local" || name == "Factory" {
		return "", nil, false
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return "", nil, false
	}
	name = strings.Clone(name)
	loaded.Store(name, loc)
	return name, loc, true
}

// Canonical returns the IANA name of an IANA or Windows name.
func Canonical(name string) (string, bool) {
	canonical, _, ok := Load(name)
	return canonical, ok
}

// Parse reads a wall clock in Layout; the zone of the result, UTC, means nothing.
// Days and hours that do not exist are refused.
func Parse(wall string) (time.Time, error) {
	return time.Parse(Layout, wall)
}

// Instant is when a wall clock, of any zone, is read in loc. The result is in
// loc, so that a skipped reading shows the one it moved to.
func Instant(wall time.Time, loc *time.Location) time.Time {
	wall = time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), time.UTC)
	// Offsets a day before and after bracket any transition nearby. No zone has
	// two within two days of each other, but for a few Ramadan changes of Morocco
	// that are weeks apart.
	_, before := wall.Add(-24 * time.Hour).In(loc).Zone()
	_, after := wall.Add(24 * time.Hour).In(loc).Zone()
	first := wall.Add(-time.Duration(before) * time.Second).In(loc)
	second := wall.Add(-time.Duration(after) * time.Second).In(loc)
	if !sameClock(first, wall) && sameClock(second, wall) {
		return second
	}
	// Either the reading exists with the earlier offset, and then that is the
	// first of its occurrences, or it was skipped, and the earlier offset moves it
	// forward.
	return first
}

func sameClock(a, b time.Time) bool {
	return a.Day() == b.Day() && a.Hour() == b.Hour() && a.Minute() == b.Minute() && a.Second() == b.Second()
}
