package downsync_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/state"
)

func TestTheWindowRollsWeeklyWithoutTellingAnything(t *testing.T) {
	r := newRig(t, "")
	past := r.meet("Soon past", monday)
	r.repeat("Daily", "daily", "UTC", "2026-11-23T12:00:00", 200)
	r.sync(downsync.CauseConnect)
	full := func() int { return r.count(func(v twin.Visit) bool { return v.Delta != nil && v.Delta.Link == "" }) }
	for day := range 90 {
		r.now = r.now.Add(24 * time.Hour)
		r.sync(downsync.CauseSchedule)
		if weeks := day/7 + 2; full() > weeks {
			t.Fatalf("%d full reads in %d days", full(), day+1)
		}
	}
	if full() < 10 {
		t.Errorf("%d full reads in 90 days", full())
	}
	for _, a := range r.appointments() {
		if a.Change == "deleted" {
			t.Fatalf("told as deleted: %+v", a)
		}
	}
	if a := r.app()[past]; a.ID == "" {
		t.Error("what is over was taken back")
	}
	if r.reads() != 0 || r.found != 0 {
		t.Errorf("%d reads, %d turns that found changes", r.reads(), r.found)
	}
	// What is over long since is not known any more.
	if _, err := state.NewAppointments(r.tables).Get(t.Context(), state.CalendarKey(r.c.ID, ""), past); err == nil {
		t.Error("what is over is still kept")
	}
	last := time.Date(2027, 6, 10, 12, 0, 0, 0, time.UTC)
	if a, there := r.app()["OID."+r.anySeries()+"."+last.Format(time.DateOnly)]; !there || !a.start().Equal(last) {
		t.Error("what came into the window was not told")
	}
}

func TestWhatMovesOutOfTheWindowIsToldWithItsNewTimeAndNotAsDeleted(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	later := monday.AddDate(3, 0, 0)
	r.must(r.owner().Move(id, *at(later), *at(later.Add(time.Hour))))
	r.sync(downsync.CauseSchedule)
	if a := r.app()[id]; !a.start().Equal(later) {
		t.Errorf("%+v", a)
	}
	// Contract 4.5: out there it appears as removed, an id that nobody knows.
	told := len(r.topic)
	r.must(r.owner().Retitle(id, "Doctor"))
	r.sync(downsync.CauseSchedule)
	if len(r.topic) != told {
		t.Error("something was told of it")
	}
	r.must(r.owner().Move(id, *at(monday), *at(monday.Add(time.Hour))))
	r.sync(downsync.CauseSchedule)
	if a := r.app()[id]; !a.start().Equal(monday) || *a.Title != "Doctor" {
		t.Errorf("%+v", a)
	}
}

// Two days of a series that share a date in UTC are told apart (the night on which
// daylight saving begins in London).
func TestDaysOfASeriesAreNamedInItsZone(t *testing.T) {
	r := newRig(t, "")
	r.now = time.Date(2026, 3, 20, 9, 0, 0, 0, time.UTC)
	id := r.repeat("Night watch", "daily", "Europe/London", "2026-03-27T00:30:00", 5)
	r.sync(downsync.CauseConnect)
	have := r.app()
	for _, day := range []string{"2026-03-28", "2026-03-29", "2026-03-30"} {
		if have["OID."+id+"."+day].ID == "" {
			t.Errorf("no %s in %v", day, slices.Sorted(maps.Keys(have)))
		}
	}
	if len(have) != 5 {
		t.Errorf("%d days", len(have))
	}
}

func TestASeriesIsToldAsItsDays(t *testing.T) {
	r := newRig(t, "")
	id := r.repeat("Standup", "weekly", "Europe/Helsinki", "2026-11-23T10:00:00", 4)
	r.sync(downsync.CauseConnect)
	have := r.app()
	if len(have) != 4 {
		t.Fatalf("%+v", have)
	}
	a := have["OID."+id+".2026-11-30"]
	if *a.Title != "Standup" || !a.start().Equal(time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)) || a.Recurrence == nil ||
		a.Recurrence.Series != id || a.Recurrence.Original != "2026-11-30" || !strings.Contains(string(a.Recurrence.Pattern), "weekly") {
		t.Errorf("%+v", a)
	}
	days := r.view(monday.AddDate(0, 0, -1), monday.AddDate(0, 2, 0))
	// Contract 4.5: one occurrence deleted, and no @removed for it.
	r.must(r.owner().Delete(days["OID."+id+".2026-11-30"].ID))
	r.sync(downsync.CauseSchedule)
	if have = r.app(); len(have) != 3 || have["OID."+id+".2026-11-30"].ID != "" {
		t.Errorf("after the deletion of a day: %v", slices.Sorted(maps.Keys(have)))
	}
	// A day that is moved keeps its name.
	moved := days["OID."+id+".2026-12-07"]
	r.must(r.owner().Move(moved.ID, *at(moved.From.Add(26 * time.Hour)), *at(moved.To.Add(26 * time.Hour))))
	r.sync(downsync.CauseSchedule)
	if have = r.app(); len(have) != 3 || !have["OID."+id+".2026-12-07"].start().Equal(moved.From.Add(26*time.Hour)) {
		t.Errorf("after the move of a day: %+v", have)
	}
	told := len(r.topic)
	r.must(r.owner().Retitle(id, "Sitdown"))
	r.sync(downsync.CauseSchedule)
	if have = r.app(); len(have) != 3 || *have["OID."+id+".2026-12-14"].Title != "Sitdown" || len(r.topic)-told > 3 {
		t.Errorf("after another title: %d events, %+v", len(r.topic)-told, have)
	}
	r.must(r.owner().Delete(id))
	reads := r.reads()
	r.sync(downsync.CauseSchedule)
	if have = r.app(); len(have) != 0 || r.reads() != reads+1 {
		t.Errorf("after the deletion: %d reads, %+v", r.reads()-reads, have)
	}
}

func TestAnEventThatBecomesASeriesAndBackIsToldUnderItsNewNames(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 1}, Range: exchange.Range{Type: "numbered", StartDate: "2026-11-23", Count: 3}}
	_, err := r.owner().Change(id, exchange.Change{Recurrence: &rule})
	r.must(err)
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 3 || have[id].ID != "" {
		t.Errorf("a series: %v", slices.Sorted(maps.Keys(have)))
	}
	none := (*exchange.Recurrence)(nil)
	_, err = r.owner().Change(id, exchange.Change{Recurrence: &none})
	r.must(err)
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 1 || have[id].ID == "" {
		t.Errorf("no series: %v", slices.Sorted(maps.Keys(have)))
	}
}

func (r *rig) anySeries() string {
	all, err := state.NewAppointments(r.tables).All(context.Background(), state.CalendarKey(r.c.ID, ""))
	r.must(err)
	for _, record := range all {
		if len(record.Days) > 0 {
			return record.ID
		}
	}
	return ""
}
