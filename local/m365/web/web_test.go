package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/web"
)

const acme, aino = "tenant-a", "aino@acme.example"

// pages shows a mailbox in Helsinki time with events given as start, end.
func pages(t *testing.T, spans ...[2]string) (*web.Pages, *exchange.Store) {
	now := func() time.Time { return time.Date(2026, 10, 21, 12, 0, 0, 0, time.UTC) }
	store := exchange.New(now, exchange.Switches{})
	store.AddUser(acme, exchange.User{Principal: aino, TimeZone: "Europe/Helsinki"})
	for i, span := range spans {
		subject, allDay := string(rune('A'+i)), strings.HasSuffix(span[0], "T00:00:00") && strings.HasSuffix(span[1], "T00:00:00")
		if _, err := store.Create(acme, aino, "", exchange.Change{Subject: &subject, AllDay: &allDay,
			Start: &exchange.Time{DateTime: span[0], Zone: "Europe/Helsinki"}, End: &exchange.Time{DateTime: span[1], Zone: "Europe/Helsinki"}}); err != nil {
			t.Fatal(err)
		}
	}
	return web.New(store, now), store
}

func get(t *testing.T, p *web.Pages, query string) string {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/calendars/week?tenant="+acme+"&user="+aino+query, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

var (
	column = regexp.MustCompile(`(?s)<section class="day.*?<h2>(.*?)</h2>(.*?)</section>`)
	cards  = regexp.MustCompile(`(?s)(?:grid-row: (\d+ / \d+)".*?)?<b>(.*?)</b>`)
)

// shown gives, for each day with events, the subjects and grid rows on it.
func shown(page string) map[string][]string {
	days := map[string][]string{}
	for _, c := range column.FindAllStringSubmatch(page, -1) {
		for _, card := range cards.FindAllStringSubmatch(c[2], -1) {
			days[c[1]] = append(days[c[1]], strings.TrimSpace(card[2]+" "+card[1]))
		}
	}
	return days
}

func TestAWeekShowsEachEventOnItsDays(t *testing.T) {
	p, _ := pages(t,
		[2]string{"2026-10-20T10:15:00", "2026-10-20T11:00:00"},
		[2]string{"2026-10-20T10:30:00", "2026-10-20T10:30:00"}, // no length
		[2]string{"2026-10-23T23:00:00", "2026-10-24T01:00:00"}, // over midnight
		[2]string{"2026-10-24T00:00:00", "2026-10-26T00:00:00"}, // all day
		[2]string{"2026-10-25T02:30:00", "2026-10-25T03:30:00"}, // the night of 25 hours
		[2]string{"2026-11-03T10:00:00", "2026-11-03T11:00:00"}, // another week
	)
	want := map[string][]string{
		"Tue 20 Oct": {"A 42 / 45", "B 43 / 45"},
		"Fri 23 Oct": {"C 93 / 97"},
		"Sat 24 Oct": {"D", "C 1 / 5"},
		"Sun 25 Oct": {"D", "E 11 / 15"},
	}
	page := get(t, p, "&day=2026-10-22")
	if diff := cmp.Diff(want, shown(page)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(page, "1 more in other weeks") || !strings.Contains(page, "day=2026-10-12") || !strings.Contains(page, "day=2026-10-26") {
		t.Error("the ways to other weeks are missing")
	}
	if diff := cmp.Diff(map[string][]string{"Tue 3 Nov": {"F 41 / 45"}}, shown(get(t, p, "&day=2026-11-08"))); diff != "" {
		t.Errorf("another week (-want +got):\n%s", diff)
	}
}

func TestAMailboxOpensOnTheWeekOfItsNextEvent(t *testing.T) {
	p, _ := pages(t, [2]string{"2026-09-01T10:00:00", "2026-09-01T11:00:00"}, [2]string{"2026-12-01T10:00:00", "2026-12-01T11:00:00"})
	if got := shown(get(t, p, "")); len(got["Tue 1 Dec"]) != 1 {
		t.Errorf("shows %v", got)
	}
	p, _ = pages(t)
	if page := get(t, p, "&day=nonsense"); !strings.Contains(page, "Mon 19 Oct") {
		t.Error("an empty mailbox does not open on the current week")
	}
}

func TestEverythingShownIsEscapedAndNoScriptRunsButThePages(t *testing.T) {
	p, store := pages(t)
	evil := `"><script>alert(1)</script>`
	if _, err := store.Create(acme, aino, "", exchange.Change{Subject: &evil, Body: &exchange.Body{Content: "<p>" + evil + "&lt;img src=x onerror=alert(1)&gt;</p>"},
		Locations: &[]exchange.Location{{Name: evil}},
		Start:     &exchange.Time{DateTime: "2026-10-22T10:00:00", Zone: "UTC"}, End: &exchange.Time{DateTime: "2026-10-22T11:00:00", Zone: "UTC"}}); err != nil {
		t.Fatal(err)
	}
	page := get(t, p, "")
	if strings.Count(page, "<script") != 1 || strings.Contains(page, "<img") || !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("not escaped:\n%s", page)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/calendars", nil))
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "script-src 'self';") {
		t.Errorf("policy %q", csp)
	}
}

// A series is shown as its occurrences, each with the forms of an event of its own.
func TestAWeekShowsTheOccurrencesOfASeries(t *testing.T) {
	p, store := pages(t, [2]string{"2026-09-29T10:00:00", "2026-09-29T11:00:00"})
	owner, series := store.Owner(acme, aino), store.Events(acme, aino)[0].ID
	rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "weekly", Interval: 1, DaysOfWeek: []string{"tuesday", "thursday"}},
		Range: exchange.Range{Type: "noEnd", StartDate: "2026-09-29"}}
	if _, err := owner.Change(series, exchange.Change{Recurrence: &rule}); err != nil {
		t.Fatal(err)
	}
	week := map[string][]string{"Tue 20 Oct": {"A 41 / 45"}, "Thu 22 Oct": {"A 41 / 45"}}
	if diff := cmp.Diff(week, shown(get(t, p, ""))); diff != "" { // that of the next occurrence
		t.Errorf("(-want +got):\n%s", diff)
	}
	page := get(t, p, "&day=2026-11-04")
	if diff := cmp.Diff(map[string][]string{"Tue 3 Nov": {"A 41 / 45"}, "Thu 5 Nov": {"A 41 / 45"}}, shown(page)); diff != "" || strings.Contains(page, "more in other weeks") {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if page := get(t, p, "&day=2026-09-01"); !strings.Contains(page, "1 more in other weeks") {
		t.Error("the series that has not begun is not counted")
	}
	id := regexp.MustCompile(`name="event" value="([^"]*)"`).FindStringSubmatch(page)[1]
	for _, form := range []url.Values{{"action": {"retitle"}, "subject": {"B"}}, {"action": {"later"}}} {
		form["tenant"], form["user"], form["event"], form["day"] = []string{acme}, []string{aino}, []string{id}, []string{"2026-11-02"}
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/calendars/do", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if p.ServeHTTP(w, r); w.Code != http.StatusSeeOther {
			t.Fatalf("%v: %d %s", form, w.Code, w.Body)
		}
	}
	page = get(t, p, "&day=2026-11-04")
	if diff := cmp.Diff(map[string][]string{"Wed 4 Nov": {"B 41 / 45"}, "Thu 5 Nov": {"A 41 / 45"}}, shown(page)); diff != "" || !strings.Contains(page, "changed in its series") {
		t.Errorf("after changes (-want +got):\n%s", diff)
	}
}

// The script of a week asks for the version of the mailbox, which changes with everything
// that happens in it.
func TestAnEditIsSeenByWhoWatches(t *testing.T) {
	p, store := pages(t, [2]string{"2026-10-22T10:00:00", "2026-10-22T11:00:00"})
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		return w.Code, w.Body.String()
	}
	shown := func() string {
		return regexp.MustCompile(`data-version="([0-9a-f]+)"`).FindStringSubmatch(get(t, p, ""))[1]
	}
	const address = "/calendars/version?tenant=" + acme + "&user=" + aino
	owner, id := store.Owner(acme, aino), store.Events(acme, aino)[0].ID
	for i, change := range []func() error{
		func() error { return nil },
		func() error { return owner.Retitle(id, "B") },
		func() error { _, err := owner.Copy(id); return err },
		func() error { return owner.Delete(id) },
		func() error { return store.SetState(acme, aino, exchange.Unlicensed) },
	} {
		before := shown()
		if _, now := ask(address); now != before {
			t.Errorf("the page has version %s, the mailbox %s", before, now)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		after := shown()
		if same := after == before; same != (i == 0) {
			t.Errorf("change %d: version %s, then %s", i, before, after)
		}
		if _, now := ask(address); now != after {
			t.Errorf("afterwards the page has %s, the mailbox %s", after, now)
		}
	}
	if before := shown(); before == "" {
		t.Error("no version")
	}
	if code, script := ask("/calendars/watch.js"); code != http.StatusOK || !strings.Contains(script, "/calendars/version") {
		t.Errorf("%d %s", code, script)
	}
	if code, _ := ask("/calendars/version?tenant=" + acme + "&user=nobody"); code != http.StatusNotFound {
		t.Errorf("nobody's: %d", code)
	}
}
