package servicebus

import "slices"

// lane is the line of available messages of one session, or of a plain store,
// in the order of their sequence numbers.
type lane struct {
	id      string
	waiting []*message // from head on; ones that left the store are skipped
	head    int
	holder  *Session
	queued  bool // in the store's list of ready sessions
}

// insert puts a message in its place: nearly always the end, or, given back,
// the beginning.
func (l *lane) insert(m *message) {
	line := l.waiting[l.head:]
	if len(line) == 0 || line[len(line)-1].seq < m.seq {
		l.waiting = append(l.waiting, m)
		return
	}
	i, _ := slices.BinarySearchFunc(line, m.seq, func(x *message, seq int64) int { return int(x.seq - seq) })
	if i == 0 && l.head > 0 {
		l.head--
		l.waiting[l.head] = m
		return
	}
	l.waiting = slices.Insert(l.waiting, l.head+i, m)
}

// first is the next message to take, or nil.
func (l *lane) first(s *store) *message {
	for l.head < len(l.waiting) {
		if m := l.waiting[l.head]; m.home == s {
			return m
		}
		l.drop()
	}
	return nil
}

func (l *lane) pop(s *store) *message {
	m := l.first(s)
	if m != nil {
		l.drop()
	}
	return m
}

// drop advances the head, and reclaims the space before it now and then.
func (l *lane) drop() {
	l.waiting[l.head] = nil
	l.head++
	if l.head == len(l.waiting) {
		l.waiting, l.head = l.waiting[:0], 0
	} else if l.head > 64 && l.head > len(l.waiting)/2 {
		l.waiting = slices.Delete(l.waiting, 0, l.head)
		l.head = 0
	}
}
