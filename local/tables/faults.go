package tables

import "net/http"

// Kind names what a request asks for.
type Kind string

// The kinds of requests. Put and Merge are updates, or upserts without If-Match.
const (
	KindGet         Kind = "get"
	KindQuery       Kind = "query"
	KindInsert      Kind = "insert"
	KindPut         Kind = "put"
	KindMerge       Kind = "merge"
	KindDelete      Kind = "delete"
	KindTransaction Kind = "transaction"
	KindListTables  Kind = "list tables"
	KindCreateTable Kind = "create table"
	KindDeleteTable Kind = "delete table"
)

// Operation is one understood request, before it is carried out. Partition is
// empty for queries, whose filter may say anything; Row is empty for those and
// for transactions. Changes is how many rows it writes.
type Operation struct {
	Kind                  Kind
	Table, Partition, Row string
	Changes               int
}

// Fault is what goes wrong with a request. The zero Fault is nothing. The steps
// come in this order: Before, then Cut or Status, then the work, then After, then
// Lost.
type Fault struct {
	// Before holds the request until it is closed; the work is done even if the
	// caller has given up meanwhile (a late commit).
	Before <-chan struct{}
	// Cut closes the connection; nothing is done.
	Cut bool
	// Status, and Code if the service would give one, are answered; nothing is done.
	Status int
	Code   string
	// After holds the answer until it is closed; the work is done.
	After <-chan struct{}
	// Lost closes the connection after the work (an answer lost after the commit).
	Lost bool
}

// Down makes the server answer every request with 503 ServerBusy, until it is
// called with false. For cut connections use Fail.
func (s *Server) Down(down bool) { s.down.Store(down) }

// Fail asks f about every understood request; nil ends it. f is called from many
// goroutines. A function that only counts returns the zero Fault.
func (s *Server) Fail(f func(Operation) Fault) { s.fail.Store(&f) }

func (s *Server) fault(op Operation) Fault {
	if f := s.fail.Load(); f != nil && *f != nil {
		return (*f)(op)
	}
	return Fault{}
}

// attempt carries out a request under a fault.
func (s *Server) attempt(op Operation, work func() reply) reply {
	f := s.fault(op)
	s.wait(f.Before)
	if f.Cut {
		panic(http.ErrAbortHandler) // net/http's way to close the connection
	}
	if f.Status != 0 {
		return s.refused(&refusal{status: f.Status, code: f.Code, message: "Made to fail.", index: -1})
	}
	answer := work()
	s.wait(f.After)
	if f.Lost {
		panic(http.ErrAbortHandler)
	}
	return answer
}

// wait returns when c is closed or the server is.
func (s *Server) wait(c <-chan struct{}) {
	if c == nil {
		return
	}
	select {
	case <-c:
	case <-s.closing:
	}
}
