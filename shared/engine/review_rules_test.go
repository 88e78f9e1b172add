package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// deliveryOf is the row of aino's delivery of booking b.
func deliveryOf(t *testing.T, w *world.World) state.Delivery {
	t.Helper()
	d, err := state.NewLanes(w.Tables).Delivery(t.Context(), key.Lane(world.Organization, key.User, "aino"),
		key.Delivery(world.Organization, "b", key.User, "aino"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// creep lets time pass without ending workers or landing late calls.
func creep(w *world.World, d time.Duration) {
	for ; d > 0; d -= 50 * time.Second {
		w.Advance(50 * time.Second)
	}
}

func TestReviewTheResultOfAnOvertakenAttemptIsDropped(t *testing.T) {
	w, first := ready(t, exchange.Switches{}, "send changes")
	w.LoseLock(first)
	send(t, w, bookingOf(t, "b", 2, map[string]any{"title": "B"}))
	for in := begin(t, w, world.Intake); len(w.Workers) > 1; {
		w.Step(in, world.Go)
	}
	second := begin(t, w, world.Write)
	until(t, w, second, "graph patch")
	intent := deliveryOf(t, w).Intent
	for len(w.Workers) > 1 {
		w.Step(first, world.Go)
	}
	if row := deliveryOf(t, w); row.Intent.ID != intent.ID || row.State != "" {
		t.Errorf("intent %+v, state %q: an overtaken attempt saved its result", row.Intent, row.State)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "B")
}

// lookWaits is a world with title A written, known, and a look waiting.
func lookWaits(t *testing.T) *world.World {
	t.Helper()
	w, k := ready(t, exchange.Switches{}, "graph create")
	w.Step(k, world.KillAfter)
	begin(t, w, world.Write)
	w.Finish()
	if row := deliveryOf(t, w); row.Look.Nonce == "" || row.Print == "" || row.Intent.Op != "" {
		t.Fatalf("%+v: not the history that is meant", row)
	}
	return w
}

func TestReviewALookThatIsDueDoesNotEndWhereANewOneIsOrdered(t *testing.T) {
	w := lookWaits(t)
	revise(t, w, 2, "B")
	k := begin(t, w, world.Write)
	until(t, w, k, "graph patch")
	w.Step(k, world.DelayKill)
	revise(t, w, 3, "A")
	creep(w, 11*time.Minute)
	k = begin(t, w, world.Write)
	until(t, w, k, "apply lanes")
	w.Land(0)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestReviewALookThatFoundWorkIsTakenOnceMore(t *testing.T) {
	w := lookWaits(t)
	if err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Write(w.Ours("b", "aino")[0].ID, "<html><body>mine</body></html>"); err != nil {
		t.Fatal(err)
	}
	look := deliveryOf(t, w).Look
	w.Advance(11 * time.Minute)
	k := begin(t, w, world.Write)
	until(t, w, k, "graph patch")
	w.Finish()
	if row := deliveryOf(t, w); row.Look.Nonce != look.Nonce {
		t.Error("the look ended in an attempt that changed the event")
	}
	settle(t, w)
	if row := deliveryOf(t, w); row.Look.Nonce != "" {
		t.Error("the look never ended")
	}
}

func TestReviewAnIntentOlderThanAMinuteMakesNoCall(t *testing.T) {
	w, k := ready(t, exchange.Switches{}, "apply lanes")
	creep(w, 100*time.Second)
	for len(w.Workers) > 0 {
		if strings.HasPrefix(k.At, "graph create") {
			t.Error("the call was made")
		}
		w.Step(k, world.Go)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestReviewWhatAPersonWritesWhileTheBodyIsMergedStays(t *testing.T) {
	w := written(t)
	send(t, w, bookingOf(t, "b", 2, map[string]any{"title": "B", "description": map[string]any{"text": "new"}}))
	take(t, w)
	k := begin(t, w, world.Write)
	until(t, w, k, "graph patch")
	e := w.Ours("b", "aino")[0]
	if err := w.Exchange.Owner(world.Tenant, "aino@acme.example").Write(e.ID, strings.Replace(e.Body, "<body>", "<body><p>my note</p>", 1)); err != nil {
		t.Fatal(err)
	}
	w.Step(k, world.Go)
	until(t, w, k, "graph patch") // again in this turn
	w.Finish()
	if body := w.Ours("b", "aino")[0].Body; !strings.Contains(body, "my note") || !strings.Contains(body, "new") {
		t.Errorf("the body is %s", body)
	}
	expect(t, w, "b", "aino", "written", "", "B")
}

// Sync off while in doubt, and on again.
func TestReviewSyncOffWhileInDoubtIsPutRightWhenOnAgain(t *testing.T) {
	w, k := ready(t, exchange.Switches{Memory: exchange.Forgotten}, "graph create")
	w.Step(k, world.KillAfter)
	w.Org.Sync = false
	quietFor(w, time.Hour)
	w.Org.Sync = true
	revise(t, w, 2, "B")
	begin(t, w, world.Write)
	w.Finish()
	if n := len(w.Ours("b", "aino")); n != 1 {
		t.Errorf("%d events, want one: the row was still in doubt when it was served", n)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "B")
}
