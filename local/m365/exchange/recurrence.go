package exchange

import (
	"strings"
	"time"
)

// recur sets or clears the recurrence of e after checking it against 3.1 and
// 3.2, and fills in what responses always carry.
func (s *Store) recur(e *Event, r *Recurrence) error {
	if r == nil {
		e.Recurrence = nil
		return nil
	}
	full := *r
	if err := s.pattern(&full.Pattern); err != nil {
		return err
	}
	if err := s.span(&full.Range, e); err != nil {
		return err
	}
	e.Recurrence = &full
	return nil
}

func (s *Store) pattern(p *Pattern) *Error {
	if !member("recurrencePatternType", p.Type) || p.Interval < 1 {
		return errProperty()
	}
	if p.FirstDayOfWeek == "" {
		p.FirstDayOfWeek = "sunday"
	}
	if p.Index == "" {
		p.Index = "first"
	}
	if !member("dayOfWeek", p.FirstDayOfWeek) || !member("weekIndex", p.Index) {
		return errProperty()
	}
	for _, day := range p.DaysOfWeek {
		if !member("dayOfWeek", day) {
			return errProperty()
		}
	}
	weekdays := p.Type == "weekly" || strings.HasPrefix(p.Type, "relative")
	monthday := strings.HasPrefix(p.Type, "absolute")
	yearly := strings.HasSuffix(p.Type, "Yearly")
	switch {
	case weekdays && len(p.DaysOfWeek) == 0,
		monthday && (p.DayOfMonth < 1 || p.DayOfMonth > 31),
		yearly && (p.Month < 1 || p.Month > 12),
		p.DayOfMonth < 0 || p.DayOfMonth > 31, p.Month < 0 || p.Month > 12:
		return errProperty() // unused fields are validated too (3.1)
	}
	return nil
}

func (s *Store) span(r *Range, e *Event) *Error {
	if !member("recurrenceRangeType", r.Type) {
		return errProperty()
	}
	start, err := time.Parse(time.DateOnly, r.StartDate)
	if err != nil || !strings.HasPrefix(e.Start.DateTime, r.StartDate+"T") {
		return errProperty() // startDate equals the date of start (3.2)
	}
	zone, ok := s.zones.find(e.Start.Zone)
	if !ok {
		return s.badZone()
	}
	if r.Zone != "" {
		of, ok := s.zones.find(r.Zone)
		if !ok {
			return s.badZone()
		}
		if of.Windows != zone.Windows {
			return errProperty()
		}
	}
	r.Zone = zone.Windows
	switch r.Type {
	case "endDate":
		end, err := time.Parse(time.DateOnly, r.EndDate)
		if err != nil || end.Before(start) {
			return errProperty()
		}
		r.Count = 0
	case "numbered":
		if r.Count < 1 || r.Count > 999 {
			return errProperty()
		}
		r.EndDate = "0001-01-01"
	case "noEnd":
		r.Count, r.EndDate = 0, "0001-01-01"
	}
	return nil
}
