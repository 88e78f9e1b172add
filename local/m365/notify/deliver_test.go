package notify_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
)

// 6.5: exponential backoff for four hours, then missed.
func TestWhatIsNotAnsweredIsTriedForFourHours(t *testing.T) {
	w := start(t, notify.Switches{SlowAfter: 1000})
	w.subscribe()
	failing := true
	w.answer = func(p post) notify.Reply {
		if failing && strings.HasPrefix(p.url, there) {
			return notify.Reply{Status: 503}
		}
		return notify.Reply{Status: 200}
	}
	w.create(acme, aino)
	var tries []time.Duration
	for len(w.hub.Pending()) > 0 && w.hub.Pending()[0].Kind == "created" {
		w.now = w.hub.Pending()[0].Due
		w.hub.Deliver(t.Context())
		tries = append(tries, w.now.Sub(noon))
	}
	if len(tries) != 11 || tries[0] != 0 || tries[1] != 10*time.Second || tries[2] != 30*time.Second || tries[10] > 4*time.Hour {
		t.Errorf("tried after %v", tries)
	}
	w.take()
	w.arrives("dropped", "missed")
	w.create(acme, aino)
	w.hub.Deliver(t.Context())
	failing = false
	w.take()
	w.now = w.now.Add(10 * time.Second)
	w.arrives("tried again", "created")
}

// 6.5: 3 s at first, 10 s later.
func TestASlowAnswerIsNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		first, later time.Duration
		arrived      int
	}{{2 * time.Second, 0, 1}, {4 * time.Second, 4 * time.Second, 2}, {4 * time.Second, 11 * time.Second, 0}} {
		w := start(t, notify.Switches{})
		w.subscribe()
		n := 0
		w.answer = func(post) notify.Reply {
			n++
			return notify.Reply{Status: 202, Took: []time.Duration{tt.first, tt.later}[min(n-1, 1)]}
		}
		w.create(acme, aino)
		arrived := w.hub.Deliver(t.Context())
		w.now = w.now.Add(10 * time.Second)
		if arrived == 0 {
			arrived = 2 * w.hub.Deliver(t.Context())
		}
		if arrived != tt.arrived {
			t.Errorf("%v: arrived at attempt %d", tt, arrived)
		}
	}
}

// 6.5: the slow state delays, the drop state drops, each for ten minutes.
func TestASlowAddressWaitsAndADeadOneLoses(t *testing.T) {
	w := start(t, notify.Switches{SlowAfter: 10})
	w.subscribe()
	took := time.Duration(0)
	w.answer = func(post) notify.Reply { return notify.Reply{Status: 202, Took: took} }
	each := func(n int, d time.Duration) {
		for range n {
			took = d
			w.create(acme, aino)
			w.hub.Deliver(t.Context())
		}
		took = 0
	}
	each(9, 0)
	each(1, 4*time.Second) // one of ten is not more than 10 %
	if got := w.hub.State(there); got != "works" {
		t.Fatalf("state %s", got)
	}
	each(1, 4*time.Second)
	if got := w.hub.State(there); got != "slow" {
		t.Fatalf("state %s", got)
	}
	w.take()
	w.hub.Drop(notify.Which{}) // what is tried again
	w.create(acme, aino)
	w.arrives("while slow")
	w.now = w.now.Add(10 * time.Minute)
	w.arrives("ten minutes later", "created")
	w.hub.SetState(there, "drop")
	w.create(acme, aino)
	w.arrives("while dropping", "missed")
	w.now = w.now.Add(10 * time.Minute)
	w.create(acme, aino)
	w.arrives("after dropping", "created")
	// By itself, where more than 15 % take longer than 10 s.
	w.hub.SetState(there, "works")
	each(10, 11*time.Second)
	if got := w.hub.State(there); got != "drop" {
		t.Errorf("state %s", got)
	}
}

// 6.5: an authorisation lapses; what is held comes when it is given again in time.
func TestALapsedSubscriptionHoldsItsNotifications(t *testing.T) {
	w := start(t, notify.Switches{AuthorisedMS: 3_600_000, NoReminders: true})
	s := w.subscribe()
	w.now = w.now.Add(time.Hour)
	w.create(acme, aino)
	w.arrives("lapsed")
	w.now = w.now.Add(3 * time.Hour)
	w.ok(w.hub.Reauthorise(app, s.ID))
	w.arrives("authorised", "created")
	if n := w.hub.Lapse(""); n != 1 {
		t.Errorf("%d lapsed", n)
	}
	w.create(acme, aino)
	w.now = w.now.Add(4*time.Hour + time.Second)
	w.hub.Deliver(t.Context())
	w.arrives("too late", "missed")
	w.ok(w.hub.Reauthorise(app, s.ID))
	w.arrives("authorised too late")
}

// 6.6: reminders in the last hour, every 15 minutes, and none without an address.
func TestWhoseEndIsNearIsReminded(t *testing.T) {
	w := start(t, notify.Switches{})
	s := w.subscribe()
	w.now = s.Expires.Add(-time.Hour - time.Second)
	w.arrives("before the last hour")
	for range 4 {
		next, _ := w.hub.Next()
		w.now = next
		w.arrives("in the last hour", "reauthorizationRequired")
	}
	if next, some := w.hub.Next(); some {
		t.Errorf("again at %v", next)
	}
	_, err := w.hub.Renew(t.Context(), app, s.ID, w.now.Add(24*time.Hour), "")
	w.ok(err)
	w.arrives("renewed")
	w.now = w.now.Add(23 * time.Hour)
	w.arrives("the next last hour", "reauthorizationRequired")
	w.ok(w.hub.Delete(app, s.ID))
	w.subscribe(func(s *notify.Subscription) { s.LifecycleURL, s.Expires = "", w.now.Add(time.Hour) })
	w.arrives("without an address")
}

// 6.6: each lifecycle event on demand, to its own address and without resource data.
func TestLifecycleEventsAreSentOnDemand(t *testing.T) {
	w := start(t, notify.Switches{})
	s := w.subscribe()
	for _, event := range []string{notify.Reauthorise, notify.Missed, notify.Removed} {
		w.ok(w.hub.Send(s.ID, event))
		w.hub.Deliver(t.Context())
		want := []map[string]any{{"subscriptionId": s.ID, "subscriptionExpirationDateTime": "2026-11-26T12:00:00+00:00", "tenantId": acme, "clientState": "secret", "lifecycleEvent": event}}
		if diff := cmp.Diff(want, w.got[len(w.got)-1].notes); diff != "" || w.got[len(w.got)-1].url != life {
			t.Errorf("%s (-want +got):\n%s", event, diff)
		}
	}
	if len(w.hub.Subscriptions()) != 0 || w.hub.Send(s.ID, notify.Missed) == nil {
		t.Error("a removed one is there")
	}
	bare := w.subscribe(func(s *notify.Subscription) { s.LifecycleURL = "" })
	if w.hub.Send(bare.ID, notify.Missed) == nil || w.hub.Send(bare.ID, "hello") == nil {
		t.Error("sent without an address, or something unknown")
	}
	w.ok(w.hub.Send(bare.ID, notify.Removed))
	w.arrives("removed without a word", []string{"reauthorizationRequired", "missed", "subscriptionRemoved"}...)
}

// A test delays, duplicates, reorders and drops what is pending.
func TestPendingNotificationsAreInTheTestsHand(t *testing.T) {
	w := start(t, notify.Switches{Batch: 100})
	s := w.subscribe()
	e := w.create(acme, aino)
	w.ok(w.store.Owner(acme, aino).Retitle(e.ID, "x"))
	w.ok(w.store.Owner(acme, aino).Delete(e.ID))
	if n := w.hub.Reorder(notify.Which{}); n != 3 {
		t.Errorf("%d reordered", n)
	}
	all := w.hub.Pending()
	if len(all) != 3 || all[0].Kind != "deleted" || all[2].Kind != "created" || all[0].Event != e.ID {
		t.Fatalf("%+v", all)
	}
	w.hub.Duplicate(notify.Which{Number: all[0].Number})
	w.hub.Delay(notify.Which{Number: all[2].Number}, time.Minute)
	w.arrives("reordered and twice", "deleted updated deleted")
	if n := w.hub.Drop(notify.Which{Subscription: "another"}) + w.hub.Drop(notify.Which{Tenant: globex}); n != 0 {
		t.Errorf("%d dropped of others", n)
	}
	if n := w.hub.Drop(notify.Which{Subscription: s.ID, Tenant: acme}); n != 1 {
		t.Errorf("%d dropped", n)
	}
	w.now = w.now.Add(time.Hour)
	w.arrives("dropped, of which nobody is told")
	if got := w.hub.Deliveries(); len(got) != 1 || got[0].Notices != 3 || got[0].Status != 202 || got[0].URL != there {
		t.Errorf("%+v", got)
	}
}

// Run delivers by itself, also when the clock is put ahead, and ends with its context.
func TestRunDeliversByItselfAndEnds(t *testing.T) {
	var mu sync.Mutex
	now := noon
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	store := exchange.New(clock, exchange.Switches{})
	user := store.AddUser(acme, exchange.User{Principal: aino})
	arrived := make(chan string, 10)
	sub := &subscriber{answer: func(p post) notify.Reply {
		arrived <- p.notes[0]["changeType"].(string)
		return notify.Reply{Status: 202}
	}}
	hub := notify.New(store, clock, sub.post, &notify.Options{Switches: notify.Switches{LatencyMS: 3_600_000}})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); hub.Run(ctx) }()
	w := &world{T: t, now: noon, store: store, user: user.ObjectID}
	_, err := hub.Create(t.Context(), app, w.wish())
	w.ok(err)
	w.create(acme, aino)
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	hub.Poke()
	if kind := <-arrived; kind != "created" {
		t.Error(kind)
	}
	hub.Set(notify.Switches{ByHand: true})
	w.create(acme, aino)
	if _, some := hub.Next(); some {
		t.Error("something is due by itself")
	}
	if n := hub.Deliver(t.Context()); n != 1 {
		t.Errorf("%d by hand", n)
	}
	stop()
	<-done
}

// A handler can be posted to in memory.
func TestAHandlerIsPostedToInMemory(t *testing.T) {
	post := notify.To(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && r.URL.Query().Get("code") == "x" && r.Header.Get("Content-Type") == "text/x" {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, "yes")
		}
	}))
	r, err := post(t.Context(), there, "text/x", []byte("body"))
	if err != nil || r.Status != 200 || string(r.Body) != "yes" || r.ContentType != "text/plain" {
		t.Errorf("%+v, %v", r, err)
	}
}

// A mailbox that comes back with other ids, or as another one, has no subscriptions.
func TestAMailboxThatMovesLosesItsSubscriptions(t *testing.T) {
	for fate, want := range map[exchange.Fate][]string{exchange.KeptContent: nil, exchange.NewIDs: {"subscriptionRemoved"}, exchange.Emptied: {"subscriptionRemoved"}} {
		w := start(t, notify.Switches{})
		w.subscribe()
		w.ok(w.store.SetState(acme, aino, exchange.OnPremises))
		w.ok(w.store.Return(acme, aino, fate))
		w.arrives(string(fate), want...)
		if n := len(w.hub.Subscriptions()); (n == 0) != (want != nil) {
			t.Errorf("%s: %d subscriptions", fate, n)
		}
	}
}
