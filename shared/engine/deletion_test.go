package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// deletable is a rig whose organisation is in the tables, where deletion happens.
type deletable struct {
	*rig
	orgs *state.Organizations
}

func newDeletable(t *testing.T) deletable {
	r := newRig(t, "travel")
	d := deletable{r, state.NewOrganizations(r.tables, func() time.Time { return r.now })}
	d.make()
	return d
}

// make makes the organisation, as PUT does.
func (d deletable) make() {
	d.t.Helper()
	_, err := d.orgs.Change(context.Background(), acme, func(*organization.Organization, string) (organization.Organization, error) {
		return d.org, d.engine().ClearDeleted(context.Background(), acme)
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// delete deletes it, as DELETE does.
func (d deletable) delete() {
	d.t.Helper()
	if err := d.orgs.Delete(context.Background(), acme, func(string) error { return d.engine().DisconnectAll(context.Background(), acme) }); err != nil {
		d.t.Fatal(err)
	}
}

func (d deletable) announce(users ...string) {
	d.t.Helper()
	var people []announce.Person
	for _, u := range users {
		email, off := u+"@acme.example", false
		people = append(people, announce.Person{User: u, Email: &email, Active: &off})
	}
	if err := d.engine().Announce(context.Background(), acme, people); err != nil {
		d.t.Fatal(err)
	}
}

func (d deletable) people() int {
	d.t.Helper()
	all, _, err := state.NewPeople(d.tables).List(context.Background(), acme, key.Key{}, 10_000)
	if err != nil {
		d.t.Fatal(err)
	}
	return len(all)
}

func (d deletable) standing(user string) state.Standing {
	d.t.Helper()
	lane, err := state.NewLanes(d.tables).Lane(context.Background(), key.Lane(acme, key.User, user))
	if err != nil {
		d.t.Fatal(err)
	}
	return lane.Standing
}

// At once, before any task of the deletion had its turn.
func TestAnOrganisationMadeAnewInheritsNobodysCalendarChoiceOrAddress(t *testing.T) {
	d := newDeletable(t)
	d.connect("aino", "aino", connection.Up)
	d.connect("aino", "second", connection.Up)
	d.announce("bert")
	if d.people() < 2 || !d.standing("bert").Inactive {
		t.Fatal("nobody is known")
	}
	d.delete()
	d.now = d.now.Add(time.Second)
	d.make()
	if n := len(d.all("aino")); n != 0 {
		t.Errorf("aino has %d connections", n)
	}
	if d.people() != 0 || d.standing("bert") != (state.Standing{}) {
		t.Errorf("%d people are known, bert stands %+v", d.people(), d.standing("bert"))
	}
	// The tasks of the deletion take nothing of the new one.
	d.connect("bert", "bert", connection.Up)
	d.settle()
	if len(d.all("bert")) != 1 || d.people() != 1 {
		t.Errorf("bert has %d connections, %d people are known", len(d.all("bert")), d.people())
	}
}

func TestADeletedOrganisationsPeopleAreForgottenByTasks(t *testing.T) {
	d := newDeletable(t)
	var users []string
	for i := range 1100 {
		users = append(users, fmt.Sprint("u", i))
	}
	d.announce(users...)
	d.connect("aino", "aino", connection.Up)
	d.delete()
	d.settle()
	if len(d.all("aino")) != 0 || d.people() != 0 {
		t.Errorf("aino has %d connections, %d people are known", len(d.all("aino")), d.people())
	}
}

// So many that one invocation cannot: the id waits.
func TestAnIDWaitsUntilManyConnectionsAreDestroyed(t *testing.T) {
	d := newDeletable(t)
	for i := range 130 {
		d.connect(fmt.Sprint("u", i), fmt.Sprint("a", i), connection.Up)
	}
	d.delete()
	if err := d.engine().ClearDeleted(t.Context(), acme); !errors.Is(err, engine.ErrClearing) {
		t.Fatalf("got %v", err)
	}
	if err := d.engine().ClearDeleted(t.Context(), acme); err != nil || d.people() != 0 {
		t.Errorf("got %v, %d people are known", err, d.people())
	}
}
