package subscribe_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// counted counts the requests to tables.
type counted struct {
	state.Tables
	queries, others chan struct{}
}

func (c counted) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	c.queries <- struct{}{}
	return c.Tables.Query(ctx, table, span)
}

func (c counted) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	c.others <- struct{}{}
	return c.Tables.Get(ctx, table, partition, row)
}

func (c counted) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	c.others <- struct{}{}
	return c.Tables.Apply(ctx, table, changes)
}

// Nothing but the due ones is read, in slots; what is due later is not.
func TestARunOrdersTenThousandThatAreDueAndReadsNothingElse(t *testing.T) {
	now := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	store := tables.NewStore(clock).Direct()
	due := state.NewDue(store)
	const many = 10_000
	for i := range many + 100 {
		at := now.Add(-time.Duration(i%3) * time.Hour)
		if i >= many {
			at = now.Add(time.Hour)
		}
		id := key.Of("test", fmt.Sprint(i))
		if err := due.AddRenewal(t.Context(), state.Renewal{Organization: acme, Connection: id, Session: id.String(), At: at}); err != nil {
			t.Fatal(err)
		}
	}
	resources, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	broker := servicebus.New(servicebus.Options{Topology: servicebus.FromResources(resources), Now: clock})
	reads := counted{store, make(chan struct{}, 1000), make(chan struct{}, 1000)}
	keeper := subscribe.New(subscribe.Effects{Tables: reads, Bus: broker.Sender()}, &subscribe.Options{Now: clock})
	if err := due.SetNotified(t.Context(), subscribe.Path); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 2 { // a run that is repeated orders nothing twice
		if err := keeper.Renewals(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d due: %v a run", many, time.Since(began)/2)
	active, scheduled := broker.Counts(queue.MailboxTasks)
	if active+scheduled != many || len(reads.queries) != 2*169 || len(reads.others) != 2 {
		t.Errorf("%d active, %d scheduled; %d slots read, %d other requests", active, scheduled, len(reads.queries), len(reads.others))
	}
	sessions := map[string]bool{}
	for _, m := range broker.Peek(queue.MailboxTasks) {
		sessions[m.SessionID] = true
		if m.ScheduledFor.After(now.Add(10*time.Minute)) || len(m.Body) == 0 {
			t.Fatalf("%+v", m)
		}
	}
	if len(sessions) != many {
		t.Errorf("%d sessions", len(slices.Collect(maps.Keys(sessions))))
	}
}

// PUBLIC_URL is another one: within the hour every subscription notifies there, and the
// next hours have nothing to do. Nobody knows which it was: all are looked at, and Graph
// is asked nothing.
func TestAnotherPublicAddressIsNoticedByTheNextRun(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	first := r.one(r.c)
	r.calls()
	r.passes(2 * time.Hour) // the first run knows of no address
	if now := r.one(r.c); now.ID != first.ID || r.calls() != 0 {
		t.Errorf("%+v", now)
	}
	r.url = "https://new.example.com"
	r.boot()
	r.passes(2 * time.Hour)
	second := r.one(r.c)
	if second.NotifyURL != r.url+subscribe.Path || second.LifecycleURL != second.NotifyURL {
		t.Errorf("%+v", second)
	}
	r.calls()
	r.agenda(1)
	r.passes(24 * time.Hour)
	if n := r.calls(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A kill of the run that notices, or a bus that is down, leaves it to the next run.
func TestAnotherPublicAddressIsNoticedThoughARunFails(t *testing.T) {
	r := newRig(t)
	r.order(r.c, subscribe.CauseFollow)
	r.passes(time.Hour)
	r.url = "https://new.example.com"
	r.boot()
	r.refuse = true
	r.passes(time.Hour)
	r.refuse = false
	r.passes(2 * time.Hour)
	if now := r.one(r.c); now.NotifyURL != r.url+subscribe.Path {
		t.Errorf("%+v", now)
	}
}

func TestTenThousandSubscriptionsMoveToAnotherAddressOverAnHour(t *testing.T) {
	now := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	store := tables.NewStore(clock).Direct()
	due := state.NewDue(store)
	const many = 10_000
	for i := range many {
		id := key.Of("test", fmt.Sprint(i))
		at := now.Add(time.Duration(1+i%168) * time.Hour)
		if err := due.AddRenewal(t.Context(), state.Renewal{Organization: acme, Connection: id, Session: id.String(), At: at}); err != nil {
			t.Fatal(err)
		}
	}
	resources, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	broker := servicebus.New(servicebus.Options{Topology: servicebus.FromResources(resources), Now: clock})
	keeper := subscribe.New(subscribe.Effects{Tables: store, Bus: broker.Sender()}, &subscribe.Options{Now: clock, PublicURL: "https://calendar.example.com"})
	for range 2 {
		if err := keeper.Renewals(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	minutes := map[time.Time]int{}
	for _, m := range broker.Peek(queue.MailboxTasks) {
		minutes[m.ScheduledFor.Truncate(time.Minute)]++
	}
	total := 0
	for at, n := range minutes {
		total += n
		if n > 300 || at.After(now.Add(time.Hour)) {
			t.Errorf("%d at %s", n, at)
		}
	}
	if total != many {
		t.Errorf("%d ordered", total)
	}
}
