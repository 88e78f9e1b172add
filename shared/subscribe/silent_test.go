package subscribe_test

import (
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// A14.
func TestASilentSubscriptionIsRebuiltAndCounted(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	r.now = r.now.Add(time.Hour)
	found := func() {
		t.Helper()
		if err := r.keeper.SweepFound(t.Context(), acme, r.c.ID); err != nil {
			t.Fatal(err)
		}
	}
	found()
	r.edit() // its notification comes late
	r.moment()
	r.passes(time.Hour)
	if now := r.one(r.c); now.ID != first.ID {
		t.Error("rebuilt although it told")
	}
	r.now = r.now.Add(time.Hour)
	found()
	found()
	r.passes(time.Hour)
	row, err := r.rows.Get(t.Context(), r.c.ID)
	if now := r.one(r.c); now.ID == first.ID || err != nil || row.Rebuilt != 1 || !row.Suspect.IsZero() {
		t.Errorf("%+v, row %+v, %v", now, row, err)
	}
	r.agenda(1)
	found() // it was just made
	r.passes(time.Hour)
	if row, _ := r.rows.Get(t.Context(), r.c.ID); row.Rebuilt != 1 {
		t.Errorf("%+v", row)
	}
}

func TestNothingIsConcludedOfCalendarsOfOthers(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.c.Scope, r.c.Calendars = connection.Shared, []connection.Calendar{{ID: "x", Shared: true}}
	r.connect(r.c)
	r.now = r.now.Add(time.Hour)
	if err := r.keeper.SweepFound(t.Context(), acme, r.c.ID); err != nil {
		t.Fatal(err)
	}
	if row, _ := r.rows.Get(t.Context(), r.c.ID); !row.Suspect.IsZero() {
		t.Error("it is suspected")
	}
	if err := r.keeper.SweepFound(t.Context(), acme, key.Of("no", "connection")); err != nil {
		t.Error(err)
	}
}

// Two organisations of one person: Graph makes one subscription (409), which serves both.
func TestTwoConnectionsOfOneMailboxShareASubscription(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	r.organize("zeta", `{"profile":"planning","module":true,"sync":true,"accounts":"any","downSync":{"privacy":"all"}}`)
	second := r.c
	second.ID, second.Organization, second.User = key.Of("test", "second"), "zeta", "z-1"
	r.connect(second)
	r.order(second, subscribe.CauseFollow)
	r.one(r.c)
	r.edit()
	r.moment()
	slices.Sort(r.syncs)
	r.reads("both", "acme mine notified", "zeta "+second.ID.String()+" notified")
	r.agenda(2)
	r.passes(2 * week)
	if now := r.one(r.c); now.ID != first.ID {
		t.Errorf("%+v", now)
	}
	if err := r.keeper.End(t.Context(), r.c); err != nil {
		t.Fatal(err)
	}
	r.gone()
	r.passes(2 * time.Hour)
	r.one(second)
	r.syncs = nil
	r.edit()
	r.moment()
	r.reads("the one that is left", "zeta "+second.ID.String()+" notified")
	if err := r.keeper.End(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	r.none(second)
}

func TestTheOneThatIsServedLeavesTheOtherAlone(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.organize("zeta", `{"profile":"planning","module":true,"sync":true,"accounts":"any","downSync":{"privacy":"all"}}`)
	second := r.c
	second.ID, second.Organization = key.Of("test", "second"), "zeta"
	r.connect(second)
	r.order(second, subscribe.CauseFollow)
	if err := r.keeper.End(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	r.one(r.c)
	r.agenda(1)
	r.edit()
	r.moment()
	r.reads("the other", "acme mine notified")
}
