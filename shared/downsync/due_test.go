package downsync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

const halfHour = 30 * time.Minute

// agenda is a schedule over many connections, without anything else.
type agenda struct {
	t       testing.TB
	now     time.Time
	orgs    map[string]organization.Organization
	asked   int
	tables  *counted
	syncer  *downsync.Syncer
	sent    []queue.Message
	sends   int
	refused bool
}

// counted counts requests.
type counted struct {
	state.Tables
	queries, applies, gets int
}

func (c *counted) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	c.gets++
	return c.Tables.Get(ctx, table, partition, row)
}

func (c *counted) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	c.queries++
	return c.Tables.Query(ctx, table, span)
}

func (c *counted) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	c.applies++
	return c.Tables.Apply(ctx, table, changes)
}

func newAgenda(t testing.TB) *agenda {
	a := &agenda{t: t, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), orgs: map[string]organization.Organization{}}
	a.tables = &counted{Tables: tables.NewStore(func() time.Time { return a.now }).Direct()}
	a.organization(acme, 30)
	a.syncer = downsync.New(downsync.Effects{Tables: a.tables, Bus: a, Organizations: a}, &downsync.Options{Now: func() time.Time { return a.now }})
	return a
}

func (a *agenda) organization(id string, minutes int) {
	a.t.Helper()
	org, faults := organization.Decode(fmt.Appendf(nil, `{"profile":"planning","module":true,"sync":true,"downSync":{"everyMinutes":%d,"privacy":"busy"}}`, minutes))
	if len(faults) > 0 {
		a.t.Fatal(faults)
	}
	a.orgs[id] = org.WithID(id)
}

func (a *agenda) Organization(_ context.Context, id string) (organization.Organization, error) {
	a.asked++
	org, there := a.orgs[id]
	if !there {
		return org, state.ErrNotFound
	}
	return org, nil
}

func (a *agenda) Send(_ context.Context, entity string, messages ...queue.Message) error {
	if a.refused || entity != queue.MailboxTasks {
		return errors.New("refused")
	}
	a.sends++
	a.sent = append(a.sent, messages...)
	return nil
}

func connectionKey(i int) key.Key { return key.Of("connection", fmt.Sprint(i)) }

// add puts n connections of an organisation on the agenda, as their first readings do.
func (a *agenda) add(organization string, first, n int) {
	a.t.Helper()
	var turns []state.SyncTurn
	for i := first; i < first+n; i++ {
		turns = append(turns, state.SyncTurn{Organization: organization, Connection: connectionKey(i), Session: connectionKey(i).String(),
			At: a.now.Add(time.Duration(i%1800) * time.Second)})
	}
	if err := state.NewDue(a.tables).AddSyncs(a.t.Context(), turns); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agenda) run() {
	a.t.Helper()
	if err := a.syncer.Due(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

func TestEveryConnectionHasItsTurnOnceAnIntervalAtItsOwnMoment(t *testing.T) {
	a := newAgenda(t)
	a.organization("slow", 90)
	a.add(acme, 0, 200)
	a.run()
	a.add("slow", 200, 100)
	a.sent = nil
	for range 24 {
		a.now = a.now.Add(halfHour)
		a.run()
	}
	moments := map[string][]time.Time{}
	ids := map[string]bool{}
	for _, m := range a.sent {
		if ids[m.ID] {
			t.Fatalf("message %s twice", m.ID)
		}
		ids[m.ID] = true
		moments[m.SessionID] = append(moments[m.SessionID], m.ScheduledFor)
	}
	if len(moments) != 300 {
		t.Fatalf("%d connections had turns", len(moments))
	}
	minutes := map[int]int{}
	for id, all := range moments {
		slices.SortFunc(all, time.Time.Compare)
		for i := 2; i < len(all); i++ {
			if gap := all[i].Sub(all[i-1]); gap != halfHour && gap != 90*time.Minute {
				t.Fatalf("%s: turns %v apart: %v", id, gap, all)
			}
		}
		minutes[all[len(all)-1].Minute()%30]++
	}
	for minute, n := range minutes {
		if n > 40 {
			t.Errorf("%d of 300 connections in minute %d of the half hour", n, minute)
		}
	}
	if len(minutes) < 25 {
		t.Errorf("turns in %d minutes of the half hour", len(minutes))
	}
}

func TestALateRunDoublesNothingAndIsNoHerd(t *testing.T) {
	a := newAgenda(t)
	a.add(acme, 0, 600)
	a.run()
	a.sent = nil
	a.now = a.now.Add(7 * time.Hour)
	a.run()
	turns, minutes := map[string]int{}, map[time.Time]int{}
	for _, m := range a.sent {
		if m.ScheduledFor.Before(a.now) {
			t.Fatalf("a turn at %v, now is %v", m.ScheduledFor, a.now)
		}
		if m.ScheduledFor.Before(a.now.Add(halfHour)) {
			turns[m.SessionID]++
		}
		minutes[m.ScheduledFor.Truncate(time.Minute)]++
	}
	for id, n := range turns {
		if n != 1 {
			t.Fatalf("%s has %d turns in the next half hour", id, n)
		}
	}
	if len(turns) != 600 {
		t.Errorf("%d connections have a turn in the next half hour", len(turns))
	}
	for minute, n := range minutes {
		if n > 60 {
			t.Errorf("%d of 600 at %v", n, minute)
		}
	}
	a.sent = nil
	a.run() // the platform may fire a timer twice
	if len(a.sent) != 0 {
		t.Errorf("%d turns by a second run", len(a.sent))
	}
}

func TestARunThatFailedIsMadeUpForByTheNext(t *testing.T) {
	a := newAgenda(t)
	a.add(acme, 0, 50)
	a.refused = true
	if err := a.syncer.Due(t.Context()); err == nil {
		t.Fatal("a run without a bus succeeded")
	}
	a.refused = false
	a.now = a.now.Add(time.Minute)
	a.run()
	turns := map[string]bool{}
	for _, m := range a.sent {
		turns[m.SessionID] = true
	}
	if len(turns) != 50 {
		t.Errorf("%d connections had their turn", len(turns))
	}
}

func TestConnectionsOfWhoIsGoneOrOffHaveNoTurn(t *testing.T) {
	a := newAgenda(t)
	a.add(acme, 0, 10)
	off := a.orgs[acme]
	off.Sync = false
	a.orgs[acme] = off
	a.run()
	if len(a.sent) != 0 {
		t.Errorf("%d turns although sync is off", len(a.sent))
	}
	off.Sync = true
	a.orgs[acme] = off
	a.now = a.now.Add(halfHour)
	a.run()
	if len(a.sent) < 10 {
		t.Errorf("%d turns after sync is on again", len(a.sent))
	}
	delete(a.orgs, acme)
	a.sent = nil
	for range 4 {
		a.now = a.now.Add(halfHour)
		a.run()
	}
	if len(a.sent) != 0 {
		t.Errorf("%d turns of a deleted organisation", len(a.sent))
	}
}

// hours lets the schedule and the queue work for a while.
func (r *rig) hours(d time.Duration) {
	r.t.Helper()
	for ; d > 0; d -= halfHour {
		r.must(r.syncer.Due(r.context()))
		next := r.now.Add(halfHour)
		for r.step(next) {
		}
		r.now = next
	}
}

func TestAFirstReadingPutsAConnectionOnTheAgendaAndTheLastTakesItFromThere(t *testing.T) {
	r := newRig(t, "")
	r.sync(downsync.CauseConnect)
	r.runs = nil
	r.hours(4 * time.Hour)
	if n := len(r.runs); n < 7 || n > 8 {
		t.Errorf("%d turns in four hours", n)
	}
	// Readings in between put nothing off and nothing on.
	r.sync(downsync.CauseRequest)
	r.runs = nil
	r.hours(4 * time.Hour)
	if n := len(r.runs); n < 7 || n > 9 {
		t.Errorf("%d turns in four hours", n)
	}
	r.c.Direction, r.c.Scope = "up", "readwrite"
	r.connect()
	r.hours(2 * time.Hour)
	r.runs = nil
	r.hours(4 * time.Hour)
	if len(r.runs) != 0 {
		t.Errorf("%d turns of a connection that is not read", len(r.runs))
	}
}

// Who connected while the organisation had nothing told is read when it has.
func TestAConnectionIsReadOnceTheSettingsAllowIt(t *testing.T) {
	r := newRig(t, `"downSync":{"privacy":"nothing"}`)
	r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	r.hours(3 * time.Hour)
	if len(r.visits) != 0 {
		t.Fatalf("%d requests", len(r.visits))
	}
	r.org.DownSync.Privacy = "busy"
	r.hours(2 * time.Hour)
	if have := r.app(); len(have) != 1 {
		t.Errorf("%+v", have)
	}
}

// A turn that comes after somebody had the calendar read anyhow costs nothing.
func TestATurnThatWasTakenAlreadyReadsNothing(t *testing.T) {
	r := newRig(t, "")
	r.sync(downsync.CauseConnect)
	r.must(r.syncer.Due(t.Context()))
	if len(r.tasks) == 0 {
		t.Fatal("no turn")
	}
	turn := r.tasks[0]
	r.now = turn.ScheduledFor.Add(5 * time.Minute) // it is late
	r.tasks = append([]queue.Message{downsync.Message(acme, r.c, downsync.CauseRequest, turn.ScheduledFor.Add(-time.Hour))}, turn)
	pages := r.deltas()
	r.step(r.now)
	r.step(r.now)
	if n := r.deltas() - pages; n != 1 {
		t.Errorf("%d reads", n)
	}
}

// What costs the schedule (issue 6, Speed): 10,000 due connections, read by slots.
func TestARunReadsOnlyWhatIsDue(t *testing.T) {
	a := newAgenda(t)
	a.add(acme, 0, 10_000)
	a.run()
	before, asked := *a.tables, a.asked
	a.sends, a.sent = 0, nil
	a.now = a.now.Add(halfHour)
	began := time.Now()
	a.run()
	took := time.Since(began)
	if n := len(a.sent); n < 9_000 || n > 11_000 {
		t.Errorf("%d turns", n)
	}
	queries, applies := a.tables.queries-before.queries, a.tables.applies-before.applies
	if queries > 10 || applies > 260 || a.asked-asked > 10 || a.sends > 10 || took > 10*time.Second {
		t.Errorf("%d queries, %d transactions, %d organisations, %d sends, %v", queries, applies, a.asked-asked, a.sends, took)
	}
}

func BenchmarkDue(b *testing.B) {
	a := newAgenda(b)
	a.add(acme, 0, 10_000)
	a.run()
	b.ReportAllocs()
	turns := 0
	for b.Loop() {
		a.sent = nil
		a.now = a.now.Add(halfHour)
		a.run()
		turns += len(a.sent)
	}
	b.ReportMetric(float64(turns)/float64(b.N), "turns/run")
}

func TestSyncNowReadsAtOnceAndPeopleCanWatch(t *testing.T) {
	r := newRig(t, "")
	r.meet("Dentist", monday)
	if p, err := r.syncer.Progress(t.Context(), acme, r.c.ID); err != nil || p.State != state.SyncNever {
		t.Errorf("%v, %+v", err, p)
	}
	r.must(r.syncer.SyncNow(t.Context(), acme, r.c.ID))
	r.must(r.syncer.SyncNow(t.Context(), acme, r.c.ID))
	if p, err := r.syncer.Progress(t.Context(), acme, r.c.ID); err != nil || p.State != state.SyncQueued || !p.Asked.Equal(r.now) {
		t.Errorf("%v, %+v", err, p)
	}
	if len(r.tasks) != 2 || r.tasks[0].ID != r.tasks[1].ID {
		t.Errorf("the bus would keep both: %+v", r.tasks)
	}
	r.settle()
	if p, err := r.syncer.Progress(t.Context(), acme, r.c.ID); err != nil || p.State != state.SyncDone || p.Ended.IsZero() || len(r.app()) != 1 {
		t.Errorf("%v, %+v", err, p)
	}
	unknown := key.Of("connection", "unknown")
	if err := r.syncer.SyncNow(t.Context(), acme, unknown); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	if _, err := r.syncer.Progress(t.Context(), acme, unknown); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	if err := r.syncer.SyncNow(t.Context(), "other", r.c.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("of another organisation: %v", err)
	}
}

// What an unchanged calendar costs (issue 6, Speed).
func TestWhatAnUnchangedCalendarCosts(t *testing.T) {
	r := newRig(t, "")
	for i := range 100 {
		r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
	}
	r.sync(downsync.CauseConnect)
	effects, visits, topic := r.effects, len(r.visits), len(r.topic)
	r.sync(downsync.CauseSchedule)
	if n := r.effects - effects; n != 9 || len(r.visits)-visits != 1 || len(r.topic) != topic {
		t.Errorf("%d effects, %d of them requests to Graph", n, len(r.visits)-visits)
	}
}

// BenchmarkUnchanged reads a calendar of 200 appointments in which nothing changed.
func BenchmarkUnchanged(b *testing.B) {
	r := newRig(b, "")
	for i := range 200 {
		r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
	}
	r.sync(downsync.CauseConnect)
	b.ReportAllocs()
	visits := len(r.visits)
	for b.Loop() {
		r.sync(downsync.CauseSchedule)
	}
	b.ReportMetric(float64(len(r.visits)-visits)/float64(b.N), "graph/op")
}
