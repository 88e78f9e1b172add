package downsync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// overTheWire is an agenda through the adapters: Table REST and AMQP on the loopback.
func overTheWire(t testing.TB) (*agenda, *servicebus.Broker) {
	t.Helper()
	a := newAgenda(t)
	clock := func() time.Time { return a.now }
	server, err := tables.Start(tables.NewStore(clock), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	resources, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	broker := servicebus.New(servicebus.Options{Topology: servicebus.FromResources(resources), Now: clock})
	amqp, err := broker.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := state.NewAzure(server.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	bus, err := queue.FromConnectionString(amqp.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		rows.Close()
		if err := errors.Join(bus.Close(context.WithoutCancel(t.Context())), amqp.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
	a.tables.Tables = rows
	a.syncer = downsync.New(downsync.Effects{Tables: a.tables, Bus: bus, Organizations: a}, &downsync.Options{Now: clock})
	return a, broker
}

// 10,000 due connections are enqueued by one run in under ten seconds (issue 6, Speed),
// through the adapters that run in Azure.
func TestTenThousandTurnsAreEnqueuedInTenSeconds(t *testing.T) {
	a, broker := overTheWire(t)
	a.add(acme, 0, 10_000)
	began := time.Now()
	a.run()
	took := time.Since(began)
	active, scheduled := broker.Counts(queue.MailboxTasks)
	if active+scheduled < 10_000 || took > 10*time.Second {
		t.Errorf("%d turns in %v", active+scheduled, took)
	}
	t.Logf("%d turns in %v", active+scheduled, took)
}
