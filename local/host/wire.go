package host

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// wire holds the connections to one handler port. Requests are written as bytes,
// because Go's client would choose the order of the headers itself.
type wire struct {
	addr string

	mu   sync.Mutex
	idle []*wireConn
	all  map[*wireConn]struct{}
}

// reply is a whole response of the handler.
type reply struct {
	status int
	header http.Header
	body   []byte
	// length is the declared Content-Length, -1 for none.
	length int64
}

// idleFor is how long an unused connection is trusted.
const idleFor = 20 * time.Second

func newWire(port int) *wire {
	return &wire{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), all: map[*wireConn]struct{}{}}
}

// do sends one request and reads its reply. Errors mean that the handler is not
// there, broke the connection, or that ctx ended, which closes the connection.
func (w *wire) do(ctx context.Context, method string, request []byte) (*reply, error) {
	answers := make(chan answer, 1)
	c, err := w.conn(ctx)
	for err == nil && !c.expect(method, answers) {
		c, err = w.conn(ctx) // that one was closed meanwhile, and nothing was sent on it
	}
	if err != nil {
		return nil, err
	}
	if _, err := c.c.Write(request); err != nil {
		// The handler may have replied before it closed: the reader knows.
		time.AfterFunc(time.Second, c.close)
	}
	select {
	case a := <-answers:
		if a.again {
			w.put(c)
		}
		return a.reply, a.err
	case <-ctx.Done():
		c.close()
		return nil, context.Cause(ctx)
	}
}

// conn takes an idle connection or opens one.
func (w *wire) conn(ctx context.Context) (*wireConn, error) {
	w.mu.Lock()
	for len(w.idle) > 0 {
		c := w.idle[len(w.idle)-1]
		w.idle = w.idle[:len(w.idle)-1]
		if time.Since(c.since) < idleFor {
			w.mu.Unlock()
			return c, nil
		}
		go c.close()
	}
	w.mu.Unlock()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp4", w.addr)
	if err != nil {
		return nil, err
	}
	c := &wireConn{w: w, c: nc, br: bufio.NewReader(nc)}
	w.mu.Lock()
	w.all[c] = struct{}{}
	w.mu.Unlock()
	go c.read()
	return c, nil
}

// put keeps a connection for the next request: its request is written and its reply read.
func (w *wire) put(c *wireConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.since = time.Now()
		w.idle = append(w.idle, c)
	}
}

// closeAll breaks every connection: the process is gone.
func (w *wire) closeAll() {
	w.mu.Lock()
	all := make([]*wireConn, 0, len(w.all))
	for c := range w.all {
		all = append(all, c)
	}
	w.mu.Unlock()
	for _, c := range all {
		c.close()
	}
}

// wireConn is one connection, with a goroutine that reads it: a connection that the
// handler closes while idle is never handed out.
type wireConn struct {
	w     *wire
	c     net.Conn
	br    *bufio.Reader
	since time.Time // guarded by w.mu

	mu      sync.Mutex
	closed  bool
	method  string
	waiting chan<- answer
}

type answer struct {
	reply *reply
	again bool // the connection can be used again
	err   error
}

// expect announces a request; it reports false when the connection is gone.
func (c *wireConn) expect(method string, answers chan<- answer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.method, c.waiting = method, answers
	return !c.closed
}

// read reads replies until the connection ends.
func (c *wireConn) read() {
	for {
		r, again, err := c.next()
		c.mu.Lock()
		waiting := c.waiting
		c.waiting = nil
		c.mu.Unlock()
		over := err != nil || !again || waiting == nil
		if over {
			c.close()
		}
		if waiting != nil {
			waiting <- answer{r, !over, err}
		}
		if over {
			return
		}
	}
}

// next reads one whole reply, informational ones skipped.
func (c *wireConn) next() (r *reply, again bool, err error) {
	if _, err := c.br.Peek(1); err != nil {
		return nil, false, noReply(err)
	}
	c.mu.Lock()
	request := &http.Request{Method: c.method}
	c.mu.Unlock()
	for {
		resp, err := http.ReadResponse(c.br, request)
		if err != nil {
			return nil, false, noReply(err)
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, false, noReply(err)
		}
		return &reply{resp.StatusCode, resp.Header, body, resp.ContentLength}, !resp.Close, nil
	}
}

func noReply(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the handler closed the connection without a whole reply")
	}
	return err
}

func (c *wireConn) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.w.mu.Lock()
	delete(c.w.all, c)
	for i, other := range c.w.idle {
		if other == c {
			c.w.idle = append(c.w.idle[:i], c.w.idle[i+1:]...)
			break
		}
	}
	c.w.mu.Unlock()
	_ = c.c.Close()
}
