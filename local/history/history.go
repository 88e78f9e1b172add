// Package history makes random histories of the write path over a world and
// checks invariants I1 to I5, I7 and I9 (write-path.md section 7): crashes, lost and
// late answers, lost locks, doubled and reordered messages, throttling, people who
// delete, copy and edit, changes of mailbox, and, where people sign in, of accounts.
//
// The same histories run over twins, by the thousand, and over the wire.
package history

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
)

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
	closed   bool              // whether eligibility changed at some time
	probed   bool              // whether some have connections by probe, where nobody signs in
	accounts map[string][]world.Account
	dead     map[string]graph.Fate // of accounts by address: why they give no token
	links    map[reading]string    // where a reading goes on
}

type revision struct {
	number    int64
	cancelled bool
	title     string
	text      string
	people    map[string]bool // user to assigned
}

// Run makes one random history in a world made with New or Draw's switches, lets
// it settle, and checks what must hold: at every instant and at the end.
func Run(t *rapid.T, w *world.World, longest int) {
	h := newHistory(t, w)
	for range rapid.IntRange(10, longest).Draw(t, "length") {
		h.act()
		h.atEveryInstant()
	}
	if h.signIn() {
		h.rest()
	}
	if h.closed {
		h.open() // a look at a closed calendar is put off for as long as it is closed
	}
	h.settle()
	h.settled()
}

func (h *history) settle() {
	if err := h.w.Settle(); err != nil {
		h.Fatal(err)
	}
}

// Draw makes a world whose Graph reads its transaction memory and its search in
// one of the ways that the contract leaves open.
func Draw(t *rapid.T) *world.World {
	w, err := world.New(exchange.Switches{
		Memory:       exchange.Memory(rapid.IntRange(0, 3).Draw(t, "memory")),
		NameExisting: rapid.Bool().Draw(t, "existing id"),
		SearchByHand: rapid.Bool().Draw(t, "search lags"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newHistory(t *rapid.T, w *world.World) *history {
	h := &history{T: t, w: w, sent: map[string]*revision{}, faults: rapid.IntRange(0, 8).Draw(t, "faults"),
		deleted: map[string]bool{}, notes: map[string]string{}, strange: map[string]string{},
		email: map[string]string{}, accounts: map[string][]world.Account{}, dead: map[string]graph.Fate{}, links: map[reading]string{}}
	h.probed = !h.signIn() && rapid.IntRange(0, 2).Draw(t, "connections by probe") == 0
	h.closed = h.signIn() || h.probed // nobody has, yet
	for _, user := range h.users() {
		h.addAccounts(user)
		h.email[user] = user + "@acme.example"
	}
	h.send("b1")
	if h.signIn() {
		h.begin()
	}
	return h
}

func (h *history) users() []string    { return []string{"aino", "bert"} }
func (h *history) bookings() []string { return []string{"b1", "b2", "b3"} }

// act does one random thing.
func (h *history) act() {
	kinds := []string{world.Intake, world.Write, world.Write, world.Write, world.Task, world.Dead, world.DeadWakeup}
	most := 99
	if h.signIn() || h.probed {
		most = 119
	}
	switch n := rapid.IntRange(0, most).Draw(h.T, "act"); {
	case n > 99 && h.probed:
		h.probe()
	case n > 99:
		h.account()
	case n < 8:
		h.send(rapid.SampledFrom(h.bookings()).Draw(h.T, "booking"))
	case n < 30:
		h.w.Begin(rapid.SampledFrom(kinds).Draw(h.T, "function"))
	case n < 76:
		h.step()
	case n < 80:
		h.listen()
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
	case n < 96:
		h.eligibility()
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
	people := []map[string]any{}
	for _, user := range h.users() {
		if rapid.IntRange(0, 3).Draw(h.T, user) == 0 {
			continue
		}
		assigned := rapid.IntRange(0, 5).Draw(h.T, user+" assigned") > 0
		people = append(people, map[string]any{"user": user, "email": h.email[user], "role": "required", "assigned": assigned})
		r.people[user] = assigned
	}
	h.sent[id] = r
	change := map[string]any{"title": r.title, "description": map[string]any{"text": r.text}, "people": people}
	if r.cancelled {
		change["status"] = "cancelled"
	}
	body := message(id, r.number, change)
	h.bodies = append(h.bodies, body)
	h.deliver(body)
}

// message is a booking as it comes over the queue.
func message(id string, revision int64, change map[string]any) []byte {
	data := map[string]any{"organization": world.Organization, "id": id, "revision": revision, "status": "confirmed",
		"start": map[string]any{"dateTime": "2026-12-01T16:05:00", "timeZone": "Europe/Helsinki"},
		"end":   map[string]any{"dateTime": "2026-12-01T17:20:00", "timeZone": "Europe/London"}}
	maps.Copy(data, change)
	body, err := json.Marshal(map[string]any{"specversion": "1.0", "id": "e", "source": "/history", "type": "calbridge.booking.v1", "data": data})
	if err != nil {
		panic(err) // maps of plain values always encode
	}
	return body
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
	if h.w.Late() == 0 {
		return
	}
	h.Logf("a late call lands")
	h.w.Land(rapid.IntRange(0, h.w.Late()-1).Draw(h.T, "late"))
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
	box := h.boxOf(e.ID)
	if box.User.State != exchange.Ready {
		return // nobody can open it
	}
	owner := h.w.Exchange.Owner(box.Tenant, box.User.Mail)
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

func (h *history) boxOf(event string) exchange.Box {
	for _, box := range h.w.Exchange.Boxes() {
		for _, e := range box.Events {
			if e.ID == event {
				return box
			}
		}
	}
	h.Fatalf("no mailbox holds %s", event)
	return exchange.Box{}
}

// move gives a user another mailbox: bookings from now on name it.
func (h *history) move() {
	user := rapid.SampledFrom(h.users()).Draw(h.T, "user")
	h.email[user] = user + ".new@acme.example"
}

// eligibility closes or opens what the booking app has no say in: sync, module,
// a mailbox.
func (h *history) eligibility() {
	h.closed = true
	switch rapid.IntRange(0, 4).Draw(h.T, "eligibility") {
	case 0:
		h.reconcile()
		h.w.Org.Sync = !h.w.Org.Sync
	case 1:
		h.reconcile()
		h.w.Org.Module = !h.w.Org.Module
	case 2, 3:
		states := []exchange.State{exchange.Ready, exchange.Unlicensed, exchange.OutsideScope, exchange.OnPremises}
		h.mailbox(h.mailboxOf(rapid.SampledFrom(h.users()).Draw(h.T, "user")), rapid.SampledFrom(states).Draw(h.T, "state"))
	case 4:
		h.announce(rapid.SampledFrom(h.users()).Draw(h.T, "user"), rapid.Bool().Draw(h.T, "active"))
	}
	h.Logf("sync %v, module %v", h.w.Org.Sync, h.w.Org.Module)
}

// announce says whether somebody is active, again until it is heard.
func (h *history) announce(user string, active bool) {
	h.Logf("%s is active: %v", user, active)
	const tries = 20
	var err error
	for range tries {
		err = h.w.Engine().Announce(context.Background(), world.Organization, []announce.Person{{User: user, Active: &active}})
		if err == nil {
			return
		}
	}
	h.Fatal(err)
}

// mailboxOf is the account that a user's bookings name now, or where people sign in,
// any of theirs.
func (h *history) mailboxOf(user string) world.Account {
	if h.signIn() {
		return rapid.SampledFrom(h.accounts[user]).Draw(h.T, "mailbox")
	}
	return h.accountOf(user, h.email[user])
}

func (h *history) mailbox(a world.Account, s exchange.State) {
	h.Logf("%s is %s", a.Address, s)
	if err := h.w.Exchange.SetState(a.Tenant, a.Address, s); err != nil {
		h.Fatal(err)
	}
}

// reconcile is what a change of settings orders before it is stored.
func (h *history) reconcile() {
	if err := h.w.Engine().Reconcile(context.Background(), world.Organization, "history"); err != nil {
		h.Fatal(err)
	}
}

// open opens everything again, and lets a day and its re-checks pass.
func (h *history) open() {
	h.reconcile()
	h.w.Org.Sync, h.w.Org.Module = true, true
	for _, user := range h.users() {
		h.announce(user, true)
		for _, a := range h.accounts[user] {
			h.mailbox(a, exchange.Ready)
		}
	}
	if h.signIn() {
		h.openAccounts()
	}
	if h.probed {
		h.openProbed()
	}
	h.settle()
	for range 2 {
		h.w.Advance(25 * time.Hour)
		err := h.w.Engine().KeepAlive(context.Background())
		for range 6 { // tables may not have answered: the next run looks again
			if err == nil {
				break
			}
			h.w.Advance(time.Hour)
			err = h.w.Engine().KeepAlive(context.Background())
		}
		if err != nil {
			h.Fatal(err)
		}
		h.settle()
	}
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
