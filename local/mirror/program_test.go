package mirror

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

const publicURL = "https://calendar.example.com"

// program is the whole program over a world, with two processes that take turns.
type program struct {
	*rapid.T
	*world.World
	processes []*process
	turn      int // whose is next
	hub       *notify.Hub
	faults    int              // of Graph, still to come
	haunted   int              // pages that are to tell what is there to be removed
	options   downsync.Options // of the syncer
	noTimers  bool
	sweep     time.Time // when the timers run next
	renewals  time.Time
	late      []func()  // requests to Graph on their way
	passerby  func()    // what somebody does while a process stands still
	boxes     []mailbox // the accounts that there are
	shelf     *shelf
	running   []invocation // innermost last

	gone      map[string]bool            // the app's ids of what people took away
	approved  map[string]bool            // connections of which somebody approved that much is gone
	restored  map[string]bool            // connections of which somebody said that nothing is
	deletions map[string]map[string]bool // what was told as deleted in one reading of a connection
}

// process is one process of the handler.
type process struct {
	*fuse
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
	p := &program{T: t, World: w, sweep: w.Now().Add(7 * time.Minute), renewals: w.Now().Add(11 * time.Minute),
		gone: map[string]bool{}, approved: map[string]bool{}, restored: map[string]bool{}, deletions: map[string]map[string]bool{}}
	p.shelf = &shelf{w.Tables, map[[3]string]bool{}}
	w.Tables = p.shelf
	w.Exchange.AddTenant(world.Other)
	w.Org.Module = true
	w.Org.Brake.Count, w.Org.Brake.Percent = 100_000, 100
	p.hub = notify.New(w.Exchange, w.Now, notify.To(p), nil)
	w.Graph = twin.New(w.Exchange, &twin.Options{Hub: p.hub, Before: p.before})
	w.Calendar = w.Graph
	p.restart()
	return p
}

// restart starts both processes anew.
func (p *program) restart() { p.processes = []*process{p.boot(), p.boot()} }

// boot starts a process.
func (p *program) boot() *process {
	f := &fuse{}
	f.depart = func(land func()) { p.late = append(p.late, land) }
	one := &process{fuse: f}
	tables, calendar := fusedTables{f, p.Tables}, fusedGraph{f, p.Graph, p.phantoms}
	bus := fusedBus{f, p.Bus, p.sent}
	keys, err := link.NewKeys(bytes.Repeat([]byte{'k'}, 32))
	p.must(err)
	endings := &ender{}
	half := func() float64 { return 0.5 }
	one.engine = engine.New(engine.Effects{Tables: tables, Bus: bus, Calendar: calendar, Reader: calendar, Calendars: p.Graph, Organizations: p.World, Refresher: p.World, Endings: endings},
		&engine.Options{PublicURL: publicURL, Now: p.Now, Jitter: half, Parallel: 1})
	one.keeper = subscribe.New(subscribe.Effects{Tables: tables, Bus: bus, Subscriber: calendar, Organizations: p.World, Failures: one.engine, Keys: keys},
		&subscribe.Options{PublicURL: publicURL, Now: p.Now, Jitter: half})
	endings.Keeper = one.keeper
	options := p.options
	options.PublicURL, options.Now, options.Jitter = publicURL, p.Now, half
	one.syncer = downsync.New(downsync.Effects{Tables: tables, Bus: bus, Reader: calendar, Organizations: p.World, Ours: one.engine, Failures: one.engine, Watch: one.keeper}, &options)
	one.receiver = subscribe.NewReceiver(keys, bus, p.Now)
	return one
}

// next is the process whose turn it is, alive.
func (p *program) next() *process {
	p.turn = (p.turn + 1) % len(p.processes)
	if p.processes[p.turn].dead {
		p.Logf("a process died")
		p.processes[p.turn] = p.boot()
	}
	return p.processes[p.turn]
}

// insist has a process do what a person wants, who repeats it where it died, and for a
// while where it may pass.
func (p *program) insist(do func(one *process) error) error {
	const tries = 10
	for n := 0; ; n++ {
		one := p.next()
		err := do(one)
		var failure *graph.Error
		passes := errors.As(err, &failure) && (failure.Kind == graph.Transient || failure.Kind == graph.Throttled) || errors.Is(err, state.ErrPrecondition)
		if !one.dead && (!passes || n >= tries) {
			return err
		}
	}
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
	p.looked(v)
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

// phantoms are removals that a page tells of events that are there, as it may of what has
// come back, or was changed elsewhere (graph/contract.md 4.5).
func (p *program) phantoms(as graph.Access, r graph.DeltaRequest) (out []graph.Item) {
	if p.haunted == 0 {
		return nil
	}
	p.haunted--
	for _, e := range p.Exchange.Events(as.Tenant, as.Path(r.Mailbox)) {
		if rapid.Bool().Draw(p.T, "haunts") {
			p.Logf("%q is told to be removed", e.Subject)
			out = append(out, graph.Item{ID: e.ID, Removed: true})
		}
	}
	return out
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
		_, err = p.next().receiver.Receive(context.Background(), body)
	}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// receive lets the next process handle one message that waits; false where none does.
func (p *program) receive() bool {
	for _, path := range []string{queue.Bookings, servicebus.DeadLetter(queue.Bookings), servicebus.DeadLetter(queue.Deliveries), servicebus.DeadLetter(queue.MailboxTasks)} {
		if d, ok := p.Broker.Receive(path); ok {
			p.invoke(p.next(), nil, d, path)
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
			p.invoke(p.next(), session, d, path)
		}
		session.Close()
		if ok {
			return true
		}
	}
	return false
}

// invocation is a message that a process handles.
type invocation struct {
	was   rules  // when it began
	chain string // of messages of one reading
}

// invoke lets a process handle a message. Where it stands still meanwhile, others go on,
// and it may lose its lock.
func (p *program) invoke(one *process, session *servicebus.Session, d *servicebus.Delivery, path string) {
	p.running = append(p.running, invocation{p.rules(), d.Message.Base()})
	one.meanwhile = func() { p.meanwhile(session) }
	err := p.handle(one, path, d.Message)
	if one.dead { // a kill between two calendars forgets what the first had lost
		clear(p.deletions)
	}
	p.running, one.meanwhile = p.running[:len(p.running)-1], nil
	switch {
	case one.dead:
		_ = d.Release()
	case err != nil:
		_ = d.Abandon(nil)
	default:
		_ = d.Complete()
	}
}

// meanwhile is what happens while a process stands still.
func (p *program) meanwhile(session *servicebus.Session) {
	lost := session != nil && rapid.Bool().Draw(p.T, "loses its lock")
	p.Logf("a process stands still, its lock is lost: %v", lost)
	if lost {
		session.Close()
	}
	running := p.turn
	if rapid.IntRange(0, 2).Draw(p.T, "somebody does something") == 0 && p.passerby != nil {
		p.passerby()
	}
	for range rapid.IntRange(1, 6).Draw(p.T, "messages") {
		p.turn = running // the other one is next
		if !p.receive() {
			p.Advance(10 * time.Second)
		}
	}
	p.turn = running
	p.Logf("it goes on")
}

func (p *program) handle(one *process, path string, m queue.Message) error {
	ctx := context.Background()
	switch path {
	case queue.Bookings:
		return one.engine.Intake(ctx, m)
	case queue.Deliveries:
		return one.engine.Write(ctx, m)
	case queue.MailboxTasks:
		return p.task(ctx, one, m)
	case servicebus.DeadLetter(queue.Bookings):
		return one.engine.DeadLetter(ctx, queue.Bookings, m)
	case servicebus.DeadLetter(queue.Deliveries):
		return one.engine.DeadLetter(ctx, queue.Deliveries, m)
	}
	return one.engine.DeadLetter(ctx, queue.MailboxTasks, m)
}

// task gives a task to whom it is for, as handlers/app does.
func (p *program) task(ctx context.Context, one *process, m queue.Message) error {
	var t struct{ Op string }
	p.must(json.Unmarshal(m.Body, &t))
	switch {
	case t.Op != downsync.Op && t.Op != subscribe.OpSubscribe && t.Op != subscribe.OpRenew:
		return one.engine.Task(ctx, m)
	case subscribe.Takes(m):
		return one.keeper.Task(ctx, m, one.syncer)
	}
	return one.syncer.Task(ctx, m)
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
		p.advance(max(next.Sub(p.Now()), time.Millisecond))
	}
}

// advance moves the clock; a minute lands what is on its way.
func (p *program) advance(d time.Duration) {
	if d >= time.Minute {
		p.land()
	}
	p.Advance(d)
	p.Exchange.Index()
}

// land lets all requests to Graph arrive that are on their way.
func (p *program) land() {
	for len(p.late) > 0 {
		land := p.late[0]
		p.late = p.late[1:]
		p.Logf("a request lands late")
		land()
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
		one := p.next()
		_ = one.syncer.Due(ctx)
		_ = one.engine.Sweep(ctx)
	}
	if !p.Now().Before(p.renewals) {
		p.renewals, ran = p.Now().Add(time.Hour), true
		one := p.next()
		_ = one.keeper.Renewals(ctx)
		_ = one.engine.KeepAlive(ctx)
	}
	return ran
}

// connect is a person's sign-in, or their connection by probe.
func (p *program) connect(user string, a world.Account, d connection.Direction, s connection.Scope) connection.Connection {
	p.Helper()
	ctx := context.Background()
	if p.Org.Permission != "delegated" {
		var c engine.VersionedConnection
		p.must(p.insist(func(one *process) (err error) {
			c, err = one.engine.ConnectByProbe(ctx, world.Organization, user, a.Address, d)
			if err == nil && s != "" && s != c.Scope && d == connection.Down {
				c, err = one.engine.ChangeConnection(ctx, world.Organization, c.ID, engine.ConnectionChange{Scope: &s}, nil)
			}
			return err
		}))
		return c.Connection
	}
	account := connection.Account{Tenant: a.Tenant, ObjectID: a.ObjectID, Name: a.Address}
	var c connection.Connection
	p.must(p.insist(func(one *process) error {
		id, err := one.engine.ConnectionID(ctx, world.Organization, user, account)
		if err != nil {
			return err
		}
		p.Graph.Grant(id, twin.Account{Tenant: a.Tenant, ObjectID: a.ObjectID, Basic: s == connection.Busy})
		c, err = one.engine.Connect(ctx, connection.Connection{ID: id, Organization: world.Organization, User: user, Delegated: true, Email: a.Address,
			Account: account, Mailbox: a.Address, Direction: d, Scope: s, Granted: connection.Permissions(d, s)}, []byte("sealed"))
		return err
	}))
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
