package servicebus_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

// lanesBroker is a broker with one session queue, lock 1 minute, 3 deliveries, on
// a clock of its own.
func lanesBroker(c *clock) *servicebus.Broker {
	return servicebus.New(servicebus.Options{Now: c.now, Topology: servicebus.Topology{Queues: []servicebus.Queue{
		{Name: "q", Properties: servicebus.Properties{Sessions: true, MaxDeliveries: 3, TimeToLive: 3 * time.Hour, DeadLetterExpired: true}},
	}}})
}

// The broker against a model of one sentence per rule, over histories of sends,
// schedules, accepts, receives, settlements, closes and time.
func TestBrokerAgreesWithItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{sent: map[string]int{}, ended: map[string]bool{}, counts: map[string]int{}}
		m.b = lanesBroker(&m.clock)
		t.Repeat(map[string]func(*rapid.T){
			"send":    m.send,
			"accept":  m.accept,
			"receive": m.receive,
			"settle":  m.settle,
			"close":   m.close,
			"renew":   m.renew,
			"wait":    m.wait,
			"":        m.check,
		})
		m.drain(t)
	})
}

type model struct {
	clock clock
	b     *servicebus.Broker
	n     int
	sent  map[string]int // id to its number
	ended map[string]bool
	// counts holds how often each message failed by abandonment.
	counts map[string]int
	open   []*holding
}

type holding struct {
	s     *servicebus.Session
	until time.Time
	hand  []*servicebus.Delivery
	after int64 // sequence number of the last message received
}

func (m *model) live(h *holding) bool { return m.clock.now().Before(h.until) }

func (m *model) send(t *rapid.T) {
	m.n++
	msg := queue.Message{ID: fmt.Sprint(m.n), SessionID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "session")}
	if delay := rapid.IntRange(-1, 3).Draw(t, "minutes"); delay >= 0 {
		msg.ScheduledFor = m.clock.now().Add(time.Duration(delay) * time.Minute)
	}
	if err := m.b.Sender().Send(t.Context(), "q", msg); err != nil {
		t.Fatal(err)
	}
	m.sent[msg.ID] = m.n
}

func (m *model) accept(t *rapid.T) {
	s, ok := m.b.Accept("q")
	if !ok {
		return
	}
	for _, h := range m.open {
		if m.live(h) && h.s.ID() == s.ID() {
			t.Fatalf("session %s is held twice", s.ID())
		}
	}
	m.open = append(m.open, &holding{s: s, until: m.clock.now().Add(time.Minute)})
}

func (m *model) pick(t *rapid.T) *holding {
	if len(m.open) == 0 {
		t.Skip("nothing is held")
	}
	return rapid.SampledFrom(m.open).Draw(t, "holder")
}

func (m *model) receive(t *rapid.T) {
	h := m.pick(t)
	d, ok := h.s.Receive()
	switch {
	case !ok:
		return
	case !m.live(h):
		t.Fatalf("received %s after the session was lost", d.ID)
	case d.SessionID != h.s.ID():
		t.Fatalf("received a message of %s in session %s", d.SessionID, h.s.ID())
	case m.ended[d.ID]:
		t.Fatalf("received %s after it was completed", d.ID)
	case d.DeliveryCount <= m.counts[d.ID]:
		t.Fatalf("%s: delivery %d after %d failures", d.ID, d.DeliveryCount, m.counts[d.ID])
	case d.SequenceNumber <= h.after:
		t.Fatalf("%s: sequence number %d after %d", d.ID, d.SequenceNumber, h.after)
	}
	h.after = d.SequenceNumber
	h.hand = append(h.hand, d)
}

func (m *model) settle(t *rapid.T) {
	h := m.pick(t)
	if len(h.hand) == 0 {
		t.Skip("nothing in hand")
	}
	d := h.hand[0]
	h.hand = h.hand[1:]
	how := rapid.SampledFrom([]string{"complete", "abandon", "release", "dead-letter"}).Draw(t, "how")
	var err error
	switch how {
	case "complete":
		err = d.Complete()
	case "abandon":
		err = d.Abandon(nil)
	case "release":
		err = d.Release()
	case "dead-letter":
		err = d.DeadLetter("r", "d")
	}
	if lost := isLost(err); lost == m.live(h) {
		t.Fatalf("%s of %s: %v, held: %v", how, d.ID, err, m.live(h))
	}
	if !m.live(h) {
		return
	}
	switch how {
	case "complete":
		m.ended[d.ID] = true
	case "abandon":
		m.counts[d.ID]++
	}
	if how == "abandon" || how == "release" {
		h.after = 0 // it comes again, before what followed it
	}
	if isLost(d.Complete()) == false {
		t.Fatalf("%s was settled twice", d.ID)
	}
}

func isLost(err error) bool {
	var e *servicebus.Error
	return errors.As(err, &e) && e.Condition == servicebus.MessageLockLost
}

func (m *model) close(t *rapid.T) {
	h := m.pick(t)
	h.s.Close()
	h.until = time.Time{}
	m.open = slices.DeleteFunc(m.open, func(x *holding) bool { return x == h })
}

func (m *model) renew(t *rapid.T) {
	h := m.pick(t)
	if err := h.s.Renew(); (err == nil) != m.live(h) {
		t.Fatalf("renewal: %v, held: %v", err, m.live(h))
	}
	if m.live(h) {
		h.until = m.clock.now().Add(time.Minute)
	}
}

func (m *model) wait(t *rapid.T) {
	m.clock.move(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
	if rapid.Bool().Draw(t, "tick") {
		m.b.Tick()
	}
}

// check holds that every message is in exactly one place, or was completed.
func (m *model) check(t *rapid.T) {
	there := append(m.b.Peek("q"), m.b.Peek(servicebus.DeadLetter("q"))...)
	seen := make(map[string]bool)
	for _, r := range there {
		if seen[r.ID] || m.ended[r.ID] {
			t.Fatalf("%s is there twice, or after it was completed", r.ID)
		}
		seen[r.ID] = true
	}
	if len(seen)+len(m.ended) != len(m.sent) {
		t.Fatalf("%d there and %d completed of %d sent", len(seen), len(m.ended), len(m.sent))
	}
	counted := 0
	for _, path := range []string{"q", servicebus.DeadLetter("q")} {
		active, scheduled := m.b.Counts(path)
		counted += active + scheduled
	}
	if counted != len(there) {
		t.Fatalf("%d messages are counted, %d listed", counted, len(there))
	}
	if dead, used := len(there) == 0, m.b.Used("q") == 0; dead != used {
		t.Fatalf("%d messages take %d bytes", len(there), m.b.Used("q"))
	}
}

// drain gives everything back and completes it: nothing is stuck.
func (m *model) drain(t *rapid.T) {
	m.clock.move(time.Hour)
	for s, ok := m.b.Accept("q"); ok; s, ok = m.b.Accept("q") {
		for d, ok := s.Receive(); ok; d, ok = s.Receive() {
			if err := d.Complete(); err != nil {
				t.Fatal(err)
			}
			m.ended[d.ID] = true
		}
		s.Close()
	}
	if left := m.b.Peek("q"); len(left) != 0 {
		t.Fatalf("%q are stuck", ids(left))
	}
	m.check(t)
}

func TestFreeSessionsAreGivenInTurn(t *testing.T) {
	var c clock
	b := lanesBroker(&c)
	for _, session := range []string{"a", "b", "c", "a"} {
		ok(t, b.Sender().Send(t.Context(), "q", queue.Message{SessionID: session}))
	}
	var got []string
	for range 4 {
		s, held := b.Accept("q")
		if !held {
			t.Fatal("no session is free")
		}
		d, _ := s.Receive()
		ok(t, d.Complete())
		got = append(got, s.ID())
		s.Close()
	}
	if want := []string{"a", "b", "c", "a"}; !slices.Equal(got, want) {
		t.Errorf("sessions %q, want %q", got, want)
	}
}

func TestDeadLettersSurviveAndCanBeReceived(t *testing.T) {
	var c clock
	b := lanesBroker(&c)
	ok(t, b.Sender().Send(t.Context(), "q", queue.Message{ID: "1", SessionID: "a"}))
	s, _ := b.Accept("q")
	d, _ := s.Receive()
	ok(t, d.DeadLetter("why", "because"))
	c.move(1000 * time.Hour)
	dead, found := b.Receive(servicebus.DeadLetter("q"))
	if !found || dead.DeadLetterReason != "why" || dead.DeadLetterDescription != "because" || dead.DeadLetterSource != "q" {
		t.Fatalf("dead letter %+v", dead)
	}
	for range 10 { // more than the queue's own limit
		ok(t, dead.Abandon(nil))
		dead, _ = b.Receive(servicebus.DeadLetter("q"))
	}
	if dead.DeliveryCount != 11 {
		t.Errorf("delivery %d, want 11", dead.DeliveryCount)
	}
	var e *servicebus.Error
	if err := dead.DeadLetter("", ""); !errors.As(err, &e) || e.Condition != servicebus.NotAllowed {
		t.Errorf("dead-lettered twice: %v", err)
	}
}

func TestDownHandsOutAndSettlesNothing(t *testing.T) {
	var c clock
	b := lanesBroker(&c)
	ok(t, b.Sender().Send(t.Context(), "q", queue.Message{ID: "1", SessionID: "a"}))
	s, _ := b.Accept("q")
	d, _ := s.Receive()
	b.Down(true)
	if d.Complete() == nil || s.Renew() == nil || b.Sender().Send(t.Context(), "q", queue.Message{SessionID: "a"}) == nil {
		t.Error("something worked while the broker was down")
	}
	if _, held := b.Accept("q"); held || len(b.Peek("q")) != 1 {
		t.Error("a session was given while the broker was down, or the message is gone")
	}
	b.Down(false)
	ok(t, d.Complete())
}

func TestDueTellsWhatTimeAloneWillDo(t *testing.T) {
	var c clock
	b := lanesBroker(&c)
	due := func(ready int, wait time.Duration) {
		t.Helper()
		n, at := b.Due()
		if n != ready || at.IsZero() != (wait == 0) || wait > 0 && at.Sub(c.now()) != wait {
			t.Errorf("%d ready, next at %v; want %d, in %v", n, at, ready, wait)
		}
	}
	send := func(wait time.Duration) {
		t.Helper()
		ok(t, b.Sender().Send(t.Context(), "q", queue.Message{SessionID: "a", ScheduledFor: c.now().Add(wait)}))
	}
	due(0, 0)
	for _, wait := range []time.Duration{9, 3, 5} {
		send(wait * time.Minute)
	}
	due(0, 3*time.Minute)
	c.move(3 * time.Minute)
	due(1, 2*time.Minute)

	s, _ := b.Accept("q")
	due(0, time.Minute) // what is in a held session waits for its lock
	d, _ := s.Receive()
	due(0, time.Minute)
	c.move(time.Minute)
	due(1, time.Minute)
	if d.Complete() == nil {
		t.Error("completed after the lock ran out")
	}

	s, _ = b.Accept("q")
	d, _ = s.Receive()
	ok(t, d.Complete())
	due(0, time.Minute) // scheduled; a held session without messages is nothing to wait for
	c.move(time.Minute)
	s.Close()
	due(1, 4*time.Minute)
}
