package downsync_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// answers lets Graph answer the first requests of a kind with statuses; 0 is an answer as
// it should be.
func (r *rig) answers(which func(twin.Visit) bool, statuses ...int) {
	r.fate = func(v twin.Visit) twin.Fate {
		if !which(v) || len(statuses) == 0 {
			return twin.Fate{}
		}
		status := statuses[0]
		statuses = statuses[1:]
		if status == 0 {
			return twin.Fate{}
		}
		f := twin.Fate{Effect: twin.Answer, Status: status, Code: "ErrorOdd"}
		if status == http.StatusTooManyRequests {
			f.RetryAfter = 7 * time.Second
		}
		return f
	}
}

func pages(v twin.Visit) bool  { return v.Delta != nil }
func direct(v twin.Visit) bool { return v.Read != "" }

func times(n, status int) (all []int) {
	for range n {
		all = append(all, status)
	}
	return all
}

// Being asked to wait is no failure: it uses up nobody's patience.
func TestBeingThrottledIsNoFailedAttempt(t *testing.T) {
	r := newRig(t, "")
	id := r.meet("Dentist", monday)
	r.sync(downsync.CauseConnect)
	r.must(r.owner().Delete(id))
	r.answers(direct, append(times(4, http.StatusTooManyRequests), http.StatusServiceUnavailable)...)
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 0 {
		t.Errorf("one failure, and it was let be: %+v", have)
	}
	fresh := r.meet("Fresh", monday)
	r.answers(pages, append(times(12, http.StatusTooManyRequests), times(8, http.StatusServiceUnavailable)...)...)
	r.sync(downsync.CauseSchedule)
	p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
	if have := r.app(); err != nil || p.State != state.SyncDone || have[fresh].ID == "" {
		t.Errorf("%v, %+v, %+v", err, p, have)
	}
}

// A mailbox that is throttled without end leaves its task; the schedule has others.
func TestATaskThatIsThrottledWithoutEndIsLeftToTheSchedule(t *testing.T) {
	for name, throttle := range map[string]func(*rig){
		"Graph says so": func(r *rig) { r.answers(pages, times(1000, http.StatusTooManyRequests)...) },
		"and not for how long": func(r *rig) {
			r.fate = func(twin.Visit) twin.Fate {
				return twin.Fate{Effect: twin.Answer, Status: http.StatusTooManyRequests, Code: "ErrorOdd"}
			}
		},
	} {
		r := newRig(t, "")
		r.meet("Dentist", monday)
		throttle(r)
		r.sync(downsync.CauseConnect)
		p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
		if err != nil || p.State != state.SyncFailed || len(r.tasks) != 0 || len(r.failed) != 0 || r.deltas() < 10 {
			t.Errorf("%s: %v, %+v, %d tasks, %d pages", name, err, p, len(r.tasks), r.deltas())
		}
		r.fate = nil
		r.hours(time.Hour)
		if have := r.app(); len(have) != 1 {
			t.Errorf("%s: %+v", name, have)
		}
	}
}

// So does one that always finds its lane asked to wait, by what the writer met.
func TestATaskWhoseLaneIsNeverFreeIsLeftToTheSchedule(t *testing.T) {
	r := newRig(t, "")
	lanes, lane := state.NewLanes(r.tables), key.Lane(acme, key.User, r.c.User)
	r.order(downsync.CauseSchedule)
	n := 0
	for ; len(r.tasks) > 0 && n < 500; n++ {
		if at := r.tasks[0].ScheduledFor; at.After(r.now) {
			r.now = at
		}
		r.must(lanes.SetNotBefore(t.Context(), lane, r.now.Add(time.Hour)))
		r.step(r.now.AddDate(0, 0, 1))
	}
	if n >= 500 || n < 10 || len(r.visits) != 0 {
		t.Errorf("after %d times %d tasks wait, %d requests", n, len(r.tasks), len(r.visits))
	}
}
