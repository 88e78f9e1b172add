package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
)

// press sends a form of the simulator's calendar page, as a person's click does.
func (w *world) press(name, event, action string, values ...string) {
	w.t.Helper()
	form := url.Values{"tenant": {tenant}, "user": {name + "@acme.example"}, "event": {event}, "action": {action}}
	for i := 0; i < len(values); i += 2 {
		form.Set(values[i], values[i+1])
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.M365.URL()+"/calendars/do", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s", action, resp.Status)
	}
}

// first is the oldest event of a mailbox.
func (w *world) first(name string) exchange.Event {
	w.t.Helper()
	all := w.M365.Exchange.Events(tenant, name+"@acme.example")
	if len(all) == 0 {
		w.t.Fatalf("%s has no event", name)
	}
	return all[0]
}

// What people do on the calendar page outlasts our next update, and a copy of our event
// is theirs, also where ours was deleted.
func TestWhatPeopleDoOnTheCalendarPageIsRespected(t *testing.T) {
	w := start(t, stack.Options{})
	w.people("aino", "bert")
	b := booked{ID: "p", Organization: acme, Revision: 1, Title: "Course", People: []string{"aino", "bert"}}
	w.accept(b)
	w.settle(b, "written")

	ainos, berts := w.first("aino").ID, w.first("bert").ID
	w.press("aino", ainos, "remind", "reminder", "45")
	w.press("aino", ainos, "show-as", "showAs", "oof")
	w.press("aino", ainos, "categorize", "categories", "Mine")
	w.press("aino", ainos, "write-around", "above", "bring the laptop", "below", "and lunch")
	w.press("aino", ainos, "paste", "start", "2030-01-02T10:00", "startZone", "UTC", "end", "2030-01-02T11:00", "endZone", "UTC")
	w.press("bert", berts, "copy")
	w.press("bert", berts, "delete")

	b.Revision, b.Title = 2, "Course, room 2"
	w.accept(b)
	w.result(b, "aino", "written")
	w.result(b, "bert", "skipped removed-by-user")
	e := w.first("aino")
	if text := exchange.Text(e.Body); e.ID != ainos || e.Subject != b.Title || e.ReminderMinutes != 45 || e.ShowAs != "oof" || len(e.Categories) != 1 ||
		strings.Count(text, "bring the laptop") != 1 || strings.Count(text, "and lunch") != 1 {
		t.Errorf("after our update: %q, reminder %d, %s, %v, %q", e.Subject, e.ReminderMinutes, e.ShowAs, e.Categories, text)
	}
	if got := strings.Join(append(w.subjects("aino"), w.subjects("bert")...), " | "); got != "Course, room 2 | Course | Course" {
		t.Errorf("the calendars hold %s", got)
	}

	b.Revision, b.Status = 3, "cancelled"
	w.accept(b)
	w.result(b, "aino", "removed cancelled")
	w.result(b, "bert", "skipped cancelled")
	if got := strings.Join(append(w.subjects("aino"), w.subjects("bert")...), " | "); got != "Course | Course" {
		t.Errorf("after the cancellation the calendars hold %s, want the copies", got)
	}
	if n := len(w.M365.Exchange.Mails()); n > 0 {
		t.Errorf("%d mails", n)
	}
	w.nothingLost()
}
