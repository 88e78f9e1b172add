package ics

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	ical "github.com/arran4/golang-ical"
	"github.com/teambition/rrule-go"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/zone"
)

// maxOverrideText is how many bytes of DESCRIPTION the changed occurrences of a
// series may have together; each has to repeat it (RFC 5545 3.8.4.4). Beyond it
// they have none.
const maxOverrideText = 128 * 1024

// series are the VEVENTs of one: that of the rule, then the changed occurrences.
func (f *file) series(master occurrence) ([]*ical.VEvent, error) {
	b, _ := f.in.Booking.Resolve(f.in.Options.TimeZone) // filled in also where times are at odds
	// The projection moves a start that is skipped on the first day; on the other
	// days there is no reason to.
	if wall, err := zone.Parse(b.Start.DateTime); err == nil && b.Start.TimeZone == master.start.zone {
		master.start.wall = wall
	}
	master.start.kept, master.end.kept = true, true
	rule, err := ruleOf(b.Recurrence.RRule, master.start)
	if err != nil {
		return nil, err
	}
	changed, cancelled := overrides(*b.Recurrence)
	exdates, err := f.exdates(append(cancelled, b.Recurrence.ExDates...), master.start)
	if err != nil {
		return nil, err
	}
	f.needSeries(b, master)
	list := []*ical.VEvent{f.event(master, func(c *ical.ComponentBase) {
		c.AddRrule(rule)
		for _, m := range exdates {
			f.add(c, ical.PropertyExdate, m)
		}
	})}
	if len(master.text)*len(changed) > maxOverrideText {
		master.text = ""
	}
	for _, v := range changed {
		e, err := f.override(master, v)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// overrides tells changed occurrences from cancelled ones, which are days. Of two
// for the same day the later counts, since a calendar can hold one.
func overrides(r booking.Recurrence) (changed []booking.Override, cancelled []string) {
	byDay := map[string]booking.Override{}
	for _, v := range r.Overrides {
		byDay[v.Occurrence] = v
	}
	for _, v := range byDay {
		switch {
		case v.Cancelled:
			cancelled = append(cancelled, v.Occurrence)
		case !slices.Contains(r.ExDates, v.Occurrence):
			changed = append(changed, v)
		}
	}
	slices.SortFunc(changed, func(a, b booking.Override) int { return cmp.Compare(a.Occurrence, b.Occurrence) })
	return changed, cancelled
}

// exdates are the occurrences of days, in order and each once.
func (f *file) exdates(days []string, start moment) ([]moment, error) {
	days = slices.Clone(days)
	slices.Sort(days)
	var list []moment
	for _, text := range slices.Compact(days) {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return nil, fmt.Errorf("%w: a day left out is none", ErrRecurrence)
		}
		list = append(list, start.on(day))
	}
	return list, nil
}

// needSeries notes the years in which the series needs its zones.
func (f *file) needSeries(b booking.Booking, o occurrence) {
	first := o.start.wall.Year()
	last := first + horizon
	if end, ok := event.Ends(b, f.in.Options.TimeZone); ok {
		last = min(last, end.Year())
	}
	for _, m := range []moment{o.start, o.end} {
		if !m.date && !m.utc() {
			f.needYears(m, first, last)
		}
	}
}

// override is the VEVENT of a changed occurrence. What it leaves out is as in the
// series: an end on its own keeps the start, a start on its own the duration.
func (f *file) override(o occurrence, v booking.Override) (*ical.VEvent, error) {
	day, err := time.Parse(time.DateOnly, v.Occurrence)
	if err != nil {
		return nil, fmt.Errorf("%w: the day of an override is none", ErrRecurrence)
	}
	id := o.start.on(day)
	days := int(id.wall.Sub(o.start.wall) / (24 * time.Hour))
	length := o.start.until(o.end)
	o.start, o.end = id.existing(), o.end.days(days).existing()
	if v.Start != nil {
		if o.start, err = newMoment(event.Time{DateTime: v.Start.DateTime, Zone: v.Start.TimeZone}, o.start.date); err != nil {
			return nil, fmt.Errorf("start of an override: %w", err)
		}
		o.end = o.start.plus(length, o.end)
	}
	if v.End != nil {
		if o.end, err = newMoment(event.Time{DateTime: v.End.DateTime, Zone: v.End.TimeZone}, o.end.date); err != nil {
			return nil, fmt.Errorf("end of an override: %w", err)
		}
	}
	if v.Title != "" {
		o.title = v.Title
	}
	return f.event(o, func(c *ical.ComponentBase) { f.add(c, ical.PropertyRecurrenceId, id) }), nil
}

// parts are those of a rule (RFC 5545 3.3.10), in the order in which they are
// written; programs of RFC 2445 want FREQ first.
func parts() []string {
	return []string{"FREQ", "UNTIL", "COUNT", "INTERVAL", "BYSECOND", "BYMINUTE", "BYHOUR", "BYDAY",
		"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS", "WKST"}
}

// ruleOf checks a rule and writes it in the form that suits the start. Nothing of
// it goes through that is not a name and value known here.
func ruleOf(text string, start moment) (string, error) {
	text = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "RRULE:")
	values := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimSuffix(text, ";"), ";") {
		name, value, _ := strings.Cut(part, "=")
		if _, twice := values[name]; twice || value == "" || !slices.Contains(parts(), name) ||
			strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,+-") != "" {
			return "", fmt.Errorf("%w: a part is unknown, empty or there twice", ErrRecurrence)
		}
		values[name] = value
	}
	if err := checkRule(values, start); err != nil {
		return "", err
	}
	var out []string
	for _, name := range parts() {
		if value, ok := values[name]; ok {
			out = append(out, name+"="+value)
		}
	}
	rule := strings.Join(out, ";")
	option, err := rrule.StrToROption(rule)
	if err != nil {
		return "", fmt.Errorf("%w: a value is none", ErrRecurrence) // the cause has text of the booking
	}
	option.Dtstart = start.wall
	if _, err := rrule.NewRRule(*option); err != nil {
		return "", fmt.Errorf("%w: a value is out of bounds", ErrRecurrence)
	}
	return rule, nil
}

// checkRule holds what RFC 5545 says and the library does not, and changes UNTIL
// to suit the start.
func checkRule(values map[string]string, start moment) error {
	_, until := values["UNTIL"]
	_, count := values["COUNT"]
	if until && count {
		return fmt.Errorf("%w: UNTIL and COUNT", ErrRecurrence)
	}
	for _, name := range []string{"COUNT", "INTERVAL"} {
		if value, ok := values[name]; ok && strings.Trim(value, "0") == "" {
			return fmt.Errorf("%w: %s is zero", ErrRecurrence, name)
		}
	}
	for _, name := range []string{"BYSECOND", "BYMINUTE", "BYHOUR"} {
		if _, ok := values[name]; ok && start.date {
			return fmt.Errorf("%w: hours of whole days", ErrRecurrence)
		}
	}
	if until {
		end, ok := untilOf(values["UNTIL"], start)
		if !ok {
			return fmt.Errorf("%w: UNTIL is no time", ErrRecurrence)
		}
		values["UNTIL"] = end
	}
	return nil
}

// untilOf is the end of a rule in the form of the start (RFC 5545 3.3.10): a date
// for dates, else UTC. A date is read as that whole day in the zone of the start,
// a reading without a zone on its clock (graph/contract.md 3.4).
func untilOf(text string, start moment) (string, bool) {
	var at time.Time
	if day, err := time.Parse(dateForm, text); err == nil {
		at = zone.Instant(day.Add(24*time.Hour-time.Second), start.loc)
	} else if wall, err := time.Parse(clockForm, text); err == nil {
		at = zone.Instant(wall, start.loc)
	} else if at, err = time.Parse(utcForm, text); err != nil {
		return "", false
	}
	if start.date {
		return at.In(start.loc).Format(dateForm), true
	}
	return at.UTC().Format(utcForm), true
}
