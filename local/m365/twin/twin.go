// Package twin is graph.Calendar, graph.Calendars, graph.Reader and graph.Subscriber
// straight over an exchange.Store: no HTTP, no JSON, no tokens, cheap enough for property tests that make hundreds of
// thousands of calls. It passes graph/graphtest, the suite of the real client,
// and fails with the same kinds, because it classifies the store's refusals with
// graph.ClassifyCall.
//
// # Faults
//
// Before looks at each request and each call of it and decides what becomes of
// it: it may pass, be refused with an answer, never arrive, be carried out
// without an answer, or stay on its way until the test lands it (Late, Land).
// Grant and Fail say whose token a connection has, and why it has none.
// The store's switches bring the rest: what a transactionId is remembered for,
// when the search finds a new event.
//
// # Where it differs from the wire
//
// Links are the twin's own; a client that follows others fails here as at Graph.
// Account.Basic concerns reading and subscribing only. The calls of one Do are carried out in their order, one after the other; over
// HTTP four run at a time in any order. No call is ever throttled on its own.
// The store takes addresses and ids as they are, where a URL would encode them.
package twin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/shared/graph"
)

// Twin is graph.Calendar in memory. It is safe for concurrent use.
type Twin struct {
	store  *exchange.Store
	before Before
	mark   exchange.PropertyID

	changes *changes.Tracker
	hub     *notify.Hub

	mu      sync.Mutex
	refused map[string]bool // tenants that the app has no permission of its own in
	grants  grants
	late    []Late
	number  int // of requests, for RequestID
}

var _ graph.Calendar = (*Twin)(nil)

// Options of a twin; the zero value is a Graph without faults.
type Options struct {
	// Before decides what becomes of each request and call.
	Before Before
	// Changes are the sync states; fresh ones when nil.
	Changes *changes.Tracker
	// Hub keeps the subscriptions; when nil, one that nobody answers.
	Hub *notify.Hub
}

// New returns a twin over a store.
func New(store *exchange.Store, opt *Options) *Twin {
	mark, err := exchange.ParsePropertyID(graph.MarkProperty)
	if err != nil {
		panic("twin: graph.MarkProperty is no property id")
	}
	t := &Twin{store: store, mark: mark, refused: map[string]bool{}, grants: newGrants()}
	if opt != nil {
		t.before, t.changes, t.hub = opt.Before, opt.Changes, opt.Hub
	}
	if t.changes == nil {
		t.changes = changes.New(store, store.Now)
	}
	if t.hub == nil {
		t.hub = notify.New(store, store.Now, notify.To(http.NotFoundHandler()), nil)
	}
	return t
}

// Changes returns the sync states, whose switches may be changed.
func (t *Twin) Changes() *changes.Tracker { return t.changes }

// Hub returns the subscriptions, and what is to be sent to them.
func (t *Twin) Hub() *notify.Hub { return t.hub }

// Refuse takes away what a tenant's administrator granted to the app itself, or
// gives it back. Connections are not touched.
func (t *Twin) Refuse(tenant string, refused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused[strings.ToLower(tenant)] = refused
}

// Mailbox finds out which mailbox answers for an address or object id.
func (t *Twin) Mailbox(ctx context.Context, as graph.Access, address string) (graph.Mailbox, error) {
	if address = as.Path(address); !segment(address) {
		return graph.Mailbox{}, unfit("no mailbox")
	}
	if failure := t.ready(ctx, as); failure != nil {
		return graph.Mailbox{}, failure
	}
	switch fate := t.fate(Visit{Access: as, Mailbox: address}); fate.Effect {
	case Pass, Delay:
	case Answer:
		return graph.Mailbox{}, fate.failure(graph.Call{})
	default:
		return graph.Mailbox{}, unanswered()
	}
	calendar, err := t.store.Calendar(as.Tenant, address, "")
	if err != nil {
		return graph.Mailbox{}, failed(graph.Call{}, err)
	}
	return graph.Mailbox{Address: strings.ToLower(calendar.Owner.Address)}, nil
}

// Do makes the calls in their order.
func (t *Twin) Do(ctx context.Context, as graph.Access, calls []graph.Call) []graph.Result {
	if len(calls) == 0 {
		return nil
	}
	if len(calls) > maxCalls {
		return all(calls, unfit("more than 20 calls"))
	}
	if failure := t.ready(ctx, as); failure != nil {
		return all(calls, failure)
	}
	request := t.fate(Visit{Access: as, Calls: calls})
	if request.Effect == Answer {
		return all(calls, request.failure(graph.Call{}))
	}
	results := make([]graph.Result, len(calls))
	for i, call := range calls {
		results[i] = t.call(as, call, request.Effect)
	}
	return results
}

// maxCalls is what fits into one batch.
const maxCalls = 20

// call makes one call. whole is what becomes of the request that it is part of.
func (t *Twin) call(as graph.Access, c graph.Call, whole Effect) graph.Result {
	if problem := check(c); problem != "" {
		return graph.Result{Err: unfit(problem)}
	}
	if failure := t.reaches(as, c.Mailbox); failure != nil {
		return graph.Result{Err: failure, Status: failure.Status, RequestID: t.requestID()}
	}
	fate := Fate{Effect: whole}
	if whole == Pass {
		fate = t.fate(Visit{Access: as, Mailbox: c.Mailbox, Call: &c})
	}
	switch fate.Effect {
	case Answer:
		failure := fate.failure(c)
		return graph.Result{Err: failure, Status: failure.Status, RequestID: t.requestID()}
	case Lose:
		return graph.Result{Err: unanswered()}
	case LoseAnswer:
		t.carryOut(as.Tenant, c)
		return graph.Result{Err: unanswered()}
	case Delay:
		t.keep(as.Tenant, c)
		return graph.Result{Err: unanswered()}
	}
	return t.carryOut(as.Tenant, c)
}

func (t *Twin) requestID() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.number++
	return "twin-" + strconv.Itoa(t.number)
}

// all is one failure for every call.
func all(calls []graph.Call, failure *graph.Error) []graph.Result {
	results := make([]graph.Result, len(calls))
	for i := range results {
		results[i] = graph.Result{Err: failure, Status: failure.Status}
	}
	return results
}

func unfit(problem string) *graph.Error {
	return &graph.Error{Kind: graph.Invalid, Reason: graph.ReasonRefused, Cause: errors.New(problem)}
}

// unanswered is a call of which nothing came back.
func unanswered() *graph.Error {
	return &graph.Error{Kind: graph.Transient, Unanswered: true, Cause: errLost}
}

var errLost = errors.New("the connection was lost")

// failed turns a refusal of the store into what the client makes of it.
func failed(c graph.Call, err error) *graph.Error {
	var refusal *exchange.Error
	if !errors.As(err, &refusal) {
		return &graph.Error{Kind: graph.Transient, Cause: err}
	}
	e := graph.ClassifyCall(c, refusal.Status, refusal.Code, nil)
	e.ExistingID = refusal.ExistingID
	return e
}
