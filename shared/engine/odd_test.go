package engine_test

import (
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/queue"
)

func TestOddAddressesEndInAnEventAFileOrAFaultAndNeverInARetry(t *testing.T) {
	for address, want := range map[string]string{
		"AINO@ACME.EXAMPLE":            "written",
		"aino+trips@acme.example":      "ics",
		"o'neill@acme.example":         "written",
		`"quoted name"@acme.example`:   "ics",
		"päivi@acme.example":           "written",
		"aino@münchen.example":         "ics",
		"very.common@gmail.com":        "ics",
		"a%2Fb@acme.example":           "ics",
		"../admin@acme.example":        "ics",
		"aino@acme.example?x=1":        "ics",
		"aino@acme.example/calendar#x": "ics",
	} {
		w := newWorld(t, exchange.Switches{})
		w.AddMailbox("o'neill@acme.example")
		w.AddMailbox("päivi@acme.example")
		send(t, w, bookingOf(t, "b", 1, map[string]any{"people": []person{someone("aino").with("email", address)}}))
		settle(t, w)
		last, err := w.Last("b", "aino")
		if rejected := len(w.Broker.Peek(queue.Rejected)); err != nil || last.State != want && rejected != 1 {
			t.Errorf("%q: %s/%s, %d rejected, %v; want %s", address, last.State, last.Reason, rejected, err, want)
		}
		if n := w.DeadLetters() + len(w.Broker.Peek(queue.Deliveries)); n > 0 {
			t.Errorf("%q: %d messages are left", address, n)
		}
	}
}

func TestAPersonNamedTwiceGetsOneEvent(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	twice := []person{someone("aino").with("assigned", false), someone("aino").with("role", "organizer")}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": twice}))
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1")
	if n := len(w.Results()); n != 1 {
		t.Errorf("%d results, want 1", n)
	}
}

func TestAnOrganisationDeletedInTheMiddleLeavesItsEventsAndEndsWhatIsOwed(t *testing.T) {
	w := written(t)
	revise(t, w, 2, "B")
	org := w.Org
	w.Org = nil
	settle(t, w)
	expect(t, w, "b", "aino", "skipped", "module-off", "A")
	send(t, w, bookingOf(t, "b", 3, nil)) // of an unknown organisation by now
	settle(t, w)
	if n := len(w.Broker.Peek(queue.Rejected)); n != 1 {
		t.Errorf("%d rejected, want 1", n)
	}
	w.Org = org
	revise(t, w, 3, "C")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "C")
}

func TestAThousandPeopleGetOneResultEach(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	var people []person
	for i := range 1000 {
		user := fmt.Sprintf("p%04d", i)
		if i%2 == 0 {
			w.AddMailbox(user + "@acme.example")
		}
		people = append(people, someone(user))
	}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": people}))
	settle(t, w)
	states := map[string]int{}
	for _, r := range w.Results() {
		states[r.State+"/"+r.Reason]++
	}
	if states["written/"] != 500 || states["ics/mailbox-not-found"] != 500 || len(states) != 2 {
		t.Errorf("%v", states)
	}
}

func TestATitleOfAnythingReachesCalendarAndFile(t *testing.T) {
	for _, title := range []string{"🎉✈️ 出張 \u202e", "a\r\nBEGIN:VEVENT\r\nb", `;,\n\\"'<b>&amp;`, "\x00\x07\x1b[31m", "o'clock"} {
		w := newWorld(t, exchange.Switches{})
		send(t, w, bookingOf(t, "b", 1, map[string]any{"title": title}))
		send(t, w, bookingOf(t, "c", 1, map[string]any{"title": title, "people": []person{someone("bert").with("email", "no@acme.example")}}))
		settle(t, w)
		if len(w.Broker.Peek(queue.Rejected)) == 2 {
			continue // told, and nothing lost
		}
		if last, _ := w.Last("b", "aino"); last.State != "written" {
			t.Errorf("%q: %+v", title, last)
		}
		if last, _ := w.Last("c", "bert"); last.ICS == nil || last.ICS.Content == "" {
			t.Errorf("%q: no file", title)
		}
	}
}
