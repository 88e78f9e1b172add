package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
)

// The histories of write-path.md section 4 and of its model: each is the shortest
// way in which the write path goes wrong when one of its rules is taken away. The
// last words of a test's name say which rule it holds.

// take runs an intake to its end.
func take(t *testing.T, w *world.World) {
	t.Helper()
	begin(t, w, world.Intake)
	w.Finish()
}

func begin(t *testing.T, w *world.World, kind string) *world.Worker {
	t.Helper()
	k := w.Begin(kind)
	if k == nil {
		t.Fatalf("no message for %s", kind)
	}
	return k
}

// until lets a worker go on until it stands before an effect that starts so.
func until(t *testing.T, w *world.World, k *world.Worker, effect string) {
	t.Helper()
	for !strings.HasPrefix(k.At, effect) {
		at := k.At
		w.Step(k, world.Go)
		if len(w.Workers) == 0 {
			t.Fatalf("the worker ended after %q, before %q", at, effect)
		}
	}
}

// ready is a world with revision 1 taken in and title A, and a worker that stands
// before its call.
func ready(t *testing.T, switches exchange.Switches, call string) (*world.World, *world.Worker) {
	t.Helper()
	w := newWorld(t, switches)
	revise(t, w, 1, "A")
	k := begin(t, w, world.Write)
	until(t, w, k, call)
	return w, k
}

// written is a world in which revision 1 with title A has been written.
func written(t *testing.T) *world.World {
	t.Helper()
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	return w
}

// revise sends a revision and takes it in; no title cancels.
func revise(t *testing.T, w *world.World, number int64, title string) {
	t.Helper()
	change := map[string]any{"title": title}
	if title == "" {
		change = map[string]any{"status": "cancelled"}
	}
	send(t, w, bookingOf(t, "b", number, change))
	take(t, w)
}

func TestCreateThenKillThenCancelLeavesNoOrphan(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "graph create")
	w.Step(k, world.KillAfter)
	revise(t, w, 2, "")
	settle(t, w)
	expect(t, w, "b", "aino", "removed", "cancelled")
}

func TestWriteBThenKillThenBackToAIsNotUnchanged(t *testing.T) {
	w := written(t)
	revise(t, w, 2, "B")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph patch")
	w.Step(k, world.KillAfter)
	revise(t, w, 3, "A")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestRemoveThenKillThenInviteAgainIsNotTheUsersDelete(t *testing.T) {
	w := written(t)
	revise(t, w, 2, "")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph delete")
	w.Step(k, world.KillAfter)
	revise(t, w, 3, "A")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestOneSequenceCarriesOneResultByReservingIt(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "apply ledger")
	w.Step(k, world.Kill) // published, not saved
	revise(t, w, 3, "A")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestACreateThatLandsAfterTheUsersDeleteIsFoundByTheLook(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "graph create")
	w.Step(k, world.DelayKill)
	k = begin(t, w, world.Write)
	until(t, w, k, "send changes")
	ours := w.Ours("b", "aino")
	if err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Delete(ours[0].ID); err != nil {
		t.Fatal(err)
	}
	w.Land(0)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestAnAttemptThatWasThrottledKeepsTheLookItOrdered(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "graph create")
	w.Step(k, world.DelayKill)
	k = begin(t, w, world.Write)
	until(t, w, k, "apply lanes")
	w.Land(0)
	until(t, w, k, "graph create")
	w.Step(k, world.Throttle)
	w.Finish()
	revise(t, w, 3, "")
	settle(t, w)
	expect(t, w, "b", "aino", "skipped", "cancelled")
}

func TestTwoWorkersWhoseTransactionsGraphForgetsLeaveOneEvent(t *testing.T) {
	w, first := ready(t, exchange.Switches{Memory: exchange.Forgotten}, "graph create")
	w.LoseLock(first)
	second := begin(t, w, world.Write)
	until(t, w, second, "apply lanes")
	w.Step(first, world.Go)
	until(t, w, second, "graph create")
	w.Step(second, world.Go)
	if n := len(w.Ours("b", "aino")); n != 2 {
		t.Fatalf("%d events, want two for a while: the history is not the one meant", n)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestALatePatchIsOverwrittenByTheLook(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "send changes")
	w.Step(k, world.Kill)
	revise(t, w, 2, "B")
	k = begin(t, w, world.Write)
	until(t, w, k, "graph patch")
	w.Step(k, world.DelayKill)
	revise(t, w, 3, "A")
	k = begin(t, w, world.Write)
	until(t, w, k, "apply lanes")
	w.Land(0)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestADoubtedDeleteIsFinishedBeforeTheBookingIsRevived(t *testing.T) {
	for _, fate := range []world.Verdict{world.DelayKill, world.Delay} {
		w := written(t)
		revise(t, w, 2, "")
		k := begin(t, w, world.Write)
		until(t, w, k, "graph delete")
		w.Step(k, fate)
		w.Finish()
		revise(t, w, 3, "A")
		w.Advance(15 * time.Second)
		k = begin(t, w, world.Write)
		until(t, w, k, "apply lanes")
		w.Land(0)
		until(t, w, k, "graph")
		w.Step(k, world.KillAfter)
		settle(t, w)
		expect(t, w, "b", "aino", "written", "", "A")
	}
}

func TestWhatADoubtFoundIsSavedBeforeItIsActedUpon(t *testing.T) {
	w := written(t)
	revise(t, w, 2, "")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph delete")
	w.Step(k, world.KillAfter)
	revise(t, w, 3, "A")
	k = begin(t, w, world.Write)
	until(t, w, k, "graph create")
	w.Step(k, world.LoseCall)
	w.Finish()
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestASecondWorkerDoesNotTakeOurDeleteForTheUsers(t *testing.T) {
	w := written(t)
	revise(t, w, 2, "")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph delete")
	w.Step(k, world.KillAfter)
	revise(t, w, 3, "A")
	first := begin(t, w, world.Write)
	until(t, w, first, "graph create")
	w.LoseLock(first)
	second := begin(t, w, world.Write)
	until(t, w, second, "apply lanes")
	w.Step(second, world.Go)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestADuplicateThatCannotBeSeenWaitsForTheLook(t *testing.T) {
	w, first := ready(t, exchange.Switches{Memory: exchange.Kept, SearchByHand: true}, "graph create")
	w.Step(first, world.Go)
	w.LoseLock(first)
	revise2 := bookingOf(t, "b", 2, map[string]any{"title": "B"})
	send(t, w, revise2)
	in := begin(t, w, world.Intake)
	until(t, w, in, "apply people")
	second := begin(t, w, world.Write)
	until(t, w, second, "graph create")
	for len(w.Workers) > 0 {
		w.Step(w.Workers[len(w.Workers)-1], world.Go)
		if n := len(w.Ours("b", "aino")); n > 1 {
			t.Fatalf("%d events at once, though Graph remembers the transactionId", n)
		}
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "B")
}

func TestNothingDueButSomethingLaterIsWokenForIt(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "graph create")
	w.Step(k, world.Kill)
	revise(t, w, 2, "")
	k = begin(t, w, world.Write)
	until(t, w, k, "send deliveries")
	w.Step(k, world.Kill) // before its last wake-up; two others are on the queue
	settle(t, w)
	expect(t, w, "b", "aino", "removed", "cancelled")
}

func TestALatePatchIsOverwrittenAlsoWhereTheLookIsDueFirst(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "send changes")
	w.Step(k, world.Kill)
	revise(t, w, 2, "B")
	k = begin(t, w, world.Write)
	until(t, w, k, "graph patch")
	w.Step(k, world.DelayKill)
	revise(t, w, 3, "A")
	for range 13 {
		w.Advance(55 * time.Second) // less than a minute each: the late patch stays on its way
	}
	k = begin(t, w, world.Write)
	until(t, w, k, "apply lanes")
	w.Land(0)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}
