package servicebus

import (
	"container/heap"
	"slices"
	"time"
)

// entity is what is sent to: a queue with one store, or a topic with one per
// subscription. It accepts, remembers ids, holds back what is scheduled, and
// copies to its stores. All of it is guarded by the broker's mutex.
type entity struct {
	name  string
	topic bool
	Properties
	needSession bool
	main        []*store // where a message is put
	stores      []*store // those and their dead-letter queues
	refusal     *Error

	used      int64
	sequence  int64
	seen      map[string]time.Time // message id to when it was accepted
	history   []string             // ids of seen, oldest first
	scheduled schedule
}

func (e *entity) nextSequence() int64 {
	e.sequence++
	return e.sequence
}

// accept takes all of a batch or nothing, and returns the sequence numbers.
// A duplicate is accepted and dropped; its number is 0.
func (e *entity) accept(batch []*incoming, now time.Time) ([]int64, error) {
	e.settle(now)
	if e.refusal != nil {
		return nil, e.refusal
	}
	var bytes int64
	for _, m := range batch {
		if err := e.check(m); err != nil {
			return nil, err
		}
		bytes += int64(m.size)
	}
	if e.used+bytes > e.MaxBytes {
		return nil, refuse(Full, "the quota of the entity "+e.name+" has been reached")
	}
	numbers := make([]int64, len(batch))
	for i, m := range batch {
		if !e.duplicate(m.ID, now) {
			numbers[i] = e.put(m, now)
		}
	}
	return numbers, nil
}

// check holds the limits of a single message.
func (e *entity) check(m *incoming) error {
	switch {
	case m.size > maxMessage:
		return refuse(TooLarge, "the message is larger than the maximum of 262144 bytes")
	case len(m.ID) > maxID:
		return refuse(NotAllowed, "the MessageId is longer than 128 characters")
	case len(m.SessionID) > maxID:
		return refuse(NotAllowed, "the SessionId is longer than 128 characters")
	case e.needSession && m.SessionID == "":
		return refuse(NotAllowed, "the SessionId was not set on a message, and the entity "+e.name+" requires sessions")
	}
	total := 0
	for name, value := range m.Properties {
		n := len(name)
		switch v := value.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
		if total += n; n > maxProperty || total > maxAllProperties {
			return refuse(NotAllowed, "a property is larger than 32 KB, or all of them together than 64 KB")
		}
	}
	return nil
}

// duplicate tells whether the id was accepted within the window, and else
// remembers it.
func (e *entity) duplicate(id string, now time.Time) bool {
	if e.DuplicateWindow == 0 || id == "" {
		return false
	}
	for len(e.history) > 0 && !now.Before(e.seen[e.history[0]].Add(e.DuplicateWindow)) {
		delete(e.seen, e.history[0])
		e.history = e.history[1:]
	}
	if _, known := e.seen[id]; known {
		return true
	}
	e.seen[id] = now
	e.history = append(e.history, id)
	return false
}

// put schedules a message or shows it.
func (e *entity) put(in *incoming, now time.Time) int64 {
	n := e.nextSequence()
	if in.ScheduledFor.After(now) {
		heap.Push(&e.scheduled, &message{incoming: *in, owner: e, seq: n, accepted: n, enqueued: now})
		e.used += int64(in.size)
		return n
	}
	e.show(in, n, n, now)
	return n
}

// show copies a message to every store that wants it. The first copy takes the
// number n, the others new ones.
func (e *entity) show(in *incoming, n, accepted int64, now time.Time) {
	copies := 0
	for _, s := range e.main {
		if !s.wants(in) {
			continue
		}
		if copies++; copies > 1 {
			n = e.nextSequence()
		}
		m := &message{incoming: *in, owner: e, seq: n, accepted: accepted, enqueued: now}
		e.used += int64(in.size)
		if ttl := s.lifetime(in.ttl); ttl > 0 {
			m.expires = now.Add(ttl)
		}
		s.add(m)
	}
}

// settle shows what is due and lets every store do what its time has brought.
func (e *entity) settle(now time.Time) {
	for len(e.scheduled) > 0 && !now.Before(e.scheduled[0].ScheduledFor) {
		m := heap.Pop(&e.scheduled).(*message)
		e.used -= int64(m.size)
		e.show(&m.incoming, e.nextSequence(), m.accepted, m.ScheduledFor)
	}
	for _, s := range e.stores {
		s.settle(now)
	}
}

// cancel removes scheduled messages: all of them, or none and messageNotFound.
func (e *entity) cancel(numbers []int64, now time.Time) error {
	e.settle(now)
	var found []*message
	for _, n := range numbers {
		m := e.scheduled.find(n)
		if m == nil {
			return refuse(messageNotFound, "a scheduled message was not found, or has been shown")
		}
		found = append(found, m)
	}
	for _, m := range found {
		if e.scheduled.remove(m) {
			e.used -= int64(m.size)
		}
	}
	return nil
}

// schedule is a heap of messages by due time and, within it, by acceptance.
type schedule []*message

func (h schedule) Len() int { return len(h) }
func (h schedule) Less(i, j int) bool {
	if !h[i].ScheduledFor.Equal(h[j].ScheduledFor) {
		return h[i].ScheduledFor.Before(h[j].ScheduledFor)
	}
	return h[i].seq < h[j].seq
}
func (h schedule) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *schedule) Push(x any)   { *h = append(*h, x.(*message)) }
func (h *schedule) Pop() any {
	last := len(*h) - 1
	m := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return m
}

func (h schedule) inOrder() []*message {
	list := slices.Clone(h)
	slices.SortFunc(list, bySequence)
	return list
}

func (h schedule) find(n int64) *message {
	for _, m := range h {
		if m.seq == n {
			return m
		}
	}
	return nil
}

func (h *schedule) remove(m *message) bool {
	for i, x := range *h {
		if x == m {
			heap.Remove(h, i)
			return true
		}
	}
	return false
}
