package state_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

func TestASubscriptionIsFoundByItsConnectionsKeyAndByItsID(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	store := tables.NewStore(func() time.Time { return now }).Direct()
	rows, id := state.NewSubscriptions(store), key.Of("test", "c")
	if _, err := rows.Get(t.Context(), id); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	want := state.Subscription{Connection: id, Organization: "acme", Session: "s", ID: "47B6CD58", Tenant: "t", Mailbox: "m", App: true, Key: "k", Notify: "https://x",
		Expires: now.Add(time.Hour), Renewed: now, Sharers: []state.Sharer{{Organization: "zeta", Connection: "c2"}}, Heard: now, Suspect: now, Rebuilt: 2, Due: now}
	etag, err := rows.Put(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	want.ETag = etag
	got, err := rows.Get(t.Context(), id)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	stale := want
	stale.ETag = ""
	if _, err := rows.Put(t.Context(), stale); !errors.Is(err, state.ErrExists) {
		t.Errorf("inserted twice: %v", err)
	}
	want.Sharers, want.Suspect = nil, time.Time{} // a shorter row leaves nothing behind
	if want.ETag, err = rows.Put(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got, err = rows.Get(t.Context(), id); err != nil || len(got.Sharers) != 0 || !got.Suspect.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	stale.ETag = etag
	if _, err := rows.Put(t.Context(), stale); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("an old version: %v", err)
	}
	if err := rows.Delete(t.Context(), stale); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("deleted in an old version: %v", err)
	}
	if err := rows.Own(t.Context(), "47B6CD58", id); err != nil {
		t.Fatal(err)
	}
	if owner, err := rows.Owner(t.Context(), "47b6cd58"); err != nil || owner != id {
		t.Errorf("%v, %v", owner, err)
	}
	for range 2 {
		if err := errors.Join(rows.Delete(t.Context(), want), rows.Disown(t.Context(), "47b6cd58")); err != nil {
			t.Error(err)
		}
	}
	if _, err := rows.Owner(t.Context(), "47B6CD58"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("owned still: %v", err)
	}
}

// An organisation may be called as a partition of subscriptions is: its connections and
// that subscription stay apart.
func TestAnOrganisationThatIsCalledAsASubscriptionsPartition(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	store := tables.NewStore(func() time.Time { return now }).Direct()
	rows, all, id := state.NewSubscriptions(store), state.NewConnections(store), key.Of("test", "c")
	name := "k" + id.String()
	c := connection.Connection{ID: key.Of("test", "d"), Organization: name, User: "u"}
	if _, err := all.Put(t.Context(), c, nil, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Put(t.Context(), state.Subscription{Connection: id, Organization: "acme"}); err != nil {
		t.Fatal(err)
	}
	listed, next, err := all.List(t.Context(), name, "", 10)
	if err != nil || next != "" || len(listed) != 1 || listed[0].ID != c.ID {
		t.Errorf("%+v, %q, %v", listed, next, err)
	}
	if of, err := all.Of(t.Context(), name, key.Lane(name, key.User, "u")); err != nil || len(of) != 1 {
		t.Errorf("%+v, %v", of, err)
	}
}

func TestTheAgendaOfRenewals(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 10, 0, 0, time.UTC)
	due := state.NewDue(tables.NewStore(func() time.Time { return now }).Direct())
	var many []state.Renewal
	for i := range 120 {
		r := state.Renewal{Organization: "acme", Connection: key.Of("test", string(rune('a'+i))), Session: "s", At: now.Add(time.Duration(i%2) * time.Hour)}
		many = append(many, r)
		for range 2 {
			if err := due.AddRenewal(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	slot := func(at time.Time, want int) {
		t.Helper()
		got, err := due.Renewals(t.Context(), at)
		if err != nil || len(got) != want || want > 0 && (got[0].Organization != "acme" || got[0].Session != "s" || !got[0].At.Equal(at)) {
			t.Errorf("%v: %d, want %d, %v", at, len(got), want, err)
		}
	}
	slot(now.Add(40*time.Minute), 60)
	slot(now.Add(time.Hour), 60)
	slot(now.Add(-time.Hour), 0)
	for range 2 { // those that are gone are as good
		if err := due.RenewalsDone(t.Context(), many[:110]); err != nil {
			t.Fatal(err)
		}
	}
	slot(now, 5)
	slot(now.Add(time.Hour), 5)
}
