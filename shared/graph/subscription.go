package graph

import (
	"context"
	"net/http"
	"regexp"
	"time"
)

// Subscription is a subscription to what changes in a mailbox (graph/contract.md
// section 6).
type Subscription struct {
	ID      string
	Mailbox string // address or object id, as it was subscribed to
	// ClientState comes with every notification; at most 128 characters. A secret.
	ClientState string
	Expires     time.Time // UTC
	// Notify is where Graph sends what changes; "" where it did not tell.
	Notify string
}

// Subscriber makes and ends subscriptions. Msgraph's client and the simulator's twin do.
// All are to users/{mailbox}/events, created, updated and deleted, with immutable ids.
// Errors are *Error.
type Subscriber interface {
	// Subscribe makes a subscription that lasts until s.Expires; Graph may make it
	// longer, and tells. It calls both addresses before it answers. A second one of the
	// same app and mailbox is Kind Conflict with ExistingID (409).
	Subscribe(ctx context.Context, as Access, s Subscription, notify, lifecycle string) (Subscription, error)
	// Subscription reads one of the app's own, without its client state, which Graph need
	// not tell (contract 6.1). Kind Gone when Graph does not know it.
	Subscription(ctx context.Context, as Access, id string) (Subscription, error)
	// Renew makes a subscription last until a time, and authorises it anew. Kind Gone
	// when Graph does not know it.
	Renew(ctx context.Context, as Access, id string, until time.Time) (Subscription, error)
	// Unsubscribe ends a subscription. One that Graph does not know is ended already.
	Unsubscribe(ctx context.Context, as Access, id string) error
}

var guid = regexp.MustCompile(`(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)

// ClassifySubscription is Classify for the answer to a call about a subscription: id is
// that of the subscription which the call was about, "" for a new one, message what the
// error says. An unknown subscription is Gone; a duplicate, which is known by status
// alone, is Conflict and names the one there is (contract 6.1, 6.2).
func ClassifySubscription(id string, status int, code, message string, header http.Header) *Error {
	e := Classify(status, code, header)
	switch {
	case e == nil:
	case status == http.StatusNotFound && id != "" && code != "":
		e.Kind, e.Reason = Gone, ""
	case status == http.StatusConflict && id == "":
		e.Kind, e.Reason, e.ExistingID = Conflict, "", guid.FindString(message)
	}
	return e
}
