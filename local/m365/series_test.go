package m365_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/ics"
)

// The file of a booking of ours that is a series, imported by the control: Graph and the
// page of each week show what rrule-go computes, less what was left out.
func TestAnImportedSeriesIsTheSameInGraphAndOnThePages(t *testing.T) {
	w := start(t)
	b := booking.Booking{Organization: "acme", ID: "s", Revision: 1, Status: booking.Confirmed, Title: "Course",
		Start: &booking.Time{DateTime: "2027-03-02T10:00:00", TimeZone: "Europe/Helsinki"}, End: &booking.Time{DateTime: "2027-03-02T11:00:00", TimeZone: "Europe/Helsinki"},
		Recurrence: &booking.Recurrence{RRule: "FREQ=WEEKLY;BYDAY=TU,TH;COUNT=16", ExDates: []string{"2027-03-04"}, Overrides: []booking.Override{
			{Occurrence: "2027-03-09", Cancelled: true},
			{Occurrence: "2027-03-30", Title: "Course, elsewhere"}}}}
	file, err := ics.File(ics.Input{Method: ics.Publish, UID: "u@acme.example", Stamp: time.Unix(0, 0), Booking: b, Event: event.Project(b, event.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	w.must(200, "POST", "/sim/import?tenant="+acme+"&user="+aino, string(file))
	rule, err := rrule.StrToRRule("DTSTART;TZID=Europe/Helsinki:20270302T100000\nRRULE:FREQ=WEEKLY;BYDAY=TU,TH;COUNT=16")
	if err != nil {
		t.Fatal(err)
	}
	var want, days []string
	for _, at := range rule.All() {
		day, subject := at.Format(time.DateOnly), "Course"
		if day == "2027-03-04" || day == "2027-03-09" {
			continue
		}
		if day == "2027-03-30" {
			subject = "Course, elsewhere"
		}
		want, days = append(want, fmt.Sprint(at.UTC().Format("2006-01-02T15:04:05.0000000"), " ", subject)), append(days, at.Format("Mon 2 Jan"))
	}
	const window = "?$top=100&startDateTime=2027-01-01T00:00:00Z&endDateTime=2028-01-01T00:00:00Z"
	events := "/v1.0/users/" + aino + "/events"
	series := w.events(events)[0]
	if series.Type != "seriesMaster" || series.Recurrence == nil || series.Start.DateTime != want[0][:27] || series.ICalUID != "u@acme.example" {
		t.Errorf("the series is %+v", series)
	}
	for _, path := range []string{"/v1.0/users/" + aino + "/calendarView" + window, events + "/" + series.ID + "/instances" + window} {
		var got []string
		for _, e := range w.events(path) {
			got = append(got, e.Start.DateTime+" "+e.Subject)
			kind := "occurrence"
			if e.Subject != "Course" {
				kind = "exception"
			}
			if one := w.event(events + "/" + e.ID); one.Type != kind || one.SeriesMasterID != series.ID || one.Start != e.Start {
				t.Errorf("%s by its id: %+v", e.Subject, one)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s shows %v, want %v", path, got, want)
		}
	}
	var shown []string
	for monday := time.Date(2027, 2, 22, 0, 0, 0, 0, time.UTC); monday.Year() == 2027; monday = monday.AddDate(0, 0, 7) {
		page := w.must(200, "GET", "/calendars/week?tenant="+acme+"&user="+url.QueryEscape(aino)+"&day="+monday.Format(time.DateOnly), "")
		for _, day := range strings.Split(page, "<h2>")[1:] {
			if title, rest, _ := strings.Cut(day, "</h2>"); strings.Contains(rest, "<b>Course") && strings.Contains(rest, "10:00–11:00") {
				shown = append(shown, title)
			}
		}
	}
	if !slices.Equal(shown, days) {
		t.Errorf("the pages show %v, want %v", shown, days)
	}
	box := w.must(200, "GET", "/sim/mailboxes?tenant="+acme+"&user="+aino, "")
	for _, part := range []string{`"pattern":"weekly"`, `"count":16`, `"cancelled":["2027-03-04","2027-03-09"]`, `"changed":["2027-03-30"]`} {
		if !strings.Contains(box, part) {
			t.Errorf("the mailbox lacks %s: %s", part, box)
		}
	}
	refused := w.must(400, "POST", "/sim/import?tenant="+acme+"&user="+aino, strings.Replace(string(file), "FREQ=WEEKLY;COUNT=16;BYDAY=TU,TH", "FREQ=YEARLY;BYWEEKNO=3", 1))
	if !strings.Contains(refused, "BYWEEKNO") {
		t.Errorf("refused with %s", refused)
	}
	w.must(200, "POST", "/sim/switches", `{"listExceptions":true}`)
	if list := w.events(events); len(list) != 2 || list[1].Type != "exception" || list[1].SeriesMasterID != series.ID {
		t.Errorf("listed with exceptions: %+v", list)
	}
	one := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u@acme.example\r\nSEQUENCE:9\r\nRECURRENCE-ID;TZID=Europe/Helsinki:20270302T100000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	w.must(200, "POST", "/sim/import?tenant="+acme+"&user="+aino, one)
	if left := w.events(events + "/" + series.ID + "/instances" + window); len(left) != len(want)-1 || left[0].Start.DateTime != want[1][:27] {
		t.Errorf("the first day was cancelled, and there are %d of %d, from %+v", len(left), len(want), left[0])
	}
	whole := strings.Replace(one, "RECURRENCE-ID;TZID=Europe/Helsinki:20270302T100000\r\n", "", 1)
	w.must(200, "POST", "/sim/import?tenant="+acme+"&user="+aino, whole)
	if left := w.events("/v1.0/users/" + aino + "/calendarView" + window); len(left) != 0 {
		t.Errorf("cancelled, and there are %d days", len(left))
	}
}

// graphEvent is what the test reads of an event of Graph's.
type graphEvent struct {
	ID, Type, Subject, SeriesMasterID, ICalUID string
	Start                                      struct{ DateTime string }
	Recurrence                                 *struct{}
}

func (w *world) event(path string) (e graphEvent) {
	w.Helper()
	if err := json.Unmarshal([]byte(w.must(200, "GET", path, "")), &e); err != nil {
		w.Fatal(err)
	}
	return e
}

func (w *world) events(path string) []graphEvent {
	w.Helper()
	var list struct{ Value []graphEvent }
	if err := json.Unmarshal([]byte(w.must(200, "GET", path, "")), &list); err != nil {
		w.Fatal(err)
	}
	return list.Value
}
