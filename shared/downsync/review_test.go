package downsync_test

import (
	"context"
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// The last removal of a round may be the one that is too many: a kill, or a failure,
// between the asking and the holding lets nothing through (A2).
func TestABrakeThatIsKilledAtTheLastRemovalHoldsAllTheSame(t *testing.T) {
	for after := range 2 {
		for n := 1; n < 60; n += stride() {
			r := newRig(t, "")
			var ids []string
			for i := range 14 {
				ids = append(ids, r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour)))
			}
			r.sync(downsync.CauseConnect)
			for _, id := range ids[:11] {
				r.must(r.owner().Delete(id))
			}
			r.left, r.after = n, after == 1
			r.sync(downsync.CauseSchedule)
			r.left = 0
			r.sync(downsync.CauseSchedule)
			if have := r.app(); len(have) != 14 {
				t.Fatalf("killed at %d (after: %d): %d appointments", n, after, len(have))
			}
		}
	}
}

// Removals in two calendars of a mailbox are removals in one cycle of the mailbox (A2).
func TestTheBrakeCountsAllCalendarsOfAMailbox(t *testing.T) {
	for _, pages := range []int{1, 20} { // in one slice, and in several
		r := newRig(t, "")
		r.boot(&downsync.Options{Pages: pages})
		work, err := r.store.AddCalendar(tenant, aino, "Work")
		r.must(err)
		own, err := r.store.Calendar(tenant, aino, "")
		r.must(err)
		r.c.Calendars = []connection.Calendar{{ID: own.ID, Name: "Calendar", Default: true}, {ID: work.ID, Name: "Work"}}
		r.connect()
		var ids []string
		for i := range 20 {
			id := r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
			if i%2 == 1 {
				_, err := r.owner().File(id, work.ID)
				r.must(err)
			}
			ids = append(ids, id)
		}
		r.sync(downsync.CauseConnect)
		for _, id := range ids[:16] {
			r.must(r.owner().Delete(id))
		}
		r.sync(downsync.CauseSchedule)
		if have := r.app(); len(have) != 12 || len(r.alerts()) != 1 {
			t.Errorf("%d pages: %d appointments, alerts %v", pages, len(have), r.alerts())
		}
	}
}

// A daily series that is put into a zone where all its days have the next day's date.
func TestDaysThatTakeEachOthersNamesAreAllTold(t *testing.T) {
	page := func(zone, version string) []graph.Item {
		m := meeting("m", version)
		m.Kind, m.StartZone = graph.Master, zone
		items := []graph.Item{m}
		for i := range 4 {
			from := monday.Truncate(24*time.Hour).Add(22*time.Hour).AddDate(0, 0, i)
			items = append(items, graph.Item{ID: fmt.Sprint("day ", i), ChangeKey: version, Kind: graph.Occurrence, Series: "m", Start: from, End: from.Add(time.Hour)})
		}
		return items
	}
	for _, zones := range [][2]string{{"UTC", "Asia/Tokyo"}, {"Asia/Tokyo", "UTC"}} {
		r, _ := scripted(t, map[string]graph.DeltaPage{"": {Items: page(zones[0], "1"), Delta: "d"}, "d": {Items: page(zones[1], "2"), Delta: "e"}})
		r.sync(downsync.CauseConnect)
		r.sync(downsync.CauseSchedule)
		if have := r.app(); len(have) != 4 {
			t.Errorf("%v: %d days", zones, len(have))
		}
	}
}

// Where events cannot be read by their ids, one that is known in another of the
// calendars was moved there.
func TestWithBusyTimesOnlyAnEventThatMovedIsNotDeleted(t *testing.T) {
	for first := range 2 {
		r := newRig(t, "")
		work, err := r.store.AddCalendar(tenant, aino, "Work")
		r.must(err)
		own, err := r.store.Calendar(tenant, aino, "")
		r.must(err)
		r.c.Scope = connection.Busy
		r.c.Calendars = []connection.Calendar{{ID: work.ID, Name: "Work"}, {ID: own.ID, Name: "Calendar", Default: true}}
		if first == 1 {
			slices.Reverse(r.c.Calendars)
		}
		r.connect()
		id := r.meet("Dentist", monday)
		r.sync(downsync.CauseConnect)
		_, err = r.owner().File(id, work.ID)
		r.must(err)
		r.sync(downsync.CauseSchedule)
		if a := r.app()[id]; a.Calendar != work.ID || len(r.deletions()) != 0 {
			t.Errorf("read first %d: %+v, deleted %v", first, a, r.deletions())
		}
		r.must(r.owner().Delete(id))
		r.sync(downsync.CauseSchedule)
		if len(r.deletions()) != 1 {
			t.Errorf("read first %d: deleted %v", first, r.deletions())
		}
	}
}

// A chosen calendar that is gone keeps no deletion in another one from being told.
func TestWithBusyTimesOnlyACalendarThatIsGoneHoldsUpNoDeletion(t *testing.T) {
	r := newRig(t, "")
	own, err := r.store.Calendar(tenant, aino, "")
	r.must(err)
	r.c.Scope = connection.Busy
	r.c.Calendars = []connection.Calendar{{ID: "AAMkGone", Name: "Gone"}, {ID: own.ID, Name: "Calendar", Default: true}}
	r.connect()
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Delete(id))
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 0 {
		t.Errorf("%+v", have)
	}
}

// An event that goes to another calendar and comes back is told where it is, each time.
func TestAnEventThatMovesToAnotherCalendarAndBackIsToldEachTime(t *testing.T) {
	for first := range 2 {
		r := newRig(t, "")
		work, err := r.store.AddCalendar(tenant, aino, "Work")
		r.must(err)
		own, err := r.store.Calendar(tenant, aino, "")
		r.must(err)
		r.c.Calendars = []connection.Calendar{{ID: work.ID, Name: "Work"}, {ID: own.ID, Name: "Calendar", Default: true}}
		if first == 1 {
			slices.Reverse(r.c.Calendars)
		}
		r.connect()
		id := r.meet("Dentist", monday)
		r.sync(downsync.CauseConnect)
		for n, to := range []string{work.ID, own.ID, work.ID} {
			_, err = r.owner().File(id, to)
			r.must(err)
			r.sync(downsync.CauseSchedule)
			if a := r.app()[id]; a.Calendar != to {
				t.Errorf("read first %d, move %d: in %q, not %q", first, n, a.Calendar, to)
			}
		}
	}
}

// What is told of an event in one calendar is another event than of it in another, also
// in the same version.
func TestTheIdOfAnEventNamesItsCalendar(t *testing.T) {
	ids := map[string]bool{}
	r, _ := scripted(t, map[string]graph.DeltaPage{"": {Items: []graph.Item{meeting("x", "1")}, Delta: "d"}})
	r.c.Calendars = []connection.Calendar{{ID: "a"}, {ID: "b"}}
	r.connect()
	r.sync(downsync.CauseConnect)
	for _, m := range r.topic {
		ids[m.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("%d ids of %d events", len(ids), len(r.topic))
	}
}

// A round that removes more than its row can name is read whole instead, and finds it.
func TestMoreRemovalsThanARowHoldsAreFoundByAFullRead(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var removed []graph.Item
	for range 12_000 {
		id := make([]byte, 95)
		for i := range id {
			id[i] = byte(random.Uint32())
		}
		removed = append(removed, graph.Item{ID: base32.StdEncoding.EncodeToString(id), Removed: true})
	}
	removed = append(removed, graph.Item{ID: "x", Removed: true})
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Items: []graph.Item{meeting("x", "1"), meeting("y", "1")}, Delta: "d"}, "d": {Items: removed, Delta: "e"}})
	r.sync(downsync.CauseConnect)
	s.pages[""] = graph.DeltaPage{Items: append(slices.Clone(removed), meeting("y", "1")), Delta: "f"}
	r.sync(downsync.CauseSchedule)
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if have := r.app(); err != nil || p.State != state.SyncDone || len(have) != 1 || have["y"].ID == "" {
		t.Errorf("%v, %+v, %d appointments", err, p, len(have))
	}
}

// What was told with less is told with more again after a time in which nothing was.
func TestAfterATimeOfNothingEverythingIsToldUnderNewIds(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	for _, privacy := range []string{"busy", "nothing", "all"} {
		r.org.DownSync.Privacy = privacy
		r.sync(downsync.CauseSchedule)
	}
	if a := r.app()[id]; a.Title == nil {
		t.Errorf("%+v", a)
	}
}

// A connection that is gone leaves the agenda.
func TestADisconnectedCalendarHasNoTurn(t *testing.T) {
	r := newRig(t, "")
	r.sync(downsync.CauseConnect)
	r.c.State = connection.Disconnected
	r.connect()
	r.hours(2 * time.Hour)
	r.runs = nil
	r.hours(4 * time.Hour)
	if len(r.runs) != 0 {
		t.Errorf("%d turns", len(r.runs))
	}
}

// Whatever a first reading leaves when it is killed goes with the connection.
func TestAKilledFirstReadingLeavesNothingBehindAConnection(t *testing.T) {
	for n := 1; n < 40; n++ {
		r := newRig(t, "")
		r.meet("Dentist", monday)
		r.order(downsync.CauseSchedule)
		r.left = n
		r.step(r.now.Add(time.Hour))
		r.tasks, r.left = nil, 0
		r.boot(nil)
		r.c.State = connection.Disconnected
		r.connect()
		r.sync(downsync.CauseConnect)
		all, err := state.NewAppointments(r.tables).All(t.Context(), state.CalendarKey(r.c.ID, ""))
		cursor, err2 := state.NewCursors(r.tables).Get(t.Context(), state.CalendarKey(r.c.ID, ""))
		if err != nil || err2 != nil || len(all) != 0 || cursor.ETag != "" {
			t.Fatalf("killed at %d: %v, %v, %d appointments, cursor %q", n, err, err2, len(all), cursor.ETag)
		}
	}
}

// refusing is an Ours that may not confirm what is gone.
type refusing struct{ *rig }

func (o refusing) Changed(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox string, item graph.Item) (downsync.Fate, error) {
	if item.Removed {
		return downsync.Foreign, &graph.Error{Kind: graph.Unauthorised, Status: http.StatusForbidden}
	}
	return o.rig.Changed(ctx, organization, lane, as, mailbox, item)
}

// Who may see busy times only can confirm nothing of ours; the reading goes on.
func TestWhatMayNotBeConfirmedStopsNoReading(t *testing.T) {
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Delta: "d"}, "d": {Items: []graph.Item{{ID: "ours", Removed: true}}, Delta: "e"},
		"e": {Items: []graph.Item{meeting("x", "1")}, Delta: "f"}})
	r.ours = func() downsync.Ours { return refusing{r} }
	r.boot(nil)
	r.sync(downsync.CauseConnect)
	r.sync(downsync.CauseSchedule)
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 1 || len(r.failed) != 0 {
		t.Errorf("%d appointments, %v, asked %q", len(have), r.failed, s.asked)
	}
}

// slow is a reader each of whose reads by id takes a while, and one during which another
// reading of the same calendar goes through.
type slow struct {
	graph.Reader
	r      *rig
	takes  time.Duration
	during func(link string)
}

func (s *slow) Read(ctx context.Context, as graph.Access, mailbox, id string) (graph.Item, error) {
	s.r.now = s.r.now.Add(s.takes)
	return s.Reader.Read(ctx, as, mailbox, id)
}

func (s *slow) Delta(ctx context.Context, as graph.Access, d graph.DeltaRequest) (graph.DeltaPage, error) {
	page, err := s.Reader.Delta(ctx, as, d)
	if s.during != nil {
		s.during(d.Link)
	}
	return page, err
}

// A series whose days are asked for one by one takes several slices, each of which ends
// in time.
func TestAskingForAWholeSeriesEndsInTime(t *testing.T) {
	r := newRig(t, "")
	work, err := r.store.AddCalendar(tenant, aino, "Work")
	r.must(err)
	s := &slow{Reader: r.twin, r: r, takes: 3 * time.Second}
	r.reader = s
	r.boot(nil)
	id := r.repeat("Daily", "daily", "UTC", "2026-11-23T12:00:00", 40)
	r.sync(downsync.CauseConnect)
	_, err = r.owner().File(id, work.ID) // which is not read
	r.must(err)
	r.order(downsync.CauseSchedule)
	for n := 0; len(r.tasks) > 0; n++ {
		began := r.now
		if r.tasks[0].ScheduledFor.After(began) {
			began = r.tasks[0].ScheduledFor
		}
		if !r.step(r.now.Add(time.Hour)) || n > 20 {
			t.Fatalf("no end, %d slices", n)
		}
		if took := r.now.Sub(began); took > time.Minute {
			t.Fatalf("slice %d took %v", n, took)
		}
	}
	if have := r.app(); len(have) != 40 || r.reads() > 60 {
		t.Errorf("%d days, %d reads", len(have), r.reads())
	}
}

// A slice that lost its lock to another one writes nothing over what that has learnt.
func TestASliceThatWasOvertakenOverwritesNothing(t *testing.T) {
	v := func(version string) []graph.Item { return []graph.Item{meeting("x", version)} }
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Items: v("1"), Delta: "d"}, "d": {Items: v("2"), Delta: "e"}, "e": {Items: v("3"), Delta: "f"},
		"f": {Delta: "g"}, "g": {Delta: "h"}})
	r.sync(downsync.CauseConnect)
	row := func() string {
		x, err := state.NewAppointments(r.tables).Get(t.Context(), state.CalendarKey(r.c.ID, ""), "x")
		r.must(err)
		return x.One.Version
	}
	nested := false
	r.reader = &slow{Reader: s, r: r, during: func(link string) {
		if link != "d" || nested {
			return
		}
		nested = true
		for range 2 {
			r.must(r.syncer.Task(t.Context(), downsync.Message(acme, r.c, downsync.CauseRequest, time.Time{})))
		}
		if row() != "3" {
			t.Fatal("the other slice has learnt nothing")
		}
	}}
	r.boot(nil)
	r.sync(downsync.CauseSchedule)
	if row() != "3" {
		t.Errorf("version %s", row())
	}
}

// Under settings by which nothing is told nothing stays stored: when they change every
// connection is looked at (package subscribe).
func TestWhatIsKnownGoesWhenNothingMayBeTold(t *testing.T) {
	r := newRig(t, "")
	r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	r.org.DownSync.Privacy = "nothing"
	r.sync("settings")
	all, err := state.NewAppointments(r.tables).All(t.Context(), state.CalendarKey(r.c.ID, ""))
	if err != nil || len(all) != 0 {
		t.Errorf("%v, %d are known", err, len(all))
	}
}

// A sign-in that dies while what is missing is asked for leaves nothing out: after the
// next one it is asked for again.
func TestASignInThatDiesWhileAskingLosesNothing(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Delete(id))
	r.fate = func(v twin.Visit) twin.Fate {
		if v.Read != "" {
			return twin.Fate{Effect: twin.Answer, Status: http.StatusUnauthorized, Code: "InvalidAuthenticationToken"}
		}
		return twin.Fate{}
	}
	r.sync(downsync.CauseSchedule)
	r.fate = nil
	if have := r.app(); len(have) != 1 || len(r.failed) != 1 {
		t.Errorf("%d appointments, %v", len(have), r.failed)
	}
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 0 {
		t.Errorf("%+v", have)
	}
}

// What the end of a round is about to tell has to fit its row as well.
func TestMoreThanARowHoldsAtTheEndOfARoundIsTold(t *testing.T) {
	series := func(version string, days int) []graph.Item {
		m := meeting("m", version)
		m.Kind, m.StartZone = graph.Master, "UTC"
		items := []graph.Item{m}
		for i := range days {
			from := monday.AddDate(0, 0, i)
			items = append(items, graph.Item{ID: fmt.Sprint("day ", i), ChangeKey: "1", Kind: graph.Occurrence, Series: "m", Start: from, End: from.Add(time.Hour)})
		}
		return items
	}
	var there, removed []graph.Item
	for i := range 1000 {
		there = append(there, meeting(fmt.Sprint("x", i), "1"))
		removed = append(removed, graph.Item{ID: fmt.Sprint("x", i), Removed: true})
	}
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Items: append(there, series("1", 2)...), Delta: "d"}, "d": {Items: append(removed, series("1", 1)...), Delta: "e"}})
	r.org.Brake.Count = 100_000
	s.read = func(id string) (graph.Item, error) {
		if id == "m" {
			return series("1", 0)[0], nil
		}
		return graph.Item{}, &graph.Error{Kind: graph.Gone, Status: 404}
	}
	r.sync(downsync.CauseConnect)
	s.pages[""] = graph.DeltaPage{Items: series("1", 1), Delta: "f"}
	r.sync(downsync.CauseSchedule)
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if have := r.app(); err != nil || p.State != state.SyncDone || len(have) != 1 {
		t.Errorf("%v, %+v, %d appointments", err, p, len(have))
	}
}
