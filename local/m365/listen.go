package m365

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// listener is the server's socket, which can be closed and opened again.
type listener struct {
	mu      sync.Mutex
	address string
	server  *http.Server
	done    chan struct{}
	// stop ends the delivery of notifications, stopped is closed when it has.
	stop    context.CancelFunc
	stopped chan struct{}
}

// Listen serves the simulator on a TCP address until Close; port 0 picks one.
func (s *Server) Listen(address string) error {
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	return s.listen(address)
}

func (s *Server) listen(address string) error {
	l := &s.listener
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("m365.Listen: %w", err)
	}
	l.address = socket.Addr().String()
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	l.server, l.done = server, done
	go func() {
		defer close(done)
		server.Serve(socket)
	}()
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	l.stop, l.stopped = stop, stopped
	go func() {
		defer close(stopped)
		s.Hub.Run(ctx)
	}()
	return nil
}

// URL is the origin of Graph and Entra, once Listen has succeeded.
func (s *Server) URL() string {
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	return "http://" + s.listener.address
}

// Refuse closes the socket and every connection: clients find nobody there.
func (s *Server) Refuse() {
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	s.close()
}

// Accept opens the socket again at the address it had.
func (s *Server) Accept() error {
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	if s.listener.server != nil {
		return nil
	}
	return s.listen(s.listener.address)
}

// Close ends serving. A server that never listened is closed already.
func (s *Server) Close() { s.Refuse() }

func (s *Server) close() {
	if s.listener.server == nil {
		return
	}
	s.listener.stop()
	s.listener.server.Close()
	<-s.listener.done
	<-s.listener.stopped
	s.listener.server = nil
}
