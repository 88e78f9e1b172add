package ics_test

import (
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	ical "github.com/arran4/golang-ical"

	"github.com/calbridge/calbridge/shared/booking/bookingtest"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/key"
)

func TestWhatHasNoFile(t *testing.T) {
	unscheduled := input(bookingtest.With(flight(), data{"start": nil, "end": nil}), travel)
	tests := []struct {
		name string
		in   ics.Input
		want error
	}{
		{"no time", unscheduled, ics.ErrUnscheduled},
		{"no time, cancelled", with(unscheduled, cancel), nil},
		{"an unknown method", with(input(flight(), travel), func(in *ics.Input) { in.Method = "REPLY" }), ics.ErrMethod},
		{"no method", with(input(flight(), travel), func(in *ics.Input) { in.Method = "" }), ics.ErrMethod},
		{"a request of nobody", with(with(input(flight(), travel), invited), func(in *ics.Input) { in.Organizer.Address = "" }), ics.ErrMethod},
		{"a request for nobody", with(with(input(flight(), travel), invited), func(in *ics.Input) { in.Attendees = nil }), ics.ErrMethod},
		{"an unknown zone", with(input(flight(), travel), func(in *ics.Input) { in.Event.Start.Zone = "Mars/Olympus" }), ics.ErrTime},
		{"no reading", with(input(flight(), travel), func(in *ics.Input) { in.Event.End.DateTime = "tomorrow" }), ics.ErrTime},
		{"two ends of a rule", input(weekly("FREQ=WEEKLY;COUNT=2;UNTIL=20270101", nil), training), ics.ErrRecurrence},
		{"no frequency known", input(weekly("FREQ=FORTNIGHTLY", nil), training), ics.ErrRecurrence},
		{"a part twice", input(weekly("FREQ=WEEKLY;COUNT=2;COUNT=3", nil), training), ics.ErrRecurrence},
		{"a part unknown", input(weekly("FREQ=WEEKLY;BYEASTER=1", nil), training), ics.ErrRecurrence},
		{"no times at all", input(weekly("FREQ=WEEKLY;COUNT=0", nil), training), ics.ErrRecurrence},
		{"out of bounds", input(weekly("FREQ=MONTHLY;BYMONTHDAY=32", nil), training), ics.ErrRecurrence},
		{"an end that is none", input(weekly("FREQ=MONTHLY;UNTIL=20271332", nil), training), ics.ErrRecurrence},
		{"hours of days", input(bookingtest.With(bookingtest.Hotel("acme", "h", 1), data{"recurrence": data{"rrule": "FREQ=DAILY;BYHOUR=3"}}), travel), ics.ErrRecurrence},
		{"a bad rule, cancelled", with(input(weekly("FREQ=FORTNIGHTLY", nil), training), cancel), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file, err := ics.File(test.in)
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) || (err == nil) != (len(file) > 0) {
				t.Errorf("%v and %d bytes, want %v", err, len(file), test.want)
			}
		})
	}
}

func TestErrorsTellNothingOfTheBooking(t *testing.T) {
	for _, in := range []ics.Input{
		input(weekly("FREQ=SECRET", nil), training),
		input(weekly("FREQ=WEEKLY;UNTIL=SECRET", nil), training),
		input(weekly("FREQ=WEEKLY;BYDAY=SECRET", nil), training),
		with(input(flight(), travel), func(in *ics.Input) { in.Event.Start.Zone = "SECRET" }),
		with(input(flight(), travel), func(in *ics.Input) { in.Event.Start.DateTime = "SECRET" }),
	} {
		if _, err := ics.File(in); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Error(err)
		}
	}
}

// calendar is one that imports files, by the rules of RFC 5546 2.1.5 and 3.2.5:
// what it has of a UID is replaced by a later version, or removed.
type calendar map[string]*ical.VEvent

func (c calendar) load(t *testing.T, file string) {
	t.Helper()
	parsed, err := ical.ParseCalendar(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	e := parsed.Events()[0]
	old, known := c[e.Id()]
	if known && version(old) >= version(e) {
		return
	}
	if strings.Contains(file, "METHOD:CANCEL") {
		delete(c, e.Id())
		return
	}
	c[e.Id()] = e
}

func version(e *ical.VEvent) string {
	sequence := e.GetProperty(ical.ComponentPropertySequence).Value
	return strings.Repeat("0", 20-len(sequence)) + sequence + e.GetProperty(ical.ComponentPropertyDtstamp).Value
}

func TestALaterVersionUpdatesAndACancelRemoves(t *testing.T) {
	of := func(revision int64, title string) ics.Input {
		return input(bookingtest.With(flight(), data{"revision": revision, "title": title}), travel)
	}
	c := calendar{}
	show := func() string {
		var titles []string
		for _, e := range c {
			titles = append(titles, e.GetProperty(ical.ComponentPropertySummary).Value)
		}
		return strings.Join(titles, "|")
	}
	steps := []struct {
		in   ics.Input
		want string
	}{
		{of(9, "first"), "first"},
		{of(10, "second"), "second"},
		{of(9, "first"), "second"},
		{with(of(10, "third"), func(in *ics.Input) { in.Stamp = in.Stamp.Add(time.Minute) }), "third"},
		{input(bookingtest.With(flight(), data{"id": "other", "title": "other"}), travel), ""},
		{with(of(11, "gone"), cancel), "other"},
	}
	for _, step := range steps {
		c.load(t, made(t, step.in))
		if got := show(); got != step.want && step.want != "" {
			t.Fatalf("after %q: %q, want %q", step.in.Booking.Title, got, step.want)
		}
	}
}

func TestOurUIDIsOneThatOutlookKeeps(t *testing.T) {
	delivery := key.Delivery("acme", "PNR-7QX/1", key.User, "u-17")
	uid := ics.UID(delivery)
	raw, err := hex.DecodeString(uid)
	if err != nil || len(raw) != 56 || strings.ToUpper(uid) != uid {
		t.Fatalf("%s: %d bytes, %v", uid, len(raw), err)
	}
	if !strings.HasPrefix(uid, "040000008200E00074C5B7101A82E00800000000") || !strings.HasSuffix(uid, "10000000"+strings.ToUpper(delivery.Hex())) {
		t.Error(uid)
	}
	if other := ics.UID(key.Delivery("acme", "PNR-7QX/1", key.User, "u-18")); other == uid {
		t.Error("two people have one UID")
	}
}

func TestSequenceGrowsWithRealisticRevisions(t *testing.T) {
	for _, exact := range []int64{0, 1, 2, 1_790_000_000, math.MaxInt32} {
		if got := ics.Sequence(exact); got != exact {
			t.Errorf("%d became %d", exact, got)
		}
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, revision := range map[string]func(time.Time) int64{
		"seconds": time.Time.Unix, "milliseconds": time.Time.UnixMilli, "microseconds": time.Time.UnixMicro,
	} {
		before := int64(0)
		for day := range 10 * 365 {
			for _, seconds := range []time.Duration{0, 2} {
				got := ics.Sequence(revision(at.AddDate(0, 0, day).Add(seconds * time.Second)))
				if got <= before || got > math.MaxInt32 {
					t.Fatalf("%s: day %d has %d after %d", name, day, got, before)
				}
				before = got
			}
		}
	}
	if got := ics.Sequence(1<<53 - 1); got != math.MaxInt32 {
		t.Errorf("the last revision has %d", got)
	}
	if got := ics.Sequence(-1); got != 0 {
		t.Errorf("-1 has %d", got)
	}
}

func TestACancellationIsInTheReadersLanguage(t *testing.T) {
	for l, want := range map[string]string{"en": "Cancelled: ", "": "Cancelled: ", "de-AT": "Abgesagt: ", "fi": "Peruttu: ", "ja": "キャンセル: ", "nb-NO": "Avlyst: ", "ru": "Отменено: "} {
		file := made(t, with(input(flight(), locale(travel, l)), cancel))
		if !strings.Contains(file, "SUMMARY:"+want) {
			t.Errorf("%q:\n%s", l, file)
		}
	}
}

func TestAnImportedTextIsFoundAgain(t *testing.T) {
	in := input(flight(), travel)
	text := event.Text(in.Booking, in.Event, in.Options)
	imported := "<html><body><p>mine</p><div>" + strings.ReplaceAll(text, "\n", "<br>\r\n") + "</div></body></html>"
	merged, ok := event.Merge(imported, in.Event.Body)
	if !ok || strings.Count(merged, "Seat 12A") != 1 || !strings.Contains(merged, "<p>mine</p>") {
		t.Errorf("%v: %s", ok, merged)
	}
}

// A clock that is changed in the night of the first occurrence concerns that
// night only: the rule, and what refers to its occurrences, keep the reading.
func TestASeriesKeepsItsReadingInAChangingNight(t *testing.T) {
	for name, start := range map[string]string{"skipped": "2027-03-28T02:30:00", "twice": "2027-10-31T02:30:00"} {
		t.Run(name, func(t *testing.T) {
			d := bookingtest.With(when("Europe/Berlin", start, start[:11]+"04:00:00"), data{"recurrence": data{"rrule": "FREQ=DAILY;COUNT=5",
				"exdates": []any{start[:8] + "30"}, "overrides": []any{data{"occurrence": start[:8] + "31", "title": "Other"}}}})
			file := made(t, input(d, training))
			day := strings.ReplaceAll(start[:8], "-", "")
			for _, want := range []string{"DTSTART;TZID=Europe/Berlin:" + strings.ReplaceAll(start[:10], "-", "") + "T023000\r\n",
				"EXDATE;TZID=Europe/Berlin:" + day + "30T023000\r\n", "RECURRENCE-ID;TZID=Europe/Berlin:" + day + "31T023000\r\n"} {
				if !strings.Contains(file, want) {
					t.Errorf("no %q in\n%s", want, file)
				}
			}
		})
	}
}

func TestManyLongOverridesDoNotMakeAHugeFile(t *testing.T) {
	var overrides []any
	for day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC); len(overrides) < 500; day = day.AddDate(0, 0, 1) {
		overrides = append(overrides, data{"occurrence": day.Format(time.DateOnly), "title": "Other"})
	}
	d := weekly("FREQ=DAILY;COUNT=1000", data{"overrides": overrides})
	file := made(t, input(bookingtest.With(d, data{"description": data{"text": strings.Repeat("long ", 6000)}}), training))
	if n := strings.Count(file, "BEGIN:VEVENT"); n != 501 || len(file) > 512*1024 {
		t.Errorf("%d events, %d bytes", n, len(file))
	}
}

func BenchmarkFile(b *testing.B) {
	for name, in := range map[string]ics.Input{
		"flight": input(flight(), travel), "hotel": input(bookingtest.Hotel("acme", "h", 1), travel),
		"40 learners": input(bookingtest.Training("acme", "t", 1, 40), training), "32 KiB": cases()["description-32k"], "series": cases()["series"],
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ics.File(in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Minutes(), "files/min")
		})
	}
}
