package graphapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/graphapi"
)

// Contract 1 and 5: calendars come ten to a page, or as many as $top says.
func TestCalendarsComeInPages(t *testing.T) {
	w := delegated(t, graphapi.Options{})
	w.token = "Calendars.Read"
	for i := range 24 {
		if _, err := w.store.AddCalendar(acme, aino, fmt.Sprint("Team ", i)); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]struct{ pages, first int }{
		"":                                  {3, 10},
		"?$top=100":                         {1, 25},
		"?%24select=id,name&%24top=12":      {3, 12},
		"?$skip=20":                         {1, 5},
		"?$SELECT=name&$count=true":         {3, 10},
		"?$top=5&$select=id,hexColor,owner": {5, 5},
	} {
		path, pages, seen := "/me/calendars"+query, 0, map[any]bool{}
		for path != "" {
			got := w.must(200, "GET", path, nil)
			pages++
			if pages == 1 && len(found(got)) != want.first {
				t.Errorf("%s: first page of %d", query, len(found(got)))
			}
			for _, c := range found(got) {
				if seen[c["id"]] {
					t.Errorf("%s: %v twice", query, c["name"])
				}
				seen[c["id"]] = true
			}
			next, _ := got.json["@odata.nextLink"].(string)
			path = strings.TrimPrefix(next, w.url)
		}
		if pages != want.pages {
			t.Errorf("%s: %d pages, want %d", query, pages, want.pages)
		}
	}
	for _, query := range []string{"?$filter=name eq 'x'", "?$orderby=name", "?$expand=events", "?$search=x", "?$top=0", "?$top=x", "?$select=nonsense"} {
		if got := w.do("GET", "/me/calendars"+strings.ReplaceAll(query, " ", "%20"), nil); got.status != 400 {
			t.Errorf("%s: %d", query, got.status)
		}
	}
	w.token = "Calendars.ReadWrite"
	w.fails(405, "Request_BadRequest", "DELETE", "/me/calendars", nil)
}

// Contract 12 (D/K) and the documentation's own page: which permission opens the list.
func TestTheListOfCalendarsTakesReadBasicOrRead(t *testing.T) {
	for _, strict := range []bool{false, true} {
		w := delegated(t, graphapi.Options{ListsNeedRead: strict})
		for _, tt := range []struct {
			token string
			open  bool
		}{
			{"Calendars.ReadBasic", !strict}, {"Calendars.Read", true}, {"Calendars.ReadWrite", true}, {"User.Read", false}, {"Calendars.Read.Shared", false},
			{"app:Calendars.ReadBasic.All", !strict}, {"app:Calendars.ReadWrite", true}, {"app:Mail.Send", false},
		} {
			w.token = tt.token
			got := w.do("GET", "/users/"+aino+"/calendars", nil)
			if open := got.status == 200; open != tt.open || !open && got.code() != "ErrorAccessDenied" {
				t.Errorf("strict %t: %s: %d %s", strict, tt.token, got.status, got.code())
			}
		}
	}
}

// Contract 5: shared calendars are in the sharee's list with the sharer as owner; 12: a
// .Shared permission opens what lies in them.
func TestASharedCalendarIsInTheListOfWhomItIsSharedWith(t *testing.T) {
	const reads, shares = "Calendars.Read", "Calendars.Read,Calendars.Read.Shared"
	w := delegated(t, graphapi.Options{})
	w.token = "app:Calendars.ReadWrite"
	made := w.must(201, "POST", "/users/"+bo+"/events", flight(1)).id()
	w.token = shares
	if n := len(found(w.must(200, "GET", "/me/calendars", nil))); n != 1 {
		t.Errorf("%d calendars before anything is shared", n)
	}
	if err := w.store.Share(acme, bo, aino, false); err != nil {
		t.Fatal(err)
	}
	all := found(w.must(200, "GET", "/me/calendars", nil))
	if len(all) != 2 || all[1]["isDefaultCalendar"] != false || all[1]["canEdit"] != false || all[1]["name"] != "bo" {
		t.Fatalf("%v", all)
	}
	if owner, _ := all[1]["owner"].(map[string]any); owner["address"] != bo {
		t.Errorf("owner %v", owner)
	}
	shared := "/me/calendars/" + all[1]["id"].(string)
	if got := w.must(200, "GET", shared, nil); got.id() != all[1]["id"] {
		t.Errorf("one: %s", got.body)
	}
	if got := found(w.must(200, "GET", shared+"/events", nil)); len(got) != 1 || got[0]["id"] != made {
		t.Errorf("events: %v", got)
	}
	w.must(200, "GET", shared+"/calendarView?startDateTime=2026-12-01T00:00:00Z&endDateTime=2026-12-31T00:00:00Z", nil)
	w.fails(403, "ErrorAccessDenied", "POST", shared+"/events", flight(2))
	for _, token := range []string{reads, "ada:" + shares, "app:Calendars.ReadWrite"} {
		w.token = token
		path := strings.Replace(shared, "/me", "/users/"+aino, 1)
		if got := w.do("GET", path+"/events", nil); got.status < 400 {
			t.Errorf("%s reads %s", token, path)
		}
	}
	if err := w.store.Unshare(acme, bo, aino); err != nil {
		t.Fatal(err)
	}
	w.token = shares
	w.fails(404, "ErrorItemNotFound", "GET", shared+"/events", nil)
}
