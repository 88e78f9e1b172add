package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/graphapi"
	"github.com/calbridge/calbridge/local/stack"
	"github.com/calbridge/calbridge/shared/queue"
)

// gate is a simulator that stops at the first create of all, until as much is owed as makes
// a batch, and then in the middle of that: whatever a rule makes slow says so, and goes on
// when the gate is opened.
type gate struct {
	began, first  chan struct{} // the first create has stopped, and may go on
	stopped, open chan struct{} // one of the batch has stopped, and may go on
}

func newGate() *gate {
	return &gate{make(chan struct{}, 100), make(chan struct{}), make(chan struct{}, 100), make(chan struct{})}
}

// How slow the rules ask for, which tells them apart.
const (
	slowFirst = 1 * time.Millisecond
	slowBatch = 2 * time.Millisecond
)

func (g *gate) options() stack.Options {
	return stack.Options{M365: m365.Options{Graph: graphapi.Options{Sleep: func(ctx context.Context, d time.Duration) {
		switch d { // also when the caller is gone: a request that was sent takes effect
		case slowFirst:
			g.began <- struct{}{}
			<-g.first
		case slowBatch:
			g.stopped <- struct{}{}
			<-g.open
		}
	}}}}
}

// batch owes one person twenty bookings, lets six of their creates go well, and
// returns when the next ones have stopped.
func (w *world) batch(g *gate) []booked {
	w.t.Helper()
	w.people("aino")
	for _, rule := range []faults.Rule{
		{Effect: faults.Slow, DelayMS: int(slowFirst.Milliseconds()), Method: "POST", Path: "/events$", Count: 1},
		{Effect: faults.Slow, DelayMS: int(slowBatch.Milliseconds()), Method: "POST", Path: "/events$", On: faults.Item, Skip: 6, Count: 4},
	} {
		if _, err := w.M365.GraphFaults.Add(rule); err != nil {
			w.t.Fatal(err)
		}
	}
	var all []booked
	for i := range 20 {
		b := booked{Organization: acme, ID: fmt.Sprintf("b%02d", i), Revision: 1, Day: i, People: []string{"aino"}}
		all = append(all, b)
		w.accept(b)
		if i == 0 {
			w.await(g.began, "the first create")
		}
	}
	eventually(w.t, func() bool { return len(w.Bus.Peek(queue.Bookings)) == 0 }, "the bookings were not taken in")
	close(g.first)
	w.await(g.stopped, "one of the batch")
	return all
}

func (w *world) await(stopped <-chan struct{}, what string) {
	w.t.Helper()
	select {
	case <-stopped:
	case <-time.After(20 * time.Second):
		w.t.Fatalf("%s has not stopped", what)
	}
}

// oneEach checks that everything was written, each once.
func (w *world) oneEach(all []booked) {
	w.t.Helper()
	var want []string
	for _, b := range all {
		w.settle(b, "written")
		want = append(want, "Title of "+b.ID)
	}
	if got := w.subjects("aino"); !slices.Equal(got, want) {
		w.t.Errorf("calendar: %q, want %q", got, want)
	}
	if mails := w.M365.Exchange.Mails(); len(mails) > 0 {
		w.t.Errorf("%d mails, want none", len(mails))
	}
	w.nothingLost()
}

func TestKillMinus9OfTheHandlerInMidBatchLosesAndDoublesNothing(t *testing.T) {
	g := newGate()
	w := start(t, g.options())
	all := w.batch(g)
	w.Host.KillHandlers()
	close(g.open) // what was under way lands after the kill
	w.oneEach(all)
	if w.Host.Restarts() == 0 {
		t.Error("the handler was not started again: nothing was killed")
	}
}

func TestKillOfHostAndHandlerInMidBatchLosesAndDoublesNothing(t *testing.T) {
	g := newGate()
	w := start(t, g.options())
	all := w.batch(g)
	hosts := w.Host.Hosts()
	w.Host.Restart()
	close(g.open)
	eventually(t, func() bool { return w.Host.Hosts() > hosts }, "no new host was started: nothing was killed")
	w.outlive()
	w.oneEach(all)
}

// Three kills within half an hour end the real host; the platform starts another.
func TestKillsAllAlongTheWayLoseNothing(t *testing.T) {
	w := start(t, stack.Options{})
	w.people("aino")
	var all []booked
	for i := range 30 {
		b := booked{Organization: acme, ID: fmt.Sprintf("b%02d", i), Revision: 1, Day: i, People: []string{"aino"}}
		all = append(all, b)
		for {
			got, err := w.API().Send(t.Context(), b.event())
			if err == nil && got.Status == 202 {
				break
			}
			// A booking app sends again what was not accepted.
			if t.Context().Err() != nil {
				t.Fatal(t.Context().Err())
			}
		}
		if i%6 == 5 {
			w.Host.KillHandlers()
		}
	}
	if w.Host.Hosts() < 2 {
		t.Error("the host outlived five kills")
	}
	w.outlive()
	w.oneEach(all)
}

// outlive lets the locks run out of messages that a dead host had in hand: a plain
// message stays locked for five minutes. The broker's clock alone is moved; to the handler it
// is as if its messages took long.
func (w *world) outlive() { w.Bus.Advance(6 * time.Minute) }
