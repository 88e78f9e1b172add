package downsync_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// unreadable lets no event be read by its id that is one of some.
func (r *rig) unreadable(status int, ids ...string) {
	r.fate = func(v twin.Visit) twin.Fate {
		for _, id := range ids {
			if v.Read == id {
				return twin.Fate{Effect: twin.Answer, Status: status, Code: "ErrorOdd"}
			}
		}
		return twin.Fate{}
	}
}

// What was told to be removed and could not be asked for is asked for in the next round.
func TestARemovalThatCouldNotBeConfirmedIsAskedForInTheNextRound(t *testing.T) {
	for _, status := range []int{500, 503, 403, 400} {
		r := newRig(t, "")
		bad, other := r.meet("Bad", monday.AddDate(0, 2, 0)), r.meet("Other", monday)
		r.sync(downsync.CauseConnect)
		r.must(r.owner().Delete(bad))
		r.must(r.owner().Delete(other))
		r.unreadable(status, bad)
		for range 2 {
			r.sync(downsync.CauseSchedule)
			if have := r.app(); len(have) != 1 || have[bad].ID == "" {
				t.Fatalf("%d: %+v", status, have)
			}
		}
		r.fate = nil
		reads := r.reads()
		r.sync(downsync.CauseSchedule)
		if have := r.app(); len(have) != 0 || r.reads() != reads+1 {
			t.Errorf("%d: %d reads, %+v", status, r.reads()-reads, have)
		}
		r.sync(downsync.CauseSchedule)
		if r.reads() != reads+1 {
			t.Errorf("%d: asked for after the answer", status)
		}
	}
}

// The same of days of a series, and of a series as a whole: that costs one request for it.
func TestDaysThatCouldNotBeConfirmedAreAskedForInTheNextRound(t *testing.T) {
	for _, whole := range []bool{false, true} {
		r := newRig(t, "")
		series := r.repeat("Standup", "weekly", "UTC", "2026-11-23T12:00:00", 5)
		r.sync(downsync.CauseConnect)
		second := r.view(monday, monday.AddDate(0, 2, 0))["OID."+series+".2026-11-30"].ID
		left := 4
		if whole {
			left = 0
			r.must(r.owner().Delete(series))
		} else {
			r.must(r.owner().Delete(second))
		}
		r.unreadable(http.StatusBadRequest, series, second)
		r.sync(downsync.CauseSchedule)
		if have := r.app(); len(have) != 5 {
			t.Fatalf("whole %v: %d days", whole, len(have))
		}
		r.fate = nil
		reads := r.reads()
		r.sync(downsync.CauseSchedule)
		if have := r.app(); len(have) != left || r.reads() > reads+1 {
			t.Errorf("whole %v: %d days, %d reads", whole, len(have), r.reads()-reads)
		}
	}
}

// hesitant is an Ours that may not confirm what is gone for a while.
type hesitant struct {
	*rig
	err error
}

func (o *hesitant) Changed(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox string, item graph.Item) (downsync.Fate, error) {
	if item.Removed && o.err != nil {
		return downsync.Foreign, o.err
	}
	return o.rig.Changed(ctx, organization, lane, as, mailbox, item)
}

func TestARemovalOfOursThatCouldNotBeConfirmedIsAskedForInTheNextRound(t *testing.T) {
	for _, privacy := range []string{"all", "nothing"} {
		for _, failure := range []graph.Error{{Kind: graph.Unauthorised, Status: http.StatusForbidden}, {Kind: graph.Transient, Status: http.StatusServiceUnavailable},
			{Kind: graph.Invalid, Status: http.StatusBadRequest}} {
			r := newRig(t, `"downSync":{"privacy":"`+privacy+`"}`)
			r.both()
			o := &hesitant{rig: r, err: &failure}
			r.ours = func() downsync.Ours { return o }
			r.boot(nil)
			id := r.meet("A booking", monday)
			r.mine[id] = true
			r.sync(downsync.CauseConnect)
			r.must(r.owner().Delete(id))
			r.sync(downsync.CauseSchedule)
			p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
			if err != nil || p.State != state.SyncDone || len(r.changed) != 1 || len(r.failed) != 0 {
				t.Errorf("%d: %v, %+v, %d were asked about", failure.Status, err, p, len(r.changed))
			}
			o.err = nil
			r.sync(downsync.CauseSchedule)
			if n := len(r.changed); n != 2 || !r.changed[1].Removed {
				t.Errorf("%s, %d: %d were asked about", privacy, failure.Status, n)
			}
			r.sync(downsync.CauseSchedule)
			if n := len(r.changed); n != 2 {
				t.Errorf("%s, %d: asked about after the answer", privacy, failure.Status)
			}
		}
	}
}

// Whatever dies meanwhile, it is asked for in the end.
func TestARemovalThatCouldNotBeConfirmedSurvivesKills(t *testing.T) {
	for after := range 2 {
		for n := 1; n < 50; n += stride() {
			r := newRig(t, "")
			bad, more := r.meet("Bad", monday), r.meet("More", monday)
			r.sync(downsync.CauseConnect)
			r.must(r.owner().Delete(bad))
			r.unreadable(http.StatusForbidden, bad)
			r.left, r.after = n, after == 1
			r.sync(downsync.CauseSchedule)
			r.must(r.owner().Delete(more))
			r.fate = nil
			r.sync(downsync.CauseSchedule)
			r.left = 0
			r.sync(downsync.CauseSchedule)
			if have := r.app(); len(have) != 0 {
				t.Fatalf("killed at %d (after: %d): %d appointments", n, after, len(have))
			}
		}
	}
}

// What stays unreadable costs a bounded number of requests, for a day; then the weekly full
// round asks.
func TestWhatStaysUnreadableIsAskedForForADay(t *testing.T) {
	r := newRig(t, `"downSync":{"privacy":"all"},"brake":{"count":100000,"percent":100}`)
	var ids []string
	for i := range 130 {
		ids = append(ids, r.meet(fmt.Sprint("Meeting ", i), monday.AddDate(0, 1, 0).Add(time.Duration(i)*time.Hour)))
	}
	r.sync(downsync.CauseConnect)
	for _, id := range ids {
		r.must(r.owner().Delete(id))
	}
	r.unreadable(http.StatusBadRequest, ids...)
	r.sync(downsync.CauseSchedule)
	reads := r.reads()
	r.sync(downsync.CauseSchedule)
	if n := r.reads() - reads; n == 0 || n > 100 {
		t.Errorf("%d requests in the next round", n)
	}
	r.now = r.now.Add(25 * time.Hour)
	reads = r.reads()
	r.sync(downsync.CauseSchedule)
	if n := r.reads() - reads; n != 0 {
		t.Errorf("%d requests after a day", n)
	}
	r.fate = nil
	r.now = r.now.AddDate(0, 0, 15)
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 0 {
		t.Errorf("%d are left after a full round", len(have))
	}
}

// What is shown again is there.
func TestWhatIsShownAgainIsNotAskedForAnyMore(t *testing.T) {
	r, s := scripted(t, map[string]graph.DeltaPage{"": {Items: []graph.Item{meeting("x", "1")}, Delta: "d"}, "d": {Items: []graph.Item{{ID: "x", Removed: true}}, Delta: "e"},
		"e": {Items: []graph.Item{meeting("x", "2")}, Delta: "f"}, "f": {Delta: "g"}})
	asked := 0
	s.read = func(string) (graph.Item, error) {
		asked++
		return graph.Item{}, &graph.Error{Kind: graph.Unauthorised, Status: http.StatusForbidden}
	}
	r.sync(downsync.CauseConnect)
	for range 3 {
		r.sync(downsync.CauseSchedule)
	}
	if have := r.app(); asked != 1 || len(have) != 1 {
		t.Errorf("asked %d times, %d appointments", asked, len(have))
	}
}

// What may be gone counts for the brake as what is: else a failing Graph would split a
// mailbox that was emptied over several rounds, each below the limit.
func TestRemovalsThatCannotBeConfirmedCountForTheBrake(t *testing.T) {
	r := newRig(t, "")
	var ids []string
	for i := range 20 {
		ids = append(ids, r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour)))
	}
	r.sync(downsync.CauseConnect)
	for _, id := range ids[:14] {
		r.must(r.owner().Delete(id))
	}
	r.unreadable(http.StatusBadRequest, ids[:7]...)
	r.sync(downsync.CauseSchedule)
	r.fate = nil
	r.sync(downsync.CauseSchedule)
	if have := r.app(); len(have) != 20 || len(r.alerts()) != 1 {
		t.Errorf("%d appointments are left, alerts %v", len(have), r.alerts())
	}
}
