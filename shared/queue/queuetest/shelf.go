package queuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/calbridge/calbridge/shared/queue"
)

var rejected = queue.Place{Queue: queue.Rejected}

// numbered are messages with the ids 1 to n.
func numbered(n int) []queue.Message {
	out := make([]queue.Message, n)
	for i := range out {
		out[i] = queue.Message{ID: fmt.Sprint(i + 1), Body: []byte{byte(i)}}
	}
	return out
}

func idsOf(messages []queue.Stored) []string {
	out := []string{}
	for _, m := range messages {
		out = append(out, m.ID)
	}
	return out
}

// sift sifts a place and returns the ids that were asked about.
func sift(t *testing.T, b Bus, p queue.Place, limit int, decide func(queue.Stored) (queue.Verdict, error)) ([]string, error) {
	t.Helper()
	asked := []string{}
	err := b.Sift(t.Context(), p, limit, func(_ context.Context, m queue.Stored) (queue.Verdict, error) {
		asked = append(asked, m.ID)
		return decide(m)
	})
	return asked, err
}

func always(v queue.Verdict) func(queue.Stored) (queue.Verdict, error) {
	return func(queue.Stored) (queue.Verdict, error) { return v, nil }
}

// wantSifted sifts and compares what was asked about.
func wantSifted(t *testing.T, b Bus, p queue.Place, limit int, decide func(queue.Stored) (queue.Verdict, error), want ...string) {
	t.Helper()
	asked, err := sift(t, b, p, limit, decide)
	if err != nil {
		t.Fatalf("sift %s: %v", p, err)
	}
	if diff := cmp.Diff(want, asked, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("asked about (-want +got):\n%s", diff)
	}
}

func testPeek(t *testing.T, b Bus) {
	sent := queue.Message{ID: "1", Subject: "s", ContentType: "application/json", Body: []byte("{}"), Properties: map[string]any{"round": int64(2), "reason": "syntax"}}
	send(t, b, queue.Rejected, append([]queue.Message{sent}, numbered(5)[1:]...)...)
	first, err := b.Peek(t.Context(), rejected, 0, 2)
	if err != nil || len(first) != 2 {
		t.Fatalf("%v, %v", idsOf(first), err)
	}
	if diff := cmp.Diff(sent, first[0].Message, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("message differs (-want +got):\n%s", diff)
	}
	if age := b.Now().Sub(first[0].EnqueuedAt); age < 0 || age > time.Minute || first[0].Deliveries != 1 || first[0].Sequence < 1 {
		t.Errorf("enqueued %v ago, delivery %d, number %d", age, first[0].Deliveries, first[0].Sequence)
	}
	rest, err := b.Peek(t.Context(), rejected, first[1].Sequence+1, 10)
	if diff := cmp.Diff([]string{"3", "4", "5"}, idsOf(rest)); diff != "" || err != nil {
		t.Fatalf("%v, (-want +got):\n%s", err, diff)
	}
	if none, err := b.Peek(t.Context(), rejected, rest[2].Sequence+1, 10); len(none) > 0 || err != nil {
		t.Errorf("behind the last: %v, %v", idsOf(none), err)
	}
	wantIDs(t, b, queue.Rejected, "1", "2", "3", "4", "5")
	if none, err := b.Peek(t.Context(), rejected, 0, 10); len(none) > 0 || err != nil {
		t.Errorf("empty: %v, %v", idsOf(none), err)
	}
}

func testSift(t *testing.T, b Bus) {
	send(t, b, queue.Rejected, numbered(40)...)
	odd := func(m queue.Stored) (queue.Verdict, error) {
		if m.Body[0]%2 == 0 { // the body of id 1 is 0
			return queue.Remove, nil
		}
		return queue.Keep, nil
	}
	var all, even []string
	for i := range 40 {
		all = append(all, fmt.Sprint(i+1))
		if i%2 == 1 {
			even = append(even, fmt.Sprint(i+1))
		}
	}
	wantSifted(t, b, rejected, 100, odd, all...)
	wantSifted(t, b, rejected, 100, always(queue.Keep), even...)
	wantSifted(t, b, rejected, 3, always(queue.Remove), even[:3]...)
	wantSifted(t, b, rejected, 3, always(queue.Stop), even[3])
	wantSifted(t, b, rejected, 0, always(queue.Remove))
	wantSifted(t, b, rejected, 100, always(queue.Remove), even[3:]...)
	wantSifted(t, b, rejected, 100, always(queue.Remove))
}

func testSiftDead(t *testing.T, b Bus) {
	send(t, b, queue.Deliveries, queue.Message{ID: "1", SessionID: "lane", Properties: map[string]any{"round": int64(1)}}, queue.Message{ID: "2", SessionID: "other"})
	b.Advance(15 * 24 * time.Hour)
	dead := queue.Place{Queue: queue.Deliveries, Dead: true}
	list, err := b.Peek(t.Context(), dead, 0, 10)
	if err != nil || len(list) != 2 || list[0].SessionID != "lane" || list[0].Properties["round"] != int64(1) ||
		list[0].Properties[queue.DeadReasonProperty] != "TTLExpiredException" {
		t.Fatalf("%+v, %v", list, err)
	}
	wantSifted(t, b, dead, 10, always(queue.Remove), "1", "2")
	if dead := b.Dead(t, queue.Deliveries); len(dead) > 0 {
		t.Errorf("left: %v", dead)
	}
}

func testSiftFails(t *testing.T, b Bus) {
	send(t, b, queue.Rejected, numbered(3)...)
	own := errors.New("the test's own")
	asked, err := sift(t, b, rejected, 10, func(m queue.Stored) (queue.Verdict, error) {
		if m.ID == "2" {
			return queue.Remove, own
		}
		return queue.Remove, nil
	})
	if !errors.Is(err, own) || len(asked) != 2 {
		t.Errorf("asked about %v, error %v", asked, err)
	}
	wantIDs(t, b, queue.Rejected, "2", "3")
}

func testSiftHeld(t *testing.T, b Bus) {
	send(t, b, queue.Rejected, numbered(2)...)
	held, ok := b.Next(t, queue.Rejected)
	if !ok {
		t.Fatal("nothing to hold")
	}
	wantSifted(t, b, rejected, 10, always(queue.Remove), "2")
	wantSifted(t, b, rejected, 10, always(queue.Remove))
	if list, err := b.Peek(t.Context(), rejected, 0, 10); len(list) != 1 || err != nil {
		t.Errorf("what is held is not seen: %v, %v", idsOf(list), err)
	}
	held.Complete()
}

func testShelfUnknown(t *testing.T, b Bus) {
	for _, p := range []queue.Place{{Queue: "nowhere"}, {Queue: "nowhere", Dead: true}} {
		if list, err := b.Peek(t.Context(), p, 0, 10); err == nil {
			t.Errorf("peek at %s: %v and no error", p, list)
		}
		if asked, err := sift(t, b, p, 10, always(queue.Remove)); err == nil {
			t.Errorf("sift %s: %v and no error", p, asked)
		}
	}
}

func testShelfDown(t *testing.T, b Bus) {
	send(t, b, queue.Rejected, numbered(2)...)
	b.Down(true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if list, err := b.Peek(ctx, rejected, 0, 10); err == nil {
		t.Errorf("peek: %v and no error", idsOf(list))
	}
	err := b.Sift(ctx, rejected, 10, func(context.Context, queue.Stored) (queue.Verdict, error) { return queue.Remove, nil })
	if err == nil {
		t.Error("sift: no error")
	}
	b.Down(false)
	wantSifted(t, b, rejected, 10, always(queue.Remove), "1", "2")
}

func testSiftMemory(t *testing.T, b Bus) {
	send(t, b, queue.Rejected, queue.Message{ID: "1", Body: []byte("before"), Properties: map[string]any{"p": "before"}})
	wantSifted(t, b, rejected, 1, func(m queue.Stored) (queue.Verdict, error) {
		copy(m.Body, "after!")
		m.Properties["p"] = "after"
		return queue.Keep, nil
	}, "1")
	if m := take(t, b, queue.Rejected); string(m.Body) != "before" || m.Properties["p"] != "before" {
		t.Errorf("body %q, property %q", m.Body, m.Properties["p"])
	}
}
