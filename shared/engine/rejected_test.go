package engine_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
)

func TestWhatCannotBeUnderstoodIsKeptWholeAndTold(t *testing.T) {
	noise := make([]byte, 200<<10)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for name, body := range map[string][]byte{
		"not JSON":             []byte("{"),
		"empty":                {},
		"another type":         []byte(`{"specversion":"1.0","id":"1","source":"/x","type":"other","data":{}}`),
		"end before start":     bookingOf(t, "b", 1, map[string]any{"end": map[string]any{"dateTime": "2026-12-01T10:00:00", "timeZone": "Europe/London"}}),
		"unknown organisation": bookingOf(t, "b", 1, map[string]any{"organization": "nobody"}),
		"revision zero":        bookingOf(t, "b", 0, nil),
		"larger than a batch":  noise,
		"many faults":          bookingOf(t, "b", 1, map[string]any{"people": make([]int, 5000)}),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, exchange.Switches{})
			send(t, w, body)
			settle(t, w)
			kept := w.Broker.Peek(queue.Rejected)
			if len(kept) != 1 {
				t.Fatalf("%d messages in %s, want 1", len(kept), queue.Rejected)
			}
			if got := unpacked(t, kept[0]); !bytes.Equal(got, body) {
				t.Errorf("the body changed: %d bytes, want %d", len(got), len(body))
			}
			var faults []booking.Fault
			text, _ := kept[0].Properties["faults"].(string)
			if err := json.Unmarshal([]byte(text), &faults); err != nil || len(faults) == 0 || len(text) > 8<<10 {
				t.Errorf("faults %.100q: %v", text, err)
			}
			if reason, _ := kept[0].Properties["reason"].(string); reason == "" {
				t.Error("no reason")
			}
			told := w.Broker.Peek(world.Changes)
			if len(told) != 1 || told[0].Subject != "calbridge.rejected.v1" || !strings.Contains(string(told[0].Body), kept[0].ID) {
				t.Errorf("on the topic: %+v, want one calbridge.rejected.v1 with id %s", told, kept[0].ID)
			}
		})
	}
}

func unpacked(t *testing.T, m servicebus.Received) []byte {
	t.Helper()
	if m.Properties["encoding"] != "gzip" {
		return m.Body
	}
	r, err := gzip.NewReader(bytes.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestADuplicateOrOlderRevisionIsNoFault(t *testing.T) {
	w := written(t)
	before := len(w.Results())
	for range 3 {
		send(t, w, bookingOf(t, "b", 1, map[string]any{"title": "something else"}))
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	if n := len(w.Results()); n != before || len(w.Broker.Peek(queue.Rejected)) > 0 {
		t.Errorf("%d results more, %d rejected, want none", n-before, len(w.Broker.Peek(queue.Rejected)))
	}
}

func TestSubmitRefusesWhatIntakeWouldAndQueuesTheRest(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	e := engine.New(engine.Effects{Tables: w.Tables, Bus: w.Bus, Calendar: w.Calendar, Organizations: w}, &engine.Options{Now: w.Now})
	var bad *booking.Invalid
	if _, err := e.Submit(t.Context(), bookingOf(t, "b", 1, map[string]any{"organization": "nobody"})); !errors.As(err, &bad) ||
		bad.Faults[0].Pointer != "/data/organization" {
		t.Errorf("unknown organisation: %v", err)
	}
	b, err := e.Submit(t.Context(), bookingOf(t, "b", 1, nil))
	if err != nil || b.ID != "b" || b.Revision != 1 {
		t.Fatalf("%+v, %v", b, err)
	}
	w.Broker.Limit(queue.Bookings, 1)
	if _, err := e.Submit(t.Context(), bookingOf(t, "b", 2, nil)); !errors.Is(err, queue.ErrFull) {
		t.Errorf("a full queue: %v", err)
	}
	w.Broker.Limit(queue.Bookings, 1<<30)
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1")
	s, err := e.Status(t.Context(), world.Organization, "b", "", 10)
	if err != nil || len(s.Deliveries) != 1 || s.Deliveries[0].State != "written" || s.Deliveries[0].User != "aino" || s.Revision != 1 {
		t.Errorf("status %+v, %v", s, err)
	}
}

// poison makes every attempt at a message die until it is dead-lettered.
func poison(t *testing.T, w *world.World, kind string) {
	t.Helper()
	for range 25 {
		k := w.Begin(kind)
		if k == nil {
			return
		}
		for len(w.Workers) > 0 {
			v := world.Go
			if strings.HasPrefix(k.At, "send") {
				v = world.Fail // only a refusing bus abandons a message
			}
			w.Step(k, v)
		}
	}
}

func TestADeadWakeUpGoesBackThreeTimesAndThenGivesUp(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	for round := 1; round <= 4; round++ {
		poison(t, w, world.Write)
		if n := len(w.Broker.Peek(servicebus.DeadLetter(queue.Deliveries))); n != 1 {
			t.Fatalf("round %d: %d dead letters, want 1", round, n)
		}
		begin(t, w, world.DeadWakeup)
		w.Finish()
		for range 200 {
			if m := w.Broker.Peek(queue.Deliveries); len(m) == 0 || m[0].State == servicebus.Active {
				break
			}
			w.Advance(time.Minute)
		}
	}
	begin(t, w, world.Write)
	w.Finish()
	expect(t, w, "b", "aino", "ics", "gave-up", "A")
	alerts := 0
	for _, m := range w.Broker.Peek(world.Changes) {
		if m.Subject == "calbridge.alert.v1" {
			alerts++
		}
	}
	if alerts != 1 {
		t.Errorf("%d alerts, want 1", alerts)
	}
	settle(t, w) // the look finds that the create did happen, and is right
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestADeadBookingIsRejectedAfterThreeRounds(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	m := queue.Message{ID: "m1", Body: bookingOf(t, "b", 1, nil), Properties: map[string]any{"round": int64(3)}}
	e := engine.New(engine.Effects{Tables: w.Tables, Bus: w.Bus, Calendar: w.Calendar, Organizations: w}, &engine.Options{Now: w.Now})
	if err := e.DeadLetter(t.Context(), queue.Bookings, m); err != nil {
		t.Fatal(err)
	}
	if n := len(w.Broker.Peek(queue.Rejected)); n != 1 {
		t.Errorf("%d rejected, want 1", n)
	}
	if n := len(w.Broker.Peek(world.Changes)); n != 2 {
		t.Errorf("%d events on the topic, want the alert and the rejection", n)
	}
}

func TestALostWakeUpIsRepairedByTheSweep(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	session, ok := w.Broker.Accept(queue.Deliveries)
	if !ok {
		t.Fatal("no wake-up")
	}
	d, _ := session.Receive()
	if err := d.Complete(); err != nil { // lost
		t.Fatal(err)
	}
	session.Close()
	e := engine.New(engine.Effects{Tables: w.Tables, Bus: w.Bus, Calendar: w.Calendar, Organizations: w}, &engine.Options{Now: w.Now})
	w.Advance(40 * time.Minute)
	if err := e.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
}

func TestAMessageWithoutALaneBlocksNothing(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	lane := key.Lane(world.Organization, key.User, "aino").String()
	for _, m := range []queue.Message{{SessionID: "no lane", Body: []byte("{")}, {SessionID: lane, Body: []byte("garbage")}} {
		if err := w.Bus.Send(t.Context(), queue.Deliveries, m); err != nil {
			t.Fatal(err)
		}
	}
	revise(t, w, 1, "A")
	settle(t, w)
	expect(t, w, "b", "aino", "written", "", "A")
	if n := w.DeadLetters(); n > 0 {
		t.Errorf("%d dead letters", n)
	}
}
