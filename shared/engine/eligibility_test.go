package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/graph"
)

// with returns a copy of a person with other members.
func (p person) with(member string, value any) person {
	out := person{}
	for k, v := range p {
		out[k] = v
	}
	if value == nil {
		delete(out, member)
	} else {
		out[member] = value
	}
	return out
}

func TestWhoGetsWhat(t *testing.T) {
	aino := someone("aino")
	past := map[string]any{"start": map[string]any{"dateTime": "2026-11-18T10:00:00"}, "end": map[string]any{"dateTime": "2026-11-18T11:00:00"}}
	for _, test := range []struct {
		name    string
		booking map[string]any
		prepare func(*world.World)
		state   string
		reason  string
		events  []string
	}{
		{name: "a participant", state: "written", events: []string{"b r1"}},
		{name: "the module is off", prepare: func(w *world.World) { w.Org.Module = false }, state: "skipped", reason: "module-off"},
		{name: "sync is off", prepare: func(w *world.World) { w.Org.Sync = false }, state: "ics", reason: "sync-off"},
		{name: "no tenant", prepare: func(w *world.World) { *w.Org = w.Org.Unbind() }, state: "ics", reason: "consent-missing"},
		{name: "nobody has connected", prepare: func(w *world.World) { w.Org.Permission = "delegated" }, state: "ics", reason: "not-connected"},
		{name: "not assigned", booking: map[string]any{"people": []person{aino.with("assigned", false)}}, state: "skipped", reason: "not-assigned"},
		{name: "not assigned, but the organiser", booking: map[string]any{"people": []person{aino.with("assigned", false).with("role", "organizer")}},
			state: "written", events: []string{"b r1"}},
		{name: "no time yet", booking: map[string]any{"start": nil, "end": nil}, state: "skipped", reason: "not-scheduled"},
		{name: "over", booking: past, state: "skipped", reason: "in-the-past"},
		{name: "over, but within the days that are filled in", booking: past, prepare: func(w *world.World) { w.Org.BackfillPastDays = 90 },
			state: "written", events: []string{"b r1"}},
		{name: "cancelled before anything was written", booking: map[string]any{"status": "cancelled"}, state: "skipped", reason: "cancelled"},
		{name: "a series", booking: map[string]any{"recurrence": map[string]any{"rrule": "FREQ=WEEKLY;COUNT=3"}}, state: "ics", reason: "recurrence-unsupported"},
		{name: "no address", booking: map[string]any{"people": []person{aino.with("email", nil)}}, state: "ics", reason: "mailbox-not-found"},
		{name: "an address of nobody", booking: map[string]any{"people": []person{aino.with("email", "nobody@acme.example")}}, state: "ics", reason: "mailbox-not-found"},
		{name: "a closed mailbox", prepare: func(w *world.World) { setState(w, exchange.OutsideScope) }, state: "ics", reason: "outside-scope"},
		{name: "on premises", prepare: func(w *world.World) { setState(w, exchange.OnPremises) }, state: "ics", reason: "mailbox-unavailable"},
		{name: "on premises without federation", prepare: func(w *world.World) { setState(w, exchange.NoFederation) }, state: "ics", reason: "mailbox-unavailable"},
		{name: "unlicensed", prepare: func(w *world.World) { setState(w, exchange.Unlicensed) }, state: "ics", reason: "mailbox-unavailable"},
		{name: "soft-deleted", prepare: func(w *world.World) { setState(w, exchange.SoftDeleted) }, state: "ics", reason: "mailbox-unavailable"},
		{name: "in the directory only", prepare: func(w *world.World) { setState(w, exchange.NoMailbox) }, state: "ics", reason: "mailbox-unavailable"},
		{name: "an account beside the address", booking: map[string]any{"people": []person{aino.with("email", "a@home.example").with("account", "aino@acme.example")}},
			state: "written", events: []string{"b r1"}},
		{name: "upper case", booking: map[string]any{"people": []person{aino.with("email", "AINO@Acme.Example")}}, state: "written", events: []string{"b r1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, exchange.Switches{})
			if test.prepare != nil {
				test.prepare(w)
			}
			change := map[string]any{"title": "b r1"}
			for k, v := range test.booking {
				change[k] = v
			}
			send(t, w, bookingOf(t, "b", 1, change))
			settle(t, w)
			expect(t, w, "b", "aino", test.state, test.reason, test.events...)
		})
	}
}

func setState(w *world.World, s exchange.State) {
	if err := w.Exchange.SetState(world.Tenant, "aino@acme.example", s); err != nil {
		panic(err)
	}
}

func TestOneMailboxGetsOneEventByWhateverAddress(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.AddMailbox("dora@acme.example", "dora.alias@acme.example", "d@acme.example")
	twice := func(first, second string) map[string]any {
		return map[string]any{"people": []person{someone("d1").with("email", first), someone("d2").with("email", second)}}
	}
	for booking, people := range map[string]map[string]any{
		"same":    twice("dora@acme.example", "DORA@Acme.example"),
		"owner":   twice("dora@acme.example", "dora.alias@acme.example"),
		"aliases": twice("d@acme.example", "dora.alias@acme.example"),
	} {
		send(t, w, bookingOf(t, booking, 1, people))
		settle(t, w)
		events := append(w.Ours(booking, "d1"), w.Ours(booking, "d2")...)
		if len(events) != 1 {
			t.Errorf("%s: %d events, want one", booking, len(events))
		}
		first, _ := w.Last(booking, "d1")
		second, _ := w.Last(booking, "d2")
		if first.Reason == second.Reason || first.Reason+second.Reason != "duplicate-recipient" {
			t.Errorf("%s: %s/%s and %s/%s, want one written and one duplicate", booking, first.State, first.Reason, second.State, second.Reason)
		}
	}
}

func TestSwitchingOffLeavesTheEventAndOnCorrectsIt(t *testing.T) {
	w := written(t)
	w.Org.Sync = false
	revise(t, w, 2, "B")
	settle(t, w)
	expect(t, w, "b", "aino", "ics", "sync-off", "A")
	if last, _ := w.Last("b", "aino"); last.EventID == "" {
		t.Error("the event that is left is not named")
	}
	w.Org.Sync = true
	revise(t, w, 3, "C")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "C")
}

func TestAUsersDeletionHoldsAsTheOrganisationSays(t *testing.T) {
	for _, test := range []struct {
		rule   string
		later  map[string]any
		events []string
	}{
		{"never", map[string]any{"title": "B"}, nil},
		{"never", map[string]any{"title": "B", "status": "tentative"}, nil},
		{"time", map[string]any{"title": "B"}, nil},
		{"time", map[string]any{"title": "B", "status": "tentative"}, []string{"B"}},
		{"always", map[string]any{"title": "B"}, []string{"B"}},
	} {
		w := written(t)
		w.Org.RecreateRemoved = test.rule
		if err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Delete(w.Ours("b", "aino")[0].ID); err != nil {
			t.Fatal(err)
		}
		revise(t, w, 2, "A2") // finds out
		settle(t, w)
		expect(t, w, "b", "aino", "skipped", "removed-by-user")
		send(t, w, bookingOf(t, "b", 3, test.later))
		settle(t, w)
		if len(test.events) > 0 {
			expect(t, w, "b", "aino", "written", "", test.events...)
		} else {
			expect(t, w, "b", "aino", "skipped", "removed-by-user")
		}
	}
}

func TestAnOutageOfADayEndsInAFileAndAnAlert(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	for i := 0; i < 200; i++ {
		k := w.Begin(world.Write)
		if k == nil {
			w.Advance(10 * time.Minute)
			continue
		}
		for len(w.Workers) > 0 {
			v := world.Go
			if len(k.At) > 5 && k.At[:5] == "graph" {
				v = world.Fail
			}
			w.Step(k, v)
		}
		if last, _ := w.Last("b", "aino"); last.State != "" {
			break
		}
	}
	expect(t, w, "b", "aino", "ics", "gave-up")
	if w.Now().Sub(world.Start()) < 24*time.Hour {
		t.Errorf("gave up after %v", w.Now().Sub(world.Start()))
	}
	revise(t, w, 2, "B") // a newer revision is not given up
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "B")
}

// Nothing is retried for ever: what never succeeds is given up once, with one alert, and
// then only looked at, once a day, until the booking is over.
func TestWhatNeverSucceedsIsGivenUpOnceAndComesToRest(t *testing.T) {
	for name, fate := range map[string]twin.Fate{
		"500":         {Effect: twin.Answer, Status: 500, Code: "ErrorInternalServerError"},
		"404":         {Effect: twin.Answer, Status: 404, Code: "ErrorItemNotFound"}, // although a search finds it
		"412":         {Effect: twin.Answer, Status: 412, Code: "ErrorIrresolvableConflict"},
		"lost":        {Effect: twin.Lose},
		"answer lost": {Effect: twin.LoseAnswer},
	} {
		for _, all := range []bool{false, true} {
			if all && name == "404" {
				continue // then it was deleted
			}
			w := written(t)
			ends := rowOf(t, w, "b", "aino").Ends
			w.Before = func(v twin.Visit) twin.Fate {
				if v.Call != nil && (all || v.Call.Op == graph.Patch) {
					return fate
				}
				return twin.Fate{}
			}
			revise(t, w, 2, "B")
			from := len(w.Effects)
			if err := w.SettleWithin(60 * time.Hour); err != nil { // results stay on the topic for a few days
				t.Fatalf("%s, all %v: %v", name, all, err)
			}
			given, alerts := 0, 0
			for _, r := range w.Results() {
				if r.Reason == "gave-up" {
					given++
				}
			}
			for _, m := range w.Broker.Peek(world.Changes) {
				if m.Subject == "calbridge.alert.v1" {
					alerts++
				}
			}
			if given != 1 || alerts != 1 {
				t.Errorf("%s, all %v: given up %d times, %d alerts, want one of each", name, all, given, alerts)
			}
			firstDays := len(w.Effects)
			settle(t, w)
			calls := 0
			for _, e := range w.Effects[firstDays:] {
				if strings.HasPrefix(e, "graph patch") || strings.HasPrefix(e, "graph get") || strings.HasPrefix(e, "graph find") {
					calls++
				}
			}
			if days := int(ends.Sub(world.Start()).Hours() / 24); calls > 13*days {
				t.Errorf("%s, all %v: %d calls in the %d days after giving up, %d before", name, all, calls, days, firstDays-from)
			}
			if w.Now().After(ends.Add(25 * time.Hour)) {
				t.Errorf("%s, all %v: at rest at %v, the booking ended at %v", name, all, w.Now(), ends)
			}
			if row := rowOf(t, w, "b", "aino"); row.Event == "" || row.Reason != "gave-up" {
				t.Errorf("%s, all %v: the row is %+v, want the event named", name, all, row)
			}
			w.Before = nil
			revise(t, w, 3, "C")
			settle(t, w)
			expect(t, w, "b", "aino", "written", "", "C")
		}
	}
}

func TestATenantThatIsLeftIsNotTouched(t *testing.T) {
	w := written(t)
	const other = "9e0c4bb8-6b6e-4c70-9e46-cf2d2ad0d001"
	w.Exchange.AddTenant(other)
	w.Exchange.AddUser(other, exchange.User{Principal: "aino@acme.example", Mail: "aino@acme.example"})
	moved, err := w.Org.Unbind().Bind(other, world.Start().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	w.Org = &moved
	revise(t, w, 2, "B")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A", "B")
}
