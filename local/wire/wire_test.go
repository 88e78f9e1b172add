// Package wire holds the tests in which the engine works through the real
// adapters over real connections: aztables over HTTP, azservicebus over AMQP, the
// Graph client with tokens from the simulated Entra. It imports Graph's models,
// which is why it is apart from the tests over twins.
package wire

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/history"
	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/graph/msgraph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// TestMain lets the property test run 50 histories unless -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "50"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestNothingIsLostDoubledOrMangledOverTheWire runs the histories of the engine's
// property test through the adapters, with kills between any two requests.
func TestNothingIsLostDoubledOrMangledOverTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := history.Draw(t)
		overTheWire(t, w)
		history.Run(t, w, 60)
	})
}

// overTheWire replaces a world's twins by the adapters, connected to the same
// kinds of stores behind real servers.
func overTheWire(t *rapid.T, w *world.World) {
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	const client = "00001111-aaaa-2222-bbbb-3333cccc4444"
	sim := m365.New(&m365.Options{Now: w.Now, Switches: w.Switches})
	sim.AddTenant(world.Tenant, "acme.example")
	sim.Entra.Register(entra.App{ID: client, Name: "Calbridge", Secrets: []string{"s3cret"}})
	sim.Entra.Consent(world.Tenant, client, "Calendars.ReadWrite")
	must(sim.Listen("127.0.0.1:0"))
	t.Cleanup(sim.Close)
	w.Exchange = sim.Exchange

	app, err := identity.New(client, identity.Secret("s3cret"), &identity.Options{
		Authority: sim.URL(), GraphEndpoint: sim.URL(), Now: w.Now})
	must(err)
	w.Calendar, err = msgraph.New(msgraph.NewTokens(app, nil), &msgraph.Options{Endpoint: sim.URL(), Now: w.Now})
	must(err)

	table, err := tables.Start(tables.NewStore(w.Now), "127.0.0.1:0", nil)
	must(err)
	t.Cleanup(func() { must(table.Close()) })
	w.Tables, err = state.NewAzure(table.ConnectionString(), nil)
	must(err)

	bus, err := w.Broker.Listen("127.0.0.1:0")
	must(err)
	t.Cleanup(func() { must(bus.Close()) })
	sender, err := queue.FromConnectionString(bus.ConnectionString(), nil)
	must(err)
	t.Cleanup(func() { must(sender.Close(context.Background())) })
	w.Bus = sender
}
