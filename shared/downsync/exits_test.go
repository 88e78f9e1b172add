package downsync_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// flaky are tables that fail where a test says so.
type flaky struct {
	state.Tables
	get   func(table string) error
	apply func(table string) error
}

func (f flaky) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	if f.get != nil {
		if err := f.get(table); err != nil {
			return state.Entity{}, err
		}
	}
	return f.Tables.Get(ctx, table, partition, row)
}

func (f flaky) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	if f.apply != nil {
		if err := f.apply(table); err != nil {
			return nil, err
		}
	}
	return f.Tables.Apply(ctx, table, changes)
}

// A reading that is asked to wait before it has begun begins at its first calendar, however
// far another one had come.
func TestAReadingThatWaitsBeforeItBeginsPassesByNoCalendar(t *testing.T) {
	r := newRig(t, "")
	r.boot(&downsync.Options{Pages: 1})
	work, _ := r.two()
	r.meet("At home", monday)
	r.order(downsync.CauseConnect)
	for p := (state.Progress{}); p.Done == 0; {
		var err error
		r.step(r.now)
		p, err = r.syncer.Progress(t.Context(), acme, r.c.ID)
		r.must(err)
	}
	r.tasks = nil // it is somewhere else, or late
	job := r.meet("At work", monday)
	_, err := r.owner().File(job, work)
	r.must(err)
	r.must(state.NewLanes(r.tables).SetNotBefore(t.Context(), key.Lane(acme, key.User, "u-1"), r.now.Add(time.Minute)))
	r.sync(downsync.CauseRequest)
	if a := r.app()[job]; a.Calendar != work {
		t.Errorf("of the first calendar: %+v", a)
	}
}

// What is gone counts once against the brake, however often the tables fail while it is told.
func TestWhatIsGoneCountsOnceWhenTheTablesFail(t *testing.T) {
	r := newRig(t, "")
	var ids []string
	for i := range 20 {
		ids = append(ids, r.meet("Meeting", monday.Add(time.Duration(i)*time.Hour)))
	}
	r.sync(downsync.CauseConnect)
	for _, id := range ids[:6] {
		r.must(r.owner().Delete(id))
	}
	failures := 4
	r.tables = flaky{Tables: r.tables, apply: func(table string) error {
		if table == "appointments" && failures > 0 {
			failures--
			return context.DeadlineExceeded
		}
		return nil
	}}
	r.boot(nil)
	r.sync(downsync.CauseSchedule)
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if err != nil || p.State != state.SyncDone || len(r.app()) != 14 || failures != 0 {
		t.Errorf("%v, %+v, %d appointments, %d failures left", err, p, len(r.app()), failures)
	}
}

// A link with which nothing ever works is left in the end, wherever in a round it is.
func TestALinkThatIsNeverAnsweredIsLeft(t *testing.T) {
	for _, status := range []int{http.StatusInternalServerError, http.StatusNotFound} {
		for _, bad := range []string{"d1", "n2"} {
			r, s := scripted(t, map[string]graph.DeltaPage{
				"":   {Items: []graph.Item{meeting("a", "1")}, Delta: "d1"},
				"d1": {Items: []graph.Item{meeting("b", "1")}, Next: "n2"},
				"n2": {Items: []graph.Item{meeting("c", "1")}, Delta: "d2"},
			})
			s.read = func(id string) (graph.Item, error) { return meeting(id, "1"), nil }
			r.sync(downsync.CauseConnect)
			s.err[bad] = &graph.Error{Kind: graph.Transient, Status: status, Code: "UnknownError"}
			r.sync(downsync.CauseSchedule)
			r.sync(downsync.CauseSchedule)
			if n := len(slices.DeleteFunc(slices.Clone(s.asked), func(link string) bool { return link != "" })); n != 1 {
				t.Fatalf("%d, %s: read anew in Graph's own bad hour", status, bad)
			}
			for range 5 {
				r.sync(downsync.CauseSchedule)
			}
			p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
			if n := len(slices.DeleteFunc(slices.Clone(s.asked), func(link string) bool { return link != "" })); n < 2 {
				t.Errorf("%d, %s: never read anew: %v, %+v", status, bad, err, p)
			}
			if len(r.deletions()) != 0 {
				t.Errorf("%d, %s: told as deleted: %v", status, bad, r.deletions())
			}
		}
	}
}

// A series that cannot be read holds up nothing else, and of its days nothing counts as gone.
func TestASeriesThatCannotBeReadHoldsUpNothing(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusInternalServerError} {
		master := graph.Item{ID: "m", ChangeKey: "1", Kind: graph.Master, Start: monday, End: monday.Add(time.Hour), StartZone: "UTC", ShowAs: "busy", Subject: "Series"}
		day := func(id string, at time.Time) graph.Item {
			return graph.Item{ID: id, ChangeKey: "1", Kind: graph.Occurrence, Series: "m", Start: at, End: at.Add(time.Hour)}
		}
		moved := day("m2", monday.AddDate(0, 0, 7).Add(time.Hour))
		moved.Kind, moved.ShowAs, moved.Subject, moved.Original, moved.ChangeKey = graph.Exception, "busy", "Series", monday.AddDate(0, 0, 7), "2"
		r, s := scripted(t, map[string]graph.DeltaPage{
			"":   {Items: []graph.Item{master, day("m1", monday), day("m2", monday.AddDate(0, 0, 7))}, Delta: "d1"},
			"d1": {Items: []graph.Item{moved, meeting("a", "1")}, Delta: "d2"},
			"d2": {Delta: "d3"},
			"d3": {Delta: "d3"},
		})
		failure := &graph.Error{Kind: graph.Transient, Status: status}
		if status == http.StatusForbidden {
			failure.Kind = graph.Unauthorised
		}
		readable := false
		s.read = func(id string) (graph.Item, error) {
			switch {
			case !readable && id == "m":
				return graph.Item{}, failure
			case id == "m":
				return master, nil
			case id == "m2":
				return moved, nil
			}
			return day(id, monday), nil
		}
		r.sync(downsync.CauseConnect)
		r.sync(downsync.CauseSchedule)
		have := r.app()
		if have["a"].ID == "" || len(have) != 3 || len(r.failed) != 0 {
			t.Errorf("%d: %d appointments, %v", status, len(have), r.failed)
		}
		readable = true
		r.sync(downsync.CauseSchedule)
		r.sync(downsync.CauseSchedule)
		have = r.app()
		if len(have) != 3 || len(r.deletions()) != 0 || !have["OID.m.2026-11-30"].start().Equal(moved.Start) {
			t.Errorf("%d: %+v, deleted %v", status, have, r.deletions())
		}
	}
}

// unsure is an Ours that can ask about everything but some events.
type unsure struct {
	*rig
	ids map[string]bool
}

func (o *unsure) Changed(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox string, item graph.Item) (downsync.Fate, error) {
	if o.ids[item.ID] && !item.Removed {
		return downsync.Foreign, &graph.Error{Kind: graph.Transient, Status: http.StatusInternalServerError}
	}
	return o.rig.Changed(ctx, organization, lane, as, mailbox, item)
}

// An event of which nobody can say whose it is holds up nothing else, is not told as
// deleted, and is told when that can be said.
func TestAnEventThatCannotBeAskedAboutHoldsUpNothing(t *testing.T) {
	master := graph.Item{ID: "m", ChangeKey: "1", Kind: graph.Master, Start: monday, End: monday.Add(time.Hour), StartZone: "UTC", ShowAs: "busy", Subject: "Series"}
	day := graph.Item{ID: "m1", ChangeKey: "1", Kind: graph.Occurrence, Series: "m", Start: monday, End: monday.Add(time.Hour)}
	again, later, renamed := master, day, meeting("x", "2")
	again.ChangeKey, later.ChangeKey, renamed.Subject = "2", "2", "Renamed"
	r, s := scripted(t, map[string]graph.DeltaPage{
		"":   {Items: []graph.Item{meeting("x", "1"), master, day}, Delta: "d1"},
		"d1": {Items: []graph.Item{renamed, again, later, meeting("a", "1")}, Delta: "d2"},
		"d2": {Delta: "d3"},
	})
	s.read = func(id string) (graph.Item, error) {
		return map[string]graph.Item{"x": renamed, "m": again, "m1": later}[id], nil
	}
	ours := &unsure{rig: r, ids: map[string]bool{}}
	r.ours = func() downsync.Ours { return ours }
	r.boot(nil)
	r.sync(downsync.CauseConnect)
	ours.ids["x"], ours.ids["m"] = true, true
	r.sync(downsync.CauseSchedule)
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if have := r.app(); err != nil || p.State != state.SyncDone || have["a"].ID == "" || len(have) != 3 || s.asked[len(s.asked)-1] != "d1" {
		t.Errorf("%v, %+v, %d appointments", err, p, len(have))
	}
	clear(ours.ids)
	r.sync(downsync.CauseSchedule)
	if have := r.app(); have["x"].Title == nil || *have["x"].Title != "Renamed" || len(have) != 3 || len(r.deletions()) != 0 {
		t.Errorf("%+v, deleted %v", have, r.deletions())
	}
}

// What could not be asked for is remembered up to a bound, so that the row holds it.
func TestARowHoldsABoundedNumberOfWhatCouldNotBeAskedFor(t *testing.T) {
	var items []graph.Item
	for i := range 1200 {
		items = append(items, meeting(fmt.Sprint("event ", i), "1"))
	}
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Items: items, Delta: "d1"}})
	r.org.Brake.Count = len(items) // all of that may be gone
	r.sync(downsync.CauseConnect)
	s.err["d1"] = &graph.Error{Kind: graph.Gone, Status: http.StatusGone}
	s.pages[""] = graph.DeltaPage{Delta: "d2"}
	s.read = func(string) (graph.Item, error) {
		r.now = r.now.Add(time.Second / 4)
		return graph.Item{}, &graph.Error{Kind: graph.Unauthorised, Status: http.StatusForbidden}
	}
	most := 0
	r.order(downsync.CauseSchedule)
	for r.step(r.now.Add(time.Hour)) {
		if round := r.cursor().Round; round != nil {
			most = max(most, len(round.Unread))
		}
	}
	if most > 1000 || most < 900 || len(r.deletions()) != 0 || len(r.app()) != 1200 {
		t.Errorf("%d ids in the row, %d deleted", most, len(r.deletions()))
	}
}

// A turn whose connection cannot be looked at, for a reason that stays, ends, since the next
// turn comes; the order to read a calendar for the first time does not.
func TestATurnThatCannotBeginEnds(t *testing.T) {
	for _, cause := range []string{downsync.CauseSchedule, downsync.CauseAgain, downsync.CauseNotified, downsync.CauseConnect} {
		r := newRig(t, "")
		r.tables = flaky{Tables: r.tables, get: func(table string) error {
			if table == "connections" {
				return state.ErrCorrupt
			}
			return nil
		}}
		r.boot(nil)
		r.order(cause)
		for range 30 {
			r.step(r.now.Add(time.Hour))
		}
		if waits := len(r.tasks) == 1; waits != (cause == downsync.CauseConnect) {
			t.Errorf("%s: %d tasks wait", cause, len(r.tasks))
		}
	}
}

// damaged are organisations of which one has settings that cannot be read.
type damaged struct{ *agenda }

func (d damaged) Organization(ctx context.Context, id string) (organization.Organization, error) {
	if id == "damaged" {
		d.asked++
		return organization.Organization{}, state.ErrCorrupt
	}
	return d.agenda.Organization(ctx, id)
}

// An organisation whose settings cannot be read costs nobody else a turn, and its own stay.
func TestADamagedOrganisationCostsNobodyElseATurn(t *testing.T) {
	a := newAgenda(t)
	a.syncer = downsync.New(downsync.Effects{Tables: a.tables, Bus: a, Organizations: damaged{a}}, &downsync.Options{Now: func() time.Time { return a.now }})
	a.add("damaged", 0, 50)
	a.add(acme, 50, 50)
	for range 4 {
		if err := a.syncer.Due(t.Context()); !errors.Is(err, state.ErrCorrupt) {
			t.Fatal(err)
		}
		a.now = a.now.Add(halfHour)
	}
	ids := map[string]bool{}
	for _, m := range a.sent {
		ids[m.ID] = true
	}
	if len(ids) < 4*50 || a.asked > 4*2 {
		t.Errorf("%d turns, %d questions", len(ids), a.asked)
	}
	a.organization("damaged", 30)
	a.syncer = downsync.New(downsync.Effects{Tables: a.tables, Bus: a, Organizations: a}, &downsync.Options{Now: func() time.Time { return a.now }})
	a.sent = nil
	a.run()
	a.now = a.now.Add(halfHour)
	a.run()
	if len(a.sent) < 2*100 {
		t.Errorf("%d turns of 100 connections", len(a.sent))
	}
}

// What was moved out of the window while nobody could say whose it is, is told when that can
// be said, and not forgotten before.
func TestAMoveOutOfTheWindowIsNotForgottenWhereNobodyCanSayWhoseItIs(t *testing.T) {
	r, s := scripted(t, map[string]graph.DeltaPage{
		"":   {Items: []graph.Item{meeting("x", "1")}, Delta: "d1"},
		"d1": {Items: []graph.Item{{ID: "x", Removed: true}}, Delta: "d2"},
		"d2": {Delta: "d3"},
	})
	away := meeting("x", "2")
	away.Start, away.End = away.Start.AddDate(2, 0, 0), away.End.AddDate(2, 0, 0)
	s.read = func(string) (graph.Item, error) { return away, nil }
	ours := &unsure{rig: r, ids: map[string]bool{}}
	r.ours = func() downsync.Ours { return ours }
	r.boot(nil)
	r.sync(downsync.CauseConnect)
	ours.ids["x"] = true
	r.sync(downsync.CauseSchedule)
	clear(ours.ids)
	r.sync(downsync.CauseSchedule)
	if x := r.app()["x"]; !x.start().Equal(away.Start) || len(r.deletions()) != 0 {
		t.Errorf("%+v", x)
	}
}

// What is shown is not lost, though nobody can say whose it is: the brake does not count it.
func TestWhatNobodyCanSayWhoseItIsHoldsNothing(t *testing.T) {
	var items, renamed []graph.Item
	ids := map[string]bool{}
	for i := range 20 {
		id := fmt.Sprint("event ", i)
		items, renamed, ids[id] = append(items, meeting(id, "1")), append(renamed, meeting(id, "2")), true
		renamed[i].Subject = "Renamed"
	}
	gone := graph.Item{ID: "gone", Removed: true}
	r, s := scripted(t, map[string]graph.DeltaPage{
		"":   {Items: append(items, meeting("gone", "1")), Delta: "d1"},
		"d1": {Items: append(renamed, gone), Delta: "d2"},
		"d2": {Delta: "d3"},
	})
	s.read = func(id string) (graph.Item, error) {
		for _, i := range renamed {
			if i.ID == id {
				return i, nil
			}
		}
		return graph.Item{}, &graph.Error{Kind: graph.Gone, Status: http.StatusNotFound}
	}
	ours := &unsure{rig: r, ids: map[string]bool{}}
	r.ours = func() downsync.Ours { return ours }
	r.boot(nil)
	r.sync(downsync.CauseConnect)
	ours.ids = ids
	r.sync(downsync.CauseSchedule)
	ours.ids = nil
	r.sync(downsync.CauseSchedule)
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if have := r.app(); err != nil || p.State != state.SyncDone || len(have) != 20 || *have["event 3"].Title != "Renamed" {
		t.Errorf("%v, %+v, %d appointments", err, p, len(have))
	}
}
