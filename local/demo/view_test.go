package demo

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
		{"booking.changed", `{"booking":"B-1","user":"u-1","change":"moved","fields":{"start":{"new":1},"end":{}}}`, "booking B-1 of u-1 was moved in Outlook end, start"},
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
	if !v.Changed("acme", "B-1", "moved") || v.Changed("acme", "B-1", "deleted") || len(v.Appointments("other", "u-1")) != 0 {
		t.Error("it mixes things up")
	}
	page := httptest.NewRecorder()
	v.ServeHTTP(page, nil)
	if body := page.Body.String(); !strings.Contains(body, "Lunch &lt;b&gt;") || strings.Contains(body, "<b>") || !strings.Contains(body, "was moved in Outlook") {
		t.Error(body)
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
