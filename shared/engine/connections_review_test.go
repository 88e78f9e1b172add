package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// What reviews of connections found: each test is the shortest way in which it went wrong.

// The same policy error every day is no new death, and asks nobody to sign in, however
// long ago the last sign-in is.
func TestWhatSigningInDoesNotHelpStaysBlockedAndIsToldOnce(t *testing.T) {
	for name, daily := range map[string]refusal{"the same policy": second, "access by location": blocked} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "travel")
			for range 2 { // the same error soon after two sign-ins
				c := r.connect("aino", "work", connection.Up)
				r.settle()
				r.fail(c, second)
				r.settle()
			}
			died := r.row(r.all("aino")[0].ID).Connection
			if died.State != connection.BlockedByPolicy {
				t.Fatalf("%s after the same error twice", died.State)
			}
			r.refusals[died.ID] = daily
			r.hours(24 * 20)
			got := r.row(died.ID).Connection
			if got.State != connection.BlockedByPolicy || !got.Since.Equal(died.Since) || !got.Failing.Equal(died.Failing) || got.Lapses != died.Lapses {
				t.Errorf("%s since %s, failing since %s, %d lapses; was %s since %s, failing since %s, %d lapses",
					got.State, got.Since, got.Failing, got.Lapses, died.State, died.Since, died.Failing, died.Lapses)
			}
			if who := r.person("aino"); who.Offer != "none" {
				t.Errorf("offered %s", who.Offer)
			}
			if got := fmt.Sprint(r.states(died.ID)); got != "[connected needs-reauth connected blocked-by-policy]" {
				t.Errorf("told: %s", got)
			}
		})
	}
}

// A token that is dead for good is the person's to renew, also where a policy was in the way before.
func TestABlockedTokenThatDiesIsThePersonsAgain(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	r.fail(c, blocked)
	r.settle()
	r.refusals[c.ID] = revoked
	r.hours(25)
	if got := r.row(c.ID); got.State != connection.NeedsReauth || got.Cause != "50173" || got.Lapses != 1 {
		t.Errorf("%+v", got.Connection)
	}
}

// A mailbox that was never seen is looked for when the policy lets us in again: without
// it the connection would be called connected, and nothing could be written.
func TestWhatWasBlockedBeforeItsMailboxWasSeenIsLookedAtAgain(t *testing.T) {
	r := newRig(t, "travel")
	c, err := r.sign("aino", "work", connection.Up)
	if err != nil {
		t.Fatal(err)
	}
	c.Mailbox, c.Cause = "", "mailbox-unavailable"
	if c, err = r.engine().Connect(t.Context(), c, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.mailboxes[c.Account.ObjectID] = unlicensed()
	r.fail(r.row(c.ID).Connection, blocked)
	r.hours(25)
	if got := r.row(c.ID).Connection; got.State != connection.Unreachable || got.Cause != "mailbox-unavailable" {
		t.Errorf("no policy in the way, no mailbox: %s (%s)", got.State, got.Cause)
	}
	r.mailboxes[c.Account.ObjectID] = nil
	r.hours(25)
	if got := r.row(c.ID).Connection; got.State != connection.Connected || got.Mailbox == "" || got.Cause != "" {
		t.Errorf("the mailbox is there: %s (%s), mailbox %q", got.State, got.Cause, got.Mailbox)
	}
}

// A warning is taken back whoever ends what it was of: a sign-in, a disconnect.
func TestAWarningIsTakenBackWhoeverEndsIt(t *testing.T) {
	for name, end := range map[string]func(*rig, connection.Connection){
		"reconnected": func(r *rig, _ connection.Connection) { r.connect("aino", "work", connection.Up) },
		"disconnected": func(r *rig, c connection.Connection) {
			if err := r.engine().Disconnect(context.Background(), acme, c.ID, nil); err != nil {
				r.t.Fatal(err)
			}
		},
		"dead, and reconnected": func(r *rig, c connection.Connection) {
			r.fail(c, revoked)
			r.settle()
			r.connect("aino", "work", connection.Up)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "travel")
			c := r.connect("aino", "work", connection.Up)
			r.refusals[c.ID] = outage
			r.hours(24 * 80)
			if n := len(r.told("calbridge.alert.v1")); n != 1 {
				t.Fatalf("%d warnings", n)
			}
			end(r, r.row(c.ID).Connection)
			r.settle()
			if alerts := r.told("calbridge.alert.v1"); len(alerts) != 2 || alerts[1].Data.State != "over" || alerts[1].Data.Code != "connection-expiring" {
				t.Errorf("%+v", alerts)
			}
		})
	}
}

// A kill between the effects of the refresh that ends a warning loses neither.
func TestTheEndOfAWarningSurvivesAKill(t *testing.T) {
	for n := 1; n < 40; n++ {
		r := newRig(t, "travel")
		c := r.connect("aino", "work", connection.Up)
		r.refusals[c.ID] = outage
		r.hours(24 * 80)
		r.refusals[c.ID] = nil
		f := &fuse{left: n}
		body := fmt.Sprintf(`{"v":1,"op":"keepalive","organization":"acme","connection":%q}`, c.ID)
		_ = r.fused(f).Task(t.Context(), queue.Message{ID: key.Random(), Body: []byte(body)})
		if !f.blown {
			break
		}
		r.hours(25)
		if alerts := r.told("calbridge.alert.v1"); len(alerts) < 2 || alerts[1].Data.State != "over" {
			t.Errorf("killed at effect %d: %+v", n, alerts)
		}
	}
}

// The app's own permission goes to the tenant that the organisation is bound to now,
// not to the one that a connection was made in (I7).
func TestAProbeOfAConnectionNeverGoesToATenantThatIsNotBoundAnyMore(t *testing.T) {
	r := newRig(t, "planning")
	r.org.Permission = organization.Application
	made, err := r.engine().ConnectByProbe(t.Context(), acme, "aino", "aino@acme.example", connection.Up)
	if err != nil {
		t.Fatal(err)
	}
	r.settle()
	calls := &accesses{Calendar: r}
	body := fmt.Sprintf(`{"v":1,"op":"probe","organization":"acme","connection":%q}`, made.ID)
	probe := func() []graph.Access {
		t.Helper()
		calls.made = nil
		e := engine.New(engine.Effects{Tables: r.tables, Bus: fusedBus{&fuse{}, r}, Calendar: calls, Organizations: r, Refresher: r},
			&engine.Options{PublicURL: "https://calendar.example.com", Now: func() time.Time { return r.now }, Parallel: 1})
		if err := e.Task(t.Context(), queue.Message{ID: key.Random(), Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		return calls.made
	}
	if got := probe(); len(got) != 1 || got[0] != graph.AppAccess(home) {
		t.Errorf("bound: %v", got)
	}
	bound := r.org
	r.org = bound.Unbind()
	if got := probe(); len(got) != 0 {
		t.Errorf("unbound: %v", got)
	}
	if r.org, err = r.org.Bind(foreign, r.now); err != nil {
		t.Fatal(err)
	}
	if got := probe(); len(got) != 0 {
		t.Errorf("bound to another tenant: %v", got)
	}
	r.org = bound
	r.org.Permission = organization.Delegated
	if got := probe(); len(got) != 0 {
		t.Errorf("people sign in: %v", got)
	}
}

// accesses notes in whose name mailboxes were looked for.
type accesses struct {
	graph.Calendar
	made []graph.Access
}

func (a *accesses) Mailbox(ctx context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	a.made = append(a.made, as)
	return a.Calendar.Mailbox(ctx, as, address)
}

// Who signs in to an organisation that was made anew keeps the connection, though a row
// of before was still there.
func TestASignInAfterADeletionIsNotDestroyedWithIt(t *testing.T) {
	r := newRig(t, "travel")
	orgs := state.NewOrganizations(r.tables, func() time.Time { return r.now })
	put := func() {
		t.Helper()
		if _, err := orgs.Change(t.Context(), acme, func(*organization.Organization, string) (organization.Organization, error) { return r.org, nil }); err != nil {
			t.Fatal(err)
		}
	}
	put()
	for _, user := range []string{"aino", "bert"} {
		r.connect(user, user, connection.Up)
	}
	if err := r.engine().DisconnectAll(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	if err := orgs.Delete(t.Context(), acme, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Second)
	put()
	r.connect("aino", "aino", connection.Up)
	r.settle()
	if len(r.all("aino")) != 1 || len(r.all("bert")) != 0 {
		t.Errorf("aino, who signed in again, has %d connections, bert %d", len(r.all("aino")), len(r.all("bert")))
	}
}

// A person who is renamed signs in again as the same account, under another address: it
// is the same calendar, and nothing in it is made twice or anew.
func TestAnAccountThatWasRenamedKeepsItsEvents(t *testing.T) {
	for name, again := range map[string]func(*testing.T, *world.World, connection.Connection, world.Account){
		"signed in again": func(t *testing.T, w *world.World, _ connection.Connection, a world.Account) {
			if _, err := w.Connect(t.Context(), "aino", a, connection.Up); err != nil {
				t.Fatal(err)
			}
		},
		"found by a probe": func(t *testing.T, w *world.World, c connection.Connection, _ world.Account) {
			if err := w.Engine().ConnectionFailed(t.Context(), c, unlicensed()); err != nil {
				t.Fatal(err)
			}
			body := fmt.Sprintf(`{"v":1,"op":"probe","organization":%q,"connection":%q}`, world.Organization, c.ID)
			if err := w.Engine().Task(t.Context(), queue.Message{ID: key.Random(), Body: []byte(body)}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := delegated(t)
			old := ainos(w)
			c := sign(t, w, "aino", old, connection.Up)
			for _, id := range []string{"kept", "changed", "gone"} {
				send(t, w, bookingOf(t, id, 1, nil))
			}
			pass(t, w)
			was := rowOf(t, w, "kept", "aino").Event
			renamed := marry(t, w, old)
			again(t, w, c, renamed)
			pass(t, w)
			expect(t, w, "kept", "aino", "written", "", "kept r1")
			send(t, w, bookingOf(t, "changed", 2, nil))
			send(t, w, bookingOf(t, "gone", 2, map[string]any{"status": "cancelled"}))
			send(t, w, bookingOf(t, "new", 1, nil))
			pass(t, w)
			expect(t, w, "kept", "aino", "written", "", "kept r1")
			expect(t, w, "changed", "aino", "written", "", "changed r2")
			expect(t, w, "gone", "aino", "removed", "cancelled")
			expect(t, w, "new", "aino", "written", "", "new r1")
			if now := rowOf(t, w, "kept", "aino"); now.Event != was || now.Look.Nonce != "" {
				t.Errorf("the event is %s, was %s; look %+v", now.Event, was, now.Look)
			}
			if row := rowOf(t, w, "changed", "aino"); row.Home.Mailbox != renamed.Address {
				t.Errorf("the row names %s", row.Home.Mailbox)
			}
		})
	}
}

// marry gives an account another address.
func marry(t *testing.T, w *world.World, a world.Account) world.Account {
	t.Helper()
	old := a.Address
	a.Address = "aino.virtanen@acme.example"
	if err := w.Exchange.Rename(a.Tenant, old, a.Address); err != nil {
		t.Fatal(err)
	}
	return a
}

// What has an open intent in the mailbox under its old name is found under the new one.
func TestAnIntentOutlivesTheNameOfItsMailbox(t *testing.T) {
	w := delegated(t)
	old := ainos(w)
	sign(t, w, "aino", old, connection.Up)
	send(t, w, bookingOf(t, "b", 1, nil))
	take(t, w)
	k := begin(t, w, world.Write)
	until(t, w, k, "graph create")
	w.Step(k, world.KillAfter)
	if _, err := w.Connect(t.Context(), "aino", marry(t, w, old), connection.Up); err != nil {
		t.Fatal(err)
	}
	pass(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1")
	if row := rowOf(t, w, "b", "aino"); row.Look.Nonce != "" || row.Intent.Op != "" {
		t.Errorf("look %+v, intent %+v", row.Look, row.Intent)
	}
}

// What was written under the old address is moved out of the account under its new one.
func TestAnAccountIsLeftUnderItsNewAddress(t *testing.T) {
	was := connection.Connection{Mailbox: "a@acme.example"}
	if now := was.At("b@acme.example").At("c@acme.example").At("a@acme.example"); fmt.Sprint(now.Mailbox, now.Former) != "a@acme.example[c@acme.example b@acme.example]" {
		t.Errorf("%s, before %v", now.Mailbox, now.Former)
	}
	if now := was.At("").At(""); fmt.Sprint(now.Mailbox, now.Former) != "[a@acme.example]" {
		t.Errorf("%s, before %v", now.Mailbox, now.Former)
	}
	w := delegated(t)
	first := ainos(w)
	sign(t, w, "aino", first, connection.Up)
	send(t, w, bookingOf(t, "b", 1, nil))
	pass(t, w)
	if _, err := w.Connect(t.Context(), "aino", marry(t, w, first), connection.Up); err != nil {
		t.Fatal(err)
	}
	pass(t, w)
	other := elsewhere(w)
	other.Tenant = world.Other
	second, err := w.Connect(t.Context(), "aino", other, connection.Up)
	if err != nil {
		t.Fatal(err)
	}
	makePrimary(t, w, second)
	pass(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1") // moved out of the account under its new name
	if got := where(w, "b", "aino"); got != "aino@other.example" {
		t.Errorf("the event is in %q", got)
	}
}

// Who disconnects, is renamed and connects again has the same mailbox under a name that
// nobody remembers: what is found in it is the event that seemed to be left elsewhere.
func TestAMailboxThatComesBackUnderAnotherNameIsRecognisedByWhatIsInIt(t *testing.T) {
	w := delegated(t)
	old := ainos(w)
	c := sign(t, w, "aino", old, connection.Up)
	send(t, w, bookingOf(t, "b", 1, nil))
	pass(t, w)
	was := rowOf(t, w, "b", "aino").Event
	disconnect(t, w, c)
	if _, err := w.Connect(t.Context(), "aino", marry(t, w, old), connection.Up); err != nil {
		t.Fatal(err)
	}
	pass(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1")
	row := rowOf(t, w, "b", "aino")
	if row.Event != was || row.Home.Mailbox != "aino.virtanen@acme.example" || row.Look.Nonce != "" {
		t.Errorf("event %s in %s, was %s; look %+v", row.Event, row.Home.Mailbox, was, row.Look)
	}
}

// Where nobody signs in, a person's connection says all the same which way bookings
// travel and where to: consent for the whole tenant allows more than was chosen (R2, R6).
func TestTheDirectionOfAConnectionByProbeIsKept(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	made, err := w.Engine().ConnectByProbe(t.Context(), world.Organization, "aino", "aino@acme.example", connection.Down)
	if err != nil {
		t.Fatal(err)
	}
	send(t, w, bookingOf(t, "b", 1, nil))
	pass(t, w)
	expect(t, w, "b", "aino", "ics", "direction-down-only")
	for _, step := range []struct {
		direction     connection.Direction
		revision      int64
		state, reason string
		events        []string
	}{
		{connection.Both, 2, "written", "", []string{"b r2"}},
		{connection.None, 3, "ics", "paused", []string{"b r2"}},
		{connection.Up, 4, "written", "", []string{"b r4"}},
		{connection.Down, 5, "ics", "direction-down-only", []string{"b r4"}},
	} {
		change(t, w, made.Connection, engine.ConnectionChange{Direction: &step.direction})
		send(t, w, bookingOf(t, "b", step.revision, nil))
		pass(t, w)
		expect(t, w, "b", "aino", step.state, step.reason, step.events...)
	}
	disconnect(t, w, made.Connection) // as everybody of the tenant again
	send(t, w, bookingOf(t, "b", 6, nil))
	pass(t, w)
	expect(t, w, "b", "aino", "written", "", "b r6")
}

// The primary one of several connections by probe receives the bookings, whatever
// address they name; another primary moves what is to come.
func TestThePrimaryConnectionByProbeReceivesTheBookings(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.AddMailbox("desk@acme.example")
	connect := func(email string) engine.VersionedConnection {
		t.Helper()
		c, err := w.Engine().ConnectByProbe(t.Context(), world.Organization, "aino", email, connection.Both)
		if err != nil {
			t.Fatal(err)
		}
		pass(t, w)
		return c
	}
	is := func(want string) {
		t.Helper()
		expect(t, w, "b", "aino", "written", "", "b r1")
		if got := where(w, "b", "aino"); got != want {
			t.Errorf("written to %q, want %q", got, want)
		}
	}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": []person{someone("aino").with("email", "aino@gmail.com")}}))
	pass(t, w)
	expect(t, w, "b", "aino", "ics", "personal-mailbox")
	desk := connect("desk@acme.example")
	is("desk@acme.example")
	own := connect("aino@acme.example")
	is("desk@acme.example")
	makePrimary(t, w, own.Connection)
	pass(t, w)
	is("aino@acme.example")
	disconnect(t, w, own.Connection)
	pass(t, w)
	is("desk@acme.example")
	_ = desk
	if bound := w.Org.State.Tenant; bound != world.Tenant {
		t.Fatal(bound)
	}
}

// Of a tenant that the organisation is not bound to any more a connection says nothing,
// and nobody without one costs a request more.
func TestAConnectionByProbeOfAnotherTenantIsNotObeyed(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	if _, err := w.Engine().ConnectByProbe(t.Context(), world.Organization, "aino", "aino@acme.example", connection.Down); err != nil {
		t.Fatal(err)
	}
	lane := key.Lane(world.Organization, key.User, "aino")
	rows, err := state.NewConnections(w.Tables).Of(t.Context(), world.Organization, lane)
	if err != nil {
		t.Fatal(err)
	}
	old := rows[0].Connection
	old.Account.Tenant = world.Other
	if _, err := state.NewConnections(w.Tables).Put(t.Context(), old, nil, rows[0].ETag); err != nil {
		t.Fatal(err)
	}
	send(t, w, bookingOf(t, "b", 1, nil))
	pass(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1")
}

// An organisation whose people begin to sign in has connections from before, by which
// nothing can be written any more; and the other way round.
func TestTheFirstConnectionOfItsKindReceivesTheBookings(t *testing.T) {
	r := newRig(t, "planning")
	r.org.Permission = organization.Application
	probed, err := r.engine().ConnectByProbe(t.Context(), acme, "aino", "aino@acme.example", connection.Both)
	if err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.org.Permission = organization.Delegated
	first := r.connect("aino", "work", connection.Both)
	if !r.row(first.ID).Primary || r.row(probed.ID).Primary || r.row(first.ID).Followed == "" {
		t.Error("the bookings go to a connection that nobody may use")
	}
	if r.row(r.connect("aino", "side", connection.Both).ID).Primary {
		t.Error("the second account of a person is primary")
	}
	r.settle()
	if err := r.holds("aino", &ledgerOf{deaths: map[key.Key]map[string]bool{}}); err != nil {
		t.Error(err)
	}
}

// For 15 minutes after consent a refusal is none (identity.md section 2): the mailbox is
// not called out of scope.
func TestAProbeRightAfterConsentIsNoVerdict(t *testing.T) {
	r := newRig(t, "planning")
	r.org.Permission = organization.Application
	r.mailboxes["aino@acme.example"] = graph.Classify(403, "ErrorAccessDenied", nil)
	probe := func() *graph.Error {
		t.Helper()
		_, err := r.engine().ConnectByProbe(t.Context(), acme, "aino", "aino@acme.example", connection.Down)
		failure := (*graph.Error)(nil)
		if !errors.As(err, &failure) {
			t.Fatal(err)
		}
		return failure
	}
	if got := probe(); got.Kind != graph.Transient {
		t.Errorf("a minute after consent: %v, %s", got, got.Reason)
	}
	r.now = r.now.Add(16 * time.Minute)
	if got := probe(); got.Kind != graph.Unreachable || got.Reason != "outside-scope" {
		t.Errorf("later: %v, %s", got, got.Reason)
	}
}

// A look that was ordered under an old address is taken under the new one, and ends.
func TestALookEndsThoughItsMailboxWasRenamed(t *testing.T) {
	w := delegated(t)
	old := ainos(w)
	sign(t, w, "aino", old, connection.Up)
	send(t, w, bookingOf(t, "b", 1, nil))
	take(t, w)
	k := begin(t, w, world.Write)
	until(t, w, k, "graph create")
	w.Step(k, world.Kill)
	send(t, w, bookingOf(t, "b", 2, map[string]any{"status": "cancelled"}))
	take(t, w)
	k = begin(t, w, world.Write)
	for len(w.Workers) > 0 {
		w.Step(k, world.Go)
	}
	if look := rowOf(t, w, "b", "aino").Look; len(look.Homes) != 1 {
		t.Fatalf("the look names %v", look.Homes)
	}
	if _, err := w.Connect(t.Context(), "aino", marry(t, w, old), connection.Up); err != nil {
		t.Fatal(err)
	}
	pass(t, w)
	if look := rowOf(t, w, "b", "aino").Look; look.Nonce != "" {
		t.Errorf("a look stands: %+v", look)
	}
}

// A credential that is mended and breaks again within the hour is another incident:
// with the id of the first its alert would be dropped as a repeat.
func TestAnIncidentThatComesBackIsToldAgain(t *testing.T) {
	r := newRig(t, "travel")
	c := r.connect("aino", "work", connection.Up)
	body := []byte(fmt.Sprintf(`{"v":1,"op":"keepalive","organization":"acme","connection":%q}`, c.ID))
	for range 2 {
		r.refusals[c.ID] = secret
		r.fail(c, secret)
		r.fail(c, secret)
		r.now = r.now.Add(10 * time.Minute)
		r.refusals[c.ID] = nil
		if err := r.engine().Task(t.Context(), queue.Message{ID: key.Random(), Body: body}); err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(5 * time.Minute)
	}
	told := ""
	for _, a := range r.told("calbridge.alert.v1") {
		told += a.Data.State + " "
	}
	if told != "raised over raised over " {
		t.Errorf("told: %s", told)
	}
}
