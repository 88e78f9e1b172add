package servicebus

import (
	"errors"
	"strings"
	"sync/atomic"
)

// link is one end of an AMQP link: incoming where the client sends, to an
// entity or to a node that answers requests ($cbs, $management); outgoing where
// it receives, messages of a store or answers. It is guarded by its connection's
// mutex, but for roused.
type link struct {
	s        *session
	name     string
	handle   uint32
	incoming bool
	client   [2]any // settle modes, echoed
	address  string // as the client wrote it
	reply    string // the client's own address, by which answers find the link
	closing  bool   // we sent a detach, the client has not answered
	roused   atomic.Bool

	credit uint32
	count  uint32 // deliveries so far

	// Incoming.
	entity *entity
	node   node
	limit  int // bytes of one message
	part   []byte
	first  frame // fields of the first transfer of a message of several

	// Outgoing.
	store   *store
	deletes bool // receive and delete
	taker   *taker
	holder  *Session
	waiting *waiting
	lost    bool
	answers [][]byte
}

// node answers requests.
type node func(l *link, request []byte) ([]byte, string, error)

const (
	linkCredit = 1000
	// requestLimit leaves room around a message that is scheduled by request.
	requestLimit = 4 * maxMessage
)

func newLink(s *session, name string, handle uint32, f fields) *link {
	receiver, _ := field[bool](f, 2)
	l := &link{s: s, name: name, handle: handle, incoming: !receiver, client: [2]any{f.at(3), f.at(4)}}
	source, _ := f.list(5, typeSource)
	target, _ := f.list(6, typeTarget)
	sourceAddress, _ := field[string](source, 0)
	targetAddress, _ := field[string](target, 0)
	if l.incoming {
		l.address, l.reply = targetAddress, sourceAddress
	} else {
		l.address, l.reply = sourceAddress, targetAddress
	}
	mode, _ := field[uint8](f, 3)
	l.deletes = !l.incoming && mode == 1
	return l
}

// open finds what the link is to. A link that waits for a session is answered
// later.
func (l *link) open(f fields) error {
	path := strings.TrimPrefix(l.address, "/")
	base, management := strings.CutSuffix(strings.ToLower(path), "/$management")
	switch {
	case path == "$cbs":
		l.node = putToken
	case management:
		if err := l.openManagement(base); err != nil {
			return err
		}
	case l.incoming:
		e, err := l.s.c.b.entity(path)
		if err != nil {
			return err
		}
		l.entity, l.limit = e, maxMessage
	default:
		return l.openStore(path, f)
	}
	if l.node != nil {
		l.limit = requestLimit
	}
	l.attached(nil, nil)
	return nil
}

// attached answers the client's attach, and grants credit where it sends.
func (l *link) attached(filter, properties any) {
	source := composite(typeSource, l.address, nil, nil, nil, nil, nil, nil, filter)
	target := composite(typeTarget, l.reply)
	if l.incoming {
		source, target = composite(typeSource, l.reply), composite(typeTarget, l.address)
		var size any
		if l.entity != nil {
			size = uint64(l.limit)
		}
		l.s.send(opAttach, l.name, l.handle, true, l.client[0], l.client[1], source, target, nil, nil, nil, size)
		l.grant()
		return
	}
	l.s.send(opAttach, l.name, l.handle, false, l.client[0], l.client[1], source, target, nil, nil, uint32(0), nil, nil, nil, properties)
}

// refuse answers an attach with an error.
func (l *link) refuse(err error) {
	if l.incoming {
		l.s.send(opAttach, l.name, l.handle, true, l.client[0], l.client[1])
	} else {
		l.s.send(opAttach, l.name, l.handle, false, l.client[0], l.client[1], nil, nil, nil, nil, uint32(0))
	}
	l.detach(err)
}

// detach ends a link from our side; what it held is given back.
func (l *link) detach(err error) {
	l.end(false)
	l.closing = true
	l.s.send(opDetach, l.handle, true, wireError(asError(err)))
}

// detached is the client's detach: an answer to ours, or its own.
func (l *link) detached() {
	delete(l.s.links, l.handle)
	if l.closing {
		return
	}
	if l.waiting != nil { // it never got an answer to its attach
		l.s.send(opAttach, l.name, l.handle, false, l.client[0], l.client[1], nil, nil, nil, nil, uint32(0))
	}
	l.end(false)
	l.s.send(opDetach, l.handle, true)
}

// end gives back what the link holds.
func (l *link) end(failed bool) {
	b := l.s.c.b
	if l.waiting != nil {
		l.waiting.stop()
		l.waiting = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.holder != nil {
		l.holder.end(failed, b.Now())
	}
	if l.taker != nil {
		l.store.leave(l.taker, failed, b.Now())
		l.taker = nil
	}
}

// grant gives the client credit to send when half of it is used.
func (l *link) grant() {
	if l.credit > linkCredit/2 {
		return
	}
	l.credit = linkCredit
	l.s.sendFlow(l.handle, l.count, l.credit)
}

// transfer takes a message or a part of one. Errors are those of a client that
// breaks the protocol; a message we do not want is rejected.
func (l *link) transfer(f frame) error {
	if l.closing {
		return nil
	}
	if l.part == nil {
		l.first = f
		l.part = make([]byte, 0, len(f.payload))
	}
	if len(l.part)+len(f.payload) > l.limit+maxFrame {
		l.part = nil
		l.detach(refuse(TooLarge, "the message is larger than the link takes"))
		return nil
	}
	l.part = append(l.part, f.payload...)
	if fieldOr(f.fields, 9, false) { // aborted
		l.part = nil
		return nil
	}
	if fieldOr(f.fields, 5, false) { // more
		return nil
	}
	payload := l.part
	l.part = nil
	if l.credit == 0 {
		return malformed("a transfer without credit")
	}
	l.credit--
	l.count++
	err := l.take(payload, fieldOr(l.first.fields, 3, uint32(0)))
	if settled := fieldOr(l.first.fields, 4, false) || fieldOr(f.fields, 4, false); !settled {
		id, _ := field[uint32](l.first.fields, 1)
		l.s.send(opDisposition, true, id, nil, true, outcome(err))
	}
	l.grant()
	return nil
}

func outcome(err error) described {
	if err == nil {
		return composite(stateAccepted)
	}
	return composite(stateRejected, wireError(asError(err)))
}

// take hands a whole message to the entity or node.
func (l *link) take(payload []byte, format uint32) error {
	if l.node != nil {
		answer, to, err := l.node(l, payload)
		if err == nil {
			l.s.c.answerTo(to, answer)
		}
		return err
	}
	if len(payload) > l.limit {
		return refuse(TooLarge, "the message is larger than the maximum of 262144 bytes")
	}
	batch, err := decode(payload, format)
	if err != nil {
		return refuse(DecodeError, "the message could not be read")
	}
	b := l.s.c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err = l.entity.accept(batch, b.Now())
	return err
}

// entity finds a queue or topic.
func (b *Broker) entity(name string) (*entity, error) {
	if e := b.senders[strings.ToLower(name)]; e != nil {
		return e, nil
	}
	return nil, refuse(NotFound, "the messaging entity could not be found")
}

// asError is the error that a client is shown.
func asError(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	}
	return refuse("amqp:internal-error", err.Error())
}
