package downsync_test

import (
	"context"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// atOnce is a bus whose worker is done with a task before the send returns, and which
// knows duplicates.
type atOnce struct {
	r    *rig
	seen map[string]bool
}

func (b atOnce) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	for _, m := range messages {
		if entity != queue.MailboxTasks || b.seen[m.ID] {
			continue
		}
		b.seen[m.ID] = true
		if err := b.r.syncer.Task(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// Whoever watches would else see for half an hour that a reading is about to begin.
func TestAReadingThatIsOverIsNotShownAsQueued(t *testing.T) {
	r := newRig(t, "")
	asking := downsync.New(downsync.Effects{Tables: r.tables, Bus: atOnce{r, map[string]bool{}}, Organizations: r},
		&downsync.Options{Now: func() time.Time { return r.now }})
	for _, press := range []string{"the first", "a second within the same seconds"} {
		r.now = r.now.Add(time.Second)
		if err := asking.SyncNow(t.Context(), acme, r.c.ID); err != nil {
			t.Fatal(err)
		}
		p, err := asking.Progress(t.Context(), acme, r.c.ID)
		if err != nil || p.State != state.SyncDone || !p.Asked.Equal(r.now) {
			t.Errorf("%s: %+v %v", press, p, err)
		}
	}
	r.now = r.now.Add(10 * time.Second)
	if err := asking.SyncNow(t.Context(), acme, r.c.ID); err != nil {
		t.Fatal(err)
	}
	if p, err := asking.Progress(t.Context(), acme, r.c.ID); err != nil || p.State != state.SyncDone || !p.Ended.Equal(r.now) {
		t.Errorf("ten seconds later: %+v %v", p, err)
	}
}

// Whoever edits, asks, edits and asks again within seconds is told of both edits, also
// where no notification comes; a double click is one reading all the same.
func TestWhatIsAskedForAfterAReadingBeganIsReadOnceMore(t *testing.T) {
	r := newRig(t, "")
	press := func() queue.Message {
		t.Helper()
		r.must(r.syncer.SyncNow(t.Context(), acme, r.c.ID))
		return r.tasks[len(r.tasks)-1]
	}
	r.meet("Dentist", monday)
	asked := r.now
	first := press()
	r.now = r.now.Add(100 * time.Millisecond)
	if twice := press(); twice.ID != first.ID || !first.ScheduledFor.IsZero() {
		t.Errorf("a double click is two readings: %+v, %+v", first, twice)
	}
	r.now = r.now.Add(100 * time.Millisecond)
	r.tasks = nil
	r.must(r.syncer.Task(t.Context(), first))
	r.meet("Surgeon", monday.Add(2*time.Hour))
	r.now = r.now.Add(time.Second)
	second := press()
	r.now = r.now.Add(time.Second)
	third := press()
	if second.ID == first.ID || third.ID != second.ID || !second.ScheduledFor.Equal(asked.Add(5*time.Second)) {
		t.Errorf("what was asked for later: %+v, %+v", second, third)
	}
	if p, err := r.syncer.Progress(t.Context(), acme, r.c.ID); err != nil || p.State != state.SyncQueued {
		t.Errorf("%+v, %v", p, err)
	}
	r.tasks, r.now = nil, second.ScheduledFor
	r.must(r.syncer.Task(t.Context(), second))
	if have := r.app(); len(have) != 2 {
		t.Errorf("%d appointments", len(have))
	}
	r.now = r.now.Add(time.Minute)
	if later := press(); !later.ScheduledFor.IsZero() || later.ID == second.ID {
		t.Errorf("a minute later: %+v", later)
	}
}
