package servicebus

import (
	"context"
	"fmt"
	"strings"

	"github.com/calbridge/calbridge/shared/queue"
)

// Shelf is what lies in the broker, looked after without a connection, with the
// rules of queue.Azure, which passes the same suite.
func (b *Broker) Shelf() queue.Shelf { return twin{b} }

var _ queue.Shelf = twin{}

// Peek implements queue.Shelf.
func (t twin) Peek(ctx context.Context, p queue.Place, from int64, limit int) ([]queue.Stored, error) {
	path, err := t.reach(ctx, p)
	if err != nil {
		return nil, err
	}
	var out []queue.Stored
	for _, m := range t.b.Peek(path) {
		if m.SequenceNumber >= from && len(out) < limit {
			out = append(out, storedOf(m))
		}
	}
	return out, nil
}

// Sift implements queue.Shelf.
func (t twin) Sift(ctx context.Context, p queue.Place, limit int, decide func(context.Context, queue.Stored) (queue.Verdict, error)) error {
	path, err := t.reach(ctx, p)
	if err != nil {
		return err
	}
	var kept []*Delivery
	defer func() {
		for _, d := range kept {
			_ = d.Abandon(nil) // if not now, then when its lock runs out
		}
	}()
	for ; limit > 0; limit-- {
		d, ok := t.b.Receive(path)
		if !ok {
			return nil
		}
		verdict, err := decide(ctx, storedOf(d.Received))
		if verdict != queue.Remove || err != nil {
			kept = append(kept, d)
		} else {
			err = d.Complete()
		}
		if verdict == queue.Stop || err != nil {
			return err
		}
	}
	return nil
}

// reach is the path of a place that has no sessions, if the broker is there.
func (t twin) reach(ctx context.Context, p queue.Place) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("servicebus: %s: %w", p, err)
	}
	if t.b.down.Load() {
		return "", errDown
	}
	path := p.Queue
	if p.Dead {
		path = DeadLetter(path)
	}
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	switch s := t.b.stores[strings.ToLower(path)]; {
	case s == nil:
		return "", refuse(NotFound, "there is no entity "+path)
	case s.Sessions:
		return "", refuse(NotAllowed, "the entity "+path+" needs sessions")
	}
	return path, nil
}

func storedOf(m Received) queue.Stored {
	return queue.Stored{Message: m.Message, Sequence: m.SequenceNumber, EnqueuedAt: m.EnqueuedAt, Deliveries: m.DeliveryCount}
}
