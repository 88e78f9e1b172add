package graphapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
)

// These are the oddities of graph/contract.md section 4, one test each.

const (
	view   = "/users/" + aino + "/calendarView/delta"
	window = "?startDateTime=2026-12-01T00:00:00Z&endDateTime=2026-12-31T00:00:00Z"
)

// deltas is a world whose sync states a test can spoil.
func deltas(t *testing.T, s changes.Switches) *world {
	w := start(t, exchange.Switches{}, nil)
	w.api.Changes().Set(s)
	return w
}

// hour is a time in December 2026, UTC.
func hour(day, hour int) exchange.Time {
	return exchange.Time{DateTime: fmt.Sprintf("2026-12-%02dT%02d:00:00", day, hour), Zone: "UTC"}
}

// add makes an event of an hour.
func (w *world) add(subject string, start exchange.Time, more ...func(*exchange.Change)) string {
	w.Helper()
	end := start
	end.DateTime = start.DateTime[:11] + fmt.Sprintf("%02d", 1+int(start.DateTime[11]-'0')*10+int(start.DateTime[12]-'0')) + start.DateTime[13:]
	c := exchange.Change{Subject: &subject, Start: &start, End: &end}
	for _, f := range more {
		f(&c)
	}
	e, err := w.owner().Create(c)
	if err != nil {
		w.Fatal(err)
	}
	return e.ID
}

func (w *world) owner() exchange.Owner { return w.store.Owner(acme, aino) }

// daily makes an event one of so many days.
func daily(count int) func(*exchange.Change) {
	return func(c *exchange.Change) {
		r := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 1},
			Range: exchange.Range{Type: "numbered", StartDate: c.Start.DateTime[:10], Count: count}}
		c.Recurrence = &r
	}
}

// days are the occurrences of a series in December.
func (w *world) days(series string) []exchange.Event {
	w.Helper()
	all, err := w.store.Instances(acme, aino, series, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC))
	w.ok(err)
	return all
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// read reads a round to its end, with immutable ids; it gives the items in their order and the link of
// the next round.
func (w *world) read(path string) (items []m, link string) {
	w.Helper()
	for range 100 {
		r := w.must(200, "GET", path, nil, "Prefer", `IdType="ImmutableId"`)
		items = append(items, value(r)...)
		if link, ok := r.json["@odata.deltaLink"].(string); ok {
			return items, link
		}
		path = r.json["@odata.nextLink"].(string)
	}
	w.Fatal("the round does not end")
	return nil, ""
}

// told are the items in short: what they are and how they are called.
func told(items []m) []string {
	all := []string{}
	for _, i := range items {
		kind := "removed"
		if i["@removed"] == nil {
			kind, _ = i["type"].(string)
		}
		subject, _ := i["subject"].(string)
		all = append(all, strings.TrimSpace(kind+" "+subject))
	}
	return all
}

func (w *world) tells(what string, items []m, want ...string) {
	w.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, told(items)); diff != "" {
		w.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// 4.2: every documented URL, and that of a chosen calendar, in every spelling.
func TestDeltaIsBelowUsersMeAndCalendars(t *testing.T) {
	w := deltas(t, changes.Switches{})
	w.add("a", hour(2, 9))
	c, err := w.store.Calendar(acme, aino, "")
	w.ok(err)
	for _, path := range []string{"/users/" + aino + "/calendarView/delta", "/users('" + aino + "')/calendarView/microsoft.graph.delta()",
		"/users/" + aino + "/calendar/calendarView/delta()", "/users/" + aino + "/calendars/" + c.ID + "/calendarView/delta()",
		"/users/" + aino + "/calendars('" + c.ID + "')/calendarview/Delta", "/users/" + aino + "/calendarGroups/x/calendars/" + c.ID + "/calendarView/delta"} {
		items, _ := w.read(path + window)
		w.tells(path, items, "singleInstance a")
	}
	w.token = "aino"
	for _, path := range []string{"/me/calendarView/delta", "/me/calendars/" + c.ID + "/calendarView/delta", "/me/calendar/calendarView/delta()"} {
		items, link := w.read(path + window)
		w.tells(path, items, "singleInstance a")
		items, _ = w.read(link)
		w.tells(path, items)
	}
	w.token = "app"
	w.fails(400, "BadRequest", "GET", "/me/calendarView/delta"+window, nil)
	w.fails(501, "NotImplemented", "GET", "/users/"+aino+"/events/delta"+window, nil) // beta only: do not depend on it
	w.fails(405, "Request_BadRequest", "DELETE", view+window, nil)
}

// 4.1, 4.3: both ends of the window are required on the first call, and nowhere later.
func TestAWindowIsRequiredOnceAndIgnoredBesideAToken(t *testing.T) {
	w := deltas(t, changes.Switches{})
	w.add("a", hour(2, 9))
	for _, query := range []string{"", "?startDateTime=2026-12-01T00:00:00Z", "?enddatetime=2026-12-01", "?startDateTime=&endDateTime="} {
		if r := w.fails(400, "ErrorInvalidParameter", "GET", view+query, nil); !strings.Contains(string(r.body), "This request requires a time window") {
			t.Errorf("%s", r.body)
		}
	}
	w.fails(400, "ErrorInvalidParameter", "GET", view+"?startDateTime=2026-12-02&endDateTime=2026-12-01", nil)
	w.fails(400, "ErrorInvalidParameter", "GET", view+"?startDateTime=soon&endDateTime=2026-12-01", nil)
	_, link := w.read(view + window)
	w.add("b", hour(3, 9))
	items, _ := w.read(link + "&startDateTime=2030-01-01T00:00:00Z&endDateTime=2030-01-02T00:00:00Z")
	w.tells("with other dates", items, "singleInstance b")
	items, _ = w.read(view + window + "&$deltatoken=")
	w.tells("with an empty token", items, "singleInstance a", "singleInstance b")
}

// 4.3: what change tracking refuses, in Graph's very words.
func TestDeltaRefusesQueryOptionsInGraphsWords(t *testing.T) {
	w := deltas(t, changes.Switches{})
	for option, want := range map[string]string{
		"$top=5":           "The '$top' parameter is not supported with change tracking over the 'CalendarView' resource as page size cannot be guaranteed. Express page size preferences using the Prefer: odata.maxpagesize= header instead.",
		"$filter=a":        "The following parameters are not supported with change tracking over the 'CalendarView' resource: '$orderby, $filter, $select, $expand, $search'.",
		"$ORDERBY=subject": "The following parameters are not supported with change tracking over the 'CalendarView' resource: '$orderby, $filter, $select, $expand, $search'.",
		"$expand=x":        "The following parameters are not supported with change tracking over the 'CalendarView' resource: '$orderby, $filter, $select, $expand, $search'.",
		"$search=x":        "The following parameters are not supported with change tracking over the 'CalendarView' resource: '$orderby, $filter, $select, $expand, $search'.",
		"$select=subject":  "The following parameters are not supported with change tracking over the 'CalendarView' resource: '$orderby, $filter, $select, $expand, $search'.",
		"$skip=1":          "The query option '$skip' is not supported with change tracking.",
	} {
		r := w.fails(400, "ErrorInvalidUrlQuery", "GET", view+window+"&"+option, nil)
		if e, _ := r.json["error"].(m); e["message"] != want {
			t.Errorf("%s: %s", option, r.body)
		}
	}
	w.api.Changes().Set(changes.Switches{AcceptSelect: true})
	w.add("a", hour(2, 9))
	items, _ := w.read(view + window + "&$select=subject")
	if len(items) != 1 || items[0]["subject"] != "a" || items[0]["start"] != nil {
		t.Errorf("selected: %v", items)
	}
}

// 4.3: maxpagesize is a hint that every page request repeats; without it there are ten.
func TestThePageSizeIsAHintOfEachRequest(t *testing.T) {
	w := deltas(t, changes.Switches{})
	for i := range 25 {
		w.add(fmt.Sprint(i), hour(1+i, 9))
	}
	first := w.must(200, "GET", view+window, nil, "Prefer", "odata.maxpagesize=3")
	second := w.must(200, "GET", first.json["@odata.nextLink"].(string), nil)
	third := w.must(200, "GET", second.json["@odata.nextLink"].(string), nil, "Prefer", "odata.maxpagesize=200")
	for i, want := range []int{3, 10, 12} {
		if got := len(value([]reply{first, second, third}[i])); got != want {
			t.Errorf("page %d has %d items, want %d", i+1, got, want)
		}
	}
	if third.json["@odata.deltaLink"] == nil || third.json["@odata.nextLink"] != nil || first.json["@odata.deltaLink"] != nil {
		t.Error("a round ends with a deltaLink, and only with one")
	}
}

// 4.3: a series is never split over pages, however long it is.
func TestASeriesIsOnOnePageHoweverLong(t *testing.T) {
	w := deltas(t, changes.Switches{})
	w.add("a", hour(2, 9))
	w.add("b", hour(2, 10))
	w.add("long", hour(1, 9), daily(400))
	w.add("c", hour(2, 11))
	r := w.must(200, "GET", view+window, nil, "Prefer", "odata.maxpagesize=3")
	if n := len(value(r)); n != 2+1+30 || r.json["@odata.nextLink"] == nil {
		t.Errorf("%d items", n)
	}
}

// 4.3: the preferences are not in the token; each request says what it wants.
func TestPreferencesAreNotInTheToken(t *testing.T) {
	w := deltas(t, changes.Switches{})
	w.add("a", hour(2, 9))
	_, link := w.read(view + window)
	w.ok(w.owner().Retitle(w.store.Events(acme, aino)[0].ID, "b"))
	e := w.store.Events(acme, aino)[0]
	for prefer, want := range map[string][3]string{
		"":                                   {e.MutableID, "2026-12-02T09:00:00.0000000", "html"},
		`IdType="ImmutableId"`:               {e.ID, "2026-12-02T09:00:00.0000000", "html"},
		`outlook.timezone="Europe/Helsinki"`: {e.MutableID, "2026-12-02T11:00:00.0000000", "html"},
		`outlook.body-content-type="text"`:   {e.MutableID, "2026-12-02T09:00:00.0000000", "text"},
	} {
		w.api.Changes().Set(changes.Switches{})
		r := w.must(200, "GET", link, nil, "Prefer", prefer)
		i := value(r)[0]
		if got := [3]string{i["id"].(string), i["start"].(m)["dateTime"].(string), i["body"].(m)["contentType"].(string)}; got != want {
			t.Errorf("%q: %v, want %v", prefer, got, want)
		}
		if applied := r.header.Get("Preference-Applied"); !strings.HasPrefix(applied, "odata.track-changes") {
			t.Errorf("%q: applied %q", prefer, applied)
		}
	}
}

// 4.4: shapes. A series is its master, whose start is that of its first occurrence, and slim
// occurrences; an exception comes in full; tags are of the long form.
func TestOccurrencesAreSlimAndMastersBeginYearsBefore(t *testing.T) {
	w := deltas(t, changes.Switches{})
	weekly := func(c *exchange.Change) {
		r := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "weekly", Interval: 1, DaysOfWeek: []string{"tuesday"}}, Range: exchange.Range{Type: "noEnd", StartDate: "2019-01-01"}}
		c.Recurrence = &r
	}
	series := w.add("old", exchange.Time{DateTime: "2019-01-01T09:00:00", Zone: "UTC"}, weekly)
	days := w.days(series)
	w.ok(w.owner().Retitle(days[1].ID, "other"))
	items, _ := w.read(view + window)
	w.tells("the round", items, "seriesMaster old", "occurrence", "exception other", "occurrence", "occurrence", "occurrence")
	master, slim, exception := items[0], items[1], items[2]
	if master["start"].(m)["dateTime"] != "2019-01-01T09:00:00.0000000" || master["recurrence"] == nil || master["id"] != series {
		t.Errorf("master %v", master)
	}
	tag := slim["@odata.etag"].(string)
	want := m{"@odata.type": "#microsoft.graph.event", "@odata.etag": tag, "id": days[0].ID, "seriesMasterId": series, "type": "occurrence",
		"start": m{"dateTime": "2026-12-01T09:00:00.0000000", "timeZone": "UTC"}, "end": m{"dateTime": "2026-12-01T10:00:00.0000000", "timeZone": "UTC"}}
	if diff := cmp.Diff(want, slim); diff != "" {
		t.Errorf("slim (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(tag, `W/"DwAAABYAAA`) || master["@odata.etag"] != tag || strings.Contains(tag, master["changeKey"].(string)) {
		t.Errorf("tag %s of key %s", tag, master["changeKey"])
	}
	if exception["body"] == nil || exception["originalStart"] != "2026-12-08T09:00:00Z" || exception["seriesMasterId"] != series || exception["@odata.type"] != "#microsoft.graph.event" {
		t.Errorf("exception %v", exception)
	}
	if master["singleValueExtendedProperties"] != nil {
		t.Error("extended properties are not in delta")
	}
}

// 4.4: pages may be empty and lead on, also the first one.
func TestTheFirstPageMayBeEmptyAndLeadOn(t *testing.T) {
	w := deltas(t, changes.Switches{EmptyFirst: true})
	w.add("a", hour(2, 9))
	r := w.must(200, "GET", view+window, nil)
	if len(value(r)) != 0 || r.json["@odata.nextLink"] == nil || r.json["@odata.deltaLink"] != nil {
		t.Fatalf("%s", r.body)
	}
	items, link := w.read(r.json["@odata.nextLink"].(string))
	w.tells("onwards", items, "singleInstance a")
	if r := w.must(200, "GET", link, nil); len(value(r)) != 0 || r.json["@odata.nextLink"] == nil {
		t.Errorf("a later round: %s", r.body)
	}
}

// 4.4: the same item may come several times in a round, and in any order.
func TestTheSameItemMayComeSeveralTimesInAnyOrder(t *testing.T) {
	w := deltas(t, changes.Switches{Duplicates: true, Shuffle: true})
	ids := map[any]int{}
	for i := range 12 {
		w.add(fmt.Sprint(i), hour(1+i, 9))
	}
	items, _ := w.read(view + window)
	order := []string{}
	for _, i := range items {
		ids[i["id"]]++
		order = append(order, i["subject"].(string))
	}
	if len(items) != 24 || len(ids) != 12 {
		t.Errorf("%d items, %d ids", len(items), len(ids))
	}
	if strings.Join(order[:3], " ") == "0 1 2" {
		t.Errorf("in order: %v", order)
	}
}
