package downsync_test

import (
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/state"
)

// known counts what is stored of a calendar: records, and whether its cursor tells more
// than a counter.
func (r *rig) known(calendar string) (records int, cursor bool) {
	r.t.Helper()
	at := state.CalendarKey(r.c.ID, calendar)
	all, err := state.NewAppointments(r.tables).All(r.context(), at)
	r.must(err)
	c, err := state.NewCursors(r.tables).Get(r.context(), at)
	r.must(err)
	return len(all), c.Link != "" || c.Round != nil || !c.From.IsZero() || len(c.Shown)+len(c.Unread)+len(c.Away) > 0
}

func (r *rig) forgotten(what, calendar string) {
	r.t.Helper()
	if n, more := r.known(calendar); n != 0 || more {
		r.t.Errorf("%s: %d records are kept, cursor %v", what, n, more)
	}
}

// What is left of a calendar that is read no more is neither told as deleted nor kept, and
// what is in it is told again, under new ids, when it is read again.
func TestACalendarThatIsNotChosenAnyMoreIsForgottenWithoutAWord(t *testing.T) {
	for n := range 25 { // killed at n, or not at all
		r := newRig(t, "")
		work, own := r.two()
		both := slices.Clone(r.c.Calendars)
		job, home := r.meet("At work", monday), r.meet("At home", monday)
		_, err := r.owner().File(job, work)
		r.must(err)
		r.sync(downsync.CauseConnect)
		r.c.Calendars = both[1:]
		r.connect()
		told := len(r.topic)
		r.left, r.after = n, n%2 == 1
		r.sync(downsync.CauseConnect)
		r.left = 0
		r.sync(downsync.CauseSchedule)
		if len(r.topic) != told || len(r.app()) != 2 || r.app()[home].Calendar != own {
			t.Fatalf("killed at %d: %d events", n, len(r.topic)-told)
		}
		r.forgotten("not chosen", work)
		r.must(r.owner().Delete(job))
		r.weeks(2)
		if len(r.topic) != told {
			t.Errorf("killed at %d: %d events later", n, len(r.topic)-told)
		}
		// Chosen again: a consumer that drops ids which it knows hears all of it.
		again := r.meet("At work again", monday.AddDate(0, 1, 0))
		_, err = r.owner().File(again, work)
		r.must(err)
		r.c.Calendars = both
		r.connect()
		r.sync(downsync.CauseConnect)
		if r.app()[again].Calendar != work {
			t.Errorf("killed at %d: not told", n)
		}
		r.c.State = connection.Disconnected
		r.connect()
		r.sync(downsync.CauseConnect)
		for _, id := range []string{work, own, ""} {
			if c, err := state.NewCursors(r.tables).Get(t.Context(), state.CalendarKey(r.c.ID, id)); err != nil || c.ETag != "" {
				t.Errorf("%v, a cursor is left: %+v", err, c)
			}
		}
	}
}

// The same appointments of a calendar that comes back have new event ids.
func TestACalendarThatIsChosenAgainIsToldUnderNewIds(t *testing.T) {
	for name, change := range map[string][2]func(*rig){
		"the calendar":      {func(r *rig) { r.c.Calendars = r.c.Calendars[1:] }, func(r *rig) { r.two() }},
		"direction up":      {func(r *rig) { r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite }, func(r *rig) { r.c.Direction, r.c.Scope = connection.Down, connection.Details }},
		"direction none":    {func(r *rig) { r.c.Direction, r.c.State = connection.None, connection.Paused }, func(r *rig) { r.c.Direction, r.c.State = connection.Down, connection.Connected }},
		"up while sync off": {func(r *rig) { r.org.Sync = false; r.sync("settings"); r.c.Direction = connection.Up }, func(r *rig) { r.org.Sync = true; r.c.Direction = connection.Down }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "")
			work, err := r.store.AddCalendar(tenant, aino, "Work")
			r.must(err)
			own, err := r.store.Calendar(tenant, aino, "")
			r.must(err)
			chosen := []connection.Calendar{{ID: work.ID, Name: "Work"}, {ID: own.ID, Name: "Calendar", Default: true}}
			r.c.Calendars = chosen
			r.connect()
			job := r.meet("At work", monday)
			_, err = r.owner().File(job, work.ID)
			r.must(err)
			r.sync(downsync.CauseConnect)
			told := len(r.topic)
			if name == "the calendar" {
				change[1] = func(r *rig) { r.c.Calendars = chosen }
			}
			change[0](r)
			r.connect()
			r.sync(downsync.CauseConnect)
			r.sync(downsync.CauseConnect)
			if len(r.topic) != told {
				t.Errorf("%d events", len(r.topic)-told)
			}
			r.forgotten(name, work.ID)
			change[1](r)
			r.connect()
			r.sync(downsync.CauseConnect)
			if len(r.topic) != told+1 || r.topic[told].ID == r.topic[told-1].ID {
				t.Errorf("%d events", len(r.topic)-told)
			}
			if len(r.deletions()) != 0 {
				t.Errorf("told as deleted: %v", r.deletions())
			}
		})
	}
}

// Where the person or the organisation pauses for a while nothing is forgotten, so that
// nothing is told twice.
func TestWhatIsOnlyPausedIsNotToldTwice(t *testing.T) {
	for name, change := range map[string][2]func(*rig){
		"module off":   {func(r *rig) { r.org.Module = false }, func(r *rig) { r.org.Module = true }},
		"sync off":     {func(r *rig) { r.org.Sync = false }, func(r *rig) { r.org.Sync = true }},
		"a dead token": {func(r *rig) { r.c.State = connection.NeedsReauth }, func(r *rig) { r.c.State = connection.Connected }},
	} {
		r := newRig(t, "")
		gone := r.meet("Gone", monday)
		r.meet("Stays", monday)
		r.sync(downsync.CauseConnect)
		change[0](r)
		r.connect()
		r.sync(downsync.CauseSchedule)
		r.must(r.owner().Delete(gone))
		change[1](r)
		r.connect()
		r.sync(downsync.CauseSchedule)
		if len(r.topic) != 3 || len(r.deletions()) != 1 {
			t.Errorf("%s: %d events, deleted %v", name, len(r.topic), r.deletions())
		}
	}
}

// What is over passes out of the window: it is not told, and not kept.
func TestWhatTheWindowLeavesBehindIsForgottenWithoutAWord(t *testing.T) {
	r := newRig(t, "")
	r.meet("Dentist", monday)
	r.repeat("Daily", "daily", "UTC", "2026-11-23T12:00:00", 5)
	r.sync(downsync.CauseConnect)
	told := len(r.topic)
	r.weeks(4)
	if len(r.topic) != told {
		t.Errorf("%d events", len(r.topic)-told)
	}
	if n, _ := r.known(""); n != 0 {
		t.Errorf("%d records are kept", n)
	}
	// Nor when it is deleted then.
	for id := range r.view(monday.Add(-time.Hour), monday.AddDate(0, 0, 1)) {
		if id[:3] != "OID" {
			r.must(r.owner().Delete(id))
		}
	}
	r.weeks(2)
	if len(r.topic) != told {
		t.Errorf("%d events", len(r.topic)-told)
	}
}

// Who may be told less is told all again, reduced, and of no deletion.
func TestNarrowingTellsAgainWithLessAndDeletesNothing(t *testing.T) {
	for _, from := range []string{"all", "title"} {
		for _, by := range []string{"privacy", "scope"} {
			r := newRig(t, `"downSync":{"privacy":"`+from+`"}`)
			id := r.meet("Dentist", monday)
			series := r.repeat("Daily", "daily", "UTC", "2026-11-24T12:00:00", 3)
			r.sync(downsync.CauseConnect)
			told := len(r.topic)
			if by == "privacy" {
				r.org.DownSync.Privacy = "busy"
			} else {
				r.c.Scope = connection.Busy
				r.connect()
			}
			r.sync(downsync.CauseSchedule)
			have := r.app()
			if len(have) != 4 || have[id].Title != nil || have["OID."+series+".2026-11-25"].Recurrence != nil || len(r.topic) != told+4 || len(r.deletions()) != 0 {
				t.Errorf("%s, %s: %d appointments, %d events, deleted %v", from, by, len(have), len(r.topic)-told, r.deletions())
			}
		}
	}
}
