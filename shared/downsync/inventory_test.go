package downsync_test

import (
	"context"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
)

// keeper knows which events of ours a mailbox should hold.
type keeper struct {
	*rig
	events []string
	asked  int
}

func (k *keeper) Events(_ context.Context, _ key.Key, mailbox string, from, to time.Time) ([]string, error) {
	k.asked++
	if mailbox != aino || !from.Before(monday) || !to.After(monday) {
		k.t.Fatalf("asked about %v to %v", from, to)
	}
	return k.events, nil
}

// A deletion of ours that happened while the link was expired is asked about, too; what
// the round shows is not, and a round of changes asks nobody.
func TestOursThatAFullRoundDoesNotShowAreAskedAbout(t *testing.T) {
	r := newRig(t, "")
	k := &keeper{rig: r}
	r.ours = func() downsync.Ours { return k }
	r.boot(nil)
	kept, lost := r.meet("A booking", monday), r.meet("Another", monday)
	r.mine[kept], r.mine[lost] = true, true
	k.events = []string{kept, lost}
	r.sync(downsync.CauseConnect)
	r.sync(downsync.CauseSchedule)
	if n := len(r.changed); n != 2 || k.asked != 1 {
		t.Fatalf("%d items were asked about, %d inventories", n, k.asked)
	}
	r.must(r.owner().Delete(lost))
	r.must(r.twin.Changes().Expire(tenant, aino))
	r.sync(downsync.CauseSchedule)
	removed := []string{}
	for _, i := range r.changed {
		if i.Removed {
			removed = append(removed, i.ID)
		}
	}
	if len(removed) != 1 || removed[0] != lost {
		t.Errorf("told as removed: %v", removed)
	}
}
