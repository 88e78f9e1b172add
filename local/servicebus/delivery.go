package servicebus

import "time"

// Delivery is a message that was received and is locked. It is settled once;
// afterwards, or when the lock has run out, every method answers an *Error with
// condition MessageLockLost.
type Delivery struct {
	Received
	s     *store
	token Token
}

func (s *store) delivery(m *message) (*Delivery, bool) {
	if m == nil {
		return nil, false
	}
	return &Delivery{Received: m.received(), s: s, token: m.token}, true
}

// Receive takes the next visible message of an entity without sessions: a
// queue, a subscription, or any dead-letter queue. It reports false when there
// is none, or the broker is down. It panics when the path is unknown or needs
// sessions.
func (b *Broker) Receive(path string) (*Delivery, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.mustStore(path)
	if s.Sessions {
		panic("servicebus: " + path + " needs sessions")
	}
	if b.down.Load() {
		return nil, false
	}
	now := b.Now()
	s.owner.settle(now)
	return s.delivery(s.take(s.laneOf(""), nil, nil, now))
}

// Complete removes the message.
func (d *Delivery) Complete() error {
	return d.settle(func(m *message, _ time.Time) error {
		d.s.complete(m)
		return nil
	})
}

// Abandon gives the message back at once, counted as failed. The properties, if
// any, are set on it.
func (d *Delivery) Abandon(properties map[string]any) error {
	return d.settle(func(m *message, now time.Time) error {
		m.change(properties)
		d.s.giveBack(m, true, now)
		return nil
	})
}

// Release gives the message back at once, not counted.
func (d *Delivery) Release() error {
	return d.settle(func(m *message, now time.Time) error {
		d.s.giveBack(m, false, now)
		return nil
	})
}

// DeadLetter moves the message to the dead-letter queue. In one it is refused
// with NotAllowed.
func (d *Delivery) DeadLetter(reason, description string) error {
	return d.settle(func(m *message, _ time.Time) error {
		return d.s.deadLetterLocked(m, reason, description, nil)
	})
}

// Renew starts the lock of a message without session anew. A session's is
// renewed through the session; here it is refused with NotAllowed.
func (d *Delivery) Renew() error {
	return d.settle(func(m *message, now time.Time) error {
		until, err := d.s.renew(m, now)
		d.LockedUntil = until
		return err
	})
}

func (d *Delivery) settle(do func(m *message, now time.Time) error) error {
	b := d.s.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down.Load() {
		return errDown
	}
	now := b.Now()
	d.s.owner.settle(now)
	m, err := d.s.find(d.token)
	if err != nil {
		return err
	}
	return do(m, now)
}

func (s *store) deadLetterLocked(m *message, reason, description string, properties map[string]any) error {
	if s.dead == nil {
		return refuse(NotAllowed, "a message of a dead-letter queue cannot be dead-lettered")
	}
	s.release(m)
	m.change(properties)
	s.deadLetter(m, reason, description)
	return nil
}

func (s *store) renew(m *message, now time.Time) (time.Time, error) {
	if m.holder != nil {
		return time.Time{}, refuse(NotAllowed, "the lock of a message of a session is renewed through the session")
	}
	m.until = now.Add(s.Lock)
	return m.until, nil
}

// leave ends a plain receiver whose link is gone.
func (s *store) leave(t *taker, failed bool, now time.Time) {
	delete(s.takers, t)
	if !s.b.opts.FreeOnLinkLoss {
		for m := range t.hand {
			m.taker = nil
		}
		return
	}
	hand := make([]*message, 0, len(t.hand))
	for m := range t.hand {
		hand = append(hand, m)
	}
	s.giveBackAll(hand, failed, now)
}
