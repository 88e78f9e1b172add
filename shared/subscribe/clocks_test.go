package subscribe_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// clocks is a bus with the right time, which drops a repeated id for ten minutes, and
// instances whose clocks are ahead of it or behind.
type clocks struct {
	receiving
	right time.Time
	first map[string]time.Time // when an id was first taken
	reads []time.Time          // when a task is received, at the earliest
}

func (c *clocks) Send(_ context.Context, _ string, messages ...queue.Message) error {
	for _, m := range messages {
		if at, known := c.first[m.ID]; known && c.right.Sub(at) < 10*time.Minute {
			continue
		}
		c.first[m.ID] = c.right
		at := c.right
		if m.ScheduledFor.After(at) {
			at = m.ScheduledFor
		}
		c.reads = append(c.reads, at)
	}
	return nil
}

// notify lets an instance whose clock is off take a notification, after some time.
func (c *clocks) notify(ctx context.Context, after, off time.Duration) error {
	c.right = c.right.Add(after)
	_, err := subscribe.NewReceiver(c.keys, c, func() time.Time { return c.right.Add(off) }).Receive(ctx, []byte(collection(c.told(nil))))
	return err
}

// heard is how long after it came a notification is followed by a reading; false for never.
func (c *clocks) heard(came time.Time) (time.Duration, bool) {
	best, ok := time.Duration(0), false
	for _, at := range c.reads {
		if wait := at.Sub(came); wait >= 0 && (!ok || wait < best) {
			best, ok = wait, true
		}
	}
	return best, ok
}

func newClocks(t testing.TB) *clocks {
	return &clocks{receiving: *newReceiving(t, 'a'), right: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), first: map[string]time.Time{}}
}

// A task that a notification shares must not be received before it came: what it told of
// would be seen by nobody. That holds while no instance's clock is more than five seconds
// behind the bus's. One that is ahead makes readings late by as much, and loses none.
func TestNoNotificationIsLostToClocksUpToFiveSecondsBehind(t *testing.T) {
	const behind, ahead = -5 * time.Second, 30 * time.Second
	rapid.Check(t, func(rt *rapid.T) {
		c := newClocks(t)
		var came []time.Time
		n := rapid.IntRange(1, 30).Draw(rt, "notifications")
		for range n {
			off := time.Duration(rapid.Int64Range(int64(behind/time.Millisecond), int64(ahead/time.Millisecond)).Draw(rt, "off")) * time.Millisecond
			after := time.Duration(rapid.Int64Range(0, 7000).Draw(rt, "after")) * time.Millisecond
			if err := c.notify(t.Context(), after, off); err != nil {
				rt.Fatal(err)
			}
			came = append(came, c.right)
		}
		for i, at := range came {
			if wait, ok := c.heard(at); !ok || wait > 10*time.Second+ahead {
				rt.Fatalf("notification %d is read after %v, %v", i, wait, ok)
			}
		}
	})
}

// What the limit is there for: one instance whose clock is twelve seconds behind sends a
// task that another one's was, and the bus drops it. The schedule finds the change.
func TestAClockFarBehindLosesANotification(t *testing.T) {
	c := newClocks(t)
	if err := c.notify(t.Context(), time.Second, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.notify(t.Context(), 12*time.Second, -12*time.Second); err != nil {
		t.Fatal(err)
	}
	if wait, ok := c.heard(c.right); ok {
		t.Errorf("it is read after %v: the limit in the package's comment is too low", wait)
	}
}

// Ten thousand notifications in a minute, each a call of its own: of one connection they
// are twelve tasks, of a hundred connections twelve each, and a call takes far less than
// 5 ms. A receiver has no tables to read.
func TestTenThousandNotificationsAMinuteAreTwelveTasksForEachConnection(t *testing.T) {
	for _, connections := range []int{1, 100} {
		t.Run(fmt.Sprint(connections), func(t *testing.T) {
			c := newClocks(t)
			const many = 10_000
			bodies := make([][]byte, connections)
			for i := range bodies {
				id := key.Of("test", fmt.Sprint(i))
				bodies[i] = []byte(collection(c.told(func(n map[string]any) { n["clientState"] = subscribe.ClientState(c.keys, id, tenant) })))
			}
			began := c.right
			receiver := subscribe.NewReceiver(c.keys, c, func() time.Time { return c.right })
			var spent time.Duration
			for i := range many {
				c.right = began.Add(time.Duration(i) * time.Minute / many)
				start := time.Now()
				got, err := receiver.Receive(t.Context(), bodies[i%connections])
				spent += time.Since(start)
				if err != nil || got.Good != 1 || got.Bogus != 0 {
					t.Fatalf("%+v, %v", got, err)
				}
			}
			if len(c.first) != 12*connections {
				t.Errorf("%d tasks", len(c.first))
			}
			t.Logf("%v a notification", spent/many)
			if spent/many > 5*time.Millisecond {
				t.Errorf("%v a notification", spent/many)
			}
		})
	}
}
