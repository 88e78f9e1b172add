package twin

import (
	"context"
	"net/http"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/shared/graph"
)

var _ graph.Subscriber = (*Twin)(nil)

// Subscribe makes a subscription to the events of a mailbox.
func (t *Twin) Subscribe(ctx context.Context, as graph.Access, s graph.Subscription, notifyURL, lifecycle string) (graph.Subscription, error) {
	mailbox := as.Path(s.Mailbox)
	if !segment(mailbox) {
		return graph.Subscription{}, unfit("no mailbox")
	}
	var made notify.Subscription
	failure := t.about(ctx, Visit{Access: as, Mailbox: mailbox, Subscribes: true}, func() error {
		t.store.Looked(as.Tenant, mailbox, "", exchange.LookSubscribe)
		if t.account(as).Basic {
			return denied()
		}
		u, err := t.store.User(as.Tenant, mailbox)
		if err != nil {
			return err
		}
		made, err = t.hub.Create(ctx, caller(as), notify.Subscription{Resource: "users/" + mailbox + "/events", User: u.ObjectID,
			ChangeType: "created,updated,deleted", NotifyURL: notifyURL, LifecycleURL: lifecycle, ClientState: s.ClientState,
			Immutable: true, Expires: s.Expires})
		return err
	})
	if failure != nil {
		return graph.Subscription{}, failure
	}
	return subscription(made, mailbox), nil
}

// Renew makes a subscription last until a time.
func (t *Twin) Renew(ctx context.Context, as graph.Access, id string, until time.Time) (graph.Subscription, error) {
	if !segment(id) {
		return graph.Subscription{}, unfit("no subscription")
	}
	var renewed notify.Subscription
	failure := t.about(ctx, Visit{Access: as, Subscribes: true, Subscription: id}, func() error {
		if t.account(as).Basic {
			return denied()
		}
		var err error
		renewed, err = t.hub.Renew(ctx, caller(as), id, until, "")
		return err
	})
	if failure != nil {
		return graph.Subscription{}, failure
	}
	return subscription(renewed, mailboxOf(renewed)), nil
}

// Subscription reads one of the caller's own.
func (t *Twin) Subscription(ctx context.Context, as graph.Access, id string) (graph.Subscription, error) {
	if !segment(id) {
		return graph.Subscription{}, unfit("no subscription")
	}
	var found notify.Subscription
	failure := t.about(ctx, Visit{Access: as, Subscribes: true, Subscription: id}, func() (err error) {
		found, err = t.hub.Get(caller(as), id)
		return err
	})
	if failure != nil {
		return graph.Subscription{}, failure
	}
	found.ClientState = ""
	return subscription(found, mailboxOf(found)), nil
}

// Unsubscribe ends a subscription.
func (t *Twin) Unsubscribe(ctx context.Context, as graph.Access, id string) error {
	if !segment(id) {
		return unfit("no subscription")
	}
	failure := t.about(ctx, Visit{Access: as, Subscribes: true, Subscription: id}, func() error { return t.hub.Delete(caller(as), id) })
	if failure != nil && failure.Kind != graph.Gone {
		return failure
	}
	return nil
}

// about makes a call about a subscription.
func (t *Twin) about(ctx context.Context, v Visit, do func() error) *graph.Error {
	if failure := t.ready(ctx, v.Access); failure != nil {
		return failure
	}
	fate := t.fate(v)
	switch fate.Effect {
	case Pass:
	case Answer:
		return v.failure(fate)
	case LoseAnswer:
		_ = do() // nobody hears
		return unanswered()
	default:
		return unanswered()
	}
	if err := do(); err != nil {
		return classified(err, func(e *exchange.Error) *graph.Error {
			return graph.ClassifySubscription(v.Subscription, e.Status, e.Code, e.Message, nil)
		})
	}
	return nil
}

// caller is who an access is to the hub.
func caller(as graph.Access) notify.Caller {
	by := notify.Caller{Tenant: as.Tenant, App: app}
	if !as.App() {
		by.User = as.ObjectID
	}
	return by
}

func denied() error {
	return &exchange.Error{Status: http.StatusForbidden, Code: "ErrorAccessDenied", Message: "Access is denied. Check credentials and try again."}
}

// subscription is one as the client reads it.
func subscription(s notify.Subscription, mailbox string) graph.Subscription {
	return graph.Subscription{ID: s.ID, Mailbox: mailbox, ClientState: s.ClientState, Expires: s.Expires, Notify: s.NotifyURL}
}

// mailboxOf is what a resource names.
func mailboxOf(s notify.Subscription) string {
	const before, behind = len("users/"), len("/events")
	if len(s.Resource) < before+behind {
		return ""
	}
	return s.Resource[before : len(s.Resource)-behind]
}
