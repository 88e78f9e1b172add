package demo

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/browser"
	"github.com/calbridge/calbridge/local/stack"
)

func TestAViewBuiltFromTheTopicIsWhatStandsInTheCalendar(t *testing.T) {
	v := NewView()
	take := func(kind, data string) string {
		return v.Take(stack.Change{Type: "calbridge." + kind + ".v1", Organization: "acme", At: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC),
			Raw: []byte(`{"id":"1","data":` + data + `}`)})
	}
	at := func(id, hour, rest string) string {
		return fmt.Sprintf(`{"change":"upserted","connection":"c","user":"u-1","id":%q,"start":{"dateTime":"2026-12-01T%s:00:00"},"end":{"dateTime":"2026-12-01T%s:30:00"},"showAs":"busy"%s}`, id, hour, hour, rest)
	}
	for _, step := range []struct{ kind, data, line string }{
		{"appointment", at("b", "12", `,"title":"Lunch <b>"`), "appointment of u-1: Tue 1 Dec 12:00 - 12:30, busy, Lunch <b>"},
		{"appointment", at("a", "15", `,"private":true`), "appointment of u-1: Tue 1 Dec 15:00 - 15:30, busy, (private)"},
		{"appointment", at("a", "10", `,"private":true`), "appointment of u-1: Tue 1 Dec 10:00 - 10:30, busy, (private)"},
		{"appointment", at("d", "18", ""), "appointment of u-1: Tue 1 Dec 18:00 - 18:30, busy, (not told)"},
		{"appointment", `{"change":"deleted","connection":"c","user":"u-1","id":"d"}`, "appointment of u-1 deleted: Tue 1 Dec 18:00 - 18:30, (not told)"},
		{"booking.changed", `{"booking":"B-1","user":"u-1","change":"moved","fields":{"start":{"new":1},"end":{}}}`, "booking B-1 of u-1 was moved in Outlook: end, start"},
		{"booking.changed", `{"booking":"B-1","user":"u-1","change":"deleted"}`, "booking B-1 of u-1 was deleted in Outlook"},
		{"consent", `{}`, ""}, {"appointment", `7`, ""},
	} {
		if got := take(step.kind, step.data); got != step.line {
			t.Errorf("%s: %q, want %q", step.data, got, step.line)
		}
	}
	var times []string
	for _, a := range v.Appointments("acme", "u-1") {
		times = append(times, a.When()+" "+a.What())
	}
	if got := strings.Join(times, "; "); got != "Tue 1 Dec 10:00 - 10:30 (private); Tue 1 Dec 12:00 - 12:30 Lunch <b>" {
		t.Error(got)
	}
	if !v.Changed("acme", "B-1", "moved") || v.Changed("acme", "B-1", "answered") || len(v.Appointments("other", "u-1")) != 0 {
		t.Error("it mixes things up")
	}
	page := httptest.NewRecorder()
	v.ServeHTTP(page, nil)
	if body := page.Body.String(); !strings.Contains(body, "Lunch &lt;b&gt;") || strings.Contains(body, "<b>") || !strings.Contains(body, "was moved in Outlook") {
		t.Error(body)
	}
}

func TestAnAppointmentSaysOnWhichDaysItIs(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		start, end string
		allDay     bool
		want       string
	}{
		{"2026-12-01 10:00:00", "2026-12-01 10:30:00", false, "Tue 1 Dec 10:00 - 10:30"},
		{"2026-12-01 22:00:00", "2026-12-02 01:00:00", false, "Tue 1 Dec 22:00 - Wed 2 Dec 01:00"},
		{"2025-01-02 08:30:00", "2029-01-02 09:30:00", false, "Thu 2 Jan 2025 08:30 - Tue 2 Jan 2029 09:30"},
		{"2026-11-24 00:00:00", "2026-11-25 00:00:00", true, "Tue 24 Nov, all day"},
		{"2026-11-24 00:00:00", "2026-11-27 00:00:00", true, "Tue 24 Nov - Thu 26 Nov, all day"},
		{"2026-12-31 00:00:00", "2027-01-01 00:00:00", true, "Thu 31 Dec, all day"},
		{"2026-12-31 00:00:00", "2027-01-02 00:00:00", true, "Thu 31 Dec 2026 - Fri 1 Jan 2027, all day"},
	} {
		if got := (Appointment{Start: at(tt.start), End: at(tt.end), AllDay: tt.allDay}).When(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// What comes is on the page while somebody looks at it, on a telephone too.
func TestTheViewShowsWhatComesWithoutAReload(t *testing.T) {
	if testing.Short() {
		t.Log("the browser is left out")
		return
	}
	v := NewView()
	server := httptest.NewServer(v)
	defer server.Close()
	take := func(title string) {
		v.Take(stack.Change{Type: "calbridge.appointment.v1", Organization: "acme", Raw: fmt.Appendf(nil, `{"data":{"change":"upserted","connection":"c","user":"u-1","id":"a",
 "start":{"dateTime":"2026-12-01T22:00:00"},"end":{"dateTime":"2026-12-02T01:00:00"},"showAs":"busy","title":%q}}`, title)})
	}
	take("Lunch <b> with " + strings.Repeat("x", 200))
	p := browser.Start(t).Person(t)
	p.Open(server.URL)
	p.Sees("Lunch <b> with")
	p.Accessible()
	p.Phone()
	p.Accessible()
	if !p.Holds("document.documentElement.scrollWidth <= 320") {
		t.Error("it is wider than a telephone")
	}
	p.Evaluate("window.kept = true", nil)
	take("Dinner")
	p.Sees("Dinner")
	if !p.Holds("window.kept") {
		t.Error("the page was loaded anew")
	}
	if all := p.Complaints("favicon"); len(all) > 0 {
		t.Error(all)
	}
}

// What stands in a calendar is somebody's text, and the lines are for a terminal.
func TestALineOfNewsIsOneLineOfPlainText(t *testing.T) {
	v := NewView()
	got := v.Take(stack.Change{Type: "calbridge.appointment.v1", Organization: "acme", Raw: []byte(`{"data":{"change":"upserted","connection":"c","user":"u-1","id":"a",
 "start":{"dateTime":"2026-12-01T22:00:00"},"end":{"dateTime":"2026-12-02T01:00:00"},"showAs":"busy","title":"Dîner\u001b[31m\n\u0007\u202e\u009bx"}}`)})
	if want := "appointment of u-1: Tue 1 Dec 22:00 - Wed 2 Dec 01:00, busy, Dîner [31m    x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if strings.ContainsAny(v.news[0], "\x1b\n\a") {
		t.Errorf("%q", v.news[0])
	}
}

func TestTheNewsOfAViewAreBounded(t *testing.T) {
	v := NewView()
	for i := range 3 * maxNews {
		v.Take(stack.Change{Type: "calbridge.booking.changed.v1", Raw: fmt.Appendf(nil, `{"data":{"booking":"B-%d","change":"edited"}}`, i)})
	}
	if len(v.news) != maxNews || !strings.Contains(v.news[0], fmt.Sprint("B-", 3*maxNews-1)) {
		t.Errorf("%d: %s", len(v.news), v.news[0])
	}
}
