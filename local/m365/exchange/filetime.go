package exchange

import (
	"errors"
	"fmt"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
)

// fileTimes reads DTSTART and DTEND. A zone must be one that the store knows, by
// its TZID; what a VTIMEZONE says of it is not read.
func (s *Store) fileTimes(v *ics.VEvent, c *Change, home string) error {
	start, allDay, err := s.fileTime(v, ics.ComponentPropertyDtStart, home)
	if err != nil {
		return err
	}
	end := start
	if v.GetProperty(ics.ComponentPropertyDtEnd) != nil {
		var date bool
		if end, date, err = s.fileTime(v, ics.ComponentPropertyDtEnd, home); err != nil {
			return err
		}
		if date != allDay {
			return errors.New("DTSTART and DTEND are of two kinds")
		}
	} else if end.DateTime, err = fileLength(v, start, allDay); err != nil {
		return err
	}
	c.Start, c.End, c.AllDay = &start, &end, &allDay
	return nil
}

// fileLength is the end of what has no DTEND: DURATION after the start, else a day after
// a date and at once after a time (RFC 5545 3.6.1). Guessed: hours count on the clock,
// also over its change.
func fileLength(v *ics.VEvent, start Time, allDay bool) (string, error) {
	wall, _ := parseWall(start.DateTime)
	p := v.GetProperty(ics.ComponentPropertyDuration)
	switch {
	case p == nil && allDay:
		wall = wall.AddDate(0, 0, 1)
	case p != nil:
		minutes, ok := before("-" + strings.TrimPrefix(p.Value, "+"))
		if !ok || allDay && minutes%(24*60) != 0 {
			return "", errors.New("DURATION is no length of the event")
		}
		wall = wall.Add(time.Duration(minutes) * time.Minute)
	}
	return wall.Format(wallClock), nil
}

func (s *Store) fileTime(v *ics.VEvent, name ics.ComponentProperty, home string) (at Time, date bool, err error) {
	p := v.GetProperty(name)
	if p == nil {
		return at, false, fmt.Errorf("an event has no %s", name)
	}
	at.Zone = home
	if zone := first(p.ICalParameters["TZID"]); zone != "" {
		at.Zone = zone
	}
	return s.fileValue(string(name), p.Value, at)
}

// fileValue reads one date or time; at has the zone of a time that is not in UTC.
func (s *Store) fileValue(name, text string, at Time) (Time, bool, error) {
	value, utc := strings.CutSuffix(text, "Z")
	if utc {
		at.Zone = "UTC"
	}
	if _, known := s.zones.find(at.Zone); !known {
		return at, false, fmt.Errorf("%s is in an unknown zone", name)
	}
	for _, layout := range []string{"20060102T150405", "20060102"} {
		if t, err := time.Parse(layout, value); err == nil {
			at.DateTime = t.Format(wallClock)
			return at, layout == "20060102", nil
		}
	}
	return at, false, fmt.Errorf("%s is no date or time", name)
}

// fileInstance reads RECURRENCE-ID. What is of it and of all that follow fits nothing
// that Exchange has (3.4).
func (s *Store) fileInstance(v *ics.VEvent, e *fileEvent, home string) error {
	p := v.GetProperty(ics.ComponentPropertyRecurrenceId)
	if p == nil {
		return nil
	}
	if first(p.ICalParameters["RANGE"]) != "" {
		return errors.New("a RECURRENCE-ID has a RANGE, which Outlook cannot keep")
	}
	list, err := s.fileMoments("RECURRENCE-ID", p, home)
	if err == nil && len(list) != 1 {
		err = errors.New("a RECURRENCE-ID is not one time")
	}
	if err == nil {
		e.instance = &list[0]
	}
	return err
}

// fileSeries reads what makes an event a series. Exchange keeps one zone for it (2.4):
// Guessed: an end in another zone is read in the zone of the start.
func (s *Store) fileSeries(v *ics.VEvent, e *fileEvent, home string) error {
	var none *Recurrence
	e.content.Recurrence = &none
	rules := v.GetProperties(ics.ComponentPropertyRrule)
	if len(rules) > 0 && e.instance != nil || len(rules) > 1 {
		return errors.New("an event has several rules, or an occurrence has one, which Outlook cannot keep")
	}
	for _, name := range []ics.ComponentProperty{ics.ComponentPropertyRdate, ics.ComponentPropertyExrule} {
		if v.GetProperty(name) != nil {
			return fmt.Errorf("an event has %s, which Outlook cannot keep", name)
		}
	}
	if len(rules) == 0 {
		return nil
	}
	start, zone := *e.content.Start, Zone{}
	zone, _ = s.zones.find(start.Zone) // known by now
	if end := e.content.End; end.Zone != start.Zone && !*e.content.AllDay {
		from, _ := s.zones.find(end.Zone)
		wall, _ := parseWall(end.DateTime)
		*end = Time{instant(wall, from.Location).In(zone.Location).Format(wallClock), start.Zone}
	}
	wall, _ := parseWall(start.DateTime)
	r, err := fileRule(rules[0].Value, wall, zone)
	if err != nil {
		return err
	}
	e.content.Recurrence = &r
	for _, p := range v.GetProperties(ics.ComponentPropertyExdate) {
		list, err := s.fileMoments("EXDATE", p, home)
		if err != nil {
			return err
		}
		e.exdates = append(e.exdates, list...)
	}
	return nil
}

// fileMoments reads a property of one or several times. A time without a zone is in home.
func (s *Store) fileMoments(name string, p *ics.IANAProperty, home string) ([]moment, error) {
	zone := home
	if z := first(p.ICalParameters["TZID"]); z != "" {
		zone = z
	}
	var list []moment
	for text := range strings.SplitSeq(p.Value, ",") {
		t, date, err := s.fileValue(name, strings.TrimSpace(text), Time{Zone: zone})
		if err != nil {
			return nil, err
		}
		wall, _ := time.Parse(wallClock, t.DateTime)
		m := moment{day: wall}
		if !date {
			z, _ := s.zones.find(t.Zone)
			m = moment{at: instant(wall, z.Location)}
		}
		list = append(list, m)
	}
	return list, nil
}
