package exchange

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fileRule is a rule of a calendar file (RFC 5545 3.3.10) as the recurrence that
// Outlook makes of it, for a series that starts at a reading of a clock in a zone.
// What fits no pattern of Exchange's is refused, as Outlook does ([MS-OXCICAL]
// 2.1.3.2.2); the table is that of 3.4.
//
// Not exact, as in Outlook: a day that a month lacks is its last day (3.1). Guessed:
// a UNTIL that is a date is that whole day.
func fileRule(text string, start time.Time, zone Zone) (*Recurrence, error) {
	p, err := ruleParts(text)
	if err != nil {
		return nil, err
	}
	r := &Recurrence{Range: Range{Type: "noEnd", StartDate: start.Format(time.DateOnly)}}
	r.Pattern.Interval, err = p.number("INTERVAL", 1, 999)
	if err == nil {
		err = p.pattern(&r.Pattern, start)
	}
	if err == nil {
		err = p.end(&r.Range, start, zone)
	}
	return r, err
}

// parts are those of a rule, by name.
type parts map[string]string

func ruleParts(text string) (parts, error) {
	p := parts{}
	for part := range strings.SplitSeq(strings.ToUpper(strings.TrimSpace(text)), ";") {
		name, value, _ := strings.Cut(part, "=")
		if part == "" {
			continue
		}
		if _, twice := p[name]; twice || value == "" {
			return nil, fmt.Errorf("the rule has %s twice, or without a value", cut(name))
		}
		p[name] = value
	}
	return p, nil
}

// cut keeps short what an error quotes of a file.
func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), 20)], "") }

// only refuses every part that is not among the names.
func (p parts) only(names ...string) error {
	for name := range p {
		if !slices.Contains([]string{"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"}, name) && !slices.Contains(names, name) {
			return fmt.Errorf("the rule has %s, which Outlook cannot keep with FREQ=%s", cut(name), cut(p["FREQ"]))
		}
	}
	return nil
}

// number reads a part that is a number up to a largest one; otherwise where it is absent.
func (p parts) number(name string, otherwise, largest int) (int, error) {
	text, ok := p[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > largest {
		return 0, fmt.Errorf("the rule's %s is no number from 1 to %d", name, largest)
	}
	return n, nil
}

// pattern reads what the rule repeats.
func (p parts) pattern(out *Pattern, start time.Time) error {
	if err := p.clock(start); err != nil {
		return err
	}
	out.FirstDayOfWeek, out.Index = "monday", "first" // RFC 5545's default; Graph's is sunday
	if text, ok := p["WKST"]; ok {
		day, ok := dayNames[text]
		if !ok {
			return errors.New("the rule's WKST is no day")
		}
		out.FirstDayOfWeek = day
	}
	switch p["FREQ"] {
	case "DAILY":
		return p.daily(out)
	case "WEEKLY":
		return p.weekly(out, start)
	case "MONTHLY":
		return p.monthly(out, start)
	case "YEARLY":
		return p.yearly(out, start)
	}
	return fmt.Errorf("the rule's FREQ %s is none that Outlook has", cut(p["FREQ"]))
}

// clock takes parts away that only repeat the time of the start.
func (p parts) clock(start time.Time) error {
	for name, at := range map[string]int{"BYHOUR": start.Hour(), "BYMINUTE": start.Minute(), "BYSECOND": start.Second()} {
		text, ok := p[name]
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(text); err != nil || n != at {
			return fmt.Errorf("the rule has %s at another time than the start, which Outlook cannot keep", name)
		}
		delete(p, name)
	}
	return nil
}

func (p parts) daily(out *Pattern) error {
	out.Type = "daily"
	if _, some := p["BYDAY"]; !some {
		return p.only()
	}
	if out.Interval > 1 {
		return errors.New("the rule has BYDAY on every so many days, which Outlook cannot keep")
	}
	return p.weekly(out, time.Time{})
}

func (p parts) weekly(out *Pattern, start time.Time) error {
	out.Type = "weekly"
	if _, some := p["BYDAY"]; !some {
		out.DaysOfWeek = []string{strings.ToLower(start.Weekday().String())}
		return p.only()
	}
	days, index, err := p.days()
	if err == nil && index != 0 {
		err = errors.New("the rule has numbered days in a week")
	}
	out.DaysOfWeek = days
	return errors.Join(err, p.only("BYDAY"))
}

func (p parts) monthly(out *Pattern, start time.Time) error {
	out.Type = "absoluteMonthly"
	if _, some := p["BYDAY"]; some {
		out.Type = "relativeMonthly"
		return errors.Join(p.nth(out), p.only("BYDAY", "BYSETPOS"))
	}
	return errors.Join(p.monthday(out, start), p.only("BYMONTHDAY"))
}

func (p parts) yearly(out *Pattern, start time.Time) error {
	_, inMonth := p["BYMONTH"]
	month, err := p.number("BYMONTH", int(start.Month()), 12)
	if err != nil {
		return errors.New("the rule's BYMONTH is not one month, which Outlook needs")
	}
	out.Type, out.Month = "absoluteYearly", month
	_, byDay := p["BYDAY"]
	_, byMonthday := p["BYMONTHDAY"]
	if !inMonth && (byDay || byMonthday) {
		return errors.New("the rule has days in every month of a year, which Outlook cannot keep")
	}
	if byDay {
		out.Type = "relativeYearly"
		return errors.Join(p.nth(out), p.only("BYMONTH", "BYDAY", "BYSETPOS"))
	}
	return errors.Join(p.monthday(out, start), p.only("BYMONTH", "BYMONTHDAY"))
}

// monthday reads the one day of a month; -1 is the last one, which Exchange keeps as
// the 31st ([MS-OXCICAL] 2.1.3.2.2.3).
func (p parts) monthday(out *Pattern, start time.Time) error {
	if p["BYMONTHDAY"] == "-1" {
		out.DayOfMonth = 31
		return nil
	}
	day, err := p.number("BYMONTHDAY", start.Day(), 31)
	if err != nil {
		return errors.New("the rule's BYMONTHDAY is not one day from 1 to 31 or -1, which Outlook needs")
	}
	out.DayOfMonth = day
	return nil
}

// nth reads the index-th of some days of a month: BYDAY=2MO, or BYDAY=MO,TU with BYSETPOS=2.
func (p parts) nth(out *Pattern) error {
	days, index, err := p.days()
	if err != nil {
		return err
	}
	if text, some := p["BYSETPOS"]; some {
		n, err := strconv.Atoi(text)
		if err != nil || n == 0 || index != 0 {
			return errors.New("the rule's BYSETPOS is not one number beside days without, which Outlook needs")
		}
		index = n
	}
	name, ok := map[int]string{1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}[index]
	if !ok {
		return errors.New("the rule has days of a month that are not the first to fourth or last, which Outlook cannot keep")
	}
	out.DaysOfWeek, out.Index = days, name
	return nil
}

var dayNames = map[string]string{"SU": "sunday", "MO": "monday", "TU": "tuesday", "WE": "wednesday", "TH": "thursday", "FR": "friday", "SA": "saturday"}

// days reads BYDAY: days without a number, or one with its number.
func (p parts) days() (names []string, index int, err error) {
	list := strings.Split(p["BYDAY"], ",")
	for _, text := range list {
		number, code := "", text
		if len(text) > 2 {
			number, code = text[:len(text)-2], text[len(text)-2:]
		}
		name, ok := dayNames[code]
		if !ok {
			return nil, 0, errors.New("the rule's BYDAY has what is no day")
		}
		if number != "" {
			if index, err = strconv.Atoi(number); err != nil || index == 0 || len(list) > 1 {
				return nil, 0, errors.New("the rule has several numbered days, which Outlook cannot keep")
			}
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, index, nil
}

// end reads COUNT and UNTIL. An UNTIL before the start of that day ends the day before (3.4).
func (p parts) end(out *Range, start time.Time, zone Zone) error {
	text, until := p["UNTIL"]
	if _, counted := p["COUNT"]; counted {
		n, err := p.number("COUNT", 0, 999)
		if until {
			err = errors.New("the rule has COUNT and UNTIL")
		}
		out.Type, out.Count = "numbered", n
		return err
	}
	if !until {
		return nil
	}
	last, err := untilDay(text, start, zone)
	if err != nil {
		return err
	}
	out.Type, out.EndDate = "endDate", last.Format(time.DateOnly)
	if out.EndDate < out.StartDate {
		return errors.New("the rule ends before the series starts")
	}
	return nil
}

func untilDay(text string, start time.Time, zone Zone) (time.Time, error) {
	if day, err := time.Parse("20060102", text); err == nil {
		return day, nil
	}
	wall, err := time.Parse("20060102T150405", text)
	if at, utc := time.Parse("20060102T150405Z", text); utc == nil {
		local := at.In(zone.Location)
		wall, err = time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC), nil
	}
	if err != nil {
		return wall, errors.New("the rule's UNTIL is no date or time")
	}
	day := wall.Truncate(24 * time.Hour)
	if wall.Before(day.Add(start.Sub(start.Truncate(24 * time.Hour)))) {
		day = day.AddDate(0, 0, -1)
	}
	return day, nil
}
