package exchange

import (
	"slices"
	"strings"
	"time"
)

// days are the dates on which the rule lets a series take place, the earliest first,
// as midnights in UTC, until yield returns false. A rule without end goes on until
// the year 9999. A day that a month lacks is that month's last one (3.1).
//
// This is not rrule-go's expansion because a pattern of Exchange's is no RRULE: RFC 5545
// skips a month that lacks the day, and a pattern may come from Graph, not from a file.
// rrule-go is what the tests compare it with, over every rule that both have.
func (r *Recurrence) days(yield func(time.Time) bool) {
	start, err := time.Parse(time.DateOnly, r.Range.StartDate)
	if err != nil {
		return
	}
	end, err := time.Parse(time.DateOnly, r.Range.EndDate)
	if r.Range.Type != "endDate" || err != nil {
		end = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	}
	n := 0
	for period := 0; ; period++ {
		for _, day := range r.Pattern.period(start, period) {
			switch {
			case day.Before(start):
				continue
			case day.After(end), r.Range.Type == "numbered" && n == r.Range.Count:
				return
			}
			n++
			if !yield(day) {
				return
			}
		}
	}
}

// period are the days of one period of the pattern, of which number 0 has the start.
func (p *Pattern) period(start time.Time, number int) []time.Time {
	step := number * p.Interval
	first := time.Date(start.Year(), start.Month(), 1, 0, 0, 0, 0, time.UTC)
	switch p.Type {
	case "daily":
		return []time.Time{start.AddDate(0, 0, step)}
	case "weekly":
		back := (int(start.Weekday()) - weekday(p.FirstDayOfWeek) + 7) % 7
		return p.among(start.AddDate(0, 0, 7*step-back), 7)
	case "absoluteMonthly":
		return []time.Time{p.dayOf(first.AddDate(0, step, 0))}
	case "relativeMonthly":
		return p.indexed(first.AddDate(0, step, 0))
	}
	first = time.Date(start.Year()+step, time.Month(p.Month), 1, 0, 0, 0, 0, time.UTC)
	if p.Type == "absoluteYearly" {
		return []time.Time{p.dayOf(first)}
	}
	return p.indexed(first)
}

// among are those of n days that are daysOfWeek.
func (p *Pattern) among(from time.Time, n int) []time.Time {
	var list []time.Time
	for i := range n {
		day := from.AddDate(0, 0, i)
		if slices.ContainsFunc(p.DaysOfWeek, func(name string) bool { return weekday(name) == int(day.Weekday()) }) {
			list = append(list, day)
		}
	}
	return list
}

// dayOf is dayOfMonth in the month that begins at first, or that month's last day.
func (p *Pattern) dayOf(first time.Time) time.Time {
	return first.AddDate(0, 0, min(p.DayOfMonth, lengthOf(first))-1)
}

// indexed is the index-th of the daysOfWeek in the month that begins at first.
func (p *Pattern) indexed(first time.Time) []time.Time {
	all := p.among(first, lengthOf(first))
	i := slices.Index([]string{"first", "second", "third", "fourth"}, p.Index)
	if i < 0 {
		i = len(all) - 1
	}
	return all[i : i+1]
}

func lengthOf(first time.Time) int { return first.AddDate(0, 1, -1).Day() }

func weekday(name string) int {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(day.String(), name) {
			return int(day)
		}
	}
	return 0
}

// has reports whether the rule has an occurrence on a day.
func (r *Recurrence) has(day time.Time) bool {
	for d := range r.days {
		if !d.Before(day) {
			return d.Equal(day)
		}
	}
	return false
}
