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
	var view struct {
		Value []struct {
			Subject string
			Start   struct{ DateTime string }
		}
	}
	answer := w.must(200, "GET", "/v1.0/users/"+aino+"/calendarView?$top=100&startDateTime=2027-01-01T00:00:00Z&endDateTime=2028-01-01T00:00:00Z", "")
	if err := json.Unmarshal([]byte(answer), &view); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range view.Value {
		got = append(got, e.Start.DateTime+" "+e.Subject)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Graph shows %v, want %v", got, want)
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
}
