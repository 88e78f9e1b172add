package downsync_test

import (
	"testing"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
)

// What of ours came and went between two readings is asked about by a full one of the
// calendar that is written to, though that was chosen by its id.
func TestOursAreMissedInADefaultCalendarThatWasChosenToo(t *testing.T) {
	r := newRig(t, "")
	all, err := r.store.Calendars(tenant, aino)
	r.must(err)
	r.c.Calendars = []connection.Calendar{{ID: all[0].ID, Default: true}}
	r.connect()
	r.mine["gone"] = true
	r.ours = func() downsync.Ours { return &keeper{rig: r, events: []string{"gone"}} }
	r.boot(nil)
	r.sync(downsync.CauseConnect)
	if len(r.changed) != 1 || r.changed[0].ID != "gone" || !r.changed[0].Removed {
		t.Errorf("asked about %+v", r.changed)
	}
}
