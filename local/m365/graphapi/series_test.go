package graphapi_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// weekly makes a series of Mondays at 20:30 UTC, as the official sample of instances has.
func weekly(w *world) string {
	w.Helper()
	return w.must(201, "POST", events, flight(1, "start", m{"dateTime": "2019-04-08T20:30:00", "timeZone": "UTC"}, "end", m{"dateTime": "2019-04-08T21:30:00", "timeZone": "UTC"},
		"recurrence", m{"pattern": m{"type": "weekly", "interval": 1, "daysOfWeek": []any{"monday"}}, "range": m{"type": "numbered", "startDate": "2019-04-08", "numberOfOccurrences": 4}})).id()
}

func value(r reply) []m {
	var list []m
	for _, v := range r.json["value"].([]any) {
		list = append(list, v.(map[string]any))
	}
	return list
}

type m = map[string]any

const april = "?startDateTime=2019-04-01T00:00:00Z&endDateTime=2019-05-01T00:00:00Z"

// Contract 3.3, 3.6, 4.1: occurrences in a view and as instances, by their ids, changed
// and deleted.
func TestASeriesIsSeenAsItsOccurrences(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	series := weekly(w)
	for _, path := range []string{"/users/" + aino + "/calendarView" + april, events + "/" + series + "/instances" + april} {
		found := value(w.must(200, "GET", path, nil))
		if len(found) != 4 {
			t.Fatalf("%s: %d occurrences", path, len(found))
		}
		for i, day := range []string{"2019-04-08", "2019-04-15", "2019-04-22", "2019-04-29"} {
			e := found[i]
			if e["type"] != "occurrence" || e["seriesMasterId"] != series || e["recurrence"] != nil || e["occurrenceId"] != "OID."+series+"."+day ||
				e["originalStart"] != day+"T20:30:00Z" || e["start"].(m)["dateTime"] != day+"T20:30:00.0000000" || e["@odata.etag"] != found[0]["@odata.etag"] {
				t.Errorf("%s: %v", day, e)
			}
			if got := w.must(200, "GET", events+"/"+e["id"].(string), nil); got.json["type"] != "occurrence" || got.json["id"] != e["id"] {
				t.Errorf("%s by id: %s", day, got.body)
			}
		}
	}
	if list := value(w.must(200, "GET", events, nil)); len(list) != 1 || list[0]["type"] != "seriesMaster" || list[0]["seriesMasterId"] != nil || list[0]["occurrenceId"] != nil {
		t.Errorf("the list: %v", list)
	}
	found := value(w.must(200, "GET", events+"/"+series+"/instances"+april, nil))
	moved := w.must(200, "PATCH", events+"/"+found[1]["id"].(string), m{"subject": "moved", "start": m{"dateTime": "2019-04-16T20:30:00", "timeZone": "UTC"}, "end": m{"dateTime": "2019-04-16T21:30:00", "timeZone": "UTC"}})
	if moved.json["type"] != "exception" || moved.json["originalStart"] != "2019-04-15T20:30:00Z" || moved.id() != found[1]["id"] {
		t.Errorf("exception %s", moved.body)
	}
	w.must(204, "DELETE", events+"/"+found[2]["id"].(string), nil)
	w.fails(404, "ErrorItemNotFound", "GET", events+"/"+found[2]["id"].(string), nil)
	w.fails(400, "ErrorOccurrenceCrossingBoundary", "PATCH", events+"/"+found[1]["id"].(string), m{"start": m{"dateTime": "2019-04-29T01:30:00", "timeZone": "UTC"}, "end": m{"dateTime": "2019-04-29T21:30:00", "timeZone": "UTC"}})
	w.fails(400, "ErrorPropertyValidationFailure", "PATCH", events+"/"+found[1]["id"].(string), m{"recurrence": nil})
	var shown []string
	for _, e := range value(w.must(200, "GET", "/users/"+aino+"/calendarView"+april, nil)) {
		shown = append(shown, e["type"].(string)+" "+e["start"].(m)["dateTime"].(string)[:10])
	}
	if got := strings.Join(shown, ", "); got != "occurrence 2019-04-08, exception 2019-04-16, occurrence 2019-04-29" {
		t.Errorf("the view: %s", got)
	}
	got := w.must(200, "GET", events+"/"+series+"?$select=subject,cancelledOccurrences", nil)
	if list, _ := got.json["cancelledOccurrences"].([]any); len(list) != 1 || list[0] != "OID."+series+".2019-04-22" {
		t.Errorf("cancelled: %s", got.body)
	}
	w.fails(400, "ErrorInvalidParameter", "GET", events+"/"+series+"/instances", nil)
}

// Contract 3.6: the day in the ids of the official sample, of which parts were cut out.
func TestIdsOfOccurrencesHaveTheDayAsTheOfficialSampleHasIt(t *testing.T) {
	raw, err := os.ReadFile("testdata/samples.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []struct {
		URL  string          `json:"url"`
		Body json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(raw, &samples); err != nil {
		t.Fatal(err)
	}
	w := start(t, exchange.Switches{}, nil)
	ours := map[string]string{}
	for _, e := range value(w.must(200, "GET", events+"/"+weekly(w)+"/instances"+april, nil)) {
		ours[e["start"].(m)["dateTime"].(string)[:10]] = e["id"].(string)
	}
	n := 0
	for _, sample := range samples {
		if !strings.Contains(sample.URL, "/instances?") {
			continue
		}
		var body struct {
			Value []struct {
				ID    string
				Start struct{ DateTime string }
			}
		}
		if err := json.Unmarshal(sample.Body, &body); err != nil {
			t.Fatal(err)
		}
		for _, e := range body.Value {
			day := strings.Replace(e.Start.DateTime[:10], "2019-04-16", "2019-04-15", 1) // the exception was moved from there
			_, ticks, _ := strings.Cut(e.ID, "YAgI")
			if ticks, _, _ = strings.Cut(ticks, "AAAAA"); ours[day] == "" || ticks == "" || !strings.Contains(ours[day], "gI"+ticks) {
				t.Errorf("%s: %s, the sample has %s", day, ours[day], e.ID)
			}
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d samples", n)
	}
}
