package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

// alerts are the codes of the alerts that were published.
func alerts(w *world.World) (n int) {
	for _, m := range w.Broker.Peek(world.Changes) {
		if m.Subject == outbound.TypeAlert {
			n++
		}
	}
	return n
}

// within lets a build do what comes within some time.
func within(t interface{ Fatal(...any) }, w *world.World, v version.Version, d time.Duration) {
	w.Version = v
	if err := w.SettleWithin(d); err != nil {
		t.Fatal(err)
	}
}

// While an update rolls, builds of both versions take whatever comes. What one of version
// 1 cannot read waits for one of version 2; in the end everything is as if there had been
// one build, and nothing was given up.
func TestARollingUpdateMixesBuildsAndLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, exchange.Switches{})
		revision := map[string]int64{}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if id := rapid.SampledFrom([]string{"a", "b", ""}).Draw(rt, "booking"); id != "" {
				revision[id]++
				if err := w.Send(t.Context(), bookingJSON(id, revision[id], map[string]any{"people": []person{someone("aino"), someone("bert")}})); err != nil {
					rt.Fatal(err)
				}
			}
			v := version.Version(rapid.IntRange(1, 2).Draw(rt, "version"))
			within(rt, w, v, time.Duration(rapid.IntRange(1, 20).Draw(rt, "minutes"))*time.Minute)
		}
		within(rt, w, 2, time.Hour)
		for id, r := range revision {
			for _, user := range []string{"aino", "bert"} {
				if ours := w.Ours(id, user); len(ours) != 1 || ours[0].Subject != fmt.Sprintf("%s r%d", id, r) {
					rt.Errorf("%s of %s: %v, want revision %d", id, user, ours, r)
				}
			}
		}
		if n := alerts(w) + w.DeadLetters() + len(w.Broker.Peek(queue.Rejected)); n != 0 {
			rt.Errorf("%d alerts, dead letters and rejected messages", n)
		}
	})
}

// After a rollback there is no build that reads what the newer one wrote. The booking is
// kept, with an alert, in bookings-rejected after a day; what was owed before stands in
// rows that nobody touched, and is done when the newer build is back.
func TestARollbackTouchesNothingThatItCannotRead(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	send(t, w, bookingOf(t, "b", 1, nil))
	within(t, w, 2, time.Hour)
	before := fmt.Sprint(w.Ours("b", "aino"))
	send(t, w, bookingOf(t, "b", 2, nil))
	if err := w.Bus.Send(t.Context(), queue.Deliveries, wakeOf("aino", `{"v":2,"op":"wake"}`)); err != nil {
		t.Fatal(err)
	}
	within(t, w, 1, 23*time.Hour)
	if n := alerts(w); n != 0 {
		t.Errorf("%d alerts within a day", n)
	}
	within(t, w, 1, 4*time.Hour)
	if n := alerts(w); n != 2 || len(w.Broker.Peek(queue.Rejected)) != 1 {
		t.Errorf("%d alerts after a day, %d rejected", n, len(w.Broker.Peek(queue.Rejected)))
	}
	if after := fmt.Sprint(w.Ours("b", "aino")); after != before {
		t.Errorf("the calendar has changed: %s", after)
	}
	if len(w.Broker.Peek(queue.Deliveries)) != 1 {
		t.Errorf("%d wake-ups: the lane is to be looked at again", len(w.Broker.Peek(queue.Deliveries)))
	}
	w.Version = 2
	if _, err := w.Engine().Redrive(t.Context(), engine.Redrive{Kind: engine.RedriveRejected, Max: 10}); err != nil {
		t.Fatal(err)
	}
	within(t, w, 2, 3*time.Hour)
	expect(t, w, "b", "aino", "written", "", "b r2")
}

func wakeOf(user, body string) queue.Message {
	return queue.Message{ID: key.Random(), SessionID: key.Lane(world.Organization, key.User, user).String(), Body: []byte(body)}
}

// A wake-up whose operation is unknown is no order to give up; one that cannot be read at
// all is a wake-up, and one of no lane ends in an alert.
func TestAWakeUpThatIsNotUnderstoodGivesNothingUp(t *testing.T) {
	for body, want := range map[string]int{`{"v":1,"op":"dance"}`: 1, `{"v":7,"op":"give-up"}`: 1, `{`: 0, ``: 0} {
		w := newWorld(t, exchange.Switches{})
		send(t, w, bookingOf(t, "b", 1, nil))
		m := wakeOf("aino", body)
		m.Properties = map[string]any{"before": w.Now().Add(100 * time.Hour).Format(time.RFC3339Nano)}
		if err := w.Bus.Send(t.Context(), queue.Deliveries, m); err != nil {
			t.Fatal(err)
		}
		within(t, w, 1, 40*time.Hour)
		expect(t, w, "b", "aino", "written", "", "b r1")
		if n := alerts(w); n != want {
			t.Errorf("%q: %d alerts, want %d", body, n, want)
		}
	}
	w := newWorld(t, exchange.Switches{})
	if err := w.Bus.Send(t.Context(), queue.Deliveries, queue.Message{ID: "m", SessionID: "no lane", Body: []byte(`{"v":1,"op":"wake"}`)}); err != nil {
		t.Fatal(err)
	}
	within(t, w, 1, time.Hour)
	if n := alerts(w); n != 1 || len(w.Broker.Peek(queue.Deliveries)) != 0 {
		t.Errorf("%d alerts", n)
	}
}

// A timer goes through what it can read, and says that there is more.
func TestATimerGoesOnBehindARowOfANewerBuild(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	for i, id := range []string{"a", "b"} {
		w.Version = version.Version(2 - i)
		send(t, w, bookingOf(t, id, 1, map[string]any{"people": []person{someone([]string{"aino", "bert"}[i])}}))
		k := w.Begin(world.Intake)
		for k.At != "" && len(w.Workers) > 0 {
			w.Step(k, world.Go)
		}
	}
	for _, m := range w.Broker.Peek(queue.Deliveries) {
		t.Log(m.SessionID)
	}
	w.Version = 1
	w.Advance(30 * time.Minute)
	before := len(w.Broker.Peek(queue.Deliveries))
	if err := w.Engine().Sweep(t.Context()); !version.Is(err) {
		t.Errorf("%v", err)
	}
	woken := w.Broker.Peek(queue.Deliveries)[before:]
	if len(woken) != 1 || woken[0].SessionID != key.Lane(world.Organization, key.User, "bert").String() {
		t.Errorf("%d woken", len(woken))
	}
	due := state.NewDue(state.WithVersion(w.Tables, 2))
	if left, err := due.Slot(t.Context(), world.Start()); err != nil || len(left) != 1 || left[0].Booking != "a" {
		t.Errorf("%v, %v: what was not read is to stay", left, err)
	}
	w.Version = 2
	if err := w.Engine().Sweep(t.Context()); err != nil {
		t.Error(err)
	}
}

// What the checks of versions cost: nothing. The same story, told by builds of versions 1
// and 2, makes the same requests.
func TestVersionsCostNoRequest(t *testing.T) {
	effects := map[version.Version]string{}
	for v := version.Version(1); v <= 2; v++ {
		w := newWorld(t, exchange.Switches{})
		w.Version = v
		send(t, w, bookingOf(t, "b", 1, nil))
		settle(t, w)
		effects[v] = strings.Join(w.Effects, "\n")
	}
	if effects[1] == "" || strings.Count(effects[1], "\n") != strings.Count(effects[2], "\n") {
		t.Errorf("version 1:\n%s\nversion 2:\n%s", effects[1], effects[2])
	}
}

// However many tasks wait for a build that does not come, an organisation has one alert a day.
func TestTasksOfABuildThatDoesNotComeAreOneAlert(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	for i := range 20 {
		m := queue.Message{ID: key.Random(), SessionID: "s", Body: []byte(`{"v":7,"op":"probe","organization":"acme"}`),
			Properties: map[string]any{queue.RoundProperty: int64(3), queue.AwaitProperty: w.Now().Add(-25*time.Hour).Unix() + int64(i)}}
		if err := w.Bus.Send(t.Context(), queue.MailboxTasks, m); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, w)
	ids := map[string]bool{}
	for _, m := range w.Broker.Peek(world.Changes) {
		ids[m.ID] = true
	}
	if len(ids) != 1 || len(w.Broker.Peek(queue.MailboxTasks)) != 0 {
		t.Errorf("%d alerts, %d tasks left", len(ids), len(w.Broker.Peek(queue.MailboxTasks)))
	}
}
