package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// redrive carries out an order and checks its count.
func redrive(t *testing.T, e *engine.Engine, order engine.Redrive, want int) {
	t.Helper()
	if order.Max == 0 {
		order.Max = 100
	}
	if n, err := e.Redrive(t.Context(), order); n != want || err != nil {
		t.Fatalf("%+v: %d, %v; want %d", order, n, err, want)
	}
}

// engineOver is an engine whose bus and shelf a test has bent.
func engineOver(w *world.World, bus queue.Sender, shelf queue.Shelf) *engine.Engine {
	return engine.New(engine.Effects{Tables: w.Tables, Bus: bus, Calendar: w.Calendar, Organizations: w, Shelf: shelf}, &engine.Options{Now: w.Now})
}

// rejectedOf puts bookings of organisations that nobody knows into bookings-rejected.
func rejectedOf(t *testing.T, w *world.World, organizations ...string) {
	t.Helper()
	for i, org := range organizations {
		send(t, w, bookingOf(t, fmt.Sprintf("b%d", i), 1, map[string]any{"organization": org}))
	}
	settle(t, w)
}

func TestARejectedBookingIsTakenInOnceItsCauseIsGone(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	org := w.Org
	w.Org = nil
	for i := range 3 {
		send(t, w, bookingOf(t, fmt.Sprintf("b%d", i), 1, nil))
	}
	settle(t, w)
	w.Org = org
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveRejected, Max: 2}, 2)
	for _, m := range w.Broker.Peek(queue.Bookings) {
		for _, name := range []string{"reason", "faults", "encoding"} {
			if m.Properties[name] != nil {
				t.Errorf("it goes back with its property %s", name)
			}
		}
	}
	settle(t, w)
	expect(t, w, "b0", "aino", "written", "", "b0 r1")
	expect(t, w, "b1", "aino", "written", "", "b1 r1")
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveRejected}, 1)
	settle(t, w)
	expect(t, w, "b2", "aino", "written", "", "b2 r1")
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveRejected}, 0)
}

func TestACompressedMessageGoesBackAsItCame(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	noise := make([]byte, 261_850) // fits alone, not with its faults
	for i := range noise {
		noise[i] = "abcdefgh"[rand.IntN(8)]
	}
	send(t, w, noise)
	settle(t, w)
	if w.Broker.Peek(queue.Rejected)[0].Properties["encoding"] != "gzip" {
		t.Fatal("the test needs a message that was compressed")
	}
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveRejected}, 1)
	back := w.Broker.Peek(queue.Bookings)
	if len(back) != 1 || !bytes.Equal(back[0].Body, noise) || back[0].Properties["encoding"] != nil {
		t.Error("the message changed")
	}
	settle(t, w)
	if n := len(w.Broker.Peek(queue.Rejected)); n != 1 {
		t.Errorf("%d messages rejected, want the same one again", n)
	}
}

func TestWhatCannotBeReadOrSentStaysAndHoldsUpNothing(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	bomb := map[string]any{"encoding": "gzip", "reason": "syntax"}
	for _, m := range []queue.Message{
		{ID: "garbage", Body: []byte("no gzip"), Properties: bomb},
		{ID: "full", Body: make([]byte, 262_050)},
		{ID: "good", Body: []byte("{}"), Properties: map[string]any{"reason": "required"}},
	} {
		if err := w.Bus.Send(t.Context(), queue.Rejected, m); err != nil {
			t.Fatal(err)
		}
	}
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveRejected}, 1)
	if left := w.Broker.Peek(queue.Rejected); len(left) != 2 || left[0].ID != "garbage" || left[1].ID != "full" {
		t.Errorf("left: %d messages", len(left))
	}
}

func TestOnlyOneOrganisationsMessagesAreRedriven(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	rejectedOf(t, w, "beta", "gamma", "beta", "gamma", "gamma")
	for range 30 { // more often than a message may be handed out
		redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveRejected, Organization: "nobody"}, 0)
	}
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveRejected, Organization: "beta", Max: 1}, 1)
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveRejected, Organization: "beta"}, 1)
	var left []string
	for _, m := range w.Broker.Peek(queue.Rejected) {
		var event struct {
			Data struct{ Organization string }
		}
		if err := json.Unmarshal(m.Body, &event); err != nil {
			t.Fatal(err)
		}
		left = append(left, event.Data.Organization)
	}
	if diff := cmp.Diff([]string{"gamma", "gamma", "gamma"}, left); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := len(w.Broker.Peek(servicebus.DeadLetter(queue.Rejected))); n > 0 {
		t.Errorf("%d messages became dead letters by being looked at", n)
	}
}

// intaking is a bus behind which every booking is rejected at once.
type intaking struct {
	w *world.World
}

func (b intaking) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	if err := b.w.Bus.Send(ctx, entity, messages...); err != nil || entity != queue.Bookings {
		return err
	}
	b.w.Begin(world.Intake)
	b.w.Finish()
	return nil
}

func TestWhatIsRejectedAgainIsNotRedrivenInTheSameCall(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	rejectedOf(t, w, "beta", "beta", "beta")
	redrive(t, engineOver(w, intaking{w}, w.Broker.Shelf()), engine.Redrive{Kind: engine.RedriveRejected}, 3)
	if n := len(w.Broker.Peek(queue.Rejected)); n != 3 {
		t.Errorf("%d rejected, want 3", n)
	}
	redrive(t, engineOver(w, intaking{w}, w.Broker.Shelf()), engine.Redrive{Kind: engine.RedriveRejected}, 3)
}

// failing is a bus that takes only some messages, and then fails.
type failing struct {
	queue.Sender
	left int
}

var errRefused = errors.New("the bus refuses")

func (f *failing) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	if f.left--; f.left < 0 {
		return errRefused
	}
	return f.Sender.Send(ctx, entity, messages...)
}

func TestNothingIsRemovedBeforeTheBusTookIt(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	rejectedOf(t, w, "beta", "beta", "beta")
	e := engineOver(w, &failing{w.Bus, 2}, w.Broker.Shelf())
	redrive(t, e, engine.Redrive{Kind: engine.RedriveRejected}, 2) // what went, went
	if n := len(w.Broker.Peek(queue.Rejected)); n != 1 {
		t.Errorf("%d left, want 1", n)
	}
	if n, err := e.Redrive(t.Context(), engine.Redrive{Kind: engine.RedriveRejected, Max: 9}); n != 0 || !errors.Is(err, errRefused) {
		t.Errorf("%d, %v; want the refusal", n, err)
	}
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveRejected}, 1)
}

func TestDeadLettersGoBackWithTheirRoundsForgotten(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	poison(t, w, world.Write)
	lane := key.Lane(world.Organization, key.User, "aino").String()
	for _, m := range []struct {
		queue string
		queue.Message
	}{
		{queue.Bookings, queue.Message{ID: "b.3", Body: bookingOf(t, "c", 1, nil), Properties: map[string]any{"round": int64(3), "attempt": int64(2), "own": "kept"}}},
		{queue.MailboxTasks, queue.Message{ID: "t", SessionID: lane, Body: []byte(`{"v":1,"op":"backfill","organization":"acme"}`), Properties: map[string]any{"round": int64(3), "after": "x"}}},
		{queue.Rejected, queue.Message{ID: "r", Body: []byte("{"), Properties: map[string]any{"reason": "syntax"}}},
	} {
		if err := w.Bus.Send(t.Context(), m.queue, m.Message); err != nil {
			t.Fatal(err)
		}
	}
	w.Broker.Advance(15 * 24 * time.Hour) // past what a queue keeps, by the bus's clock
	if n := w.DeadLetters(); n != 3 {
		t.Fatalf("%d dead letters, want 3", n)
	}
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveDeadLetters, Queue: queue.MailboxTasks}, 1)
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveDeadLetters, Max: 1}, 1)
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveDeadLetters}, 2)
	b, task, r := w.Broker.Peek(queue.Bookings)[0], w.Broker.Peek(queue.MailboxTasks)[0], w.Broker.Peek(queue.Rejected)[0]
	if b.ID != "b.3" || b.Properties["own"] != "kept" || b.Properties["round"] != nil || b.Properties["attempt"] != nil ||
		b.Properties[queue.DeadReasonProperty] != nil || b.Properties[queue.DeadDescriptionProperty] != nil {
		t.Errorf("booking %s goes back with %v", b.ID, b.Properties)
	}
	if task.ID == "t" || task.SessionID != lane || task.Properties["after"] != "x" || task.Properties["round"] != nil {
		t.Errorf("task %s goes back with %v", task.ID, task.Properties)
	}
	if r.ID != "r" || r.Properties["reason"] != "syntax" {
		t.Errorf("rejected message %s goes back with %v", r.ID, r.Properties)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	expect(t, w, "c", "aino", "written", "", "c r1")
}

func TestABookingIsOwedAndWokenAgain(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	setState(w, exchange.Unlicensed)
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": []person{someone("aino"), someone("bert")}}))
	send(t, w, bookingOf(t, "b", 2, map[string]any{"title": "A"}))
	settle(t, w)
	expect(t, w, "b", "aino", "ics", "mailbox-unavailable")
	setState(w, exchange.Ready)
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveBooking, Organization: world.Organization, ID: "b"}, 2)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	results := len(w.Results())
	redrive(t, w.Engine(), engine.Redrive{Kind: engine.RedriveBooking, Organization: world.Organization, ID: "b"}, 2)
	settle(t, w)
	if n := len(w.Results()); n != results {
		t.Errorf("%d results more for what is as it should be", n-results)
	}
}

func TestAPersonIsOwedWhatIsCurrentAndUpcomingAndWoken(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.Org.Sync = false
	for i := range 3 {
		send(t, w, bookingOf(t, fmt.Sprintf("b%d", i), 1, map[string]any{"people": []person{someone("aino"), someone("bert")}}))
	}
	past := map[string]any{"start": map[string]any{"dateTime": "2026-11-18T10:00:00"}, "end": map[string]any{"dateTime": "2026-11-18T11:00:00"}}
	send(t, w, bookingOf(t, "past", 1, past))
	settle(t, w)
	w.Org.Sync = true
	order := engine.Redrive{Kind: engine.RedrivePerson, Organization: world.Organization, User: "aino"}
	redrive(t, w.Engine(), order, 3)
	// The wake-up is lost; what is owed already is owed and woken again.
	session, ok := w.Broker.Accept(queue.Deliveries)
	if !ok {
		t.Fatal("nobody was woken")
	}
	if d, ok := session.Receive(); !ok || d.Complete() != nil {
		t.Fatal("no wake-up")
	}
	session.Close()
	redrive(t, w.Engine(), order, 3)
	settle(t, w)
	for i := range 3 {
		expect(t, w, fmt.Sprintf("b%d", i), "aino", "written", "", fmt.Sprintf("b%d r1", i))
		expect(t, w, fmt.Sprintf("b%d", i), "bert", "ics", "sync-off")
	}
	expect(t, w, "past", "aino", "ics", "sync-off")
}

func TestRedrivingWhatNobodyKnowsIsNotFound(t *testing.T) {
	w := written(t)
	for _, order := range []engine.Redrive{
		{Kind: engine.RedriveBooking, Organization: world.Organization, ID: "x"},
		{Kind: engine.RedriveBooking, Organization: "nobody", ID: "b"},
		{Kind: engine.RedrivePerson, Organization: world.Organization, User: "x"},
		{Kind: engine.RedrivePerson, Organization: "nobody", User: "aino"},
	} {
		if n, err := w.Engine().Redrive(t.Context(), order); !errors.Is(err, state.ErrNotFound) || n != 0 {
			t.Errorf("%+v: %d, %v", order, n, err)
		}
	}
	org := w.Org
	w.Org = nil
	if _, err := w.Engine().Redrive(t.Context(), engine.Redrive{Kind: engine.RedriveBooking, Organization: org.ID, ID: "b"}); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("of an organisation that was deleted: %v", err)
	}
	for _, kind := range []string{engine.RedriveRecover, "dance", ""} {
		if _, err := w.Engine().Redrive(t.Context(), engine.Redrive{Kind: kind, Organization: org.ID}); err == nil {
			t.Errorf("kind %q of an engine without it: no error", kind)
		}
	}
	bare := engine.New(engine.Effects{Tables: w.Tables, Bus: w.Bus, Calendar: w.Calendar, Organizations: w}, nil)
	if _, err := bare.Redrive(t.Context(), engine.Redrive{Kind: engine.RedriveRejected, Max: 1}); !errors.Is(err, engine.ErrNoShelf) {
		t.Errorf("without a shelf: %v", err)
	}
}

func TestARedriveOverAMQP(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	org := *w.Org
	w.Org = &organization.Organization{ID: "another"}
	for i := range 40 {
		send(t, w, bookingOf(t, fmt.Sprintf("b%02d", i), 1, map[string]any{"status": "cancelled"}))
	}
	settle(t, w)
	server, err := w.Broker.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	bus, err := queue.FromConnectionString(server.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bus.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	e := engineOver(w, bus, bus)
	list, err := e.Rejected(t.Context(), "", 35)
	if err != nil || len(list.Items) != 35 || list.Next == "" || list.Items[0].Organization != world.Organization {
		t.Fatalf("%d items, next %q, %v", len(list.Items), list.Next, err)
	}
	if rest, err := e.Rejected(t.Context(), list.Next, 35); len(rest.Items) != 5 || rest.Next != "" || err != nil {
		t.Fatalf("%d items, next %q, %v", len(rest.Items), rest.Next, err)
	}
	w.Org = &org
	redrive(t, e, engine.Redrive{Kind: engine.RedriveRejected, Organization: "nobody"}, 0)
	redrive(t, e, engine.Redrive{Kind: engine.RedriveRejected, Organization: org.ID, Max: 30}, 30)
	redrive(t, e, engine.Redrive{Kind: engine.RedriveRejected, Max: 1000}, 10)
	redrive(t, e, engine.Redrive{Kind: engine.RedriveRejected, Max: 1000}, 0)
	settle(t, w)
	if n := len(w.Results()); n != 40 {
		t.Errorf("%d results, want 40", n)
	}
	if left := len(w.Broker.Peek(queue.Rejected)); left > 0 {
		t.Errorf("%d left", left)
	}
}

func TestListsHoldNothingPersonal(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	send(t, w, bookingOf(t, "PNR of aino", 0, map[string]any{"organization": "secret@org", "extensions": map[string]any{"aino@acme.example": 1}}))
	send(t, w, bookingOf(t, "PNR of aino", 0, nil))
	settle(t, w)
	faults := `[{"pointer":"/data/extensions/aino/x","code":"duplicate-member","detail":"aino"},{"pointer":"/data/ai~1no@x","code":"a@b"},{"pointer":"aino","code":"type"}]`
	for _, m := range []queue.Message{
		{ID: "m3", Body: []byte(`{"data":{"organization":7}}`), Properties: map[string]any{"reason": "aino was here", "faults": faults}},
		{ID: "m4", Body: []byte("{"), Properties: map[string]any{"faults": "{"}},
	} {
		if err := w.Bus.Send(t.Context(), queue.Rejected, m); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.Engine().Rejected(t.Context(), "", 10)
	if err != nil || len(list.Items) != 4 || list.Next != "" {
		t.Fatalf("%+v, %v", list, err)
	}
	shown, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"aino", "PNR", "secret", "@"} {
		if strings.Contains(string(shown), secret) {
			t.Errorf("it holds %s: %s", secret, shown)
		}
	}
	if one := list.Items[1]; one.Organization != world.Organization || one.Reason == "" || len(one.Faults) != 1 || one.Faults[0].Pointer != "/data/revision" ||
		one.Size == 0 || one.Enqueued != w.Now() || one.Queue != queue.Rejected || one.MessageID == "" {
		t.Errorf("%+v", one)
	}
	want := []engine.Where{{Pointer: "/data/extensions", Code: "duplicate-member"}, {Pointer: "/data"}, {Code: "type"}}
	if diff := cmp.Diff(want, list.Items[2].Faults); diff != "" || list.Items[2].Reason != "" || list.Items[2].Organization != "" {
		t.Errorf("%+v (-want +got)\n%s", list.Items[2], diff)
	}
}

func TestDeadLettersOfAllQueuesAreOneList(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	lane := key.Lane(world.Organization, key.User, "aino").String()
	put := func(queueName string, n int, m queue.Message) {
		for i := range n {
			m.ID = fmt.Sprintf("%s-%d", queueName, i)
			if err := w.Bus.Send(t.Context(), queueName, m); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(queue.Bookings, 2, queue.Message{Body: bookingOf(t, "b", 1, nil)})
	put(queue.MailboxTasks, 3, queue.Message{SessionID: lane, Body: []byte(`{"v":1,"op":"probe","organization":"acme"}`)})
	put(queue.Rejected, 1, queue.Message{Body: []byte("{")})
	w.Broker.Advance(15 * 24 * time.Hour)
	all := []string{"bookings-0", "bookings-1", "mailbox-tasks-0", "mailbox-tasks-1", "mailbox-tasks-2", "bookings-rejected-0"}
	for limit := 1; limit <= 7; limit++ {
		var got []string
		after := ""
		for range 10 {
			page, err := w.Engine().DeadLetters(t.Context(), "", after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Items {
				got = append(got, m.MessageID)
				if m.Reason != "TTLExpiredException" || m.Enqueued.IsZero() {
					t.Errorf("%+v", m)
				}
			}
			if full := len(got) < len(all); full != (page.Next != "") || full && len(page.Items) != limit {
				t.Fatalf("limit %d: %d items, next %q after %v", limit, len(page.Items), page.Next, got)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("limit %d (-want +got)\n%s", limit, diff)
		}
	}
	tasks, err := w.Engine().DeadLetters(t.Context(), queue.MailboxTasks, "", 10)
	if err != nil || len(tasks.Items) != 3 || tasks.Items[0].Op != "probe" || tasks.Items[0].Session != lane || tasks.Items[0].Organization != "acme" {
		t.Errorf("%+v, %v", tasks, err)
	}
	for _, after := range []string{"x", "7", "-1", "bookings", "bookings.", "bookings.x", "bookings.0", "changes.1"} {
		if _, err := w.Engine().DeadLetters(t.Context(), "", after, 10); !errors.Is(err, engine.ErrBadCursor) {
			t.Errorf("after %q: %v", after, err)
		}
	}
	if _, err := w.Engine().Rejected(t.Context(), "bookings.1", 10); !errors.Is(err, engine.ErrBadCursor) {
		t.Errorf("a cursor of another list: %v", err)
	}
	w.Broker.Down(true)
	if _, err := w.Engine().DeadLetters(t.Context(), "", "", 10); err == nil {
		t.Error("a bus that is down looks like an empty list")
	}
}
