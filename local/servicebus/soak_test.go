package servicebus_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

// Six workers serve 50 sessions while every connection is cut again and again,
// one message in twenty is abandoned, and what they hold is given back in the
// middle. Nothing is lost, and no session sees a message before an earlier one
// was completed. (Again after it was completed: that is "at least once".)
func TestNothingIsLostOrOutOfOrderWhileConnectionsAreCut(t *testing.T) {
	const sessions, each, workers = 50, 15, 6
	b := start(t, func(o *servicebus.Options) { o.Topology.Queues[1].MaxDeliveries = 1000 })
	work := &soak{bus: b, next: make(map[string]int)}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()

	var group sync.WaitGroup
	work.left.Store(sessions * each)
	group.Go(func() { work.send(ctx, t, sessions, each) })
	group.Go(func() { work.cut(ctx) })
	for range workers {
		client := connect(t, b.server)
		group.Go(func() {
			for ctx.Err() == nil && work.goesOn() {
				work.session(ctx, t, client)
			}
		})
	}
	group.Wait()
	if left, there := work.left.Load(), b.Peek("lanes"); left != 0 || len(there) != 0 {
		t.Errorf("%d messages not done, %d left", left, len(there))
	}
	t.Logf("%d cuts, %d redeliveries", work.cuts.Load(), work.again.Load())
}

type soak struct {
	bus
	left, cuts, again atomic.Int64

	mu   sync.Mutex
	next map[string]int // number of the first message not done, by session
}

// goesOn until all is done, and what came twice is gone too.
func (s *soak) goesOn() bool { return s.left.Load() > 0 || s.Used("lanes") > 0 }

func (s *soak) send(ctx context.Context, t *testing.T, sessions, each int) {
	sender, err := queue.FromConnectionString(s.server.ConnectionString(), nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer closeWith(t, sender.Close)
	for n := range each {
		var batch []queue.Message
		for i := range sessions {
			batch = append(batch, queue.Message{SessionID: fmt.Sprint(i), Properties: map[string]any{"n": int64(n)}})
		}
		// A send that was cut may have happened: the receivers tolerate both.
		for sender.Send(ctx, "lanes", batch...) != nil && ctx.Err() == nil {
		}
	}
}

// cut cuts every connection now and then, until the work is done.
func (s *soak) cut(ctx context.Context) {
	tick := time.NewTicker(120 * time.Millisecond)
	defer tick.Stop()
	for s.goesOn() && s.cuts.Load() < 10 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.server.DropConnections()
			s.cuts.Add(1)
		}
	}
}

// session serves one session until it is empty or anything goes wrong, and then
// closes it: only so does order hold (servicebus.md section 5). One message at a
// time, because what arrives between two receives the SDK releases one by one,
// and the next receive may find later ones that it has not released yet.
func (s *soak) session(ctx context.Context, t *testing.T, client *azservicebus.Client) {
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	r, err := client.AcceptNextSessionForQueue(short, "lanes", nil)
	if err != nil {
		return
	}
	defer closeWith(t, r.Close)
	for {
		wait, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		list, err := r.ReceiveMessages(wait, 1, nil)
		cancel()
		if err != nil || len(list) == 0 || !s.serve(ctx, t, r, list[0]) {
			return
		}
	}
}

func (s *soak) serve(ctx context.Context, t *testing.T, r *azservicebus.SessionReceiver, m *azservicebus.ReceivedMessage) bool {
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if rand.IntN(20) == 0 {
		_ = r.AbandonMessage(short, m, nil)
		return false
	}
	n := int(m.ApplicationProperties["n"].(int64))
	s.mu.Lock()
	want := s.next[*m.SessionID]
	switch {
	case n == want:
		s.next[*m.SessionID]++
		s.left.Add(-1)
	case n < want:
		s.again.Add(1)
	default:
		t.Errorf("session %s: message %d before %d", *m.SessionID, n, want)
	}
	s.mu.Unlock()
	return r.CompleteMessage(short, m, nil) == nil
}
