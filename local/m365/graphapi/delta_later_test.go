package graphapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/graphapi"
)

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

// 5: a calendar that is shared is read under the id that it has in one's own list, to the
// end of the round and on.
func TestASharedCalendarIsReadUnderItsIDInTheList(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	u, err := w.store.User(acme, aino)
	w.ok(err)
	w.serve(newAPI(w, scoped{u.ObjectID}))
	w.ok(w.store.Share(acme, bo, aino, false))
	w.token = "Calendars.Read,Calendars.Read.Shared"
	all := value(w.must(200, "GET", "/me/calendars", nil))
	if len(all) != 2 {
		t.Fatalf("%d calendars", len(all))
	}
	create := func(subject string) {
		start, end := hour(2, 9), hour(2, 10)
		_, err := w.store.Create(acme, bo, "", exchange.Change{Subject: &subject, Start: &start, End: &end})
		w.ok(err)
	}
	create("theirs")
	items, link := w.read("/me/calendars/" + all[1]["id"].(string) + "/calendarView/delta" + window)
	w.tells("shared", items, "singleInstance theirs")
	create("more")
	items, link = w.read(link)
	w.tells("on", items, "singleInstance more")
	w.ok(w.store.Unshare(acme, bo, aino))
	w.fails(404, "ErrorItemNotFound", "GET", link, nil)
}
