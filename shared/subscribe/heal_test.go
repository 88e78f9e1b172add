package subscribe_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// A person signed in to two organisations; what they gave to the one that subscribed is
// dead, and its subscription cannot be ended.
func TestTheOneThatIsServedIsReadThoughTheOthersTokenIsDead(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.organize("zeta", `{"profile":"planning","module":true,"sync":true,"accounts":"any","downSync":{"privacy":"all"}}`)
	second := r.c
	second.ID, second.Organization, second.User = key.Of("test", "second"), "zeta", "z-1"
	r.connect(second)
	r.order(second, subscribe.CauseFollow)
	r.c.State = connection.NeedsReauth
	r.connect(r.c)
	r.twin.Fail(r.c.ID, graph.ClassifyToken("invalid_grant", []int{700082}, 400))
	r.order(r.c, subscribe.CauseFollow)
	r.edit()
	r.moment()
	r.reads("the one that is served", "zeta "+second.ID.String()+" notified")
	r.passes(9 * 24 * time.Hour)
	r.one(second)
	r.syncs = nil
	r.edit()
	r.moment()
	r.reads("by its own", "zeta "+second.ID.String()+" notified")
}

// write-path.md section 6: what Graph has and no row is ended, whatever it tells.
func TestAnUnknownSubscriptionIsEndedWhateverItTells(t *testing.T) {
	for _, event := range []string{"reauthorizationRequired", "missed"} {
		r := newRig(t)
		r.order(r.c, subscribe.CauseFollow)
		known := r.one(r.c)
		unknown, err := r.twin.Subscribe(t.Context(), graph.AppAccess(tenant), graph.Subscription{Mailbox: aino, Expires: r.now.Add(24 * time.Hour),
			ClientState: subscribe.ClientState(r.keys, r.c.ID, tenant)}, r.url+subscribe.Path, r.url+subscribe.Path)
		if err != nil {
			t.Fatal(err)
		}
		var asked []string
		r.fate = func(v twin.Visit) twin.Fate { asked = append(asked, v.Subscription); return twin.Fate{} }
		r.now = r.now.Add(time.Hour)
		if err := r.hub.Send(unknown.ID, event); err != nil {
			t.Fatal(err)
		}
		r.moment()
		if !slices.Equal(asked, []string{unknown.ID}) {
			t.Errorf("%s: asked about %q; %s is known", event, asked, known.ID)
		}
	}
}

// Graph may answer 403 where somebody else's subscription is to be ended.
func TestASubscriptionThatMayNotBeEndedDoesNotStandInTheWayOfAnother(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	r.url = "https://new.example.com"
	r.boot()
	r.fate = func(v twin.Visit) twin.Fate {
		if v.Subscription == first.ID {
			return twin.Fate{Effect: twin.Answer, Status: 403, Code: "ExtensionError"}
		}
		return twin.Fate{}
	}
	user := r.store.AddUser(tenant, otherUser())
	r.c.Account.ObjectID, r.c.Mailbox, r.c.SignedIn = user.ObjectID, "eero@acme.example", r.now
	r.connect(r.c)
	r.order(r.c, subscribe.CauseFollow)
	row, err := r.rows.Get(t.Context(), r.c.ID)
	if err != nil || row.ID == first.ID || row.ID == "" || row.Mailbox != user.ObjectID || r.probes != 0 {
		t.Errorf("%+v, %v, %d probes", row, err, r.probes)
	}
}

// I7: another tenant's app has nothing to end in the one before.
func TestAnotherTenantIsNotAskedToEndASubscriptionOfTheOneBefore(t *testing.T) {
	r := newRig(t)
	r.organize(acme, `{"profile":"training","module":true,"sync":true,"downSync":{"privacy":"all"}}`)
	org := r.orgs[acme]
	org.State.Tenant, org.State.Consent = tenant, "granted"
	r.orgs[acme] = org
	r.c.Delegated, r.c.Account.ObjectID, r.c.Direction, r.c.Scope = false, "", connection.Both, connection.ReadWrite
	r.connect(r.c)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	r.store.AddUser(other, otherUser())
	org.State.Tenant = other
	r.orgs[acme] = org
	r.c.Account.Tenant, r.c.Mailbox = other, "eero@acme.example"
	r.connect(r.c)
	r.visits = nil
	r.order(r.c, subscribe.CauseFollow)
	for _, v := range r.visits {
		if v.Subscription == first.ID {
			t.Errorf("asked %+v", v)
		}
	}
	if row, err := r.rows.Get(t.Context(), r.c.ID); err != nil || row.Tenant != other || row.ID == "" {
		t.Errorf("%+v, %v", row, err)
	}
}

// A connection of before there were subscriptions, or whose disconnecting was cut off
// between its two halves, has no row and stands on no agenda.
func TestWhatTheScheduleFindsWithoutASubscriptionMakesOne(t *testing.T) {
	r := newRig(t)
	if err := r.keeper.SweepFound(t.Context(), acme, r.c.ID); err != nil {
		t.Fatal(err)
	}
	r.run()
	r.one(r.c)
	// Where there is to be none, none is made.
	r = newRig(t)
	r.c.Scope = connection.Busy
	r.connect(r.c)
	if err := r.keeper.SweepFound(t.Context(), acme, r.c.ID); err != nil {
		t.Fatal(err)
	}
	r.run()
	if _, err := r.rows.Get(t.Context(), r.c.ID); !errors.Is(err, state.ErrNotFound) || r.calls() != 0 {
		t.Error(err)
	}
}

// After an outage that is longer than the timer looks back, one that could not be made stands
// in a slot that nobody reads any more.
func TestWhatAnOutageTookFromTheAgendaIsMadeWhenTheScheduleFindsSomething(t *testing.T) {
	r := newRig(t)
	r.fate = func(twin.Visit) twin.Fate {
		return twin.Fate{Effect: twin.Answer, Status: 403, Code: "ErrorAccessDenied"}
	}
	r.order(r.c, subscribe.CauseFollow)
	r.fate = nil
	r.calls()
	found := func() {
		t.Helper()
		if err := r.keeper.SweepFound(t.Context(), acme, r.c.ID); err != nil {
			t.Fatal(err)
		}
		r.run()
	}
	found()
	if r.calls() != 0 {
		t.Error("asked again before its time")
	}
	r.now = r.now.AddDate(0, 0, 12)
	r.passes(2 * time.Hour)
	found()
	r.one(r.c)
	r.passes(time.Hour)
	r.agenda(1)
}

func otherUser() exchange.User { return exchange.User{Principal: "eero@acme.example", Name: "Eero"} }

// The interval may be shorter now, and less may be told: neither waits for a turn that was
// given under the settings before.
func TestSettingsThatChangeAreReadUnderAtOnce(t *testing.T) {
	r := newRig(t)
	up := r.c
	up.ID, up.User, up.Direction, up.Scope = key.Of("test", "up"), "u-2", connection.Up, connection.ReadWrite
	r.connect(up)
	r.tasks = append(r.tasks, subscribe.AllMessage(acme, subscribe.CauseSettings, r.now))
	r.run()
	r.now = r.now.Add(time.Second)
	r.run()
	r.one(r.c)
	r.reads("the one that is read", "acme mine settings")
}
