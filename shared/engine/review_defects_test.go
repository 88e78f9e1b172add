package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/history"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Updates: "after a doubt, all".
func TestReviewAfterADoubtAPatchSendsAllFields(t *testing.T) {
	w := written(t)
	revise(t, w, 2, "B")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph patch")
	w.Step(k, world.DelayKill)
	deliver(t, w, "b", 3, map[string]any{"title": "A", "categories": []string{"trip"}})
	k = begin(t, w, world.Write)
	until(t, w, k, "graph patch")
	w.Land(0)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

// The same while a look is open: the doubt is not over.
func TestReviewAPatchWhileALookIsOpenSendsAllFields(t *testing.T) {
	w := written(t)
	revise(t, w, 2, "B")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph patch")
	w.Step(k, world.DelayKill)
	revise(t, w, 3, "A")
	begin(t, w, world.Write)
	w.Finish()
	w.Land(0)
	deliver(t, w, "b", 4, map[string]any{"title": "A", "location": map[string]any{"name": "HEL"}})
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

// More owed rows of one delivery than a transaction takes.
func TestReviewAHundredAndTwentyRevisionsAtOnceDoNotBlockTheLane(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	for n := range 120 {
		revise(t, w, int64(n+1), fmt.Sprint("A", n+1))
	}
	quietFor(w, 30*time.Minute)
	expect(t, w, "b", "aino", "written", "", "A120")
	_, owed, _, err := state.NewLanes(w.Tables).Open(t.Context(), key.Lane(world.Organization, key.User, "aino"), w.Now(), 1)
	if err != nil || len(owed) > 0 || len(w.Results()) > 1 {
		t.Errorf("%d rows are still owed, %d results, %v", len(owed), len(w.Results()), err)
	}
}

// A target of a revision that was overwritten before its debts were written.
func TestReviewATargetWhoseLaneWasNeverNamedIsNotGivenUp(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	send(t, w, bookingOf(t, "b", 1, map[string]any{"title": "A", "people": []person{someone("aino"), someone("bert")}}))
	k := begin(t, w, world.Intake)
	until(t, w, k, "apply people")
	send(t, w, bookingOf(t, "b", 2, map[string]any{"title": "B"}))
	for other := begin(t, w, world.Intake); len(w.Workers) > 1; {
		w.Step(other, world.Go)
	}
	w.Step(k, world.Kill)
	quietFor(w, 30*time.Hour)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "B")
	for _, r := range w.Results() {
		if r.User == "" {
			t.Errorf("a result for nobody: %+v", r)
		}
	}
	for _, m := range w.Broker.Peek(world.Changes) {
		if m.Subject == "calbridge.alert.v1" {
			t.Errorf("an alert: %s", m.Body)
		}
	}
}

// Throttled: "the rest postpones without calling".
func TestReviewAfterGraphAskedToWaitTheTurnCallsNoMore(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph create")
	w.Step(k, world.DelayKill)
	deliver(t, w, "c", 1, map[string]any{"title": "C"})
	k = begin(t, w, world.Write)
	until(t, w, k, "graph find")
	w.Step(k, world.Throttle)
	for len(w.Workers) > 0 {
		if strings.HasPrefix(k.At, "graph") {
			t.Errorf("%s after a 429", k.At)
		}
		w.Step(k, world.Go)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	expect(t, w, "c", "aino", "written", "", "C")
}

// A booking without an address takes nobody's away.
func TestReviewABookingWithoutAddressLeavesTheOthersTheirs(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	deliver(t, w, "b", 1, map[string]any{"title": "A"})
	deliver(t, w, "c", 1, map[string]any{"people": []person{someone("aino").with("email", nil)}})
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	expect(t, w, "c", "aino", "ics", "mailbox-not-found")
}

// The holder of a shared mailbox moves to another one.
func TestReviewWhoeverSharesAMailboxGetsTheEventWhenItsHolderMovesAway(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.AddMailbox("dora@acme.example", "dora.alias@acme.example", "d@acme.example")
	w.AddMailbox("else@acme.example", "e@acme.example")
	deliver(t, w, "b", 1, map[string]any{"people": []person{someone("d1").with("email", "d@acme.example"), someone("d2").with("email", "dora.alias@acme.example")}})
	settle(t, w)
	holder, other := "d1", "d2"
	if len(w.Ours("b", "d1")) == 0 {
		holder, other = other, holder
	}
	address := map[string]string{"d1": "d@acme.example", "d2": "dora.alias@acme.example", holder: "e@acme.example"}
	deliver(t, w, "b", 2, map[string]any{"title": "B", "people": []person{someone("d1").with("email", address["d1"]), someone("d2").with("email", address["d2"])}})
	settle(t, w)
	expect(t, w, "b", holder, "written", "", "B")
	expect(t, w, "b", other, "written", "", "B")
}

// lookOpen is a world with r1 written and a look ordered, not yet due.
func lookOpen(t *testing.T) *world.World {
	t.Helper()
	w, k := ready(t, exchange.Switches{}, "graph create")
	w.Step(k, world.KillAfter)
	begin(t, w, world.Write)
	w.Finish()
	expect(t, w, "b", "aino", "written", "", "A")
	if rowOf(t, w, "b", "aino").Look.Nonce == "" {
		t.Fatal("no look")
	}
	return w
}

// "files are made only for deliveries that change afterwards".
func TestReviewALookWhileSyncIsOffPublishesNothing(t *testing.T) {
	w := lookOpen(t)
	before := len(w.Results())
	w.Org.Sync = false
	quietFor(w, 20*time.Minute)
	if n := len(w.Results()); n != before {
		t.Errorf("%d results though nothing changed: %+v", n-before, w.Results()[before:])
	}
}

// Wake-ups of a lane that has something later do not multiply.
func TestReviewWakeUpsOfALaneDoNotPileUp(t *testing.T) {
	w := lookOpen(t)
	w.Org.Sync = false
	for n := range 30 {
		deliver(t, w, "c", int64(n+1), nil)
		quietFor(w, time.Minute)
	}
	quietFor(w, time.Hour)
	if n := len(w.Broker.Peek(queue.Deliveries)); n > 3 {
		t.Errorf("%d wake-ups are scheduled for one lane", n)
	}
	if n := quietFor(w, 25*time.Hour); n > 5 {
		t.Errorf("%d invocations in a day in which nothing happened", n)
	}
}

// "one whose attempt died twice is taken alone".
func TestReviewADeliveryWhoseAttemptDiedTwiceIsTakenAlone(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	deliver(t, w, "b", 1, nil)
	deliver(t, w, "c", 1, nil)
	for range 2 {
		k := begin(t, w, world.Write)
		until(t, w, k, "graph create")
		w.Step(k, world.Kill)
	}
	k := begin(t, w, world.Write)
	until(t, w, k, "graph create")
	if k.At != "graph create ×1" {
		t.Errorf("%s after two deaths, want it alone", k.At)
	}
	settle(t, w)
}

// Nothing is asked of Graph while sync is off.
func TestReviewWhileSyncIsOffGraphIsNotCalled(t *testing.T) {
	w := written(t)
	w.AddMailbox("aino.new@acme.example")
	w.Org.Sync = false
	deliver(t, w, "b", 2, map[string]any{"people": []person{someone("aino").with("email", "aino.new@acme.example")}})
	k := begin(t, w, world.Write)
	for len(w.Workers) > 0 {
		if strings.HasPrefix(k.At, "graph") {
			t.Errorf("%s while sync is off", k.At)
		}
		w.Step(k, world.Go)
	}
}

// What the bus let in can be kept whole.
func TestReviewWhatFillsAMessageIsStillRejectedWhole(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	noise := make([]byte, 256<<10)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	size := len(noise) - 256 // the bus takes it
	send(t, w, noise[:size])
	w.Begin(world.Intake)
	w.Finish()
	if n := len(w.Broker.Peek(queue.Rejected)); n != 1 {
		t.Errorf("%d rejected of a message of %d bytes, %d dead letters, %d in the queue", n, size, w.DeadLetters(), len(w.Broker.Peek(queue.Bookings)))
	}
}

// recreateRemoved never: "a user's delete holds for later revisions too".
func TestReviewNeverHoldsThroughACancellation(t *testing.T) {
	w := written(t)
	w.Org.RecreateRemoved = "never"
	if err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Delete(w.Ours("b", "aino")[0].ID); err != nil {
		t.Fatal(err)
	}
	for n, title := range []string{"A2", "", "A4"} {
		revise(t, w, int64(n+2), title)
		settle(t, w)
	}
	expect(t, w, "b", "aino", "skipped", "removed-by-user")
}

// The sweep repairs what was lost before a weekend without a timer.
func TestReviewTheSweepFindsWhatIsOlderThanADay(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	session, _ := w.Broker.Accept(queue.Deliveries)
	d, _ := session.Receive()
	if err := d.Complete(); err != nil {
		t.Fatal(err)
	}
	session.Close()
	w.Advance(72 * time.Hour)
	e := engine.New(engine.Effects{Tables: w.Tables, Bus: w.Bus, Calendar: w.Calendar, Organizations: w}, &engine.Options{Now: w.Now})
	if err := e.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func giveUp(t *testing.T, w *world.World, user string) {
	t.Helper()
	if err := w.Bus.Send(t.Context(), queue.Deliveries, queue.Message{ID: key.Random(), SessionID: key.Lane(world.Organization, key.User, user).String(),
		Body: []byte(`{"v":1,"op":"give-up"}`), Properties: map[string]any{"before": w.Now().Add(time.Second).Format(time.RFC3339Nano)}}); err != nil {
		t.Fatal(err)
	}
}

// Give-up means all that a lane owed before.
func TestReviewGivingUpMeansAllThatTheLaneOwed(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	for n := range 25 {
		deliver(t, w, fmt.Sprint("b", n), 1, nil)
	}
	dropWakeUps(t, w)
	giveUp(t, w, "aino")
	settle(t, w)
	for n := range 25 {
		if last, _ := w.Last(fmt.Sprint("b", n), "aino"); last.Reason != "gave-up" {
			t.Errorf("b%d: %s/%s, want gave-up", n, last.State, last.Reason)
		}
	}
}

// Give-up is not forgotten because the lane has to wait.
func TestReviewGivingUpOutlastsRetryAfter(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph")
	w.Step(k, world.Throttle)
	w.Finish()
	giveUp(t, w, "aino")
	begin(t, w, world.Write)
	w.Finish()
	dropped := 0
	for _, m := range w.Broker.Peek(queue.Deliveries) {
		if strings.Contains(string(m.Body), "give-up") {
			dropped++
		}
	}
	if dropped == 0 {
		t.Error("the order to give up was replaced by a plain wake-up")
	}
}

// What is over stays in the calendar when the address changes afterwards.
func TestReviewAnEventThatIsOverIsNotLostByAMove(t *testing.T) {
	w := written(t)
	w.AddMailbox("aino.new@acme.example")
	w.Advance(20 * 24 * time.Hour)
	deliver(t, w, "b", 2, map[string]any{"title": "A2", "people": []person{someone("aino").with("email", "aino.new@acme.example")}})
	settle(t, w)
	if n := len(w.Ours("b", "aino")); n != 1 {
		last, _ := w.Last("b", "aino")
		t.Errorf("%d events (%s/%s), want the one that was there", n, last.State, last.Reason)
	}
}

// "Change of mailbox (primary changed, ...)".
func TestReviewAMailboxThatWasRenamedIsFoundByItsAlias(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.AddMailbox("dora@acme.example", "d@acme.example")
	on := false
	w.Calendar = renamed{w.Calendar, "dora@acme.example", "dora.new@acme.example", &on}
	people := []person{someone("dora").with("email", "d@acme.example")}
	deliver(t, w, "b", 1, map[string]any{"title": "A", "people": people})
	settle(t, w)
	expect(t, w, "b", "dora", "written", "", "A")
	on = true
	deliver(t, w, "b", 2, map[string]any{"title": "B", "people": people})
	quietFor(w, 48*time.Hour)
	expect(t, w, "b", "dora", "written", "", "B")
}

// A broken row does not block its lane.
func TestReviewABookingRowThatCannotBeReadDoesNotBlockTheLane(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	deliver(t, w, "b", 1, nil)
	deliver(t, w, "c", 1, nil)
	_, err := w.Tables.Apply(t.Context(), "bookings", []state.Change{{Action: state.Merge, Entity: state.Entity{
		Partition: key.Booking(world.Organization, "b").String(), Props: map[string]any{"enc": "unknown"}}}})
	if err != nil {
		t.Fatal(err)
	}
	quietFor(w, time.Hour)
	expect(t, w, "c", "aino", "written", "", "c r1")
}

func TestReviewAnOwedRowWithoutItsDeliveryDoesNotBlockTheLane(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	deliver(t, w, "b", 1, nil)
	deliver(t, w, "c", 1, nil)
	_, err := w.Tables.Apply(t.Context(), "lanes", []state.Change{{Action: state.Delete, Entity: state.Entity{
		Partition: key.Lane(world.Organization, key.User, "aino").String(), Row: "d" + key.Delivery(world.Organization, "b", key.User, "aino").String()}}})
	if err != nil {
		t.Fatal(err)
	}
	quietFor(w, time.Hour)
	expect(t, w, "c", "aino", "written", "", "c r1")
}

// Switching off by itself makes no file for what is in the calendar.
func TestReviewSwitchingSyncOffTellsNothingOfWhatIsInTheCalendar(t *testing.T) {
	w := written(t)
	before := len(w.Results())
	if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil {
		t.Fatal(err)
	}
	w.Org.Sync = false
	settle(t, w)
	if n := len(w.Results()); n != before {
		t.Errorf("%d results though nothing changed: %+v", n-before, w.Results()[before:])
	}
}

// A backfill that dies after it owed and before it woke.
func TestReviewABackfillThatDiesBeforeItsWakeUpIsRepeated(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync = false
	revise(t, w, 1, "A")
	settle(t, w)
	w.Org.Sync = true
	if err := w.Engine().Reconcile(t.Context(), world.Organization, "test"); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Minute)
	begin(t, w, world.Task) // the page
	w.Finish()
	w.Advance(time.Minute)
	k := begin(t, w, world.Task)
	until(t, w, k, "send deliveries")
	w.Step(k, world.Kill)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

// A renamed mailbox is not told of every day.
func TestReviewARenamedMailboxIsNotToldOfEveryDay(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.AddMailbox("dora@acme.example", "d@acme.example")
	on := false
	w.Calendar = renamed{w.Calendar, "dora@acme.example", "dora.new@acme.example", &on}
	people := []person{someone("dora").with("email", "d@acme.example")}
	deliver(t, w, "b", 1, map[string]any{"title": "A", "people": people})
	settle(t, w)
	on = true
	deliver(t, w, "b", 2, map[string]any{"title": "B", "people": people})
	settle(t, w)
	before := len(w.Results())
	for range 7 * 24 {
		w.Advance(time.Hour)
		if err := w.Engine().KeepAlive(t.Context()); err != nil {
			t.Fatal(err)
		}
		settle(t, w)
	}
	expect(t, w, "b", "dora", "written", "", "B")
	if n := len(w.Results()); n > before+1 {
		t.Errorf("%d results in a week in which nothing changed", n-before)
	}
}

// rowOf is the delivery row of aino's booking.
func rowOf(t *testing.T, w *world.World, booking, user string) state.Delivery {
	t.Helper()
	d, err := state.NewLanes(w.Tables).Delivery(t.Context(), key.Lane(world.Organization, key.User, user),
		key.Delivery(world.Organization, booking, key.User, user))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The same with many application properties.
func TestReviewAMessageFullOfPropertiesIsStillRejected(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	long := strings.Repeat("x", 30<<10)
	if err := w.Bus.Send(t.Context(), queue.Bookings, queue.Message{Body: bookingOf(t, "b", 1, map[string]any{"people": make([]int, 5000)}),
		Properties: map[string]any{"a": long, "b": long}}); err != nil {
		t.Fatal(err)
	}
	w.Begin(world.Intake)
	w.Finish()
	if n := len(w.Broker.Peek(queue.Rejected)); n != 1 {
		t.Errorf("%d rejected, %d dead letters, %d in the queue", n, w.DeadLetters(), len(w.Broker.Peek(queue.Bookings)))
	}
}

// unsure are tables whose answer to a write that was made may be lost.
type unsure struct {
	state.Tables
	lose func(table string) bool
}

var errLostAnswer = errors.New("the answer was lost")

func (u unsure) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	tags, err := u.Tables.Apply(ctx, table, changes)
	if err == nil && u.lose(table) {
		return nil, errLostAnswer
	}
	return tags, err
}

// "table transactions with unknown outcome".
func TestReviewWritesWhoseAnswerIsLost(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", "200"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("rapid.checks", checks) }()
	rapid.Check(t, func(t *rapid.T) {
		w := history.Draw(t)
		// Drawn before: a worker is a goroutine of its own, in which rapid may not be called.
		lost := rapid.SliceOfNDistinct(rapid.IntRange(0, 150), 0, 6, rapid.ID[int]).Draw(t, "answers lost")
		writes := 0
		w.Tables = unsure{w.Tables, func(string) bool {
			writes++
			return slices.Contains(lost, writes)
		}}
		history.Run(t, w, 120)
	})
}
