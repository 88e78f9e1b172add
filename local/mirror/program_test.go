package mirror

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/subscribe"
)

const publicURL = "https://calendar.example.com"

// program is the whole program over a world, one process at a time.
type program struct {
	*rapid.T
	*world.World
	fuse     *fuse
	hub      *notify.Hub
	faults   int              // of Graph, still to come
	options  downsync.Options // of the syncer
	noTimers bool
	sweep    time.Time // when the timers run next
	renewals time.Time

	engine   *engine.Engine
	keeper   *subscribe.Keeper
	syncer   *downsync.Syncer
	receiver *subscribe.Receiver
}

func newProgram(t *rapid.T) *program {
	w, err := world.New(exchange.Switches{Rewriting: exchange.Rewriting(rapid.IntRange(0, 2).Draw(t, "rewriting"))})
	if err != nil {
		t.Fatal(err)
	}
	p := &program{T: t, World: w, sweep: w.Now().Add(7 * time.Minute), renewals: w.Now().Add(11 * time.Minute)}
	w.Exchange.AddTenant(world.Other)
	w.Org.Module = true
	w.Org.Brake.Count, w.Org.Brake.Percent = 100_000, 100
	p.hub = notify.New(w.Exchange, w.Now, notify.To(p), nil)
	w.Graph = twin.New(w.Exchange, &twin.Options{Hub: p.hub, Before: p.before})
	w.Calendar = w.Graph
	p.boot()
	return p
}

// boot starts a process.
func (p *program) boot() {
	f := &fuse{}
	p.fuse = f
	tables, bus, calendar := fusedTables{f, p.Tables}, fusedBus{f, p.Bus}, fusedGraph{f, p.Graph}
	keys, err := link.NewKeys(bytes.Repeat([]byte{'k'}, 32))
	p.must(err)
	endings := &ender{}
	half := func() float64 { return 0.5 }
	p.engine = engine.New(engine.Effects{Tables: tables, Bus: bus, Calendar: calendar, Reader: calendar, Calendars: p.Graph, Organizations: p.World, Refresher: p.World, Endings: endings},
		&engine.Options{PublicURL: publicURL, Now: p.Now, Jitter: half, Parallel: 1})
	p.keeper = subscribe.New(subscribe.Effects{Tables: tables, Bus: bus, Subscriber: calendar, Organizations: p.World, Failures: p.engine, Keys: keys},
		&subscribe.Options{PublicURL: publicURL, Now: p.Now, Jitter: half})
	endings.Keeper = p.keeper
	options := p.options
	options.PublicURL, options.Now, options.Jitter = publicURL, p.Now, half
	p.syncer = downsync.New(downsync.Effects{Tables: tables, Bus: bus, Reader: calendar, Organizations: p.World, Ours: p.engine, Failures: p.engine, Watch: p.keeper}, &options)
	p.receiver = subscribe.NewReceiver(keys, bus, p.Now)
}

// ender is the keeper, which is made after the engine.
type ender struct{ *subscribe.Keeper }

func (p *program) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// before lets Graph fail as often as was said.
func (p *program) before(v twin.Visit) twin.Fate {
	if v.Access.App() && p.Org.Permission == "delegated" {
		p.Trespasses++
	}
	if p.faults == 0 || v.Call != nil {
		return twin.Fate{}
	}
	p.faults--
	fates := []twin.Fate{{Effect: twin.Answer, Status: 429, Code: "ApplicationThrottled", RetryAfter: 7 * time.Second}, {Effect: twin.Answer, Status: 503},
		{Effect: twin.Lose}, {Effect: twin.LoseAnswer}, {}}
	f := rapid.SampledFrom(fates).Draw(p.T, "fate")
	p.Logf("Graph fails: %+v", f)
	return f
}

// ServeHTTP is the address that Graph notifies.
func (p *program) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if token := req.URL.Query().Get("validationToken"); token != "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, token)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err == nil {
		_, err = p.receiver.Receive(context.Background(), body)
	}
	p.revive()
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// revive starts another process where one has died, and reports whether it did.
func (p *program) revive() bool {
	died := p.fuse.dead
	if died {
		p.Logf("the process died")
		p.boot()
	}
	return died
}

// receive handles one message that waits; false where none does.
func (p *program) receive() bool {
	for _, path := range []string{queue.Bookings, servicebus.DeadLetter(queue.Bookings), servicebus.DeadLetter(queue.Deliveries), servicebus.DeadLetter(queue.MailboxTasks)} {
		if d, ok := p.Broker.Receive(path); ok {
			p.finish(d, p.handle(path, d.Message))
			return true
		}
	}
	for _, path := range []string{queue.Deliveries, queue.MailboxTasks} {
		session, ok := p.Broker.Accept(path)
		if !ok {
			continue
		}
		d, ok := session.Receive()
		if ok {
			p.finish(d, p.handle(path, d.Message))
		}
		session.Close()
		if ok {
			return true
		}
	}
	return false
}

func (p *program) finish(d *servicebus.Delivery, err error) {
	switch {
	case p.revive():
		_ = d.Release()
	case err != nil:
		_ = d.Abandon(nil)
	default:
		_ = d.Complete()
	}
}

func (p *program) handle(path string, m queue.Message) error {
	ctx := context.Background()
	switch path {
	case queue.Bookings:
		return p.engine.Intake(ctx, m)
	case queue.Deliveries:
		return p.engine.Write(ctx, m)
	case queue.MailboxTasks:
		return p.task(ctx, m)
	case servicebus.DeadLetter(queue.Bookings):
		return p.engine.DeadLetter(ctx, queue.Bookings, m)
	case servicebus.DeadLetter(queue.Deliveries):
		return p.engine.DeadLetter(ctx, queue.Deliveries, m)
	}
	return p.engine.DeadLetter(ctx, queue.MailboxTasks, m)
}

// task gives a task to whom it is for, as handlers/app does.
func (p *program) task(ctx context.Context, m queue.Message) error {
	var t struct{ Op string }
	p.must(json.Unmarshal(m.Body, &t))
	switch {
	case t.Op != downsync.Op && t.Op != subscribe.OpSubscribe && t.Op != subscribe.OpRenew:
		return p.engine.Task(ctx, m)
	case subscribe.Takes(m):
		return p.keeper.Task(ctx, m, p.syncer)
	}
	return p.syncer.Task(ctx, m)
}

// work handles what waits and what becomes due within a time: messages, notifications, timers.
func (p *program) work(d time.Duration) {
	p.Helper()
	const most = 20_000
	until := p.Now().Add(d)
	for n := 0; ; n++ {
		if n > most {
			p.Fatalf("messages without end")
		}
		p.hub.Deliver(context.Background())
		if p.receive() {
			continue
		}
		next := until
		if _, due := p.Broker.Due(); !due.IsZero() && due.Before(next) {
			next = due
		}
		if due, some := p.hub.Next(); some && due.Before(next) {
			next = due
		}
		if !p.noTimers {
			next = earliest(next, p.sweep, p.renewals)
		}
		if p.timers() {
			continue
		}
		if !p.Now().Before(until) {
			return
		}
		p.Advance(max(next.Sub(p.Now()), time.Millisecond))
		p.Exchange.Index()
	}
}

func earliest(at time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.Before(at) {
			at = o
		}
	}
	return at
}

// timers runs those that are due: DownSyncSchedule and SubscriptionRenewal. One that dies or
// fails runs again at its next time.
func (p *program) timers() (ran bool) {
	ctx := context.Background()
	if p.noTimers {
		return false
	}
	if !p.Now().Before(p.sweep) {
		p.sweep, ran = p.Now().Add(30*time.Minute), true
		_ = p.syncer.Due(ctx)
		_ = p.engine.Sweep(ctx)
		p.revive()
	}
	if !p.Now().Before(p.renewals) {
		p.renewals, ran = p.Now().Add(time.Hour), true
		_ = p.keeper.Renewals(ctx)
		_ = p.engine.KeepAlive(ctx)
		p.revive()
	}
	return ran
}

// connect is a person's sign-in, or their connection by probe.
func (p *program) connect(user string, a world.Account, d connection.Direction, s connection.Scope) connection.Connection {
	p.Helper()
	ctx := context.Background()
	if p.Org.Permission != "delegated" {
		c, err := p.engine.ConnectByProbe(ctx, world.Organization, user, a.Address, d)
		p.must(err)
		if s != "" && s != c.Scope && d == connection.Down {
			c, err = p.engine.ChangeConnection(ctx, world.Organization, c.ID, engine.ConnectionChange{Scope: &s}, nil)
			p.must(err)
		}
		return c.Connection
	}
	account := connection.Account{Tenant: a.Tenant, ObjectID: a.ObjectID, Name: a.Address}
	id, err := p.engine.ConnectionID(ctx, world.Organization, user, account)
	p.must(err)
	p.Graph.Grant(id, twin.Account{Tenant: a.Tenant, ObjectID: a.ObjectID, Basic: s == connection.Busy})
	c, err := p.engine.Connect(ctx, connection.Connection{ID: id, Organization: world.Organization, User: user, Delegated: true, Email: a.Address,
		Account: account, Mailbox: a.Address, Direction: d, Scope: s, Granted: connection.Permissions(d, s)}, []byte("sealed"))
	p.must(err)
	return c
}

// marked are the events of ours in all mailboxes, by id.
func (p *program) marked(bookings, users []string) map[string]exchange.Event {
	out := map[string]exchange.Event{}
	for _, b := range bookings {
		for _, u := range users {
			for _, e := range p.Ours(b, u) {
				out[e.ID] = e
			}
		}
	}
	return out
}
