package subscribe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// same compares ids of subscriptions, which are GUIDs.
func same(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// message is a task about a row's connection.
func (k *Keeper) message(row state.Subscription, op, cause string, at time.Time) queue.Message {
	return queue.Task{Op: op, Organization: row.Organization, Connection: row.Connection.String(), Cause: cause}.Message(row.Session, at)
}

// matter is a connection's subscription while a task looks at it.
type matter struct {
	*Keeper
	row   state.Subscription
	c     connection.Connection
	as    graph.Access
	cause string
	told  string    // the subscription that the task is about; "" for none
	slot  time.Time // of the agenda, that ordered the task; zero for none
}

// settle makes a connection's subscription what it should be.
func (k *Keeper) settle(ctx context.Context, t queue.Task, id key.Key, m queue.Message) error {
	x := &matter{Keeper: k, cause: t.Cause}
	x.told = m.Text(subscriptionProperty)
	if slot := m.Number(slotProperty); slot > 0 {
		x.slot = time.Unix(slot, 0).UTC()
	}
	var readable bool
	var err error
	if x.c, x.as, readable, err = k.look(ctx, t.Organization, id); err != nil {
		return err
	}
	x.row, err = k.rows.Get(ctx, id)
	isNew := errors.Is(err, state.ErrNotFound)
	if err != nil && !isNew {
		return err
	}
	wanted := readable && !(x.c.Delegated && x.c.Scope == connection.Busy) // Calendars.ReadBasic may not subscribe
	if isNew {
		x.row = state.Subscription{Connection: id, Organization: t.Organization}
		if !wanted {
			return x.leave(ctx)
		}
	}
	if !wanted {
		return x.end(ctx)
	}
	x.row.Organization, x.row.Session = t.Organization, downsync.Session(x.c)
	return x.take(ctx)
}

// take decides what a subscription that is wanted needs.
func (x *matter) take(ctx context.Context) error {
	now := x.now().UTC()
	if x.cause == CauseReauthorize && x.row.ID != "" && x.told != "" && !same(x.told, x.row.ID) {
		x.unknown(ctx, x.as, x.told)
		x.cause = CauseUnknown // ours did not ask
	}
	switch {
	case x.row.ID == "" && x.row.Of != "":
		return x.stillServed(ctx)
	case x.row.ID == "", x.cause == CauseRemoved && same(x.told, x.row.ID):
		return errors.Join(x.lost(ctx), x.make(ctx))
	case x.cause == CauseSilent:
		return x.silent(ctx)
	case !x.fits():
		return x.anew(ctx)
	case x.cause == CauseReauthorize && now.Sub(x.row.Renewed) >= patched, !now.Before(x.renewAt()), x.row.Resting, x.row.Due.IsZero(), x.row.Renewed.IsZero():
		return x.renew(ctx)
	}
	return x.schedule(ctx, x.renewAt())
}

// fits reports whether the subscription is what a new one would be.
func (x *matter) fits() bool {
	return x.row.Key == x.keys.SigningID() && x.row.Notify == x.notify && x.row.Tenant == x.as.Tenant && x.row.Mailbox == x.mailbox() && x.row.App == x.as.App()
}

// doubtful reports whether Graph may have a subscription whose id nobody heard.
func (x *matter) doubtful() bool {
	return x.row.ID == "" && x.row.Of == "" && x.row.Key != "" && x.now().Before(x.row.Expires)
}

// mailbox is what is subscribed to: the account that signed in, else the address.
func (x *matter) mailbox() string { return x.as.Path(x.c.Mailbox) }

// renewAt is when it is due: two days before its end, and up to twelve hours more, which
// spreads what was made at once.
func (x *matter) renewAt() time.Time {
	return x.row.Expires.Add(-renewAhead - time.Duration(x.row.Connection[0])*12*time.Hour/256)
}

// lost orders that the calendars are read, since nobody told of what has changed.
func (x *matter) lost(ctx context.Context) error {
	if x.cause != CauseRemoved {
		return nil
	}
	return x.send(ctx, downsync.Message(x.row.Organization, x.c, downsync.CauseMissed, time.Time{}))
}

// make makes a subscription. Before Graph is asked, the row knows that there may be one
// of which it does not know the id, and the agenda that somebody has to look.
func (x *matter) make(ctx context.Context) error {
	tried := x.row.ETag != "" && x.row.ID == "" && x.fits() // so one that Graph has may be ours
	before := x.row.Notify
	if x.row.ID != "" {
		if err := x.rows.Disown(ctx, x.row.ID); err != nil {
			return err
		}
	}
	x.row.ID, x.row.Of, x.row.Resting = "", "", false
	x.row.Key, x.row.Notify, x.row.Tenant, x.row.Mailbox, x.row.App = x.keys.SigningID(), x.notify, x.as.Tenant, x.mailbox(), x.as.App()
	x.row.Expires = x.now().Add(life).UTC() // of what may be made now, at the latest
	if err := x.schedule(ctx, x.now().Add(retry)); err != nil {
		return err
	}
	made, failure := x.subscribe(ctx)
	if failure != nil && failure.Kind == graph.Conflict && failure.ExistingID != "" {
		made, failure = x.adopt(ctx, failure.ExistingID, tried, before)
		if failure == nil && made.ID == "" {
			return nil // served by another connection's
		}
		if failure != nil && failure.Kind == graph.Conflict {
			return x.taken(ctx)
		}
	}
	if failure != nil && !failure.Unanswered {
		x.row.Key = "" // nothing was made
	}
	if failure != nil {
		return errors.Join(x.schedule(ctx, x.row.Due), x.failed(ctx, failure))
	}
	if err := x.rows.Own(ctx, made.ID, x.row.Connection); err != nil {
		return err
	}
	return x.keep(ctx, made)
}

// keep notes a subscription as it is at Graph.
func (x *matter) keep(ctx context.Context, made graph.Subscription) error {
	x.row.ID, x.row.Expires, x.row.Renewed, x.row.Resting = strings.ToLower(made.ID), made.Expires.UTC(), x.now().UTC(), false
	return x.schedule(ctx, x.renewAt())
}

func (x *matter) subscribe(ctx context.Context) (graph.Subscription, *graph.Error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	made, err := x.subscriber.Subscribe(call, x.as, graph.Subscription{Mailbox: x.c.Mailbox, Expires: x.now().Add(life).UTC().Truncate(time.Second),
		ClientState: ClientState(x.keys, x.row.Connection, x.as.Tenant)}, x.notify, x.notify)
	return made, graphError(err)
}

// adopt takes the subscription that Graph says there is: one of ours whose answer was
// lost is renewed; one of another connection of the mailbox serves this one too; another
// that notifies us, whose client state is not known, is replaced. One that notifies
// somebody else is another deployment's and is left alone: Conflict. before is where one
// of ours may notify that was asked for when PUBLIC_URL was another.
func (x *matter) adopt(ctx context.Context, existing string, tried bool, before string) (graph.Subscription, *graph.Error) {
	owner, err := x.rows.Owner(ctx, existing)
	known := err == nil
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return graph.Subscription{}, graphError(err)
	}
	if known && owner != x.row.Connection {
		served, err := x.beServed(ctx, owner, existing)
		if served || err != nil {
			return graph.Subscription{}, graphError(err)
		}
	}
	if !known {
		found, failure := x.find(ctx, existing)
		switch {
		case failure != nil && failure.Kind != graph.Gone:
			return graph.Subscription{}, failure
		case failure == nil && found.Notify != x.notify && (before == "" || found.Notify != before):
			return graph.Subscription{}, &graph.Error{Kind: graph.Conflict, ExistingID: existing}
		case failure == nil && tried:
			return x.patch(ctx, existing)
		}
	}
	if failure := x.unsubscribe(ctx, existing); failure != nil {
		return graph.Subscription{}, failure
	}
	return x.subscribe(ctx)
}

// taken leaves the mailbox to the subscription of another deployment of the same app
// registration. Graph gives an app one for a mailbox (contract 6.2, Duplicates), so that
// there is none to be had here: the schedule finds what changes, and in a day it is asked
// for again.
func (x *matter) taken(ctx context.Context) error {
	x.row.Key = "" // nothing was made
	x.log.WarnContext(ctx, "another deployment of this app has the subscription to a mailbox; the schedule reads it here",
		"organization", x.row.Organization, "connection", x.row.Connection.String())
	return x.schedule(ctx, x.now().Add(refusedFor))
}

// find reads a subscription of the app's.
func (x *matter) find(ctx context.Context, id string) (graph.Subscription, *graph.Error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := x.subscriber.Subscription(call, x.as, id)
	return found, graphError(err)
}

func (x *matter) patch(ctx context.Context, id string) (graph.Subscription, *graph.Error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	renewed, err := x.subscriber.Renew(call, x.as, id, x.now().Add(life).UTC().Truncate(time.Second))
	return renewed, graphError(err)
}

func (x *matter) unsubscribe(ctx context.Context, id string) *graph.Error {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return graphError(x.subscriber.Unsubscribe(call, x.as, id))
}

// renew makes the subscription last, and makes another where Graph has it no more: what
// it would have told of meanwhile is looked for.
func (x *matter) renew(ctx context.Context) error {
	renewed, failure := x.patch(ctx, x.row.ID)
	switch {
	case failure == nil:
		return x.keep(ctx, renewed)
	case failure.Kind == graph.Gone:
		x.cause, x.told = CauseRemoved, x.row.ID
		return errors.Join(x.lost(ctx), x.make(ctx))
	}
	return errors.Join(x.schedule(ctx, x.now().Add(retry)), x.failed(ctx, failure))
}

// anew replaces the subscription.
func (x *matter) anew(ctx context.Context) error {
	if x.row.App == x.as.App() && x.row.Tenant == x.as.Tenant { // else nobody may end it any more (I7)
		if err := x.doubt(ctx); err != nil {
			return err
		}
		if failure := x.unsubscribe(ctx, x.row.ID); failure != nil && failure.Kind != graph.Unreachable {
			return x.failed(ctx, failure)
		}
	}
	return x.make(ctx)
}

// failed takes what Graph or Entra answered. What may pass comes again; else the agenda
// tries again in its time.
func (x *matter) failed(ctx context.Context, failure *graph.Error) error {
	switch {
	case failure.Forbidden():
		x.log.WarnContext(ctx, "a subscription is not allowed", "connection", x.row.Connection.String(), "code", failure.Code)
		probe := queue.Task{Op: "probe", Organization: x.row.Organization, Connection: x.row.Connection.String(), Cause: "subscription"}
		return errors.Join(x.schedule(ctx, x.now().Add(refusedFor)), x.send(ctx, probe.Message(x.row.Session, time.Time{})))
	case failure.Kind == graph.Unauthorised || failure.Kind == graph.Unreachable:
		return x.failures.ConnectionFailed(ctx, x.c, failure)
	case failure.Kind == graph.Invalid:
		x.log.ErrorContext(ctx, "Graph refused a subscription: can it reach PUBLIC_URL?", "connection", x.row.Connection.String(), "code", failure.Code)
		return nil
	}
	return failure
}

// schedule puts the connection on the agenda for an instant, in place of where it stands,
// and stores the row.
func (x *matter) schedule(ctx context.Context, at time.Time) error {
	at = at.UTC().Truncate(state.RenewalSlot)
	was := x.row.Due
	entry := state.Renewal{Organization: x.row.Organization, Connection: x.row.Connection, Session: x.row.Session, At: at}
	if !was.Equal(at) {
		if err := x.due.AddRenewal(ctx, entry); err != nil {
			return err
		}
	}
	x.row.Due = at
	etag, err := x.rows.Put(ctx, x.row)
	if err != nil {
		return err
	}
	x.row.ETag = etag
	return x.clear(ctx, at, was, x.slot)
}

// clear takes the connection from slots of the agenda, but not from that where it is to be.
func (x *matter) clear(ctx context.Context, but time.Time, slots ...time.Time) error {
	var old []state.Renewal
	for _, at := range slots {
		known := slices.ContainsFunc(old, func(r state.Renewal) bool { return r.At.Equal(at) })
		if !at.IsZero() && !at.Equal(but) && !known {
			old = append(old, state.Renewal{Connection: x.row.Connection, At: at})
		}
	}
	return x.due.RenewalsDone(ctx, old)
}

// graphError is the *graph.Error of an error; anything else may pass.
func graphError(err error) *graph.Error {
	if err == nil {
		return nil
	}
	if failure := (*graph.Error)(nil); errors.As(err, &failure) {
		return failure
	}
	return &graph.Error{Kind: graph.Transient, Cause: err}
}
