package downsync_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// held is a rig of which more was deleted at once than the brake allows.
func held(t *testing.T, settings string) (r *rig, ids []string) {
	t.Helper()
	r = newRig(t, settings)
	for i := range 40 {
		ids = append(ids, r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour)))
	}
	r.sync(downsync.CauseConnect)
	for _, id := range ids[:15] {
		r.must(r.owner().Delete(id))
	}
	r.sync(downsync.CauseSchedule)
	return r, ids
}

func (r *rig) alerts() (all []string) {
	for _, m := range r.topic {
		if m.Properties["type"] == "calbridge.alert.v1" {
			all = append(all, string(m.Body))
		}
	}
	return all
}

func TestTheBrakeHoldsAMailboxUntilSomebodyApproves(t *testing.T) {
	r, _ := held(t, "")
	if have := r.app(); len(have) != 40 {
		t.Fatalf("%d appointments are left", len(have))
	}
	if all := r.alerts(); len(all) != 1 || !strings.Contains(all[0], `"code":"held"`) || !strings.Contains(all[0], `"raised"`) || !strings.Contains(all[0], `"user":"u-1"`) {
		t.Errorf("alerts %v", all)
	}
	items, next, err := r.syncer.Held(t.Context(), acme, key.Key{}, 10)
	if err != nil || len(items) != 1 || !next.IsZero() || items[0].Connection != r.c.ID || items[0].Removals != 11 || items[0].Known != 40 || items[0].User != "u-1" {
		t.Fatalf("%v, %+v", err, items)
	}
	// Nothing more is read of it, whatever wakes it.
	r.meet("Later", monday)
	visits := len(r.visits)
	for _, cause := range []string{downsync.CauseSchedule, downsync.CauseNotified, downsync.CauseRequest} {
		r.sync(cause)
	}
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if err != nil || p.State != state.SyncHeld || len(r.visits) != visits || len(r.alerts()) != 1 {
		t.Errorf("%v, %+v, %d requests", err, p, len(r.visits)-visits)
	}
	r.must(r.syncer.Decide(t.Context(), acme, r.c.ID, state.HeldApprove))
	r.must(r.syncer.Decide(t.Context(), acme, r.c.ID, state.HeldApprove))
	if err := r.syncer.Decide(t.Context(), acme, r.c.ID, state.HeldRestore); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("decided otherwise: %v", err)
	}
	r.settle()
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 26 {
		t.Errorf("%d appointments", len(have))
	}
	if all := r.alerts(); len(all) != 2 || !strings.Contains(all[1], `"over"`) {
		t.Errorf("alerts %v", all)
	}
	if err := r.syncer.Decide(t.Context(), acme, r.c.ID, state.HeldApprove); !errors.Is(err, downsync.ErrNotHeld) {
		t.Errorf("decided again: %v", err)
	}
}

func TestWhatIsRestoredStaysWithTheBookingApp(t *testing.T) {
	r, ids := held(t, "")
	r.must(r.syncer.Decide(t.Context(), acme, r.c.ID, state.HeldRestore))
	r.settle()
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 40 {
		t.Errorf("%d appointments", len(have))
	}
	// What is deleted after that is told as ever.
	r.must(r.owner().Delete(ids[20]))
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 39 || have[ids[20]].ID != "" {
		t.Errorf("%d appointments", len(have))
	}
	if err := r.syncer.Decide(t.Context(), acme, r.c.ID, "whatever"); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestTheBrakeKnowsTheOrganisationsLimits(t *testing.T) {
	for settings, free := range map[string]bool{
		`"downSync":{"privacy":"all"},"brake":{"count":14,"percent":20}`: false,
		`"downSync":{"privacy":"all"},"brake":{"count":15,"percent":20}`: true,
		`"downSync":{"privacy":"all"},"brake":{"count":10,"percent":37}`: false,
		`"downSync":{"privacy":"all"},"brake":{"count":10,"percent":38}`: true,
	} {
		r, _ := held(t, settings)
		if have := r.app(); (len(have) == 25) != free {
			t.Errorf("%s: %d appointments", settings, len(have))
		}
	}
}

func TestTheBrakeHoldsAnEmptyCalendarAfterAnExpiredLink(t *testing.T) {
	r := newRig(t, "")
	for i := range 30 {
		r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
	}
	r.sync(downsync.CauseConnect)
	for id := range r.app() {
		r.must(r.owner().Delete(id))
	}
	r.must(r.twin.Changes().Expire(tenant, aino))
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 30 || len(r.alerts()) != 1 {
		t.Errorf("%d appointments, alerts %v", len(have), r.alerts())
	}
}

// The days of one series are one removal, and so is a series as a whole.
func TestASeriesCountsOnceForTheBrake(t *testing.T) {
	r := newRig(t, "")
	id := r.repeat("Daily", "daily", "UTC", "2026-11-23T12:00:00", 60)
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Delete(id))
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 0 || len(r.alerts()) != 0 {
		t.Errorf("%d appointments, %v", len(have), r.alerts())
	}
}

// An alert of a connection that ends is over, once, whatever is killed meanwhile.
func TestWhatIsHeldIsOverWhenItsConnectionEnds(t *testing.T) {
	for name, end := range map[string]func(*rig){
		"disconnected": func(r *rig) { r.c.State = connection.Disconnected; r.connect() },
		"its row is gone": func(r *rig) {
			rows := state.NewConnections(r.tables)
			row, err := rows.Get(r.context(), acme, r.c.ID)
			r.must(err)
			r.must(rows.Delete(r.context(), acme, key.Lane(acme, key.User, r.c.User), r.c.ID, row.ETag, key.Key{}))
		},
		"its organisation is deleted": func(r *rig) { r.org.ID = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			for after := range 2 {
				for n := 0; n < 16; n += stride() {
					r, _ := held(t, "")
					end(r)
					r.left, r.after = n, after == 1
					r.order(downsync.CauseConnect)
					r.settle()
					r.left = 0
					r.order(downsync.CauseSchedule) // and whatever comes later
					r.settle()
					ids := map[string]string{}
					for _, m := range r.topic {
						if m.Properties["type"] == "calbridge.alert.v1" {
							ids[m.ID] = string(m.Body)
							if !strings.Contains(string(m.Body), `"user":"u-1"`) || m.Properties["organization"] != acme {
								t.Fatalf("%v: %s", m.Properties, m.Body)
							}
						}
					}
					over := 0
					for _, body := range ids {
						over += strings.Count(body, `"over"`)
					}
					_, err := state.NewHeldRows(r.tables).Get(t.Context(), acme, r.c.ID)
					if len(ids) != 2 || over != 1 || !errors.Is(err, state.ErrNotFound) || len(r.app()) != 40 {
						t.Fatalf("killed at %d: %d alerts, %d over, row %v, %d appointments", n, len(ids), over, err, len(r.app()))
					}
				}
			}
		})
	}
}

// An alert that was raised before a kill noted it has its end, too.
func TestAnAlertThatWasKilledAtHasItsEnd(t *testing.T) {
	for after := range 2 {
		for n := 1; n < 70; n += stride() {
			r := newRig(t, "")
			var ids []string
			for i := range 14 {
				ids = append(ids, r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour)))
			}
			r.sync(downsync.CauseConnect)
			for _, id := range ids[:12] {
				r.must(r.owner().Delete(id))
			}
			r.order(downsync.CauseSchedule)
			r.left, r.after = n, after == 1
			r.step(r.now)
			r.left, r.tasks = 0, nil // its message is lost, too
			r.boot(nil)
			r.c.State = connection.Disconnected
			r.connect()
			r.sync(downsync.CauseConnect)
			raised, over := map[string]bool{}, map[string]bool{}
			for _, m := range r.topic {
				if strings.Contains(string(m.Body), `"raised"`) {
					raised[m.ID] = true
				} else if strings.Contains(string(m.Body), `"over"`) {
					over[m.ID] = true
				}
			}
			if len(raised) != len(over) || len(raised) > 1 {
				t.Fatalf("killed at %d: raised %d, over %d", n, len(raised), len(over))
			}
		}
	}
}

// What is held of a calendar that is not chosen any more nobody has to decide.
func TestWhatIsHeldOfACalendarThatIsLeftIsOver(t *testing.T) {
	r, _ := held(t, "")
	work, err := r.store.AddCalendar(tenant, aino, "Work")
	r.must(err)
	r.c.Calendars = []connection.Calendar{{ID: work.ID, Name: "Work"}}
	r.connect()
	r.sync(downsync.CauseConnect)
	all := r.alerts()
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if err != nil || p.State != state.SyncDone || len(all) != 2 || !strings.Contains(all[1], `"over"`) || len(r.app()) != 40 {
		t.Errorf("%v, %+v, alerts %v", err, p, all)
	}
}

// A kill between any two effects of the brake raises the same alert, and holds once.
func TestAKilledBrakeHoldsAllTheSame(t *testing.T) {
	for after := range 2 {
		for n := 1; n < 60; n += stride() {
			r := newRig(t, "")
			var ids []string
			for i := range 14 {
				ids = append(ids, r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour)))
			}
			r.sync(downsync.CauseConnect)
			for _, id := range ids[:12] {
				r.must(r.owner().Delete(id))
			}
			r.left, r.after = n, after == 1
			r.sync(downsync.CauseSchedule)
			r.left = 0
			r.sync(downsync.CauseSchedule)
			if have := r.app(); len(have) != 14 {
				t.Fatalf("killed at %d: %d appointments", n, len(have))
			}
			seen := map[string]bool{}
			for _, m := range r.topic {
				if m.Properties["type"] == "calbridge.alert.v1" {
					seen[m.ID] = true
				}
			}
			if len(seen) != 1 {
				t.Fatalf("killed at %d: %d alerts", n, len(seen))
			}
			r.must(r.syncer.Decide(t.Context(), acme, r.c.ID, state.HeldApprove))
			r.left, r.after = n, after == 1
			r.settle()
			r.left = 0
			r.sync(downsync.CauseSchedule)
			if have := r.app(); len(have) != 2 {
				t.Fatalf("killed at %d: %d appointments after the approval", n, len(have))
			}
		}
	}
}

func TestABusThatIsDownFailsTheTaskAndNothingIsLost(t *testing.T) {
	r := newRig(t, "")
	r.meet("Dentist", monday)
	r.refuse = true
	r.order(downsync.CauseConnect)
	if err := r.syncer.Task(t.Context(), r.tasks[0]); err == nil {
		t.Fatal("the task succeeded without a bus")
	}
	r.refuse = false
	r.settle()
	if have := r.app(); len(have) != 1 {
		t.Errorf("%+v", have)
	}
	if err := r.syncer.Task(t.Context(), queue.Message{ID: "x", Body: []byte("no JSON")}); !queue.Unread(err) {
		t.Errorf("a task that nobody understands: %v", err)
	}
}

// stride is how many effects lie between two kills that are tried: one, but with the race
// detector (-short), which looks for something else and is ten times as slow.
func stride() int {
	if testing.Short() {
		return 7
	}
	return 1
}
