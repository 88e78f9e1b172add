package exchange_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/zone"
)

// seriesCase is a booking that is a series, with what rrule-go and the booking's own
// words make of it.
type seriesCase struct {
	booking booking.Booking
	want    []string // "start, end, title" of each occurrence in the window
	from    time.Time
	to      time.Time
}

// aRule draws a rule that Exchange keeps exactly (contract 3.4), without an end.
func aRule(t *rapid.T) string {
	day := func() string {
		return rapid.SampledFrom([]string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}).Draw(t, "day")
	}
	nth := func() string { return rapid.SampledFrom([]string{"1", "2", "3", "4", "-1"}).Draw(t, "nth") }
	interval := fmt.Sprintf(";INTERVAL=%d", rapid.IntRange(1, 4).Draw(t, "interval"))
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0:
		return "FREQ=DAILY" + interval
	case 1:
		return "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR"
	case 2:
		days := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}), 1, 4, rapid.ID).Draw(t, "days")
		rule := "FREQ=WEEKLY" + interval + ";BYDAY=" + days[0]
		for _, d := range days[1:] {
			rule += "," + d
		}
		return rule + rapid.SampledFrom([]string{"", ";WKST=SU", ";WKST=" + day()}).Draw(t, "week")
	case 3:
		return "FREQ=MONTHLY" + interval + rapid.SampledFrom([]string{";BYMONTHDAY=-1", fmt.Sprintf(";BYMONTHDAY=%d", rapid.IntRange(1, 28).Draw(t, "monthday"))}).Draw(t, "by")
	case 4:
		return "FREQ=MONTHLY" + interval + ";BYDAY=" + nth() + day()
	case 5:
		return "FREQ=MONTHLY" + interval + ";BYDAY=MO,TU,WE,TH,FR;BYSETPOS=" + nth()
	case 6:
		return fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;BYMONTHDAY=%d", rapid.IntRange(1, 12).Draw(t, "month"), rapid.IntRange(1, 28).Draw(t, "monthday"))
	}
	return fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;BYDAY=%s", rapid.IntRange(1, 12).Draw(t, "month"), nth()+day())
}

// expand lists the readings of a clock that rrule-go has of a rule, 60 at most.
func expand(t *rapid.T, rule string, start time.Time) []time.Time {
	option, err := rrule.StrToROption(rule)
	if err != nil {
		t.Fatal(err)
	}
	option.Dtstart = start
	r, err := rrule.NewRRule(*option)
	if err != nil {
		t.Fatal(err)
	}
	var all []time.Time
	next := r.Iterator()
	for at, ok := next(); ok && len(all) < 60; at, ok = next() {
		all = append(all, at)
	}
	return all
}

// aSeries draws a booking in a zone, with an end of its rule, days left out, and
// occurrences cancelled, renamed and moved within their day.
func aSeries(t *rapid.T) seriesCase {
	name := rapid.SampledFrom([]string{"Europe/Helsinki", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "Africa/Casablanca", "America/Santiago", "UTC"}).Draw(t, "zone")
	_, loc, _ := zone.Load(name)
	allDay := rapid.IntRange(0, 3).Draw(t, "all day") == 0
	clock := time.Duration(rapid.IntRange(0, 95).Draw(t, "clock")) * 15 * time.Minute
	length := time.Duration(rapid.IntRange(1, 40).Draw(t, "length")) * 15 * time.Minute
	if allDay {
		clock, length = 0, time.Duration(rapid.IntRange(1, 3).Draw(t, "days"))*24*time.Hour
	}
	rule := aRule(t)
	around := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 700).Draw(t, "around")).Add(clock)
	start := expand(t, rule, around)[0]
	for _, wall := range []time.Time{start, start.Add(length)} { // the projection moves a first reading that is skipped
		if at := zone.Instant(wall, loc).In(loc); at.Hour() != wall.Hour() || at.Minute() != wall.Minute() {
			t.Skip("the first day lacks the hour")
		}
	}
	all := expand(t, rule, start)
	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		n := rapid.IntRange(1, 40).Draw(t, "count")
		rule, all = fmt.Sprintf("%s;COUNT=%d", rule, n), all[:min(n, len(all))]
	case 1:
		n := rapid.IntRange(1, 40).Draw(t, "until")
		last := zone.Instant(all[n-1], loc)
		text := last.UTC().Format("20060102T150405Z")
		if allDay {
			text = all[n-1].Format("20060102")
		} else if rapid.Bool().Draw(t, "early") && n > 1 { // a second too early for the last
			text, n = last.Add(-time.Second).UTC().Format("20060102T150405Z"), n-1
		}
		rule, all = rule+";UNTIL="+text, all[:n]
	}
	c := seriesCase{from: start.Add(-72 * time.Hour), to: all[len(all)-1].Add(72 * time.Hour)}
	if len(all) == 60 {
		c.to = all[40]
	}
	stamp := func(at time.Time) *booking.Time {
		return &booking.Time{DateTime: at.Format("2006-01-02T15:04:05"), TimeZone: name}
	}
	r := &booking.Recurrence{RRule: rule}
	for i, at := range all {
		day := at.Format(time.DateOnly)
		o := booking.Override{Occurrence: day}
		from, to, title := at, at.Add(length), "series"
		switch rapid.IntRange(0, 9).Draw(t, "fate") {
		case 0:
			r.ExDates = append(r.ExDates, day)
			continue
		case 1:
			o.Cancelled = true
			r.Overrides = append(r.Overrides, o)
			continue
		case 2:
			o.Title, title = fmt.Sprint("renamed ", i), fmt.Sprint("renamed ", i)
			r.Overrides = append(r.Overrides, o)
		case 3:
			if !allDay && i > 0 {
				from = at.Truncate(24 * time.Hour).Add(time.Duration(rapid.IntRange(16, 95).Draw(t, "to")) * 15 * time.Minute)
				to = from.Add(time.Duration(rapid.IntRange(1, 8).Draw(t, "for")) * 15 * time.Minute)
				o.Start, o.End = stamp(from), stamp(to)
				r.Overrides = append(r.Overrides, o)
			}
		}
		c.want = append(c.want, line(from, to, loc, allDay, title))
	}
	if rapid.Bool().Draw(t, "no such day") {
		r.ExDates = append(r.ExDates, "2025-12-31")
	}
	c.booking = booking.Booking{Organization: "acme", ID: "s", Revision: 3, Status: booking.Confirmed, Title: "series", AllDay: allDay,
		Start: stamp(start), End: stamp(start.Add(length)), Recurrence: r}
	return c
}

// line is an occurrence as it is compared: dates of whole days, else instants.
func line(from, to time.Time, loc *time.Location, allDay bool, title string) string {
	if allDay {
		return fmt.Sprint(from.Format(time.DateOnly), " ", to.Format(time.DateOnly), " ", title)
	}
	start, end := zone.Instant(from, loc).UTC(), zone.Instant(to, loc).UTC()
	if end.Before(start) { // the start was skipped, and moved past the end
		end = start
	}
	return fmt.Sprint(start.Format(time.RFC3339), " ", end.Format(time.RFC3339), " ", title)
}

func (c seriesCase) file(t *rapid.T, revision int64, method ics.Method) []byte {
	c.booking.Revision = revision
	file, err := ics.File(ics.Input{Method: method, UID: "040000008200E00074C5B7101A82E00800000000000000000000000000000000000000001000000000112233445566778899AABBCCDDEEFF",
		Stamp: time.Unix(0, 0), Booking: c.booking, Event: event.Project(c.booking, event.Options{})})
	if err != nil {
		t.Fatalf("%+v: %v", *c.booking.Recurrence, err)
	}
	return file
}

// The files of our own bookings, imported, show what rrule-go computes of the rule; a
// later file replaces all of it, a cancellation removes it.
func TestAnImportedSeriesOfOursShowsWhatItsRuleSays(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := start(t, exchange.Switches{WrapUIDs: rapid.Bool().Draw(r, "wrap")})
		owner := w.Owner(acme, aino)
		for revision := int64(1); revision <= 2; revision++ {
			c := aSeries(r)
			file := c.file(r, revision, ics.Publish)
			if _, err := owner.Import(file); err != nil {
				r.Fatalf("%v\n%s", err, file)
			}
			found, err := w.View(acme, aino, "", c.from, c.to)
			if err != nil {
				r.Fatal(err)
			}
			var got []string
			for _, e := range found {
				s := fmt.Sprint(e.From.Format(time.RFC3339), " ", e.To.Format(time.RFC3339), " ", e.Subject)
				if e.AllDay {
					s = fmt.Sprint(e.Start.DateTime[:10], " ", e.End.DateTime[:10], " ", e.Subject)
				}
				got = append(got, s)
			}
			slices.Sort(got)
			want := within(c)
			if diff := cmp.Diff(want, got); diff != "" {
				r.Fatalf("(-want +got)\n%s\n%s", diff, file)
			}
			if n := len(w.Events(acme, aino)); n != 1 {
				r.Fatalf("%d events", n)
			}
			if revision == 2 {
				if done, err := owner.Import(c.file(r, 3, ics.Cancel)); err != nil || len(done.Removed) != 1 || len(w.Events(acme, aino)) != 0 {
					r.Fatalf("cancelled: %+v, %v", done, err)
				}
			}
		}
	})
}

// within are the occurrences that the window of the view selects.
func within(c seriesCase) []string {
	var list []string
	for _, s := range c.want {
		form := time.RFC3339
		if s[10] == ' ' {
			form = time.DateOnly
		}
		var from, to string
		_, _ = fmt.Sscan(s, &from, &to)
		start, _ := time.Parse(form, from)
		end, _ := time.Parse(form, to)
		if start.Before(c.to) && end.After(c.from) {
			list = append(list, s)
		}
	}
	slices.Sort(list)
	return list
}
