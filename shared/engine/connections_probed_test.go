package engine_test

import (
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// Where nobody signs in, a person's connection says all the same which way bookings
// travel and where to: consent for the whole tenant allows more than was chosen (R2, R6).
func TestTheDirectionOfAConnectionByProbeIsKept(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	made, err := w.Engine().ConnectByProbe(t.Context(), world.Organization, "aino", "aino@acme.example", connection.Down)
	if err != nil {
		t.Fatal(err)
	}
	send(t, w, bookingOf(t, "b", 1, nil))
	pass(t, w)
	expect(t, w, "b", "aino", "ics", "direction-down-only")
	for _, step := range []struct {
		direction     connection.Direction
		revision      int64
		state, reason string
		events        []string
	}{
		{connection.Both, 2, "written", "", []string{"b r2"}},
		{connection.None, 3, "ics", "paused", []string{"b r2"}},
		{connection.Up, 4, "written", "", []string{"b r4"}},
		{connection.Down, 5, "ics", "direction-down-only", []string{"b r4"}},
	} {
		change(t, w, made.Connection, engine.ConnectionChange{Direction: &step.direction})
		send(t, w, bookingOf(t, "b", step.revision, nil))
		pass(t, w)
		expect(t, w, "b", "aino", step.state, step.reason, step.events...)
	}
	disconnect(t, w, made.Connection) // as everybody of the tenant again
	send(t, w, bookingOf(t, "b", 6, nil))
	pass(t, w)
	expect(t, w, "b", "aino", "written", "", "b r6")
}

// The primary one of several connections by probe receives the bookings, whatever
// address they name; another primary moves what is to come.
func TestThePrimaryConnectionByProbeReceivesTheBookings(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	w.AddMailbox("desk@acme.example")
	connect := func(email string) engine.VersionedConnection {
		t.Helper()
		c, err := w.Engine().ConnectByProbe(t.Context(), world.Organization, "aino", email, connection.Both)
		if err != nil {
			t.Fatal(err)
		}
		pass(t, w)
		return c
	}
	is := func(want string) {
		t.Helper()
		expect(t, w, "b", "aino", "written", "", "b r1")
		if got := where(w, "b", "aino"); got != want {
			t.Errorf("written to %q, want %q", got, want)
		}
	}
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": []person{someone("aino").with("email", "aino@gmail.com")}}))
	pass(t, w)
	expect(t, w, "b", "aino", "ics", "personal-mailbox")
	desk := connect("desk@acme.example")
	is("desk@acme.example")
	own := connect("aino@acme.example")
	is("desk@acme.example")
	makePrimary(t, w, own.Connection)
	pass(t, w)
	is("aino@acme.example")
	disconnect(t, w, own.Connection)
	pass(t, w)
	is("desk@acme.example")
	_ = desk
	if bound := w.Org.State.Tenant; bound != world.Tenant {
		t.Fatal(bound)
	}
}

// Of a tenant that the organisation is not bound to any more a connection says nothing,
// and nobody without one costs a request more.
func TestAConnectionByProbeOfAnotherTenantIsNotObeyed(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	if _, err := w.Engine().ConnectByProbe(t.Context(), world.Organization, "aino", "aino@acme.example", connection.Down); err != nil {
		t.Fatal(err)
	}
	lane := key.Lane(world.Organization, key.User, "aino")
	rows, err := state.NewConnections(w.Tables).Of(t.Context(), world.Organization, lane)
	if err != nil {
		t.Fatal(err)
	}
	old := rows[0].Connection
	old.Account.Tenant = world.Other
	if _, err := state.NewConnections(w.Tables).Put(t.Context(), old, nil, rows[0].ETag); err != nil {
		t.Fatal(err)
	}
	send(t, w, bookingOf(t, "b", 1, nil))
	pass(t, w)
	expect(t, w, "b", "aino", "written", "", "b r1")
}
