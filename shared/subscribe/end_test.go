package subscribe_test

import (
	"errors"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

func TestWhatEndsTheReadingEndsTheSubscription(t *testing.T) {
	for name, change := range map[string]func(*rig){
		"direction up":   func(r *rig) { r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite },
		"paused":         func(r *rig) { r.c.Direction, r.c.State = connection.None, connection.Paused },
		"ReadBasic only": func(r *rig) { r.c.Scope = connection.Busy },
		"module off": func(r *rig) {
			r.organize(acme, `{"profile":"planning","module":false,"sync":true,"downSync":{"privacy":"all"}}`)
		},
		"sync off": func(r *rig) {
			r.organize(acme, `{"profile":"planning","module":true,"sync":false,"downSync":{"privacy":"all"}}`)
		},
		"privacy: nothing": func(r *rig) {
			r.organize(acme, `{"profile":"planning","module":true,"sync":true,"downSync":{"privacy":"nothing"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.order(r.c, subscribe.CauseFollow)
			r.one(r.c)
			change(r)
			r.connect(r.c)
			if err := r.Send(t.Context(), queue.MailboxTasks, subscribe.AllMessage(acme, subscribe.CauseSettings, time.Time{})); err != nil {
				t.Fatal(err)
			}
			r.now = r.now.Add(time.Second)
			r.run()
			r.none(r.c)
			r.calls()
			r.order(r.c, subscribe.CauseFollow)
			r.none(r.c)
			if n := r.calls(); n != 0 {
				t.Errorf("%d requests for a calendar that is not read", n)
			}
		})
	}
}

// What was in flight when reading ended is dropped, and the subscription with it.
func TestANotificationOfACalendarThatIsNotReadAnyMoreCausesNoReading(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite
	r.connect(r.c)
	r.edit()
	r.moment()
	r.reads("direction up")
	r.none(r.c)
}

func TestADisconnectEndsTheSubscriptionWhileTheTokenIsThere(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	if err := r.keeper.End(t.Context(), r.c); err != nil {
		t.Fatal(err)
	}
	r.none(r.c)
	if err := r.keeper.End(t.Context(), r.c); err != nil {
		t.Errorf("again: %v", err)
	}
	// Graph is down: what is left is dropped when it tells of something.
	r = newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.fate = func(twin.Visit) twin.Fate { return twin.Fate{Effect: twin.Answer, Status: 503} }
	if err := r.keeper.End(t.Context(), r.c); err != nil {
		t.Fatal(err)
	}
	r.fate = nil
	r.gone()
	r.edit()
	r.moment()
	r.reads("after the end")
	if _, err := r.rows.Get(t.Context(), r.c.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("the row stays: %v", err)
	}
	r.agenda(0)
}

// gone disconnects, without a subscription's end.
func (r *rig) gone() {
	r.Helper()
	r.c.State = connection.Disconnected
	r.connect(r.c)
	r.twin.Fail(r.c.ID, graph.ClassifyToken("invalid_grant", []int{700082}, 400))
}

func TestASubscriptionOfADeadTokenWaitsForTheNextSignIn(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	r.c.State = connection.NeedsReauth
	r.connect(r.c)
	r.twin.Fail(r.c.ID, graph.ClassifyToken("invalid_grant", []int{700082}, 400))
	r.order(r.c, subscribe.CauseFollow)
	r.agenda(1) // when it has ended by itself
	r.calls()
	r.edit()
	r.moment()
	r.reads("with a dead token")
	r.order(r.c, subscribe.CauseFollow)
	if n := r.calls(); n != 0 || len(r.failed) != 0 {
		t.Errorf("%d requests, %v", n, r.failed)
	}
	r.c.State, r.c.SignedIn = connection.Connected, r.now
	r.connect(r.c)
	r.order(r.c, subscribe.CauseFollow)
	if now := r.one(r.c); now.ID != first.ID || !now.Renewed.After(first.Renewed) {
		t.Errorf("%+v", now)
	}
	r.agenda(1)
}

// It is tried once, and what it tells until it ends by itself causes nothing; then its row
// goes too.
func TestASubscriptionThatADeadTokenCannotEndIsForgottenWhenItHasEnded(t *testing.T) {
	for name, state := range map[string]connection.State{"needs a sign-in": connection.NeedsReauth, "disconnected": connection.Disconnected} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.order(r.c, subscribe.CauseFollow)
			r.twin.Fail(r.c.ID, graph.ClassifyToken("invalid_grant", []int{700082}, 400))
			if err := r.keeper.End(t.Context(), r.c); err != nil {
				t.Fatal(err)
			}
			r.c.State = state
			r.connect(r.c)
			r.order(r.c, subscribe.CauseFollow)
			r.calls()
			for range 10 {
				r.edit()
				r.passes(20 * time.Hour)
			}
			if n := r.calls(); n != 0 || len(r.failed) != 0 || len(r.syncs) != 0 {
				t.Errorf("%d requests, %v, read %q", n, r.failed, r.syncs)
			}
			r.none(r.c)
		})
	}
}

// Graph is down when the reading ends: it is ended within the hour after it is back.
func TestAnEndThatGraphDidNotAnswerIsTriedEveryHour(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite
	r.connect(r.c)
	r.fate = func(twin.Visit) twin.Fate { return twin.Fate{Effect: twin.Answer, Status: 503} }
	r.order(r.c, subscribe.CauseFollow)
	r.passes(10 * time.Hour)
	if n := len(r.hub.Subscriptions()); n != 1 {
		t.Fatalf("%d subscriptions", n)
	}
	r.fate = nil
	r.passes(2 * time.Hour)
	r.none(r.c)
}

func TestALostSubscriptionOfACalendarThatIsNotReadAnyMoreEndsWhenItTells(t *testing.T) {
	r := newRig(t)
	lost := func(v twin.Visit) twin.Fate {
		r.fate = nil
		return twin.Fate{Effect: twin.LoseAnswer}
	}
	r.fate = lost
	r.order(r.c, subscribe.CauseFollow)
	r.tasks = nil
	r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite
	r.connect(r.c)
	r.order(r.c, subscribe.CauseFollow)
	r.edit()
	r.moment()
	r.reads("direction up")
	r.none(r.c)
	// Or by itself, within a week.
	r.c.Direction = connection.Both
	r.connect(r.c)
	r.fate = lost
	r.order(r.c, subscribe.CauseFollow)
	r.tasks = nil
	r.c.Direction = connection.Up
	r.connect(r.c)
	r.order(r.c, subscribe.CauseFollow)
	r.agenda(1)
	r.passes(8 * 24 * time.Hour)
	r.none(r.c)
}

func TestAnEndWhoseAnswerWasLostIsNoticedWhenTheCalendarIsReadAgain(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.fate = func(v twin.Visit) twin.Fate {
		r.fate = nil
		return twin.Fate{Effect: twin.LoseAnswer}
	}
	r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite
	r.connect(r.c)
	r.order(r.c, subscribe.CauseFollow)
	if n := len(r.hub.Subscriptions()); n != 0 {
		t.Fatalf("%d subscriptions", n)
	}
	r.c.Direction = connection.Both
	r.connect(r.c)
	r.order(r.c, subscribe.CauseFollow)
	r.one(r.c)
}

// A tenant's consent is lost: nobody has a token to end the app's subscription, which is
// tried once. What it tells causes nothing; when the consent is back it is renewed.
func TestALostConsentEndsTheAppsSubscriptionOrLetsItRest(t *testing.T) {
	r := newRig(t)
	r.organize(acme, `{"profile":"training","module":true,"sync":true,"downSync":{"privacy":"all"}}`)
	consent := func(state string) {
		org := r.orgs[acme]
		org.State.Tenant, org.State.Consent = tenant, state
		r.orgs[acme] = org
		if err := r.Send(t.Context(), queue.MailboxTasks, subscribe.AllMessage(acme, "consent", time.Time{})); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(time.Second)
		r.run()
		r.syncs = nil
	}
	r.c.Delegated, r.c.Account.ObjectID, r.c.Direction, r.c.Scope = false, "", connection.Both, connection.ReadWrite
	r.connect(r.c)
	consent("granted")
	first := r.one(r.c)
	r.calls()
	r.fate = func(twin.Visit) twin.Fate { return twin.Fate{Effect: twin.Answer, Status: 401} }
	consent("consent-missing")
	if n := r.calls(); n != 1 {
		t.Errorf("%d requests", n)
	}
	r.edit()
	r.moment()
	r.passes(24 * time.Hour)
	if n := r.calls(); n != 0 || len(r.syncs) != 0 || len(r.failed) != 0 {
		t.Errorf("%d requests, read %q, %v", n, r.syncs, r.failed)
	}
	r.fate = nil
	r.now = r.now.Add(time.Hour)
	consent("granted")
	if now := r.one(r.c); now.ID != first.ID || !now.Renewed.After(first.Renewed) {
		t.Errorf("%+v", now)
	}
	r.agenda(1)
}
