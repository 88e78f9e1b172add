// Package world runs the engine over in-memory twins of tables, bus and Graph,
// one effect at a time, under a clock that only tests move.
//
// A worker is one invocation of a function. It stops before every effect; the
// test says whether it goes on, dies before or after the effect, or whether
// Graph's answer is lost or late. Only one worker runs at any moment, so that a
// history repeats exactly from its seed (write-path.md section 7).
//
// The twins pass the suites of the real adapters (state/statetest, queue/queuetest,
// graph/graphtest). What is guessed: that calls on their way land within the ten
// minutes that a look waits, and that a new event can be found by its mark by
// then; Advance keeps both.
package world

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

// Fixed parts of a world.
const (
	Organization = "acme"
	Tenant       = "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a01"
	Changes      = queue.Changes + "/subscriptions/all"
)

// Start is the instant at which every world begins.
func Start() time.Time { return time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC) }

// World is one organisation with its mailboxes, queues and tables.
type World struct {
	Broker   *servicebus.Broker
	Exchange *exchange.Store
	Switches exchange.Switches // of Exchange
	// Tables, Bus and Calendar are what workers act on: twins, or the real adapters
	// over the wire to the same broker and mailboxes.
	Tables   state.Tables
	Bus      queue.Sender
	Calendar graph.Calendar
	// Graph is the twin; it is Calendar, unless that was replaced.
	Graph *twin.Twin
	// Before decides the fate of what Graph is asked; nil lets all pass.
	Before twin.Before
	// Trespasses counts calls with the app's permission while people sign in.
	Trespasses int
	// Org is the organisation; nil is one that was deleted.
	Org *organization.Organization
	// Version is of the build that runs from now on; 0 is this one.
	Version version.Version
	// Effects names every effect of every worker, in order.
	Effects []string
	// Workers are the invocations that have not ended, oldest first.
	Workers []*Worker

	transactions map[key.Key]map[string]bool // computed ids of each delivery

	now  atomic.Pointer[time.Time] // servers of the simulator read it meanwhile
	late []func()                  // requests to Graph that are on their way
}

// New makes a world whose Graph has these switches.
func New(switches exchange.Switches) (*World, error) {
	resources, err := infra.Load()
	if err != nil {
		return nil, fmt.Errorf("world.New: %w", err)
	}
	org, faults := organization.Decode([]byte(`{"displayName":"Acme","profile":"training","sync":true,"timeZone":"Europe/Helsinki"}`))
	if len(faults) > 0 {
		return nil, fmt.Errorf("world.New: %v", faults)
	}
	org = org.WithID(Organization)
	if org, err = org.Bind(Tenant, Start().Add(-time.Hour)); err != nil {
		return nil, fmt.Errorf("world.New: %w", err)
	}
	w := &World{Org: &org, Switches: switches, transactions: map[key.Key]map[string]bool{}}
	w.set(Start())
	w.Broker = servicebus.New(servicebus.Options{Topology: servicebus.FromResources(resources), Now: w.Now})
	w.Exchange = exchange.New(w.Now, switches)
	w.Exchange.AddTenant(Tenant)
	w.Graph = twin.New(w.Exchange, &twin.Options{Before: w.watch})
	w.Bus, w.Calendar = w.Broker.Sender(), w.Graph
	w.Tables = tables.NewStore(w.Now).Direct()
	return w, nil
}

// Now is the world's clock.
func (w *World) Now() time.Time { return *w.now.Load() }

func (w *World) set(now time.Time) { w.now.Store(&now) }

// AddMailbox makes a mailbox in the tenant.
func (w *World) AddMailbox(address string, aliases ...string) {
	w.Exchange.AddUser(Tenant, exchange.User{Principal: address, Mail: address, Aliases: aliases, Name: address})
}

// Organization implements engine.Organizations.
func (w *World) Organization(_ context.Context, id string) (organization.Organization, error) {
	if w.Org == nil || id != w.Org.ID {
		return organization.Organization{}, state.ErrNotFound
	}
	return *w.Org, nil
}

// Send puts a message on the queue bookings.
func (w *World) Send(ctx context.Context, body []byte) error {
	return w.Broker.Sender().Send(ctx, queue.Bookings, queue.Message{Body: body})
}

// Advance moves the clock. A minute and more ends every worker and lands every
// call that is on its way first, as the deadlines of host and HTTP do, and lets
// the search find what is new.
func (w *World) Advance(d time.Duration) {
	if d >= time.Minute {
		w.Finish()
		for len(w.late) > 0 {
			w.Land(0)
		}
		w.Exchange.Index()
	}
	w.set(w.Now().Add(d))
	w.Broker.Tick()
}

// Finish runs every worker to its end, without faults.
func (w *World) Finish() {
	for len(w.Workers) > 0 {
		w.Step(w.Workers[0], Go)
	}
}

// Kinds of function that a worker runs.
const (
	Intake     = "BookingIntake"
	Write      = "CalendarWrite"
	Dead       = "DeadLetterBookings"
	DeadWakeup = "DeadLetterDeliveries"
	Task       = "MailboxTask"
	DeadTask   = "DeadLetterTasks"
)

// Begin takes the next message for a function and starts a worker, up to its
// first effect; nil when there is no message.
func (w *World) Begin(kind string) *Worker {
	k := &Worker{Kind: kind, world: w}
	switch kind {
	case Intake:
		k.delivery, _ = w.Broker.Receive(queue.Bookings)
	case Dead:
		k.delivery, _ = w.Broker.Receive(servicebus.DeadLetter(queue.Bookings))
	case DeadWakeup:
		k.delivery, _ = w.Broker.Receive(servicebus.DeadLetter(queue.Deliveries))
	case DeadTask:
		k.delivery, _ = w.Broker.Receive(servicebus.DeadLetter(queue.MailboxTasks))
	case Write:
		k.accept(queue.Deliveries)
	case Task:
		k.accept(queue.MailboxTasks)
	}
	if k.delivery == nil {
		if k.session != nil {
			k.session.Close()
		}
		return nil
	}
	w.Workers = append(w.Workers, k)
	k.run(w.engine(k))
	return k
}

// Engine is one outside of any worker, for what people and timers call: its
// effects are not stopped at.
func (w *World) Engine() *engine.Engine {
	return engine.New(engine.Effects{Tables: w.rows(w.Tables), Bus: w.stamped(w.Bus), Calendar: w.Calendar, Reader: w.Graph, Organizations: w, Refresher: w, Shelf: w.Broker.Shelf()}, w.options())
}

func (w *World) options() *engine.Options {
	return &engine.Options{PublicURL: "https://calendar.example.com", Now: w.Now, Jitter: func() float64 { return 0.5 }, Parallel: 1, Version: w.Version}
}

func (w *World) engine(k *Worker) *engine.Engine {
	return engine.New(engine.Effects{
		Tables: w.rows(gatedTables{k, w.Tables}), Bus: w.stamped(gatedBus{k, w.Bus}), Calendar: gatedCalendar{k, w.Calendar}, Organizations: w, Refresher: w,
	}, w.options())
}

// Settle runs everything to its end without faults: messages that wait, then the
// clock to the next scheduled one, until nothing is left. It fails when that
// takes too long, which means that something never comes to rest.
func (w *World) Settle() error { return w.SettleWithin(0) }

// SettleWithin is Settle up to what is scheduled for later than d from now, which
// stays; 0 leaves nothing.
func (w *World) SettleWithin(d time.Duration) error {
	until := w.Now().Add(d)
	const most = 4000 // invocations
	w.Finish()
	for range most {
		started := false
		for _, kind := range []string{Intake, Write, Task, Dead, DeadWakeup, DeadTask} {
			if w.Begin(kind) != nil {
				w.Finish()
				started = true
			}
		}
		if started {
			continue
		}
		next, ok := w.nextScheduled()
		if !ok {
			if w.Late() == 0 {
				return nil
			}
			next = w.Now().Add(time.Minute)
		}
		if d > 0 && next.After(until) {
			return nil
		}
		w.Advance(max(next.Sub(w.Now()), time.Minute))
	}
	return fmt.Errorf("not at rest after %d rounds", most)
}

func (w *World) nextScheduled() (time.Time, bool) {
	var times []time.Time
	for _, q := range []string{queue.Bookings, queue.Deliveries, queue.MailboxTasks} {
		for _, m := range w.Broker.Peek(q) {
			at := w.Now()
			if m.State == servicebus.Scheduled {
				at = m.ScheduledFor
			}
			if m.Locked {
				at = m.LockedUntil
			}
			times = append(times, at)
		}
	}
	if len(times) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(times, time.Time.Compare), true
}
