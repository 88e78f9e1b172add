//go:build !race

// Package parity holds the twin against the wire: random histories of calls,
// user edits and switches run over the twin and over the real client, HTTP and
// the simulator, and every result must say the same. What the property tests find
// with the twin therefore holds over the wire.
//
// Ids and change keys differ between the two stores and are compared through a
// mapping that has to stay one to one. The items of a batch run in any order, so
// a batch here has no two calls whose order could be told.
//
// It is left out of race builds, which would compile the Graph SDK a second time
// for minutes; the parts run under -race in their own packages.
package parity

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/msgraph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/key"
)

const (
	app  = "33333333-3333-4333-8333-333333333333"
	aino = "aino@acme.example"
	bo   = "bo@acme.example"
)

// side is one of the two: a calendar over a store.
type side struct {
	calendar graph.Calendar
	store    *exchange.Store
	ids      []string          // by number of event
	keys     map[string]string // last change key by id
}

// pair is the two sides in one tenant.
type pair struct {
	tenant     string
	twin, wire *side
	sim        *m365.Server
	tick       func()
}

func TestTheTwinAnswersAsTheWireDoes(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	sim := m365.New(&m365.Options{Now: clock})
	sim.Entra.Register(entra.App{ID: app, Secrets: []string{"secret"}})
	sim.Entra.SetLifetime(10_000 * time.Hour)
	if err := sim.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	tokens, err := identity.New(app, identity.Secret("secret"), &identity.Options{Authority: sim.URL(), GraphEndpoint: sim.URL(), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	client, err := msgraph.New(msgraph.NewTokens(tokens, nil), &msgraph.Options{Endpoint: sim.URL(), Now: clock, Transport: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		p := &pair{tenant: fmt.Sprintf("11111111-aaaa-4bbb-8ccc-%012d", n), sim: sim, tick: func() { now = now.Add(time.Second) }}
		store := exchange.New(clock, exchange.Switches{})
		sim.AddTenant(p.tenant)
		sim.Entra.Consent(p.tenant, app, "Calendars.ReadWrite")
		p.twin = &side{twin.New(store, nil), store, nil, map[string]string{}}
		p.wire = &side{client, sim.Exchange, nil, map[string]string{}}
		for _, s := range []*side{p.twin, p.wire} {
			s.store.SetSwitches(exchange.Switches{})
			s.store.AddUser(p.tenant, exchange.User{Principal: aino, Aliases: []string{"alias@acme.example"}})
			s.store.AddUser(p.tenant, exchange.User{Principal: bo})
		}
		t.Repeat(map[string]func(*rapid.T){
			"one call": p.one, "one more call": p.one, "batch": p.batch, "user": p.user, "switch": p.switches, "state": p.state, "mailbox": p.mailbox,
		})
	})
}

// plan is a call whose event and condition are numbers, so that it means the same
// on both sides.
type plan struct {
	call  graph.Call
	event int  // number; -1 an id nobody has, -2 a malformed one
	match bool // with the last change key seen
	stale bool // with one that never was
}

func (p *pair) draw(t *rapid.T, op graph.Op, n int) plan {
	d := key.Delivery("acme", fmt.Sprint(n), key.User, "u")
	c := plan{event: -1, call: graph.Call{
		Op: op, Mailbox: rapid.SampledFrom([]string{aino, aino, "Alias@acme.example", bo, "nobody@acme.example"}).Draw(t, "mailbox"),
		Mark: d.Hex(), TransactionID: key.TransactionID(d, 1), Content: content(t),
	}}
	if op != graph.Create && op != graph.Find {
		c.event = rapid.IntRange(-2, len(p.twin.ids)-1).Draw(t, "event")
		c.match = rapid.Bool().Draw(t, "match")
		c.stale = rapid.IntRange(0, 5).Draw(t, "stale") == 0
	}
	if op == graph.Patch {
		c.call.Set = event.Fields(rapid.IntRange(1, int(event.All)).Draw(t, "fields"))
	}
	c.call.WithBody = op == graph.Get
	return c
}

// content is right most of the time.
func content(t *rapid.T) event.Event {
	pick := func(what string, values ...string) string { return rapid.SampledFrom(values).Draw(t, what) }
	e := event.Event{
		Subject: pick("subject", "A", "B", "", "✈ <b>&\"\\\n"), Body: pick("body", "<p>x</p>", "", "<html><body>a\nb</body></html>"),
		Start:  event.Time{DateTime: pick("start", "2026-12-01T10:00:00", "2026-12-01T00:00:00", "2026-03-29T03:30:00", "2026-12-01T10:00:00Z"), Zone: pick("start zone", "Europe/Helsinki", "UTC", "FLE Standard Time", "Mars")},
		End:    event.Time{DateTime: pick("end", "2026-12-02T00:00:00", "2026-12-01T11:00:00", "2027-01-01T00:00:00.5"), Zone: pick("end zone", "Europe/Helsinki", "UTC", "FLE Standard Time")},
		AllDay: rapid.IntRange(0, 3).Draw(t, "all day") == 0, Location: event.Location{Name: pick("place", "", "HEL"), Address: pick("street", "", "Road 1")},
		ShowAs: pick("show as", "busy", "tentative", "", "asleep"), Sensitivity: pick("sensitivity", "normal", "private", ""),
		ReminderMinutes: rapid.SampledFrom([]int{-1, 0, 15, 1 << 40}).Draw(t, "reminder"),
	}
	if rapid.Bool().Draw(t, "categories") {
		e.Categories = []string{"Red", "Blue"}
	}
	return e
}

// on makes the plan a call of one side.
func (s *side) on(c plan) graph.Call {
	switch {
	case c.event >= 0:
		c.call.Event = s.ids[c.event]
	case c.event == -1 && len(s.ids) > 0:
		c.call.Event = s.ids[0][:len(s.ids[0])-8] + "AAAAAAAA" // well formed, nobody's
	case c.event < 0:
		c.call.Event = "AAA="
	}
	switch {
	case c.stale:
		c.call.IfMatch = "AAAA"
	case c.match:
		c.call.IfMatch = s.keys[c.call.Event]
	}
	return c.call
}

func (p *pair) one(t *rapid.T) {
	op := graph.Op(rapid.IntRange(int(graph.Create), int(graph.Find)).Draw(t, "op"))
	p.compare(t, []plan{p.draw(t, op, rapid.IntRange(0, 2).Draw(t, "delivery"))})
}

// batch makes one create, of a delivery that has no event yet, and one call to each
// of a few events.
func (p *pair) batch(t *rapid.T) {
	plans := []plan{p.draw(t, graph.Create, 100+len(p.twin.ids))}
	for n := range p.twin.ids {
		c := p.draw(t, graph.Op(rapid.IntRange(int(graph.Patch), int(graph.Get)).Draw(t, "op")), n)
		c.event = n
		plans = append(plans, c)
		if len(plans) == 6 {
			break
		}
	}
	p.compare(t, plans)
}

func (p *pair) compare(t *rapid.T, plans []plan) {
	p.tick()
	var twins, wires []graph.Call
	for _, c := range plans {
		twins, wires = append(twins, p.twin.on(c)), append(wires, p.wire.on(c))
	}
	ours := p.twin.calendar.Do(t.Context(), graph.AppAccess(p.tenant), twins)
	theirs := p.wire.calendar.Do(t.Context(), graph.AppAccess(p.tenant), wires)
	for i := range plans {
		p.learn(t, ours[i], theirs[i])
		a, b := p.twin.plain(ours[i]), p.wire.plain(theirs[i])
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("%v %+v (-twin +wire):\n%s", plans[i].call.Op, twins[i], diff)
		}
	}
	for _, user := range []string{aino, bo} {
		if diff := cmp.Diff(p.twin.mailbox(p.tenant, user), p.wire.mailbox(p.tenant, user)); diff != "" {
			t.Fatalf("mailbox (-twin +wire):\n%s", diff)
		}
	}
}

// learn gives events that are new to both sides the next number.
func (p *pair) learn(t *rapid.T, a, b graph.Result) {
	if a.Err != nil || b.Err != nil || a.Event.ID == "" {
		return
	}
	p.twin.keys[a.Event.ID], p.wire.keys[b.Event.ID] = a.Event.ChangeKey, b.Event.ChangeKey
	p.number(t, a.Event.ID, b.Event.ID)
}

func (p *pair) number(t *rapid.T, a, b string) {
	na, nb := p.twin.index(a), p.wire.index(b)
	if na != nb {
		t.Fatalf("the twin answers with event %d, the wire with %d", na, nb)
	}
	if na < 0 {
		p.twin.ids, p.wire.ids = append(p.twin.ids, a), append(p.wire.ids, b)
	}
}

func (s *side) index(id string) int {
	for i, known := range s.ids {
		if known == id {
			return i
		}
	}
	return -1
}

// answer is what a result says, without what differs by nature.
type answer struct {
	Status             int
	Kind, Reason, Code string
	Unanswered         bool
	RetryAfter         time.Duration
	Existing           int
	Event              graph.Event
	Number             int
	Found              []graph.Event
	FoundNumbers       []int
}

func (s *side) plain(r graph.Result) answer {
	a := answer{Status: r.Status, Event: plainEvent(r.Event), Number: s.index(r.Event.ID), Existing: -1}
	for _, e := range r.Found {
		a.Found = append(a.Found, plainEvent(e))
		a.FoundNumbers = append(a.FoundNumbers, s.index(e.ID))
	}
	if r.Err != nil {
		a.Kind, a.Reason, a.Code, a.Unanswered = r.Err.Kind.String(), r.Err.Reason, r.Err.Code, r.Err.Unanswered
		a.RetryAfter, a.Existing = r.Err.RetryAfter, s.index(r.Err.ExistingID)
		a.Event, a.Number = graph.Event{}, -1
	}
	return a
}

func plainEvent(e graph.Event) graph.Event {
	e.ID, e.ChangeKey, e.ICalUID = "", "", fmt.Sprint(e.ICalUID != "")
	return e
}

// mailbox is what lies in a mailbox, without ids and keys.
func (s *side) mailbox(tenant, user string) []string {
	var all []string
	for _, e := range s.store.Events(tenant, user) {
		properties := fmt.Sprint(e.Properties)
		all = append(all, fmt.Sprint(s.index(e.ID), e.Subject, e.Body, e.Start, e.End, e.From, e.To, e.AllDay, e.Locations, e.ShowAs,
			e.Sensitivity, e.Categories, e.ReminderOn, e.ReminderMinutes, e.TransactionID, e.Created, e.Modified, properties, e.StartZone, e.EndZone))
	}
	return all
}

// user edits an event on both sides as its owner.
func (p *pair) user(t *rapid.T) {
	if len(p.twin.ids) == 0 {
		return
	}
	n := rapid.IntRange(0, len(p.twin.ids)-1).Draw(t, "event")
	what := rapid.SampledFrom([]string{"delete", "copy", "retitle"}).Draw(t, "edit")
	p.tick()
	a, aErr := p.twin.edit(p.tenant, n, what)
	b, bErr := p.wire.edit(p.tenant, n, what)
	if (aErr == nil) != (bErr == nil) {
		t.Fatalf("%s: %v, %v", what, aErr, bErr)
	}
	if a != "" && b != "" {
		p.number(t, a, b)
	}
}

// edit returns the id of an event that is new.
func (s *side) edit(tenant string, n int, what string) (string, error) {
	owner := s.store.Owner(tenant, aino)
	switch what {
	case "delete":
		return "", owner.Delete(s.ids[n])
	case "retitle":
		return "", owner.Retitle(s.ids[n], "mine")
	}
	e, err := owner.Copy(s.ids[n])
	return e.ID, err
}

func (p *pair) switches(t *rapid.T) {
	s := exchange.Switches{
		Memory:       exchange.Memory(rapid.IntRange(0, 3).Draw(t, "memory")),
		NameExisting: rapid.Bool().Draw(t, "named"), SearchByHand: rapid.Bool().Draw(t, "by hand"),
		DuplicateStatus: rapid.SampledFrom([]int{0, 409}).Draw(t, "status"),
	}
	p.twin.store.SetSwitches(s)
	p.wire.store.SetSwitches(s)
	if rapid.Bool().Draw(t, "index") {
		p.twin.store.Index()
		p.wire.store.Index()
	}
}

func (p *pair) state(t *rapid.T) {
	state := exchange.Ready
	if rapid.IntRange(0, 3).Draw(t, "closed") == 0 {
		state = exchange.State(rapid.IntRange(1, int(exchange.Moving)).Draw(t, "state"))
	}
	for _, s := range []*side{p.twin, p.wire} {
		if err := s.store.SetState(p.tenant, aino, state); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *pair) mailbox(t *rapid.T) {
	address := rapid.SampledFrom([]string{strings.ToUpper(aino), "alias@acme.example", "nobody@acme.example", "", ".."}).Draw(t, "address")
	a, aErr := p.twin.calendar.Mailbox(t.Context(), graph.AppAccess(p.tenant), address)
	b, bErr := p.wire.calendar.Mailbox(t.Context(), graph.AppAccess(p.tenant), address)
	var ours, theirs *graph.Error
	if errors.As(aErr, &ours) != errors.As(bErr, &theirs) || a != b {
		t.Fatalf("%q: %v %v, %v %v", address, a, aErr, b, bErr)
	}
	if ours != nil && (ours.Kind != theirs.Kind || ours.Reason != theirs.Reason || ours.Status != theirs.Status || ours.Code != theirs.Code) {
		t.Fatalf("%q: twin %v, wire %v", address, ours, theirs)
	}
}
