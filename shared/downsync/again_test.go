package downsync_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
)

// Pages that show nothing are nothing, however many slices they took: what a notification
// told of is looked for once more.
func TestANotifiedChangeIsLookedForAgainAfterSeveralSlicesToo(t *testing.T) {
	r := newRig(t, "")
	r.options = &downsync.Options{Pages: 1}
	r.boot(nil)
	r.sync(downsync.CauseConnect)
	r.twin.Changes().Set(changes.Switches{EmptyFirst: true, LagMS: 30_000})
	id := r.meet("Dentist", monday)
	began := r.now
	r.sync(downsync.CauseNotified)
	if _, told := r.app()[id]; !told || r.now.Sub(began) > 2*time.Minute {
		t.Errorf("after %s the app has %v", r.now.Sub(began), r.app())
	}
	runs := len(r.runs)
	r.meet("Another", monday)
	r.now = r.now.Add(time.Minute)
	r.sync(downsync.CauseNotified)
	if n := len(r.runs) - runs; n != 2 {
		t.Errorf("%d slices of a reading that found something", n)
	}
}

// echoing is an Ours that finds everything of ours as it was written.
type echoing struct{ *rig }

func (o echoing) Changed(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox string, item graph.Item) (downsync.Fate, error) {
	fate, err := o.rig.Changed(ctx, organization, lane, as, mailbox, item)
	if fate == downsync.Handled {
		fate = downsync.Echo
	}
	return fate, err
}

// What is told once more is nothing new: behind it a change may be late.
func TestRepeatedOldItemsDoNotHideThatANotifiedChangeIsLate(t *testing.T) {
	for _, privacy := range []string{"all", "busy", "nothing"} {
		for _, old := range []string{"an appointment", "a series", "a booking", "a removed one"} {
			if privacy == "nothing" && old == "a removed one" {
				continue // nobody knows whose it was
			}
			t.Run(privacy+", "+old, func(t *testing.T) {
				r := newRig(t, `"downSync":{"privacy":"`+privacy+`"}`)
				r.both()
				r.ours = func() downsync.Ours { return echoing{r} }
				r.boot(nil)
				gone := r.meet("Gone", monday)
				r.sync(downsync.CauseConnect)
				r.twin.Changes().Set(changes.Switches{Replays: true, LagMS: 30_000})
				switch old {
				case "a series":
					r.repeat("Standup", "weekly", "UTC", "2026-11-23T12:00:00", 3)
				case "a removed one":
					r.must(r.owner().Delete(gone))
				default:
					id := r.meet("Old", monday)
					r.mine[id] = old == "a booking"
				}
				r.now = r.now.Add(time.Minute)
				r.sync(downsync.CauseNotified)
				late := r.meet("Late", monday)
				r.mine[late] = privacy == "nothing"
				runs, asked := len(r.runs), len(r.changed)
				r.sync(downsync.CauseNotified)
				if n := len(r.runs) - runs; n != 2 {
					t.Fatalf("%d readings, want one more after a minute", n)
				}
				if _, told := r.app()[late]; !told && len(r.changed) == asked {
					t.Error("nobody was told")
				}
				// What it found is nothing new any more.
				runs = len(r.runs)
				r.sync(downsync.CauseNotified)
				if n := len(r.runs) - runs; n != 2 {
					t.Errorf("%d readings of what is repeated", n)
				}
			})
		}
	}
}

// What is found is not looked for again, whatever it is.
func TestWhatANotificationToldOfIsFoundOnce(t *testing.T) {
	for _, privacy := range []string{"all", "nothing"} {
		for name, change := range map[string]func(r *rig, ours, foreign, series string){
			"an edit of ours":        func(r *rig, ours, _, _ string) { r.must(r.owner().Retitle(ours, "x")) },
			"a deletion of ours":     func(r *rig, ours, _, _ string) { r.must(r.owner().Delete(ours)) },
			"an edit":                func(r *rig, _, foreign, _ string) { r.must(r.owner().Retitle(foreign, "x")) },
			"a deletion":             func(r *rig, _, foreign, _ string) { r.must(r.owner().Delete(foreign)) },
			"an edit of a series":    func(r *rig, _, _, series string) { r.must(r.owner().Retitle(series, "x")) },
			"a deletion of a series": func(r *rig, _, _, series string) { r.must(r.owner().Delete(series)) },
		} {
			r := newRig(t, `"downSync":{"privacy":"`+privacy+`"}`)
			r.both()
			ours, foreign := r.meet("A booking", monday), r.meet("Dentist", monday)
			series := r.repeat("Standup", "weekly", "UTC", "2026-11-23T12:00:00", 3)
			r.mine[ours] = true
			r.sync(downsync.CauseConnect)
			change(r, ours, foreign, series)
			runs, want := len(r.runs), 1
			if privacy == "nothing" && !strings.HasSuffix(name, "of ours") {
				want = 2 // nothing is remembered of it by which it could be known
			}
			r.sync(downsync.CauseNotified)
			if n := len(r.runs) - runs; n != want {
				t.Errorf("%s, %s: %d readings, want %d", privacy, name, n, want)
			}
		}
	}
}
