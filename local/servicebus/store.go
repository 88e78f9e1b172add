package servicebus

import (
	"fmt"
	"slices"
	"time"
)

// store is what is received from: a queue, a subscription, or the dead-letter
// queue of one. A plain store has one lane; one with sessions has a lane per
// session id. All of it is guarded by the broker's mutex.
type store struct {
	b     *Broker
	owner *entity
	name  string
	Properties
	rules []Rule
	dead  *store // nil in a dead-letter queue

	msgs   map[int64]*message
	lanes  map[string]*lane
	ready  []*lane // free sessions with something to receive, longest waiting first
	locked map[Token]*message
	held   map[*Session]struct{}
	takers map[*taker]struct{}
	waits  []*wait // who waits for any session, longest waiting first

	// The earliest instants at which a lock may run out or a message expire; zero
	// for never. They may be too early, never too late.
	nextLock, nextExpiry time.Time
}

// taker is a plain receiver: woken when there may be something to take.
type taker struct {
	wake func()
	hand map[*message]struct{}
}

func newStore(b *Broker, e *entity, name string, p Properties) *store {
	s := &store{
		b: b, owner: e, name: name, Properties: p,
		msgs:   make(map[int64]*message),
		lanes:  make(map[string]*lane),
		locked: make(map[Token]*message),
		held:   make(map[*Session]struct{}),
		takers: make(map[*taker]struct{}),
	}
	return s
}

func (s *store) wants(in *incoming) bool {
	if len(s.rules) == 0 {
		return true
	}
	return slices.ContainsFunc(s.rules, func(r Rule) bool {
		if f, ok := r.(filter); ok {
			return f.matches(in)
		}
		return r.Match(in.Message)
	})
}

// lifetime is what a message asks for, capped by the store's own.
func (s *store) lifetime(asked time.Duration) time.Duration {
	if asked <= 0 || s.TimeToLive > 0 && asked > s.TimeToLive {
		return s.TimeToLive
	}
	return asked
}

// add stores a message and offers it.
func (s *store) add(m *message) {
	m.home = s
	s.msgs[m.seq] = m
	s.nextExpiry = earlier(s.nextExpiry, m.expires)
	s.offer(m)
}

// offer makes a message available in its place of the order, and tells who
// waits for it.
func (s *store) offer(m *message) {
	l := s.lane(m)
	m.lane = l
	l.insert(m)
	switch {
	case !s.Sessions:
		for t := range s.takers {
			t.wake()
		}
	case l.holder != nil:
		l.holder.wake()
	default:
		s.enqueue(l)
	}
}

func (s *store) lane(m *message) *lane {
	id := ""
	if s.Sessions {
		id = m.SessionID
	}
	return s.laneOf(id)
}

func (s *store) laneOf(id string) *lane {
	l := s.lanes[id]
	if l == nil {
		l = &lane{id: id}
		s.lanes[id] = l
	}
	return l
}

// enqueue gives a free session that has messages to the first who waits, or
// keeps it for the next who asks.
func (s *store) enqueue(l *lane) {
	if l.holder != nil || l.queued || l.first() == nil {
		return
	}
	if len(s.waits) > 0 {
		w := s.waits[0]
		s.waits = s.waits[1:]
		w.session = s.hold(l, s.b.Now())
		w.granted(w.session)
		return
	}
	l.queued = true
	s.ready = append(s.ready, l)
}

// nextReady removes the session that has been ready the longest; nil for none.
func (s *store) nextReady() *lane {
	for len(s.ready) > 0 {
		l := s.ready[0]
		s.ready = s.ready[1:]
		l.queued = false
		if l.holder == nil && l.first() != nil {
			return l
		}
	}
	return nil
}

// take locks the first available message of a lane; nil for none.
func (s *store) take(l *lane, holder *Session, t *taker, now time.Time) *message {
	m := l.pop()
	if m == nil {
		return nil
	}
	m.locked, m.token, m.holder, m.taker = true, s.b.token(), holder, t
	m.until = now.Add(s.Lock)
	s.locked[m.token] = m
	switch {
	case holder != nil:
		holder.hand[m] = struct{}{}
	case t != nil:
		t.hand[m] = struct{}{}
	}
	s.nextLock = earlier(s.nextLock, m.lockedUntil())
	return m
}

// find returns the message a token still locks.
func (s *store) find(t Token) (*message, error) {
	if m := s.locked[t]; m != nil {
		return m, nil
	}
	return nil, refuse(MessageLockLost, "the lock supplied is invalid: it expired, or the message has been settled")
}

func (s *store) release(m *message) {
	delete(s.locked, m.token)
	if m.holder != nil {
		delete(m.holder.hand, m)
	}
	if m.taker != nil {
		delete(m.taker.hand, m)
	}
	m.locked, m.holder, m.taker = false, nil, nil
}

// complete removes a locked message for good.
func (s *store) complete(m *message) {
	s.release(m)
	s.forget(m)
	s.owner.used -= int64(m.size)
}

func (s *store) forget(m *message) {
	delete(s.msgs, m.seq)
	m.home = nil
}

// giveBack makes a locked message available again in its old place. One that
// failed counts, and after too many goes to the dead-letter queue.
func (s *store) giveBack(m *message, failed bool, now time.Time) {
	s.release(m)
	if failed {
		m.failures++
	}
	switch {
	case s.dead != nil && m.failures >= s.MaxDeliveries:
		s.deadLetter(m, "MaxDeliveryCountExceeded",
			fmt.Sprintf("Message could not be consumed after %d delivery attempts.", s.MaxDeliveries))
	case m.expired(now):
		s.expire(m)
	default:
		s.offer(m)
	}
}

func (m *message) expired(now time.Time) bool {
	return !m.expires.IsZero() && !now.Before(m.expires)
}

func (s *store) expire(m *message) {
	if s.DeadLetterExpired {
		s.deadLetter(m, "TTLExpiredException", "The message expired and was dead lettered.")
		return
	}
	s.forget(m)
	s.owner.used -= int64(m.size)
}

// deadLetter moves an unlocked message; there it has no session of its own to
// wait for, never expires, and starts counting anew.
func (s *store) deadLetter(m *message, reason, description string) {
	s.forget(m)
	m.change(map[string]any{reasonProperty: reason, descriptionProperty: description})
	m.source, m.failures, m.expires = s.name, 0, time.Time{}
	m.seq = s.owner.nextSequence()
	s.dead.add(m)
}

// settle frees what is locked for too long and expires what is old.
func (s *store) settle(now time.Time) {
	if !s.nextLock.IsZero() && !now.Before(s.nextLock) {
		s.settleLocks(now)
	}
	if !s.nextExpiry.IsZero() && !now.Before(s.nextExpiry) {
		s.settleExpiry(now)
	}
}

func (s *store) settleLocks(now time.Time) {
	s.nextLock = time.Time{}
	var lost []*Session
	for h := range s.held {
		if now.Before(h.until) {
			s.nextLock = earlier(s.nextLock, h.until)
		} else {
			lost = append(lost, h)
		}
	}
	slices.SortFunc(lost, func(x, y *Session) int { return int(x.number - y.number) })
	for _, h := range lost {
		h.end(true, now)
		h.lost()
	}
	var over []*message
	for _, m := range s.locked {
		switch {
		case m.holder != nil:
		case now.Before(m.until):
			s.nextLock = earlier(s.nextLock, m.until)
		default:
			over = append(over, m)
		}
	}
	s.giveBackAll(over, true, now)
}

func (s *store) giveBackAll(messages []*message, failed bool, now time.Time) {
	slices.SortFunc(messages, bySequence)
	for _, m := range messages {
		s.giveBack(m, failed, now)
	}
}

func (s *store) settleExpiry(now time.Time) {
	s.nextExpiry = time.Time{}
	var over []*message
	for _, m := range s.msgs {
		switch {
		case m.expired(now) && !m.locked:
			over = append(over, m)
		case !m.expired(now):
			s.nextExpiry = earlier(s.nextExpiry, m.expires)
		}
	}
	slices.SortFunc(over, bySequence)
	for _, m := range over {
		m.lane.remove(m)
		s.expire(m)
	}
}

// due is Broker.Due of one store. A session that is held and has no message is of
// no interest.
func (s *store) due() (ready int, next time.Time) {
	for _, l := range s.lanes {
		waiting := len(l.waiting) - l.head
		switch {
		case l.holder == nil:
			ready += waiting
		case waiting+len(l.holder.hand) > 0:
			next = earlier(next, l.holder.until)
		}
	}
	for _, m := range s.locked {
		next = earlier(next, m.lockedUntil())
	}
	return ready, next
}

// inOrder is all that the store holds; a queue also what is scheduled for it.
func (s *store) inOrder() []*message {
	list := make([]*message, 0, len(s.msgs))
	for _, m := range s.msgs {
		list = append(list, m)
	}
	if !s.owner.topic && s.dead != nil {
		list = append(list, s.owner.scheduled...)
	}
	slices.SortFunc(list, bySequence)
	return list
}

func bySequence(x, y *message) int { return int(x.seq - y.seq) }

// earlier is the earlier of two instants, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
