package subscribe

import (
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// End ends a connection's subscription while its tokens are still there, because it is
// about to be disconnected. It takes at most a few seconds and does what it can: what is
// left ends by itself within a week. An error means that the bus refused.
func (k *Keeper) End(ctx context.Context, c connection.Connection) error {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	row, err := k.rows.Get(ctx, c.ID)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	x := &matter{Keeper: k, row: row, c: c}
	if err == nil {
		err = x.end(ctx)
	}
	if refused := (*queue.Refused)(nil); errors.As(err, &refused) {
		return err
	}
	if err != nil {
		k.log.WarnContext(ctx, "a subscription could not be ended and ends by itself", "connection", c.ID.String(), "error", err)
	}
	return nil
}

// end ends the subscription of a connection whose calendars are not to be read, or not
// by a notification, and forgets it. Where the token is dead it is not tried again: the
// row stays until the subscription has ended by itself, so that the next sign-in finds it
// and what it tells is known to mean nothing, and then goes. Where Graph is down it is
// tried every hour until then.
//
// One whose id nobody heard cannot be ended before it tells of something (notified); its
// row stays for as long as it may last.
func (x *matter) end(ctx context.Context) error {
	if x.doubtful() {
		return x.schedule(ctx, x.row.Expires.Add(state.RenewalSlot))
	}
	if x.row.ID != "" {
		as, may, err := x.mayEnd(ctx)
		if err != nil {
			return err
		}
		x.as = as
		if may && x.row.Resting && (x.cause == CauseDue || !x.c.Usable()) && x.now().Before(x.row.Expires) { // nothing has changed
			return x.rest(ctx)
		}
		if may && x.now().Before(x.row.Expires) {
			if err := x.doubt(ctx); err != nil {
				return err
			}
			failure := x.unsubscribe(ctx, x.row.ID)
			switch {
			case failure == nil:
			case failure.Kind == graph.Unauthorised:
				return x.rest(ctx)
			case failure.Kind != graph.Unreachable && failure.Kind != graph.Invalid:
				return errors.Join(failure, x.schedule(ctx, x.now().Add(retry)))
			}
		}
		if err := x.rows.Disown(ctx, x.row.ID); err != nil {
			return err
		}
	}
	if err := x.tellSharers(ctx); err != nil {
		return err
	}
	if err := x.noSharer(ctx); err != nil {
		return err
	}
	if err := x.leave(ctx); err != nil { // before the row goes, which says where it stands
		return err
	}
	return x.rows.Delete(ctx, x.row)
}

// mayEnd says in whose name the subscription can be ended: that of the person who made
// it, or of the app in the tenant that the organisation is bound to now (I7).
func (x *matter) mayEnd(ctx context.Context) (graph.Access, bool, error) {
	if !x.row.App {
		c := x.c
		may := !c.ID.IsZero() && c.Delegated && c.State != connection.Disconnected
		return graph.Access{Tenant: c.Account.Tenant, Organization: c.Organization, Lane: key.Lane(c.Organization, key.User, c.User),
			Connection: c.ID, ObjectID: c.Account.ObjectID, Version: c.SignIn()}, may, nil
	}
	org, err := x.orgs.Organization(ctx, x.row.Organization)
	if errors.Is(err, state.ErrNotFound) {
		return graph.Access{}, false, nil
	}
	return graph.AppAccess(x.row.Tenant), err == nil && org.State.Consented() && org.State.Tenant == x.row.Tenant, err
}

// doubt notes that the subscription may be gone, before it is ended: whoever wants it
// again, before the end is known, asks Graph.
func (x *matter) doubt(ctx context.Context) error {
	if x.row.Renewed.IsZero() {
		return nil
	}
	x.row.Renewed = time.Time{}
	etag, err := x.rows.Put(ctx, x.row)
	x.row.ETag = etag
	return err
}

// endTold ends a subscription whose id a notification has told.
func (x *matter) endTold(ctx context.Context, id string) error {
	as, may, err := x.mayEnd(ctx)
	if err != nil || !may {
		return err
	}
	x.as = as
	if failure := x.unsubscribe(ctx, id); failure != nil {
		return failure
	}
	x.row.Key = ""
	return x.end(ctx)
}

// rest keeps the row of a subscription that cannot be ended until it has ended by itself.
func (x *matter) rest(ctx context.Context) error {
	x.row.Resting = true
	return x.schedule(ctx, x.row.Expires.Add(state.RenewalSlot))
}

// leave takes the connection from the agenda.
func (x *matter) leave(ctx context.Context) error {
	return x.clear(ctx, time.Time{}, x.row.Due, x.slot)
}
