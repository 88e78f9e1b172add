package subscribe

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// maxSharers bounds how many connections of one mailbox are told of its notifications;
// the schedule finds what changes for others.
const maxSharers = 100

// ownerOf reads the row of the connection whose subscription serves this one.
func (x *matter) ownerOf(ctx context.Context, owner key.Key) (state.Subscription, error) {
	row, err := x.rows.Get(ctx, owner)
	if errors.Is(err, state.ErrNotFound) {
		return state.Subscription{}, nil
	}
	return row, err
}

// beServed lets another connection's subscription serve this one too; false where that
// connection does not have it (any more).
func (x *matter) beServed(ctx context.Context, owner key.Key, existing string) (bool, error) {
	row, err := x.ownerOf(ctx, owner)
	if err != nil || !same(existing, row.ID) {
		return false, err
	}
	me := state.Sharer{Organization: x.row.Organization, Connection: x.row.Connection.String()}
	if !slices.Contains(row.Sharers, me) && len(row.Sharers) < maxSharers {
		row.Sharers = append(row.Sharers, me)
		if _, err := x.rows.Put(ctx, row); err != nil {
			return false, err
		}
	}
	x.row.Of = owner.String()
	return true, x.schedule(ctx, x.now().Add(refusedFor))
}

// stillServed makes a subscription of its own where the one that served it has ended.
func (x *matter) stillServed(ctx context.Context) error {
	owner, err := key.Parse(x.row.Of)
	if err == nil {
		row, err := x.ownerOf(ctx, owner)
		if err != nil {
			return err
		}
		if row.ID != "" && x.now().Before(row.Expires) && slices.Contains(row.Sharers, state.Sharer{Organization: x.row.Organization, Connection: x.row.Connection.String()}) {
			return x.schedule(ctx, x.now().Add(refusedFor))
		}
	}
	return x.make(ctx)
}

// share lets the other connections of the mailbox be read too.
func (k *Keeper) share(ctx context.Context, row state.Subscription, cause string) error {
	for _, other := range row.Sharers {
		id, err := key.Parse(other.Connection)
		if err != nil {
			continue
		}
		stored, err := k.connections.Get(ctx, other.Organization, id)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := k.send(ctx, downsync.Message(other.Organization, stored.Connection, cause, time.Time{})); err != nil {
			return err
		}
	}
	return nil
}

// tellSharers lets those have one of their own that this one served.
func (x *matter) tellSharers(ctx context.Context) error {
	var messages []queue.Message
	for _, other := range x.row.Sharers {
		messages = append(messages, queue.Task{Op: OpSubscribe, Organization: other.Organization, Connection: other.Connection, Cause: CauseOwner}.Message(x.row.Session, x.now().Add(time.Minute)))
	}
	return x.send(ctx, messages...)
}

// noSharer takes this one from the row of the connection that serves it.
func (x *matter) noSharer(ctx context.Context) error {
	owner, err := key.Parse(x.row.Of)
	if err != nil {
		return nil
	}
	row, err := x.ownerOf(ctx, owner)
	if err != nil || row.ETag == "" {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(row.Sharers), func(s state.Sharer) bool { return s.Connection == x.row.Connection.String() })
	if len(left) == len(row.Sharers) {
		return nil
	}
	row.Sharers = left
	_, err = x.rows.Put(ctx, row)
	return err
}
