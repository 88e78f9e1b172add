package graphapi_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/graphapi"
)

type item = map[string]any

var jsonBody = map[string]any{"Content-Type": "application/json"}

func creation(n int, more ...any) item {
	return item{"id": fmt.Sprint(n), "method": "POST", "url": events, "headers": jsonBody, "body": flight(n, more...)}
}

// responses indexes a batch's answer by id and gives the order it came in.
func responses(r reply) (map[string]item, []string) {
	byID, order := map[string]item{}, []string{}
	list, _ := r.json["responses"].([]any)
	for _, one := range list {
		it := one.(map[string]any)
		byID[it["id"].(string)] = it
		order = append(order, it["id"].(string))
	}
	return byID, order
}

func status(it item) int { s, _ := it["status"].(float64); return int(s) }

func itemCode(it item) string {
	body, _ := it["body"].(map[string]any)
	return reply{json: body}.code()
}

// Contract 7: up to 20, any order, a status for each.
func TestABatchAnswersEachRequestInAnyOrder(t *testing.T) {
	w := start(t, exchange.Switches{}, &graphapi.Options{Seed: 7})
	id := w.must(201, "POST", events, flight(0)).id()
	var items []item
	for n := range 15 {
		items = append(items, creation(n))
	}
	items = append(items,
		item{"id": "get", "method": "GET", "url": events[1:] + "/" + id}, // the slash is optional
		item{"id": "zone", "method": "GET", "url": events + "/" + id, "headers": item{"prefer": `outlook.timezone="Asia/Tokyo"`}},
		item{"id": "gone", "method": "DELETE", "url": events + "/" + id + "x"},
		item{"id": "me", "method": "GET", "url": "/me/events"},
		item{"id": "text", "method": "POST", "url": events, "headers": jsonBody, "body": base64.URLEncoding.EncodeToString([]byte(`{"subject":1}`))})
	got := w.must(200, "POST", "/$batch", item{"requests": items})
	byID, order := responses(got)
	if len(order) != 20 || order[0] == "0" && order[1] == "1" && order[2] == "2" {
		t.Errorf("%d answers, in order %v", len(order), order)
	}
	for n := range 15 {
		it := byID[fmt.Sprint(n)]
		if body := it["body"].(map[string]any); status(it) != 201 || body["subject"] != fmt.Sprintf("Flight %d", n) {
			t.Errorf("item %d: %v", n, it)
		}
	}
	for id, want := range map[string]int{"get": 200, "zone": 200, "gone": 400, "me": 400, "text": 400} {
		if status(byID[id]) != want {
			t.Errorf("%s: %v, want %d", id, byID[id], want)
		}
	}
	if h := byID["zone"]["headers"].(map[string]any); h["Preference-Applied"] != `outlook.timezone="Asia/Tokyo"` || h["request-id"] == "" {
		t.Errorf("headers %v", h)
	}
	if n := len(w.store.Events(acme, aino)); n != 16 {
		t.Errorf("%d events", n)
	}
}

// Contract 7: what refuses the whole batch.
func TestAMalformedBatchIsRefusedWhole(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	many := []item{}
	for n := range 21 {
		many = append(many, creation(n))
	}
	get := item{"id": "A", "method": "GET", "url": events}
	for name, body := range map[string]any{
		"21 requests":          item{"requests": many},
		"none":                 item{"requests": []item{}},
		"no list":              item{"requests": 1},
		"something else":       item{"requests": []item{get}, "more": 1},
		"ids alike but case":   item{"requests": []item{get, {"id": "a", "method": "GET", "url": events}}},
		"no id":                item{"requests": []item{{"method": "GET", "url": events}}},
		"no method":            item{"requests": []item{{"id": "1", "url": events}}},
		"no url":               item{"requests": []item{{"id": "1", "method": "GET"}}},
		"number as id":         item{"requests": []item{{"id": 1, "method": "GET", "url": events}}},
		"absolute url":         item{"requests": []item{{"id": "1", "method": "GET", "url": "https://graph.microsoft.com/v1.0" + events}}},
		"body without type":    item{"requests": []item{{"id": "1", "method": "POST", "url": events, "body": flight(1)}}},
		"body that is no text": item{"requests": []item{{"id": "1", "method": "POST", "url": events, "headers": jsonBody, "body": "***"}}},
		"unknown member":       item{"requests": []item{{"id": "1", "method": "GET", "url": events, "colour": 1}}},
		"depends on a later":   item{"requests": []item{{"id": "1", "method": "GET", "url": events, "dependsOn": []string{"2"}}, {"id": "2", "method": "GET", "url": events}}},
		"depends on itself":    item{"requests": []item{{"id": "1", "method": "GET", "url": events, "dependsOn": []string{"1"}}}},
		"not JSON":             "requests",
	} {
		if got := w.do("POST", "/$batch", body); got.status != 400 || got.code() == "" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	w.fails(405, "Request_BadRequest", "GET", "/$batch", nil)
	if n := len(w.store.Events(acme, aino)); n != 0 {
		t.Errorf("%d events", n)
	}
}

// Contract 7: dependsOn orders, and passes failure on as 424.
func TestAFailedPrerequisiteFailsWhatDependsOnIt(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	bad := creation(1, "subject", 5)
	second, third, free := creation(2), creation(3), creation(4)
	second["dependsOn"], third["dependsOn"] = []string{"1"}, []string{"2"}
	byID, _ := responses(w.must(200, "POST", "/$batch", item{"requests": []item{bad, second, third, free}}))
	for id, want := range map[string]int{"1": 400, "2": 424, "3": 424, "4": 201} {
		if status(byID[id]) != want {
			t.Errorf("%s: %v, want %d", id, byID[id], want)
		}
	}
}

// gate holds requests until a test opens it, and counts those inside.
type gate struct {
	inside, most atomic.Int32
	entered      chan struct{}
	open         chan struct{}
}

func newGate() *gate { return &gate{entered: make(chan struct{}, 100), open: make(chan struct{})} }

func (g *gate) sleep(ctx context.Context, d time.Duration) {
	if d != time.Minute {
		return // no latency: a fault's delay of nothing
	}
	n := g.inside.Add(1)
	for old := g.most.Load(); n > old && !g.most.CompareAndSwap(old, n); old = g.most.Load() {
	}
	g.entered <- struct{}{}
	select {
	case <-g.open:
	case <-ctx.Done():
	}
	g.inside.Add(-1)
}

func (g *gate) options() *graphapi.Options {
	return &graphapi.Options{Sleep: g.sleep, Latency: func() time.Duration { return time.Minute }}
}

// Contract 8, write-path.md 4: four at once per app and mailbox; a fifth request
// of its own gets 429.
func TestAFifthRequestIsThrottled(t *testing.T) {
	g := newGate()
	w := start(t, exchange.Switches{}, g.options())
	var group sync.WaitGroup
	for n := range 4 {
		group.Go(func() { w.must(201, "POST", events, flight(n)) })
	}
	for range 4 {
		<-g.entered
	}
	if n := w.api.Running(); n != 4 {
		t.Errorf("%d requests run, want 4", n)
	}
	r := w.fails(429, "ApplicationThrottled", "GET", events, nil)
	if r.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
	group.Go(func() { w.must(200, "GET", "/users/"+bo+"/calendar", nil) }) // another mailbox
	<-g.entered
	group.Go(func() {
		byID, _ := responses(w.must(200, "POST", "/$batch", item{"requests": []item{creation(5), creation(6)}}))
		if status(byID["5"]) != 201 || status(byID["6"]) != 201 {
			w.Errorf("items that wait: %v", byID)
		}
	})
	close(g.open)
	group.Wait()
	w.must(200, "GET", events, nil)
}

// Contract 8, the other reading: a limit per app over all mailboxes.
func TestALimitPerAppCountsAllMailboxes(t *testing.T) {
	g := newGate()
	opt := g.options()
	opt.AppConcurrency = 2
	w := start(t, exchange.Switches{}, opt)
	var group sync.WaitGroup
	for _, user := range []string{aino, bo} {
		group.Go(func() { w.must(200, "GET", "/users/"+user+"/calendar", nil) })
	}
	<-g.entered
	<-g.entered
	w.fails(429, "ApplicationThrottled", "GET", events, nil)
	close(g.open)
	group.Wait()
	w.must(200, "GET", events, nil)
}

// Contract 7: at most four items at once; they do not throttle each other.
func TestItemsOfABatchShareTheFourSlots(t *testing.T) {
	g := newGate()
	w := start(t, exchange.Switches{}, g.options())
	var items []item
	for n := range 20 {
		items = append(items, creation(n))
	}
	var group sync.WaitGroup
	group.Go(func() {
		byID, _ := responses(w.must(200, "POST", "/$batch", item{"requests": items}))
		for id, it := range byID {
			if status(it) != 201 {
				w.Errorf("item %s: %v", id, it)
			}
		}
	})
	for range 4 {
		<-g.entered
	}
	w.fails(429, "ApplicationThrottled", "GET", events, nil)
	close(g.open)
	group.Wait()
	if most := g.most.Load(); most != 4 {
		t.Errorf("%d at once, want 4", most)
	}
}

// Contract 8: 10,000 requests in ten minutes; here fewer.
func TestTooManyRequestsInTenMinutesAreThrottled(t *testing.T) {
	w := start(t, exchange.Switches{}, &graphapi.Options{Limits: graphapi.Limits{Requests: 3}})
	for range 3 {
		w.must(200, "GET", events, nil)
	}
	w.clock.advance(4 * time.Minute)
	if r := w.fails(429, "ApplicationThrottled", "GET", events, nil); r.header.Get("Retry-After") != "360" {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
	byID, _ := responses(w.must(200, "POST", "/$batch", item{"requests": []item{creation(1)}}))
	if h := byID["1"]["headers"].(map[string]any); status(byID["1"]) != 429 || h["Retry-After"] != "360" {
		t.Errorf("item: %v", byID["1"])
	}
	w.token = "app2"
	w.must(200, "GET", events, nil)
	w.token = "app"
	w.clock.advance(6 * time.Minute)
	w.must(200, "GET", events, nil)
}

// Contract 15: faults to inject, alone and within a batch.
func TestFaultsSpoilTheRequestsTheyName(t *testing.T) {
	for name, tt := range map[string]struct {
		rule   faults.Rule
		status int // 0: no answer
		code   string
		events int
	}{
		"throttled":      {faults.Rule{Effect: faults.Answer, Status: 429, RetryAfter: 17}, 429, "ApplicationThrottled", 0},
		"5xx":            {faults.Rule{Effect: faults.Answer, Status: 503}, 503, "ServiceUnavailable", 0},
		"spurious 412":   {faults.Rule{Effect: faults.Answer, Status: 412}, 412, "ErrorIrresolvableConflict", 0},
		"item save":      {faults.Rule{Effect: faults.Answer, Status: 409}, 409, "ConcurrentItemSave", 0},
		"not enabled":    {faults.Rule{Effect: faults.Answer, Status: 404}, 404, "MailboxNotEnabledForRESTAPI", 0},
		"own code":       {faults.Rule{Effect: faults.Answer, Status: 404, Code: "extensionError"}, 404, "extensionError", 0},
		"504 afterwards": {faults.Rule{Effect: faults.AnswerAfter, Status: 504}, 504, "UnknownError", 1},
		"lost answer":    {faults.Rule{Effect: faults.LoseAnswer}, 0, "", 1},
		"cut":            {faults.Rule{Effect: faults.Cut}, 0, "", 0},
		"late":           {faults.Rule{Effect: faults.Late}, 0, "", 0},
		"slow":           {faults.Rule{Effect: faults.Slow, DelayMS: 1}, 201, "", 1},
		"no message":     {faults.Rule{Effect: faults.Answer, Status: 500, Body: faults.NoMessage}, 500, "InternalServerError", 0},
		"html":           {faults.Rule{Effect: faults.Answer, Status: 502, Body: faults.HTML}, 502, "", 0},
		"empty":          {faults.Rule{Effect: faults.Answer, Status: 500, Body: faults.Empty}, 500, "", 0},
		"broken":         {faults.Rule{Effect: faults.Answer, Status: 500, Body: faults.Broken}, 500, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			alone, batched := start(t, exchange.Switches{}, nil), start(t, exchange.Switches{}, nil)
			rule := tt.rule
			rule.Method, rule.Path, rule.Mailbox, rule.Count = "POST", "/events$", "A.Virtanen@acme.example", 1
			for _, w := range []*world{alone, batched} {
				if _, err := w.api.Faults().Add(rule); err != nil {
					t.Fatal(err)
				}
				w.must(201, "POST", "/users/"+bo+"/events", flight(1))
			}
			r, err := alone.try("POST", events, flight(1))
			if (err != nil) != (tt.status == 0) || r.status != tt.status || r.code() != tt.code {
				t.Errorf("alone: %d %s, %v", r.status, r.code(), err)
			}
			if tt.rule.RetryAfter > 0 && r.header.Get("Retry-After") != "17" {
				t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
			}
			byID, _ := responses(batched.must(200, "POST", "/$batch", item{"requests": []item{creation(1)}}))
			want, code := tt.status, tt.code
			if want == 0 {
				want, code = 504, "UnknownError"
			}
			if status(byID["1"]) != want || itemCode(byID["1"]) != code {
				t.Errorf("in a batch: %v", byID["1"])
			}
			for _, w := range []*world{alone, batched} {
				if n := len(w.store.Events(acme, aino)); n != tt.events {
					t.Errorf("%d events, want %d", n, tt.events)
				}
				if n := w.api.Land(); n > 0 && len(w.store.Events(acme, aino)) != 1 {
					t.Error("the late request had no effect")
				}
				w.must(201, "POST", events, flight(2)) // Count is spent
			}
		})
	}
}

// Contract 15: timeout after the write was applied, for a batch as a whole.
func TestAWholeBatchCanBeLostOrLate(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	add := func(r faults.Rule) {
		r.Count, r.On = 1, faults.Request
		if _, err := w.api.Faults().Add(r); err != nil {
			t.Fatal(err)
		}
	}
	batch := item{"requests": []item{creation(1), creation(2)}}
	add(faults.Rule{Effect: faults.LoseAnswer, Path: `^/\$batch$`})
	if _, err := w.try("POST", "/$batch", batch); err == nil || len(w.store.Events(acme, aino)) != 2 {
		t.Errorf("lost: %v, %d events", err, len(w.store.Events(acme, aino)))
	}
	add(faults.Rule{Effect: faults.Late, AfterMS: 60_000})
	if _, err := w.try("POST", "/$batch", batch); err == nil || len(w.api.Late()) != 1 {
		t.Errorf("late: %v, %v", err, w.api.Late())
	}
	w.clock.advance(time.Minute)
	w.must(200, "GET", events, nil)
	if n := len(w.store.Events(acme, aino)); n != 4 {
		t.Errorf("%d events after the late batch", n)
	}
	add(faults.Rule{Effect: faults.Late})
	w.try("POST", "/$batch", batch)
	if n := w.api.DropLate(); n != 1 || w.api.Land() != 0 || len(w.store.Events(acme, aino)) != 4 {
		t.Errorf("dropped %d, %d events", n, len(w.store.Events(acme, aino)))
	}
}

func TestAnOutageSparesNobodyUntilItEnds(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	w.api.SetOutage(graphapi.Unavailable)
	w.fails(503, "ServiceUnavailable", "POST", events, flight(1))
	w.api.SetOutage(graphapi.Dead)
	if _, err := w.try("POST", events, flight(1)); err == nil {
		t.Error("answered")
	}
	w.api.SetOutage(graphapi.Works)
	w.must(201, "POST", events, flight(1))
	if n := len(w.store.Events(acme, aino)); n != 1 {
		t.Errorf("%d events", n)
	}
}

// The same seed gives the same faults, order, ids and change keys.
func TestASeedReproducesEverything(t *testing.T) {
	run := func(seed uint64) string {
		w := start(t, exchange.Switches{}, &graphapi.Options{Seed: seed})
		for _, on := range []string{faults.Request, faults.Item} {
			if _, err := w.api.Faults().Add(faults.Rule{Effect: faults.Answer, Status: 500, Rate: 0.3, On: on}); err != nil {
				t.Fatal(err)
			}
		}
		log := ""
		for range 20 {
			r := w.do("POST", "/$batch", item{"requests": []item{creation(1), creation(2), creation(3), creation(4)}})
			byID, order := responses(r)
			log += fmt.Sprint(r.status, order)
			for _, id := range order {
				body := byID[id]["body"].(map[string]any)
				log += fmt.Sprint(byID[id]["status"], body["id"], body["changeKey"])
			}
		}
		return log
	}
	first := run(1)
	if again := run(1); again != first {
		t.Error("the same seed gave two histories")
	}
	if first == run(2) {
		t.Error("two seeds gave one history")
	}
}
