package servicebus

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// conn is one AMQP connection. One goroutine reads and answers, a second one
// delivers what becomes available meanwhile; mu lets in one of them at a time.
// The broker's mutex is taken inside mu, never the other way round: the broker
// wakes a link by putting it on the list below, which has a lock of its own.
type conn struct {
	server *Server
	b      *Broker
	net    net.Conn
	r      *bufio.Reader
	done   chan struct{}
	wake   chan struct{}

	listMu sync.Mutex
	list   []*link // woken

	mu       sync.Mutex
	out      []byte // written by flush
	opened   bool
	sessions map[uint16]*session
}

const (
	channelMax    = 4999
	writeDeadline = 10 * time.Second
	handshakeTime = 10 * time.Second
)

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{
		server: s, b: s.b, net: nc,
		r:        bufio.NewReaderSize(nc, 128<<10),
		done:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
		sessions: make(map[uint16]*session),
	}
}

// errGoodbye ends a connection that the client closed.
var errGoodbye = errors.New("closed by the client")

func (c *conn) serve() {
	defer c.server.group.Done()
	defer c.end()
	if c.handshake() != nil {
		return
	}
	var buf []byte
	for {
		f, err := readFrame(c.r, &buf)
		if err == nil {
			err = c.answer(f)
		}
		if errors.Is(err, errCodec) {
			c.fail(refuse(framingError, err.Error()))
		}
		if err != nil {
			return
		}
	}
}

var (
	headerSASL = []byte("AMQP\x03\x01\x00\x00")
	headerAMQP = []byte("AMQP\x00\x01\x00\x00")
)

// handshake answers the protocol headers, with SASL ANONYMOUS where the client
// asks for SASL.
func (c *conn) handshake() error {
	c.net.SetDeadline(time.Now().Add(handshakeTime))
	defer c.net.SetDeadline(time.Time{})
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return err
	}
	if bytes.Equal(head[:], headerSASL) {
		if err := c.sasl(); err != nil {
			return err
		}
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			return err
		}
	}
	if _, err := c.net.Write(headerAMQP); err != nil {
		return err
	}
	if !bytes.Equal(head[:], headerAMQP) {
		return malformed("protocol header")
	}
	return nil
}

func (c *conn) sasl() error {
	hello := append([]byte{}, headerSASL...)
	hello = appendFrame(hello, frameSASL, 0, opMechanisms, []any{symbol("ANONYMOUS")}, nil)
	if _, err := c.net.Write(hello); err != nil {
		return err
	}
	var buf []byte
	f, err := readFrame(c.r, &buf)
	if err != nil {
		return err
	}
	outcome := uint8(0)
	if m, _ := field[symbol](f.fields, 0); f.kind != frameSASL || f.code != opInit || m != "ANONYMOUS" {
		outcome = 1
	}
	if _, err := c.net.Write(appendFrame(nil, frameSASL, 0, opOutcome, []any{outcome}, nil)); err != nil {
		return err
	}
	if outcome != 0 {
		return malformed("SASL mechanism")
	}
	return nil
}

// answer handles a frame, and writes once nothing more has been received.
func (c *conn) answer(f frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.handle(f)
	if err != nil || c.r.Buffered() == 0 || len(c.out) > 256<<10 {
		return errors.Join(err, c.flush())
	}
	return nil
}

func (c *conn) handle(f frame) error {
	switch {
	case f.code == 0:
		return nil // keep-alive
	case f.code == opOpen:
		c.opened = true
		c.send(0, opOpen, "local-servicebus", nil, uint32(maxFrame), uint16(channelMax))
		return nil
	case !c.opened:
		return malformed("a frame before open")
	case f.code == opClose:
		c.send(0, opClose)
		return errGoodbye
	case f.code == opBegin:
		return c.begin(f)
	}
	s := c.sessions[f.channel]
	if s == nil {
		return malformed("a frame on channel %d, which has no session", f.channel)
	}
	return s.handle(f)
}

func (c *conn) begin(f frame) error {
	if c.sessions[f.channel] != nil || f.channel > channelMax {
		return malformed("begin on channel %d", f.channel)
	}
	s := newSession(c, f)
	c.sessions[f.channel] = s
	// The channel is ours too, as are the client's handles: numbers need not differ.
	c.send(f.channel, opBegin, f.channel, s.nextOut, uint32(incomingWindow), uint32(incomingWindow), uint32(handleMax))
	return nil
}

// send queues a frame.
func (c *conn) send(channel uint16, code uint64, list ...any) {
	c.out = appendFrame(c.out, frameAMQP, channel, code, list, nil)
}

// flush writes what is queued. A connection that cannot be written to is cut.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	c.net.SetWriteDeadline(time.Now().Add(writeDeadline))
	_, err := c.net.Write(c.out)
	if err != nil {
		c.net.Close()
	}
	c.out = c.out[:0]
	if cap(c.out) > 4<<20 {
		c.out = nil
	}
	return err
}

// fail tells the client why, and cuts.
func (c *conn) fail(e *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send(0, opClose, wireError(e))
	_ = c.flush()
}

// sayAlive writes a keep-alive, unless the connection is at work anyway.
func (c *conn) sayAlive() {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if c.opened {
		c.out = appendKeepAlive(c.out)
		_ = c.flush()
	}
}

// rouse has a link delivered to. It may be called with any lock held but listMu.
func (c *conn) rouse(l *link) {
	if l.roused.Swap(true) {
		return
	}
	c.listMu.Lock()
	c.list = append(c.list, l)
	c.listMu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *conn) deliver() {
	defer c.server.group.Done()
	for {
		select {
		case <-c.done:
			return
		case <-c.wake:
		}
		c.listMu.Lock()
		list := c.list
		c.list = nil
		c.listMu.Unlock()
		c.serveAll(list)
	}
}

func (c *conn) serveAll(list []*link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range list {
		l.roused.Store(false)
		l.attend()
	}
	_ = c.flush()
}

// end gives back everything the connection held.
func (c *conn) end() {
	c.net.Close()
	close(c.done)
	c.mu.Lock()
	for _, s := range c.sessions {
		s.end(c.b.opts.CountOnLinkLoss)
	}
	c.sessions = nil
	c.mu.Unlock()
	c.server.forget(c)
}
