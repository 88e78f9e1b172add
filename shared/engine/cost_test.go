package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
)

// count is how often each effect was had since the world's log had n entries.
func count(w *world.World, n int) map[string]int {
	out := map[string]int{}
	for _, e := range w.Effects[n:] {
		if i := strings.IndexByte(e, '2'); strings.HasPrefix(e, "apply ledger") && i > 0 {
			e = e[:i]
		}
		out[e]++
	}
	return out
}

func TestALoneDeliveryCostsFourRequestsToLanesAndOneToGraph(t *testing.T) {
	w := written(t) // the mailbox is known
	revise(t, w, 2, "B")
	from := len(w.Effects)
	begin(t, w, world.Write)
	w.Finish()
	want := map[string]int{"query lanes": 1, "get lanes": 1, "apply lanes": 2, "get bookings": 1, "graph patch ×1": 1,
		"send changes": 1, "apply ledger": 1}
	if diff := cmp.Diff(want, count(w, from)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTwentyDeliveriesOfALaneCostOneRequestToGraph(t *testing.T) {
	w := written(t)
	for i := range 20 {
		send(t, w, bookingOf(t, fmt.Sprintf("b%02d", i), 1, nil))
		take(t, w)
	}
	from := len(w.Effects)
	begin(t, w, world.Write)
	w.Finish()
	got := count(w, from)
	want := map[string]int{"query lanes": 1, "get lanes": 20, "apply lanes": 2, "get bookings": 20, "graph create ×20": 1,
		"send changes": 1, "apply ledger": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := got["query lanes"] + got["get lanes"] + got["apply lanes"]; float64(n) > 1.5*20 {
		t.Errorf("%d requests to lanes for 20 deliveries, want at most 30", n)
	}
}

func TestAnUnchangedBookingCallsNobody(t *testing.T) {
	w := written(t)
	revise(t, w, 2, "A") // another revision of the same content
	from := len(w.Effects)
	begin(t, w, world.Write)
	w.Finish()
	for e := range count(w, from) {
		if strings.HasPrefix(e, "graph") {
			t.Errorf("%s, want no call of Graph", e)
		}
	}
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestLiveWorkComesBeforeBulk(t *testing.T) {
	w := written(t)
	w.AddMailbox("aino.new@acme.example")
	for i := range 30 {
		send(t, w, bookingOf(t, fmt.Sprintf("old%02d", i), 1, nil))
	}
	settle(t, w)
	moved := map[string]any{"people": []person{someone("aino").with("email", "aino.new@acme.example")}}
	send(t, w, bookingOf(t, "new", 1, moved)) // everything of the lane is owed again, in bulk
	take(t, w)
	begin(t, w, world.Write)
	w.Finish()
	send(t, w, bookingOf(t, "live", 1, moved))
	take(t, w)
	from := len(w.Effects)
	begin(t, w, world.Write)
	w.Finish()
	if n := count(w, from); n["graph create ×1"] != 1 {
		t.Errorf("the live booking is not alone in its turn: %v", n)
	}
	if last, _ := w.Last("live", "aino"); last.State != "written" {
		t.Errorf("the live booking waits behind bulk: %+v", last)
	}
	waiting := slices.ContainsFunc(w.Results(), func(r world.Result) bool { return r.Booking == "old29" && r.Sequence > 1 })
	if waiting {
		t.Error("the bulk is done already: the test shows nothing")
	}
	settle(t, w)
	expect(t, w, "old29", "aino", "written", "", "old29 r1")
}

func TestMoreThanAPageOfDebtIsServedToTheEnd(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	const n = 300
	for i := range n {
		send(t, w, bookingOf(t, fmt.Sprintf("b%03d", i), 1, nil))
		take(t, w)
	}
	settle(t, w)
	written := 0
	for _, r := range w.Results() {
		if r.State == "written" {
			written++
		}
	}
	if written != n {
		t.Errorf("%d written, want %d", written, n)
	}
}
