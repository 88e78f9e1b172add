package downsync_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/state"
)

// two lets the rig's connection read two calendars, Work first, with an event in each.
func (r *rig) two() (work, own string) {
	r.t.Helper()
	w, err := r.store.AddCalendar(tenant, aino, "Work")
	r.must(err)
	o, err := r.store.Calendar(tenant, aino, "")
	r.must(err)
	r.c.Calendars = []connection.Calendar{{ID: w.ID, Name: "Work"}, {ID: o.ID, Name: "Calendar", Default: true}}
	r.connect()
	return w.ID, o.ID
}

// A calendar that cannot be read is told of at the end, whatever became of those after it,
// and holds up none of them.
func TestTheEndTellsWhichOfSeveralCalendarsFailedAndWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		answer twin.Fate
		cause  string
	}{
		"refused":        {twin.Fate{Effect: twin.Answer, Status: http.StatusBadRequest, Code: "ErrorOdd"}, "refused-by-graph"},
		"not answered":   {twin.Fate{Effect: twin.Answer, Status: http.StatusServiceUnavailable}, "unavailable"},
		"lost":           {twin.Fate{Effect: twin.Lose}, "unavailable"},
		"ending nowhere": {twin.Fate{}, "endless"},
	} {
		for _, pages := range []int{1, 20} { // the others in other slices, or in the same
			r := newRig(t, "")
			r.boot(&downsync.Options{Pages: pages, PageSize: 2})
			work, own := r.two()
			job := r.meet("At work", monday)
			_, err := r.owner().File(job, work)
			r.must(err)
			for i := range 5 {
				r.meet("At home", monday.Add(time.Duration(i)*time.Hour))
			}
			r.fate = func(v twin.Visit) twin.Fate {
				loop := tt.cause == "endless" && v.Delta != nil && v.Delta.Calendar == work
				r.twin.Changes().Set(changes.Switches{Loop: loop})
				if v.Delta != nil && v.Delta.Calendar == work {
					return tt.answer
				}
				return twin.Fate{}
			}
			r.sync(downsync.CauseConnect)
			p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
			r.must(err)
			if p.State != state.SyncFailed || p.Cause != tt.cause || len(p.Failed) != 1 || p.Failed[0] != (state.CalendarFailure{Calendar: work, Cause: tt.cause}) || p.Ended.IsZero() {
				t.Errorf("%s, %d pages: %+v", name, pages, p)
			}
			home := 0
			for _, a := range r.app() {
				if a.Calendar == own {
					home++
				}
			}
			if home != 5 || len(r.failed) != 0 || len(r.tasks) != 0 {
				t.Errorf("%s, %d pages: %d of the other calendar, %v", name, pages, home, r.failed)
			}
			// Nothing is left of it when all can be read again.
			r.fate = nil
			r.twin.Changes().Set(changes.Switches{})
			for range 4 {
				r.sync(downsync.CauseSchedule)
			}
			p, err = r.syncer.Progress(t.Context(), acme, r.c.ID)
			if err != nil || p.State != state.SyncDone || p.Cause != "" || len(p.Failed) != 0 || r.app()[job].ID == "" {
				t.Errorf("%s, %d pages: %v, %+v", name, pages, err, p)
			}
		}
	}
}

// What the brake has counted in one calendar counts in the next, whatever is killed
// between them.
func TestAKillBetweenTwoCalendarsLeavesTheBrakeItsCount(t *testing.T) {
	for after := range 2 {
		for n := 1; n < 60; n += stride() {
			r := newRig(t, "")
			work, _ := r.two()
			var ids []string
			for i := range 24 {
				id := r.meet("Meeting", monday.Add(time.Duration(i)*time.Hour))
				if i%2 == 0 {
					_, err := r.owner().File(id, work)
					r.must(err)
				}
				ids = append(ids, id)
			}
			r.sync(downsync.CauseConnect)
			for _, id := range ids[:16] {
				r.must(r.owner().Delete(id))
			}
			rows := state.NewProgresses(r.tables)
			asked, err := rows.Get(t.Context(), r.c.ID)
			r.must(err)
			r.left, r.after = n, after == 1
			r.order(downsync.CauseSchedule)
			r.step(r.now.Add(time.Hour))
			r.left = 0
			// Somebody who asked for a reading meanwhile writes over what that one stored.
			asked.State, asked.Asked = state.SyncQueued, r.now
			r.must(rows.Put(t.Context(), r.c.ID, asked))
			r.settle()
			r.sync(downsync.CauseSchedule)
			if have := r.app(); len(have) != 16 || len(r.alerts()) == 0 {
				t.Fatalf("killed at %d: %d appointments are left, %d alerts", n, len(have), len(r.alerts()))
			}
			// A reading of its own begins its own count.
			r.must(r.syncer.Decide(t.Context(), acme, r.c.ID, state.HeldApprove))
			r.sync(downsync.CauseSchedule)
			for _, id := range ids[16:18] {
				r.must(r.owner().Delete(id))
			}
			r.sync(downsync.CauseSchedule)
			if have := r.app(); len(have) != 6 {
				t.Fatalf("killed at %d: %d appointments after the approval", n, len(have))
			}
		}
	}
}
