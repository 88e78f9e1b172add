package downsync_test

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/queue/queuetest"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

var update = flag.Bool("update", false, "write the messages of the current version anew")

// sentNow are messages of every kind, as this build sends them.
func sentNow(t *testing.T) map[string]queue.Message {
	t.Helper()
	r := newRig(t, "")
	now := map[string]queue.Message{"connect": downsync.Message(acme, r.c, downsync.CauseConnect, r.now)}
	for n := range 30 {
		r.meet("m", r.now.Add(time.Duration(n)*time.Hour))
	}
	r.boot(&downsync.Options{Pages: 1, PageSize: 10})
	if err := r.syncer.Task(t.Context(), now["connect"]); err != nil || len(r.tasks) != 1 || r.tasks[0].Number("pages") != 1 {
		t.Fatalf("%v, %v", r.tasks, err)
	}
	now["next slice"] = r.tasks[0]
	r.tasks = nil
	r.now = r.now.Add(3 * time.Hour)
	r.must(r.syncer.Due(t.Context()))
	if len(r.tasks) == 0 || r.tasks[0].Number("turn") == 0 {
		t.Fatalf("%v", r.tasks)
	}
	now["schedule"] = r.tasks[0]
	now["third attempt"] = now["next slice"].With(queue.AttemptProperty, int64(2))
	return now
}

// Tasks to read a calendar, as each version wrote them, are done by that version and the next.
func TestMessagesAreTakenByTheirVersionAndTheNext(t *testing.T) {
	for v, messages := range queuetest.Golden(t, *update, sentNow(t)) {
		for own := v; own <= v+1; own++ {
			for name, m := range messages {
				r := newRig(t, "")
				r.meet("m", r.now.Add(24*time.Hour))
				r.boot(&downsync.Options{Version: own})
				if err := r.syncer.Task(t.Context(), m); err != nil || len(r.app()) != 1 {
					t.Errorf("version %d, %s: %v, told of %d", own, name, err, len(r.app()))
				}
			}
		}
	}
}

// A task or a row of a newer build is left to one: nothing is read, told or written.
func TestWhatANewerBuildWroteIsLeftToOne(t *testing.T) {
	for name, change := range map[string]func(*rig, *queue.Message){
		"message": func(_ *rig, m *queue.Message) { m.Body = append([]byte(`{"v":2,`), m.Body[len(`{"v":1,`):]...) },
		"cursor": func(r *rig, _ *queue.Message) {
			cursors, calendar := state.NewCursors(state.WithVersion(r.tables, 2)), state.CalendarKey(r.c.ID, "")
			row, err := cursors.Get(t.Context(), calendar)
			r.must(err)
			_, err = cursors.Put(t.Context(), calendar, row)
			r.must(err)
		},
		"progress": func(r *rig, _ *queue.Message) {
			r.must(state.NewProgresses(state.WithVersion(r.tables, 2)).Put(t.Context(), r.c.ID, state.Progress{State: state.SyncDone}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "")
			r.sync(downsync.CauseConnect)
			r.meet("m", r.now.Add(24*time.Hour))
			m := downsync.Message(acme, r.c, downsync.CauseNotified, time.Time{})
			change(r, &m)
			if err := r.syncer.Task(t.Context(), m); !version.Is(err) || len(r.tasks) != 0 || len(r.app()) != 0 {
				t.Errorf("%v, %d tasks, told of %d", err, len(r.tasks), len(r.app()))
			}
			r.boot(&downsync.Options{Version: 2})
			if err := r.syncer.Task(t.Context(), m); err != nil || len(r.app()) != 1 {
				t.Errorf("%v, told of %d", err, len(r.app()))
			}
		})
	}
}

// The schedule goes through the turns that it can read, and leaves the others where they are.
func TestTheScheduleGoesOnBehindATurnOfANewerBuild(t *testing.T) {
	r := newRig(t, "")
	r.sync(downsync.CauseConnect)
	r.tasks = nil
	other := state.SyncTurn{Organization: acme, Connection: state.CalendarKey(r.c.ID, "other"), Session: "s", At: r.now.Add(10 * time.Minute)}
	newer := state.NewDue(state.WithVersion(r.tables, 2))
	r.must(newer.AddSyncs(t.Context(), []state.SyncTurn{other}))
	r.now = r.now.Add(3 * time.Hour)
	others := func(m queue.Message) bool { return m.SessionID == "s" }
	if err := r.syncer.Due(t.Context()); !version.Is(err) || len(r.tasks) == 0 || slices.ContainsFunc(r.tasks, others) {
		t.Errorf("%v, %v", r.tasks, err)
	}
	if left, err := newer.Syncs(t.Context(), other.At); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	r.tasks = nil
	r.boot(&downsync.Options{Version: 2})
	if err := r.syncer.Due(t.Context()); err != nil || !slices.ContainsFunc(r.tasks, others) {
		t.Errorf("%v, %v", r.tasks, err)
	}
}
