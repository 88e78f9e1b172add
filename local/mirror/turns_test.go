package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// change is one turn of those who decide: of a person about their connections, of the
// organisation about its settings, of Microsoft's administrator about the consent.
func (s *story) change() {
	b := s.boxes[rapid.IntRange(0, len(s.boxes)-1).Draw(s.T, "whose connection")]
	c, ok := s.connected(b)
	what := rapid.IntRange(0, 13).Draw(s.T, "change")
	s.Logf("change %d of %s, connected: %v", what, b.Address, ok)
	switch what {
	case 0, 1:
		if ok {
			s.disconnect(b, c)
		} else {
			s.reconnect(b)
		}
	case 2:
		s.another(b.user)
	case 3, 4:
		if ok {
			s.redirect(b, c, rapid.SampledFrom([]connection.Direction{connection.Down, connection.Up, connection.Both, connection.None}).Draw(s.T, "direction"), "")
		}
	case 5:
		if ok && c.Direction == connection.Down {
			s.redirect(b, c, c.Direction, rapid.SampledFrom([]connection.Scope{connection.Busy, connection.Details}).Draw(s.T, "scope"))
		}
	case 6, 7:
		if ok && c.Reads() {
			all := s.calendarsOf(b.Account)
			s.choose(c, all[:rapid.IntRange(0, len(all)).Draw(s.T, "calendars")]...)
		}
	case 8, 9:
		s.settle(func(o *organization.Organization) {
			o.DownSync.Privacy = rapid.SampledFrom([]string{"nothing", "busy", "title", "all"}).Draw(s.T, "privacy")
		})
	case 10:
		s.settle(func(o *organization.Organization) { o.Sync = !o.Sync })
	case 11:
		s.settle(func(o *organization.Organization) { o.Module = !o.Module })
	case 12:
		s.settle(func(o *organization.Organization) {
			o.DownSync.EveryMinutes = rapid.SampledFrom([]int{30, 60, 360}).Draw(s.T, "every")
			o.OwnEventsChanged = rapid.SampledFrom([]string{"report", "product", "outlook"}).Draw(s.T, "rule")
		})
	case 13:
		s.revoke(c, ok)
	}
	s.remember()
}

// remember notes what the rules have been, which what was told obeyed.
func (s *story) remember() {
	now := s.rules()
	s.silent = s.silent || now.org.DownSync.Privacy == "nothing"
	for id := range now.connections {
		s.hushed = s.hushed || !slices.Contains([]string{"title", "all"}, now.privacy(id))
	}
}

// settle changes the organisation's settings as a PUT does: what follows is ordered first.
func (s *story) settle(change func(*organization.Organization)) {
	next := *s.Org
	change(&next)
	s.must(s.insist(func(one *process) error {
		return one.engine.Reconcile(context.Background(), world.Organization, "settings")
	}))
	*s.Org = next
	if !next.Module || !next.Sync {
		s.stir(users()...) // written meanwhile are files
	}
	s.Logf("module %v, sync %v, privacy %s, rule %s", next.Module, next.Sync, next.DownSync.Privacy, next.OwnEventsChanged)
}

// stir notes that the bookings of users may go elsewhere than into the calendar that they
// began in.
func (s *story) stir(users ...string) {
	for _, u := range users {
		s.stirred[u] = true
	}
}

func (s *story) disconnect(b mailbox, c connection.Connection) {
	s.stir(b.user)
	err := s.insist(func(one *process) error {
		return one.engine.Disconnect(context.Background(), world.Organization, c.ID, nil)
	})
	if !errors.Is(err, state.ErrNotFound) { // it died when that was done
		s.must(err)
	}
	s.ended[c.ID] = s.calendarsOf(b.Account)
}

// reconnect connects an account again, or for the first time.
func (s *story) reconnect(b mailbox) {
	if !s.Org.Module || s.refused {
		return // nobody can
	}
	d := rapid.SampledFrom([]connection.Direction{connection.Down, connection.Up, connection.Both}).Draw(s.T, "connects")
	s.stir(b.user)
	scope := connection.ScopeFor(d, rapid.SampledFrom([]connection.Scope{connection.Busy, connection.Details}).Draw(s.T, "shows"))
	s.Logf("%s connects %s, %s", b.user, d, scope)
	s.connect(b.user, b.Account, d, scope)
}

// another connects one more account of a person.
func (s *story) another(user string) {
	const most = 5
	if len(s.boxes) >= most || !s.Org.Module || s.refused {
		return
	}
	a := s.AddAccount(world.Tenant, fmt.Sprintf("%s.%d@acme.example", user, len(s.boxes)))
	b := mailbox{a, user}
	s.boxes = append(s.boxes, b)
	s.reconnect(b)
}

// redirect turns a connection, signing in once more where that takes more than was granted.
func (s *story) redirect(b mailbox, c connection.Connection, d connection.Direction, scope connection.Scope) {
	change := engine.ConnectionChange{Direction: &d}
	if scope != "" {
		change.Scope = &scope
	}
	s.stir(b.user)
	s.Logf("%s is to go %s %s", b.Address, d, scope)
	err := s.insist(func(one *process) error {
		_, err := one.engine.ChangeConnection(context.Background(), world.Organization, c.ID, change, nil)
		return err
	})
	var missing *engine.ScopeMissing
	if errors.As(err, &missing) {
		if s.Org.Module {
			s.connect(b.user, b.Account, d, missing.Scope)
		}
		return
	}
	s.must(err)
}

// revoke lets a token die, or takes the consent of the whole tenant away; what was taken
// away it gives back.
func (s *story) revoke(c connection.Connection, ok bool) {
	switch {
	case s.Org.Permission == organization.Application:
		s.refused = !s.refused
		s.stir(users()...)
		s.Graph.Refuse(world.Tenant, s.refused)
	case ok:
		s.stir(c.User)
		fate := rapid.SampledFrom([]graph.Fate{graph.FateDead, graph.FatePolicy, graph.FateConsent, graph.FatePassing}).Draw(s.T, "why")
		s.Graph.Fail(c.ID, world.TokenFailure(fate))
		s.dead[c.ID] = true
	}
}

// mend lets everybody do what there is to do: the organisation is on, consents are there,
// whoever has to sign in again does, and what is held is decided about.
func (s *story) mend() {
	s.refused = false
	s.Graph.Refuse(world.Tenant, false)
	if !s.Org.Module || !s.Org.Sync {
		s.settle(func(o *organization.Organization) { o.Module, o.Sync = true, true })
	}
	for _, b := range s.boxes {
		c, ok := s.connected(b)
		if ok && s.dead[c.ID] {
			delete(s.dead, c.ID)
			if d := c.Direction; d == connection.None {
				s.Graph.Grant(c.ID, twin.Account{Tenant: b.Tenant, ObjectID: b.ObjectID, Basic: c.Scope == connection.Busy})
			} else {
				s.connect(b.user, b.Account, d, c.Scope)
			}
		}
	}
}

// decide decides about what is held of any connection, as the brake asked.
func (s *story) decide(decision string) (some bool) {
	for id, waits := range s.rules().held {
		if !waits {
			continue
		}
		c, err := key.Parse(id)
		s.must(err)
		s.Logf("%s is decided: %s", id, decision)
		if decision == state.HeldApprove {
			s.approved[id] = true
		} else {
			s.restored[id] = true
		}
		err = s.insist(func(one *process) error {
			return one.syncer.Decide(context.Background(), world.Organization, c, decision)
		})
		if !errors.Is(err, downsync.ErrNotHeld) { // it died when that was done, and it was carried out
			s.must(err)
		}
		some = true
	}
	return some
}

// decideAll decides until nothing is held any more.
func (s *story) decideAll(how ...string) {
	for range 10 {
		if !s.decide(rapid.SampledFrom(how).Draw(s.T, "decision")) {
			return
		}
		s.work(10 * time.Minute)
	}
	s.Fatal("A2: held without end")
}

// fill puts events into a mailbox' own calendar, or into several that are read, all within
// the window, and returns their ids.
func (s *story) fill(b mailbox, several bool, n int) (ids []string) {
	owner := s.Exchange.Owner(b.Tenant, b.Address)
	c, _ := s.connected(b)
	for range n {
		s.number++
		title, start := fmt.Sprint("Owner's ", s.number), s.hour()
		first, end := at(start), at(start.Add(time.Hour))
		e, err := owner.Create(exchange.Change{Subject: &title, Start: &first, End: &end})
		s.must(err)
		if several && len(c.Calendars) > 0 {
			e, err = owner.File(e.ID, rapid.SampledFrom(c.Calendars).Draw(s.T, "calendar").ID)
			s.must(err)
		}
		ids = append(ids, e.ID)
	}
	s.note()
	return ids
}

// take deletes events at once.
func (s *story) take(b mailbox, ids []string) {
	owner := s.Exchange.Owner(b.Tenant, b.Address)
	for _, id := range ids {
		s.must(owner.Delete(id))
		s.gone[id] = true
	}
	s.note()
}

// stillHas counts what the app has of some appointments.
func (s *story) stillHas(connection string, ids []string) (n int) {
	have := s.app(connection)
	for _, id := range ids {
		if _, ok := have[id]; ok {
			n++
		}
	}
	return n
}
