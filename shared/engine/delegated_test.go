package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// delegated is a world whose people sign in with accounts of any tenant.
func delegated(t *testing.T) *world.World {
	t.Helper()
	w := newWorld(t, exchange.Switches{})
	w.Delegate("any")
	t.Cleanup(func() {
		if foreign := w.Graph.Foreign(); len(foreign) > 0 || w.Trespasses > 0 {
			t.Errorf("I7: %d calls as the app, foreign mailboxes: %q", w.Trespasses, foreign)
		}
	})
	return w
}

// sign signs a person in with an account, and settles.
func sign(t *testing.T, w *world.World, user string, a world.Account, d connection.Direction) connection.Connection {
	t.Helper()
	c, err := w.Connect(context.Background(), user, a, d)
	if err != nil {
		t.Fatal(err)
	}
	settle(t, w)
	return c
}

func change(t *testing.T, w *world.World, c connection.Connection, what engine.ConnectionChange) {
	t.Helper()
	if _, err := w.Engine().ChangeConnection(context.Background(), world.Organization, c.ID, what, nil); err != nil {
		t.Fatal(err)
	}
}

// turnTo changes a connection's direction, and settles.
func turnTo(t *testing.T, w *world.World, c connection.Connection, d connection.Direction) {
	t.Helper()
	change(t, w, c, engine.ConnectionChange{Direction: &d})
	settle(t, w)
}

func makePrimary(t *testing.T, w *world.World, c connection.Connection) {
	t.Helper()
	yes := true
	change(t, w, c, engine.ConnectionChange{Primary: &yes})
}

func disconnect(t *testing.T, w *world.World, c connection.Connection) {
	t.Helper()
	if err := w.Engine().Disconnect(context.Background(), world.Organization, c.ID, nil); err != nil {
		t.Fatal(err)
	}
}

// where lists the mailboxes in which our events of a delivery live.
func where(w *world.World, booking, user string) string {
	var out []string
	for _, box := range w.Exchange.Boxes() {
		for _, e := range box.Events {
			for _, ours := range w.Ours(booking, user) {
				if e.ID == ours.ID {
					out = append(out, box.User.Mail)
				}
			}
		}
	}
	return strings.Join(out, " ")
}

// pass lets less than a day pass, so that what waits for tomorrow still waits.
func pass(t *testing.T, w *world.World) {
	t.Helper()
	if err := w.SettleWithin(20 * time.Hour); err != nil {
		t.Fatal(err)
	}
}

func ainos(w *world.World) world.Account { return w.AddAccount(world.Tenant, "aino@acme.example") }
func elsewhere(w *world.World) world.Account {
	return w.AddAccount(world.Other, "aino@other.example")
}

func TestAConnectedPersonsBookingsAreWrittenChangedAndRemovedWithTheirOwnToken(t *testing.T) {
	w := delegated(t)
	send(t, w, bookingOf(t, "b", 1, nil))
	settle(t, w)
	expect(t, w, "b", "aino", "ics", "not-connected")
	sign(t, w, "aino", ainos(w), connection.Up)
	expect(t, w, "b", "aino", "written", "", "b r1")
	send(t, w, bookingOf(t, "b", 2, nil))
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "b r2")
	send(t, w, bookingOf(t, "b", 3, map[string]any{"status": "cancelled"}))
	settle(t, w)
	expect(t, w, "b", "aino", "removed", "cancelled")
}

// A booking's address has no say in where it is written: the person chose.
func TestWhereAPersonConnectedIsWrittenWhateverTheBookingsAddressIs(t *testing.T) {
	w := delegated(t)
	sign(t, w, "aino", elsewhere(w), connection.Both)
	for i, email := range []any{"aino@acme.example", "aino@gmail.com", nil, "nobody@nowhere.example"} {
		id := string(rune('a' + i))
		send(t, w, bookingOf(t, id, 1, map[string]any{"people": []person{someone("aino").with("email", email)}}))
		settle(t, w)
		expect(t, w, id, "aino", "written", "", id+" r1")
		if got := where(w, id, "aino"); got != "aino@other.example" {
			t.Errorf("%v: written to %q", email, got)
		}
	}
}

func TestWhyAPersonsCalendarIsNotWritten(t *testing.T) {
	dead := func(fate graph.Fate) func(*testing.T, *world.World, connection.Connection) {
		return func(_ *testing.T, w *world.World, c connection.Connection) {
			w.Graph.Fail(c.ID, world.TokenFailure(fate))
		}
	}
	turned := func(d connection.Direction) func(*testing.T, *world.World, connection.Connection) {
		return func(t *testing.T, w *world.World, c connection.Connection) { turnTo(t, w, c, d) }
	}
	for _, test := range []struct {
		name    string
		prepare func(*testing.T, *world.World, connection.Connection)
		reason  string
	}{
		{"the token is dead", dead(graph.FateDead), "needs-reauth"},
		{"the person's consent is gone", dead(graph.FateConsent), "needs-reauth"},
		{"a policy", dead(graph.FatePolicy), "blocked-by-policy"},
		{"down only", turned(connection.Down), "direction-down-only"},
		{"none", turned(connection.None), "paused"},
		{"disconnected", func(t *testing.T, w *world.World, c connection.Connection) { disconnect(t, w, c) }, "not-connected"},
		{"no licence", func(t *testing.T, w *world.World, _ connection.Connection) { setState(w, exchange.Unlicensed) }, "mailbox-unavailable"},
		{"on premises", func(t *testing.T, w *world.World, _ connection.Connection) { setState(w, exchange.OnPremises) }, "mailbox-unavailable"},
		{"the mailbox refuses", func(t *testing.T, w *world.World, _ connection.Connection) { setState(w, exchange.OutsideScope) }, "outside-scope"},
		{"accounts of the tenant only", func(t *testing.T, w *world.World, _ connection.Connection) {
			w.Org.Accounts = "tenant"
			w.Org.State.Tenant = world.Other
		}, "not-connected"},
		{"nobody has consented", func(t *testing.T, w *world.World, _ connection.Connection) {
			w.Org.Accounts = "tenant"
			*w.Org = w.Org.Unbind()
		}, "consent-missing"},
		{"sync is off", func(t *testing.T, w *world.World, _ connection.Connection) { w.Org.Sync = false }, "sync-off"},
		{"opted out", func(t *testing.T, w *world.World, c connection.Connection) {
			w.Org.OptOut = true
			yes := true
			if err := w.Engine().Choose(context.Background(), world.Organization, "aino", engine.Choice{OptedOut: &yes}); err != nil {
				t.Fatal(err)
			}
			turnTo(t, w, c, connection.None)
		}, "opted-out"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := delegated(t)
			send(t, w, bookingOf(t, "b", 1, nil))
			settle(t, w)
			c := sign(t, w, "aino", ainos(w), connection.Up)
			expect(t, w, "b", "aino", "written", "", "b r1")
			w.Advance(time.Hour) // the organisation's consent is not new any more
			test.prepare(t, w, c)
			send(t, w, bookingOf(t, "b", 2, nil))
			pass(t, w)
			expect(t, w, "b", "aino", "ics", test.reason, "b r1")
			last, _ := w.Last("b", "aino")
			inOldTenant := w.Org.State.Tenant == world.Other // listed, not touched: no more is known of it
			if named := rowOf(t, w, "b", "aino").Event; !inOldTenant && (last.EventID != named || named == "") {
				t.Errorf("the result names event %q, the row %q: what stays must be named", last.EventID, rowOf(t, w, "b", "aino").Event)
			}
			send(t, w, bookingOf(t, "c", 1, nil))
			pass(t, w)
			expect(t, w, "c", "aino", "ics", test.reason)
		})
	}
}

// The token dies, the file comes with that very delivery, and after reconnecting all
// that was missed is written, once (T8, A16).
func TestADeadTokenMeansAFileAtOnceAndReconnectingWritesWhatWasMissed(t *testing.T) {
	for _, again := range []string{"the same account", "another account"} {
		t.Run(again, func(t *testing.T) {
			w := delegated(t)
			c := sign(t, w, "aino", ainos(w), connection.Up)
			for _, id := range []string{"kept", "changed", "gone"} {
				send(t, w, bookingOf(t, id, 1, nil))
			}
			settle(t, w)
			w.Graph.Fail(c.ID, world.TokenFailure(graph.FateDead))
			send(t, w, bookingOf(t, "changed", 2, nil))
			take(t, w)
			begin(t, w, world.Write)
			w.Finish()
			expect(t, w, "changed", "aino", "ics", "needs-reauth", "changed r1") // one invocation
			send(t, w, bookingOf(t, "gone", 2, map[string]any{"status": "cancelled"}))
			send(t, w, bookingOf(t, "new", 1, nil))
			pass(t, w)
			expect(t, w, "gone", "aino", "ics", "needs-reauth", "gone r1")
			expect(t, w, "new", "aino", "ics", "needs-reauth")

			account := w.AddAccount(world.Tenant, "aino@acme.example")
			if again == "another account" {
				account = elsewhere(w)
			}
			next, err := w.Connect(t.Context(), "aino", account, connection.Up)
			if err != nil {
				t.Fatal(err)
			}
			makePrimary(t, w, next)
			pass(t, w)
			if again == "the same account" {
				expect(t, w, "kept", "aino", "written", "", "kept r1")
				expect(t, w, "changed", "aino", "written", "", "changed r2")
				expect(t, w, "gone", "aino", "removed", "cancelled")
				expect(t, w, "new", "aino", "written", "", "new r1")
				return
			}
			// The old mailbox cannot be called: what is there stays, and is named.
			expect(t, w, "kept", "aino", "written", "", "kept r1", "kept r1")
			expect(t, w, "changed", "aino", "written", "", "changed r1", "changed r2")
			expect(t, w, "gone", "aino", "ics", "needs-reauth", "gone r1")
			expect(t, w, "new", "aino", "written", "", "new r1")
			old := state.Home{Tenant: world.Tenant, Mailbox: "aino@acme.example"}
			if diff := cmp.Diff([]state.Home{old}, rowOf(t, w, "kept", "aino").Look.Left); diff != "" {
				t.Errorf("the look names (-want +got)\n%s", diff)
			}
			if row := rowOf(t, w, "gone", "aino"); row.Home != old || row.Event == "" {
				t.Errorf("the row names %+v", row.Home)
			}
			sign(t, w, "aino", w.AddAccount(world.Tenant, "aino@acme.example"), connection.Up)
			expect(t, w, "kept", "aino", "written", "", "kept r1")
			expect(t, w, "changed", "aino", "written", "", "changed r2")
			if got := where(w, "kept", "aino"); got != "aino@other.example" {
				t.Errorf("written to %q", got)
			}
		})
	}
}

func TestANewPrimaryMovesFutureEvents(t *testing.T) {
	w := delegated(t)
	sign(t, w, "aino", ainos(w), connection.Both)
	second := sign(t, w, "aino", elsewhere(w), connection.Both)
	for _, id := range []string{"b", "c"} {
		send(t, w, bookingOf(t, id, 1, nil))
	}
	past := map[string]any{"start": map[string]any{"dateTime": "2026-11-20T11:30:00"}, "end": map[string]any{"dateTime": "2026-11-20T11:45:00"}}
	send(t, w, bookingOf(t, "over", 1, past))
	settle(t, w)
	w.Advance(3 * time.Hour)
	makePrimary(t, w, second)
	settle(t, w)
	for _, id := range []string{"b", "c"} {
		expect(t, w, id, "aino", "written", "", id+" r1")
		if got := where(w, id, "aino"); got != "aino@other.example" {
			t.Errorf("%s is in %q", id, got)
		}
	}
	if got := where(w, "over", "aino"); got != "aino@acme.example" {
		t.Errorf("what is over is in %q, want it where it was", got)
	}
}

// The old account refuses in the middle of the move: the delivery goes on to the new
// one in the same turn, and the look names what stays.
func TestATokenThatDiesDuringAMoveLeavesANamedEvent(t *testing.T) {
	w := delegated(t)
	first := sign(t, w, "aino", ainos(w), connection.Both)
	second := sign(t, w, "aino", elsewhere(w), connection.Both)
	send(t, w, bookingOf(t, "b", 1, nil))
	settle(t, w)
	makePrimary(t, w, second)
	w.Graph.Fail(first.ID, world.TokenFailure(graph.FateDead))
	if err := w.SettleWithin(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	expect(t, w, "b", "aino", "written", "", "b r1", "b r1")
	row := rowOf(t, w, "b", "aino")
	if row.Home.Mailbox != "aino@other.example" || len(row.Look.Left) != 1 || row.Look.Left[0].Mailbox != "aino@acme.example" {
		t.Errorf("the event is in %+v, the look names %+v", row.Home, row.Look.Left)
	}
	if c, err := w.Engine().Connection(t.Context(), world.Organization, first.ID); err != nil || c.State != connection.NeedsReauth {
		t.Errorf("the connection is %s, %v", c.State, err)
	}
	sign(t, w, "aino", w.AddAccount(world.Tenant, "aino@acme.example"), connection.Both)
	expect(t, w, "b", "aino", "written", "", "b r1")
}

// An event that the owner deleted from the account that was left is no obstacle to
// coming back, also where Graph remembers its transaction for ever.
func TestComingBackToAnAccountWhoseEventWasDeletedMakesANewOne(t *testing.T) {
	w := newWorld(t, exchange.Switches{Memory: exchange.Kept})
	w.Delegate("any")
	first := sign(t, w, "aino", ainos(w), connection.Both)
	second := sign(t, w, "aino", elsewhere(w), connection.Both)
	send(t, w, bookingOf(t, "b", 1, nil))
	settle(t, w)
	turnTo(t, w, first, connection.Down)
	makePrimary(t, w, second)
	pass(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1", "b r1")
	if err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Delete(w.Exchange.Events(world.Tenant, "aino@acme.example")[0].ID); err != nil {
		t.Fatal(err)
	}
	both, down := connection.Both, connection.Down
	change(t, w, second, engine.ConnectionChange{Direction: &down})
	change(t, w, first, engine.ConnectionChange{Direction: &both})
	makePrimary(t, w, first)
	if err := w.SettleWithin(time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := where(w, "b", "aino"); got != "aino@acme.example aino@other.example" {
		t.Errorf("the events are in %q", got)
	}
	if row := rowOf(t, w, "b", "aino"); row.Home.Mailbox != "aino@acme.example" || row.State != "written" {
		t.Errorf("%s in %+v", row.State, row.Home)
	}
}

// A turn that meets another primary account than before lets the whole lane follow,
// whoever should have said so.
func TestALaneFollowsItsPrimaryAccountWithoutBeingTold(t *testing.T) {
	w := delegated(t)
	sign(t, w, "aino", ainos(w), connection.Both)
	second := sign(t, w, "aino", elsewhere(w), connection.Both)
	send(t, w, bookingOf(t, "b", 1, nil))
	settle(t, w)
	if err := state.NewConnections(w.Tables).SetPrimary(t.Context(), world.Organization, key.Lane(world.Organization, key.User, "aino"), second.ID); err != nil {
		t.Fatal(err)
	}
	send(t, w, bookingOf(t, "c", 1, nil))
	settle(t, w)
	for _, id := range []string{"b", "c"} {
		if got := where(w, id, "aino"); got != "aino@other.example" {
			t.Errorf("%s is in %q", id, got)
		}
	}
}

// A look that nobody can take ends with the booking: nobody minds what is left then.
func TestALookAtAMailboxThatIsGoneForGoodEndsWhenTheBookingIsOver(t *testing.T) {
	w := delegated(t)
	first := sign(t, w, "aino", ainos(w), connection.Both)
	sign(t, w, "aino", elsewhere(w), connection.Both)
	send(t, w, bookingOf(t, "b", 1, nil))
	settle(t, w)
	disconnect(t, w, first)
	pass(t, w)
	if row := rowOf(t, w, "b", "aino"); len(row.Look.Left) != 1 {
		t.Fatalf("the look names %+v", row.Look)
	}
	settle(t, w) // day after day
	if row := rowOf(t, w, "b", "aino"); row.Look.Nonce != "" {
		t.Errorf("a look stands: %+v", row.Look)
	}
	if ends := rowOf(t, w, "b", "aino").Ends; w.Now().Before(ends) || w.Now().After(ends.Add(25*time.Hour)) {
		t.Errorf("the last look was at %s, the booking ended at %s", w.Now(), ends)
	}
	expect(t, w, "b", "aino", "written", "", "b r1", "b r1")
}

// Who had the file may have imported it before connecting: that event is taken over.
func TestConnectingAdoptsWhatAFilePutThere(t *testing.T) {
	w := delegated(t)
	send(t, w, bookingOf(t, "b", 1, nil))
	settle(t, w)
	last, _ := w.Last("b", "aino")
	done, err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Import([]byte(last.ICS.Content))
	if err != nil || len(done.Added) != 1 {
		t.Fatalf("imported %+v, %v", done, err)
	}
	sign(t, w, "aino", ainos(w), connection.Up)
	send(t, w, bookingOf(t, "b", 2, nil))
	settle(t, w)
	if got, _ := w.Last("b", "aino"); got.State != "written" || got.EventID != done.Added[0] {
		t.Errorf("%s/%s as %s, want the imported %s", got.State, got.Reason, got.EventID, done.Added[0])
	}
	if events := w.Exchange.Events(world.Tenant, "aino@acme.example"); len(events) != 1 || events[0].Subject != "b r2" {
		t.Errorf("the mailbox holds %+v", events)
	}
}

// What was adopted carries no mark; left behind, it is found by its UID.
func TestAnAdoptedEventThatWasLeftBehindIsFoundAgain(t *testing.T) {
	w := delegated(t)
	send(t, w, bookingOf(t, "b", 1, nil))
	settle(t, w)
	last, _ := w.Last("b", "aino")
	if _, err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Import([]byte(last.ICS.Content)); err != nil {
		t.Fatal(err)
	}
	first := sign(t, w, "aino", ainos(w), connection.Up)
	second := sign(t, w, "aino", elsewhere(w), connection.Up)
	turnTo(t, w, first, connection.Down)
	makePrimary(t, w, second)
	pass(t, w)
	if n := len(w.Exchange.Events(world.Tenant, "aino@acme.example")); n != 1 {
		t.Fatalf("%d events in the old mailbox, want the adopted one to stay", n)
	}
	turnTo(t, w, first, connection.Both)
	if n := len(w.Exchange.Events(world.Tenant, "aino@acme.example")); n != 0 {
		t.Errorf("%d events in the old mailbox, want none", n)
	}
	expect(t, w, "b", "aino", "written", "", "b r1")
}

// Two people who connected one account get one event between them, also where the
// bookings know them by other addresses.
func TestPeopleWhoConnectedOneAccountGetOneEvent(t *testing.T) {
	w := delegated(t)
	shared := w.AddAccount(world.Tenant, "desk@acme.example")
	sign(t, w, "aino", shared, connection.Up)
	second := sign(t, w, "bert", shared, connection.Up)
	both := map[string]any{"people": []person{someone("aino"), someone("bert").with("email", "desk@acme.example")}}
	send(t, w, bookingOf(t, "b", 1, both))
	settle(t, w)
	states := func() (written, duplicate string) {
		for _, user := range []string{"aino", "bert"} {
			last, _ := w.Last("b", user)
			switch {
			case last.State == "written":
				written += user
			case last.Reason == "duplicate-recipient":
				duplicate += user
			}
		}
		return
	}
	if n := len(w.Exchange.Events(world.Tenant, "desk@acme.example")); n != 1 {
		t.Errorf("%d events in the mailbox", n)
	}
	if written, duplicate := states(); written == "" || duplicate == "" {
		t.Errorf("written %q, duplicate %q", written, duplicate)
	}
	own := sign(t, w, "bert", w.AddAccount(world.Tenant, "bert@acme.example"), connection.Up)
	makePrimary(t, w, own)
	settle(t, w)
	_ = second
	expect(t, w, "b", "aino", "written", "", "b r1")
	expect(t, w, "b", "bert", "written", "", "b r1")
}

func TestRoomsOfAnOrganisationWhosePeopleSignInGetNoEvents(t *testing.T) {
	w := delegated(t)
	sign(t, w, "aino", ainos(w), connection.Up)
	send(t, w, bookingOf(t, "b", 1, map[string]any{"rooms": []string{"r-204"}}))
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1")
	lane := key.Lane(world.Organization, key.Room, "r-204")
	row, err := state.NewLanes(w.Tables).Delivery(t.Context(), lane, key.Delivery(world.Organization, "b", key.Room, "r-204"))
	if err != nil || row.State != "ics" || row.Reason != "not-connected" {
		t.Errorf("%s/%s, %v", row.State, row.Reason, err)
	}
}

// A token endpoint that is down closes nothing: the write waits and is made.
func TestAFailureOfTheTokenEndpointThatPassesIsWaitedFor(t *testing.T) {
	w := delegated(t)
	c := sign(t, w, "aino", ainos(w), connection.Up)
	w.Graph.Fail(c.ID, world.TokenFailure(graph.FatePassing))
	send(t, w, bookingOf(t, "b", 1, nil))
	if err := w.SettleWithin(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	expect(t, w, "b", "aino", "", "")
	sign(t, w, "aino", w.AddAccount(world.Tenant, "aino@acme.example"), connection.Up)
	expect(t, w, "b", "aino", "written", "", "b r1")
}

// A write with a person's token costs one request more, to connections, and no request
// to Graph more (issue 5, Speed).
func TestAWriteWithAPersonsTokenCostsOneTableRequestMore(t *testing.T) {
	w := delegated(t)
	sign(t, w, "aino", ainos(w), connection.Up)
	send(t, w, bookingOf(t, "first", 1, nil))
	settle(t, w)
	for i := range 20 {
		send(t, w, bookingOf(t, "b"+string(rune('a'+i)), 1, nil))
		take(t, w)
	}
	from := len(w.Effects)
	begin(t, w, world.Write)
	w.Finish()
	want := map[string]int{"query lanes": 1, "query connections": 1, "get lanes": 20, "apply lanes": 2, "get bookings": 20,
		"graph create ×20": 1, "send changes": 1, "apply ledger": 1}
	if diff := cmp.Diff(want, count(w, from)); diff != "" {
		t.Errorf("twenty (-want +got)\n%s", diff)
	}
	settle(t, w)
	send(t, w, bookingOf(t, "first", 2, nil))
	take(t, w)
	from = len(w.Effects)
	begin(t, w, world.Write)
	w.Finish()
	want = map[string]int{"query lanes": 1, "query connections": 1, "get lanes": 1, "apply lanes": 2, "get bookings": 1,
		"graph patch ×1": 1, "send changes": 1, "apply ledger": 1}
	if diff := cmp.Diff(want, count(w, from)); diff != "" {
		t.Errorf("one (-want +got)\n%s", diff)
	}
}

// The first write needs no question who has the mailbox: connecting asked it.
func TestTheFirstWriteWithAPersonsTokenAsksNobody(t *testing.T) {
	w := delegated(t)
	sign(t, w, "aino", ainos(w), connection.Up)
	from := len(w.Effects)
	send(t, w, bookingOf(t, "b", 1, nil))
	take(t, w)
	begin(t, w, world.Write)
	w.Finish()
	if got := count(w, from); got["graph mailbox"] != 0 || got["graph create ×1"] != 1 {
		t.Errorf("%v", got)
	}
}

// A move asks one $batch of each account.
func TestAMoveMakesOneBatchForEachAccount(t *testing.T) {
	w := delegated(t)
	sign(t, w, "aino", ainos(w), connection.Both)
	second := sign(t, w, "aino", elsewhere(w), connection.Both)
	for i := range 5 {
		send(t, w, bookingOf(t, "b"+string(rune('a'+i)), 1, nil))
	}
	settle(t, w)
	from := len(w.Effects)
	makePrimary(t, w, second)
	settle(t, w)
	got := count(w, from)
	if got["graph delete ×5"] != 1 || got["graph create ×5"] != 1 || asked(w, from) != 2 {
		t.Errorf("%v", got)
	}
}
