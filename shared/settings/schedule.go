package settings

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// minBetween is the shortest time between two firings: Microsoft throttles
// shorter ones (R8).
const minBetween = 30 * time.Minute

const (
	secondsOfDay = 24 * 60 * 60
	starBit      = 1 << 63 // robfig/cron's mark of a field that is *
)

var scheduleShape = regexp.MustCompile(`^[0-9A-Za-z*/,-]+( +[0-9A-Za-z*/,-]+){4,5}$`)

// checkSchedule reads NCRONTAB with six fields, or five without seconds. Firings
// are looked at in UTC, in which the host runs timers.
//
// Where both day fields are restricted NCRONTAB wants both to match and
// robfig/cron one of them; the latter fires more often, so checking it is the
// stricter reading.
func checkSchedule(text string) (problem string) {
	const form = "must be NCRONTAB: six fields, second minute hour day month weekday"
	if !scheduleShape.MatchString(text) {
		return form
	}
	if len(strings.Fields(text)) == 5 {
		text = "0 " + text
	}
	fields := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	parsed, err := fields.Parse(text)
	if err != nil {
		return form
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return form
	}
	days := matching(spec)
	switch first, last, gap := firings(spec); {
	case len(days) == 0:
		return "never fires"
	case gap < minBetween, overnight(days) && secondsOf(secondsOfDay-last+first) < minBetween:
		return fmt.Sprintf("must leave at least %d minutes between any two firings", int(minBetween.Minutes()))
	}
	return ""
}

func secondsOf(n int) time.Duration { return time.Duration(n) * time.Second }

// firings returns the first and last second of a day at which a schedule fires,
// and the shortest time between two of a day; it stops at the first that is too short.
func firings(s *cron.SpecSchedule) (first, last int, gap time.Duration) {
	first, last, gap = -1, -1, secondsOf(secondsOfDay)
	for at := range secondsOfDay {
		if s.Hour>>(at/3600)&1 == 0 || s.Minute>>(at/60%60)&1 == 0 || s.Second>>(at%60)&1 == 0 {
			continue
		}
		if first < 0 {
			first = at
		} else {
			gap = min(gap, secondsOf(at-last))
		}
		last = at
		if gap < minBetween {
			return first, last, gap
		}
	}
	return first, last, gap
}

// matching lists the days of four years, one a leap year, on which a schedule fires.
func matching(s *cron.SpecSchedule) []time.Time {
	var days []time.Time
	for day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2031; day = day.AddDate(0, 0, 1) {
		month := s.Month>>int(day.Month())&1 == 1
		date := s.Dom>>day.Day()&1 == 1
		weekday := s.Dow>>int(day.Weekday())&1 == 1
		match := date && weekday
		if s.Dom&starBit == 0 && s.Dow&starBit == 0 {
			match = date || weekday
		}
		if month && match {
			days = append(days, day)
		}
	}
	return days
}

// overnight reports whether two of the days follow each other.
func overnight(days []time.Time) bool {
	for i := 1; i < len(days); i++ {
		if days[i].Sub(days[i-1]) == 24*time.Hour {
			return true
		}
	}
	return false
}
