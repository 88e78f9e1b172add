package downsync_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

func (r *rig) cursor() state.Cursor {
	r.t.Helper()
	c, err := state.NewCursors(r.tables).Get(r.context(), state.CalendarKey(r.c.ID, ""))
	r.must(err)
	return c
}

// deletions are the ids that were told as deleted.
func (r *rig) deletions() (ids []string) {
	for _, a := range r.appointments() {
		if a.Change == "deleted" {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// tooMuch lets Graph not answer for a window that reaches further ahead than a span.
func (r *rig) tooMuch(status int, ahead time.Duration) {
	r.fate = func(v twin.Visit) twin.Fate {
		if v.Delta != nil && v.Delta.Link == "" && v.Delta.To.Sub(r.now) > ahead {
			return twin.Fate{Effect: twin.Answer, Status: status}
		}
		return twin.Fate{}
	}
}

// Contract 4.6: 503 and 504 that persist mean that the window is too large.
func TestAWindowThatGraphDoesNotAnswerForIsMadeSmaller(t *testing.T) {
	for _, status := range []int{503, 504} {
		r := newRig(t, "")
		soon, late := r.meet("Soon", monday), r.meet("Late", monday.AddDate(0, 5, 0))
		r.tooMuch(status, 60*24*time.Hour)
		r.sync(downsync.CauseConnect)
		if have := r.app(); len(have) != 1 || have[soon].ID == "" {
			t.Fatalf("%d: %d appointments, cursor %+v", status, len(have), r.cursor())
		}
		if c := r.cursor(); c.Shrunk != 2 || c.To.Sub(r.now) > 60*24*time.Hour || r.deltas() != 7 {
			t.Errorf("%d: shrunk %d, to %v, %d requests", status, c.Shrunk, c.To, r.deltas())
		}
		// It is tried with more every day, and stays small as long as that fails.
		for range 3 {
			r.now = r.now.AddDate(0, 0, 2)
			r.sync(downsync.CauseSchedule)
		}
		if c := r.cursor(); c.Shrunk != 2 || len(r.app()) != 1 {
			t.Errorf("%d: shrunk %d", status, c.Shrunk)
		}
		r.fate = nil
		for range 2 {
			r.now = r.now.AddDate(0, 0, 2)
			r.sync(downsync.CauseSchedule)
		}
		if have := r.app(); have[late].ID == "" || r.cursor().Shrunk != 0 || len(r.deletions()) != 0 {
			t.Errorf("%d: %d appointments, shrunk %d", status, len(have), r.cursor().Shrunk)
		}
	}
}

// What is outside of the smaller window is neither told as deleted nor forgotten; what
// became of it shows when the window is whole again.
func TestASmallerWindowForgetsNothingThatIsOutsideOfIt(t *testing.T) {
	r := newRig(t, "")
	stays, gone := r.meet("Stays", monday.AddDate(0, 5, 0)), r.meet("Gone", monday.AddDate(0, 5, 1))
	changes, soon := r.meet("Changes", monday.AddDate(0, 5, 2)), r.meet("Soon", monday)
	series := r.repeat("Daily", "daily", "UTC", "2026-11-24T12:00:00", 190)
	r.sync(downsync.CauseConnect)
	told := len(r.app())
	r.must(r.twin.Changes().Expire(tenant, aino))
	r.tooMuch(504, 20*24*time.Hour)
	r.sync(downsync.CauseSchedule) // until it is left to the next turn
	r.sync(downsync.CauseSchedule)
	if c := r.cursor(); c.Shrunk != 4 || c.Round != nil {
		t.Fatalf("%+v", c)
	}
	r.must(r.owner().Delete(gone))
	r.must(r.owner().Retitle(changes, "Changed"))
	r.must(r.owner().Retitle(soon, "Sooner"))
	r.must(r.owner().Retitle(series, "Every day"))
	for range 2 {
		r.sync(downsync.CauseSchedule)
	}
	// A removal that is told all the same is asked for as ever (contract 4.5).
	if have := r.app(); len(have) != told-1 || *have[soon].Title != "Sooner" || *have[changes].Title != "Changed" || have[stays].ID == "" {
		t.Errorf("%d of %d appointments", len(have), told)
	}
	r.fate = nil
	for range 5 {
		r.now = r.now.AddDate(0, 0, 2)
		r.sync(downsync.CauseSchedule)
	}
	have := r.app()
	if c := r.cursor(); c.Shrunk != 0 || have[gone].ID != "" || have[stays].ID == "" || *have["OID."+series+".2027-05-01"].Title != "Every day" {
		t.Errorf("shrunk %d, %d appointments", c.Shrunk, len(have))
	}
	if ids := r.deletions(); len(ids) != 1 || ids[0] != gone {
		t.Errorf("told as deleted: %v", ids)
	}
}

// Of what Graph says nothing about outside of the smaller window, a deletion shows when
// the window is whole.
func TestADeletionOutsideOfASmallerWindowIsToldLater(t *testing.T) {
	r := newRig(t, "")
	gone := r.meet("Gone", monday.AddDate(0, 5, 1))
	r.meet("Soon", monday)
	r.sync(downsync.CauseConnect)
	r.must(r.twin.Changes().Expire(tenant, aino))
	r.must(r.owner().Delete(gone))
	r.tooMuch(503, 20*24*time.Hour)
	r.sync(downsync.CauseSchedule)
	r.sync(downsync.CauseSchedule)
	if len(r.app()) != 2 || r.cursor().Shrunk != 4 {
		t.Fatalf("%d appointments, shrunk %d", len(r.app()), r.cursor().Shrunk)
	}
	r.fate = nil
	for range 5 {
		r.now = r.now.AddDate(0, 0, 2)
		r.sync(downsync.CauseSchedule)
	}
	if have := r.app(); len(have) != 1 || r.cursor().Shrunk != 0 {
		t.Errorf("%d appointments", len(have))
	}
}

// A bad hour of Graph itself shrinks no window of a calendar that has a link.
func TestAnOutageShrinksNoWindow(t *testing.T) {
	r := newRig(t, "")
	r.meet("Soon", monday)
	r.sync(downsync.CauseConnect)
	r.fate = func(twin.Visit) twin.Fate { return twin.Fate{Effect: twin.Answer, Status: 503} }
	r.sync(downsync.CauseSchedule)
	r.fate = nil
	r.sync(downsync.CauseSchedule)
	if c := r.cursor(); c.Shrunk != 0 || c.Trouble != 0 {
		t.Errorf("%+v", c)
	}
	// A link for which there is never an answer is left all the same.
	link := r.cursor().Link
	r.fate = func(v twin.Visit) twin.Fate {
		if v.Delta != nil && v.Delta.Link == link {
			return twin.Fate{Effect: twin.Answer, Status: 504}
		}
		return twin.Fate{}
	}
	fresh := r.meet("Fresh", monday)
	for range 3 {
		r.sync(downsync.CauseSchedule)
	}
	if c := r.cursor(); c.Shrunk != 1 || r.app()[fresh].ID == "" {
		t.Errorf("%+v", c)
	}
}

// heavy is a reader that does not take more than so many events on a page.
type heavy struct {
	graph.Reader
	most  int
	sizes []int
}

func (h *heavy) Delta(ctx context.Context, as graph.Access, d graph.DeltaRequest) (graph.DeltaPage, error) {
	h.sizes = append(h.sizes, d.PageSize)
	page, err := h.Reader.Delta(ctx, as, d)
	if len(page.Items) > h.most {
		return graph.DeltaPage{}, &graph.Error{Kind: graph.Transient, Status: 200, Unanswered: true, Cause: graph.ErrTooLarge}
	}
	return page, err
}

func TestAPageThatIsTooLargeIsAskedForInParts(t *testing.T) {
	for most, want := range map[int]string{50: "[50]", 30: "[50 25 25]", 7: "[50 25 12 6 6 6 6 6 6 6]", 1: ""} {
		r := newRig(t, "")
		for i := range 40 {
			r.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
		}
		h := &heavy{Reader: r.twin, most: most}
		r.reader = h
		r.boot(nil)
		r.sync(downsync.CauseConnect)
		if have := r.app(); len(have) != 40 || want != "" && fmt.Sprint(h.sizes) != want || len(r.topic) != 40 {
			t.Errorf("at most %d: %d appointments, asked for %v", most, len(have), h.sizes)
		}
		// The next round begins with the usual size.
		h.sizes = nil
		r.sync(downsync.CauseSchedule)
		if fmt.Sprint(h.sizes) != "[50]" {
			t.Errorf("asked for %v", h.sizes)
		}
	}
}

// A series is never split: what is too large of it is left out with a smaller window, and
// where that does not help the reading has failed, with a cause of its own.
func TestASeriesThatIsTooLargeForAnyPageShrinksTheWindow(t *testing.T) {
	for most, shrunk := range map[int]int{60: 2, 5: 4} {
		r := newRig(t, "")
		r.repeat("Daily", "daily", "UTC", "2026-11-21T12:00:00", 200)
		h := &heavy{Reader: r.twin, most: most}
		r.reader = h
		r.boot(nil)
		r.sync(downsync.CauseConnect)
		p, err := r.syncer.Progress(t.Context(), acme, r.c.ID)
		r.must(err)
		if c := r.cursor(); c.Shrunk != shrunk || (len(r.app()) > 0) != (shrunk == 2) || (p.State == state.SyncDone) != (shrunk == 2) || shrunk == 4 && p.Cause != "too-large" {
			t.Errorf("at most %d: %d days, %+v, %+v", most, len(r.app()), c, p)
		}
	}
}

// A first reading costs a request for 50 events.
func TestTwoThousandEventsAreFortyRequests(t *testing.T) {
	pages := map[string]graph.DeltaPage{}
	link := ""
	for n := range 40 {
		p := graph.DeltaPage{Next: fmt.Sprint("n", n+1)}
		for i := range 50 {
			p.Items = append(p.Items, meeting(fmt.Sprint("e", n*50+i), "1"))
		}
		if n == 39 {
			p.Next, p.Delta = "", "d"
		}
		pages[link], link = p, p.Next
	}
	r, s := scripted(t, pages)
	began := r.effects
	r.sync(downsync.CauseConnect)
	if len(s.asked) != 40 || len(r.topic) != 2000 || len(r.runs) != 2 {
		t.Errorf("%d requests, %d events, %d slices", len(s.asked), len(r.topic), len(r.runs))
	}
	t.Logf("%d requests, %d slices, %d effects", len(s.asked), len(r.runs), r.effects-began)
}
