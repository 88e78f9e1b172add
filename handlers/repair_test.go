package handlers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/state"
)

func (w *world) redrive(body string) reply {
	return w.web("POST", "/api/operator/redrive", "application/json", body)
}

func TestTheOperatorsListsOfMessagesArePaged(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.lying = engine.Lying{Next: "7", Items: []engine.LyingMessage{{Queue: "bookings-rejected", MessageID: "m1", Organization: "acme", Reason: "required",
		Faults: []engine.Where{{Pointer: "/data/title", Code: "required"}}, Enqueued: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), Size: 17}}}
	r := w.web("GET", "/api/operator/rejected", "", "")
	want := `{"items":[{"queue":"bookings-rejected","messageId":"m1","organization":"acme","reason":"required",` +
		`"faults":[{"pointer":"/data/title","code":"required"}],"enqueued":"2026-11-21T09:00:00Z","size":17}],"next":"7"}`
	if r.status != 200 || r.body != want {
		t.Errorf("got %d %s", r.status, r.body)
	}
	object(t, w.web("GET", "/api/operator/rejected?limit=3&after=7", "", ""), 200)
	object(t, w.web("GET", "/api/operator/dead-letters", "", ""), 200)
	object(t, w.web("GET", "/api/operator/dead-letters?queue=mailbox-tasks&limit=1&after=mailbox-tasks.4", "", ""), 200)
	calls := []string{`rejected "" 100`, `rejected "7" 3`, `dead letters "" "" 100`, `dead letters "mailbox-tasks" "mailbox-tasks.4" 1`}
	if diff := cmp.Diff(calls, w.called()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, path := range []string{"rejected?limit=0", "dead-letters?limit=201", "dead-letters?queue=changes"} {
		w.problem(w.web("GET", "/api/operator/"+path, "", ""), 400, "invalid")
	}
	for _, path := range []string{"rejected", "dead-letters"} {
		w.fail = fmt.Errorf("deep down: %w", engine.ErrBadCursor)
		w.problem(w.web("GET", "/api/operator/"+path+"?after=x", "", ""), 400, "invalid")
		w.fail = errDown
		w.problem(w.web("GET", "/api/operator/"+path, "", ""), 503, "unavailable")
	}
}

func TestARedriveIsOrderedAndCounted(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.count = 7
	for body, want := range map[string]engine.Redrive{
		`{"kind":"rejected"}`: {Kind: "rejected", Max: 100},
		`{"kind":"rejected","organization":"acme","max":1000}`:               {Kind: "rejected", Organization: "acme", Max: 1000},
		`{"kind":"dead-letters","queue":null}`:                               {Kind: "dead-letters", Max: 100},
		`{"kind":"dead-letters","queue":"bookings-rejected","max":1}`:        {Kind: "dead-letters", Queue: "bookings-rejected", Max: 1},
		`{"kind":"booking","organization":"acme","id":"PNR/7 å","max":null}`: {Kind: "booking", Organization: "acme", ID: "PNR/7 å", Max: 100},
		`{"kind":"person","organization":"acme","user":"u 1"}`:               {Kind: "person", Organization: "acme", User: "u 1", Max: 100},
		`{"kind":"recover","organization":"acme"}`:                           {Kind: "recover", Organization: "acme", Max: 100},
	} {
		before := len(w.called())
		if r := w.redrive(body); r.status != 202 || r.body != `{"count":7}` {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
		if got := w.called()[before:]; len(got) != 1 || got[0] != fmt.Sprintf("redrive %+v", want) {
			t.Errorf("%s: called %v", body, got)
		}
	}
	w.fail = fmt.Errorf("booking: %w", state.ErrNotFound)
	w.problem(w.redrive(`{"kind":"recover","organization":"acme"}`), 404, "not-found")
	w.fail = errDown
	w.problem(w.redrive(`{"kind":"recover","organization":"acme"}`), 503, "unavailable")
}

func TestABadRedriveNamesEveryFaultAndDoesNothing(t *testing.T) {
	w := newWorld(t, 0, nil)
	for body, want := range map[string]string{
		"":                    " syntax",
		"null":                " syntax",
		"[]":                  " syntax",
		`{"kind":"recover"}{`: " syntax",
		"{}":                  "/kind required",
		`{"kind":null}`:       "/kind required",
		`{"kind":7}`:          "/kind type",
		`{"kind":"all","max":0,"queue":"changes","x/y":1}`:                                     "/kind value, /queue value, /max range, /x~1y unknown-member",
		`{"kind":"rejected","max":1001}`:                                                       "/max range",
		`{"kind":"rejected","max":1.5}`:                                                        "/max type",
		`{"kind":"rejected","max":"9"}`:                                                        "/max type",
		`{"kind":"rejected","max":1e30}`:                                                       "/max type",
		`{"kind":"rejected","organization":"a b"}`:                                             "/organization format",
		`{"kind":"rejected","queue":"bookings","id":"b"}`:                                      "/id mismatch, /queue mismatch",
		`{"kind":"dead-letters","organization":"acme"}`:                                        "/organization mismatch",
		`{"kind":"booking"}`:                                                                   "/id required, /organization required",
		`{"kind":"booking","organization":"acme","id":"","user":"u"}`:                          "/id range, /user mismatch",
		`{"kind":"person","organization":7,"user":"` + strings.Repeat("å", 257) + `","max":5}`: "/organization type, /user range, /max mismatch",
		`{"kind":"recover","organization":null}`:                                               "/organization required",
		`{"Kind":"recover"}`:                                                                   "/kind required, /Kind unknown-member",
	} {
		var got []string
		for _, f := range w.problem(w.redrive(body), 400, "invalid").Errors {
			got = append(got, f.Pointer+" "+f.Code)
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%.60s: got %s, want %s", body, s, want)
		}
	}
	if calls := w.called(); len(calls) > 0 {
		t.Errorf("called %v", calls)
	}
	w.problem(w.web("POST", "/api/operator/redrive", "text/plain", `{"kind":"rejected"}`), 415, "media-type")
}

func FuzzDecodeRedrive(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"kind":"rejected","max":5}`, `{"kind":"booking","organization":"acme","id":"b"}`, `{"kind":1,"x":[]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		order, faults := decodeRedrive(body)
		if len(faults) > 0 {
			return
		}
		if order.Max < 1 || order.Max > engine.MaxRedrive || redriveKinds()[order.Kind] == nil {
			t.Errorf("accepted as %+v", order)
		}
	})
}
