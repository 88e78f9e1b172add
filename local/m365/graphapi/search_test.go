package graphapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

func query(options ...string) string {
	var parts []string
	for i := 0; i+1 < len(options); i += 2 {
		parts = append(parts, options[i]+"="+url.PathEscape(options[i+1]))
	}
	return "?" + strings.Join(parts, "&")
}

// Contract 2.8: how names and values of extended properties are compared.
func TestAFilterFindsByExtendedProperty(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	id := w.must(201, "POST", events, flight(1, "singleValueExtendedProperties", marked("abCD"))).id()
	w.must(201, "POST", events, flight(2, "singleValueExtendedProperties", marked("other")))
	w.must(201, "POST", events, flight(3))
	anyOf := func(body string) string { return "singleValueExtendedProperties/Any(ep: " + body + ")" }
	const guid = "{6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3}"
	for filter, want := range map[string]int{
		anyOf("ep/id eq '" + mark + "' and ep/value eq 'abCD'"):                                                  1,
		anyOf("ep/id eq '" + mark + "' and ep/value eq 'ABcd'"):                                                  1, // value: case-insensitive
		anyOf("ep/id eq 'string  " + strings.ToUpper(guid) + "  name CalbridgeDelivery' and ep/value eq 'abcd'"): 1,
		anyOf("ep/id eq 'String " + guid + " Name calbridgedelivery' and ep/value eq 'abcd'"):                    0, // name: exact
		anyOf("ep/id eq 'Integer " + guid + " Name CalbridgeDelivery' and ep/value eq 'abcd'"):                   0,
		anyOf("ep/id eq '" + mark + "' and ep/value ne 'abcd'"):                                                  1,
		anyOf("ep/id eq '" + mark + "' and startswith(ep/value,'AB')"):                                           1,
		anyOf("ep/id eq '" + mark + "' and contains(ep/value,'the')"):                                            1,
		anyOf("ep/id eq '"+mark+"'") + " and subject eq 'Flight 1'":                                              1,
		"singleValueExtendedProperties/any(x:x/id eq '" + mark + "' and x/value eq 'abcd')":                      1,
		"not " + anyOf("ep/id eq '"+mark+"'"):                                                                    1,
		"(subject eq 'flight 3' or " + anyOf("ep/id eq '"+mark+"' and ep/value eq 'abcd'") + ")":                 2,
		"start/dateTime ge '2026-12-01T00:00:00' and isAllDay eq false":                                          3,
		"startswith(subject,'Fl')": 3,
	} {
		got := w.must(200, "GET", events+query("$filter", filter), nil)
		if n := len(found(got)); n != want {
			t.Errorf("%s: %d found, want %d", filter, n, want)
		}
	}
	got := w.must(200, "GET", events+query("$filter", anyOf("ep/id eq '"+mark+"' and ep/value eq 'abcd'"),
		"$expand", "singleValueExtendedProperties($filter=id eq '"+mark+"')", "$select", "id,changeKey"), nil)
	only := found(got)[0]
	if only["id"] != id || len(only) != 4 || only["singleValueExtendedProperties"].([]any)[0].(map[string]any)["value"] != "abCD" {
		t.Errorf("selected and expanded: %s", got.body)
	}
	for _, filter := range []string{
		anyOf("ep/value eq 'abcd'"), anyOf("ep/id eq 'String Name x'"), "transactionId eq 'x'", "subject eq", "subject eq 'x", "(((",
		"subject eq 'a' or", "subject gt 'a'", "isAllDay eq 'true'", "", anyOf("ep/id eq '" + mark + "' and subject eq 'x'"), "cast(subject, Edm.Int32) gt 5",
	} {
		if got := w.do("GET", events+query("$filter", filter), nil); got.status != 400 {
			t.Errorf("%q: %d, want 400", filter, got.status)
		}
	}
	w.fails(400, "ErrorInvalidUrlQuery", "GET", events+strings.ReplaceAll(byMark("abcd"), "%20", "+"), nil) // 2.8: %20, not +
}

// Open in the contract; write-path.md: search by mark that may lag.
func TestTheSearchMayLagBehindTheMailbox(t *testing.T) {
	w := start(t, exchange.Switches{SearchLag: time.Minute}, nil)
	id := w.must(201, "POST", events, flight(1, "singleValueExtendedProperties", marked("ab"))).id()
	if n := len(found(w.must(200, "GET", events+byMark("ab"), nil))); n != 0 {
		t.Errorf("found %d at once", n)
	}
	w.must(200, "GET", events+"/"+id, nil)
	if n := len(found(w.must(200, "GET", events, nil))); n != 1 {
		t.Errorf("listed %d", n)
	}
	w.clock.advance(time.Minute)
	if n := len(found(w.must(200, "GET", events+byMark("ab"), nil))); n != 1 {
		t.Errorf("found %d a minute later", n)
	}
	w.store.SetSwitches(exchange.Switches{SearchByHand: true})
	w.must(201, "POST", events, flight(2, "singleValueExtendedProperties", marked("ab")))
	w.clock.advance(time.Hour)
	if n := len(found(w.must(200, "GET", events+byMark("ab"), nil))); n != 1 {
		t.Errorf("found %d before Index", n)
	}
	w.store.Index()
	if n := len(found(w.must(200, "GET", events+byMark("ab"), nil))); n != 2 {
		t.Errorf("found %d after Index", n)
	}
}

// Contract 1: ten a page, nextLink opaque and absolute, $top, $skip, $orderby, $count.
func TestListsComeInPages(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	for n := range 25 {
		w.must(201, "POST", events, flight(n))
		w.clock.advance(time.Second)
	}
	for start, pages := range map[string]int{
		events: 3, events + "?$top=7": 4, events + "?$top=1000": 1, events + "?$skip=20": 1, events + "?%24top=25": 1,
		"/users/" + aino + "/calendar/events?$select=subject":                                        3,
		"/users/" + aino + "/calendarView?startdatetime=2026-12-01T00:00:00Z&EndDateTime=2026-12-02": 3,
	} {
		seen, n := map[string]bool{}, 0
		for next := start; next != ""; n++ {
			got := w.must(200, "GET", next, nil)
			for _, e := range found(got) {
				seen[e["id"].(string)] = true
			}
			next, _ = got.json["@odata.nextLink"].(string)
			if next != "" && !strings.HasPrefix(next, w.url+"/users/") {
				t.Fatalf("next link %q", next)
			}
		}
		want := 25
		if strings.Contains(start, "skip") {
			want = 5
		}
		if n != pages || len(seen) != want {
			t.Errorf("%s: %d pages with %d events, want %d with %d", start, n, len(seen), pages, want)
		}
	}
	got := w.must(200, "GET", events+query("$orderby", "createdDateTime desc", "$top", "1", "$count", "true"), nil)
	if found(got)[0]["subject"] != "Flight 24" || got.json["@odata.count"] != 25.0 {
		t.Errorf("last: %s", got.body)
	}
	if n := len(found(w.must(200, "GET", events, nil, "Prefer", "odata.maxpagesize=3"))); n != 3 {
		t.Errorf("%d on a page of 3", n)
	}
	for _, q := range []string{"?$top=0", "?$top=1001", "?$top=x", "?$skip=-1", "?$select=colour", "?$orderby=colour", "?$expand=calendar",
		"?$search=x", "?$nonsense=1", "?$top=1&$top=2", "?$top=1&%24TOP=2", "?$filter=%zz"} {
		if got := w.do("GET", events+q, nil); got.status != 400 {
			t.Errorf("%s: %d, want 400", q, got.status)
		}
	}
}

// Contract 4.1 and 3.5.
func TestCalendarViewShowsWhatTakesPlaceInTheWindow(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	for n, span := range [][2]string{{"10:00", "11:00"}, {"11:00", "12:00"}, {"12:00", "12:00"}, {"09:00", "13:00"}} {
		w.must(201, "POST", events, flight(n, "start", at("2026-12-01T"+span[0]+":00", "UTC"), "end", at("2026-12-01T"+span[1]+":00", "UTC")))
	}
	for window, want := range map[string]string{
		"startDateTime=2026-12-01T11:00:00&endDateTime=2026-12-01T12:00:00Z":                "3 1",
		"startDateTime=2026-12-01T13:00:00%2B02:00&endDateTime=2026-12-01T14:00:00%2B02:00": "3 1",
		"startDateTime=2026-12-01T12:00:00Z&endDateTime=2026-12-01T12:30:00Z":               "3 2",
		"startDateTime=2026-12-01T13:00:00Z&endDateTime=2026-12-01T14:00:00Z":               "",
	} {
		var got []string
		for _, e := range found(w.must(200, "GET", "/users/"+aino+"/calendarView?"+window, nil)) {
			got = append(got, strings.TrimPrefix(fmt.Sprint(e["subject"]), "Flight "))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", window, got, want)
		}
	}
	selected := found(w.must(200, "GET", "/users/"+aino+"/calendarView?startDateTime=2026-12-01&endDateTime=2026-12-02&$select=subject,createdDateTime", nil))
	if _, there := selected[0]["createdDateTime"]; there || selected[0]["subject"] == nil { // section 1
		t.Errorf("selected %v", selected[0])
	}
	w.fails(400, "ErrorInvalidParameter", "GET", "/users/"+aino+"/calendarView?startDateTime=2026-12-01", nil)
	w.fails(400, "ErrorInvalidParameter", "GET", "/users/"+aino+"/calendarView?startDateTime=x&endDateTime=y", nil)
}
