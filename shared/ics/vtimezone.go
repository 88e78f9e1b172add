package ics

import (
	"fmt"
	"maps"
	"slices"
	"time"

	ical "github.com/arran4/golang-ical"
)

// needed is a zone and the years, on its own clock, in which it is used.
type needed struct {
	loc         *time.Location
	first, last int
}

// horizon is for how many years a series without an end can rely on its zone:
// what governments decide later nobody knows.
const horizon = 20

// need notes that the file has a time in a zone.
func (f *file) need(m moment) { f.needYears(m, m.wall.Year(), m.wall.Year()) }

func (f *file) needYears(m moment, first, last int) {
	n, ok := f.zones[m.zone]
	if !ok {
		n = &needed{loc: m.loc, first: first, last: last}
		f.zones[m.zone] = n
	}
	n.first, n.last = min(n.first, first), max(n.last, last)
}

// timezones are the VTIMEZONEs of the file (RFC 5545 3.6.5), by name.
func (f *file) timezones() []*ical.VTimezone {
	var list []*ical.VTimezone
	for _, name := range slices.Sorted(maps.Keys(f.zones)) {
		z := ical.NewTimezone(name)
		for _, o := range f.zones[name].observances() {
			z.Components = append(z.Components, o.component())
		}
		list = append(list, z)
	}
	return list
}

// observances are, where the zone has a rule that fits every year in question, one
// of standard and one of daylight time with that rule: MS-OXCICAL 2.1.3.1.1.19
// wants no more than one of each. Else they are the changes of these years as
// they happen, and that which holds when the first year begins.
func (n needed) observances() []onset {
	if rules := n.rules(); rules != nil {
		return rules
	}
	return onsets(n.loc, n.first, n.last)
}

// onset is the beginning of a time of a zone.
type onset struct {
	at       time.Time // on the clock that is put forward or back, labelled UTC
	from, to int       // offsets from UTC in seconds, before and after
	name     string    // e.g. EET
	daylight bool
	rule     string // RRULE, "" where it happens once
}

// onsets lists the beginnings of the time that holds when the year first begins,
// and of those that begin in the years first to last.
func onsets(loc *time.Location, first, last int) []onset {
	at := time.Date(first, 1, 1, 0, 0, 0, 0, loc)
	end := time.Date(last+1, 1, 1, 0, 0, 0, 0, loc)
	list := []onset{newOnset(at, began(at))}
	for {
		next, ok := changes(at, end)
		if !ok {
			return list
		}
		list = append(list, newOnset(next, next))
		at = next
	}
}

// began is when the time that holds at an instant began; zero where it always was.
// ZoneBounds knows only the part of it that lies in the same year, where the
// zone's data ends and its rule is all there is (after 2037).
func began(at time.Time) time.Time {
	for {
		start, _ := at.ZoneBounds()
		if start.IsZero() || !same(start.Add(-time.Second), at) {
			return start
		}
		at = start.Add(-time.Second)
	}
}

// changes is the first change of the zone after an instant and before end. In
// leap years ZoneBounds ends a time a day before the year, and again so for the
// instant that it gave; the search then goes on a day later.
func changes(at, end time.Time) (time.Time, bool) {
	for {
		_, next := at.ZoneBounds()
		if next.IsZero() {
			return next, false
		}
		if !next.After(at) {
			next = at.Add(24 * time.Hour)
		}
		if !next.Before(end) {
			return next, false
		}
		if !same(next, at) {
			return next, true
		}
		at = next
	}
}

// same reports whether the same time of a zone holds at two instants.
func same(a, b time.Time) bool {
	aName, aOffset := a.Zone()
	bName, bOffset := b.Zone()
	return aName == bName && aOffset == bOffset && a.IsDST() == b.IsDST()
}

// newOnset is of the time that holds at an instant, since start, which is zero
// where that was always so.
func newOnset(at, start time.Time) onset {
	name, to := at.Zone()
	if start.IsZero() { // the year in which Microsoft's zones begin
		return onset{at: time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), from: to, to: to, name: name}
	}
	before := start.Add(-time.Second)
	_, from := before.Zone()
	return onset{
		at: start.UTC().Add(time.Duration(from) * time.Second), from: from, to: to, name: name,
		// The zone database calls winter in Ireland and Ramadan in Morocco daylight
		// time, with an hour less; calendars know daylight time only as an hour more.
		daylight: to > from && (at.IsDST() || before.IsDST()),
	}
}

// yearsAhead is how long a zone must keep to a rule after the last year that is
// needed. One year alone fits many rules.
const yearsAhead = 4

// rules are the two onsets of a zone that changes twice a year by a rule, from the
// year before the first on; nil where it does not.
func (n needed) rules() []onset {
	first := n.first - 1
	all := onsets(n.loc, first, n.last+yearsAhead)[1:]
	years := n.last + yearsAhead - first + 1
	if len(all) != 2*years {
		return nil
	}
	rules := []onset{all[0], all[1]}
	if rules[0].daylight == rules[1].daylight {
		return nil
	}
	for i := range rules {
		week, same := weeks(rules[i].at), true
		for y := range years {
			o := all[2*y+i]
			week &= weeks(o.at)
			same = same && o.at.Year() == first+y && o.like(rules[i])
		}
		if !same || week == 0 {
			return nil
		}
		rules[i].rule = yearly(rules[i].at, week)
	}
	return rules
}

// like reports whether two onsets are the same but for the year and the week.
func (o onset) like(p onset) bool {
	return o.at.Month() == p.at.Month() && o.at.Weekday() == p.at.Weekday() &&
		o.at.Hour() == p.at.Hour() && o.at.Minute() == p.at.Minute() && o.at.Second() == p.at.Second() &&
		o.from == p.from && o.to == p.to && o.name == p.name && o.daylight == p.daylight
}

// weekSet is a set of weeks of a month: bits 1 to 4, and bit 0 for the last.
type weekSet uint8

// weeks are those of which a day can be said to be, as in "second Sunday".
func weeks(day time.Time) weekSet {
	var set weekSet
	if n := (day.Day()-1)/7 + 1; n <= 4 {
		set |= 1 << n
	}
	if day.AddDate(0, 0, 7).Month() != day.Month() {
		set |= 1
	}
	return set
}

func yearly(day time.Time, set weekSet) string {
	week := -1
	for n := 1; n <= 4 && set&1 == 0; n++ {
		if set&(1<<n) != 0 {
			week = n
			break
		}
	}
	return fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;BYDAY=%d%s", day.Month(), week,
		[]string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}[day.Weekday()])
}

func (o onset) component() ical.Component {
	var c ical.ComponentBase
	c.AddProperty(ical.ComponentPropertyDtStart, o.at.Format(clockForm))
	if o.rule != "" {
		c.AddRrule(o.rule)
	}
	c.AddProperty(ical.ComponentProperty(ical.PropertyTzoffsetfrom), offset(o.from))
	c.AddProperty(ical.ComponentProperty(ical.PropertyTzoffsetto), offset(o.to))
	c.AddProperty(ical.ComponentProperty(ical.PropertyTzname), o.name)
	if o.daylight {
		return &ical.Daylight{ComponentBase: c}
	}
	return &ical.Standard{ComponentBase: c}
}

// offset is in the form of RFC 5545 3.3.14; seconds are there only before about 1970.
func offset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	text := fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
	if seconds%60 != 0 {
		text += fmt.Sprintf("%02d", seconds%60)
	}
	return text
}
