// Package graphworld is graphtest.World over the simulator's store, so that the
// conformance suite of graph.Calendar runs over the twin and over the wire with
// one view of the mailboxes. What spoils requests differs between the two and
// comes as a Trouble.
package graphworld

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
	"github.com/calbridge/calbridge/shared/key"
)

// Trouble spoils requests, as graphtest.World describes it.
type Trouble interface {
	Throttle(mailbox string, n int, retryAfter time.Duration)
	Fail(n, status int, code string)
	LoseAnswers(n int)
}

// The names of a Harness.
const (
	Tenant  = "11111111-aaaa-4bbb-8ccc-000000000001"
	Foreign = "11111111-aaaa-4bbb-8ccc-000000000002"
	Mailbox = "Aino.Virtanen@acme.example"
	Alias   = "aino@acme.example"
	Second  = "bo@acme.example"
	Unknown = "nobody@acme.example"
)

// World is a store seen and moved by a test.
type World struct {
	Trouble
	t     testing.TB
	store *exchange.Store
	// switches as SetTransactions left them
	switches exchange.Switches
}

var _ graphtest.World = (*World)(nil)

// New fills an empty store with the users of a Harness.
func New(t testing.TB, store *exchange.Store, trouble Trouble) *World {
	store.AddUser(Tenant, exchange.User{Principal: Mailbox, Aliases: []string{Alias}, Name: "Aino"})
	store.AddUser(Tenant, exchange.User{Principal: Second, Name: "Bo"})
	store.AddTenant(Foreign)
	return &World{Trouble: trouble, t: t, store: store}
}

// Harness is the world with the calendar that is tested.
func (w *World) Harness(calendar graph.Calendar) graphtest.Harness {
	return graphtest.Harness{
		Calendar: calendar, Tenant: Tenant, Foreign: Foreign,
		Mailbox: Mailbox, Alias: Alias, Second: Second, Unknown: Unknown, World: w,
	}
}

// Person is the world as the owner of Mailbox reaches it. Connections are named by Own
// and Dead, the token that is handed over is Token.
func (w *World) Person(calendar graph.Calendar) graphtest.Person {
	as := graph.Access{Tenant: Tenant, Organization: "acme", Lane: key.Lane("acme", key.User, "aino"), ObjectID: w.ObjectID()}
	own, dead, token := as, as, as
	own.Connection, dead.Connection, token.Token = Own, Dead, Token
	return graphtest.Person{Harness: w.Harness(calendar), Own: own, Token: token, Dead: dead}
}

// Lists is the world with what lists calendars: Own and Sharing are connections of the
// owner of Mailbox, Sharing with a .Shared permission.
func (w *World) Lists(calendar graph.Calendar, calendars graph.Calendars) graphtest.Lists {
	p := w.Person(calendar)
	sharing := p.Own
	sharing.Connection = Sharing
	return graphtest.Lists{Harness: p.Harness, Calendars: calendars, Own: p.Own, Shared: sharing, Dead: p.Dead,
		Add: func(mailbox, name string) string {
			c, err := w.store.AddCalendar(Tenant, mailbox, name)
			w.must(err)
			w.must(w.store.PaintCalendar(Tenant, mailbox, c.ID, "lightBlue"))
			return c.ID
		},
		Share: func() { w.must(w.store.Share(Tenant, Second, Mailbox, false)) }}
}

// ObjectID is that of the owner of Mailbox.
func (w *World) ObjectID() string {
	u, err := w.store.User(Tenant, Mailbox)
	w.must(err)
	return u.ObjectID
}

// The connections, Basic with Calendars.ReadBasic only, and the access token of the owner of Mailbox.
var (
	Own     = key.Of("connection", "own")
	Sharing = key.Of("connection", "sharing")
	Dead    = key.Of("connection", "dead")
	Basic   = key.Of("connection", "basic")
)

// Token is an access token of the owner of Mailbox.
const Token = "aino's"

// Events lists what lives in a mailbox.
func (w *World) Events(mailbox string) []graphtest.Seen {
	var all []graphtest.Seen
	for _, e := range w.store.Events(Tenant, mailbox) {
		all = append(all, w.seen(e))
	}
	return all
}

func (w *World) seen(e exchange.Event) graphtest.Seen {
	mark, err := exchange.ParsePropertyID(graph.MarkProperty)
	w.must(err)
	s := graphtest.Seen{
		ID: e.ID, Subject: e.Subject, Body: e.Body, AllDay: e.AllDay,
		Start:  event.Time{DateTime: e.Start.DateTime, Zone: e.Start.Zone},
		End:    event.Time{DateTime: e.End.DateTime, Zone: e.End.Zone},
		ShowAs: e.ShowAs, Sensitivity: e.Sensitivity, Categories: e.Categories,
		ReminderOn: e.ReminderOn, ReminderMinutes: e.ReminderMinutes,
		TransactionID: e.TransactionID, Attendees: len(e.Attendees),
	}
	s.Mark, _ = e.Property(mark)
	if len(e.Locations) > 0 {
		s.Place, s.Street = e.Locations[0].Name, e.Locations[0].Street
	}
	return s
}

// UserDeletes deletes an event as its owner would.
func (w *World) UserDeletes(mailbox, id string) { w.must(w.store.Owner(Tenant, mailbox).Delete(id)) }

// UserCopies copies an event as its owner would.
func (w *World) UserCopies(mailbox, id string) string {
	e, err := w.store.Owner(Tenant, mailbox).Copy(id)
	w.must(err)
	return e.ID
}

// UserImports imports a file with one event as its owner would.
func (w *World) UserImports(mailbox, uid string, wrapped bool) string {
	switches := w.switches
	switches.WrapUIDs = wrapped
	w.store.SetSwitches(switches)
	defer w.store.SetSwitches(w.switches)
	done, err := w.store.Owner(Tenant, mailbox).Import([]byte(strings.Join([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN",
		"METHOD:PUBLISH", "BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:20261101T000000Z", "SEQUENCE:1", "DTSTART:20261201T100000Z",
		"DTEND:20261201T110000Z", "SUMMARY:Imported", "END:VEVENT", "END:VCALENDAR", ""}, "\r\n")))
	w.must(err)
	if len(done.Added) != 1 {
		w.t.Fatalf("the import did %+v, want one event more", done)
	}
	return done.Added[0]
}

// UserRepeats gives an event a rule, and its second day another title.
func (w *World) UserRepeats(mailbox, id string) {
	switches := w.store.Switches()
	switches.ListExceptions = true
	w.store.SetSwitches(switches)
	owner := w.store.Owner(Tenant, mailbox)
	e, err := w.store.Event(Tenant, mailbox, id)
	w.must(err)
	rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 1}, Range: exchange.Range{Type: "numbered", StartDate: e.Start.DateTime[:10], Count: 5}}
	_, err = owner.Change(id, exchange.Change{Recurrence: &rule})
	w.must(err)
	days, err := w.store.Instances(Tenant, mailbox, id, e.From, e.From.AddDate(0, 0, 5))
	w.must(err)
	w.must(owner.Retitle(days[1].ID, "another day"))
}

// SetState changes what stands in the way of a mailbox.
func (w *World) SetState(mailbox string, state graphtest.State) {
	w.must(w.store.SetState(Tenant, mailbox, map[graphtest.State]exchange.State{
		graphtest.Ready: exchange.Ready, graphtest.Unlicensed: exchange.Unlicensed,
		graphtest.OnPremises: exchange.OnPremises, graphtest.OutsideScope: exchange.OutsideScope,
	}[state]))
}

// SetTransactions sets the store's switches.
func (w *World) SetTransactions(t graphtest.Transactions) {
	w.switches = exchange.Switches{NameExisting: t.NameExisting, Memory: map[graphtest.Memory]exchange.Memory{
		graphtest.Freed: exchange.FreedOnDelete, graphtest.Kept: exchange.Kept,
		graphtest.Ghost: exchange.Ghost, graphtest.Forgotten: exchange.Forgotten,
	}[t.Memory]}
	w.store.SetSwitches(w.switches)
}

// Mails counts the mails sent so far.
func (w *World) Mails() int { return len(w.store.Mails()) }

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Rules is the trouble that a set of rules makes, over HTTP.
type Rules struct {
	T   testing.TB
	Set *faults.Set
}

func (r Rules) add(rule faults.Rule) {
	r.T.Helper()
	if _, err := r.Set.Add(rule); err != nil {
		r.T.Fatal(err)
	}
}

// Throttle answers the next n calls to a mailbox with 429.
func (r Rules) Throttle(mailbox string, n int, retryAfter time.Duration) {
	r.add(faults.Rule{Effect: faults.Answer, Status: http.StatusTooManyRequests, Mailbox: strings.ToLower(mailbox),
		RetryAfter: int(retryAfter / time.Second), Count: n})
}

// Fail refuses the next n whole requests.
func (r Rules) Fail(n, status int, code string) {
	r.add(faults.Rule{Effect: faults.Answer, Status: status, Code: code, On: faults.Request, Count: n})
}

// LoseAnswers cuts off the next n whole requests after carrying them out.
func (r Rules) LoseAnswers(n int) {
	r.add(faults.Rule{Effect: faults.LoseAnswer, On: faults.Request, Count: n})
}
