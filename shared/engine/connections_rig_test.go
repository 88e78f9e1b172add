package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

const (
	acme    = "acme"
	home    = "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a01"
	foreign = "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a02"
)

var errDead = errors.New("the process is dead")

// fuse ends a process before or after its n-th effect; n = 0 never.
type fuse struct {
	left  int
	after bool
	blown bool
	count int // of effects so far
}

// burn has an effect, unless the process is dead.
func (f *fuse) burn(effect func() error) error {
	if f.blown {
		return errDead
	}
	f.count++
	if f.left > 0 && f.count == f.left {
		f.blown = true
		if f.after {
			_ = effect()
		}
		return errDead
	}
	return effect()
}

type fusedTables struct {
	*fuse
	state.Tables
}

func (t fusedTables) Get(ctx context.Context, table, partition, row string) (e state.Entity, err error) {
	err = t.burn(func() error { e, err = t.Tables.Get(ctx, table, partition, row); return err })
	return e, err
}

func (t fusedTables) Query(ctx context.Context, table string, span state.Span) (rows []state.Entity, err error) {
	err = t.burn(func() error { rows, err = t.Tables.Query(ctx, table, span); return err })
	return rows, err
}

func (t fusedTables) Apply(ctx context.Context, table string, changes []state.Change) (tags []string, err error) {
	err = t.burn(func() error { tags, err = t.Tables.Apply(ctx, table, changes); return err })
	return tags, err
}

// fusedBus also keeps what is told: the topic forgets it after two weeks.
type fusedBus struct {
	*fuse
	*rig
}

func (b fusedBus) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	return b.burn(func() error {
		err := b.broker.Sender().Send(ctx, entity, messages...)
		if err == nil && entity == queue.Changes {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changes = append(b.changes, messages...)
		}
		return err
	})
}

// rig is an organisation whose connections are changed, over twins of tables and bus.
type rig struct {
	t         tester
	now       time.Time
	org       organization.Organization
	tables    state.Tables
	broker    *servicebus.Broker
	fuse      *fuse
	refusals  map[key.Key]error // of refreshes, by connection
	refreshes []key.Key
	mailboxes map[string]error // of probes, by object id or address; nil answers
	expires   time.Time
	folders   []graph.Folder // what every mailbox lists, unless listing fails it
	listing   error
	lists     []graph.Access // who asked for a list

	mu      sync.Mutex
	changes []queue.Message
}

// tester is what tests and property tests have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newRig(t tester, profile string) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), fuse: &fuse{}, refusals: map[key.Key]error{}, mailboxes: map[string]error{}}
	org, faults := organization.Decode([]byte(`{"profile":"` + profile + `","module":true,"sync":true}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	org = org.WithID(acme)
	var err error
	if r.org, err = org.Bind(home, r.now); err != nil {
		t.Fatal(err)
	}
	resources, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return r.now }
	r.broker = servicebus.New(servicebus.Options{Topology: servicebus.FromResources(resources), Now: clock})
	r.tables = tables.NewStore(clock).Direct()
	return r
}

func (r *rig) Organization(_ context.Context, id string) (organization.Organization, error) {
	if id != r.org.ID {
		return organization.Organization{}, state.ErrNotFound
	}
	return r.org, nil
}

// Refresh implements engine.Refresher: a refresh that is given saves its time.
func (r *rig) Refresh(ctx context.Context, c connection.Connection) error {
	r.refreshes = append(r.refreshes, c.ID)
	if err := r.refusals[c.ID]; err != nil {
		return err
	}
	rows := state.NewConnections(r.tables)
	row, err := rows.Get(ctx, c.Organization, c.ID)
	if err != nil {
		return err
	}
	_, err = rows.SaveTokens(ctx, c.Organization, key.Lane(c.Organization, key.User, c.User), c.ID, []byte("next"), row.ETag, r.now, nil)
	return err
}

// Mailbox implements graph.Calendar.
func (r *rig) Mailbox(_ context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	if err := r.mailboxes[as.Path(address)]; err != nil {
		return graph.Mailbox{}, err
	}
	return graph.Mailbox{Address: strings.ToLower(address)}, nil
}

// Calendars implements graph.Calendars: those of r.folders, of the mailbox that is reached.
func (r *rig) Calendars(_ context.Context, as graph.Access, mailbox string) ([]graph.Folder, error) {
	r.lists = append(r.lists, as)
	if r.listing != nil {
		return nil, r.listing
	}
	return slices.Clone(r.folders), nil
}

func (r *rig) Do(_ context.Context, _ graph.Access, calls []graph.Call) []graph.Result {
	r.t.Errorf("%d calls of Graph by what only changes connections", len(calls))
	return make([]graph.Result, len(calls))
}

// engine is a process.
func (r *rig) engine() *engine.Engine {
	r.fuse = &fuse{}
	return r.fused(r.fuse)
}

func (r *rig) fused(f *fuse) *engine.Engine {
	return engine.New(engine.Effects{Tables: fusedTables{f, r.tables}, Bus: fusedBus{f, r}, Calendar: r, Organizations: r, Refresher: r, Calendars: r},
		&engine.Options{PublicURL: "https://calendar.example.com", Now: func() time.Time { return r.now }, Parallel: 1,
			Jitter: func() float64 { return 0.5 }, CredentialExpires: r.expires})
}

// advance moves the clock, and lets tasks be done.
func (r *rig) advance(d time.Duration) {
	r.t.Helper()
	r.now = r.now.Add(d)
	r.broker.Tick()
	for range 1000 {
		session, ok := r.broker.Accept(queue.MailboxTasks)
		if !ok {
			return
		}
		delivery, ok := session.Receive()
		if ok {
			t, _ := queue.ReadTask(delivery.Message, 0)
			if other := t.Op == downsync.Op || t.Op == subscribe.OpSubscribe || t.Op == subscribe.OpRenew; !other { // not the engine's
				if err := r.engine().Task(context.Background(), delivery.Message); err != nil {
					r.t.Fatalf("task: %v", err)
				}
			}
			_ = delivery.Complete()
		}
		session.Close()
	}
	r.t.Fatal("tasks without end")
}

// settle lets everything follow that was ordered.
func (r *rig) settle() { r.t.Helper(); r.advance(2 * time.Minute) }

// account is one of a person's, of the organisation's tenant.
func account(name string) connection.Account {
	return connection.Account{Tenant: home, ObjectID: "00000000-0000-4000-8000-" + fmt.Sprintf("%012s", hexOf(name)), Name: name + "@acme.example"}
}

func hexOf(name string) string { return key.Of("account", name).Hex()[:12] }

// sign is what a person confirmed.
func (r *rig) sign(user, name string, d connection.Direction) (connection.Connection, error) {
	r.t.Helper()
	a := account(name)
	id, err := r.engine().ConnectionID(context.Background(), acme, user, a)
	if err != nil {
		r.t.Fatal(err)
	}
	return connection.Connection{ID: id, Organization: acme, User: user, Email: a.Name, Account: a, Mailbox: a.Name, Direction: d,
		Granted: []string{"Calendars.ReadWrite"}}, nil
}

func (r *rig) connect(user, name string, d connection.Direction) connection.Connection {
	r.t.Helper()
	r.now = r.now.Add(time.Second)
	c, err := r.sign(user, name, d)
	if err == nil {
		c, err = r.engine().Connect(context.Background(), c, []byte("sealed"))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return r.row(c.ID).Connection
}

func (r *rig) row(id key.Key) state.Stored {
	r.t.Helper()
	row, err := state.NewConnections(r.tables).Get(context.Background(), acme, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return row
}

func (r *rig) all(user string) []state.Stored {
	r.t.Helper()
	rows, err := state.NewConnections(r.tables).Of(context.Background(), acme, key.Lane(acme, key.User, user))
	if err != nil {
		r.t.Fatal(err)
	}
	return rows
}

func (r *rig) person(user string) engine.Person {
	r.t.Helper()
	who, err := r.engine().Person(context.Background(), acme, user)
	if errors.Is(err, state.ErrNotFound) {
		return engine.Person{User: user, Connection: "none"}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return who
}

// told is an event about a connection, or an alert.
type told struct {
	ID, Type, Subject string
	Data              struct {
		Connection, User, State, Reason, Code, Message string
		Correlation                                    string
	}
}

// told are the events so far of a type, in order, without re-sends.
func (r *rig) told(kind string) []told {
	r.t.Helper()
	var out []told
	seen := map[string]bool{}
	for _, m := range r.changes {
		if m.Subject != kind || seen[m.ID] {
			continue
		}
		seen[m.ID] = true
		var e told
		if err := json.Unmarshal(m.Body, &e); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// states are the states that were told of a connection, in order.
func (r *rig) states(id key.Key) []string {
	var out []string
	for _, e := range r.told("calbridge.connection.v1") {
		if e.Data.Connection == id.String() {
			out = append(out, e.Data.State)
		}
	}
	return out
}

// backfills are the lanes that were ordered to be looked at again since n tasks.
func (r *rig) backfills() (lanes []string) {
	for _, m := range r.broker.Peek(queue.MailboxTasks) {
		var t struct{ Op, Lane string }
		if json.Unmarshal(m.Body, &t) == nil && t.Op == "backfill" {
			lanes = append(lanes, t.Lane)
		}
	}
	return lanes
}

// refusal is what Entra says instead of a token.
type refusal struct {
	code    string
	numbers []int
	status  int
}

func (f refusal) Error() string { return "no token: " + f.code }
func (f refusal) TokenFailure() (string, []int, int, time.Duration) {
	return f.code, f.numbers, f.status, 0
}
func (f refusal) Correlation() string { return "c0ffee" }

func (f refusal) failure() *graph.Error {
	e := graph.ClassifyToken(f.code, f.numbers, f.status)
	e.Cause = f
	return e
}

var (
	revoked = refusal{"invalid_grant", []int{50173}, 400}
	blocked = refusal{"interaction_required", []int{53003}, 400}
	second  = refusal{"invalid_grant", []int{50076}, 400}
	secret  = refusal{"invalid_client", []int{7000222}, 401}
	outage  = refusal{"temporarily_unavailable", []int{90033}, 503}
	consent = refusal{"invalid_grant/consent_required", []int{65001}, 400}
)

func (r *rig) fail(c connection.Connection, f refusal) {
	r.t.Helper()
	if err := r.engine().ConnectionFailed(context.Background(), c, f.failure()); err != nil {
		r.t.Fatal(err)
	}
}
