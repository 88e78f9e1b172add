package history

import (
	"context"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// Histories in which people sign in: accounts are connected, tokens die in every way,
// people reconnect the same or another account, make another one primary, turn
// directions, disconnect. What holds besides: no connection reaches a mailbox that is
// not its account's, and nobody calls as the app (I7).

// DrawDelegated is Draw for an organisation whose people sign in.
func DrawDelegated(t *rapid.T) *world.World {
	w := Draw(t)
	w.Delegate(rapid.SampledFrom([]string{"any", "tenant"}).Draw(t, "accounts"))
	return w
}

func (h *history) signIn() bool { return h.w.Org.Permission == organization.Delegated }

// addAccounts gives a user the accounts that they may connect: those of the other
// history, and where accounts of any tenant are taken, one of another tenant.
func (h *history) addAccounts(user string) {
	h.accounts[user] = []world.Account{
		h.w.AddAccount(world.Tenant, user+"@acme.example"), h.w.AddAccount(world.Tenant, user+".new@acme.example")}
	if h.w.Org.Accounts == "any" {
		h.accounts[user] = append(h.accounts[user], h.w.AddAccount(world.Other, user+"@other.example"))
	}
}

// begin lets some people have connected before, and their first booking be written.
func (h *history) begin() {
	for _, user := range h.users() {
		n := rapid.IntRange(0, 2).Draw(h.T, user+"'s accounts")
		for _, a := range h.accounts[user][:n] {
			h.connect(user, a, connection.Both)
		}
	}
	if rapid.Bool().Draw(h.T, "written") {
		h.settle()
	}
}

// account does one thing to somebody's connections.
func (h *history) account() {
	h.closed = true
	user := rapid.SampledFrom(h.users()).Draw(h.T, "who")
	what := rapid.IntRange(0, 10).Draw(h.T, "account")
	connected := h.connections(user)
	if what < 4 || len(connected) == 0 {
		if !h.w.Org.Module {
			return // nobody can connect (R1)
		}
		a := rapid.SampledFrom(h.accounts[user]).Draw(h.T, "which account")
		h.connect(user, a, rapid.SampledFrom([]connection.Direction{connection.Up, connection.Both, connection.Both, connection.Down}).Draw(h.T, "direction"))
		return
	}
	c := rapid.SampledFrom(connected).Draw(h.T, "which connection")
	switch what {
	case 4, 5:
		fate := rapid.SampledFrom([]graph.Fate{graph.FateDead, graph.FateDead, graph.FatePolicy, graph.FateConsent, graph.FatePassing}).Draw(h.T, "fate")
		h.Logf("the token of %s dies: %s", c.Email, fate)
		h.w.Graph.Fail(c.ID, world.TokenFailure(fate))
		h.dead[c.Email] = fate
	case 6, 7:
		h.Logf("%s is the primary account", c.Email)
		h.primary(c)
	case 8:
		d := rapid.SampledFrom([]connection.Direction{connection.Up, connection.Both, connection.Down, connection.None}).Draw(h.T, "turn")
		h.turn(c, d)
	case 9:
		if h.renamed(user, c) {
			return // its earlier names would be forgotten, and looks at them wait until bookings are over
		}
		h.Logf("%s is disconnected", c.Email)
		if err := h.w.Engine().Disconnect(context.Background(), world.Organization, c.ID, nil); err != nil {
			h.Fatal(err)
		}
	case 10:
		h.rename(user, c)
	}
}

// renamed reports whether an account has another address than it began with.
func (h *history) renamed(user string, c connection.Connection) bool {
	return slices.ContainsFunc(h.accounts[user], func(a world.Account) bool {
		return a.ObjectID == c.Account.ObjectID && strings.HasPrefix(a.Address, "x")
	})
}

// rename gives an account another address, which its person signs in with.
func (h *history) rename(user string, c connection.Connection) {
	i := slices.IndexFunc(h.accounts[user], func(a world.Account) bool { return a.ObjectID == c.Account.ObjectID })
	a := &h.accounts[user][i]
	old := a.Address
	a.Address = "x" + old
	if len(a.Address) > 40 || !h.w.Org.Module {
		a.Address = old
		return
	}
	h.Logf("%s is called %s", old, a.Address)
	if err := h.w.Exchange.Rename(a.Tenant, old, a.Address); err != nil {
		h.Fatal(err)
	}
	if rapid.Bool().Draw(h.T, "signs in") {
		h.connect(user, *a, c.Direction)
		delete(h.dead, old)
	}
}

// lives reports whether a mailbox is the one that a row or a look names, by any of its names.
func (h *history) lives(box exchange.Box, home state.Home) bool {
	u, err := h.w.Exchange.User(home.Tenant, home.Mailbox)
	return err == nil && home.Tenant == box.Tenant && u.ObjectID == box.User.ObjectID
}

func (h *history) connections(user string) []connection.Connection {
	all, err := h.w.Engine().Connections(context.Background(), world.Organization, user)
	if err != nil {
		h.Fatal(err)
	}
	return all
}

func (h *history) connect(user string, a world.Account, d connection.Direction) connection.Connection {
	h.Logf("%s connects %s: %s", user, a.Address, d)
	c, err := h.w.Connect(context.Background(), user, a, d)
	if err != nil {
		h.Fatal(err)
	}
	delete(h.dead, a.Address)
	return c
}

func (h *history) primary(c connection.Connection) {
	yes := true
	if _, err := h.w.Engine().ChangeConnection(context.Background(), world.Organization, c.ID, engine.ConnectionChange{Primary: &yes}, nil); err != nil {
		h.Fatal(err)
	}
}

// openAccounts lets everybody sign in anew with all accounts, the first one primary.
func (h *history) openAccounts() {
	for _, user := range h.users() {
		for _, a := range h.accounts[user] {
			c := h.connect(user, a, connection.Both)
			if a == h.accounts[user][0] {
				h.primary(c)
			}
		}
	}
}

// rest lets everything come to rest as people left it, and checks what must hold then:
// every event of ours is named by its row or by a look (I1).
func (h *history) rest() {
	for _, user := range h.users() {
		for _, c := range h.connections(user) {
			if h.dead[c.Email] == graph.FatePassing { // nothing comes to rest as long as it lasts
				h.w.Graph.Grant(c.ID, twin.Account{Tenant: c.Account.Tenant, ObjectID: c.Account.ObjectID})
			}
		}
	}
	for day := range 2 {
		if day > 0 {
			h.w.Advance(24 * time.Hour) // looks that could not be taken are due
		}
		const lessThanADay = 20 * time.Hour // looks that cannot be taken wait for a day
		if err := h.w.SettleWithin(lessThanADay); err != nil {
			h.Fatal(err)
		}
		for booking, r := range h.sent {
			for _, user := range h.users() {
				h.checkRest(booking, user, r)
			}
		}
	}
}

func (h *history) accountOf(user, address string) world.Account {
	i := slices.IndexFunc(h.accounts[user], func(a world.Account) bool { return a.Address == address })
	return h.accounts[user][i]
}

func (h *history) checkRest(booking, user string, r *revision) {
	name := booking + " for " + user
	last, err := h.w.Last(booking, user)
	if err != nil {
		h.Fatalf("%s: %v", name, err)
	}
	if last.State == "" {
		return // never on it
	}
	row := h.row(booking, user)
	if row.Debt != "" || row.Intent.Op != "" {
		h.Fatalf("I3: %s is still owed or in doubt: %+v", name, row)
	}
	if last.State != row.State || last.Reason != row.Reason {
		h.Fatalf("I9: %s: the last result is %s/%s, the row says %s/%s", name, last.State, last.Reason, row.State, row.Reason)
	}
	for _, box := range h.w.Exchange.Boxes() {
		home := state.Home{Tenant: box.Tenant, Mailbox: box.User.Mail}
		named := func(there state.Home) bool { return h.lives(box, there) }
		for _, e := range box.Events {
			if !h.isOurs(booking, user, e) || slices.ContainsFunc(row.Look.Homes, named) {
				continue
			}
			if e.ID != row.Event || !named(row.Home) {
				h.Fatalf("I1: %s is %s/%s, yet an event lives in %s that nobody knows of (row %q in %+v, look %+v)",
					name, row.State, row.Reason, home.Mailbox, row.Event, row.Home, row.Look)
			}
			if row.State == "written" && e.Subject != r.title {
				h.Fatalf("I2: %s is written, yet %q lives in %s, want %q", name, e.Subject, home.Mailbox, r.title)
			}
			if row.State == "written" && h.isOpen(user) && !named(state.Home{Tenant: box.Tenant, Mailbox: h.target(user)}) {
				h.Fatalf("R6: %s lives in %s, the primary account is %s", name, home.Mailbox, h.target(user))
			}
		}
	}
}

// isOpen reports whether somebody's primary account can be written now. What was
// written before one closed stays written, wherever it is.
func (h *history) isOpen(user string) bool {
	for _, c := range h.connections(user) {
		if !c.Primary {
			continue
		}
		u, err := h.w.Exchange.User(c.Account.Tenant, c.Mailbox)
		return err == nil && u.State == exchange.Ready && c.State == connection.Connected && c.Writes() &&
			h.dead[c.Email] == "" && h.w.Org.Sync && h.w.Org.Module
	}
	return false
}

func (h *history) isOurs(booking, user string, e exchange.Event) bool {
	return slices.ContainsFunc(h.w.Ours(booking, user), func(ours exchange.Event) bool { return ours.ID == e.ID })
}

// target is the mailbox in which somebody's events live now.
func (h *history) target(user string) string {
	for _, c := range h.connections(user) {
		if c.Primary {
			return c.Mailbox
		}
	}
	if h.signIn() {
		return ""
	}
	return h.lane(user).Address
}

// checkReach sees that nobody's mailbox was called but those of the accounts (I7).
func (h *history) checkReach() {
	if foreign := h.w.Graph.Foreign(); len(foreign) > 0 || h.w.Trespasses > 0 {
		h.Fatalf("I7: %d calls as the app, and %q", h.w.Trespasses, foreign)
	}
}
