package engine_test

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// asked is how often Graph was called since the world's log had n entries.
func asked(w *world.World, n int) int {
	calls := 0
	for _, e := range w.Effects[n:] {
		if strings.HasPrefix(e, "graph") {
			calls++
		}
	}
	return calls
}

func TestAPersonalAddressGetsAFileBeforeGraphIsAsked(t *testing.T) {
	for _, address := range []string{"aino@gmail.com", "Aino+trips@GoogleMail.com", "aino@outlook.com", "aino@yandex.ru", "aino@mail.ru", "aino@hotmail.fi"} {
		w := newWorld(t, exchange.Switches{})
		send(t, w, bookingOf(t, "b", 1, map[string]any{"people": []person{someone("aino").with("email", address)}}))
		settle(t, w)
		expect(t, w, "b", "aino", "ics", "personal-mailbox")
		if n := asked(w, 0); n > 0 {
			t.Errorf("%s: %d calls of Graph, want none", address, n)
		}
		if got := whoIs(t, w, "aino").Mailbox; got != "personal-mailbox" {
			t.Errorf("%s: the list says %q", address, got)
		}
	}
}

func TestAnAccountIsBelievedWhateverTheAddressIs(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": []person{someone("aino").with("email", "aino@gmail.com").with("account", "aino@acme.example")}}))
	send(t, w, bookingOf(t, "c", 1, map[string]any{"people": []person{someone("carl").with("account", "carl@gmail.com")}}))
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1")
	expect(t, w, "c", "carl", "ics", "mailbox-not-found") // asked, as an account
}

func TestWhoMovesToAPersonalAddressLosesTheEventThatWasTouched(t *testing.T) {
	w := written(t)
	from := len(w.Effects)
	send(t, w, bookingOf(t, "b", 2, map[string]any{"people": []person{someone("aino").with("email", "aino@gmail.com")}}))
	settle(t, w)
	expect(t, w, "b", "aino", "ics", "personal-mailbox")
	for _, e := range w.Effects[from:] {
		if e == "graph mailbox" {
			t.Error("Graph was asked for a personal address")
		}
	}
	send(t, w, bookingOf(t, "b", 3, nil))
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "b r3")
}

// whoIs is the people row of somebody.
func whoIs(t *testing.T, w *world.World, user string) state.Person {
	t.Helper()
	who, err := state.NewPeople(w.Tables).Person(t.Context(), world.Organization, key.Lane(world.Organization, key.User, user))
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func TestTheListSaysWhatTheWriterLearntOfAMailboxAndOnlyNews(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	if got := whoIs(t, w, "aino").Mailbox; got != "unknown" {
		t.Errorf("before anything was written: %q", got)
	}
	settle(t, w)
	told := func(want string, requests int, from int) {
		t.Helper()
		if got := whoIs(t, w, "aino").Mailbox; got != want {
			t.Errorf("the list says %q, want %q", got, want)
		}
		if n := count(w, from)["apply people"]; n != requests {
			t.Errorf("%d requests to people, want %d", n, requests)
		}
	}
	write := func(number int64, title string) int {
		revise(t, w, number, title)
		from := len(w.Effects)
		settle(t, w)
		return from
	}
	told("ok", 2, 0) // intake, and the news
	told("ok", 0, write(2, "B"))
	setState(w, exchange.OutsideScope)
	told("outside-scope", 1, write(3, "C"))
	told("outside-scope", 0, write(4, "D"))
	setState(w, exchange.Ready)
	told("ok", 1, write(5, "E"))
	expect(t, w, "b", "aino", "written", "", "E")
}
