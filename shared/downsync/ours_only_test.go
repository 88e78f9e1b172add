package downsync_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// quiet is a calendar into which bookings go, of an organisation that has nothing told of
// people's calendars.
func quiet(t *testing.T) *rig {
	r := newRig(t, `"downSync":{"privacy":"nothing"}`)
	r.both()
	return r
}

// both makes the connection one that is written to and read.
func (r *rig) both() {
	r.c.Direction, r.c.Scope = connection.Both, connection.ReadWrite
	r.connect()
}

// rows is all that the tables have of a calendar, as text.
func (r *rig) rows(id string) string {
	r.t.Helper()
	calendar := state.CalendarKey(r.c.ID, id)
	all, err := state.NewAppointments(r.tables).All(r.context(), calendar)
	r.must(err)
	cursor, err := state.NewCursors(r.tables).Get(r.context(), calendar)
	r.must(err)
	return fmt.Sprintf("%+v %+v %+v", all, cursor, cursor.Round)
}

func TestWithThePrivacyNothingOnlyOursAreAskedAbout(t *testing.T) {
	r := quiet(t)
	ours, foreign := r.meet("A booking", monday), r.meet("Dentist", monday)
	series := r.repeat("Standup", "weekly", "UTC", "2026-11-23T12:00:00", 3)
	r.mine[ours] = true
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Retitle(ours, "Edited"))
	r.must(r.owner().Retitle(foreign, "Surgeon"))
	r.must(r.owner().Retitle(r.view(monday, monday.AddDate(0, 1, 0))["OID."+series+".2026-11-30"].ID, "Without me"))
	r.sync(downsync.CauseSchedule)
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if err != nil || p.State != state.SyncDone || p.Found != 1 {
		t.Errorf("%v, %+v", err, p)
	}
	r.must(r.owner().Delete(ours))
	r.must(r.owner().Delete(foreign))
	r.must(r.owner().Delete(series))
	r.sync(downsync.CauseSchedule)
	if n := len(r.changed); n != 3 || r.changed[1].Subject != "Edited" || !r.changed[2].Removed || r.changed[2].ID != ours {
		t.Errorf("%d items of ours were asked about: %+v", n, r.changed)
	}
	if len(r.topic) != 0 || r.reads() != 0 {
		t.Errorf("%d events, %d direct reads", len(r.topic), r.reads())
	}
	if rows := r.rows(""); !strings.HasPrefix(rows, "[]") || strings.Contains(rows, foreign) || strings.Contains(rows, series) {
		t.Errorf("stored: %s", rows)
	}
	pages := r.deltas()
	r.sync(downsync.CauseSchedule)
	if n := r.deltas() - pages; n != 1 || r.reads() != 0 {
		t.Errorf("an unchanged calendar: %d pages, %d reads", n, r.reads())
	}
}

// A day whose series is on another page costs nothing: nothing of ours has days.
func TestWithThePrivacyNothingNoSeriesIsRead(t *testing.T) {
	day := graph.Item{ID: "d1", ChangeKey: "1", Kind: graph.Occurrence, Series: "m", Start: monday, End: monday.Add(time.Hour)}
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Items: []graph.Item{day}, Delta: "d"}, "d": {Items: []graph.Item{{ID: "m", Removed: true}, {ID: "d1", Removed: true}}, Delta: "e"}})
	r.org.DownSync.Privacy = "nothing"
	r.both()
	s.read = func(id string) (graph.Item, error) {
		t.Errorf("%s was read", id)
		return graph.Item{}, &graph.Error{Kind: graph.Gone, Status: 404}
	}
	r.sync(downsync.CauseConnect)
	r.sync(downsync.CauseSchedule)
	if len(s.asked) != 2 || len(r.topic) != 0 {
		t.Errorf("asked %q, %d events", s.asked, len(r.topic))
	}
}

// A deletion of ours that no page told of is found as with every other privacy.
func TestWithThePrivacyNothingAFullRoundAsksAboutOursThatItDoesNotShow(t *testing.T) {
	r := quiet(t)
	k := &keeper{rig: r}
	r.ours = func() downsync.Ours { return k }
	r.boot(nil)
	kept, lost := r.meet("A booking", monday), r.meet("Another", monday)
	r.mine[kept], r.mine[lost] = true, true
	k.events = []string{kept, lost}
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Delete(lost))
	r.must(r.twin.Changes().Expire(tenant, aino))
	r.sync(downsync.CauseSchedule)
	gone := slices.DeleteFunc(r.changed, func(i graph.Item) bool { return !i.Removed })
	if len(gone) != 1 || gone[0].ID != lost {
		t.Errorf("told as removed: %+v", gone)
	}
}

// Where nothing is written to a calendar there is nothing to tell of it.
func TestWithThePrivacyNothingWhatIsOnlyReadIsNotRead(t *testing.T) {
	r := newRig(t, `"downSync":{"privacy":"nothing"}`)
	r.meet("Dentist", monday)
	for _, cause := range []string{downsync.CauseConnect, downsync.CauseNotified, downsync.CauseRequest, downsync.CauseSchedule} {
		r.sync(cause)
	}
	r.runs = nil
	r.hours(4 * time.Hour)
	if err := r.syncer.SyncNow(t.Context(), acme, r.c.ID); err == nil || len(r.visits) != 0 || len(r.runs) != 0 {
		t.Errorf("%v, %d requests, %d turns", err, len(r.visits), len(r.runs))
	}
	r.both()
	r.sync(downsync.CauseConnect)
	r.runs = nil
	r.hours(4 * time.Hour)
	if n := len(r.runs); n < 7 || n > 9 || r.deltas() < n {
		t.Errorf("written to, too: %d turns, %d reads", n, r.deltas())
	}
}

// Nobody deleted what the organisation does not want to know any more. It is forgotten
// without a word, whatever is killed meanwhile; and told anew when it may be told again.
func TestNarrowingToNothingForgetsWithoutAWordAndWideningTellsAll(t *testing.T) {
	for after := range 2 {
		for n := range 30 {
			r := newRig(t, "")
			r.both()
			ours, id := r.meet("A booking", monday), r.meet("Dentist", monday)
			series := r.repeat("Standup", "weekly", "UTC", "2026-11-23T12:00:00", 3)
			gone := r.meet("Gone", monday)
			r.mine[ours] = true
			r.sync(downsync.CauseConnect)
			before := map[string]bool{}
			for _, m := range r.topic {
				before[m.ID] = true
			}
			told := len(r.topic)
			r.must(r.owner().Delete(gone))
			r.org.DownSync.Privacy = "nothing"
			r.left, r.after = n, after == 1
			r.sync("settings")
			if r.left = 0; len(r.topic) != told {
				t.Fatalf("killed at %d: %d events", n, len(r.topic)-told)
			}
			if rows := r.rows(""); !strings.HasPrefix(rows, "[]") || strings.Contains(rows, id) || strings.Contains(rows, series) {
				t.Fatalf("killed at %d: stored: %s", n, rows)
			}
			r.org.DownSync.Privacy = "all"
			r.sync("settings")
			again := map[string]bool{}
			for _, m := range r.topic[told:] {
				if before[m.ID] {
					t.Fatalf("killed at %d: told under an id that the app knows", n)
				}
			}
			for _, a := range r.appointments()[told:] {
				again[a.ID] = a.Change == "upserted"
			}
			want := map[string]bool{id: true, "OID." + series + ".2026-11-23": true, "OID." + series + ".2026-11-30": true, "OID." + series + ".2026-12-07": true}
			if !maps.Equal(again, want) {
				t.Fatalf("killed at %d: told again: %v", n, again)
			}
		}
	}
}

// A narrowing that was cut short leaves nothing that is taken for told when more may be
// told again before it is finished.
func TestANarrowingThatWasCutShortLeavesNothingThatCountsAsTold(t *testing.T) {
	for _, direction := range []connection.Direction{connection.Both, connection.Down} {
		for after := range 2 {
			for n := 1; n < 30; n++ {
				r := newRig(t, "")
				r.both()
				if direction == connection.Down {
					r.c.Direction, r.c.Scope = connection.Down, connection.Details
					r.connect()
				}
				first, second := r.meet("Dentist", monday), r.meet("Surgeon", monday)
				r.sync(downsync.CauseConnect)
				told := len(r.topic)
				r.org.DownSync.Privacy = "nothing"
				r.order("settings")
				r.left, r.after = n, after == 1
				r.step(r.now)
				r.tasks, r.left = nil, 0
				r.boot(nil)
				left := r.rows("")
				r.org.DownSync.Privacy = "all"
				r.sync("settings")
				have := map[string]bool{}
				for _, a := range r.appointments()[told:] {
					have[a.ID] = true
				}
				// All or nothing: either the narrowing has not begun, or it has.
				if len(have) != 0 && (!have[first] || !have[second]) || len(have) == 0 && strings.HasPrefix(left, "[]") {
					t.Fatalf("%s, killed at %d: told again: %v; left was %s", direction, n, have, left)
				}
			}
		}
	}
}

// What is held is about appointments; where nothing is told of those nobody has to decide.
func TestNarrowingToNothingEndsAHold(t *testing.T) {
	for _, direction := range []connection.Direction{connection.Both, connection.Down} {
		r := newRig(t, "")
		r.both()
		if direction == connection.Down {
			r.c.Direction, r.c.Scope = connection.Down, connection.Details
			r.connect()
		}
		var ids []string
		for i := range 14 {
			ids = append(ids, r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour)))
		}
		r.sync(downsync.CauseConnect)
		for _, id := range ids[:11] {
			r.must(r.owner().Delete(id))
		}
		r.sync(downsync.CauseSchedule)
		if held, _, err := r.syncer.Held(t.Context(), acme, key.Key{}, 10); err != nil || len(held) != 1 {
			t.Fatalf("%v, %d held", err, len(held))
		}
		r.org.DownSync.Privacy = "nothing"
		r.sync("settings")
		held, _, err := r.syncer.Held(t.Context(), acme, key.Key{}, 10)
		if rows := r.rows(""); err != nil || len(held) != 0 || !strings.HasPrefix(rows, "[]") || len(r.appointments()) != 14 {
			t.Errorf("%s: %v, %d held, %s", direction, err, len(held), rows)
		}
		if alerts := r.alerts(); len(alerts) != 2 {
			t.Errorf("%s: alerts %v", direction, alerts)
		}
		r.org.DownSync.Privacy = "all"
		r.sync("settings")
		if n := len(r.appointments()) - 14; n != 3 {
			t.Errorf("%s: %d told again, want 3", direction, n)
		}
	}
}

// A series that somebody makes of a booking's event is told once, by its series.
func TestWithThePrivacyNothingABookingThatBecameASeriesIsAskedAboutOnce(t *testing.T) {
	r := quiet(t)
	id := r.meet("A booking", monday)
	r.mine[id] = true
	r.sync(downsync.CauseConnect)
	rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 1}, Range: exchange.Range{Type: "numbered", StartDate: "2026-11-23", Count: 3}}
	_, err := r.owner().Change(id, exchange.Change{Recurrence: &rule})
	r.must(err)
	r.sync(downsync.CauseSchedule)
	if n := len(r.changed); n != 2 || r.changed[1].Kind != graph.Master {
		t.Errorf("%d: %+v", n, r.changed)
	}
}
