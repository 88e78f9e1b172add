package servicebus

import (
	"strings"
	"time"
)

// Session is the exclusive hold on one session of an entity. Messages received
// through it stay with it until they are settled, it is closed, or its lock runs
// out.
type Session struct {
	s      *store
	lane   *lane
	number uint64 // order of being held
	until  time.Time
	ended  bool
	hand   map[*message]struct{}

	// Called with the broker's mutex held; they must not call back.
	wake func() // something may be available
	lost func() // the lock ran out
}

// wait is someone waiting for any session of a store.
type wait struct {
	s       *store
	granted func(*Session) // called once, with the broker's mutex held
	session *Session
}

func nothing() {}

// hold locks a lane for a new session holder.
func (s *store) hold(l *lane, now time.Time) *Session {
	s.b.tokens++
	h := &Session{s: s, lane: l, number: s.b.tokens, until: now.Add(s.Lock), hand: make(map[*message]struct{}), wake: nothing, lost: nothing}
	l.holder = h
	s.held[h] = struct{}{}
	s.nextLock = earlier(s.nextLock, h.until)
	return h
}

// end frees the session and gives back what is in hand.
func (h *Session) end(failed bool, now time.Time) {
	if h.ended {
		return
	}
	h.ended = true
	s, l := h.s, h.lane
	hand := make([]*message, 0, len(h.hand))
	for m := range h.hand {
		hand = append(hand, m)
	}
	// Nobody is given the session before everything is back in its place.
	l.queued = true
	l.holder = nil
	delete(s.held, h)
	s.giveBackAll(hand, failed, now)
	l.queued = false
	s.enqueue(l)
	if l.first() == nil && !l.queued && l.holder == nil {
		delete(s.lanes, l.id)
	}
}

// acceptNow holds the next session that has something available; nil for none.
func (s *store) acceptNow(now time.Time) *Session {
	s.owner.settle(now)
	l := s.nextReady()
	if l == nil {
		return nil
	}
	return s.hold(l, now)
}

// acceptOrWait is acceptNow, or else registers a wait for one.
func (s *store) acceptOrWait(granted func(*Session), now time.Time) (*Session, *wait) {
	if h := s.acceptNow(now); h != nil {
		return h, nil
	}
	w := &wait{s: s, granted: granted}
	s.waits = append(s.waits, w)
	return nil, w
}

// cancel ends a wait. A session granted meanwhile is freed.
func (w *wait) cancel(now time.Time) {
	for i, x := range w.s.waits {
		if x == w {
			w.s.waits = append(w.s.waits[:i:i], w.s.waits[i+1:]...)
			return
		}
	}
	if w.session != nil {
		w.session.end(false, now)
	}
}

// acceptByID holds a named session, also one without messages.
func (s *store) acceptByID(id string, now time.Time) (*Session, error) {
	s.owner.settle(now)
	l := s.laneOf(id)
	if l.holder != nil {
		return nil, refuse(SessionCannotLock, "the requested session cannot be accepted: another receiver holds it")
	}
	return s.hold(l, now), nil
}

func (h *Session) renew(now time.Time) (time.Time, error) {
	h.s.owner.settle(now)
	if h.ended {
		return time.Time{}, refuse(SessionLockLost, "the session lock has expired")
	}
	h.until = now.Add(h.s.Lock)
	return h.until, nil
}

// Accept holds the next session of an entity that has a visible message and no
// holder: the one that has waited the longest. It reports false when there is
// none, or the broker is down. It panics when the path is unknown or has no
// sessions.
func (b *Broker) Accept(path string) (*Session, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.mustStore(path)
	if !s.Sessions {
		panic("servicebus: " + path + " has no sessions")
	}
	if b.down.Load() {
		return nil, false
	}
	h := s.acceptNow(b.Now())
	return h, h != nil
}

// AcceptSession holds the session of that id, whether it has messages or not.
// The error is an *Error: NotFound, NotAllowed for an entity without sessions,
// SessionCannotLock when somebody holds it.
func (b *Broker) AcceptSession(path, id string) (*Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down.Load() {
		return nil, errDown
	}
	s := b.stores[strings.ToLower(path)]
	if s == nil {
		return nil, refuse(NotFound, "there is no entity "+path)
	}
	if !s.Sessions {
		return nil, refuse(NotAllowed, "the entity "+path+" has no sessions")
	}
	return s.acceptByID(id, b.Now())
}

// ID is the session's.
func (h *Session) ID() string { return h.lane.id }

// LockedUntil is when the hold ends unless renewed.
func (h *Session) LockedUntil() time.Time {
	h.s.b.mu.Lock()
	defer h.s.b.mu.Unlock()
	return h.until
}

// Receive takes the next visible message of the session. It reports false when
// there is none, the session's lock is lost, or the broker is down. Messages
// taken and not yet settled are not waited for.
func (h *Session) Receive() (*Delivery, bool) {
	b := h.s.b
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	h.s.owner.settle(now)
	if h.ended || b.down.Load() {
		return nil, false
	}
	return h.s.delivery(h.s.take(h.lane, h, nil, now))
}

// Renew starts the session's lock anew, which is that of all its messages.
// The error is SessionLockLost when it is too late.
func (h *Session) Renew() error {
	b := h.s.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down.Load() {
		return errDown
	}
	_, err := h.renew(b.Now())
	return err
}

// Close frees the session. What was received and not settled becomes available
// again in its old place, uncounted. Closing twice does nothing.
func (h *Session) Close() {
	b := h.s.b
	b.mu.Lock()
	defer b.mu.Unlock()
	h.end(false, b.Now())
}
