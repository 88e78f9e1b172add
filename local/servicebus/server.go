package servicebus

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Server lets AMQP clients in to a broker over TCP. Several may serve one broker.
type Server struct {
	b        *Broker
	listener net.Listener
	done     chan struct{}
	group    sync.WaitGroup

	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
}

const (
	// tick is how often a server looks at the clock for its waiting clients.
	tick = 5 * time.Millisecond
	// keepAlive is well below the 30 s of silence after which go-amqp gives up.
	keepAlive = 10 * time.Second
)

// Listen serves on a TCP address; "127.0.0.1:0" picks a free port.
func (b *Broker) Listen(addr string) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("servicebus: %w", err)
	}
	s := &Server{b: b, listener: l, done: make(chan struct{}), conns: make(map[*conn]struct{})}
	b.mu.Lock()
	b.servers[s] = struct{}{}
	b.mu.Unlock()
	s.group.Add(2)
	go s.accept()
	go s.keepTime()
	return s, nil
}

// Addr is host and port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// ConnectionString is what azservicebus.NewClientFromConnectionString takes. The
// key is any: tokens are not checked.
func (s *Server) ConnectionString() string {
	return "Endpoint=sb://" + s.Addr() + ";SharedAccessKeyName=local;SharedAccessKey=local;UseDevelopmentEmulator=true"
}

// DropConnections cuts every connection without a word, as a network does. New
// ones are let in.
func (s *Server) DropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.net.Close()
	}
}

// Connections is how many clients are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Close stops listening, cuts every connection, and waits until nothing of the
// server runs any more. The broker keeps what it holds.
func (s *Server) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	s.b.mu.Lock()
	delete(s.b.servers, s)
	s.b.mu.Unlock()
	close(s.done)
	err := s.listener.Close()
	s.DropConnections()
	s.group.Wait()
	return err
}

func (s *Server) accept() {
	defer s.group.Done()
	for {
		nc, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if s.b.down.Load() || !s.welcome(nc) {
			nc.Close()
		}
	}
}

// welcome starts serving a connection, unless the server is closing.
func (s *Server) welcome(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	c := newConn(s, nc)
	s.conns[c] = struct{}{}
	s.group.Add(2)
	go c.serve()
	go c.deliver()
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// keepTime stands in for timers: the broker has none, because tests move its
// clock.
func (s *Server) keepTime() {
	defer s.group.Done()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.done:
			return
		case <-ticker.C:
		}
		s.b.Tick()
		if n%int(keepAlive/tick) == 0 {
			s.sayAlive()
		}
	}
}

func (s *Server) sayAlive() {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.sayAlive()
	}
}
