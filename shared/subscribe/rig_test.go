package subscribe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
	"github.com/calbridge/calbridge/shared/version"
)

const (
	acme   = "acme"
	tenant = "11111111-aaaa-4bbb-8ccc-000000000001"
	other  = "11111111-aaaa-4bbb-8ccc-000000000002"
	aino   = "aino@acme.example"
)

var errDown = errors.New("down")

// rig is a connected calendar over the twins of Graph and tables, with a bus that drops
// repeated ids and gives out what is due, in the order of sending.
type rig struct {
	*testing.T
	now     time.Time
	store   *exchange.Store
	twin    *twin.Twin
	hub     *notify.Hub
	tables  state.Tables
	rows    *state.Subscriptions
	orgs    map[string]organization.Organization
	c       connection.Connection
	secrets [][]byte
	keys    *link.Keys
	url     string // PUBLIC_URL
	version version.Version
	keeper  *subscribe.Keeper
	visits  []twin.Visit
	fate    func(twin.Visit) twin.Fate

	failed  []*graph.Error
	tasks   []queue.Message
	sent    map[string]bool // ids of tasks
	step    time.Duration   // between two runs of the timer
	syncs   []string        // "organisation connection cause session", of what was read
	probes  int
	refuse  bool // the bus takes nothing
	mu      sync.Mutex
	left    int // effects until the process dies; 0 for never
	dead    bool
	effects int
}

func secret(c byte) []byte { return bytes.Repeat([]byte{c}, 32) }

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, step: time.Hour, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), sent: map[string]bool{}, orgs: map[string]organization.Organization{},
		secrets: [][]byte{secret('a')}, url: "https://calendar.example.com"}
	clock := func() time.Time { return r.now }
	r.store = exchange.New(clock, exchange.Switches{})
	user := r.store.AddUser(tenant, exchange.User{Principal: aino, Name: "Aino"})
	r.hub = notify.New(r.store, clock, notify.To(r), nil)
	r.twin = twin.New(r.store, &twin.Options{Hub: r.hub, Before: func(v twin.Visit) twin.Fate {
		r.visits = append(r.visits, v)
		if r.fate == nil {
			return twin.Fate{}
		}
		return r.fate(v)
	}})
	r.tables = tables.NewStore(clock).Direct()
	r.rows = state.NewSubscriptions(r.tables)
	r.organize(acme, `{"profile":"planning","module":true,"sync":true,"downSync":{"privacy":"all"}}`)
	r.c = connection.Connection{ID: key.Of("test", "connection"), Organization: acme, User: "u-1", Delegated: true, Email: aino, Mailbox: aino,
		Account: connection.Account{Tenant: tenant, ObjectID: user.ObjectID, Name: aino}, Direction: connection.Down, Scope: connection.Details,
		State: connection.Connected, Since: r.now, Created: r.now, SignedIn: r.now}
	r.connect(r.c)
	r.boot()
	return r
}

// organize makes an organisation, or changes it.
func (r *rig) organize(id, settings string) {
	r.Helper()
	org, faults := organization.Decode([]byte(settings))
	if len(faults) > 0 {
		r.Fatal(faults)
	}
	r.orgs[id] = org.WithID(id)
}

// connect stores a connection as it is, with a token.
func (r *rig) connect(c connection.Connection) {
	r.Helper()
	rows := state.NewConnections(r.tables)
	if c.Delegated {
		r.twin.Grant(c.ID, twin.Account{Tenant: tenant, ObjectID: c.Account.ObjectID, Basic: c.Scope == connection.Busy})
	}
	etag := ""
	if row, err := rows.Get(r.Context(), c.Organization, c.ID); err == nil {
		etag = row.ETag
	}
	if _, err := rows.Put(r.Context(), c, nil, etag); err != nil {
		r.Fatal(err)
	}
}

// boot starts a process.
func (r *rig) boot() {
	r.Helper()
	keys, err := link.NewKeys(r.secrets...)
	if err != nil {
		r.Fatal(err)
	}
	r.keys, r.dead = keys, false
	r.keeper = subscribe.New(subscribe.Effects{Tables: state.WithVersion(fusedTables{r, r.tables}, r.version), Bus: r, Subscriber: fusedGraph{r}, Organizations: r, Failures: r, Keys: keys},
		&subscribe.Options{PublicURL: r.url, Now: func() time.Time { return r.now }, Jitter: func() float64 { return 0 }, Version: r.version})
}

func (r *rig) burn(effect func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return errDown
	}
	r.effects++
	if r.left > 0 {
		if r.left--; r.left == 0 {
			r.dead = true
			_ = effect()
			return errDown
		}
	}
	return effect()
}

type fusedTables struct {
	r *rig
	state.Tables
}

func (t fusedTables) Get(ctx context.Context, table, partition, row string) (e state.Entity, err error) {
	err = t.r.burn(func() error { e, err = t.Tables.Get(ctx, table, partition, row); return err })
	return e, err
}

func (t fusedTables) Apply(ctx context.Context, table string, changes []state.Change) (tags []string, err error) {
	err = t.r.burn(func() error { tags, err = t.Tables.Apply(ctx, table, changes); return err })
	return tags, err
}

type fusedGraph struct{ r *rig }

func (g fusedGraph) Subscribe(ctx context.Context, as graph.Access, s graph.Subscription, notify, lifecycle string) (made graph.Subscription, err error) {
	err = g.r.burn(func() error { made, err = g.r.twin.Subscribe(ctx, as, s, notify, lifecycle); return err })
	return made, err
}

func (g fusedGraph) Subscription(ctx context.Context, as graph.Access, id string) (found graph.Subscription, err error) {
	err = g.r.burn(func() error { found, err = g.r.twin.Subscription(ctx, as, id); return err })
	return found, err
}

func (g fusedGraph) Renew(ctx context.Context, as graph.Access, id string, until time.Time) (made graph.Subscription, err error) {
	err = g.r.burn(func() error { made, err = g.r.twin.Renew(ctx, as, id, until); return err })
	return made, err
}

func (g fusedGraph) Unsubscribe(ctx context.Context, as graph.Access, id string) error {
	return g.r.burn(func() error { return g.r.twin.Unsubscribe(ctx, as, id) })
}

func (r *rig) Organization(_ context.Context, id string) (organization.Organization, error) {
	org, there := r.orgs[id]
	if !there {
		return org, state.ErrNotFound
	}
	return org, nil
}

func (r *rig) ConnectionFailed(_ context.Context, _ connection.Connection, failure *graph.Error) error {
	r.failed = append(r.failed, failure)
	return nil
}

// Send is the bus, with duplicate detection.
func (r *rig) Send(_ context.Context, entity string, messages ...queue.Message) error {
	return r.burn(func() error {
		if r.refuse {
			return errDown
		}
		for _, m := range messages {
			if err := m.Check(); err != nil || entity != queue.MailboxTasks || m.SessionID == "" {
				return fmt.Errorf("to %s in session %q: %w", entity, m.SessionID, err)
			}
			if !r.sent[m.ID] {
				r.sent[m.ID] = true
				r.tasks = append(r.tasks, m)
			}
		}
		return nil
	})
}

// ServeHTTP is the address that Graph notifies.
func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if token := req.URL.Query().Get("validationToken"); token != "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, token)
		return
	}
	body, _ := io.ReadAll(req.Body)
	if _, err := r.receive(string(body)); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (r *rig) receive(body string) (subscribe.Received, error) {
	return subscribe.NewReceiver(r.keys, r, func() time.Time { return r.now }).Receive(r.Context(), []byte(body))
}

// Task is the syncer: it notes what is to be read.
func (r *rig) Task(_ context.Context, m queue.Message) error {
	var t struct{ Op, Organization, Connection, Cause string }
	if err := json.Unmarshal(m.Body, &t); err != nil || t.Op != "sync" {
		r.Errorf("no task of the syncer: %s", m.Body)
	}
	mine := map[bool]string{true: "mine", false: t.Connection}[t.Connection == r.c.ID.String()]
	r.syncs = append(r.syncs, strings.Join([]string{t.Organization, mine, t.Cause}, " "))
	return nil
}

// handle gives a task to whom it is for.
func (r *rig) handle(m queue.Message) error {
	switch {
	case subscribe.Takes(m):
		return r.keeper.Task(r.Context(), m, r)
	case strings.Contains(string(m.Body), `"op":"probe"`):
		r.probes++
		return nil
	}
	return r.Task(r.Context(), m)
}

// run handles what is due, and what follows from it; a dead process is started again.
func (r *rig) run() {
	r.Helper()
	for n := 0; ; n++ {
		at := slices.IndexFunc(r.tasks, func(m queue.Message) bool { return !m.ScheduledFor.After(r.now) })
		if at < 0 {
			return
		}
		if n > 500 {
			r.Fatalf("tasks without end: %s", r.tasks[at].Body)
		}
		m := r.tasks[at]
		r.tasks = slices.Delete(r.tasks, at, at+1)
		if err := r.handle(m); err != nil {
			r.tasks = append(r.tasks, m)
			if !r.dead {
				return // the bus is down
			}
		}
		if r.dead {
			r.boot()
		}
	}
}

// passes lets time pass, a step at a time: Graph sends what is due, the timer runs, and
// tasks are handled.
func (r *rig) passes(d time.Duration) {
	r.Helper()
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(min(r.step, end.Sub(r.now)))
		r.hub.Deliver(r.Context())
		if err := r.keeper.Renewals(r.Context()); err != nil && !r.refuse && !r.dead {
			r.Error(err)
		}
		if r.dead {
			r.boot()
		}
		r.run()
	}
}

// moment lets Graph notify and what follows be handled.
func (r *rig) moment() {
	r.Helper()
	for range 4 {
		r.hub.Deliver(r.Context())
		r.now = r.now.Add(5 * time.Second)
		r.run()
	}
}

// order is a task that the engine sends.
func (r *rig) order(c connection.Connection, cause string) {
	r.Helper()
	r.tasks = append(r.tasks, subscribe.Message(c, cause, time.Time{}))
	r.run()
}

// edit changes Aino's calendar.
func (r *rig) edit() {
	r.Helper()
	subject := "Dentist"
	at := exchange.Time{DateTime: "2026-12-02T09:00:00", Zone: "UTC"}
	if _, err := r.store.Owner(tenant, aino).Create(exchange.Change{Subject: &subject, Start: &at, End: &at}); err != nil {
		r.Fatal(err)
	}
}

// one is the only subscription there is at Graph, which is as the row says.
func (r *rig) one(c connection.Connection) notify.Subscription {
	r.Helper()
	all := r.hub.Subscriptions()
	row, err := r.rows.Get(r.Context(), c.ID)
	if len(all) != 1 || err != nil || row.ID != all[0].ID || !row.Expires.Equal(all[0].Expires) {
		r.Fatalf("%+v; row %+v, %v", all, row, err)
	}
	return all[0]
}

// none fails the test where Graph has a subscription, or a row says so.
func (r *rig) none(c connection.Connection) {
	r.Helper()
	if row, err := r.rows.Get(r.Context(), c.ID); len(r.hub.Subscriptions()) > 0 || !errors.Is(err, state.ErrNotFound) {
		r.Errorf("%+v; row %+v, %v", r.hub.Subscriptions(), row, err)
	}
	r.agenda(0)
}

// agenda counts the entries of the agenda, past and to come.
func (r *rig) agenda(want int) {
	r.Helper()
	due, n := state.NewDue(r.tables), 0
	for i := -24 * 20; i < 24*20; i++ {
		all, err := due.Renewals(r.Context(), r.now.Add(time.Duration(i)*time.Hour))
		if err != nil {
			r.Fatal(err)
		}
		n += len(all)
	}
	if n != want {
		r.Errorf("%d entries on the agenda, want %d", n, want)
	}
}

// reads compares what was read since it was last asked.
func (r *rig) reads(what string, want ...string) {
	r.Helper()
	got := r.syncs
	r.syncs = nil
	if !slices.Equal(got, want) {
		r.Errorf("%s: read %q, want %q", what, got, want)
	}
}

// calls counts the requests to Graph since it was last asked.
func (r *rig) calls() int {
	n := len(r.visits)
	r.visits = nil
	return n
}
