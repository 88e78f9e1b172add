package downsync_test

import (
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// weeks reads the calendar at its own moments for some weeks.
func (r *rig) weeks(n int) {
	for range n * 7 {
		r.now = r.now.AddDate(0, 0, 1)
		r.sync(downsync.CauseSchedule)
	}
}

// An event or series that goes into a calendar that is not read leaves what is read: it is
// told as deleted, once, and nothing of it is repeated. When it comes back it is told.
func TestWhatIsMovedIntoACalendarThatIsNotReadIsToldAsDeletedOnce(t *testing.T) {
	for name, chosen := range map[string]bool{"the default calendar": false, "a chosen calendar": true} {
		t.Run(name, func(t *testing.T) {
			for _, expired := range []bool{false, true} {
				r := newRig(t, "")
				aside, err := r.store.AddCalendar(tenant, aino, "Aside")
				r.must(err)
				own, err := r.store.Calendar(tenant, aino, "")
				r.must(err)
				if chosen {
					other, err := r.store.AddCalendar(tenant, aino, "Other")
					r.must(err)
					r.c.Calendars = []connection.Calendar{{ID: own.ID, Default: true}, {ID: other.ID, Name: "Other"}}
					r.connect()
				}
				id, stays := r.meet("Dentist", monday.AddDate(0, 2, 0)), r.meet("Stays", monday)
				series := r.repeat("Daily", "daily", "UTC", "2026-12-23T12:00:00", 5)
				r.sync(downsync.CauseConnect)
				for _, moved := range []string{id, series} {
					_, err = r.owner().File(moved, aside.ID)
					r.must(err)
				}
				if expired {
					r.must(r.twin.Changes().Expire(tenant, aino))
				}
				r.sync(downsync.CauseSchedule)
				if len(r.deletions()) != 0 {
					t.Errorf("told at once: %v", r.deletions())
				}
				r.sync(downsync.CauseSchedule)
				if have := r.app(); len(have) != 1 || have[stays].ID == "" || len(r.deletions()) != 6 {
					t.Fatalf("expired %v: %d appointments, deleted %v", expired, len(have), r.deletions())
				}
				told, reads := len(r.topic), r.reads()
				r.weeks(4)
				if len(r.topic) != told || r.reads() != reads {
					t.Errorf("expired %v: %d events more, %d reads", expired, len(r.topic)-told, r.reads()-reads)
				}
				r.now = r.now.AddDate(0, 0, -28)
				for _, moved := range []string{id, series} {
					_, err = r.owner().File(moved, own.ID)
					r.must(err)
				}
				r.sync(downsync.CauseSchedule)
				if have := r.app(); len(have) != 7 || have[id].ID == "" {
					t.Errorf("expired %v: %d appointments after it came back", expired, len(have))
				}
			}
		})
	}
}

// What goes from one calendar that is read into another is nowhere told as deleted.
func TestWhatIsMovedBetweenCalendarsThatAreReadIsNotToldAsDeleted(t *testing.T) {
	for first := range 2 {
		r := newRig(t, "")
		work, own := r.two()
		if first == 1 {
			r.c.Calendars[0], r.c.Calendars[1] = r.c.Calendars[1], r.c.Calendars[0]
			r.connect()
		}
		id := r.meet("Dentist", monday.AddDate(0, 2, 0))
		series := r.repeat("Daily", "daily", "UTC", "2026-12-23T12:00:00", 5)
		r.sync(downsync.CauseConnect)
		for _, to := range []string{work, own, work} {
			for _, moved := range []string{id, series} {
				_, err := r.owner().File(moved, to)
				r.must(err)
			}
			r.sync(downsync.CauseSchedule)
			r.sync(downsync.CauseSchedule)
			r.sync(downsync.CauseSchedule)
			for _, a := range r.app() {
				if a.Calendar != to {
					t.Errorf("first %d: %s in %q", first, a.ID, a.Calendar)
				}
			}
		}
		if len(r.app()) != 6 || len(r.deletions()) != 0 {
			t.Errorf("first %d: %d appointments, deleted %v", first, len(r.app()), r.deletions())
		}
		told := len(r.topic)
		r.weeks(3)
		if len(r.topic) != told {
			t.Errorf("first %d: %d events more", first, len(r.topic)-told)
		}
		if all, err := state.NewAppointments(r.tables).All(t.Context(), state.CalendarKey(r.c.ID, own)); err != nil || len(all) != 0 {
			t.Errorf("%v, %d known where they were", err, len(all))
		}
	}
}

// A page that is late is no reason to tell what is in the calendar as deleted.
func TestALatePageTellsNothingAsDeleted(t *testing.T) {
	gone := graph.Item{ID: "a", Removed: true}
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Items: []graph.Item{meeting("a", "1"), meeting("b", "1")}, Delta: "d"},
		"d": {Items: []graph.Item{gone}, Delta: "e"}, "e": {Delta: "f"}, "f": {Delta: "g"}, "g": {Delta: "h"}})
	s.read = func(id string) (graph.Item, error) { return meeting(id, "1"), nil }
	r.sync(downsync.CauseConnect)
	for range 4 {
		r.sync(downsync.CauseSchedule)
	}
	if len(r.topic) != 2 || len(r.app()) != 2 {
		t.Errorf("%d events, %d appointments", len(r.topic), len(r.app()))
	}
}

// A kill between any two effects changes nothing of that.
func TestAMoveIsToldOnceWhateverIsKilled(t *testing.T) {
	for after := range 2 {
		for n := 1; n < 40; n++ {
			r := newRig(t, "")
			r.twin.Changes().Set(changes.Switches{Shuffle: true})
			aside, err := r.store.AddCalendar(tenant, aino, "Aside")
			r.must(err)
			id := r.meet("Dentist", monday)
			r.sync(downsync.CauseConnect)
			_, err = r.owner().File(id, aside.ID)
			r.must(err)
			r.left, r.after = n, after == 1
			r.sync(downsync.CauseSchedule)
			r.sync(downsync.CauseSchedule)
			r.left = 0
			r.sync(downsync.CauseSchedule)
			r.sync(downsync.CauseSchedule)
			ids := map[string]bool{}
			for _, m := range r.topic {
				ids[m.ID] = true
			}
			if len(r.app()) != 0 || len(ids) != 2 {
				t.Fatalf("killed at %d: %d appointments, %d events", n, len(r.app()), len(ids))
			}
		}
	}
}

// A listing that fails concludes nothing, and does not stop the reading.
func TestAMoveWhoseCalendarCannotBeListedIsNotToldAsDeleted(t *testing.T) {
	r := newRig(t, "")
	aside, err := r.store.AddCalendar(tenant, aino, "Aside")
	r.must(err)
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	_, err = r.owner().File(id, aside.ID)
	r.must(err)
	r.sync(downsync.CauseSchedule)
	r.fate = func(v twin.Visit) twin.Fate {
		if v.Delta != nil && v.Delta.Link == "" && v.Delta.To.Sub(v.Delta.From) < 48*time.Hour {
			return twin.Fate{Effect: twin.Answer, Status: 503}
		}
		return twin.Fate{}
	}
	r.sync(downsync.CauseSchedule)
	if len(r.deletions()) != 0 || r.cursor().Shrunk != 0 {
		t.Errorf("deleted %v, %+v", r.deletions(), r.cursor())
	}
	r.fate = nil
	for range 3 {
		r.sync(downsync.CauseSchedule)
	}
	if len(r.deletions()) != 1 {
		t.Errorf("deleted %v", r.deletions())
	}
}
