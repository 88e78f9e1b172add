// Package graph is the vocabulary between the engine and Microsoft Graph: the
// calls that a lane makes, their results, and the seven kinds of failure.
//
// It imports no SDK. The client over msgraph-sdk-go is graph/msgraph; the
// simulator's twin is in local/m365. Both pass graph/graphtest.
package graph

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/key"
)

// MarkProperty is the name of the extended property that marks our events. It
// never varies: each new name takes a slot of the mailbox for ever
// (graph/contract.md 2.8).
const MarkProperty = "String {" + key.Namespace + "} Name CalbridgeDelivery"

// Op is what a Call does.
type Op int

// The calls a lane makes. All go to one mailbox and use immutable ids.
const (
	Create  Op = iota // POST events: Fields, Mark, TransactionID
	Patch             // PATCH events/{Event}: Fields named by Set, IfMatch when not empty
	Delete            // DELETE events/{Event}
	Get               // GET events/{Event} with mark and transactionId
	Find              // GET events filtered to Mark, at most 50
	FindUID           // GET events filtered to UID, plain or wrapped, at most 50
)

// String names the operation for logs and the ledger.
func (o Op) String() string {
	return [...]string{"create", "patch", "delete", "get", "find", "find uid"}[o]
}

// Call is one request to one mailbox.
type Call struct {
	Op      Op
	Mailbox string // address or object id; goes into the path
	Event   string // event id, of Patch, Delete and Get
	// Mark is the delivery key in 32 lower-case hex digits.
	Mark          string
	TransactionID string
	// UID is an iCalUId, of FindUID: what FitUID allows. The search is for it as it
	// stands and as WrappedUID; an event found may carry any mark or none.
	UID     string
	Content event.Event
	// Set says which of Content's fields a Patch sends; a Create sends all.
	Set event.Fields
	// Body replaces the body Content would have given: HTML that was merged with
	// what people wrote around ours. Empty: Content's own.
	Body string
	// IfMatch is a change key; "" sends no condition.
	IfMatch string
	// WithBody asks a Get for the body.
	WithBody bool
}

// Event is what Graph told of an event.
type Event struct {
	ID            string
	ChangeKey     string
	ICalUID       string
	TransactionID string    // "" when Graph gave none
	Mark          string    // lower-case hex; "" when the event carries none
	Created       time.Time // UTC
	Cancelled     bool
	Series        bool   // a series, which nothing of ours makes; only of Find and FindUID
	Body          string // HTML, only where asked for
}

// Result answers one Call. Exactly one of Err and the rest is meaningful.
type Result struct {
	Event     Event   // of Create, Patch and Get
	Found     []Event // of Find and FindUID, oldest first; never a day of a series
	Err       *Error
	Status    int    // HTTP status; 0 when there was no answer
	RequestID string // Graph's request-id, for the ledger
}

// Mailbox is what GET users/{address}/calendar tells.
type Mailbox struct {
	// Address is the owner's address in lower case: two addresses of one mailbox
	// have the same one.
	Address string
}

// Kind is one of seven kinds of failure; callers branch on nothing else.
type Kind int

// The kinds (write-path.md section 4).
const (
	Transient    Kind = iota // try later: 5xx, time-outs, lost connections, malformed answers
	Throttled                // 429, or 503 with Retry-After: the whole lane waits
	Conflict                 // 412, 409 ErrorConcurrentItemSave, ErrorDuplicateTransactionId
	Unauthorised             // 401, or no token for this tenant
	Unreachable              // the mailbox cannot be written: Reason says why
	Invalid                  // the request itself is refused; no retry heals it
	Gone                     // 404 for an event
)

// String names the kind for logs and the ledger.
func (k Kind) String() string {
	return [...]string{"transient", "throttled", "conflict", "unauthorised", "unreachable", "invalid", "gone"}[k]
}

// Error is a failed call. It never holds an address, a subject or a token.
type Error struct {
	Kind   Kind
	Status int    // HTTP status; 0 when there was no answer
	Code   string // Graph's or Entra's error code, e.g. ErrorItemNotFound; "" when unknown
	// Reason is the state reason that follows from the code, e.g. mailbox-not-found;
	// set for Unreachable, Invalid and, where the tenant or user is the cause,
	// Unauthorised. classify.go has the table.
	Reason string
	// RetryAfter is how long Graph asks to wait; 0 when it did not say.
	RetryAfter time.Duration
	// ExistingID is the event that a duplicate transaction names, where Graph does.
	ExistingID string
	// Unanswered means that the call may have happened or may still happen. A
	// refused connection or an answered error is not unanswered, except 408, 502 and
	// 504: there a gateway answers, which does not know.
	Unanswered bool
	Cause      error
}

// DuplicateTransaction is the code of a create whose transactionId was used
// with other content (graph/contract.md 2.5).
const DuplicateTransaction = "ErrorDuplicateTransactionId"

func (e *Error) Error() string {
	s := fmt.Sprintf("graph: %s", e.Kind)
	if e.Status != 0 {
		s += fmt.Sprintf(", status %d", e.Status)
	}
	if e.Code != "" {
		s += ", " + e.Code
	}
	return s
}

// Unwrap returns the cause, if any.
func (e *Error) Unwrap() error { return e.Cause }

// Forbidden reports whether the answer was a 403.
func (e *Error) Forbidden() bool { return e.Status == http.StatusForbidden }

// Duplicate reports whether Graph said that this transactionId made another event.
func (e *Error) Duplicate() bool { return e != nil && e.Code == DuplicateTransaction }

// Calendar is Graph as a lane sees it: one access, a few calls at a time.
type Calendar interface {
	// Mailbox finds out which mailbox answers for an address or object id
	// (GET users/{address}/calendar). Of an access with an object id it is that
	// account's own mailbox, whatever the address. Its error is a *Error.
	Mailbox(ctx context.Context, as Access, address string) (Mailbox, error)
	// Do makes at most 20 calls, several in one $batch, and returns one result per
	// call, in the order of calls. It never sends a call a second time, except once
	// after a 401, with a fresh token. When the whole request fails every result
	// carries the failure. It returns by the deadline of ctx.
	Do(ctx context.Context, as Access, calls []Call) []Result
}
