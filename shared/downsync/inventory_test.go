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
	events  []string
	asked   int
	written []downsync.Written
	since   time.Time
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

func (k *keeper) Written(_ context.Context, _ key.Key, mailbox string, since time.Time) ([]downsync.Written, error) {
	if k.since = since; mailbox != aino {
		k.t.Fatalf("asked about %s", mailbox)
	}
	return k.written, nil
}

// A booking that was written and deleted again between two readings is in none of them: a
// notification told of it, and who wrote it is asked once nobody has found what it was.
func TestABookingThatCameAndWentBetweenTwoReadingsIsAskedAbout(t *testing.T) {
	for _, privacy := range []string{"all", "nothing"} {
		r := newRig(t, `"downSync":{"privacy":"`+privacy+`"}`)
		r.both()
		k := &keeper{rig: r}
		r.ours = func() downsync.Ours { return k }
		r.boot(nil)
		r.sync(downsync.CauseConnect)
		write := func(subject string) string {
			id := r.meet(subject, monday)
			e, err := r.store.Event(tenant, aino, id)
			r.must(err)
			r.mine[id] = true
			k.written = append(k.written, downsync.Written{ID: id, ChangeKey: e.ChangeKey, Ends: e.To})
			return id
		}
		kept := write("Kept")
		r.sync(downsync.CauseNotified)
		asked, runs := len(r.changed), len(r.runs)
		r.sync(downsync.CauseNotified) // nothing: once more, and what was shown is not asked about
		if len(r.changed) != asked || len(r.runs) != runs+2 {
			t.Errorf("%s: %d asked about, %d readings", privacy, len(r.changed)-asked, len(r.runs)-runs)
		}
		if lately := r.now.Sub(k.since); lately < 5*time.Minute || lately > time.Hour {
			t.Errorf("asked about what was written in the last %v", lately)
		}
		gone := write("Gone")
		r.must(r.owner().Delete(gone))
		r.sync(downsync.CauseNotified)
		if n := len(r.changed) - asked; n != 1 || !r.changed[asked].Removed || r.changed[asked].ID != gone || gone == kept {
			t.Errorf("%s: asked about %+v", privacy, r.changed[asked:])
		}
		// Neither where something was found, nor by the schedule.
		asked = len(r.changed)
		r.meet("Found", monday)
		r.sync(downsync.CauseSchedule)
		if len(r.changed) != asked {
			t.Errorf("%s: asked about %+v", privacy, r.changed[asked:])
		}
	}
}
