package downsync_test

import (
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/shared/downsync"
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
