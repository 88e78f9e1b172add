package engine_test

import (
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
)

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
