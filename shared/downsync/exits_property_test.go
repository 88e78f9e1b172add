package downsync_test

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
)

// shut are events that cannot be read by their ids, or of which nobody can say whose they
// are, for as long as that lasts.
type shut struct {
	*rig
	reads, asks map[string]int // the status that answers, by id
}

func (s *shut) Changed(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox string, item graph.Item) (downsync.Fate, error) {
	if status := s.asks[item.ID]; status != 0 {
		return downsync.Foreign, graph.Classify(status, "UnknownError", nil)
	}
	return s.rig.Changed(ctx, organization, lane, as, mailbox, item)
}

// Whatever cannot be read or asked about meanwhile, and wherever the tables fail, a calendar is read on, nothing is told
// as deleted that is there, and a week after all can be read again the booking app has it.
func TestWhatCannotBeReadForAWhileIsNeitherDeletedNorLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, `"downSync":{"privacy":"all"},"brake":{"count":100000,"percent":100}`)
		w := world{rig: r, t: t, alive: map[string]bool{}}
		own, err := r.store.Calendar(tenant, aino, "")
		r.must(err)
		w.calendars = []string{"", own.ID} // nothing is moved elsewhere
		r.twin.Changes().Set(changes.Switches{Shuffle: rapid.Bool().Draw(t, "shuffle"), ListOccurrences: rapid.Bool().Draw(t, "list")})
		r.options = &downsync.Options{PageSize: rapid.SampledFrom([]int{1, 3, 50}).Draw(t, "page size"), Pages: rapid.SampledFrom([]int{1, 4, 20}).Draw(t, "pages a slice")}
		good := 0 // requests to the tables until one fails; 0 for never
		fails := func(string) error {
			if good--; good == 0 {
				return context.DeadlineExceeded
			}
			return nil
		}
		r.tables = flaky{Tables: r.tables, get: fails, apply: fails}
		s := &shut{rig: r, reads: map[string]int{}, asks: map[string]int{}}
		r.ours = func() downsync.Ours { return s }
		r.boot(nil)
		r.fate = func(v twin.Visit) twin.Fate {
			if status := s.reads[v.Read]; v.Read != "" && status != 0 {
				return twin.Fate{Effect: twin.Answer, Status: status, Code: "UnknownError"}
			}
			return w.fate(v)
		}
		shuts := rapid.Bool().Draw(t, "some cannot be read")
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			for range rapid.IntRange(0, 5).Draw(t, "edits") {
				w.edit()
			}
			for _, e := range r.store.Events(tenant, aino) {
				if !shuts {
					break
				}
				which := rapid.SampledFrom([]map[string]int{{}, {}, s.reads, s.asks}).Draw(t, "shuts")
				which[e.ID] = rapid.SampledFrom([]int{0, 403, 500}).Draw(t, "status")
			}
			if rapid.IntRange(0, 3).Draw(t, "spoils") == 0 {
				w.spoil()
			}
			if rapid.Bool().Draw(t, "the tables fail") {
				good = rapid.IntRange(1, 40).Draw(t, "at")
			}
			w.readTruly(rapid.SampledFrom([]string{downsync.CauseSchedule, downsync.CauseNotified}).Draw(t, "cause"), &good)
			if len(r.failed) > 0 {
				t.Fatalf("the connection failed: %v", r.failed)
			}
			if r.left = 0; !shuts {
				for range 2 { // what was moved the second one concludes
					w.readTruly(downsync.CauseSchedule, &good)
				}
				if r.cursor().Shrunk == 0 {
					w.check()
				}
			}
		}
		clear(s.reads)
		clear(s.asks)
		w.faults, r.left, good = 0, 0, 0
		for range 2 {
			r.now = r.now.Add(8 * 24 * time.Hour)
			w.readTruly(downsync.CauseSchedule, &good)
		}
		w.check()
	})
}

// readTruly reads the calendar, and checks that what is told as deleted is not there. After
// the reading the tables are good again.
func (w *world) readTruly(cause string, good *int) {
	w.rig.t.Helper()
	before := len(w.appointments())
	w.sync(cause)
	*good = 0
	there := w.view(w.cursor().From, w.cursor().To)
	have := w.app()
	for _, a := range w.appointments()[before:] {
		if _, known := have[a.ID]; a.Change == "deleted" && there[a.ID].ID != "" && !known {
			w.rig.t.Fatalf("%s is there, and was told as deleted", a.ID)
		}
	}
}
