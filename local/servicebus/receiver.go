package servicebus

import (
	"strings"
	"time"
)

// What a client receives on: links to a store, and to the answers of a node.

const (
	sessionFilter     = "com.microsoft:session-filter"
	sessionFilterCode = 0x137000000C
	timeoutProperty   = "com.microsoft:timeout"
	lockedUntil       = "com.microsoft:locked-until-utc"

	// acceptTimeout is how long an accept waits whose client names no time;
	// headStart is by how much we answer before the client gives up.
	acceptTimeout = time.Minute
	headStart     = 50 * time.Millisecond
)

// waiting is an attach that is held back until a session is free.
type waiting struct {
	w     *wait
	b     *Broker
	timer *time.Timer
	over  bool // the time is up
}

func (w *waiting) stop() {
	w.timer.Stop()
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	w.w.cancel(w.b.Now())
}

// openStore attaches a receiver to a queue, subscription or dead-letter queue.
func (l *link) openStore(path string, f fields) error {
	b := l.s.c.b
	l.store = b.stores[strings.ToLower(path)]
	if l.store == nil {
		return refuse(NotFound, "the messaging entity could not be found")
	}
	source, _ := f.list(5, typeSource)
	filters, _ := field[dict](source, 7)
	filter, asked := filters.get(sessionFilter).(described)
	switch {
	case asked && !l.store.Sessions:
		return refuse(NotAllowed, "a session was asked of an entity without sessions")
	case !asked && l.store.Sessions:
		return refuse(NotAllowed, "it is not possible for an entity that requires sessions to create a non-sessionful message receiver")
	case !asked:
		l.takePlain()
		l.attached(nil, nil)
		return nil
	}
	if id, named := filter.value.(string); named {
		return l.openSession(id)
	}
	properties, _ := field[dict](f, 13)
	l.openNext(properties)
	return nil
}

func (l *link) takePlain() {
	b := l.s.c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	l.taker = &taker{wake: func() { l.s.c.rouse(l) }, hand: make(map[*message]struct{})}
	l.store.takers[l.taker] = struct{}{}
}

func (l *link) openSession(id string) error {
	b := l.s.c.b
	b.mu.Lock()
	h, err := l.store.acceptByID(id, b.Now())
	if err == nil {
		l.hold(h)
	}
	b.mu.Unlock()
	if err == nil {
		l.granted()
	}
	return err
}

// openNext takes the next session, or holds the answer back until there is one
// or the client's time is nearly up.
func (l *link) openNext(properties dict) {
	limit := acceptTimeout
	if ms, ok := properties.get(timeoutProperty).(uint32); ok {
		limit = max(time.Duration(ms)*time.Millisecond-headStart, time.Millisecond)
	}
	b := l.s.c.b
	b.mu.Lock()
	h, w := l.store.acceptOrWait(func(h *Session) {
		l.hold(h)
		l.s.c.rouse(l)
	}, b.Now())
	if h != nil {
		l.hold(h)
	}
	b.mu.Unlock()
	if h != nil {
		l.granted()
		return
	}
	wait := &waiting{w: w, b: b}
	l.waiting = wait
	wait.timer = time.AfterFunc(limit, func() { l.timeUp(wait) })
}

func (l *link) timeUp(w *waiting) {
	c := l.s.c
	c.mu.Lock()
	w.over = true
	c.mu.Unlock()
	c.rouse(l)
}

// hold ties a session to the link. The broker's mutex is held.
func (l *link) hold(h *Session) {
	l.holder = h
	h.wake = func() { l.s.c.rouse(l) }
	h.lost = func() { l.lost = true; l.s.c.rouse(l) }
}

// granted answers the attach with the session's id and lock.
func (l *link) granted() {
	id := described{code: sessionFilterCode, value: l.holder.lane.id}
	b := l.s.c.b
	b.mu.Lock()
	until := l.holder.until
	b.mu.Unlock()
	l.attached(
		dict{{symbol(sessionFilter), id}},
		dict{{symbol(lockedUntil), ticks(until)}},
	)
}

// ticks are the 100 ns since year 1 by which .NET tells time.
func ticks(t time.Time) int64 {
	const epoch = 621355968000000000
	return epoch + t.UnixNano()/100
}

// flow takes the client's credit, and delivers.
func (l *link) flow(f fields) {
	if l.incoming || l.closing {
		return
	}
	credit := fieldOr(f, 6, uint32(0))
	if count, ok := field[uint32](f, 5); ok {
		credit += count - l.count
	}
	if int32(credit) < 0 {
		credit = 0
	}
	l.credit = credit
	l.attend()
	if fieldOr(f, 8, false) { // drain
		l.count += l.credit
		l.credit = 0
		l.s.sendFlow(l.handle, l.count, uint32(0), nil, true)
	}
}

// attend does whatever has become possible: it answers a held attach, tells of
// a lost session, delivers.
func (l *link) attend() {
	if l.closing || l.incoming || l.s.links[l.handle] != l {
		return
	}
	if l.waiting != nil && !l.answerWait() {
		return
	}
	if l.isLost() {
		l.detach(refuse(SessionLockLost, "the session lock has expired"))
		return
	}
	for l.credit > 0 && l.s.window > 0 && l.deliverOne() {
	}
}

// answerWait tells whether the attach is answered now, with a session.
func (l *link) answerWait() bool {
	b := l.s.c.b
	b.mu.Lock()
	granted := l.waiting.w.session != nil
	if !granted && l.waiting.over {
		l.waiting.w.cancel(b.Now())
	}
	b.mu.Unlock()
	switch {
	case granted:
		l.waiting.timer.Stop()
		l.waiting = nil
		l.granted()
	case l.waiting.over:
		l.waiting = nil
		l.refuse(refuse(Timeout, "the operation did not complete within the allotted time: no session is free"))
	}
	return granted
}

func (l *link) isLost() bool {
	b := l.s.c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	return l.lost
}

// deliverOne sends one message or answer, if there is one.
func (l *link) deliverOne() bool {
	if l.store == nil {
		if len(l.answers) == 0 {
			return false
		}
		payload := l.answers[0]
		l.answers = l.answers[1:]
		l.ship(payload, []byte{1}, true)
		return true
	}
	m, payload, err := l.next()
	if m == nil {
		return false
	}
	if err != nil {
		l.detach(err)
		return false
	}
	if !l.deletes {
		l.s.pending[l.s.nextID] = &sent{l: l, token: *m}
	}
	l.ship(payload, tag(*m), l.deletes)
	return true
}

// next locks a message, or with receive-and-delete removes it.
func (l *link) next() (*Token, []byte, error) {
	b := l.s.c.b
	b.mu.Lock()
	now := b.Now()
	l.store.owner.settle(now)
	var m *message
	switch {
	case l.taker != nil:
		m = l.store.take(l.store.laneOf(""), nil, l.taker, now)
	case l.holder != nil && !l.holder.ended:
		m = l.store.take(l.holder.lane, l.holder, nil, now)
	}
	if m == nil {
		b.mu.Unlock()
		return nil, nil, nil
	}
	token, out := m.token, m.outgoing()
	if l.deletes {
		l.store.complete(m)
	}
	b.mu.Unlock()
	payload, err := out.MarshalBinary()
	return &token, payload, err
}

// tag is the delivery tag that carries a lock token: a .NET Guid's bytes, the
// first three fields of which are little-endian.
func tag(t Token) []byte {
	return []byte{t[3], t[2], t[1], t[0], t[5], t[4], t[7], t[6], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15]}
}

// ship sends a payload in as many frames as it takes. The client's window is
// looked at per delivery, not per frame: it is never short by more than one.
func (l *link) ship(payload, tag []byte, settled bool) {
	const room = maxFrame - 128
	s := l.s
	head := []any{l.handle, s.nextID, tag, uint32(0), settled, len(payload) > room}
	for {
		part := payload[:min(len(payload), room)]
		payload = payload[len(part):]
		s.c.out = appendFrame(s.c.out, frameAMQP, s.channel, opTransfer, head, part)
		s.nextOut++
		if s.window > 0 {
			s.window--
		}
		if len(payload) == 0 {
			break
		}
		head = []any{l.handle, nil, nil, nil, nil, len(payload) > room}
	}
	s.nextID++
	l.count++
	l.credit--
}

// settle does what the client's state says with a delivery of ours.
func (l *link) settle(t Token, state described) error {
	b := l.s.c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	l.store.owner.settle(now)
	m, err := l.store.find(t)
	if err != nil {
		return err
	}
	list, _ := state.value.([]any)
	f := fields(list)
	switch state.code {
	case stateAccepted:
		l.store.complete(m)
	case stateReleased:
		l.store.giveBack(m, false, now)
	case stateRejected:
		return l.store.reject(m, f)
	case stateModified:
		if fieldOr(f, 1, false) {
			return refuse(NotImplemented, "deferring is not built")
		}
		changes, _ := field[dict](f, 2)
		m.change(changes.properties())
		l.store.giveBack(m, true, now)
	default:
		return refuse(NotImplemented, "an outcome that is not built")
	}
	return nil
}

// reject is dead-lettering; reason, description and further properties are in
// the error's info.
func (s *store) reject(m *message, f fields) error {
	e, _ := f.list(0, typeError)
	info, _ := field[dict](e, 2)
	properties := info.properties()
	reason, _ := properties[reasonProperty].(string)
	description, _ := properties[descriptionProperty].(string)
	return s.deadLetterLocked(m, reason, description, properties)
}

// properties are those of a map of the wire that a message can have.
func (d dict) properties() map[string]any {
	if len(d) == 0 {
		return nil
	}
	out := make(map[string]any, len(d))
	for _, p := range d {
		name, ok := p.key.(string)
		if s, is := p.key.(symbol); is {
			name, ok = string(s), true
		}
		if !ok {
			continue
		}
		switch v := p.value.(type) {
		case []any, dict, described:
		case symbol:
			out[name] = string(v)
		default:
			out[name] = v
		}
	}
	return out
}
