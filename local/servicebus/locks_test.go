package servicebus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/queue"
)

func TestRenewedLockOutlivesTheFirstExpiry(t *testing.T) {
	b := start(t, nil)
	b.put(t, "plain", queue.Message{ID: "1"})
	r := b.receiver(t, "plain", nil)
	m := one(t, r)
	for range 3 {
		b.Advance(20 * time.Second)
		before := *m.LockedUntil
		ok(t, r.RenewMessageLock(soon(t), m, nil))
		if !m.LockedUntil.After(before) {
			t.Errorf("locked until %v after renewal, %v before", m.LockedUntil, before)
		}
	}
	ok(t, r.CompleteMessage(soon(t), m, nil))
}

func TestExpiredLockIsLostAndCounts(t *testing.T) {
	b := start(t, nil)
	b.put(t, "plain", queue.Message{ID: "1"})
	r := b.receiver(t, "plain", nil)
	m := one(t, r)
	b.Advance(31 * time.Second)
	wantCode(t, r.CompleteMessage(soon(t), m, nil), azservicebus.CodeLockLost)
	wantCode(t, r.RenewMessageLock(soon(t), m, nil), azservicebus.CodeLockLost)
	if again := one(t, r); again.DeliveryCount != 2 || again.LockToken == m.LockToken {
		t.Errorf("delivery %d, want 2 and a new token", again.DeliveryCount)
	}
}

func TestWaitingReceiverGetsWhatALockFrees(t *testing.T) {
	b := start(t, nil)
	b.put(t, "plain", queue.Message{ID: "1"})
	one(t, b.receiver(t, "plain", nil))
	other := b.receiver(t, "plain", nil)
	none(t, other)
	b.Advance(31 * time.Second)
	if m := one(t, other); m.DeliveryCount != 2 {
		t.Errorf("delivery %d, want 2", m.DeliveryCount)
	}
}

func TestLostLinkKeepsOrFreesAPlainMessage(t *testing.T) {
	for name, free := range map[string]bool{"locked until expiry": false, "freed at once": true} {
		t.Run(name, func(t *testing.T) {
			b := start(t, func(o *servicebus.Options) { o.FreeOnLinkLoss = free })
			b.put(t, "plain", queue.Message{ID: "1"})
			r := b.receiver(t, "plain", nil)
			m := one(t, r)
			closeWith(t, r.Close)
			other := b.receiver(t, "plain", nil)
			if free {
				if again := one(t, other); again.DeliveryCount != 1 {
					t.Errorf("delivery %d, want 1: a released message does not count", again.DeliveryCount)
				}
				return
			}
			none(t, other)
			if list := b.Peek("plain"); !list[0].Locked || !list[0].LockedUntil.Equal(m.LockedUntil.UTC()) && list[0].LockedUntil.Sub(*m.LockedUntil) > time.Millisecond {
				t.Errorf("peeked %+v, want it locked until %v", list[0], m.LockedUntil)
			}
		})
	}
}

func TestCutConnectionCountsWhereAsked(t *testing.T) {
	for name, count := range map[string]bool{"counted": true, "not counted": false} {
		t.Run(name, func(t *testing.T) {
			b := start(t, func(o *servicebus.Options) { o.CountOnLinkLoss = count })
			b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a"})
			one(t, b.session(t, "a"))
			b.server.DropConnections()
			want := uint32(1)
			if count {
				want = 2
			}
			next, err := connect(t, b.server).AcceptNextSessionForQueue(soon(t), "lanes", nil)
			ok(t, err)
			if m := one(t, next); m.DeliveryCount != want {
				t.Errorf("delivery %d, want %d", m.DeliveryCount, want)
			}
		})
	}
}

func TestSessionIsHeldByOneReceiver(t *testing.T) {
	b := start(t, nil)
	held := b.session(t, "a")
	_, err := connect(t, b.server).AcceptSessionForQueue(soon(t), "lanes", "a", nil)
	wantCondition(t, err, servicebus.SessionCannotLock)
	if until := held.LockedUntil(); until.Before(b.Now().Add(25 * time.Second)) {
		t.Errorf("locked until %v, want 30s from now", until)
	}
	closeWith(t, held.Close)
	b.session(t, "a")
}

func TestAcceptTimesOutWhenNoSessionIsFree(t *testing.T) {
	b := start(t, nil)
	b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a"})
	b.session(t, "a")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := b.client.AcceptNextSessionForQueue(ctx, "lanes", nil)
	wantCode(t, err, azservicebus.CodeTimeout)
}

func TestWaitingAcceptIsWoken(t *testing.T) {
	for name, by := range map[string]func(b bus, t *testing.T){
		"by a message": func(b bus, t *testing.T) { b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a"}) },
		"by the clock": func(b bus, t *testing.T) {
			b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a", ScheduledFor: b.Now().Add(time.Hour)})
			b.Advance(time.Hour)
		},
		"by a session that is freed": func(b bus, t *testing.T) {
			s, err := b.AcceptSession("lanes", "a")
			ok(t, err)
			b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a"})
			s.Close()
		},
		"by a session whose lock runs out": func(b bus, t *testing.T) {
			_, err := b.AcceptSession("lanes", "a")
			ok(t, err)
			b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a"})
			b.Advance(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, nil)
			got := make(chan *azservicebus.SessionReceiver, 1)
			ctx := soon(t)
			go func() {
				defer close(got)
				if r, err := b.client.AcceptNextSessionForQueue(ctx, "lanes", nil); err == nil {
					got <- r
				}
			}()
			by(b, t)
			r := <-got
			if r == nil || r.SessionID() != "a" {
				t.Fatal("no session was accepted")
			}
			if m := one(t, r); m.MessageID != "1" {
				t.Errorf("message %q, want 1", m.MessageID)
			}
		})
	}
}

func TestSessionHandOverKeepsOrder(t *testing.T) {
	b := start(t, nil)
	b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a"}, queue.Message{ID: "2", SessionID: "a"}, queue.Message{ID: "3", SessionID: "a"})
	first := b.session(t, "a")
	m, err := first.ReceiveMessages(soon(t), 3, nil)
	ok(t, err)
	ok(t, first.CompleteMessage(soon(t), m[0], nil))
	closeWith(t, first.Close)
	second, err := b.client.AcceptNextSessionForQueue(soon(t), "lanes", nil)
	ok(t, err)
	for _, id := range []string{"2", "3"} {
		m := one(t, second)
		if m.MessageID != id || m.DeliveryCount != 1 {
			t.Errorf("message %q, delivery %d; want %q, 1", m.MessageID, m.DeliveryCount, id)
		}
		ok(t, second.CompleteMessage(soon(t), m, nil))
	}
}

func TestRenewedSessionOutlivesTheFirstExpiry(t *testing.T) {
	b := start(t, nil)
	b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a"})
	s := b.session(t, "a")
	m := one(t, s)
	for range 3 {
		b.Advance(20 * time.Second)
		ok(t, s.RenewSessionLock(soon(t), nil))
	}
	ok(t, s.CompleteMessage(soon(t), m, nil))
}

func TestExpiredSessionIsLost(t *testing.T) {
	b := start(t, nil)
	b.put(t, "lanes", queue.Message{ID: "1", SessionID: "a"})
	s := b.session(t, "a")
	m := one(t, s)
	b.Advance(31 * time.Second)
	next, err := connect(t, b.server).AcceptNextSessionForQueue(soon(t), "lanes", nil)
	ok(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.CompleteMessage(ctx, m, nil); err == nil {
		t.Error("completed after the session was lost, want an error")
	}
	if again := one(t, next); again.DeliveryCount != 2 {
		t.Errorf("delivery %d, want 2", again.DeliveryCount)
	}
}

func TestSettlingWorksAgainAfterACut(t *testing.T) {
	b := start(t, nil)
	b.put(t, "plain", queue.Message{ID: "1"})
	r := b.receiver(t, "plain", nil)
	one(t, r)
	b.server.DropConnections()
	b.Advance(31 * time.Second)
	m := received(t, r)
	ok(t, r.CompleteMessage(soon(t), m, nil))
	if left := b.Peek("plain"); len(left) != 0 {
		t.Errorf("left %q", ids(left))
	}
}

// received is one for a link that was just cut: the SDK then says nothing, and
// no error (servicebus.md section 5).
func received(t *testing.T, r receiver) *azservicebus.ReceivedMessage {
	t.Helper()
	ctx := soon(t)
	for ctx.Err() == nil {
		m, err := r.ReceiveMessages(ctx, 1, nil)
		if len(m) == 1 {
			return m[0]
		}
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	t.Fatal("nothing received")
	return nil
}

func TestReceiverOfALostSessionIsTold(t *testing.T) {
	b := start(t, nil)
	s := b.session(t, "a")
	b.Advance(31 * time.Second)
	_, err := b.AcceptSession("lanes", "a")
	ok(t, err)
	// Its link is detached; the SDK then tries to get the session back by itself.
	ctx := soon(t)
	for err == nil {
		_, err = s.ReceiveMessages(ctx, 1, nil)
	}
	wantCondition(t, err, servicebus.SessionCannotLock)
}
