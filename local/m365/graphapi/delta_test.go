package graphapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/graphapi"
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

// 4.5, one row after the other.
func TestLaterRoundsTellWhatChanged(t *testing.T) {
	w := deltas(t, changes.Switches{})
	single := w.add("single", hour(2, 9))
	gone := w.add("gone", hour(2, 10))
	away := w.add("away", hour(2, 11))
	series := w.add("series", hour(7, 9), daily(4))
	outside := w.add("outside", exchange.Time{DateTime: "2027-03-01T09:00:00", Zone: "UTC"})
	items, link := w.read(view + window)
	if len(items) != 3+5 {
		t.Fatalf("first round: %v", told(items))
	}
	round := func(what string, want ...string) []m {
		t.Helper()
		items, link = w.read(link)
		w.tells(what, items, want...)
		return items
	}
	round("nothing changed")
	w.ok(w.owner().Retitle(single, "better"))
	w.add("new", hour(3, 9))
	round("updated and created inside", "singleInstance better", "singleInstance new")
	w.ok(w.owner().Delete(gone))
	if i := round("deleted", "removed"); i[0]["id"] != gone || i[0]["@removed"].(m)["reason"] != "deleted" || len(i[0]) != 3 {
		t.Errorf("removed: %v", i)
	}
	w.ok(w.owner().Move(away, exchange.Time{DateTime: "2027-02-01T09:00:00", Zone: "UTC"}, exchange.Time{DateTime: "2027-02-01T10:00:00", Zone: "UTC"}))
	if i := round("moved out of the window", "removed"); i[0]["id"] != away {
		t.Errorf("removed: %v", i)
	}
	w.ok(w.owner().Retitle(outside, "changed outside"))
	if i := round("changed outside: removed, of an id never seen", "removed"); i[0]["id"] != outside {
		t.Errorf("removed: %v", i)
	}
	w.ok(w.owner().Retitle(series, "changed"))
	round("master changed", "seriesMaster changed", "occurrence", "occurrence", "occurrence", "occurrence")
	days := w.days(series)
	w.ok(w.owner().Delete(days[1].ID))
	for _, i := range round("one occurrence deleted: absent, and not removed", "seriesMaster changed", "occurrence", "occurrence", "occurrence") {
		if i["id"] == days[1].ID {
			t.Error("the deleted one is there")
		}
	}
	w.ok(w.owner().Retitle(days[2].ID, "edited"))
	round("one occurrence edited", "seriesMaster changed", "occurrence", "exception edited", "occurrence")
	w.ok(w.owner().Delete(series))
	if i := round("series deleted", "removed"); i[0]["id"] != series {
		t.Errorf("removed: %v", i)
	}
	round("nothing again")
}

// 4.5: whether the occurrences of a deleted series are listed is not known.
func TestADeletedSeriesMayListItsOccurrences(t *testing.T) {
	w := deltas(t, changes.Switches{ListOccurrences: true})
	series := w.add("series", hour(7, 9), daily(3))
	_, link := w.read(view + window)
	days := w.days(series)
	w.ok(w.owner().Delete(series))
	items, _ := w.read(link)
	w.tells("deleted", items, "removed", "removed", "removed", "removed")
	if items[0]["id"] != series || items[3]["id"] != days[2].ID {
		t.Errorf("%v", items)
	}
}

// 4.5: what is created outside may also not be told.
func TestWhatIsOutsideMayBeQuiet(t *testing.T) {
	w := deltas(t, changes.Switches{QuietOutside: true})
	_, link := w.read(view + window)
	w.add("outside", exchange.Time{DateTime: "2027-03-01T09:00:00", Zone: "UTC"})
	items, _ := w.read(link)
	w.tells("outside", items)
}

// 4.5: a change can come again later.
func TestAChangeMayBeReplayed(t *testing.T) {
	w := deltas(t, changes.Switches{Replays: true})
	_, link := w.read(view + window)
	w.add("a", hour(2, 9))
	for _, want := range [][]string{{"singleInstance a"}, {"singleInstance a"}, {}} {
		var items []m
		items, link = w.read(link)
		w.tells("round", items, want...)
	}
}

// 4.5, 10: filed into another calendar, it leaves this one.
func TestAnEventFiledElsewhereIsRemovedHere(t *testing.T) {
	w := deltas(t, changes.Switches{})
	c, err := w.store.AddCalendar(acme, aino, "Team")
	w.ok(err)
	id := w.add("a", hour(2, 9))
	_, here := w.read(view + window)
	_, there := w.read("/users/" + aino + "/calendars/" + c.ID + "/calendarView/delta" + window)
	_, err = w.owner().File(id, c.ID)
	w.ok(err)
	items, _ := w.read(here)
	w.tells("here", items, "removed")
	items, _ = w.read(there)
	w.tells("there", items, "singleInstance a")
}

// 4.6: the last four generations of an app, mailbox, calendar and window are known.
func TestOldLinksExpireByGeneration(t *testing.T) {
	w := deltas(t, changes.Switches{})
	w.add("a", hour(2, 9))
	_, first := w.read(view + window)
	last := first
	for range 3 {
		_, last = w.read(last)
	}
	w.must(200, "GET", first, nil) // the fourth newest; asking makes a fifth
	r := w.fails(410, "SyncStateNotFound", "GET", first, nil)
	if e := r.json["error"].(m); e["message"] != "The sync state generation is not found; generation=1;[highest=5][5][4][3][2]." || r.header.Get("Location") != "" {
		t.Errorf("%v", e)
	}
	w.must(200, "GET", last, nil)
	// Another window, app or calendar has generations of its own.
	for range 6 {
		w.must(200, "GET", view+"?startDateTime=2026-11-01&endDateTime=2026-12-01", nil)
	}
	w.must(200, "GET", last, nil)
	// An early page of a round expires likewise.
	page := w.must(200, "GET", view+window, nil, "Prefer", "odata.maxpagesize=1").json
	if link, more := page["@odata.nextLink"].(string); more {
		t.Fatalf("one event on one page: %s", link)
	}
	w.add("b", hour(2, 10))
	next := w.must(200, "GET", view+window, nil, "Prefer", "odata.maxpagesize=1").json["@odata.nextLink"].(string)
	for range 4 {
		w.must(200, "GET", next, nil)
		w.must(200, "GET", view+window, nil)
	}
	w.fails(410, "SyncStateNotFound", "GET", next, nil)
}

// 4.6: the other spellings, with and without Location, by time and at once.
func TestAnExpiredLinkHasManySpellings(t *testing.T) {
	w := deltas(t, changes.Switches{})
	_, link := w.read(view + window)
	w.ok(w.api.Changes().Expire(acme, aino))
	w.fails(410, "SyncStateNotFound", "GET", link, nil)
	for _, code := range []string{"syncStateNotFound", "resyncRequired", "SyncStateInvalid", "ErrorInvalidDeltaToken"} {
		w.api.Changes().Set(changes.Switches{ExpiredCode: code})
		w.fails(410, code, "GET", link, nil)
	}
	w.api.Changes().Set(changes.Switches{ExpiredCode: "SyncStateInvalid", ExpiredStatus: 400})
	w.fails(400, "SyncStateInvalid", "GET", link, nil)
	w.api.Changes().Set(changes.Switches{Location: true})
	r := w.fails(410, "SyncStateNotFound", "GET", link, nil)
	back := r.header.Get("Location")
	if !strings.HasPrefix(back, w.url+view) || !strings.HasSuffix(back, "deltatoken=") {
		t.Fatalf("Location %q", back)
	}
	_, link = w.read(back)
	w.api.Changes().Set(changes.Switches{LifeMS: int(time.Hour / time.Millisecond)})
	w.must(200, "GET", link, nil)
	w.clock.advance(time.Hour + time.Second)
	w.fails(410, "SyncStateNotFound", "GET", link, nil)
}

// 4.6: a token that was altered, made up, or is another mailbox's or app's is malformed.
func TestAMalformedTokenIsABadRequest(t *testing.T) {
	w := deltas(t, changes.Switches{})
	_, link := w.read(view + window)
	before, token, _ := strings.Cut(link, "%24deltatoken=")
	for _, bad := range []string{token[:len(token)-1], token + "A", "x", strings.ToLower(token), strings.Repeat("A", len(token)), "%00", strings.Repeat("A", 5000)} {
		w.fails(400, "ErrorInvalidUrlQuery", "GET", before+"%24deltatoken="+bad, nil)
	}
	w.fails(400, "ErrorInvalidUrlQuery", "GET", before+"%24deltatoken="+token+"&$skiptoken="+token, nil)
	w.fails(400, "ErrorInvalidUrlQuery", "GET", "/users/"+bo+"/calendarView/delta?$deltatoken="+token, nil)
	w.token = "app2"
	w.fails(400, "ErrorInvalidUrlQuery", "GET", link, nil)
	w.token = "app"
	w.must(200, "GET", before+"%24skiptoken="+token, nil) // which of the two it is, is in the token
}

// 4.6: a change may not be in the next round yet.
func TestAChangeMayBeVisibleLate(t *testing.T) {
	w := deltas(t, changes.Switches{LagMS: 60_000})
	id := w.add("a", hour(2, 9))
	items, link := w.read(view + window)
	w.tells("at once", items)
	w.clock.advance(time.Minute)
	items, link = w.read(link)
	w.tells("after a minute", items, "singleInstance a")
	w.ok(w.owner().Delete(id))
	items, link = w.read(link)
	w.tells("deleted just now", items)
	w.clock.advance(time.Minute)
	items, _ = w.read(link)
	w.tells("deleted a minute ago", items, "removed")
}

// 4.6: 503 in the middle of a round; the same nextLink goes on.
func TestARoundGoesOnAfterA503(t *testing.T) {
	w := deltas(t, changes.Switches{})
	for i := range 25 {
		w.add(fmt.Sprint(i), hour(1+i, 9))
	}
	_, err := w.api.Faults().Add(faults.Rule{Effect: faults.Answer, Status: http.StatusServiceUnavailable, Path: "calendarView/delta", Skip: 1, Count: 2})
	w.ok(err)
	first := w.must(200, "GET", view+window, nil)
	next := first.json["@odata.nextLink"].(string)
	w.fails(503, "ServiceUnavailable", "GET", next, nil)
	w.fails(503, "ServiceUnavailable", "GET", next, nil)
	rest, _ := w.read(next)
	if n := len(value(first)) + len(rest); n != 25 {
		t.Errorf("%d items", n)
	}
}

// 4.3: pages that repeat themselves for ever, under new tokens.
func TestANextLinkLoopNeverEnds(t *testing.T) {
	w := deltas(t, changes.Switches{Loop: true})
	for i := range 15 {
		w.add(fmt.Sprint(i), hour(1+i, 9))
	}
	seen, ids, path := map[string]bool{}, map[any]bool{}, view+window
	for range 50 {
		r := w.must(200, "GET", path, nil)
		for _, i := range value(r) {
			ids[i["id"]] = true
		}
		path = r.json["@odata.nextLink"].(string)
		if seen[path] {
			t.Fatal("the same link again")
		}
		seen[path] = true
	}
	if len(ids) != 15 {
		t.Errorf("%d ids", len(ids))
	}
}

// 10: a token goes with both forms of ids.
func TestTokensGoWithBothFormsOfIDs(t *testing.T) {
	w := deltas(t, changes.Switches{})
	id := w.add("a", hour(2, 9))
	e, err := w.store.Event(acme, aino, id)
	w.ok(err)
	_, link := w.read(view + window) // with immutable ids
	w.ok(w.owner().Delete(id))
	for prefer, want := range map[string]string{"": e.MutableID, `IdType="ImmutableId"`: e.ID} {
		if r := w.must(200, "GET", link, nil, "Prefer", prefer); value(r)[0]["id"] != want {
			t.Errorf("%q: %s", prefer, r.body)
		}
	}
}

// 12: ReadBasic is enough, and has no bodies; a switch wants more.
func TestReadBasicReadsChangesWithoutBodies(t *testing.T) {
	w := deltas(t, changes.Switches{})
	w.add("a", hour(2, 9))
	w.token = "basic"
	items, _ := w.read(view + window)
	w.tells("basic", items, "singleInstance a")
	if items[0]["body"] != nil || items[0]["bodyPreview"] != nil || items[0]["attendees"] == nil {
		t.Errorf("%v", items[0])
	}
	w.fails(403, "ErrorAccessDenied", "GET", "/users/"+aino+"/calendarView"+window, nil) // 12: Read, but newer pages
	w.api.Changes().Set(changes.Switches{NeedsRead: true})
	w.fails(403, "ErrorAccessDenied", "GET", view+window, nil)
	w.token = "none"
	w.fails(403, "ErrorAccessDenied", "GET", view+window, nil)
}

// 2.10: whoever shares a calendar sees that there is something private, not what.
func TestPrivateEventsOfOthersAreHidden(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	u, err := w.store.User(acme, aino)
	w.ok(err)
	w.serve(newAPI(w, scoped{u.ObjectID}))
	private := "private"
	for _, subject := range []string{"Doctor", "Lunch"} {
		start, end := hour(2, 9), hour(2, 10)
		c := exchange.Change{Subject: &subject, Start: &start, End: &end, Locations: &[]exchange.Location{{Name: "Clinic"}}}
		if subject == "Doctor" {
			c.Sensitivity = &private
		}
		_, err := w.store.Create(acme, bo, "", c)
		w.ok(err)
	}
	w.ok(w.store.Share(acme, bo, aino, false))
	w.token = "Calendars.Read.Shared"
	theirs := "/users/" + bo
	for _, path := range []string{"/calendarView/delta" + window, "/calendarView" + window, "/events"} {
		found := value(w.must(200, "GET", theirs+path, nil))
		if len(found) != 2 || found[0]["subject"] == "Doctor" || found[0]["sensitivity"] != "private" || found[0]["location"].(m)["displayName"] != "" || found[1]["subject"] != "Lunch" {
			t.Errorf("%s: %v", path, found)
		}
	}
	w.ok(w.store.Share(acme, bo, aino, true))
	if found := value(w.must(200, "GET", theirs+"/calendarView/delta"+window, nil)); found[0]["subject"] != "Doctor" {
		t.Errorf("an editor: %v", found[0])
	}
	w.ok(w.store.Unshare(acme, bo, aino))
	w.fails(404, "ErrorItemNotFound", "GET", theirs+"/calendarView/delta"+window, nil)
	w.token = "Calendars.Read"
	w.fails(403, "ErrorAccessDenied", "GET", theirs+"/calendarView/delta"+window, nil)
}

// Every look at a mailbox is counted; a search by mark is no list.
func TestEveryLookAtAMailboxIsCounted(t *testing.T) {
	w := deltas(t, changes.Switches{})
	w.must(201, "POST", events, flight(1, "singleValueExtendedProperties", marked("x")))
	w.must(200, "GET", events+byMark("x"), nil)
	w.must(200, "GET", "/users/"+aino+"/calendars", nil)
	if n := w.store.Listed(acme, aino); n != 0 {
		t.Errorf("%d lists: %v", n, w.store.Looks())
	}
	w.must(200, "GET", events, nil)
	w.must(200, "GET", events+"?$filter=subject%20eq%20'x'", nil)
	w.must(200, "GET", view+window, nil)
	w.must(200, "GET", "/users/a.virtanen@acme.example/calendarView"+window, nil)
	w.token = "none"
	w.fails(403, "ErrorAccessDenied", "GET", view+window, nil) // trying counts
	if n := w.store.Listed(acme, "A.Virtanen@acme.example"); n != 5 {
		t.Errorf("%d lists: %v", n, w.store.Looks())
	}
	if n := w.store.Listed(acme, bo); n != 0 {
		t.Errorf("%d lists of another", n)
	}
}

// newAPI is Graph over a world's store with other tokens.
func newAPI(w *world, tokens graphapi.Tokens) *graphapi.API {
	return graphapi.New(w.store, tokens, w.clock.Now, nil)
}

// A calendar in which nothing has changed costs little, whatever its size.
func TestAnUnchangedCalendarCostsASmallAnswer(t *testing.T) {
	w := deltas(t, changes.Switches{})
	for i := range 300 {
		w.add(fmt.Sprint(i), hour(1+i%28, 9))
	}
	_, link := w.read(view + window)
	if r := w.must(200, "GET", link, nil); len(r.body) > 1000 || r.json["@odata.deltaLink"] == nil {
		t.Errorf("%d bytes: %s", len(r.body), r.body)
	}
}

// 7: delta and subscriptions as items of a batch.
func TestDeltaWorksInABatch(t *testing.T) {
	w := deltas(t, changes.Switches{})
	w.add("a", hour(2, 9))
	r := w.must(200, "POST", "/$batch", m{"requests": []any{m{"id": "1", "method": "GET", "url": view + window, "headers": m{"Prefer": `IdType="ImmutableId"`}},
		m{"id": "2", "method": "GET", "url": "/subscriptions"}}})
	for _, item := range r.json["responses"].([]any) {
		answer := item.(m)
		body := answer["body"].(m)
		if answer["status"] != 200.0 || answer["id"] == "1" && (len(body["value"].([]any)) != 1 || !strings.HasPrefix(body["@odata.deltaLink"].(string), w.url+view)) {
			t.Errorf("%v", answer)
		}
	}
}
