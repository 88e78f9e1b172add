package graphapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphapi"
)

// Contract 8: 130,000 requests of an app in ten seconds, here fewer; and a limit
// per tenant, switched on while it runs. The body is the gateway's.
func TestAppsAndTenantsHaveLimitsOfTheirOwn(t *testing.T) {
	w := start(t, exchange.Switches{}, &graphapi.Options{Limits: graphapi.Limits{AppRequests: 3}})
	w.must(200, "GET", events, nil)
	w.must(200, "GET", "/users/"+bo+"/events", nil)
	w.must(200, "GET", events, nil)
	w.clock.advance(4 * time.Second)
	r := w.fails(429, "TooManyRequests", "GET", "/users/"+bo+"/events", nil)
	if r.header.Get("Retry-After") != "6" {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
	byID, _ := responses(w.must(200, "POST", "/$batch", item{"requests": []item{creation(1)}}))
	if h := byID["1"]["headers"].(map[string]any); status(byID["1"]) != 429 || h["Retry-After"] != "6" {
		t.Errorf("item: %v", byID["1"])
	}
	w.token = "app2"
	w.must(200, "GET", events, nil) // another app
	w.token = "app"
	w.clock.advance(6 * time.Second)
	w.must(200, "GET", events, nil)

	w.api.SetLimits(graphapi.Limits{TenantRequests: 1, AppRequests: -1})
	w.clock.advance(time.Minute)
	w.must(200, "GET", events, nil)
	w.fails(429, "TooManyRequests", "GET", events, nil)
	w.api.SetLimits(graphapi.Limits{})
	for range 5 {
		w.must(200, "GET", events, nil)
	}
	w.api.SetLimits(graphapi.Limits{Requests: 5}) // what began before counts
	w.fails(429, "ApplicationThrottled", "GET", events, nil)
}

// Switch DeletedAnswer: an event in Deleted Items is read by its id and nothing
// else; permanentDelete (2.1) ends that.
func TestDeletedEventsAnswerWhereTheSwitchSaysSo(t *testing.T) {
	for _, answer := range []bool{false, true} {
		w := start(t, exchange.Switches{DeletedAnswer: answer}, nil)
		e, err := w.store.Create(acme, aino, "", exchange.Change{Start: &exchange.Time{DateTime: "2026-12-01T10:00:00", Zone: "UTC"},
			End: &exchange.Time{DateTime: "2026-12-01T11:00:00", Zone: "UTC"}})
		if err != nil {
			t.Fatal(err)
		}
		path := events + "/" + strings.ReplaceAll(e.ID, "=", "%3D")
		w.must(204, "DELETE", path, nil)
		if answer {
			w.must(200, "GET", path, nil)
		} else {
			w.fails(404, "ErrorItemNotFound", "GET", path, nil)
		}
		w.fails(404, "ErrorItemNotFound", "PATCH", path, item{"subject": "x"})
		w.fails(404, "ErrorItemNotFound", "DELETE", path, nil)
		if got := found(w.must(200, "GET", events, nil)); len(got) != 0 {
			t.Errorf("a list has %d deleted events", len(got))
		}

		again, err := w.store.Create(acme, aino, "", exchange.Change{Start: &e.Start, End: &e.End})
		if err != nil {
			t.Fatal(err)
		}
		path = events + "/" + strings.ReplaceAll(again.ID, "=", "%3D")
		w.must(204, "POST", path+"/permanentDelete", nil)
		w.fails(404, "ErrorItemNotFound", "GET", path, nil)
	}
}
