package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// keep stores a world's organisation where pages change it, and returns what takes over
// a change of it.
func keep(t *testing.T, w *world.World) (adopt func() organization.Organization) {
	t.Helper()
	orgs := state.NewOrganizations(w.Tables, w.Now)
	_, err := orgs.Change(t.Context(), world.Organization, func(*organization.Organization, string) (organization.Organization, error) {
		return *w.Org, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() organization.Organization {
		t.Helper()
		o, _, err := orgs.Get(t.Context(), world.Organization)
		if err != nil {
			t.Fatal(err)
		}
		w.Org = &o
		return o
	}
}

func setSync(t *testing.T, w *world.World, on, remove bool) {
	t.Helper()
	if err := w.Engine().SetSync(t.Context(), world.Organization, on, remove); err != nil {
		t.Fatal(err)
	}
}

// threeBookings are one that is over, and two that are not, all written.
func threeBookings(t *testing.T) *world.World {
	t.Helper()
	w := newWorld(t, exchange.Switches{})
	soon := map[string]any{"start": map[string]any{"dateTime": "2026-11-20T12:00:00"}, "end": map[string]any{"dateTime": "2026-11-20T13:00:00"}}
	send(t, w, bookingOf(t, "over", 1, soon))
	send(t, w, bookingOf(t, "b1", 1, nil))
	send(t, w, bookingOf(t, "b2", 1, map[string]any{"people": []person{someone("aino"), someone("bert")}}))
	settle(t, w)
	w.Advance(5 * time.Hour)
	return w
}

// Off, on, and off with removal: each orders that the subscriptions are looked at, when
// every process knows.
func TestSwitchingSyncOrdersALookAtTheSubscriptions(t *testing.T) {
	w := threeBookings(t)
	keepOrganization(t, w)
	for n, on := range []bool{false, true, false} {
		setSync(t, w, on, n == 2)
		all := 0
		for _, m := range w.Broker.Peek(queue.MailboxTasks) {
			if strings.Contains(string(m.Body), `"op":"subscribe"`) && m.ScheduledFor.After(w.Now()) {
				all++
			}
		}
		if all != n+1 {
			t.Errorf("switched %d times: %d orders", n+1, all)
		}
	}
}

func TestSwitchingOffRemovesNothingByItselfAndOnAgainReconciles(t *testing.T) {
	w := threeBookings(t)
	adopt := keep(t, w)
	stale, err := w.Engine().Stale(t.Context(), world.Organization)
	if err != nil || stale != (engine.Stale{Events: 3}) {
		t.Errorf("%+v, %v: want the three events that are not over", stale, err)
	}
	setSync(t, w, false, false)
	if o := adopt(); o.Sync || o.State.Removing {
		t.Errorf("%v %v", o.Sync, o.State.Removing)
	}
	send(t, w, bookingOf(t, "b1", 2, nil))
	settle(t, w)
	expect(t, w, "b1", "aino", "ics", "sync-off", "b1 r1")
	expect(t, w, "b2", "bert", "written", "", "b2 r1")

	setSync(t, w, true, false)
	adopt()
	settle(t, w)
	expect(t, w, "b1", "aino", "written", "", "b1 r2")
}

func TestSwitchingOffWithRemovalTakesWhatIsNotOver(t *testing.T) {
	w := threeBookings(t)
	adopt := keep(t, w)
	setSync(t, w, false, true)
	if o := adopt(); o.Sync || !o.State.Removing {
		t.Errorf("%v %v", o.Sync, o.State.Removing)
	}
	settle(t, w)
	expect(t, w, "over", "aino", "written", "", "over r1")
	expect(t, w, "b1", "aino", "removed", "sync-off")
	expect(t, w, "b2", "bert", "removed", "sync-off")
	stale, err := w.Engine().Stale(t.Context(), world.Organization)
	if err != nil || stale.Events != 0 {
		t.Errorf("%+v, %v", stale, err)
	}
	send(t, w, bookingOf(t, "b1", 2, nil)) // while it is off
	settle(t, w)
	expect(t, w, "b1", "aino", "ics", "sync-off")

	results := len(w.Results())
	setSync(t, w, false, true) // again
	settle(t, w)
	if n := len(w.Results()); n != results {
		t.Errorf("%d results more", n-results)
	}

	setSync(t, w, true, false)
	if o := adopt(); !o.Sync || o.State.Removing {
		t.Errorf("%v %v", o.Sync, o.State.Removing)
	}
	settle(t, w)
	expect(t, w, "b1", "aino", "written", "", "b1 r2")
	expect(t, w, "b2", "aino", "written", "", "b2 r1")
	expect(t, w, "b2", "bert", "written", "", "b2 r1")

	setSync(t, w, false, false) // and now nobody asked for removal
	adopt()
	settle(t, w)
	expect(t, w, "b1", "aino", "written", "", "b1 r2")
}

func TestSyncOffMayBeFollowedByTheWishToRemove(t *testing.T) {
	w := threeBookings(t)
	adopt := keep(t, w)
	setSync(t, w, false, false)
	adopt()
	settle(t, w)
	setSync(t, w, false, true)
	adopt()
	settle(t, w)
	expect(t, w, "b1", "aino", "removed", "sync-off")
}

func TestSyncCannotBeSwitchedOnWithoutTheModule(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	if err := w.Engine().SetSync(t.Context(), world.Organization, true, false); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("no organisation: %v", err)
	}
	w.Org.Module = false
	w.Org.Document = []byte(`{"profile":"travel","module":false}`)
	keep(t, w)
	if err := w.Engine().SetSync(t.Context(), world.Organization, true, false); !errors.Is(err, engine.ErrModuleOff) {
		t.Errorf("%v", err)
	}
}

func TestStaleEventsOfManyPeopleAreCountedToALimit(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	people := state.NewPeople(w.Tables)
	var all []state.Person
	for i := range 1300 {
		all = append(all, state.Person{Lane: key.Lane(world.Organization, key.User, fmt.Sprint("u", i)), User: fmt.Sprint("u", i)})
	}
	if err := people.Seen(t.Context(), world.Organization, all); err != nil {
		t.Fatal(err)
	}
	stale, err := w.Engine().Stale(t.Context(), world.Organization)
	if err != nil || !stale.More || stale.Events != 0 {
		t.Errorf("%+v, %v", stale, err)
	}
	if s, err := w.Engine().Summary(t.Context(), world.Organization); err != nil || s.People != 1300 || s.More {
		t.Errorf("%+v, %v", s, err)
	}
}
