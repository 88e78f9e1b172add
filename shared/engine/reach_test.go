package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

const bound, foreign = "11111111-aaaa-4bbb-8ccc-000000000001", "11111111-aaaa-4bbb-8ccc-000000000002"

// usual is a connection that is written through.
func usual(change func(*connection.Connection)) connection.Connection {
	c := connection.Connection{ID: key.Of("connection", "a"), Organization: "acme", User: "aino", Delegated: true, Primary: true,
		Account: connection.Account{Tenant: bound, ObjectID: "oid-a"}, Mailbox: "aino@acme.example",
		Direction: connection.Up, State: connection.Connected, SignedIn: time.Unix(1, 0)}
	if change != nil {
		change(&c)
	}
	return c
}

func people(accounts string) organization.Organization {
	return organization.Organization{ID: "acme", Permission: organization.Delegated, Accounts: accounts, State: organization.State{Tenant: bound}}
}

// Every state and direction of a connection, and whose account it is.
func TestWhetherAConnectionIsWrittenThrough(t *testing.T) {
	set := func(s connection.State, cause string) func(*connection.Connection) {
		return func(c *connection.Connection) { c.State, c.Cause = s, cause }
	}
	turn := func(d connection.Direction) func(*connection.Connection) {
		return func(c *connection.Connection) { c.Direction = d }
	}
	for _, test := range []struct {
		name     string
		accounts string
		change   func(*connection.Connection)
		why      string
	}{
		{"connected, up", "tenant", nil, ""},
		{"connected, both", "tenant", turn(connection.Both), ""},
		{"down", "tenant", turn(connection.Down), "direction-down-only"},
		{"none", "tenant", turn(connection.None), "paused"},
		{"paused", "tenant", set(connection.Paused, ""), "paused"},
		{"dead", "tenant", set(connection.NeedsReauth, "700082"), "needs-reauth"},
		{"dead and down", "tenant", func(c *connection.Connection) { c.State, c.Direction = connection.NeedsReauth, connection.Down }, "needs-reauth"},
		{"kept out by a policy", "tenant", set(connection.BlockedByPolicy, "53003"), "blocked-by-policy"},
		{"on premises", "tenant", set(connection.Unreachable, "mailbox-on-premises"), "mailbox-on-premises"},
		{"refused", "tenant", set(connection.Unreachable, "outside-scope"), "outside-scope"},
		{"unreachable for what is no reason", "tenant", set(connection.Unreachable, "ErrorSomething"), "mailbox-unavailable"},
		{"unreachable and down", "tenant", func(c *connection.Connection) { c.State, c.Direction = connection.Unreachable, connection.Down }, "direction-down-only"},
		{"no mailbox", "tenant", func(c *connection.Connection) { c.Mailbox, c.Cause = "", "mailbox-not-found" }, "mailbox-not-found"},
		{"about to go", "tenant", set(connection.Disconnected, ""), "not-connected"},
		{"by probe", "tenant", func(c *connection.Connection) { c.Delegated = false }, "not-connected"},
		{"another tenant's", "tenant", func(c *connection.Connection) { c.Account.Tenant = foreign }, "not-connected"},
		{"another tenant's, any is taken", "any", func(c *connection.Connection) { c.Account.Tenant = foreign }, ""},
		{"not primary", "tenant", func(c *connection.Connection) { c.Primary = false }, "not-connected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := usual(test.change)
			r := reachOf(people(test.accounts), key.Lane("acme", key.User, "aino"), []connection.Connection{c})
			if r.why != test.why {
				t.Errorf("%q, want %q", r.why, test.why)
			}
			if open := r.home != (state.Home{}); open != (test.why == "") || open && r.home != homeOf(c) {
				t.Errorf("written to %+v", r.home)
			}
			if reached := r.has(homeOf(c)); reached != (test.why == "" || !c.Primary) {
				t.Errorf("may be called: %v", reached)
			}
			if !c.Primary || test.why == "" {
				return
			}
			if why := r.reason(homeOf(c)); why != test.why {
				t.Errorf("its mailbox is out of reach for %q, want %q", why, test.why)
			}
		})
	}
	if r := reachOf(people("any"), key.Key{}, nil); r.why != "not-connected" || r.home != (state.Home{}) {
		t.Errorf("nobody's: %+v", r)
	}
}

// One person's accounts reach their own mailboxes, each with its own token, and an
// organisation of the other kind reaches none of them so.
func TestEveryMailboxIsCalledInTheNameOfWhoseItIs(t *testing.T) {
	first := usual(nil)
	second := usual(func(c *connection.Connection) {
		c.ID, c.Account, c.Mailbox, c.Primary = key.Of("connection", "b"), connection.Account{Tenant: foreign, ObjectID: "oid-b"}, "aino@other.example", false
	})
	lane := key.Lane("acme", key.User, "aino")
	r := reachOf(people("any"), lane, []connection.Connection{second, first})
	for _, c := range []connection.Connection{first, second} {
		as, ok := r.to(homeOf(c))
		want := graph.Access{Tenant: c.Account.Tenant, Organization: "acme", Lane: lane, Connection: c.ID, ObjectID: c.Account.ObjectID, Version: as.Version}
		if !ok || as != want || as.Version == "" {
			t.Errorf("%s: %#v, %v", c.Mailbox, as, ok)
		}
	}
	for _, h := range []state.Home{{}, {Tenant: bound}, {Tenant: bound, Mailbox: "bert@acme.example"}, {Tenant: foreign, Mailbox: first.Mailbox}} {
		if as, ok := r.to(h); ok {
			t.Errorf("%+v may be called as %v", h, as)
		}
	}
	again := usual(func(c *connection.Connection) { c.SignedIn = c.SignedIn.Add(time.Second) })
	if a, b := accessOf(lane, first), accessOf(lane, again); a == b {
		t.Error("a token of before the last sign-in would serve")
	}

	app := reachOf(organization.Organization{ID: "acme", Permission: organization.Application, State: organization.State{Tenant: bound}}, lane, nil)
	if as, ok := app.to(state.Home{Tenant: bound, Mailbox: "bert@acme.example"}); !ok || as != graph.AppAccess(bound) {
		t.Errorf("the app: %v, %v", as, ok)
	}
	for _, h := range []state.Home{{}, {Tenant: foreign, Mailbox: "bert@acme.example"}} {
		if _, ok := app.to(h); ok {
			t.Errorf("the app may call %+v", h)
		}
	}
	unbound := reachOf(organization.Organization{ID: "acme", Permission: organization.Application}, lane, nil)
	if _, ok := unbound.to(state.Home{Mailbox: "bert@acme.example"}); ok {
		t.Error("the app may call a tenant that nobody bound")
	}
}

// What a failure of a token or mailbox comes to; "" waits.
func TestWhyAFailureOfAConnectionEndsInAFile(t *testing.T) {
	token := func(code string, number, status int) *graph.Error {
		return graph.ClassifyToken(code, []int{number}, status)
	}
	for _, test := range []struct {
		err *graph.Error
		why string
	}{
		{token("invalid_grant", 700082, 400), "needs-reauth"},
		{token("invalid_grant", 50173, 400), "needs-reauth"},
		{token("invalid_grant/consent_required", 65001, 400), "needs-reauth"}, // that person signs in again
		{token("invalid_grant", 53003, 400), "blocked-by-policy"},
		{token("unauthorized_client", 700016, 400), "consent-missing"},
		{token("invalid_client", 7000222, 401), ""}, // our own credential
		{token("temporarily_unavailable", 90033, 503), ""},
		{graph.Classify(401, "InvalidAuthenticationToken", nil), ""},
		{graph.Classify(403, "insufficient_claims", nil), "blocked-by-policy"},
		{graph.Classify(403, "ErrorAccessDenied", nil), "outside-scope"},
		{graph.Classify(404, "MailboxNotEnabledForRESTAPI", nil), "mailbox-unavailable"},
		{graph.Classify(404, "Request_ResourceNotFound", nil), "mailbox-not-found"},
	} {
		if why := whyOf(test.err); why != test.why {
			t.Errorf("%s: %q, want %q", fmt.Sprint(test.err), why, test.why)
		}
	}
}
