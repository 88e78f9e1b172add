package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// quietFor runs everything that is due within d, in steps of a minute.
func quietFor(w *world.World, d time.Duration) (invocations int) {
	for end := w.Now().Add(d); w.Now().Before(end); w.Advance(time.Minute) {
		for range 500 {
			started := false
			for _, kind := range []string{world.Intake, world.Write, world.Dead, world.DeadWakeup} {
				if w.Begin(kind) != nil {
					w.Finish()
					invocations++
					started = true
				}
			}
			if !started {
				break
			}
		}
	}
	return invocations
}

func deliver(t *testing.T, w *world.World, booking string, revision int64, change map[string]any) {
	t.Helper()
	send(t, w, bookingOf(t, booking, revision, change))
	take(t, w)
}

// The name of an organisation or booking may be of any length in what is refused.
func TestReviewARejectedMessageWithLongNamesIsTold(t *testing.T) {
	for _, member := range []string{"organization", "id"} {
		w := newWorld(t, exchange.Switches{})
		send(t, w, bookingOf(t, "b", 1, map[string]any{member: strings.Repeat("\x01", 40<<10)}))
		quietFor(w, 5*time.Hour)
		if n := len(w.Broker.Peek(queue.Rejected)); n != 1 || w.DeadLetters() > 0 {
			t.Errorf("%s: %d rejected, %d dead letters, %d in the queue", member, n, w.DeadLetters(), len(w.Broker.Peek(queue.Bookings)))
		}
	}
}

// dropWakeUps loses every wake-up that waits.
func dropWakeUps(t *testing.T, w *world.World) {
	t.Helper()
	for {
		session, ok := w.Broker.Accept(queue.Deliveries)
		if !ok {
			return
		}
		for d, ok := session.Receive(); ok; d, ok = session.Receive() {
			if err := d.Complete(); err != nil {
				t.Fatal(err)
			}
		}
		session.Close()
	}
}

// renamed is a Graph in which a mailbox got another primary address.
type renamed struct {
	graph.Calendar
	from, to string
	on       *bool
}

func (r renamed) Mailbox(ctx context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	if *r.on && address == r.from {
		return graph.Mailbox{}, graph.Classify(404, "Request_ResourceNotFound", nil)
	}
	box, err := r.Calendar.Mailbox(ctx, as, address)
	if *r.on && err == nil && box.Address == r.from {
		box.Address = r.to
	}
	return box, err
}

func (r renamed) Do(ctx context.Context, as graph.Access, calls []graph.Call) []graph.Result {
	out := make([]graph.Result, len(calls))
	for i, c := range calls {
		if *r.on && c.Mailbox == r.from {
			out[i] = graph.Result{Status: 404, Err: graph.Classify(404, "Request_ResourceNotFound", nil)}
			continue
		}
		if *r.on && c.Mailbox == r.to {
			c.Mailbox = r.from
		}
		out[i] = r.Calendar.Do(ctx, as, []graph.Call{c})[0]
	}
	return out
}

// A booking that is not there any more is given up, alone.
func TestReviewABookingRowThatIsMissingEndsInAnAlert(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	deliver(t, w, "b", 1, nil)
	deliver(t, w, "c", 1, nil)
	_, err := w.Tables.Apply(t.Context(), "bookings", []state.Change{{Action: state.Delete, Entity: state.Entity{
		Partition: key.Booking(world.Organization, "b").String()}}})
	if err != nil {
		t.Fatal(err)
	}
	quietFor(w, time.Hour)
	expect(t, w, "c", "aino", "written", "", "c r1")
	settle(t, w)
	expect(t, w, "b", "aino", "ics", "gave-up")
}

// More owed than a page, and more than a batch.
func TestReviewThreeHundredBookingsOfOneLaneAreAllWritten(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	for n := range 300 {
		deliver(t, w, fmt.Sprint("b", n), 1, nil)
	}
	dropWakeUps(t, w)
	if err := w.Bus.Send(t.Context(), queue.Deliveries, queue.Message{SessionID: key.Lane(world.Organization, key.User, "aino").String(), Body: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	settle(t, w)
	for n := range 300 {
		expect(t, w, fmt.Sprint("b", n), "aino", "written", "", fmt.Sprintf("b%d r1", n))
	}
	_, owed, more, err := state.NewLanes(w.Tables).Open(t.Context(), key.Lane(world.Organization, key.User, "aino"), w.Now(), 1)
	if err != nil || more || len(owed) > 0 {
		t.Errorf("still owed: %v %v %v", owed, more, err)
	}
}

// The topic refuses after Graph has done its part.
func TestReviewTheTopicRefusesAfterGraphHasDoneItsPart(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	for range 3 {
		k := begin(t, w, world.Write)
		until(t, w, k, "send changes")
		w.Step(k, world.Fail)
		w.Finish()
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	if n := len(w.Results()); n != 1 && n != 2 {
		t.Errorf("%d results", n)
	}
}

// The ledger fails after the topic was told.
func TestReviewTheLedgerFailsAfterTheTopicWasTold(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	for range 3 {
		k := begin(t, w, world.Write)
		until(t, w, k, "apply ledger")
		w.Step(k, world.Fail)
		w.Finish()
		w.Advance(50 * time.Second)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

// The old mailbox does not exist any more.
func TestReviewTheOldMailboxIsGone(t *testing.T) {
	w := written(t)
	w.AddMailbox("aino.new@acme.example")
	on := true
	w.Calendar = renamed{w.Calendar, "aino@acme.example", "nobody", &on}
	deliver(t, w, "b", 2, map[string]any{"title": "B", "people": []person{someone("aino").with("email", "aino.new@acme.example")}})
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A", "B")
}

// The address is taken back before anything was moved.
func TestReviewAnAddressThatChangesBackAndForth(t *testing.T) {
	w := written(t)
	w.AddMailbox("aino.new@acme.example")
	for n := 2; n < 8; n++ {
		email := "aino@acme.example"
		if n%2 == 0 {
			email = "aino.new@acme.example"
		}
		deliver(t, w, "b", int64(n), map[string]any{"title": fmt.Sprint("A", n), "people": []person{someone("aino").with("email", email)}})
		if k := w.Begin(world.Write); k != nil {
			for len(w.Workers) > 0 && !strings.HasPrefix(k.At, "graph delete") {
				w.Step(k, world.Go)
			}
			if len(w.Workers) > 0 {
				w.Step(k, []world.Verdict{world.Go, world.KillAfter, world.LoseAnswer}[n%3])
			}
			w.Finish()
		}
		w.Advance(11 * time.Second)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A7")
}

// The organisation is deleted while a booking is taken in, and while in doubt.
func TestReviewAnOrganisationDeletedMidWay(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	send(t, w, bookingOf(t, "b", 1, nil))
	k := begin(t, w, world.Intake)
	until(t, w, k, "apply bookings")
	w.Org = nil
	w.Finish()
	quietFor(w, time.Hour)
	if n := len(w.Broker.Peek(queue.Rejected)); n != 1 {
		t.Errorf("%d rejected", n)
	}
}
