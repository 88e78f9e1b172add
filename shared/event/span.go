package event

import (
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
)

// forever is the end of a series that has none. Azure's tables hold it.
func forever() time.Time { return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }

// Starts is the UTC instant at which a booking starts; ok is false when it is not
// scheduled. defaultZone is the organisation's, "" means UTC.
func Starts(b booking.Booking, defaultZone string) (start time.Time, ok bool) {
	b, ok = settled(b, defaultZone)
	if !ok {
		return time.Time{}, false
	}
	start, err := b.Start.Instant()
	return start.UTC(), err == nil
}

// Ends is the UTC instant at which a booking is over; ok is false when it is not
// scheduled. For a series it is an instant not before its last end: exact enough
// to know that it is past, and the year 9999 where the rule has no end or is not
// a simple one.
func Ends(b booking.Booking, defaultZone string) (end time.Time, ok bool) {
	b, ok = settled(b, defaultZone)
	if !ok {
		return time.Time{}, false
	}
	end, err := b.End.Instant()
	if err != nil {
		return time.Time{}, false
	}
	end = end.UTC()
	if b.Recurrence == nil {
		return end, true
	}
	return lastEnd(*b.Recurrence, end), true
}

func settled(b booking.Booking, defaultZone string) (booking.Booking, bool) {
	if !b.Scheduled() {
		return b, false
	}
	b, _ = b.Resolve(defaultZone) // filled in also where start and end are at odds
	return b, true
}

// lastEnd bounds the end of a series whose first occurrence ends at first.
func lastEnd(r booking.Recurrence, first time.Time) time.Time {
	rule, simple := simpleRule(r.RRule)
	if !simple {
		return forever()
	}
	last := first
	if until := rule["UNTIL"]; until != "" {
		day, err := time.Parse("20060102", until[:min(8, len(until))])
		if err != nil {
			return forever()
		}
		// An occurrence that starts on the last day may end later, and that day may
		// be a day longer in a zone west of UTC.
		last = latest(last, day.Add(48*time.Hour))
	} else {
		count, err := strconv.Atoi(rule["COUNT"])
		interval := 1
		if rule["INTERVAL"] != "" {
			interval, _ = strconv.Atoi(rule["INTERVAL"])
		}
		if err != nil || count < 1 || interval < 1 || count > 10_000 || interval > 1_000 {
			return forever()
		}
		last = first.AddDate(0, 0, count*interval*daysOf(rule["FREQ"])+1)
	}
	for _, v := range r.Overrides {
		if v.End == nil {
			continue
		}
		if end, err := v.End.Instant(); err == nil {
			last = latest(last, end.UTC())
		}
	}
	return last
}

// simpleRule reads a rule that has an occurrence in each of its periods, and an end.
func simpleRule(text string) (rule map[string]string, simple bool) {
	rule = map[string]string{}
	for part := range strings.SplitSeq(strings.ToUpper(text), ";") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST":
		case "BYDAY": // in weeks only: a fifth Monday is not in every month
			if strings.ContainsAny(value, "0123456789") {
				return nil, false
			}
		default:
			return nil, false
		}
		rule[name] = value
	}
	if rule["BYDAY"] != "" && rule["FREQ"] != "WEEKLY" {
		return nil, false
	}
	return rule, daysOf(rule["FREQ"]) > 0 && (rule["COUNT"] != "" || rule["UNTIL"] != "")
}

// daysOf is the longest that a period can be; months and years are not simple,
// since they may lack the 31st or 29 February.
func daysOf(frequency string) int {
	switch frequency {
	case "DAILY":
		return 1
	case "WEEKLY":
		return 7
	}
	return 0
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
