package ics

import (
	"fmt"
	"time"

	ical "github.com/arran4/golang-ical"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/zone"
)

// Forms of RFC 5545 3.3.4 and 3.3.5.
const (
	dateForm  = "20060102"
	clockForm = "20060102T150405"
	utcForm   = "20060102T150405Z"
)

// moment is a date, or a reading of the clock of a zone.
type moment struct {
	wall time.Time // the reading, labelled UTC
	zone string    // IANA name
	loc  *time.Location
	date bool // midnight of a day
	// kept is the reading of a series: it stands in its zone also where it happens
	// twice, because all occurrences do.
	kept bool
}

func newMoment(t event.Time, date bool) (moment, error) {
	wall, err := zone.Parse(t.DateTime)
	if err != nil {
		return moment{}, fmt.Errorf("%w: the reading", ErrTime)
	}
	name, loc, ok := zone.Load(t.Zone)
	if !ok {
		return moment{}, fmt.Errorf("%w: the zone", ErrTime)
	}
	return moment{wall: wall, zone: name, loc: loc, date: date}.existing(), nil
}

// existing moves a reading that a change to summer time skips (package zone),
// since readers differ in what they make of it.
func (m moment) existing() moment {
	if !m.date {
		m.wall = label(zone.Instant(m.wall, m.loc))
	}
	return m
}

// label is a reading without its zone.
func label(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

func (m moment) instant() time.Time { return zone.Instant(m.wall, m.loc) }

// until is the time from m to a later moment; of dates that of whole days, also
// where a night between them is longer or shorter.
func (m moment) until(end moment) time.Duration {
	if m.date {
		return end.wall.Sub(m.wall)
	}
	return end.instant().Sub(m.instant())
}

// plus is the moment a length after m, on the clock of zone.
func (m moment) plus(length time.Duration, zone moment) moment {
	if m.date {
		m.wall = m.wall.Add(length)
		return m
	}
	zone.wall = label(m.instant().Add(length).In(zone.loc))
	return zone
}

// days moves a moment by whole days on the clock of its zone.
func (m moment) days(n int) moment {
	m.wall = m.wall.AddDate(0, 0, n)
	return m
}

// on is the same reading on another day.
func (m moment) on(day time.Time) moment {
	m.wall = time.Date(day.Year(), day.Month(), day.Day(), m.wall.Hour(), m.wall.Minute(), m.wall.Second(), 0, time.UTC)
	return m
}

// utc reports whether the zone is UTC under any name.
func (m moment) utc() bool {
	at := m.instant()
	start, end := at.ZoneBounds()
	_, offset := at.Zone()
	return offset == 0 && start.IsZero() && end.IsZero()
}

// repeats reports whether the clock shows the reading once more, after it is put
// back. Meant is the first (package zone, RFC 5545 3.3.5), but ical.js and libical
// take the second.
func (m moment) repeats() bool {
	at := m.instant()
	_, next := at.ZoneBounds()
	if next.IsZero() {
		return false
	}
	_, before := at.Zone()
	_, after := next.Zone()
	again := at.Add(time.Duration(before-after) * time.Second)
	return before > after && !again.Before(next)
}

// add writes a property, and notes the zone that it needs.
func (f *file) add(c *ical.ComponentBase, property ical.Property, m moment) {
	name := ical.ComponentProperty(property)
	switch {
	case m.date:
		c.AddProperty(name, m.wall.Format(dateForm), ical.WithValue("DATE"))
	case m.utc(), m.repeats() && !m.kept:
		c.AddProperty(name, m.instant().UTC().Format(utcForm))
	default:
		f.need(m)
		c.AddProperty(name, m.wall.Format(clockForm), ical.WithTZID(m.zone))
	}
}
