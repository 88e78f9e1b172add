package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// reach is which mailboxes a lane's turn may call, and in whose name (I7): the one
// thing in which application and delegated organisations differ.
//
// Permission application: the app may call every mailbox of the tenant that the
// organisation is bound to. Who has a connection there, made by probe, has bookings
// written to the primary one's mailbox and in its direction only; who has none, where
// the booking's address leads. Permission delegated: each of the person's connections
// reaches the mailbox of its own account, and bookings go to the primary one's. Rooms
// have nobody who signs in: in a delegated organisation they are not connected.
//
// A mailbox that nobody may call now is out of reach. What is in there stays and is
// named: in the row where it is the delivery's event, in a look where the delivery
// lives elsewhere by now (outOfReach).
type reach struct {
	// tenant is the one whose mailboxes the app itself may call; "" for none.
	tenant string
	// delegated says that people's connections are used instead.
	delegated bool
	// people are a person's connections that may write, by their mailboxes; shut tells
	// of the others why they may not.
	people map[state.Home]connection.Connection
	shut   map[state.Home]string
	// names are the former names of people's mailboxes, with today's.
	names map[state.Home]state.Home
	all   []connection.Connection
	lane  key.Key
	// home is the mailbox that a person's bookings go to; where there is none, why is a
	// reason of ics.
	home state.Home
	why  string
}

// reachOf is the reach of a lane whose person has these connections. It is pure.
func reachOf(org organization.Organization, lane key.Key, connections []connection.Connection) reach {
	if org.Permission != organization.Delegated {
		r := reach{tenant: org.State.Tenant, lane: lane}
		for _, c := range connections {
			if c.Primary && !c.Delegated && c.State != connection.Disconnected && c.Account.Tenant == r.tenant {
				r.home, r.why = homeOf(c), misdirected(c)
			}
		}
		return r
	}
	r := reach{delegated: true, lane: lane, why: reasonNotConnected, all: connections,
		people: map[state.Home]connection.Connection{}, shut: map[state.Home]string{}, names: map[state.Home]state.Home{}}
	for _, c := range connections {
		for _, former := range c.Former {
			r.names[state.Home{Tenant: c.Account.Tenant, Mailbox: former}] = homeOf(c)
		}
	}
	for _, c := range connections {
		delete(r.names, homeOf(c)) // another of the person's has that address now
		home, why := homeOf(c), unwritable(org, c)
		if why == "" {
			r.people[home] = c
		} else if r.shut[home] == "" {
			r.shut[home] = why
		}
		if c.Primary {
			r.why = why
			r.home = state.Home{}
			if why == "" {
				r.home = home
			}
		}
	}
	return r
}

func homeOf(c connection.Connection) state.Home {
	return state.Home{Tenant: c.Account.Tenant, Mailbox: c.Mailbox}
}

// unwritable tells why a connection is not written through, as a reason of ics; ""
// when it is. A connection without a sign-in is of no use to an organisation whose
// people sign in, and so is one of another tenant than the organisation's, unless it
// takes accounts of any (identity.md section 3).
func unwritable(org organization.Organization, c connection.Connection) string {
	switch {
	case !c.Delegated, c.State == connection.Disconnected:
		return reasonNotConnected
	case !anyTenant(org) && c.Account.Tenant != org.State.Tenant:
		return reasonNotConnected
	case c.State == connection.NeedsReauth:
		return graph.ReasonNeedsReauth
	case c.State == connection.BlockedByPolicy:
		return graph.ReasonBlockedByPolicy
	case misdirected(c) != "":
		return misdirected(c)
	case c.State == connection.Unreachable, c.Mailbox == "":
		return unreachableFor(c.Cause)
	}
	return ""
}

// misdirected tells why a connection's direction does not let bookings be written.
func misdirected(c connection.Connection) string {
	switch {
	case c.Direction == connection.Down:
		return reason.DirectionDownOnly
	case !c.Writes(), c.State == connection.Paused:
		return reasonPaused
	}
	return ""
}

// unreachableFor is the reason of a mailbox that cannot be reached for a cause.
func unreachableFor(cause string) string {
	if r, ok := reason.Find(cause); ok && r.May(ICS) {
		return cause
	}
	return graph.ReasonUnavailable
}

// anyTenant reports whether an organisation takes people's accounts of any tenant:
// then nobody need have consented for all of them.
func anyTenant(org organization.Organization) bool {
	return org.Permission == organization.Delegated && org.Accounts == "any"
}

// today is a mailbox by the name that it has today.
func (r reach) today(h state.Home) state.Home {
	if now, ok := r.names[h]; ok && now.Mailbox != "" {
		return now
	}
	return h
}

// renamed is a row whose mailboxes have their names of today: what was written under
// another address of the same account is neither left behind nor moved.
func (r reach) renamed(row state.Delivery) state.Delivery {
	if len(r.names) == 0 {
		return row
	}
	today := func(homes []state.Home) []state.Home {
		var out []state.Home
		for _, h := range homes {
			out = withHome(out, r.today(h))
		}
		return out
	}
	row.Home, row.Intent.Home = r.today(row.Home), r.today(row.Intent.Home)
	row.Look.Homes, row.Look.Left = today(row.Look.Homes), today(row.Look.Left)
	return row
}

// to is in whose name a mailbox may be called; false when by nobody.
func (r reach) to(h state.Home) (graph.Access, bool) {
	if !r.delegated {
		return graph.AppAccess(r.tenant), h.Mailbox != "" && h.Tenant == r.tenant && r.tenant != ""
	}
	c, ok := r.people[h]
	return accessOf(r.lane, c), ok
}

func (r reach) has(h state.Home) bool {
	_, ok := r.to(h)
	return ok
}

// reason is why a mailbox is out of a person's reach.
func (r reach) reason(h state.Home) string {
	if why := r.shut[h]; why != "" {
		return why
	}
	return reasonNotConnected
}

// lose takes a mailbox out of reach for the rest of the turn.
func (r reach) lose(h state.Home, why string) {
	delete(r.people, h)
	r.shut[h] = why
}

// missing are those of some mailboxes that are out of a person's reach.
func (r reach) missing(homes []state.Home) []state.Home {
	if !r.delegated {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(homes), r.has)
}

// accessOf is the access of a connection. Its version is the sign-in, so that no
// token is used that is older.
func accessOf(lane key.Key, c connection.Connection) graph.Access {
	return graph.Access{Tenant: c.Account.Tenant, Organization: c.Organization, Lane: lane, Connection: c.ID,
		ObjectID: c.Account.ObjectID, Version: c.SignIn()}
}

// reachNow reads how a lane may be called. Only for a person of a delegated
// organisation, and for one who has or had a connection by probe, it makes a request, one.
func (e *Engine) reachNow(ctx context.Context, org organization.Organization, lane state.Lane) (reach, error) {
	if org.Permission != organization.Delegated && !lane.Chosen || lane.Kind != key.User {
		return reachOf(org, lane.Key, nil), nil
	}
	rows, err := e.connections.Of(ctx, org.ID, lane.Key)
	if err != nil {
		return reach{}, fmt.Errorf("connections of lane %s: %w", lane.Key, err)
	}
	all := make([]connection.Connection, len(rows))
	for i, row := range rows {
		all[i] = row.Connection
	}
	return reachOf(org, lane.Key, all), nil
}

// takeHome makes the mailbox that the person chose the lane's. Where it is another
// than before, everything else of the lane follows.
func (t *turn) takeHome(ctx context.Context) error {
	t.home = t.reach.home
	if t.home.Mailbox == "" {
		return nil
	}
	old := t.reach.today(t.info.Home)
	t.learnt = t.home != t.info.Home || t.info.ResolvedAddress != t.resolved()
	if old.Mailbox == "" || old == t.home {
		return nil
	}
	return t.oweAll(ctx)
}

// chosen reports whether it was said which mailbox the target's bookings go to, so that
// their addresses have no say in it.
func (r reach) chosen() bool { return r.delegated || r.home.Mailbox != "" }

// resolved is what the lane row says that its mailbox answers for: the lane's
// address, or where a person chose it, the mailbox itself.
func (t *turn) resolved() string {
	if t.reach.chosen() {
		return t.home.Mailbox
	}
	return t.info.Address
}

// outOfReach decides about a delivery that has, or may have, its event in a mailbox
// that nobody may call now, while the person's own calendar is open.
//
// Where the event is to go, or is only kept because the booking is over, the delivery
// is held with the reason of that mailbox, as by a closed calendar. Where it is to
// move, it is made in the new mailbox, since the person must not wait for an account
// that may be gone for good; the old event stays, and a look names its mailbox until
// somebody may call it again or the booking is over (I1).
func (t *turn) outOfReach(s *slot) {
	if !t.reach.delegated || s.fate != open || s.want.hold {
		return
	}
	there := s.row.Home
	if s.row.Event == "" && s.row.Intent.InDoubt() {
		there = s.row.Intent.Home
	}
	if there.Mailbox == "" || t.reach.has(there) {
		return
	}
	switch {
	case s.want.event == nil:
		s.want = s.want.held(ICS, t.reach.reason(there))
		s.want.says = true
	case s.want.past && s.row.Event != "":
		s.want = s.want.held(ICS, t.reach.reason(there))
	case s.row.Event != "":
		t.note(s, "left", state.Entry{EventID: s.row.Event})
		s.left, s.lost = s.row.Home, s.row.Event
		s.row.Event, s.row.ChangeKey, s.row.Home, s.row.Print = "", "", state.Home{}, ""
		s.row.Generation++
	}
}

// recognise takes back that an event was left, where it was found in the mailbox of
// today: that is the old one, renamed.
func (s *slot) recognise() {
	if s.lost != "" && s.step.keep != nil && s.step.keep.event.ID == s.lost {
		s.left, s.lost = state.Home{}, ""
	}
}

// orderLeft makes an update's look name the mailbox that an event was left in.
func (t *turn) orderLeft(s *slot, u *state.Update) {
	look := u.After.Look
	wait := heldDelay
	if look.Nonce != "" {
		wait = lookDelay // one stands already, and is not put off for this
	}
	look.Nonce, look.Due = key.Random(), later(look.Due, t.now().Add(wait)).Truncate(time.Millisecond)
	look.Homes = withHome(look.Homes, s.left)
	look.Left = withHome(look.Left, s.left)
	t.replaceLook(s, u, look)
}

func withHome(homes []state.Home, h state.Home) []state.Home {
	if slices.Contains(homes, h) {
		return homes
	}
	return append(slices.Clone(homes), h)
}

// returned are the mailboxes that an event was left in and that may be called again.
func (t *turn) returned(s *slot) []state.Home {
	return slices.DeleteFunc(slices.Clone(s.row.Look.Left), func(h state.Home) bool { return !t.reach.has(h) })
}

// stillToSee is what remains of a look that was taken: the mailboxes that could not be
// called, as long as the booking is not over. Then nobody minds what is left there.
func (t *turn) stillToSee(s *slot, look state.Look) state.Look {
	rest := t.reach.missing(look.Homes)
	over := !s.row.Ends.IsZero() && s.row.Ends.Before(t.start)
	if len(rest) == 0 || over {
		return state.Look{}
	}
	return state.Look{Nonce: look.Nonce, Due: t.start.Add(heldDelay).Truncate(time.Millisecond), Homes: rest, Left: rest}
}
