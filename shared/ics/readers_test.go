package ics_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ical "github.com/arran4/golang-ical"
	"github.com/google/go-cmp/cmp"
	"github.com/teambition/rrule-go"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/zone"
)

// understood is what a reader understands of a file.
type understood struct {
	Lines       []property `json:"lines"`
	Instants    []string   `json:"instants"`    // start/end of each VEVENT, in UTC or as dates
	Occurrences []string   `json:"occurrences"` // starts of the series, at most 60, without EXDATEs
	Errors      int        `json:"errors"`
}

// property is one of a component, without what is only spelling.
type property struct {
	Path, Name string
	Parameters []string
	Values     []string
}

func (p *property) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&p.Path, &p.Name, &p.Parameters, &p.Values})
}

// TestThreeReadersAgreeOnEveryField reads every golden file with golang-ical,
// ical.js and libical, which must find the same properties, and the last two, who
// know VTIMEZONEs, the instants and occurrences that the booking means.
func TestThreeReadersAgreeOnEveryField(t *testing.T) {
	readers, ok := otherReaders(t)
	if !ok {
		return
	}
	inputs := cases()
	names := slices.Sorted(maps.Keys(inputs))
	var files []string
	for _, name := range names {
		files = append(files, golden(name))
	}
	js, libical := readers.icaljs(t, files), readers.libical(t, files)
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			in := inputs[name]
			ours := parsed(t, files[i])
			if libical[i].Errors != 0 {
				t.Errorf("libical finds %d errors", libical[i].Errors)
			}
			if diff := cmp.Diff(ours, normal(js[i].Lines)); diff != "" {
				t.Errorf("golang-ical and ical.js (-golang-ical +ical.js)\n%s", diff)
			}
			if diff := cmp.Diff(ours, normal(libical[i].Lines)); diff != "" {
				t.Errorf("golang-ical and libical (-golang-ical +libical)\n%s", diff)
			}
			if in.Event.Start.DateTime == "" {
				return
			}
			want := span(t, in.Event)
			if js[i].Instants[0] != want || libical[i].Instants[0] != want {
				t.Errorf("the booking is at %s; ical.js says %s, libical %s", want, js[i].Instants[0], libical[i].Instants[0])
			}
			if diff := cmp.Diff(js[i].Instants, libical[i].Instants); diff != "" {
				t.Errorf("instants (-ical.js +libical)\n%s", diff)
			}
			starts := occurrences(t, in)
			if diff := cmp.Diff(starts, js[i].Occurrences); diff != "" {
				t.Errorf("occurrences (-want +ical.js)\n%s", diff)
			}
			if diff := cmp.Diff(starts, libical[i].Occurrences); diff != "" {
				t.Errorf("occurrences (-want +libical)\n%s", diff)
			}
		})
	}
}

// readersIn is the directory that local/ics/readers.sh fills.
type readersIn string

// otherReaders are there unless the tests are short ones: they are not part of
// the toolchain.
func otherReaders(t *testing.T) (readers readersIn, ok bool) {
	t.Helper()
	if testing.Short() {
		return "", false
	}
	dir := os.Getenv("ICS_READERS")
	if dir == "" {
		t.Fatal("ICS_READERS does not name the other readers of calendar files: run the tests with `make test`, which installs them, or with -short, which leaves this test out")
	}
	return readersIn(dir), true
}

func (r readersIn) icaljs(t *testing.T, files []string) []understood {
	return run(t, len(files), "node", append([]string{filepath.Join(string(r), "icaljs.mjs")}, files...)...)
}

func (r readersIn) libical(t *testing.T, files []string) []understood {
	return run(t, len(files), filepath.Join(string(r), "libical"), files...)
}

func run(t *testing.T, files int, program string, arguments ...string) []understood {
	t.Helper()
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), program, arguments...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, stderr.String())
	}
	var list []understood
	if err := json.Unmarshal(out, &list); err != nil || len(list) != files {
		t.Fatalf("%s: %d files, %v", program, len(list), err)
	}
	return list
}

// parsed is the file as golang-ical reads it.
func parsed(t *testing.T, file string) []property {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ical.ParseCalendar(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var list []property
	add := func(path string, p ical.BaseProperty) {
		var parameters []string
		for name, values := range p.ICalParameters {
			parameters = append(parameters, name+"="+strings.Join(values, ","))
		}
		list = append(list, property{path, p.IANAToken, parameters, []string{p.Value}})
	}
	for _, p := range c.CalendarProperties {
		add("VCALENDAR", p.BaseProperty)
	}
	var walk func(path string, components []ical.Component)
	walk = func(path string, components []ical.Component) {
		for _, c := range components {
			below := path + "/" + kind(t, c)
			for _, p := range c.UnknownPropertiesIANAProperties() {
				add(below, p.BaseProperty)
			}
			walk(below, c.SubComponents())
		}
	}
	walk("VCALENDAR", c.Components)
	return normal(list)
}

func kind(t *testing.T, c ical.Component) string {
	switch c.(type) {
	case *ical.VEvent:
		return "VEVENT"
	case *ical.VTimezone:
		return "VTIMEZONE"
	case *ical.Standard:
		return "STANDARD"
	case *ical.Daylight:
		return "DAYLIGHT"
	case *ical.VAlarm:
		return "VALARM"
	}
	t.Fatalf("a %T", c)
	return ""
}

// normal takes away what two readers may write differently: the order of zones,
// of parameters and of the parts of a rule, and defaults that are spelled out.
func normal(list []property) []property {
	list = slices.Clone(list)
	zoneName := ""
	for i := range list {
		p := &list[i]
		if p.Name == "TZID" {
			zoneName = p.Values[0]
		}
		if rest, ok := strings.CutPrefix(p.Path, "VCALENDAR/VTIMEZONE"); ok {
			p.Path = "VCALENDAR/VTIMEZONE " + zoneName + rest
		}
		p.Parameters = append([]string{}, p.Parameters...)
		slices.Sort(p.Parameters)
		for j, value := range p.Values {
			switch p.Name {
			case "RRULE":
				p.Values[j] = ruleParts(value)
			case "TRIGGER":
				p.Values[j] = seconds(value)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b property) int {
		zone := func(p property) string { // events stay in order
			if strings.Contains(p.Path, "VTIMEZONE") {
				return p.Path
			}
			return ""
		}
		return strings.Compare(zone(a), zone(b))
	})
	return list
}

func ruleParts(rule string) string {
	parts := strings.Split(strings.ReplaceAll(rule, "+", ""), ";")
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "INTERVAL=1" || p == "WKST=MO" })
	slices.Sort(parts)
	return strings.Join(parts, ";")
}

// seconds of a trigger like -PT15M; other readers give them as a number.
func seconds(trigger string) string {
	if minutes, ok := strings.CutPrefix(trigger, "-PT"); ok {
		n, _ := strconv.Atoi(strings.TrimSuffix(minutes, "M"))
		return strconv.Itoa(-n * 60)
	}
	return trigger
}

// span is when an event is, found without a file.
func span(t *testing.T, e event.Event) string {
	t.Helper()
	return shown(instant(t, e.Start), e.AllDay) + "/" + shown(instant(t, e.End), e.AllDay)
}

func shown(at time.Time, allDay bool) string {
	if allDay {
		return at.Format("20060102")
	}
	return at.UTC().Format("20060102T150405Z")
}

func instant(t *testing.T, m event.Time) time.Time {
	t.Helper()
	_, loc, ok := zone.Load(m.Zone)
	wall, err := zone.Parse(m.DateTime)
	if !ok || err != nil {
		t.Fatal(m)
	}
	return zone.Instant(wall, loc)
}

// occurrences are the starts of a series as rrule-go expands it on the clock of
// its zone, at most 60.
func occurrences(t *testing.T, in ics.Input) []string {
	t.Helper()
	r := in.Booking.Recurrence
	list := []string{}
	if r == nil || in.Method == ics.Cancel {
		return list
	}
	out := map[string]bool{}
	for _, day := range r.ExDates {
		out[day] = true
	}
	for _, v := range r.Overrides {
		out[v.Occurrence] = v.Cancelled
	}
	start := instant(t, in.Event.Start)
	option, err := rrule.StrToROptionInLocation(strings.ToUpper(r.RRule), start.Location())
	if err != nil {
		t.Fatal(err)
	}
	option.Dtstart = start
	if !option.Until.IsZero() && strings.HasSuffix(r.RRule, "UNTIL=20270501;BYDAY=+1TU") {
		option.Until = option.Until.Add(24*time.Hour - time.Second) // the whole day
	}
	rule, err := rrule.NewRRule(*option)
	if err != nil {
		t.Fatal(err)
	}
	next := rule.Iterator()
	for at, ok := next(); ok && len(list) < 60; at, ok = next() {
		if !out[at.Format(time.DateOnly)] {
			list = append(list, shown(at, in.Event.AllDay))
		}
	}
	return list
}
