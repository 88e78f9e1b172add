package downsync_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/state"
)

var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func TestWhatIsInTheCalendarIsToldOnceAndThenOnlyWhatChanges(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	have := r.app()
	a := have[id]
	if len(have) != 1 || a.Title == nil || *a.Title != "Dentist" || !a.start().Equal(monday) || a.ShowAs != "busy" || a.User != "u-1" || a.Private || a.AllDay {
		t.Fatalf("%+v", have)
	}
	told, pages := len(r.topic), r.deltas()
	r.sync(downsync.CauseSchedule)
	if len(r.topic) != told || r.deltas() != pages+1 || r.reads() != 0 {
		t.Errorf("an unchanged calendar: %d events, %d pages, %d reads", len(r.topic)-told, r.deltas()-pages, r.reads())
	}
	r.must(r.owner().Retitle(id, "Doctor"))
	r.sync(downsync.CauseSchedule)
	if got := r.app()[id]; len(r.topic) != told+1 || *got.Title != "Doctor" {
		t.Errorf("%d events, %+v", len(r.topic)-told, got)
	}
	// Back to what it was told as before: a consumer that drops what it knows has it.
	r.must(r.owner().Retitle(id, "Dentist"))
	r.sync(downsync.CauseSchedule)
	if got := r.app()[id]; *got.Title != "Dentist" {
		t.Errorf("%+v", got)
	}
	r.must(r.owner().Delete(id))
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 0 {
		t.Errorf("after the deletion: %+v", have)
	}
	if p, err := r.syncer.Progress(t.Context(), acme, r.c.ID); err != nil || p.State != state.SyncDone || p.Found != 1 || p.Calendars != 1 || p.Done != 1 {
		t.Errorf("%v, %+v", err, p)
	}
}

// What the tables keep of an appointment holds nothing that people wrote.
func TestRowsKeepNothingThatPeopleWrote(t *testing.T) {
	r := newRig(t, "")
	r.meet("Unutterable", monday)
	r.repeat("Ineffable", "weekly", "UTC", "2026-11-23T12:00:00", 3)
	r.sync(downsync.CauseConnect)
	all, err := state.NewAppointments(r.tables).All(t.Context(), state.CalendarKey(r.c.ID, ""))
	r.must(err)
	if len(all) != 2 {
		t.Fatalf("%d records", len(all))
	}
	for _, record := range all {
		for _, k := range append(slices.Collect(maps.Values(record.Days)), deref(record.One)) {
			if strings.Contains(k.Event+k.Hash+k.Version, "nutter") {
				t.Errorf("%+v", k)
			}
		}
	}
}

func deref(k *state.Known) state.Known {
	if k == nil {
		return state.Known{}
	}
	return *k
}

func TestPrivateEventsAreTheirBusyTimeOnly(t *testing.T) {
	for _, sensitivity := range []string{"private", "confidential"} {
		r := newRig(t, "")
		id := r.meet("Secret of somebody", monday)
		_, err := r.owner().Change(id, exchange.Change{Sensitivity: &sensitivity})
		r.must(err)
		r.sync(downsync.CauseConnect)
		a := r.app()[id]
		if !a.Private || a.Title != nil || a.Body != nil || a.People != nil || a.Sensitivity != sensitivity || !a.start().Equal(monday) {
			t.Errorf("%s: %+v", sensitivity, a)
		}
		for _, m := range r.topic {
			if strings.Contains(string(m.Body), "Secret") {
				t.Errorf("%s: %s", sensitivity, m.Body)
			}
		}
		// What was open and becomes private is taken back.
		open := r.meet("Open", monday)
		r.sync(downsync.CauseSchedule)
		_, err = r.owner().Change(open, exchange.Change{Sensitivity: &sensitivity})
		r.must(err)
		r.sync(downsync.CauseSchedule)
		if a := r.app()[open]; a.Title != nil || !a.Private {
			t.Errorf("%s: %+v", sensitivity, a)
		}
	}
}

func TestAnotherPrivacyTellsEverythingAgainReduced(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	for _, step := range []struct {
		privacy      string
		title, large bool
	}{{"title", true, false}, {"busy", false, false}, {"all", true, true}} {
		r.org.DownSync.Privacy = step.privacy
		r.sync(downsync.CauseSchedule)
		if a := r.app()[id]; (a.Title != nil) != step.title || (a.Body != nil) != step.large {
			t.Errorf("%s: %+v", step.privacy, a)
		}
	}
	told, pages := len(r.topic), r.deltas()
	r.org.DownSync.Privacy = "nothing"
	r.must(r.owner().Retitle(id, "Doctor"))
	r.sync(downsync.CauseSchedule)
	if len(r.topic) != told || r.deltas() != pages {
		t.Error("with the privacy nothing the calendar was read")
	}
	if all, err := state.NewAppointments(r.tables).All(t.Context(), state.CalendarKey(r.c.ID, "")); err != nil || len(all) != 0 {
		t.Errorf("%v, %d records are kept", err, len(all))
	}
}

// Whoever shows busy times only shows nothing else, whatever the organisation allows and
// Microsoft tells.
func TestAPersonWhoShowsBusyTimesOnlyIsToldOfInBusyTimes(t *testing.T) {
	for _, privacy := range []string{"busy", "title", "all"} {
		r := newRig(t, `"downSync":{"privacy":"`+privacy+`"}`)
		r.c.Scope = connection.Busy
		r.connect()
		id := r.meet("Dentist", monday)
		r.sync(downsync.CauseConnect)
		if a := r.app()[id]; a.ID == "" || a.Title != nil || a.Body != nil || a.People != nil || a.Private {
			t.Errorf("%s: %+v", privacy, a)
		}
		r.c.Scope = connection.Details
		r.connect()
		r.sync(downsync.CauseConnect)
		if a := r.app()[id]; (a.Title != nil) != (privacy != "busy") {
			t.Errorf("%s, with details: %+v", privacy, a)
		}
	}
}

func TestCalendarsThatAreNotToBeReadAreNeverListed(t *testing.T) {
	for name, change := range map[string]func(*rig){
		"direction up":     func(r *rig) { r.c.Direction, r.c.Scope = connection.Up, connection.ReadWrite },
		"direction none":   func(r *rig) { r.c.Direction, r.c.State = connection.None, connection.Paused },
		"dead":             func(r *rig) { r.c.State = connection.NeedsReauth },
		"blocked":          func(r *rig) { r.c.State = connection.BlockedByPolicy },
		"disconnected":     func(r *rig) { r.c.State = connection.Disconnected },
		"no mailbox":       func(r *rig) { r.c.Mailbox = "" },
		"module off":       func(r *rig) { r.org.Module = false },
		"sync off":         func(r *rig) { r.org.Sync = false },
		"no sign-in":       func(r *rig) { r.org.Permission = "application" },
		"of another":       func(r *rig) { r.org.Accounts = "tenant"; r.org.State.Tenant = "22222222-aaaa-4bbb-8ccc-000000000001" },
		"of a tenant none": func(r *rig) { r.org.Accounts = "tenant" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "")
			r.meet("Dentist", monday)
			change(r)
			r.connect()
			for _, cause := range []string{downsync.CauseConnect, downsync.CauseSchedule, downsync.CauseNotified, downsync.CauseRequest} {
				r.sync(cause)
			}
			if len(r.visits) != 0 || len(r.topic) != 0 {
				t.Errorf("%d requests, %d events", len(r.visits), len(r.topic))
			}
			if err := r.syncer.SyncNow(t.Context(), acme, r.c.ID); err == nil {
				t.Error("it can be asked for")
			}
		})
	}
}

func TestAnExpiredLinkIsAFullReadThatIsCompared(t *testing.T) {
	r := newRig(t, "")
	gone, stays, changes := r.meet("Gone", monday), r.meet("Stays", monday), r.meet("Changes", monday)
	r.sync(downsync.CauseConnect)
	told := len(r.topic)
	r.must(r.owner().Delete(gone))
	r.must(r.owner().Retitle(changes, "Changed"))
	fresh := r.meet("New", monday)
	r.must(r.twin.Changes().Expire(tenant, aino))
	r.sync(downsync.CauseSchedule)
	have := r.app()
	if len(have) != 3 || have[gone].ID != "" || *have[changes].Title != "Changed" || have[fresh].ID == "" || have[stays].ID == "" {
		t.Errorf("%+v", have)
	}
	if n := len(r.topic) - told; n != 3 {
		t.Errorf("%d events, want one of each change", n)
	}
}

func TestOursAreNoAppointments(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("A booking", monday)
	r.mine[id] = true
	other := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Retitle(id, "Edited"))
	r.sync(downsync.CauseSchedule)
	r.must(r.owner().Delete(id))
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 1 || have[other].ID == "" {
		t.Errorf("%+v", have)
	}
	if n := len(r.changed); n != 3 || !r.changed[2].Removed || r.changed[2].ID != id {
		t.Errorf("%d items of ours were asked about: %+v", n, r.changed)
	}
}

// An appointment that becomes ours is not told twice: its booking stands for it.
func TestAnAppointmentThatBecomesOursIsTakenBack(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("Imported", monday)
	r.sync(downsync.CauseConnect)
	r.mine[id] = true
	r.must(r.owner().Retitle(id, "Adopted"))
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 0 {
		t.Errorf("%+v", have)
	}
}

func TestSeveralCalendarsOfAnAccountAreRead(t *testing.T) {
	r := newRig(t, "")
	work, err := r.store.AddCalendar(tenant, aino, "Work")
	r.must(err)
	home := r.meet("At home", monday)
	job := r.meet("At work", monday)
	_, err = r.owner().File(job, work.ID)
	r.must(err)
	own, err := r.store.Calendar(tenant, aino, "")
	r.must(err)
	r.c.Calendars = []connection.Calendar{{ID: own.ID, Name: "Calendar", Default: true}, {ID: work.ID, Name: "Work"}}
	r.connect()
	r.sync(downsync.CauseConnect)
	have := r.app()
	if have[home].Calendar != own.ID || have[job].Calendar != work.ID {
		t.Errorf("%+v", have)
	}
	// Moved to the other one it stays, told with where it is.
	_, err = r.owner().File(home, work.ID)
	r.must(err)
	r.sync(downsync.CauseSchedule)
	if have = r.app(); len(have) != 2 || have[home].Calendar != work.ID {
		t.Errorf("%+v", have)
	}
	r.must(r.owner().Delete(home))
	r.sync(downsync.CauseSchedule)
	if have = r.app(); len(have) != 1 {
		t.Errorf("%+v", have)
	}
}

func TestACalendarThatIsGoneIsPassedOverAndNothingIsToldAsDeleted(t *testing.T) {
	r := newRig(t, "")
	r.meet("Dentist", monday)
	r.c.Calendars = []connection.Calendar{{ID: "AAMkGone", Name: "Gone"}, {Name: "Calendar", Default: true}}
	r.connect()
	r.sync(downsync.CauseConnect)
	if have := r.app(); len(have) != 1 {
		t.Errorf("%+v", have)
	}
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if err != nil || !slices.Equal(p.Skipped, []string{"AAMkGone"}) || p.State != state.SyncDone {
		t.Errorf("%v, %+v", err, p)
	}
}

// A disconnect leaves nothing of what was known of the calendar.
func TestADisconnectedCalendarIsForgotten(t *testing.T) {
	r := newRig(t, "")
	r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	r.c.State = connection.Disconnected
	r.connect()
	told := len(r.topic)
	r.sync(downsync.CauseRequest)
	calendar := state.CalendarKey(r.c.ID, "")
	all, err := state.NewAppointments(r.tables).All(t.Context(), calendar)
	cursor, err2 := state.NewCursors(r.tables).Get(t.Context(), calendar)
	if err != nil || err2 != nil || len(all) != 0 || cursor.ETag != "" || len(r.topic) != told {
		t.Errorf("%v, %v, %d records, cursor %+v, %d events", err, err2, len(all), cursor, len(r.topic)-told)
	}
	if due, err := state.NewDue(r.tables).SyncRun(t.Context()); err != nil || !due.IsZero() {
		t.Errorf("%v, %v", err, due)
	}
}

func TestWithBusyTimesOnlyNoEventIsReadByItsID(t *testing.T) {
	r := newRig(t, "")
	r.c.Scope = connection.Busy
	r.connect()
	r.org.DownSync.Privacy = "busy"
	gone, stays := r.meet("Gone", monday), r.meet("Stays", monday)
	series := r.repeat("Standup", "weekly", "UTC", "2026-11-23T12:00:00", 3)
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Delete(gone))
	r.must(r.owner().Delete(r.view(monday, monday.AddDate(0, 1, 0))["OID."+series+".2026-11-30"].ID))
	r.sync(downsync.CauseSchedule)
	have := r.app()
	if len(have) != 3 || have[stays].ID == "" || have[stays].Title != nil {
		t.Errorf("%+v", have)
	}
	r.must(r.owner().Delete(series))
	r.must(r.twin.Changes().Expire(tenant, aino))
	r.sync(downsync.CauseSchedule)
	if have = r.app(); len(have) != 1 || r.reads() != 0 || len(r.failed) != 0 {
		t.Errorf("%d reads, %v, %+v", r.reads(), r.failed, have)
	}
}

// What was told before a kill and deleted before the next reading is taken back: that it may
// have been told is stored before it is.
func TestWhatWasToldBeforeAKillAndDeletedSinceIsTakenBack(t *testing.T) {
	for after := range 2 {
		for n := 1; n < 30; n++ {
			r := newRig(t, "")
			r.meet("Stays", monday)
			r.sync(downsync.CauseConnect)
			id := r.meet("Dentist", monday.Add(time.Hour))
			r.left, r.after = n, after == 1
			r.order(downsync.CauseSchedule)
			r.step(r.now.Add(time.Hour))
			r.left = 0
			r.must(r.owner().Delete(id))
			r.settle()
			r.sync(downsync.CauseSchedule)
			if have := r.app(); len(have) != 1 {
				t.Fatalf("killed at %d: the booking app has %d appointments, the calendar one", n, len(have))
			}
		}
	}
}
