package downsync_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// script is a reader whose pages are given.
type script struct {
	pages map[string]graph.DeltaPage // by link
	err   map[string]error
	asked []string
	read  func(id string) (graph.Item, error)
}

func (s *script) Delta(_ context.Context, _ graph.Access, r graph.DeltaRequest) (graph.DeltaPage, error) {
	s.asked = append(s.asked, r.Link)
	if err := s.err[r.Link]; err != nil {
		return graph.DeltaPage{}, err
	}
	p, there := s.pages[r.Link]
	if !there {
		return p, &graph.Error{Kind: graph.Invalid, Status: http.StatusBadRequest}
	}
	return p, nil
}

func (s *script) Read(_ context.Context, _ graph.Access, _, id string) (graph.Item, error) {
	if s.read == nil {
		return graph.Item{}, &graph.Error{Kind: graph.Gone, Status: http.StatusNotFound}
	}
	return s.read(id)
}

func scripted(t *testing.T, pages map[string]graph.DeltaPage) (*rig, *script) {
	t.Helper()
	r := newRig(t, "")
	s := &script{pages: pages, err: map[string]error{}}
	r.reader = s
	r.boot(nil)
	return r, s
}

func meeting(id, version string) graph.Item {
	return graph.Item{ID: id, ChangeKey: version, Start: monday, End: monday.Add(time.Hour), ShowAs: "busy", Sensitivity: "normal", Subject: id}
}

func TestALinkThatGraphRefusesEndsTheRoundAndDeletesNothing(t *testing.T) {
	foreign := "https://evil.example/v1.0/users/x/calendarView/delta?$skiptoken=1"
	r, s := scripted(t, map[string]graph.DeltaPage{
		"":   {Items: []graph.Item{meeting("a", "1"), meeting("b", "1")}, Delta: "d1"},
		"d1": {Items: []graph.Item{meeting("c", "1")}, Next: foreign},
	})
	s.err[foreign] = &graph.Error{Kind: graph.Invalid, Status: http.StatusBadRequest}
	r.sync(downsync.CauseConnect)
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 3 {
		t.Errorf("%+v", have)
	}
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if err != nil || p.State != state.SyncFailed || len(s.asked) != 3 {
		t.Errorf("%v, %+v, asked %v", err, p, s.asked)
	}
	// It begins again from the last whole round, and after some failures anew.
	for range 3 {
		r.sync(downsync.CauseSchedule)
	}
	if !slices.Contains(s.asked[3:], "d1") || !slices.Contains(s.asked[3:], "") {
		t.Errorf("asked %v", s.asked[3:])
	}
	if have := r.app(); len(have) != 3 && len(have) != 2 {
		t.Errorf("%+v", have)
	}
}

// A link into another mailbox or calendar is never followed: the calendar is read anew.
func TestALinkThatLeadsElsewhereIsNotFollowedAndTheCalendarReadAnew(t *testing.T) {
	for _, stray := range []string{changes.StrayMailbox, changes.StrayCalendar} {
		r := newRig(t, "")
		for i := range 12 {
			r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
		}
		r.twin.Changes().Set(changes.Switches{Stray: stray})
		r.sync(downsync.CauseConnect)
		fresh := r.meet("Fresh", monday)
		r.sync(downsync.CauseSchedule)
		if have := r.app(); len(have) != 13 || have[fresh].ID == "" || r.deltas() != 2 || len(r.topic) != 13 {
			t.Errorf("%s: %d appointments, %d requests, %d events", stray, len(have), r.deltas(), len(r.topic))
		}
		// Where already the second page is elsewhere there is no end of the round: nothing
		// follows from what it did not show.
		r.boot(&downsync.Options{PageSize: 5})
		gone := r.anyone()
		r.must(r.owner().Delete(gone))
		r.sync(downsync.CauseSchedule)
		p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
		if err != nil || p.State != state.SyncFailed || p.Cause != "bad-link" || len(r.app()) != 13 || len(r.failed) != 0 {
			t.Errorf("%s: %v, %+v, %d appointments", stray, err, p, len(r.app()))
		}
		r.twin.Changes().Set(changes.Switches{})
		for range 2 {
			r.sync(downsync.CauseSchedule)
		}
		if have := r.app(); len(have) != 12 || have[gone].ID != "" {
			t.Errorf("%s: %d appointments at last", stray, len(have))
		}
	}
}

// Contract 4.3: pages that repeat the same items for ever, with new links.
func TestAChainOfPagesThatNeverEndsIsLeft(t *testing.T) {
	for name, page := range map[string]func(n int) graph.DeltaPage{
		"that repeats itself": func(n int) graph.DeltaPage {
			return graph.DeltaPage{Items: []graph.Item{meeting("a", "1")}, Next: fmt.Sprint("n", n+1)}
		},
		"of empty pages":       func(n int) graph.DeltaPage { return graph.DeltaPage{Next: fmt.Sprint("n", n+1)} },
		"that leads to itself": func(int) graph.DeltaPage { return graph.DeltaPage{Next: "n1"} },
		"of removed items": func(n int) graph.DeltaPage {
			return graph.DeltaPage{Items: []graph.Item{{ID: "r", Removed: true}}, Next: fmt.Sprint("n", n+1)}
		},
		"without any link":      func(int) graph.DeltaPage { return graph.DeltaPage{} },
		"with two links at the": func(int) graph.DeltaPage { return graph.DeltaPage{Next: "x", Delta: "y"} },
	} {
		t.Run(name, func(t *testing.T) {
			pages := map[string]graph.DeltaPage{"": page(0)}
			for n := 1; n < 1000; n++ {
				pages[fmt.Sprint("n", n)] = page(n)
			}
			r, s := scripted(t, pages)
			r.sync(downsync.CauseConnect)
			p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
			if err != nil || p.State != state.SyncFailed || len(s.asked) > 60 {
				t.Errorf("%v, %+v, %d pages", err, p, len(s.asked))
			}
			if len(r.tasks) != 0 {
				t.Errorf("%d tasks wait", len(r.tasks))
			}
		})
	}
}

func TestTheSimulatorsLoopIsLeftAndTheCalendarIsReadAfterIt(t *testing.T) {
	r := newRig(t, "")
	for i := range 10 {
		r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
	}
	r.twin.Changes().Set(changes.Switches{Loop: true})
	r.boot(&downsync.Options{PageSize: 2})
	r.sync(downsync.CauseConnect)
	if n := r.deltas(); n > 20 {
		t.Errorf("%d pages", n)
	}
	r.twin.Changes().Set(changes.Switches{})
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 10 {
		t.Errorf("%d appointments", len(have))
	}
}

// Contract 4.4: an item may be told twice, a page may be empty and have a link.
func TestDuplicatesAndEmptyPagesAreBorne(t *testing.T) {
	r := newRig(t, "")
	for i := range 10 {
		r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
	}
	r.twin.Changes().Set(changes.Switches{Duplicates: true, EmptyFirst: true, Replays: true, Shuffle: true})
	r.boot(&downsync.Options{PageSize: 2})
	r.sync(downsync.CauseConnect)
	r.sync(downsync.CauseSchedule)
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 10 || len(r.topic) != 10 {
		t.Errorf("%d appointments, %d events", len(have), len(r.topic))
	}
}

func TestALongReadingGoesOnInSlices(t *testing.T) {
	r := newRig(t, "")
	for i := range 100 {
		r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
	}
	r.boot(&downsync.Options{Pages: 3, PageSize: 10})
	r.order(downsync.CauseRequest)
	if !r.step(r.now) {
		t.Fatal("no task")
	}
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if err != nil || p.State != state.SyncRunning || p.Pages != 3 || p.Found != 30 || r.deltas() != 3 {
		t.Errorf("%v, %+v, %d pages", err, p, r.deltas())
	}
	r.settle()
	ids := map[string]bool{}
	for _, m := range r.runs {
		ids[m.ID] = true
	}
	p, err = r.syncer.Progress(t.Context(), acme, r.c.ID)
	if err != nil || len(r.app()) != 100 || len(ids) != len(r.runs) || len(r.runs) < 4 || p.State != state.SyncDone || p.Found != 100 {
		t.Errorf("%v, %+v, %d appointments, %d runs, %d ids", err, p, len(r.app()), len(r.runs), len(ids))
	}
}

// A slice ends in time for the invocation's end, whatever each page takes.
func TestASliceEndsInTime(t *testing.T) {
	r := newRig(t, "")
	for i := range 30 {
		r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
	}
	began := r.now
	r.fate = func(twin.Visit) twin.Fate { r.now = r.now.Add(10 * time.Second); return twin.Fate{} }
	r.boot(&downsync.Options{PageSize: 2})
	r.order(downsync.CauseRequest)
	r.step(r.now)
	if took := r.now.Sub(began); took > time.Minute {
		t.Errorf("a slice took %v", took)
	}
	r.settle()
	if have := r.app(); len(have) != 30 {
		t.Errorf("%d appointments", len(have))
	}
}

func TestThrottlingPutsTheLaneOffForAsLongAsGraphAsks(t *testing.T) {
	r := newRig(t, "")
	r.meet("Dentist", monday)
	began := r.now
	r.fate = func(twin.Visit) twin.Fate {
		if r.now.Before(began.Add(100 * time.Second)) {
			return twin.Fate{Effect: twin.Answer, Status: 429, Code: "ApplicationThrottled", RetryAfter: 100 * time.Second}
		}
		return twin.Fate{}
	}
	r.order(downsync.CauseConnect)
	r.step(r.now)
	lane, err := state.NewLanes(r.tables).Lane(t.Context(), key.Lane(acme, key.User, "u-1"))
	if err != nil || !lane.NotBefore.Equal(began.Add(100*time.Second)) || len(r.tasks) != 1 || r.tasks[0].ScheduledFor.Before(lane.NotBefore) {
		t.Errorf("%v, not before %v, tasks %+v", err, lane.NotBefore, r.tasks)
	}
	// Another task meanwhile makes no call either.
	r.order(downsync.CauseNotified)
	r.step(r.now)
	if len(r.visits) != 1 {
		t.Errorf("%d requests", len(r.visits))
	}
	r.settle()
	if have := r.app(); len(have) != 1 {
		t.Errorf("%+v", have)
	}
}

func TestWhatFailsForAWhileIsTriedAgainAndThenLeftToTheNextTurn(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Delete(id))
	r.fate = func(twin.Visit) twin.Fate { return twin.Fate{Effect: twin.Answer, Status: 503} }
	r.sync(downsync.CauseSchedule)
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if err != nil || p.State != state.SyncFailed || len(r.tasks) != 0 || len(r.app()) != 1 || len(r.failed) != 0 {
		t.Errorf("%v, %+v, %d tasks, %v", err, p, len(r.tasks), r.failed)
	}
	r.fate = nil
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 0 {
		t.Errorf("%+v", have)
	}
}

// One event that cannot be read holds nobody up, and does not count as gone.
func TestAnEventThatCannotBeReadStaysAsItIsKnown(t *testing.T) {
	for _, status := range []int{500, 403, 400} {
		r := newRig(t, "")
		bad, good := r.meet("Bad", monday.AddDate(0, 2, 0)), r.meet("Good", monday)
		r.sync(downsync.CauseConnect)
		r.must(r.owner().Delete(bad))
		r.must(r.owner().Retitle(good, "Better"))
		r.fate = func(v twin.Visit) twin.Fate {
			if v.Read == bad {
				return twin.Fate{Effect: twin.Answer, Status: status, Code: "ErrorOdd"}
			}
			return twin.Fate{}
		}
		r.sync(downsync.CauseSchedule)
		if have := r.app(); len(have) != 2 || *have[good].Title != "Better" || len(r.failed) != 0 {
			t.Errorf("%d: %v, %+v", status, r.failed, have)
		}
		fresh := r.meet("Fresh", monday)
		r.sync(downsync.CauseSchedule)
		if have := r.app(); have[fresh].ID == "" {
			t.Errorf("%d: the calendar is not read any more", status)
		}
		// The next full read asks again.
		r.fate = nil
		r.now = r.now.AddDate(0, 0, 15)
		r.sync(downsync.CauseSchedule)
		if have := r.app(); have[bad].ID != "" {
			t.Errorf("%d: it is still there", status)
		}
	}
}

func TestADeadTokenIsToldToWhoeverLooksAfterConnections(t *testing.T) {
	r := newRig(t, "")
	r.meet("Dentist", monday)
	r.twin.Fail(r.c.ID, graph.ClassifyToken("invalid_grant", []int{50173}, 400))
	r.sync(downsync.CauseSchedule)
	if len(r.failed) != 1 || r.failed[0].Kind != graph.Unauthorised || len(r.tasks) != 0 {
		t.Errorf("%v, %d tasks", r.failed, len(r.tasks))
	}
}

func TestASyncThatDoesNotFindWhatWokeItLooksAgainOnceAfterAMinute(t *testing.T) {
	r := newRig(t, "")
	r.twin.Changes().Set(changes.Switches{LagMS: 30_000})
	r.sync(downsync.CauseConnect)
	id := r.meet("Late", monday)
	r.order(downsync.CauseNotified)
	r.step(r.now)
	if len(r.app()) != 0 || len(r.tasks) != 1 || !r.tasks[0].ScheduledFor.Equal(r.now.Add(time.Minute)) {
		t.Fatalf("%+v, tasks %+v", r.app(), r.tasks)
	}
	r.settle()
	if have := r.app(); have[id].ID == "" {
		t.Errorf("%+v", have)
	}
	pages := r.deltas()
	r.sync(downsync.CauseNotified)
	if n := r.deltas() - pages; n != 2 {
		t.Errorf("%d reads where nothing is found, want two", n)
	}
}

// A14: a turn of the schedule that finds what no notification told is told of.
func TestATurnThatFindsChangesIsToldOf(t *testing.T) {
	r := newRig(t, "")
	r.sync(downsync.CauseConnect)
	r.sync(downsync.CauseSchedule)
	r.meet("Silent", monday)
	r.sync(downsync.CauseSchedule)
	r.meet("Loud", monday)
	r.sync(downsync.CauseNotified)
	if r.found != 1 {
		t.Errorf("told %d times", r.found)
	}
}

func TestItemsThatMakeNoSenseAreIgnored(t *testing.T) {
	odd := func(change func(*graph.Item)) graph.Item {
		i := meeting("odd", "1")
		change(&i)
		return i
	}
	items := []graph.Item{
		odd(func(i *graph.Item) { i.ID = "" }),
		odd(func(i *graph.Item) { i.ID, i.Kind = "day", graph.Occurrence }),
		odd(func(i *graph.Item) { i.ID, i.Start, i.End = "no times", time.Time{}, time.Time{} }),
		odd(func(i *graph.Item) {
			i.ID, i.Start, i.End = "far", monday.AddDate(9000, 0, 0), monday.AddDate(9001, 0, 0)
		}),
		odd(func(i *graph.Item) { i.ID, i.End = "backwards", monday.Add(-time.Hour) }),
		{ID: "", Removed: true},
		{ID: "never seen", Removed: true},
		meeting("fine", "1"),
	}
	r, _ := scripted(t, map[string]graph.DeltaPage{"": {Items: items, Delta: "d"}, "d": {Delta: "e"}})
	r.sync(downsync.CauseConnect)
	if have := r.app(); len(have) != 1 || have["fine"].ID == "" {
		t.Errorf("%+v", have)
	}
	if p, err := r.syncer.Progress(t.Context(), acme, r.c.ID); err != nil || p.Ignored != 6 || p.State != state.SyncDone {
		t.Errorf("%v, %+v", err, p)
	}
}

func TestWordsThatNobodyKnowsAreToldWithCare(t *testing.T) {
	strange := meeting("strange", "1")
	strange.ShowAs, strange.Sensitivity = "levitating", "cosmic"
	r, _ := scripted(t, map[string]graph.DeltaPage{"": {Items: []graph.Item{strange}, Delta: "d"}})
	r.sync(downsync.CauseConnect)
	if a := r.app()["strange"]; a.ShowAs != "unknown" || !a.Private || a.Title != nil {
		t.Errorf("%+v", a)
	}
}

func TestAnAppointmentWith500AttendeesAndALongTextFitsAMessage(t *testing.T) {
	large := meeting("large", "1")
	large.Subject, large.Body = strings.Repeat("ä", 5000), strings.Repeat("<p>\u2028\x01</p>", 500_000)
	for i := range 600 {
		large.People = append(large.People, graph.Person{Name: strings.Repeat("ß", 400), Address: fmt.Sprint(strings.Repeat("ø", 300), i), Type: "required"})
	}
	plain := meeting("plain", "1")
	for i := range 500 {
		plain.People = append(plain.People, graph.Person{Name: "Somebody", Address: fmt.Sprintf("p%d@acme.example", i), Type: "required"})
	}
	r, _ := scripted(t, map[string]graph.DeltaPage{"": {Items: []graph.Item{large, plain}, Delta: "d"}})
	r.sync(downsync.CauseConnect)
	have := r.app()
	if len(have) != 2 || len(have["plain"].People) != 500 || len(have["large"].People) == 0 {
		t.Errorf("%d appointments, %d people", len(have), len(have["plain"].People))
	}
	for _, m := range r.topic {
		if len(m.Body) > queue.MaxMessage-8192 {
			t.Errorf("%d bytes", len(m.Body))
		}
	}
}

// A day whose series is on no page is told with what the series says (contract 4.4).
func TestADayWithoutItsSeriesIsFilledFromADirectRead(t *testing.T) {
	day := graph.Item{ID: "d1", ChangeKey: "1", Kind: graph.Occurrence, Series: "m", Start: monday, End: monday.Add(time.Hour)}
	orphan := graph.Item{ID: "d2", ChangeKey: "1", Kind: graph.Occurrence, Series: "gone", Start: monday, End: monday.Add(time.Hour)}
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Items: []graph.Item{day, orphan}, Delta: "d"}})
	s.read = func(id string) (graph.Item, error) {
		if id != "m" {
			return graph.Item{}, &graph.Error{Kind: graph.Gone, Status: 404}
		}
		m := meeting("m", "1")
		m.Kind, m.StartZone, m.Subject = graph.Master, "UTC", "Standup"
		return m, nil
	}
	r.sync(downsync.CauseConnect)
	if have := r.app(); len(have) != 1 || *have["OID.m.2026-11-23"].Title != "Standup" {
		t.Errorf("%+v", have)
	}
}

// anyone is the id of an appointment that was told.
func (r *rig) anyone() string {
	for id := range r.app() {
		return id
	}
	return ""
}
