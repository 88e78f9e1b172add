package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

func ptr[T any](v T) *T { return &v }

func tell(t *testing.T, w *world.World, people ...announce.Person) {
	t.Helper()
	if err := w.Engine().Announce(t.Context(), world.Organization, people); err != nil {
		t.Fatal(err)
	}
}

func active(user string, yes bool) announce.Person { return announce.Person{User: user, Active: &yes} }

func choose(t *testing.T, w *world.World, user string, c engine.Choice) {
	t.Helper()
	if err := w.Engine().Choose(t.Context(), world.Organization, user, c); err != nil {
		t.Fatal(err)
	}
}

func TestWhoBecomesInactiveLosesFutureEventsAndGetsThemBack(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	soon := map[string]any{"start": map[string]any{"dateTime": "2026-11-20T12:00:00"}, "end": map[string]any{"dateTime": "2026-11-20T13:00:00"},
		"people": []person{someone("aino"), someone("bert")}}
	send(t, w, bookingOf(t, "soon", 1, soon))
	send(t, w, bookingOf(t, "later", 1, map[string]any{"people": []person{someone("aino"), someone("bert")}}))
	settle(t, w)
	w.Advance(5 * time.Hour) // soon is over

	tell(t, w, active("aino", false))
	settle(t, w)
	expect(t, w, "soon", "aino", "written", "", "soon r1") // the past stays
	expect(t, w, "later", "aino", "removed", "inactive")
	expect(t, w, "later", "bert", "written", "", "later r1")

	send(t, w, bookingOf(t, "new", 1, nil))
	settle(t, w)
	expect(t, w, "new", "aino", "skipped", "inactive")
	if who := whoIs(t, w, "aino"); !who.Inactive || who.Mailbox != "ok" {
		t.Errorf("the list says %+v", who)
	}

	tell(t, w, active("aino", true))
	settle(t, w)
	expect(t, w, "later", "aino", "written", "", "later r1")
	expect(t, w, "new", "aino", "written", "", "new r1")

	results := len(w.Results())
	from := len(w.Effects)
	tell(t, w, active("aino", true), active("bert", true)) // nothing is new
	settle(t, w)
	if n := len(w.Results()); n != results || asked(w, from) > 0 {
		t.Errorf("%d results and %d calls more for what is so already", n-results, asked(w, from))
	}
}

func TestWhoIsInactiveWasNeverGivenAnything(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	tell(t, w, active("aino", false)) // before any booking
	revise(t, w, 1, "A")
	settle(t, w)
	expect(t, w, "b", "aino", "skipped", "inactive")
	if n := asked(w, 0); n > 0 {
		t.Errorf("%d calls of Graph, want none", n)
	}
	revise(t, w, 2, "")
	settle(t, w)
	expect(t, w, "b", "aino", "skipped", "cancelled")
}

func TestInactiveWhileSyncIsOffLeavesTheEventUntilTheWayIsOpen(t *testing.T) {
	w := written(t)
	w.Org.Sync = false
	tell(t, w, active("aino", false))
	settle(t, w)
	expect(t, w, "b", "aino", "ics", "sync-off", "A")
	w.Org.Sync = true
	if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil {
		t.Fatal(err)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "removed", "inactive")
}

func TestAUsersDeletionOutlastsATimeOfInactivity(t *testing.T) {
	w := written(t)
	if err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Delete(w.Ours("b", "aino")[0].ID); err != nil {
		t.Fatal(err)
	}
	revise(t, w, 2, "A2") // finds out
	settle(t, w)
	expect(t, w, "b", "aino", "skipped", "removed-by-user")
	for _, yes := range []bool{false, true} {
		tell(t, w, active("aino", yes))
		settle(t, w)
	}
	expect(t, w, "b", "aino", "skipped", "removed-by-user")
}

func TestATurnThatReadSomebodyAsActiveIsPutRight(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph create")
	tell(t, w, active("aino", false)) // the turn has read the lane already
	settle(t, w)
	expect(t, w, "b", "aino", "removed", "inactive")
}

func TestWhoPausesOrOptsOutKeepsWhatIsThere(t *testing.T) {
	for reason, choice := range map[string]func(bool) engine.Choice{
		"paused":    func(yes bool) engine.Choice { return engine.Choice{Paused: &yes} },
		"opted-out": func(yes bool) engine.Choice { return engine.Choice{OptedOut: &yes} },
	} {
		w := written(t)
		w.Org.OptOut = true
		from := len(w.Effects)
		choose(t, w, "aino", choice(true))
		settle(t, w)
		expect(t, w, "b", "aino", "written", "", "A") // told when it changes
		revise(t, w, 2, "B")
		send(t, w, bookingOf(t, "new", 1, nil))
		settle(t, w)
		expect(t, w, "b", "aino", "ics", reason, "A")
		expect(t, w, "new", "aino", "ics", reason)
		revise(t, w, 3, "")
		settle(t, w)
		expect(t, w, "b", "aino", "ics", reason, "A")
		if last, _ := w.Last("b", "aino"); last.EventID == "" {
			t.Errorf("%s: the event that is left is not named", reason)
		}
		if n := asked(w, from); n > 0 {
			t.Errorf("%s: %d calls of Graph, want none", reason, n)
		}
		choose(t, w, "aino", choice(false))
		settle(t, w)
		expect(t, w, "b", "aino", "removed", "cancelled")
		expect(t, w, "new", "aino", "written", "", "new r1")
	}
}

func TestOptingOutCountsOnlyWhereTheOrganisationAllowsIt(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	if err := w.Engine().Choose(t.Context(), world.Organization, "aino", engine.Choice{OptedOut: ptr(true)}); !errors.Is(err, engine.ErrOptOut) {
		t.Errorf("where nobody may: %v", err)
	}
	w.Org.OptOut = true
	choose(t, w, "aino", engine.Choice{OptedOut: ptr(true)})
	w.Org.OptOut = false // who has opted out before gets bookings again
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	err := w.Engine().Choose(t.Context(), world.Organization, "nobody", engine.Choice{Paused: ptr(true)})
	if !errors.Is(err, state.ErrNotFound) {
		t.Errorf("of somebody never seen: %v", err)
	}
}

func TestAnnouncingAnotherAddressMovesWhatIsUpcoming(t *testing.T) {
	w := written(t)
	w.AddMailbox("aino.new@acme.example")
	tell(t, w, announce.Person{User: "aino", Email: ptr("aino.new@acme.example"), Name: ptr("Aino")})
	if who := whoIs(t, w, "aino"); who.Mailbox != "unknown" || who.Name != "Aino" {
		t.Errorf("the list says %+v", who)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	if box := boxOf(w, w.Ours("b", "aino")[0].ID); box != "aino.new@acme.example" {
		t.Errorf("the event lives in %s", box)
	}
	if who := whoIs(t, w, "aino"); who.Mailbox != "ok" {
		t.Errorf("the list says %+v", who)
	}
}

func boxOf(w *world.World, event string) string {
	for _, box := range w.Exchange.Boxes() {
		if slices.ContainsFunc(box.Events, func(e exchange.Event) bool { return e.ID == event }) {
			return box.User.Mail
		}
	}
	return ""
}

func TestAnAnnouncementMergesIntoWhatIsKnown(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	tell(t, w, announce.Person{User: "u/1", Email: ptr("a@acme.example"), Name: ptr("A"), Locale: ptr("fi")})
	tell(t, w, announce.Person{User: "u/1", Name: ptr(""), Active: ptr(false)})
	got, err := w.Engine().Person(t.Context(), world.Organization, "u/1")
	want := engine.Person{User: "u/1", Email: "a@acme.example", Mailbox: "unknown", Connection: "none", Offer: "none"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// A kill anywhere in an announcement is repaired by its repetition.
func TestAnAnnouncementThatDiesIsRepeated(t *testing.T) {
	for dies := range 12 {
		w := written(t)
		n := 0
		failing := failAfter{w.Tables, &n, dies}
		e := engine.New(engine.Effects{Tables: failing, Bus: w.Bus, Calendar: w.Calendar, Organizations: w},
			&engine.Options{Now: w.Now, Parallel: 1})
		first := e.Announce(t.Context(), world.Organization, []announce.Person{active("aino", false)})
		if first != nil {
			settle(t, w) // what was owed is served meanwhile
			tell(t, w, active("aino", false))
		}
		settle(t, w)
		expect(t, w, "b", "aino", "removed", "inactive")
		if who := whoIs(t, w, "aino"); !who.Inactive {
			t.Errorf("died at %d: the list says active", dies)
		}
		if first == nil && dies < 4 {
			t.Errorf("did not die at %d: the test shows nothing", dies)
		}
	}
}

func TestPeopleAndTheirDeliveriesArePaged(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	var people []announce.Person
	for i := range 250 {
		people = append(people, announce.Person{User: fmt.Sprintf("u%03d", i), Email: ptr(fmt.Sprintf("u%03d@acme.example", i))})
	}
	tell(t, w, people...)
	seen := map[string]bool{}
	pages := 0
	for after := ""; ; pages++ {
		page, err := w.Engine().People(t.Context(), world.Organization, after, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, who := range page.Items {
			if seen[who.User] || who.Email != who.User+"@acme.example" || !who.Active || who.Mailbox != "unknown" {
				t.Errorf("%+v", who)
			}
			seen[who.User] = true
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) != 250 || pages != 2 {
		t.Errorf("%d people on %d pages", len(seen), pages+1)
	}

	for i := range 5 {
		send(t, w, bookingOf(t, fmt.Sprintf("b%d", i), 1, nil))
	}
	settle(t, w)
	var bookings []string
	for after := ""; ; {
		page, err := w.Engine().PersonDeliveries(t.Context(), world.Organization, "aino", after, 2)
		if err != nil || len(page.Items) > 2 {
			t.Fatal(len(page.Items), err)
		}
		for _, d := range page.Items {
			if d.State != "written" || d.User != "aino" || d.EventID == "" || d.Message == "" || d.Revision != 1 || d.Updated == nil {
				t.Errorf("%+v", d)
			}
			bookings = append(bookings, d.Booking)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	slices.Sort(bookings)
	if got := strings.Join(bookings, " "); got != "b0 b1 b2 b3 b4" {
		t.Errorf("deliveries of %s", got)
	}
}

func TestListsRefuseWhatTheyDidNotGiveOut(t *testing.T) {
	w := written(t)
	e := w.Engine()
	for _, after := range []string{"x", "1", strings.Repeat("a", 26) + "b", "../.."} {
		if _, err := e.People(t.Context(), world.Organization, after, 10); !errors.Is(err, engine.ErrBadCursor) {
			t.Errorf("people after %q: %v", after, err)
		}
		if _, err := e.PersonDeliveries(t.Context(), world.Organization, "aino", after, 10); !errors.Is(err, engine.ErrBadCursor) {
			t.Errorf("deliveries after %q: %v", after, err)
		}
	}
	if _, err := e.PersonDeliveries(t.Context(), world.Organization, "nobody", "", 10); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	if _, err := e.People(t.Context(), "other", "", 10); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("of no organisation: %v", err)
	}
	if err := e.Announce(t.Context(), "other", nil); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("to no organisation: %v", err)
	}
}

func TestWhoHasToConnectIsOfferedIt(t *testing.T) {
	w := written(t)
	offered := func(want string) {
		t.Helper()
		who, err := w.Engine().Person(t.Context(), world.Organization, "aino")
		if err != nil || who.Offer != want {
			t.Errorf("offer %q, %v, want %q", who.Offer, err, want)
		}
	}
	offered("none")
	w.Org.Permission = organization.Delegated
	offered("connect")
	w.Org.Sync = false
	offered("none")
	w.Org.Sync = true
	tell(t, w, active("aino", false))
	offered("none")
}

// Everybody leaves at once.
func TestManyWhoLeaveAreWokenTwentyASecond(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	var on []person
	var leave []announce.Person
	for i := range 300 {
		user := fmt.Sprintf("u%03d", i)
		on = append(on, someone(user))
		leave = append(leave, active(user, false))
	}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": on}))
	settle(t, w)
	tell(t, w, leave...)
	served := 0
	for w.Begin(world.Write) != nil {
		w.Finish()
		served++
	}
	if served != 1 {
		t.Errorf("%d lanes served at once, want one", served)
	}
	w.Advance(9999 * time.Millisecond)
	for w.Begin(world.Write) != nil {
		w.Finish()
		served++
	}
	if served != 200 {
		t.Errorf("%d lanes served in ten seconds, want 200", served)
	}
	settle(t, w)
	expect(t, w, "b", "u299", "skipped", "inactive")
}

// failAfter is a table that dies at its n-th call, after it was made.
type failAfter struct {
	state.Tables
	n    *int
	dies int
}

var errDied = errors.New("died")

func (f failAfter) step() error {
	*f.n++
	if *f.n > f.dies {
		return errDied
	}
	return nil
}

func (f failAfter) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	e, err := f.Tables.Get(ctx, table, partition, row)
	if dead := f.step(); dead != nil {
		return state.Entity{}, dead
	}
	return e, err
}

func (f failAfter) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	rows, err := f.Tables.Query(ctx, table, span)
	if dead := f.step(); dead != nil {
		return nil, dead
	}
	return rows, err
}

func (f failAfter) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	tags, err := f.Tables.Apply(ctx, table, changes)
	if dead := f.step(); dead != nil {
		return nil, dead
	}
	return tags, err
}
