package downsync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/state"
)

// A mailbox with appointments and bookings that is emptied is held. After restore the
// bookings are in it again, at once and by their lane; the booking app keeps its copies of
// the appointments, and hears of no deletion. A kill anywhere changes nothing of that.
func TestOursThatAreGoneWithWhatIsRestoredAreMadeAgainAtOnce(t *testing.T) {
	for _, expired := range []bool{false, true} {
		for n := 0; n < 30; n += stride() {
			r := newRig(t, `"downSync":{"privacy":"all"},"recreateRemoved":"never"`)
			b := withEngine(r)
			for i := range 14 {
				b.meet(fmt.Sprint("Meeting ", i), monday.Add(time.Duration(i)*time.Hour))
			}
			for i := range 3 {
				id := fmt.Sprint("b-", i)
				b.number++
				b.revisions[id]++
				b.booked(id, "confirmed", monday.Add(time.Duration(i)*time.Hour))
			}
			b.work(time.Minute)
			r.order(downsync.CauseConnect)
			b.work(time.Minute)
			if ours := b.ours(); len(ours) != 3 || len(b.app()) != 14 {
				t.Fatalf("%d of ours, %d appointments", len(ours), len(b.app()))
			}
			for _, e := range b.store.Events(tenant, aino) {
				b.must(b.owner().Delete(e.ID))
			}
			if expired {
				b.must(b.twin.Changes().Expire(tenant, aino))
			}
			r.order(downsync.CauseSchedule)
			b.work(time.Minute)
			if len(b.ours()) != 0 || len(b.alerts()) != 1 {
				t.Fatalf("before: %d of ours, %v", len(b.ours()), b.alerts())
			}
			b.must(b.syncer.Decide(t.Context(), acme, r.c.ID, state.HeldRestore))
			b.left = 3 * n
			b.work(5 * time.Minute)
			b.left = 0
			b.work(time.Hour) // what was killed is tried again
			if ours := b.ours(); len(ours) != 3 || len(b.app()) != 14 || len(b.alerts()) < 2 {
				t.Fatalf("expired %v, killed at %d: %d of ours, %d appointments, %v", expired, 3*n, len(ours), len(b.app()), b.alerts())
			}
			for _, m := range b.topic {
				if strings.Contains(string(m.Body), `"change":"deleted"`) {
					t.Fatalf("told as deleted: %s", m.Body)
				}
			}
		}
	}
}
