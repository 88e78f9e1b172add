package downsync_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

const (
	acme   = "acme"
	tenant = "11111111-aaaa-4bbb-8ccc-000000000001"
	aino   = "aino@acme.example"
)

// tester is what tests and property tests have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var errDead = errors.New("the process is dead")

// posted is what was sent to another queue.
type posted struct {
	entity   string
	messages []queue.Message
}

// rig is one connected calendar over the twins of Graph, tables and bus.
type rig struct {
	t       tester
	now     time.Time
	store   *exchange.Store
	twin    *twin.Twin
	tables  state.Tables
	org     organization.Organization
	c       connection.Connection
	syncer  *downsync.Syncer
	fate    func(twin.Visit) twin.Fate
	visits  []twin.Visit
	failed  []*graph.Error
	found   int             // sweeps that found changes
	mine    map[string]bool // ids of events of ours
	changed []graph.Item    // what was asked about them
	topic   []queue.Message // in the order of publishing
	tasks   []queue.Message // that wait
	runs    []queue.Message // that were received
	refuse  bool            // the bus takes nothing
	left    int             // effects until the process dies; 0 for never
	after   bool            // it dies after the effect
	dead    bool
	effects int
	reader  graph.Reader           // in place of the twin
	options *downsync.Options      // of every process
	ours    func() downsync.Ours   // in place of the rig, of every process
	orgs    downsync.Organizations // in place of the rig
	others  []posted
}

func newRig(t tester, settings string) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), mine: map[string]bool{}}
	clock := func() time.Time { return r.now }
	r.store = exchange.New(clock, exchange.Switches{})
	user := r.store.AddUser(tenant, exchange.User{Principal: aino, Name: "Aino"})
	r.twin = twin.New(r.store, &twin.Options{Before: func(v twin.Visit) twin.Fate {
		r.visits = append(r.visits, v)
		if r.fate == nil {
			return twin.Fate{}
		}
		return r.fate(v)
	}})
	r.tables = tables.NewStore(clock).Direct()
	org, faults := organization.Decode([]byte(`{"profile":"planning","module":true,"sync":true,` + cmp.Or(settings, `"downSync":{"privacy":"all"}`) + `}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r.org = org.WithID(acme)
	r.c = connection.Connection{ID: key.Of("test", "connection"), Organization: acme, User: "u-1", Delegated: true, Email: aino, Mailbox: aino,
		Account: connection.Account{Tenant: tenant, ObjectID: user.ObjectID, Name: aino}, Direction: connection.Down, Scope: connection.Details,
		State: connection.Connected, Since: r.now, Created: r.now, SignedIn: r.now}
	r.connect()
	r.boot(nil)
	return r
}

// connect stores the connection as it is in the rig.
func (r *rig) connect() {
	r.t.Helper()
	rows := state.NewConnections(r.tables)
	r.twin.Grant(r.c.ID, twin.Account{Tenant: tenant, ObjectID: r.c.Account.ObjectID, Basic: r.c.Scope == connection.Busy, Shared: r.c.Scope == connection.Shared})
	etag := ""
	if row, err := rows.Get(context.Background(), acme, r.c.ID); err == nil {
		etag = row.ETag
	}
	if _, err := rows.Put(context.Background(), r.c, nil, etag); err != nil {
		r.t.Fatal(err)
	}
}

// boot starts a process.
func (r *rig) boot(o *downsync.Options) {
	if o == nil {
		o = cmp.Or(r.options, &downsync.Options{})
	}
	o.PublicURL, o.Now, o.Jitter = "https://calendar.example.com", func() time.Time { return r.now }, func() float64 { return 0.5 }
	var reader graph.Reader = r.twin
	if r.reader != nil {
		reader = r.reader
	}
	var ours downsync.Ours = r
	if r.ours != nil {
		ours = r.ours()
	}
	var orgs downsync.Organizations = r
	if r.orgs != nil {
		orgs = r.orgs
	}
	r.dead = false
	r.syncer = downsync.New(downsync.Effects{Tables: state.WithVersion(fusedTables{r, r.tables}, o.Version), Bus: bus{r}, Reader: fusedReader{r, reader}, Organizations: orgs,
		Ours: ours, Failures: r, Watch: r}, o)
}

func (r *rig) burn(effect func() error) error {
	if r.dead {
		return errDead
	}
	r.effects++
	if r.left > 0 {
		if r.left--; r.left == 0 {
			r.dead = true
			if r.after {
				_ = effect()
			}
			return errDead
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

func (t fusedTables) Query(ctx context.Context, table string, span state.Span) (rows []state.Entity, err error) {
	err = t.r.burn(func() error { rows, err = t.Tables.Query(ctx, table, span); return err })
	return rows, err
}

func (t fusedTables) Apply(ctx context.Context, table string, changes []state.Change) (tags []string, err error) {
	err = t.r.burn(func() error { tags, err = t.Tables.Apply(ctx, table, changes); return err })
	return tags, err
}

type fusedReader struct {
	r *rig
	graph.Reader
}

func (f fusedReader) Delta(ctx context.Context, as graph.Access, d graph.DeltaRequest) (p graph.DeltaPage, err error) {
	err = f.r.burn(func() error { p, err = f.Reader.Delta(ctx, as, d); return err })
	return p, err
}

func (f fusedReader) Read(ctx context.Context, as graph.Access, mailbox, id string) (i graph.Item, err error) {
	err = f.r.burn(func() error { i, err = f.Reader.Read(ctx, as, mailbox, id); return err })
	return i, err
}

type bus struct{ r *rig }

func (b bus) Send(_ context.Context, entity string, messages ...queue.Message) error {
	return b.r.burn(func() error {
		if b.r.refuse {
			return errors.New("the bus is down")
		}
		for i := range messages {
			if err := messages[i].Check(); err != nil {
				return err
			}
			if len(messages[i].Body) > queue.MaxMessage-1024 {
				return queue.ErrTooLarge
			}
		}
		switch entity {
		case queue.Changes:
			b.r.topic = append(b.r.topic, messages...)
		case queue.MailboxTasks:
			b.r.tasks = append(b.r.tasks, messages...)
		default:
			b.r.others = append(b.r.others, posted{entity, messages})
		}
		return nil
	})
}

func (r *rig) Organization(_ context.Context, id string) (organization.Organization, error) {
	if id != r.org.ID {
		return organization.Organization{}, state.ErrNotFound
	}
	return r.org, nil
}

func (r *rig) Changed(_ context.Context, _ string, _ key.Key, _ graph.Access, _ string, item graph.Item) (downsync.Fate, error) {
	if r.dead {
		return 0, errDead
	}
	if !r.mine[item.ID] {
		return downsync.Foreign, nil
	}
	r.changed = append(r.changed, item)
	return downsync.Handled, nil
}

func (r *rig) ConnectionFailed(_ context.Context, _ connection.Connection, failure *graph.Error) error {
	r.failed = append(r.failed, failure)
	return nil
}

func (r *rig) SweepFound(context.Context, string, key.Key) error {
	r.found++
	return nil
}

// order puts a task on the queue.
func (r *rig) order(cause string) {
	r.tasks = append(r.tasks, downsync.Message(acme, r.c, cause, time.Time{}))
}

// step receives the next task that is visible by then, and reports whether there was one.
func (r *rig) step(until time.Time) bool {
	r.t.Helper()
	slices.SortStableFunc(r.tasks, func(a, b queue.Message) int { return a.ScheduledFor.Compare(b.ScheduledFor) })
	if len(r.tasks) == 0 || r.tasks[0].ScheduledFor.After(until) {
		return false
	}
	m := r.tasks[0]
	if m.ScheduledFor.After(r.now) {
		r.now = m.ScheduledFor
	}
	if m.SessionID != downsync.Session(r.c) {
		r.t.Fatalf("session %q, want %q", m.SessionID, downsync.Session(r.c))
	}
	err := r.syncer.Task(context.Background(), m)
	switch {
	case r.dead:
		r.boot(nil) // the message comes again
	case err == nil:
		r.tasks = slices.DeleteFunc(r.tasks, func(other queue.Message) bool { return other.ID == m.ID })
		r.runs = append(r.runs, m)
	case !r.refuse:
		r.t.Fatalf("the task failed: %v", err)
	}
	return true
}

// settle works until nothing waits.
func (r *rig) settle() {
	r.t.Helper()
	for n := 0; r.step(r.now.Add(time.Hour)); n++ {
		if n > 500 {
			r.t.Fatalf("500 tasks and no end")
		}
	}
}

// sync reads the calendar, to the end.
func (r *rig) sync(cause string) {
	r.t.Helper()
	r.order(cause)
	r.settle()
}

// told is an appointment as the booking app has it.
type told struct {
	Change, Connection, User, ID, Calendar, ChangeKey, ShowAs, Sensitivity string
	Start, End                                                             struct{ DateTime, TimeZone string }
	AllDay, Private                                                        bool
	Title, Body                                                            *string
	Location                                                               *struct{ Name string }
	Organizer                                                              *struct{ Name, Email string }
	People                                                                 []struct{ Name, Email, Type, Response string }
	Recurrence                                                             *struct {
		Series, Original string
		Pattern, Range   json.RawMessage
	}
}

func (a told) start() time.Time { return parsed(a.Start.DateTime) }
func (a told) end() time.Time   { return parsed(a.End.DateTime) }

func parsed(wall string) time.Time {
	at, _ := time.Parse("2006-01-02T15:04:05", wall)
	return at
}

// appointments are the events of appointments that were published.
func (r *rig) appointments() (all []told) {
	r.t.Helper()
	for _, m := range r.topic {
		if m.Properties["type"] != "calbridge.appointment.v1" {
			continue
		}
		var e struct {
			ID, Subject string
			Data        told
		}
		if err := json.Unmarshal(m.Body, &e); err != nil || e.ID != m.ID || e.Subject != r.c.ID.String() {
			r.t.Fatalf("%v: %s", err, m.Body)
		}
		all = append(all, e.Data)
	}
	return all
}

// app is what a booking app has that drops what it knows by its id.
func (r *rig) app() map[string]told {
	r.t.Helper()
	seen, have := map[string]bool{}, map[string]told{}
	all := r.appointments()
	n := 0
	for _, m := range r.topic {
		if m.Properties["type"] != "calbridge.appointment.v1" {
			continue
		}
		a := all[n]
		n++
		if seen[m.ID] {
			continue
		}
		seen[m.ID] = true
		if a.Change == "deleted" {
			delete(have, a.ID)
		} else {
			have[a.ID] = a
		}
	}
	return have
}

// deltas counts the pages that were asked for, reads the direct reads.
func (r *rig) deltas() int { return r.count(func(v twin.Visit) bool { return v.Delta != nil }) }
func (r *rig) reads() int  { return r.count(func(v twin.Visit) bool { return v.Read != "" }) }

func (r *rig) count(which func(twin.Visit) bool) (n int) {
	for _, v := range r.visits {
		if which(v) {
			n++
		}
	}
	return n
}

func (r *rig) owner() exchange.Owner { return r.store.Owner(tenant, aino) }

func at(t time.Time) *exchange.Time {
	return &exchange.Time{DateTime: t.UTC().Format("2006-01-02T15:04:05"), Zone: "UTC"}
}

// meet makes an appointment of half an hour.
func (r *rig) meet(subject string, start time.Time) string {
	r.t.Helper()
	e, err := r.owner().Create(exchange.Change{Subject: &subject, Start: at(start), End: at(start.Add(30 * time.Minute))})
	r.must(err)
	return e.ID
}

// series makes a series of an hour, weekly or daily, in a zone.
func (r *rig) repeat(subject, kind, zone, start string, count int) string {
	r.t.Helper()
	day, err := time.Parse("2006-01-02T15:04:05", start)
	r.must(err)
	rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: kind, Interval: 1},
		Range: exchange.Range{Type: "numbered", StartDate: day.Format(time.DateOnly), Count: count}}
	if kind == "weekly" {
		rule.Pattern.DaysOfWeek = []string{strings.ToLower(day.Weekday().String())}
	}
	e, err := r.owner().Create(exchange.Change{Subject: &subject, Recurrence: &rule,
		Start: &exchange.Time{DateTime: start, Zone: zone}, End: &exchange.Time{DateTime: day.Add(time.Hour).Format("2006-01-02T15:04:05"), Zone: zone}})
	r.must(err)
	return e.ID
}

func (r *rig) context() context.Context { return context.Background() }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// view is what the calendar shows, in the app's terms.
func (r *rig) view(from, to time.Time) map[string]exchange.Event {
	r.t.Helper()
	all, err := r.store.View(tenant, aino, "", from, to)
	r.must(err)
	out := map[string]exchange.Event{}
	for _, e := range all {
		id := e.ID
		if e.Series != "" {
			id = fmt.Sprintf("OID.%s.%s", e.Series, e.Day())
		}
		out[id] = e
	}
	return out
}

func userOf(address string) exchange.User { return exchange.User{Principal: address, Name: "Bo"} }

func changeOf(subject string, start time.Time) exchange.Change {
	return exchange.Change{Subject: &subject, Start: at(start), End: at(start.Add(30 * time.Minute))}
}

// primary makes the connection the one that bookings are written through.
func primary(r *rig) error {
	return state.NewConnections(r.tables).SetPrimary(context.Background(), acme, key.Lane(acme, key.User, r.c.User), r.c.ID)
}

func deliveryOf(booking string) key.Key { return key.Delivery(acme, booking, key.User, "u-1") }
