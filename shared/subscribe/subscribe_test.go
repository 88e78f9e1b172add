package subscribe_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/subscribe"
)

const week = 7 * 24 * time.Hour

func TestWhatChangesInAConnectedCalendarIsReadWithinSeconds(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	made := r.one(r.c)
	if made.Expires.Sub(r.now) < week-time.Hour || made.Expires.Sub(r.now) > 10_080*time.Minute || !made.Immutable || made.Creator != r.c.Account.ObjectID ||
		made.NotifyURL != r.url+subscribe.Path || made.LifecycleURL != made.NotifyURL || len(made.ClientState) > 128 {
		t.Errorf("%+v", made)
	}
	r.agenda(1)
	for range 3 {
		r.edit()
	}
	began := r.now
	r.moment()
	r.reads("three edits at once", "acme mine notified")
	if r.now.Sub(began) > 30*time.Second {
		t.Errorf("after %v", r.now.Sub(began))
	}
	r.calls()
	for range 3 {
		r.order(r.c, subscribe.CauseFollow)
	}
	if n := r.calls(); n != 0 {
		t.Errorf("%d requests for what is so already", n)
	}
}

func TestASubscriptionIsRenewedWellBeforeItsEndAndNeverTwice(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	r.calls()
	r.passes(4 * 24 * time.Hour)
	if n := r.calls(); n != 0 {
		t.Errorf("%d requests before it was due", n)
	}
	for range 5 {
		r.passes(week)
		if now := r.one(r.c); now.ID != first.ID || now.Expires.Sub(r.now) < 24*time.Hour || now.Hasty > 0 {
			t.Fatalf("%+v at %v", now, r.now)
		}
	}
	if n := r.calls(); n < 5 || n > 9 {
		t.Errorf("%d requests in 39 days", n)
	}
	r.agenda(1)
	r.edit()
	r.moment()
	r.reads("after many renewals", "acme mine notified")
}

func TestARenewalThatFailsIsTriedAgainEveryHourUntilTheEnd(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	r.fate = func(twin.Visit) twin.Fate { return twin.Fate{Effect: twin.Answer, Status: 503} }
	r.passes(6 * 24 * time.Hour)
	if n := r.calls(); n < 12 {
		t.Errorf("%d requests", n)
	}
	r.fate = nil
	r.passes(2 * time.Hour)
	if now := r.one(r.c); now.ID != first.ID || now.Expires.Sub(r.now) < 6*24*time.Hour {
		t.Errorf("%+v", now)
	}
	r.agenda(1)
}

func TestASubscriptionThatGraphDoesNotKnowIsMadeAnewAndWhatItMissedIsRead(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	if err := r.twin.Unsubscribe(t.Context(), accessOf(r.c), first.ID); err != nil {
		t.Fatal(err)
	}
	r.passes(6 * 24 * time.Hour)
	if now := r.one(r.c); now.ID == first.ID {
		t.Error("the same one")
	}
	r.reads("what was missed", "acme mine missed")
}

func accessOf(c connection.Connection) graph.Access {
	return graph.Access{Tenant: tenant, Organization: c.Organization, Connection: c.ID, ObjectID: c.Account.ObjectID, Version: c.SignIn()}
}

// Contract 6.6: each lifecycle event and what follows.
func TestLifecycleEvents(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	send := func(event string) {
		t.Helper()
		if err := r.hub.Send(first.ID, event); err != nil {
			t.Fatal(err)
		}
		r.moment()
	}
	send("missed")
	r.reads("missed", "acme mine missed")
	r.now = r.now.Add(3 * time.Hour)
	r.calls()
	send("reauthorizationRequired")
	if now := r.one(r.c); now.ID != first.ID || !now.Renewed.After(first.Renewed) || r.calls() != 1 {
		t.Errorf("%+v", now)
	}
	send("reauthorizationRequired") // again within ten minutes
	if n := r.calls(); n != 0 {
		t.Errorf("%d requests soon after", n)
	}
	r.agenda(1)
	send("subscriptionRemoved")
	if now := r.one(r.c); now.ID == first.ID {
		t.Error("the same one")
	}
	r.reads("removed", "acme mine missed")
	r.agenda(1)
}

// A kill after any effect: then there is one subscription, and the row knows it.
func TestAKillAnywhereLeavesOneSubscriptionThatIsKnown(t *testing.T) {
	for n := 1; ; n++ {
		r := newRig(t)
		r.left = n
		r.order(r.c, subscribe.CauseFollow)
		whole := r.left > 0
		r.left = 0
		r.passes(3 * time.Hour)
		r.one(r.c)
		r.agenda(1)
		if whole {
			if n < 8 {
				t.Errorf("only %d effects", n)
			}
			break
		}
	}
	for n := 1; ; n++ { // a renewal, and an end
		r := newRig(t)
		r.order(r.c, subscribe.CauseFollow)
		r.passes(5 * 24 * time.Hour)
		r.left = n
		r.passes(6 * time.Hour)
		whole := r.left > 0
		r.left = 0
		r.passes(3 * time.Hour)
		r.one(r.c)
		r.agenda(1)
		r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite
		r.connect(r.c)
		r.left = n
		r.order(r.c, subscribe.CauseFollow)
		r.left = 0
		r.passes(6 * 24 * time.Hour)
		r.none(r.c)
		if whole {
			break
		}
	}
}

func TestASubscriptionWhoseAnswerWasLostIsAdopted(t *testing.T) {
	r := newRig(t)
	r.fate = func(v twin.Visit) twin.Fate {
		r.fate = nil
		return twin.Fate{Effect: twin.LoseAnswer}
	}
	r.order(r.c, subscribe.CauseFollow)
	lost := r.hub.Subscriptions()[0]
	r.passes(time.Minute)
	if now := r.one(r.c); now.ID != lost.ID {
		t.Errorf("%s, not %s", now.ID, lost.ID)
	}
	r.agenda(1)
}

// One whose client state nobody knows would never be heard.
func TestADuplicateThatNotifiesUsIsReplaced(t *testing.T) {
	r := newRig(t)
	stale, err := r.twin.Subscribe(t.Context(), accessOf(r.c), graph.Subscription{Mailbox: aino, ClientState: "stale", Expires: r.now.Add(24 * time.Hour)}, r.url+subscribe.Path, r.url+subscribe.Path)
	if err != nil {
		t.Fatal(err)
	}
	r.order(r.c, subscribe.CauseFollow)
	if now := r.one(r.c); now.ID == stale.ID {
		t.Error("it was adopted")
	}
	r.edit()
	r.moment()
	r.reads("an edit", "acme mine notified")
}

// Staging and production of one registration, each with tables of its own: Graph gives
// the app one subscription to a mailbox. Whoever came first keeps it, the other one asks
// once a day, and takes it when it is there to be had.
func TestTwoDeploymentsOfARegistrationDoNotTakeEachOthersSubscription(t *testing.T) {
	r := newRig(t)
	theirs, err := r.twin.Subscribe(t.Context(), accessOf(r.c), graph.Subscription{Mailbox: aino, ClientState: "theirs", Expires: r.now.Add(6 * 24 * time.Hour)},
		"https://staging.example.com"+subscribe.Path, "https://staging.example.com"+subscribe.Path)
	if err != nil {
		t.Fatal(err)
	}
	r.order(r.c, subscribe.CauseFollow)
	if n := r.calls() - 1; n != 2 { // and theirs
		t.Errorf("%d requests, want one to subscribe and one to see whose it is", n)
	}
	r.passes(5 * 24 * time.Hour)
	if all := r.hub.Subscriptions(); len(all) != 1 || all[0].ID != theirs.ID {
		t.Fatalf("%+v", all)
	}
	if row, err := r.rows.Get(t.Context(), r.c.ID); err != nil || row.ID != "" || row.Key != "" {
		t.Errorf("%+v, %v", row, err)
	}
	if n := r.calls(); n > 2*5 || len(r.failed) != 0 {
		t.Errorf("%d requests in five days, %v", n, r.failed)
	}
	r.agenda(1)
	// What it does not tell us the schedule finds, which is no reason to make it anew.
	for range 3 {
		if err := r.keeper.SweepFound(t.Context(), acme, r.c.ID); err != nil {
			t.Fatal(err)
		}
		r.passes(time.Hour)
	}
	if all := r.hub.Subscriptions(); len(all) != 1 || all[0].ID != theirs.ID {
		t.Fatalf("%+v", all)
	}
	r.passes(3 * 24 * time.Hour)
	r.one(r.c)
	r.agenda(1)
}

func TestAnUnknownSubscriptionIsEndedAtGraph(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	unknown, err := r.twin.Subscribe(t.Context(), graph.AppAccess(tenant), graph.Subscription{Mailbox: aino, Expires: r.now.Add(24 * time.Hour),
		ClientState: subscribe.ClientState(r.keys, r.c.ID, tenant)}, r.url+subscribe.Path, r.url+subscribe.Path)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	r.fate = func(v twin.Visit) twin.Fate { asked = append(asked, v.Subscription); return twin.Fate{} }
	r.now = r.now.Add(time.Hour)
	if _, err := r.receive(fmt.Sprintf(`{"value":[{"subscriptionId":%q,"tenantId":%q,"clientState":%q,"changeType":"updated"}]}`, unknown.ID, tenant, unknown.ClientState)); err != nil {
		t.Fatal(err)
	}
	r.moment()
	if !slices.Equal(asked, []string{unknown.ID}) {
		t.Errorf("ended %q", asked)
	}
	r.reads("it may have taken the place of a known one", "acme mine notified")
}

// design.md, LINK_KEYS: an old key stays for eight days, and a subscription signed with
// it is replaced before.
func TestAKeyIsRotatedWithoutANotificationBeingLost(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	r.secrets = [][]byte{secret('b'), secret('a')}
	r.boot()
	r.edit()
	r.moment()
	r.reads("signed with the old key", "acme mine notified")
	r.passes(8 * 24 * time.Hour)
	if now := r.one(r.c); now.ID == first.ID || now.ClientState == first.ClientState {
		t.Errorf("%+v", now)
	}
	r.syncs = nil
	r.secrets = [][]byte{secret('b')}
	r.boot()
	r.edit()
	r.moment()
	r.reads("without the old key", "acme mine notified")
}

func TestAnotherAddressOfOursIsTold(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.url = "https://new.example.com"
	r.boot()
	r.passes(6 * 24 * time.Hour)
	if now := r.one(r.c); now.NotifyURL != r.url+subscribe.Path {
		t.Errorf("%+v", now)
	}
}

// What Graph answers, and what follows.
func TestFailuresOfSubscribing(t *testing.T) {
	answer := func(status int, code string) func(twin.Visit) twin.Fate {
		return func(twin.Visit) twin.Fate { return twin.Fate{Effect: twin.Answer, Status: status, Code: code} }
	}
	for name, tt := range map[string]struct {
		status         int
		code           string
		failed, probes int
		again          bool // within the quarter of an hour
	}{
		"401":              {401, "InvalidAuthenticationToken", 1, 0, false},
		"403":              {403, "ErrorAccessDenied", 0, 1, false},
		"mailbox closed":   {404, "MailboxNotEnabledForRESTAPI", 1, 0, false},
		"address not seen": {400, "ValidationError", 0, 0, false},
		"throttled":        {429, "TooManyRequests", 0, 0, true},
		"down":             {503, "ServiceUnavailable", 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.fate = answer(tt.status, tt.code)
			r.order(r.c, subscribe.CauseFollow)
			for range 30 {
				r.now = r.now.Add(30 * time.Second)
				r.run()
			}
			if n := r.calls(); (n > 1) != tt.again || n > 8 || len(r.failed) != tt.failed || r.probes != tt.probes {
				t.Errorf("%d requests, failures %v, %d probes", n, r.failed, r.probes)
			}
			r.agenda(1)
			r.fate = nil
			r.passes(26 * time.Hour)
			r.one(r.c)
			r.agenda(1)
		})
	}
}

func TestAConnectionWithoutASignInIsSubscribedToByTheApp(t *testing.T) {
	r := newRig(t)
	r.organize(acme, `{"profile":"training","module":true,"sync":true,"downSync":{"privacy":"all"}}`)
	org := r.orgs[acme]
	org.State.Tenant, org.State.Consent = tenant, "granted"
	r.orgs[acme] = org
	r.c.Delegated, r.c.Account.ObjectID, r.c.Direction, r.c.Scope = false, "", connection.Both, connection.ReadWrite
	r.connect(r.c)
	r.order(r.c, subscribe.CauseFollow)
	if made := r.one(r.c); made.Creator != "" || made.Resource != "users/"+aino+"/events" {
		t.Errorf("%+v", made)
	}
	r.edit()
	r.moment()
	r.reads("in the lane's session", "acme mine notified")
	// Another tenant is bound: nothing is asked of the old one any more (I7).
	org.State.Tenant = other
	r.orgs[acme] = org
	r.calls()
	r.order(r.c, subscribe.CauseSettings)
	if n := r.calls(); n != 0 {
		t.Errorf("%d requests in a tenant that is not bound", n)
	}
}

func TestARefusalOfTheBusIsAnError(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.edit()
	r.refuse = true
	for _, d := range r.hub.Pending() {
		if d.Attempts != 0 {
			t.Error("sent already")
		}
	}
	r.hub.Deliver(t.Context())
	if p := r.hub.Pending(); len(p) != 1 || p[0].Attempts != 1 {
		t.Errorf("Graph does not send it again: %+v", p)
	}
	r.refuse = false
	r.passes(time.Hour)
	r.moment()
	r.reads("sent again", "acme mine notified")
	r.refuse = true
	if err := r.keeper.Task(t.Context(), subscribe.AllMessage(acme, "x", time.Time{}), r); err == nil {
		t.Error("a refusal of the bus is no error")
	}
}

func TestTasksThatNobodyUnderstandsAreHandedBackAndThoseOfNobodyEnd(t *testing.T) {
	r := newRig(t)
	for body, unread := range map[string]bool{``: true, `{`: true, `{"op":"subscribe"}`: true, `{"op":"renew","connection":"x"}`: true,
		`{"v":2,"op":"subscribe","organization":"acme"}`:                                         true,
		`{"op":"sync","connection":"` + key.Of("a").String() + `"}`:                              false,
		`{"op":"subscribe","organization":"nobody","connection":"` + key.Of("a").String() + `"}`: false} {
		if err := r.keeper.Task(t.Context(), queue.Message{ID: "m", SessionID: "s", Body: []byte(body)}, r); queue.Unread(err) != unread || !unread && err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	if r.calls() != 0 || len(r.tasks) != 0 || len(r.syncs) != 0 {
		t.Errorf("%v, %v", r.tasks, r.syncs)
	}
	for body, want := range map[string]bool{`{"op":"sync","organization":"a","connection":"b"}`: false, `{"op":"backfill"}`: false, `[]`: false,
		`{"op":"sync","connection":"b"}`: true, `{"op":"subscribe"}`: true, `{"op":"renew"}`: true} {
		if subscribe.Takes(queue.Message{Body: []byte(body)}) != want {
			t.Error(body)
		}
	}
}
