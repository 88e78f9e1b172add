package subscribe

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// silent makes anew what did not tell of a change that was found, if still nothing came.
func (x *matter) silent(ctx context.Context) error {
	if x.row.Suspect.IsZero() || x.row.Heard.After(x.row.Suspect.Add(-2*heardGrain)) {
		if x.row.Suspect.IsZero() {
			return nil
		}
		x.row.Suspect = time.Time{}
		return x.schedule(ctx, x.row.Due)
	}
	x.row.Suspect = time.Time{}
	x.row.Rebuilt++
	x.log.WarnContext(ctx, "a subscription was silent and is made anew", "organization", x.row.Organization, "connection", x.row.Connection.String(), "rebuilt", x.row.Rebuilt)
	return x.anew(ctx)
}

// SweepFound is told that the schedule found changes of which no notification had told.
// The subscription is looked at when one may no longer come. Two or four requests.
func (k *Keeper) SweepFound(ctx context.Context, organization string, id key.Key) error {
	row, err := k.rows.Get(ctx, id)
	if errors.Is(err, state.ErrNotFound) {
		return k.unseen(ctx, organization, id)
	}
	if err != nil {
		return err
	}
	now := k.now().UTC()
	if row.ID == "" && now.Sub(row.Due) > back { // in a slot that no run of the timer reads any more
		return k.unseen(ctx, organization, id)
	}
	pending := !row.Suspect.IsZero() && now.Sub(row.Suspect) < 2*patience
	if row.ID == "" || pending || now.Sub(row.Heard) < 2*heardGrain || now.Sub(row.Renewed) < patched {
		return nil
	}
	c, _, readable, err := k.look(ctx, organization, id)
	if err != nil || !readable || slices.ContainsFunc(c.Narrowed().Calendars, func(c connection.Calendar) bool { return c.Shared }) {
		return err
	}
	row.Suspect = now
	if _, err := k.rows.Put(ctx, row); err != nil {
		if errors.Is(err, state.ErrPrecondition) || errors.Is(err, state.ErrNotFound) {
			return nil // it is being looked at
		}
		return err
	}
	return k.send(ctx, k.message(row, OpSubscribe, CauseSilent, now.Add(patience)))
}

// unseen lets a connection be looked at that stands on no agenda, though its calendars are
// read: it has no row, because it is older than subscriptions are, or because what ended one
// was cut off before the connection was disconnected; or the timer did not run for so long
// that it looks no further back.
func (k *Keeper) unseen(ctx context.Context, organization string, id key.Key) error {
	c, _, readable, err := k.look(ctx, organization, id)
	if err != nil || !readable || c.Delegated && c.Scope == connection.Busy {
		return err
	}
	return k.send(ctx, Message(c, CauseFollow, time.Time{}))
}
