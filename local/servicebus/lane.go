package servicebus

import "slices"

// lane is the line of available messages of one session, or of a plain store,
// in the order of their sequence numbers.
type lane struct {
	id      string
	waiting []*message // from head on
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
	i, _ := l.find(m.seq)
	if i == 0 && l.head > 0 {
		l.head--
		l.waiting[l.head] = m
		return
	}
	l.waiting = slices.Insert(l.waiting, l.head+i, m)
}

// first is the next message to take, or nil.
func (l *lane) first() *message {
	if l.head == len(l.waiting) {
		return nil
	}
	return l.waiting[l.head]
}

func (l *lane) pop() *message {
	m := l.first()
	if m != nil {
		l.drop()
	}
	return m
}

// remove takes a message out of the line that is in it.
func (l *lane) remove(m *message) {
	i, found := l.find(m.seq)
	if !found {
		return
	}
	l.waiting = slices.Delete(l.waiting, l.head+i, l.head+i+1)
}

func (l *lane) find(seq int64) (int, bool) {
	return slices.BinarySearchFunc(l.waiting[l.head:], seq, func(x *message, seq int64) int { return int(x.seq - seq) })
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
