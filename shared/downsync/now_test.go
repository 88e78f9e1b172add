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
	for _, press := range []string{"the first", "a second within the same seconds, which the bus drops"} {
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
