package exchange_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// files joins the VEVENTs of several calendar files into one file.
func files(list ...[]byte) []byte {
	out, _, _ := strings.Cut(string(list[0]), "END:VCALENDAR")
	for _, f := range list[1:] {
		at := strings.Index(string(f), "BEGIN:VEVENT")
		events, _, _ := strings.Cut(string(f)[at:], "END:VCALENDAR")
		out += events
	}
	return []byte(out + "END:VCALENDAR\r\n")
}

// shown is what a mailbox shows from December 2026 on, for two years: start in UTC and subject.
func (w *world) shown() []string {
	w.Helper()
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	found, err := w.View(acme, aino, "", from, from.AddDate(2, 0, 0))
	if err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, e := range found {
		out = append(out, strings.TrimSpace(e.From.Format("2006-01-02 15:04")+" "+e.Subject))
	}
	return out
}

// occurrences are the ids of those of the only series, by the day in its rule.
func (w *world) occurrences() map[string]string {
	w.Helper()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	found, err := w.Instances(acme, aino, w.Events(acme, aino)[0].ID, from, from.AddDate(5, 0, 0))
	if err != nil {
		w.Fatal(err)
	}
	ids := map[string]string{}
	for _, e := range found {
		ids[e.Day()] = e.ID
	}
	return ids
}

func TestAnImportedSeriesTakesPlaceWhenItsFileSays(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"days", []string{"RRULE:FREQ=DAILY;COUNT=3"}, []string{"2026-12-01 08:00", "2026-12-02 08:00", "2026-12-03 08:00"}},
		{"the clock changes, the reading stays", []string{"DTSTART;TZID=Europe/Helsinki:20270327T100000", "DTEND;TZID=Europe/Helsinki:20270327T110000", "RRULE:FREQ=DAILY;COUNT=2"},
			[]string{"2027-03-27 08:00", "2027-03-28 07:00"}},
		{"a reading that a day lacks is an hour later", []string{"DTSTART;TZID=Europe/Helsinki:20270327T033000", "DTEND;TZID=Europe/Helsinki:20270327T034500", "RRULE:FREQ=DAILY;COUNT=2"},
			[]string{"2027-03-27 01:30", "2027-03-28 01:30"}},
		{"UNTIL in UTC", []string{"RRULE:FREQ=WEEKLY;UNTIL=20261215T080000Z"}, []string{"2026-12-01 08:00", "2026-12-08 08:00", "2026-12-15 08:00"}},
		{"UNTIL before the last start", []string{"RRULE:FREQ=WEEKLY;UNTIL=20261215T075959Z"}, []string{"2026-12-01 08:00", "2026-12-08 08:00"}},
		{"UNTIL a date", []string{"RRULE:FREQ=WEEKLY;UNTIL=20261208"}, []string{"2026-12-01 08:00", "2026-12-08 08:00"}},
		{"EXDATE in UTC, in another zone, as a date, of no occurrence", []string{"RRULE:FREQ=DAILY;COUNT=5", "EXDATE:20261202T080000Z", "EXDATE;TZID=Asia/Tokyo:20261203T170000",
			"EXDATE;VALUE=DATE:20261204,20270101"}, []string{"2026-12-01 08:00", "2026-12-05 08:00"}},
		{"floating times are the mailbox's", []string{"DTSTART:20261201T100000", "DTEND:20261201T110000", "RRULE:FREQ=DAILY;COUNT=2", "EXDATE:20261202T100000"}, []string{"2026-12-01 10:00"}},
		{"all day", []string{"DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202", "RRULE:FREQ=WEEKLY;BYDAY=TU,TH;COUNT=3", "EXDATE;VALUE=DATE:20261203"},
			[]string{"2026-12-01 00:00", "2026-12-08 00:00"}},
		{"workdays", []string{"RRULE:FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;COUNT=5"},
			[]string{"2026-12-01 08:00", "2026-12-02 08:00", "2026-12-03 08:00", "2026-12-04 08:00", "2026-12-07 08:00"}},
		{"weeks begin on Monday where nothing is said", []string{"RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;COUNT=3"}, []string{"2026-12-01 08:00", "2026-12-06 08:00", "2026-12-15 08:00"}},
		{"or on Sunday", []string{"RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU;COUNT=3"}, []string{"2026-12-01 08:00", "2026-12-13 08:00", "2026-12-15 08:00"}},
		{"the 31st is the last day, as in Outlook (3.1)", []string{"DTSTART;TZID=Europe/Helsinki:20261231T100000", "DTEND;TZID=Europe/Helsinki:20261231T110000", "RRULE:FREQ=MONTHLY;COUNT=3"},
			[]string{"2026-12-31 08:00", "2027-01-31 08:00", "2027-02-28 08:00"}},
		{"the last day", []string{"DTSTART;TZID=Europe/Helsinki:20261231T100000", "DTEND;TZID=Europe/Helsinki:20261231T110000", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3"},
			[]string{"2026-12-31 08:00", "2027-01-31 08:00", "2027-02-28 08:00"}},
		{"the first Tuesday", []string{"RRULE:FREQ=MONTHLY;BYDAY=1TU;COUNT=2"}, []string{"2026-12-01 08:00", "2027-01-05 08:00"}},
		{"the last workday", []string{"RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2"}, []string{"2026-12-31 08:00", "2027-01-29 08:00"}},
		{"years", []string{"RRULE:FREQ=YEARLY;COUNT=2"}, []string{"2026-12-01 08:00", "2027-12-01 08:00"}},
		{"the first Tuesday of December", []string{"RRULE:FREQ=YEARLY;BYMONTH=12;BYDAY=1TU;COUNT=2"}, []string{"2026-12-01 08:00", "2027-12-07 08:00"}},
		{"the hour of the start again", []string{"RRULE:FREQ=DAILY;BYHOUR=10;BYMINUTE=0;COUNT=2"}, []string{"2026-12-01 08:00", "2026-12-02 08:00"}},
		{"an end in another zone", []string{"DTEND;TZID=Asia/Tokyo:20261201T180000", "RRULE:FREQ=DAILY;COUNT=2"}, []string{"2026-12-01 08:00", "2026-12-02 08:00"}},
	}
	for _, test := range tests {
		w := start(t, exchange.Switches{})
		w.imports(file("PUBLISH", test.lines...))
		if diff := cmp.Diff(test.want, w.shown()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// Contract 3.4, [MS-OXCICAL] 2.1.3.2.2: what no pattern of Exchange's can hold.
func TestARuleThatOutlookCannotKeepIsRefusedWithItsReason(t *testing.T) {
	for rule, want := range map[string]string{
		"FREQ=HOURLY": "FREQ HOURLY", "COUNT=3": "FREQ", "FREQ=DAILY;INTERVAL=2;BYDAY=MO": "BYDAY", "FREQ=DAILY;BYMONTH=1": "BYMONTH",
		"FREQ=WEEKLY;BYDAY=1MO": "numbered days", "FREQ=WEEKLY;BYDAY=XX": "no day", "FREQ=WEEKLY;WKST=XX": "WKST", "FREQ=WEEKLY;BYSETPOS=1": "BYSETPOS",
		"FREQ=MONTHLY;BYMONTHDAY=1,15": "BYMONTHDAY", "FREQ=MONTHLY;BYMONTHDAY=-2": "BYMONTHDAY", "FREQ=MONTHLY;BYDAY=5MO": "first to fourth",
		"FREQ=MONTHLY;BYDAY=MO": "first to fourth", "FREQ=MONTHLY;BYDAY=1MO,3MO": "several", "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=2": "BYMONTHDAY",
		"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1,2": "BYSETPOS", "FREQ=YEARLY;BYMONTH=1,2": "BYMONTH", "FREQ=YEARLY;BYWEEKNO=1": "BYWEEKNO", "FREQ=YEARLY;BYYEARDAY=1": "BYYEARDAY",
		"FREQ=YEARLY;BYMONTHDAY=1": "every month", "FREQ=YEARLY;BYDAY=1MO": "every month", "FREQ=DAILY;BYHOUR=11": "BYHOUR", "FREQ=DAILY;BYSECOND=30": "BYSECOND",
		"FREQ=DAILY;COUNT=0": "COUNT", "FREQ=DAILY;COUNT=1000": "COUNT", "FREQ=DAILY;INTERVAL=0": "INTERVAL", "FREQ=DAILY;INTERVAL=x": "INTERVAL",
		"FREQ=DAILY;COUNT=2;UNTIL=20270101": "COUNT and UNTIL", "FREQ=DAILY;UNTIL=20261130": "before the series", "FREQ=DAILY;UNTIL=x": "UNTIL", "FREQ=DAILY;FREQ=WEEKLY": "twice",
	} {
		w := start(t, exchange.Switches{})
		if _, err := w.Owner(acme, aino).Import(file("", "RRULE:"+rule)); err == nil || !strings.Contains(err.Error(), want) || len(w.Events(acme, aino)) != 0 {
			t.Errorf("%s: %v, want %q", rule, err, want)
		}
	}
	series := file("", "RRULE:FREQ=DAILY;COUNT=3")
	for name, bad := range map[string][]byte{
		"RDATE": file("", "RDATE:20261201T100000Z"), "EXRULE": file("", "RRULE:FREQ=DAILY", "EXRULE:FREQ=WEEKLY"), "several rules": file("", "RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"),
		"RANGE":                               files(series, file("", "RECURRENCE-ID;RANGE=THISANDFUTURE:20261202T080000Z")),
		"does not have":                       files(series, file("", "RECURRENCE-ID:20261210T080000Z")),
		"RECURRENCE-ID is no":                 files(series, file("", "RECURRENCE-ID:x")),
		"not one time":                        files(series, file("", "RECURRENCE-ID:20261202T080000Z,20261203T080000Z")),
		"EXDATE is no":                        file("", "RRULE:FREQ=DAILY", "EXDATE:x"),
		"not in the calendar":                 file("", "RECURRENCE-ID:20261202T080000Z"),
		"no series":                           files(file(""), file("", "RECURRENCE-ID:20261202T080000Z")),
		"ErrorOccurrenceCrossingBoundary":     files(series, file("", "RECURRENCE-ID:20261202T080000Z", "DTSTART:20261203T050000Z", "DTEND:20261203T060000Z")),
		"400 ErrorOccurrenceCrossingBoundary": files(series, file("", "RECURRENCE-ID:20261202T080000Z", "DTSTART:20261201T050000Z", "DTEND:20261201T060000Z")),
	} {
		w := start(t, exchange.Switches{})
		if _, err := w.Owner(acme, aino).Import(bad); err == nil || !strings.Contains(err.Error(), name) || len(w.Events(acme, aino)) != 0 {
			t.Errorf("%s: %v, %d events", name, err, len(w.Events(acme, aino)))
		}
	}
}

func TestFilesOfASeriesUpdateAndCancelIt(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		w := start(t, exchange.Switches{WrapUIDs: wrap})
		series := func(sequence int, lines ...string) []byte {
			return file("PUBLISH", append(lines, fmt.Sprint("SEQUENCE:", sequence))...)
		}
		second := []string{"RECURRENCE-ID;TZID=Europe/Helsinki:20261202T100000", "DTSTART;TZID=Europe/Helsinki:20261202T150000", "DTEND;TZID=Europe/Helsinki:20261202T160000", "SUMMARY:moved"}
		third := []string{"RECURRENCE-ID:20261203T080000Z"}
		moved := files(series(1, "RRULE:FREQ=DAILY;COUNT=4", "EXDATE:20261204T080000Z", "SUMMARY:s"), series(1, second...))
		added := w.imports(moved).Added
		steps := []struct {
			name  string
			file  []byte
			want  exchange.Imported
			shown []string
		}{
			{"again", moved, exchange.Imported{Ignored: []string{"u1@example"}}, []string{"2026-12-01 08:00 s", "2026-12-02 13:00 moved", "2026-12-03 08:00 s"}},
			{"one occurrence alone", series(1, append(third, "SUMMARY:alone")...), exchange.Imported{Updated: added},
				[]string{"2026-12-01 08:00 alone", "2026-12-01 08:00 s", "2026-12-02 13:00 moved"}},
		}
		steps[1].file = series(1, append(third, "SUMMARY:alone", "DTSTART:20261203T090000Z", "DTEND:20261203T100000Z")...)
		steps[1].shown = []string{"2026-12-01 08:00 s", "2026-12-02 13:00 moved", "2026-12-03 09:00 alone"}
		steps = append(steps, []struct {
			name  string
			file  []byte
			want  exchange.Imported
			shown []string
		}{
			{"the same again", steps[1].file, exchange.Imported{Ignored: []string{"u1@example"}}, steps[1].shown},
			{"an earlier one", series(0, append(third, "SUMMARY:old")...), exchange.Imported{Ignored: []string{"u1@example"}}, steps[1].shown},
			{"one cancelled", file("CANCEL", append(third, "SEQUENCE:1")...), exchange.Imported{Updated: added}, steps[0].shown[:2]},
			{"it cancelled again", file("CANCEL", append(third, "SEQUENCE:1")...), exchange.Imported{Ignored: []string{"u1@example"}}, steps[0].shown[:2]},
			{"a file from before it was cancelled", steps[1].file, exchange.Imported{Ignored: []string{"u1@example"}}, steps[0].shown[:2]},
			{"it takes place again", series(2, append(third, "SUMMARY:back", "DTSTART:20261203T100000Z", "DTEND:20261203T110000Z")...), exchange.Imported{Updated: added}, append(steps[0].shown[:2:2], "2026-12-03 10:00 back")},
			{"it is cancelled a last time", file("CANCEL", append(third, "SEQUENCE:3")...), exchange.Imported{Updated: added}, steps[0].shown[:2]},
			{"one cancelled that is none", file("CANCEL", "RECURRENCE-ID:20270101T080000Z", "SEQUENCE:1"), exchange.Imported{Ignored: []string{"u1@example"}}, steps[0].shown[:2]},
			{"one cancelled by its status", series(1, "RECURRENCE-ID:20261201T080000Z", "STATUS:CANCELLED"), exchange.Imported{Updated: added}, steps[0].shown[1:2]},
			{"the series anew", series(2, "RRULE:FREQ=WEEKLY;COUNT=2", "SUMMARY:w"), exchange.Imported{Updated: added}, []string{"2026-12-01 08:00 w", "2026-12-08 08:00 w"}},
			{"and with an occurrence that was changed long ago", files(series(3, "RRULE:FREQ=WEEKLY;COUNT=2", "SUMMARY:w"), series(0, "RECURRENCE-ID:20261208T080000Z", "SUMMARY:x", "DTSTART:20261208T090000Z", "DTEND:20261208T100000Z")),
				exchange.Imported{Updated: added}, []string{"2026-12-01 08:00 w", "2026-12-08 09:00 x"}},
			{"which is changed with its own SEQUENCE", series(3, "RECURRENCE-ID:20261208T080000Z", "SUMMARY:y", "DTSTART:20261208T090000Z", "DTEND:20261208T100000Z"),
				exchange.Imported{Updated: added}, []string{"2026-12-01 08:00 w", "2026-12-08 09:00 y"}},
			{"a single event", series(4, "SUMMARY:single"), exchange.Imported{Updated: added}, []string{"2026-12-01 08:00 single"}},
			{"an occurrence of it cancelled", file("CANCEL", "RECURRENCE-ID:20261201T080000Z", "SEQUENCE:9"), exchange.Imported{Ignored: []string{"u1@example"}}, []string{"2026-12-01 08:00 single"}},
			{"a series again", series(5, "RRULE:FREQ=DAILY;COUNT=2", "SUMMARY:s"), exchange.Imported{Updated: added}, []string{"2026-12-01 08:00 s", "2026-12-02 08:00 s"}},
			{"an earlier cancel", file("CANCEL", "SEQUENCE:4"), exchange.Imported{Ignored: []string{"u1@example"}}, []string{"2026-12-01 08:00 s", "2026-12-02 08:00 s"}},
			{"cancel", file("CANCEL", "SEQUENCE:5"), exchange.Imported{Removed: added}, nil},
		}...)
		for _, step := range steps {
			if diff := cmp.Diff(step.want, w.imports(step.file)); diff != "" {
				t.Errorf("wrapped %t, %s (-want +got):\n%s", wrap, step.name, diff)
			}
			if diff := cmp.Diff(step.shown, w.shown()); diff != "" {
				t.Errorf("wrapped %t, %s (-want +got):\n%s", wrap, step.name, diff)
			}
		}
		if len(w.Mails()) != 0 {
			t.Errorf("%d mails", len(w.Mails()))
		}
	}
}

// Contract 3.6: ids of occurrences stay when these change, and name the series.
func TestOccurrencesHaveIdsOfTheirOwn(t *testing.T) {
	w := start(t, exchange.Switches{WrapUIDs: true})
	w.imports(file("", "RRULE:FREQ=DAILY;COUNT=4", "SUMMARY:s"))
	series := w.Events(acme, aino)[0]
	ids := w.occurrences()
	for day, id := range ids {
		e, err := w.Event(acme, aino, id)
		if err != nil || e.Day() != day || e.Series != series.ID || e.SeriesMutable != series.MutableID || e.Recurrence != nil || e.Exception() {
			t.Errorf("%s: %+v, %v", day, e, err)
		}
		if same, err := w.Event(acme, aino, e.MutableID); err != nil || same.ID != id {
			t.Errorf("%s by its mutable id: %v", day, err)
		}
		if want := series.ICalUID[:32] + "07EA0C0" + day[9:] + series.ICalUID[40:]; e.ICalUID != want {
			t.Errorf("iCalUId %s, want %s", e.ICalUID, want)
		}
	}
	owner := w.Owner(acme, aino)
	if err := owner.Retitle(ids["2026-12-02"], "mine"); err != nil {
		t.Fatal(err)
	}
	if err := owner.Delete(ids["2026-12-03"]); err != nil {
		t.Fatal(err)
	}
	if got := w.shown(); !slices.Equal(got, []string{"2026-12-01 08:00 s", "2026-12-02 08:00 mine", "2026-12-04 08:00 s"}) {
		t.Errorf("%v", got)
	}
	if e, err := w.Event(acme, aino, ids["2026-12-02"]); err != nil || !e.Exception() || e.Subject != "mine" {
		t.Errorf("exception %+v, %v", e, err)
	}
	if _, err := w.Event(acme, aino, ids["2026-12-03"]); code(err) != "ErrorItemNotFound" {
		t.Errorf("deleted: %v", err)
	}
	if e := w.Events(acme, aino)[0]; !slices.Equal(e.Left(), []string{"2026-12-03"}) || e.ChangeKey == series.ChangeKey {
		t.Errorf("series %+v", e)
	}
	// Into the gap that a deleted one left it may be moved, onto a neighbour's day not.
	late := func(day string) exchange.Time { return exchange.Time{DateTime: day, Zone: "Europe/Helsinki"} }
	if err := owner.Move(ids["2026-12-02"], late("2026-12-03T20:00:00"), late("2026-12-03T21:00:00")); err != nil {
		t.Errorf("into a gap: %v", err)
	}
	if err := owner.Move(ids["2026-12-02"], late("2026-12-04T20:00:00"), late("2026-12-04T21:00:00")); code(err) != "ErrorOccurrenceCrossingBoundary" {
		t.Errorf("onto a neighbour: %v", err)
	}
	if e, err := w.Event(acme, aino, ids["2026-12-02"]); err != nil || e.From.Day() != 3 || e.Original.Day() != 2 {
		t.Errorf("moved: %v to %v, %v", e.Original, e.From, err)
	}
	if _, err := owner.File(ids["2026-12-04"], series.Calendar); err == nil {
		t.Error("an occurrence went into a calendar without its series")
	}
	copied, err := owner.Copy(ids["2026-12-04"])
	if err != nil || copied.Series != "" || copied.Recurrence != nil || len(w.Events(acme, aino)) != 2 {
		t.Errorf("copy %+v, %v", copied, err)
	}
	if err := owner.Move(series.ID, late("2026-12-01T12:00:00"), late("2026-12-01T13:00:00")); err != nil {
		t.Fatal(err)
	}
	if got := w.occurrences(); len(got) != 4 {
		t.Errorf("%v after the series moved, want four that follow it", got)
	}
}

func code(err error) string {
	if e, ok := err.(*exchange.Error); ok {
		return e.Code
	}
	return ""
}

func TestAWindowSelectsOccurrences(t *testing.T) {
	w := start(t, exchange.Switches{})
	w.imports(files(file("", "RRULE:FREQ=WEEKLY", "SUMMARY:s"), // without end
		file("", "RECURRENCE-ID:20261208T080000Z", "DTSTART:20261211T080000Z", "DTEND:20261211T090000Z", "SUMMARY:moved")))
	day := func(d int) time.Time { return time.Date(2026, 12, d, 0, 0, 0, 0, time.UTC) }
	for _, test := range []struct {
		from, to time.Time
		want     int
	}{
		{day(1), day(2), 1}, {day(2), day(8), 0}, {day(8), day(9), 0}, {day(11), day(12), 1}, {day(1), day(16), 3},
		{day(1).Add(8*time.Hour + 59*time.Minute), day(2), 1}, {day(1).Add(9 * time.Hour), day(2), 0}, {day(1), day(1).Add(8 * time.Hour), 0},
		{time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2500, 1, 8, 0, 0, 0, 0, time.UTC), 1},
	} {
		found, err := w.View(acme, aino, "", test.from, test.to)
		if err != nil || len(found) != test.want {
			t.Errorf("%v to %v: %d, %v; want %d", test.from, test.to, len(found), err, test.want)
		}
	}
}
