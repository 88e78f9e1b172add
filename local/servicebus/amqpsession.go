package servicebus

import "slices"

// session is an AMQP session (a channel of a connection), not a Service Bus
// session. It is guarded by its connection's mutex.
type session struct {
	c       *conn
	channel uint16
	links   map[uint32]*link // by handle

	nextIn  uint32 // transfer id expected next from the client
	nextOut uint32 // of our next transfer
	window  uint32 // how many more transfers the client takes
	nextID  uint32 // of our next delivery
	pending map[uint32]*sent
}

// sent is a delivery that the client has not settled yet.
type sent struct {
	l     *link
	token Token
}

const (
	incomingWindow = 1 << 30 // a client is never held up by it
	handleMax      = 1023
)

func newSession(c *conn, f frame) *session {
	return &session{
		c: c, channel: f.channel,
		links:   make(map[uint32]*link),
		pending: make(map[uint32]*sent),
		nextIn:  fieldOr(f.fields, 1, uint32(0)),
		window:  fieldOr(f.fields, 2, uint32(0)),
	}
}

func (s *session) handle(f frame) error {
	switch f.code {
	case opAttach:
		return s.attach(f.fields)
	case opFlow:
		s.flow(f.fields)
	case opTransfer:
		return s.transfer(f)
	case opDisposition:
		s.disposition(f.fields)
	case opDetach:
		handle, _ := field[uint32](f.fields, 0)
		if l := s.links[handle]; l != nil {
			l.detached()
		}
	case opEnd:
		s.end(false)
		delete(s.c.sessions, s.channel)
		s.send(opEnd)
	default:
		return malformed("performative %#x", f.code)
	}
	return nil
}

func (s *session) send(code uint64, list ...any) {
	s.c.send(s.channel, code, list...)
}

// attach makes a link, or refuses it as clients expect: an attach without source
// and target, then a detach with the error.
func (s *session) attach(f fields) error {
	name, named := field[string](f, 0)
	handle, ok := field[uint32](f, 1)
	if !named || !ok || handle > handleMax || s.links[handle] != nil {
		return malformed("attach of %q at handle %d", name, handle)
	}
	l := newLink(s, name, handle, f)
	s.links[handle] = l
	if err := l.open(f); err != nil {
		l.refuse(err)
	}
	return nil
}

// flow takes the client's windows, and the credit of a link.
func (s *session) flow(f fields) {
	window := fieldOr(f, 1, uint32(0))
	if next, ok := field[uint32](f, 0); ok {
		window += next - s.nextOut
	}
	s.window = window
	handle, ok := field[uint32](f, 4)
	if !ok {
		if fieldOr(f, 9, false) {
			s.sendFlow()
		}
		for _, l := range s.links {
			l.attend()
		}
		return
	}
	if l := s.links[handle]; l != nil {
		l.flow(f)
	}
}

func (s *session) sendFlow(link ...any) {
	s.send(opFlow, append([]any{s.nextIn, uint32(incomingWindow), s.nextOut, uint32(incomingWindow)}, link...)...)
}

func (s *session) transfer(f frame) error {
	handle, _ := field[uint32](f.fields, 0)
	l := s.links[handle]
	if l == nil || !l.incoming {
		return malformed("a transfer at handle %d", handle)
	}
	s.nextIn++
	return l.transfer(f)
}

// disposition settles deliveries of ours. What the client has not settled itself
// is answered one by one, because each may have another outcome.
func (s *session) disposition(f fields) {
	if receiver, _ := field[bool](f, 0); !receiver {
		return
	}
	first, _ := field[uint32](f, 1)
	last := fieldOr(f, 2, first)
	settled := fieldOr(f, 3, false)
	for _, id := range s.between(first, last) {
		d := s.pending[id]
		delete(s.pending, id)
		state, _ := f.at(4).(described)
		err := d.l.settle(d.token, state)
		if settled {
			continue
		}
		answer := composite(state.code)
		if err != nil {
			answer = composite(stateRejected, wireError(asError(err)))
		}
		s.send(opDisposition, false, id, nil, true, answer)
	}
}

// between lists the unsettled deliveries of a range that the client names.
func (s *session) between(first, last uint32) []uint32 {
	var ids []uint32
	if span := last - first; span <= uint32(len(s.pending)) {
		for id := first; id-first <= span; id++ {
			if s.pending[id] != nil {
				ids = append(ids, id)
			}
			if id == last {
				break
			}
		}
		return ids
	}
	for id := range s.pending {
		if id-first <= last-first {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y uint32) int { return int(int64(x-first) - int64(y-first)) })
	return ids
}

// end gives back what the session's links hold.
func (s *session) end(failed bool) {
	for handle, l := range s.links {
		delete(s.links, handle)
		l.end(failed)
	}
}
