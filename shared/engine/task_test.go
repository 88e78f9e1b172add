package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
)

func TestSwitchingOnWritesWhatIsCurrentAndUpcomingOnce(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync = false
	for i := range 25 {
		send(t, w, bookingOf(t, fmt.Sprintf("b%02d", i), 1, map[string]any{"people": []person{someone("aino"), someone("bert")}}))
	}
	past := map[string]any{"start": map[string]any{"dateTime": "2026-11-18T10:00:00"}, "end": map[string]any{"dateTime": "2026-11-18T11:00:00"}}
	send(t, w, bookingOf(t, "past", 1, past))
	settle(t, w)
	expect(t, w, "b00", "aino", "ics", "sync-off")

	if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil {
		t.Fatal(err)
	}
	w.Org.Sync = true
	settle(t, w)
	for i := range 25 {
		for _, user := range []string{"aino", "bert"} {
			expect(t, w, fmt.Sprintf("b%02d", i), user, "written", "", fmt.Sprintf("b%02d r1", i))
		}
	}
	expect(t, w, "past", "aino", "ics", "sync-off")

	results := len(w.Results())
	if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil { // again: nothing is new
		t.Fatal(err)
	}
	settle(t, w)
	if n := len(w.Results()); n != results {
		t.Errorf("%d results more for what is in the calendar already", n-results)
	}
}

func TestABackfillWakesTwentyLanesASecond(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	var people []person
	for i := range 450 {
		people = append(people, someone(fmt.Sprintf("p%03d", i)))
	}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": people, "status": "cancelled"}))
	settle(t, w)
	if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil {
		t.Fatal(err)
	}
	w.Advance(20 * time.Second)
	start := w.Now()
	for w.Begin(world.Task) != nil || w.Now().Sub(start) < 40*time.Second {
		w.Finish()
		w.Advance(time.Second)
		waiting := len(w.Broker.Peek(queue.MailboxTasks))
		if spent := w.Now().Sub(start); waiting == 0 && spent < 21*time.Second {
			t.Fatalf("450 lanes were done after %v", spent)
		}
	}
}

func TestAChangedSettingReachesEventsThatAreThere(t *testing.T) {
	w := written(t)
	w.Org.ReminderMinutes = 45
	if err := w.Engine().Reconcile(t.Context(), world.Organization, "settings"); err != nil {
		t.Fatal(err)
	}
	settle(t, w)
	if got := w.Ours("b", "aino")[0].ReminderMinutes; got != 45 {
		t.Errorf("reminder %d minutes before, want 45", got)
	}
}

func TestAMailboxThatComesBackIsPickedUpByTheDailyCheck(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	setState(w, exchange.Unlicensed)
	revise(t, w, 1, "A")
	settle(t, w)
	expect(t, w, "b", "aino", "ics", "mailbox-unavailable")
	calls := len(w.Effects)
	for hour := range 30 {
		if hour == 26 {
			setState(w, exchange.Ready)
		}
		w.Advance(time.Hour)
		if err := w.Engine().KeepAlive(t.Context()); err != nil {
			t.Fatal(err)
		}
		settle(t, w)
	}
	if n := count(w, calls)["graph mailbox"]; n != 1 {
		t.Errorf("%d looks at the mailbox in 30 hours, want 1", n)
	}
	expect(t, w, "b", "aino", "ics", "mailbox-unavailable")
	for range 24 {
		w.Advance(time.Hour)
		if err := w.Engine().KeepAlive(t.Context()); err != nil {
			t.Fatal(err)
		}
		settle(t, w)
	}
	expect(t, w, "b", "aino", "written", "", "A")
}

// A task that nobody knows goes the way of dead letters: three times more, and then there
// is an alert, with nothing of its text in it. One of an organisation that is gone ends.
func TestATaskNobodyKnowsEndsInAnAlertAndIsNoPoison(t *testing.T) {
	for body, kind := range map[string]string{"{": "unknown", `{"v":1,"op":"dance","organization":"acme","lane":"x"}`: "dance", `{"v":1,"op":"probe","organization":"acme"}`: "probe",
		`{"v":1,"op":"<b>aino@acme.example","organization":"acme"}`: "unknown", `{"v":1,"op":"probe"}`: "probe", `{"v":1,"op":"backfill","organization":"nobody"}`: ""} {
		w := newWorld(t, exchange.Switches{})
		if err := w.Bus.Send(t.Context(), queue.MailboxTasks, queue.Message{ID: "t", SessionID: "s", Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		settle(t, w)
		for range 10 {
			w.Advance(time.Minute)
			settle(t, w)
		}
		var alerts []string
		for _, m := range w.Broker.Peek(world.Changes) {
			if m.Subject == outbound.TypeAlert {
				alerts = append(alerts, string(m.Body))
			}
		}
		if kind == "" && len(alerts) > 0 || kind != "" && (len(alerts) != 1 || !strings.Contains(alerts[0], "A task of kind "+kind+" was given up.")) {
			t.Errorf("%s: %s", body, alerts)
		}
		if n := w.DeadLetters() + len(w.Broker.Peek(queue.MailboxTasks)); n > 0 {
			t.Errorf("%s: %d messages are left", body, n)
		}
	}
}

func TestTwoBackfillsOfAnOrganisationKeepTheLimitTogether(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	var people []person
	for i := range 450 {
		people = append(people, someone(fmt.Sprintf("p%03d", i)))
	}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": people, "status": "cancelled"}))
	settle(t, w)
	order := func() {
		if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil {
			t.Fatal(err)
		}
	}
	order()
	for second := range 90 {
		if second == 25 {
			order() // while the first one's turns are given out
		}
		w.Advance(time.Second)
		turns := 0
		for w.Begin(world.Task) != nil {
			w.Finish()
			turns++
		}
		if turns > 22 { // twenty lanes, and a page of each
			t.Fatalf("%d lanes had their turn in second %d", turns, second)
		}
	}
	if n := len(w.Broker.Peek(queue.MailboxTasks)); n > 0 {
		t.Errorf("%d tasks are left", n)
	}
}
