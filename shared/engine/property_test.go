package engine_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// TestMain lets the property test run 2,000 histories unless -rapid.checks says
// otherwise. A failing history prints its seed and leaves a file in testdata that
// repeats it.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "2000"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// history is one random run of the write path.
type history struct {
	*rapid.T
	w        *world.World
	sent     map[string]*revision // the highest of each booking
	bodies   [][]byte
	faults   int // how many may still happen
	advanced time.Duration
	deleted  map[string]bool   // booking/user whose event the user deleted
	notes    map[string]string // event id to what the user wrote into its body
	strange  map[string]string // event id to change key, of events that are not ours
	email    map[string]string // of each user, now
	moved    bool
}

type revision struct {
	number    int64
	cancelled bool
	title     string
	text      string
	people    map[string]bool // user to assigned
}

// TestNothingIsLostDoubledOrMangledWhateverIsKilled is the property of
// write-path.md section 7: invariants I1 to I5 and I9 over random histories of
// crashes, lost and late answers, lost locks, doubled and reordered messages,
// throttling, people who delete, copy and edit, and a change of mailbox, under
// every reading of Graph's transaction memory.
func TestNothingIsLostDoubledOrMangledWhateverIsKilled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		for range rapid.IntRange(10, 120).Draw(t, "length") {
			h.act()
			h.atEveryInstant()
		}
		if err := h.w.Settle(); err != nil {
			t.Fatal(err)
		}
		h.settled()
	})
}

func newHistory(t *rapid.T) *history {
	w, err := world.New(exchange.Switches{
		Memory:       exchange.Memory(rapid.IntRange(0, 3).Draw(t, "memory")),
		NameExisting: rapid.Bool().Draw(t, "existing id"),
		SearchByHand: rapid.Bool().Draw(t, "search lags"),
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &history{T: t, w: w, sent: map[string]*revision{}, faults: rapid.IntRange(0, 8).Draw(t, "faults"),
		deleted: map[string]bool{}, notes: map[string]string{}, strange: map[string]string{},
		email: map[string]string{}}
	for _, user := range h.users() {
		w.AddMailbox(user + "@acme.example")
		w.AddMailbox(user + ".new@acme.example")
		h.email[user] = user + "@acme.example"
	}
	h.send("b1")
	return h
}

func (h *history) users() []string    { return []string{"aino", "bert"} }
func (h *history) bookings() []string { return []string{"b1", "b2", "b3"} }

// act does one random thing.
func (h *history) act() {
	kinds := []string{world.Intake, world.Write, world.Write, world.Write, world.Dead, world.DeadWakeup}
	switch n := rapid.IntRange(0, 99).Draw(h.T, "act"); {
	case n < 8:
		h.send(rapid.SampledFrom(h.bookings()).Draw(h.T, "booking"))
	case n < 30:
		h.w.Begin(rapid.SampledFrom(kinds).Draw(h.T, "function"))
	case n < 80:
		h.step()
	case n < 83:
		h.loseLock()
	case n < 87:
		h.late()
	case n < 90:
		h.again()
	case n < 93:
		h.person()
	case n < 94:
		h.move()
	default:
		h.advance()
	}
}

func (h *history) send(id string) {
	r := &revision{number: 1, people: map[string]bool{}}
	if old := h.sent[id]; old != nil {
		r.number = old.number + 1
	}
	r.cancelled = rapid.IntRange(0, 4).Draw(h.T, "cancelled") == 0
	letter := rapid.SampledFrom([]string{"A", "B"}).Draw(h.T, "title")
	r.title = id + " " + letter
	r.text = "text " + rapid.SampledFrom([]string{"one", "two"}).Draw(h.T, "text")
	var people []person
	for _, user := range h.users() {
		if rapid.IntRange(0, 3).Draw(h.T, user) == 0 {
			continue
		}
		p := someone(user)
		p["email"], p["assigned"] = h.email[user], rapid.IntRange(0, 5).Draw(h.T, user+" assigned") > 0
		people = append(people, p)
		r.people[user] = p["assigned"].(bool)
	}
	h.sent[id] = r
	change := map[string]any{"title": r.title, "description": map[string]any{"text": r.text}, "people": people}
	if r.cancelled {
		change["status"] = "cancelled"
	}
	if len(people) == 0 {
		delete(change, "people")
		change["people"] = []person{}
	}
	body := bookingJSON(id, r.number, change)
	h.bodies = append(h.bodies, body)
	h.deliver(body)
}

func (h *history) deliver(body []byte) {
	if err := h.w.Send(context.Background(), body); err != nil {
		h.Fatal(err)
	}
}

// step lets a worker go on, mostly without a fault.
func (h *history) step() {
	if len(h.w.Workers) == 0 {
		return
	}
	k := h.w.Workers[rapid.IntRange(0, len(h.w.Workers)-1).Draw(h.T, "worker")]
	v := world.Go
	if h.faults > 0 && rapid.IntRange(0, 6).Draw(h.T, "fault") == 0 {
		v = world.Verdict(rapid.IntRange(int(world.Kill), int(world.DelayKill)).Draw(h.T, "verdict"))
		h.faults--
	}
	h.Logf("%s %s: %s", k.Kind, k.At, v)
	h.w.Step(k, v)
}

func (h *history) loseLock() {
	if len(h.w.Workers) == 0 || h.faults == 0 {
		return
	}
	k := h.w.Workers[rapid.IntRange(0, len(h.w.Workers)-1).Draw(h.T, "worker")]
	if h.w.LoseLock(k) {
		h.faults--
		h.Logf("%s %s: lock lost", k.Kind, k.At)
	}
}

func (h *history) late() {
	calls := h.w.Twin.Late()
	if len(calls) == 0 {
		return
	}
	l := calls[rapid.IntRange(0, len(calls)-1).Draw(h.T, "late")]
	h.Logf("late %s lands", l.Call.Op)
	h.w.Twin.Land(l.ID)
}

// again repeats a message: an old booking, or a wake-up.
func (h *history) again() {
	if rapid.Bool().Draw(h.T, "booking again") {
		h.deliver(rapid.SampledFrom(h.bodies).Draw(h.T, "body"))
		return
	}
	lane := key.Lane(world.Organization, key.User, rapid.SampledFrom(h.users()).Draw(h.T, "user"))
	err := h.w.Broker.Sender().Send(context.Background(), queue.Deliveries,
		queue.Message{SessionID: lane.String(), Body: []byte(`{"v":1,"op":"wake"}`)})
	if err != nil {
		h.Fatal(err)
	}
}

// person does what people do with an event of ours.
func (h *history) person() {
	booking := rapid.SampledFrom(h.bookings()).Draw(h.T, "booking")
	user := rapid.SampledFrom(h.users()).Draw(h.T, "user")
	ours := h.w.Ours(booking, user)
	if len(ours) == 0 {
		return
	}
	e := ours[0]
	owner := h.w.Exchange.Owner(world.Tenant, h.boxOf(e.ID))
	switch rapid.IntRange(0, 2).Draw(h.T, "person") {
	case 0:
		h.Logf("%s deletes %s", user, booking)
		h.deleted[booking+"/"+user] = true
		if err := owner.Delete(e.ID); err != nil {
			h.Fatal(err)
		}
	case 1:
		copied, err := owner.Copy(e.ID)
		if err != nil {
			h.Fatal(err)
		}
		h.Logf("%s copies %s", user, booking)
		h.strange[copied.ID] = copied.ChangeKey
	case 2:
		note := fmt.Sprintf("note %d", len(h.notes))
		h.Logf("%s writes into %s", user, booking)
		body := strings.Replace(e.Body, "<body>", "<body><p>"+note+"</p>", 1)
		if err := owner.Write(e.ID, body); err != nil {
			h.Fatal(err)
		}
		if old := h.notes[e.ID]; old != "" {
			note = old
		}
		h.notes[e.ID] = note
	}
}

func (h *history) boxOf(event string) string {
	for _, box := range h.w.Exchange.Boxes() {
		for _, e := range box.Events {
			if e.ID == event {
				return box.User.Mail
			}
		}
	}
	h.Fatalf("no mailbox holds %s", event)
	return ""
}

// move gives a user another mailbox: bookings from now on name it.
func (h *history) move() {
	user := rapid.SampledFrom(h.users()).Draw(h.T, "user")
	h.email[user] = user + ".new@acme.example"
	h.moved = true
}

func (h *history) advance() {
	d := rapid.SampledFrom([]time.Duration{time.Second, 15 * time.Second, 11 * time.Minute, time.Hour}).Draw(h.T, "time")
	if h.advanced+d > 12*time.Hour {
		return
	}
	h.advanced += d
	h.Logf("%s pass", d)
	h.w.Advance(d)
}

// atEveryInstant checks what must hold at any moment (I1): two live events only
// while something in the row or on its way will find the second.
func (h *history) atEveryInstant() {
	for _, booking := range h.bookings() {
		for _, user := range h.users() {
			if len(h.w.Ours(booking, user)) < 2 || len(h.w.Workers) > 0 || len(h.w.Twin.Late()) > 0 {
				continue
			}
			row := h.row(booking, user)
			if !row.Intent.InDoubt() && row.Look.Nonce == "" {
				h.Fatalf("I1: two events of %s for %s, and nothing in the row that would find the second", booking, user)
			}
		}
	}
}

func (h *history) row(booking, user string) state.Delivery {
	row, err := state.NewLanes(h.w.Tables).Delivery(context.Background(), key.Lane(world.Organization, key.User, user),
		key.Delivery(world.Organization, booking, key.User, user))
	if err != nil {
		h.Fatal(err)
	}
	return row
}

// settled checks what must hold when all is quiet.
func (h *history) settled() {
	if n := h.w.DeadLetters(); n > 0 {
		h.Fatalf("%d messages dead-lettered", n)
	}
	if mails := h.w.Exchange.Mails(); len(mails) > 0 {
		h.Fatalf("I5: %d mails", len(mails))
	}
	for booking, r := range h.sent {
		for _, user := range h.users() {
			h.checkDelivery(booking, user, r)
		}
	}
	h.checkStrange()
}

func (h *history) checkDelivery(booking, user string, r *revision) {
	name := booking + " for " + user
	ours := h.w.Ours(booking, user)
	last, err := h.w.Last(booking, user)
	if err != nil {
		h.Fatalf("%s: %v", name, err)
	}
	if _, invited := r.people[user]; !invited && last.State == "" {
		// Never on it, or only in a revision that came after a higher one.
		if len(ours) > 0 || last.State != "" {
			h.Fatalf("%s: never was on it, yet %+v and %d events", name, last, len(ours))
		}
		return
	}
	row := h.row(booking, user)
	if row.Debt != "" || row.Intent.Op != "" || row.Look.Nonce != "" {
		h.Fatalf("I3: %s is still owed, in doubt or waiting: %+v", name, row)
	}
	if last.Revision != r.number || row.Revision != r.number {
		h.Fatalf("I3: %s settled at revision %d, published %d, sent %d", name, row.Revision, last.Revision, r.number)
	}
	if last.State != row.State || last.Reason != row.Reason {
		h.Fatalf("I9: %s: the last result is %s/%s, the row says %s/%s", name, last.State, last.Reason, row.State, row.Reason)
	}
	assigned, invited := r.people[user]
	wanted := invited && assigned && !r.cancelled
	switch {
	case last.State == "written":
		if !wanted {
			h.Fatalf("I2: %s is written, but not wanted", name)
		}
		h.checkEvent(name, user, r, ours, row)
	case len(ours) > 0:
		h.Fatalf("I1: %s is %s/%s, yet %d events", name, last.State, last.Reason, len(ours))
	case wanted && !(last.Reason == "removed-by-user" && h.deleted[booking+"/"+user]):
		h.Fatalf("I2: %s is wanted, yet %s/%s", name, last.State, last.Reason)
	}
}

func (h *history) checkEvent(name, user string, r *revision, ours []exchange.Event, row state.Delivery) {
	if len(ours) == 0 && h.deleted[strings.Replace(name, " for ", "/", 1)] {
		return // deleted after it was written: the next revision will find out
	}
	if len(ours) != 1 {
		h.Fatalf("I1: %s is written, yet %d events", name, len(ours))
	}
	e := ours[0]
	lane, err := state.NewLanes(h.w.Tables).Lane(context.Background(), key.Lane(world.Organization, key.User, user))
	if err != nil {
		h.Fatal(err)
	}
	if box := h.boxOf(e.ID); box != lane.Address || row.Event != e.ID {
		h.Fatalf("I1: %s lives in %s, the lane's address is %s (row %s, event %s)", name, box, lane.Address, row.Event, e.ID)
	}
	if e.Subject != r.title || !strings.Contains(e.Body, r.text) {
		h.Fatalf("I2: %s holds %q, want %q with %q", name, e.Subject, r.title, r.text)
	}
	if note := h.notes[e.ID]; note != "" && !strings.Contains(e.Body, note) {
		h.Fatalf("A4: what the user wrote into %s is gone", name)
	}
}

// checkStrange sees that nobody's events but ours were touched (I4).
func (h *history) checkStrange() {
	var seen []string
	for _, box := range h.w.Exchange.Boxes() {
		for _, e := range box.Events {
			if version, ok := h.strange[e.ID]; ok {
				seen = append(seen, e.ID)
				if e.ChangeKey != version {
					h.Fatalf("I4: a copy that a user made was changed")
				}
			}
		}
	}
	for id := range h.strange {
		if !slices.Contains(seen, id) {
			h.Fatalf("I4: a copy that a user made was deleted")
		}
	}
}
