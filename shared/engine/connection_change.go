package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// ChangeConnection changes a connection and makes calendars follow: a new primary, or
// a way for writes that opens, owes the person's lane. A change to what is so already
// costs two reads. Calendars that are added are looked up in the mailbox's list, which
// costs one request to Graph for 100 of them; the row keeps Graph's names.
//
// Errors: state.ErrNotFound, *ScopeMissing, ErrScope, ErrNotPrimary, ErrCalendarChoice,
// and those of check; of calendars ErrNotRead, ErrManyCalendars, *CalendarsUnknown,
// ErrListNeedsDetails and a *graph.Error.
func (e *Engine) ChangeConnection(ctx context.Context, organization string, id key.Key, change ConnectionChange, check CheckConnection) (VersionedConnection, error) {
	var listed []graph.Folder
	for range 5 {
		row, err := e.rowOf(ctx, organization, id, check)
		if err != nil {
			return VersionedConnection{}, fmt.Errorf("engine.ChangeConnection: %w", err)
		}
		next, err := changed(row.Connection, change, e.now().UTC())
		if err == nil {
			next, err = e.withCalendars(ctx, row, next, change, &listed)
		}
		if err != nil {
			return VersionedConnection{}, fmt.Errorf("engine.ChangeConnection: %w", err)
		}
		if reflect.DeepEqual(next, row.Connection) {
			return versioned(row), nil
		}
		err = e.storeChange(ctx, row, next)
		if errors.Is(err, state.ErrPrecondition) || errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return VersionedConnection{}, fmt.Errorf("engine.ChangeConnection: %w", err)
		}
		return e.Connection(ctx, organization, id)
	}
	return VersionedConnection{}, fmt.Errorf("engine.ChangeConnection: %w", state.ErrPrecondition)
}

// rowOf reads a connection that is not about to go, and asks check.
func (e *Engine) rowOf(ctx context.Context, organization string, id key.Key, check CheckConnection) (state.Stored, error) {
	row, err := e.connections.Get(ctx, organization, id)
	if err == nil && row.State == connection.Disconnected {
		err = state.ErrNotFound
	}
	if err != nil {
		return row, err
	}
	if check != nil {
		v := versioned(row)
		return row, check(v.Connection, v.Version)
	}
	return row, nil
}

// storeChange stores a connection as it is to be, and lets everything follow.
func (e *Engine) storeChange(ctx context.Context, row state.Stored, next connection.Connection) error {
	lane := key.Lane(row.Organization, key.User, row.User)
	if err := e.ensureFollow(ctx, row.Organization, lane, "change"); err != nil {
		return err
	}
	promoted := next.Primary && !row.Primary
	next.Primary = row.Primary
	if !reflect.DeepEqual(next, row.Connection) {
		if _, err := e.connections.Put(ctx, next, nil, row.ETag); err != nil {
			return err
		}
	}
	if promoted {
		if err := e.connections.SetPrimary(ctx, row.Organization, lane, row.ID); err != nil {
			return err
		}
	}
	return e.follow(ctx, row.Organization, row.User)
}

// changed is c with a change of all but its calendars.
func changed(c connection.Connection, change ConnectionChange, now time.Time) (connection.Connection, error) {
	next := c
	if change.Primary != nil {
		if c.Primary && !*change.Primary {
			return c, ErrNotPrimary
		}
		next.Primary = *change.Primary
	}
	if change.Calendar != nil && *change.Calendar != c.Calendar {
		if *change.Calendar != "" {
			return c, ErrCalendarChoice
		}
		next.Calendar = ""
	}
	if change.Direction == nil && change.Scope == nil {
		return next, nil
	}
	return redirected(next, change, now)
}

// redirected is c in another direction or scope, if that was granted (R3). What is
// paused keeps its scope for when it goes on.
func redirected(c connection.Connection, change ConnectionChange, now time.Time) (connection.Connection, error) {
	next, given := c, c.Scope
	if change.Direction != nil {
		next.Direction = *change.Direction
	}
	if change.Scope != nil {
		given = *change.Scope
	}
	next.Scope = connection.ScopeFor(next.Direction, given)
	if change.Scope != nil && next.Scope != given {
		return c, ErrScope
	}
	if missing := connection.Missing(c.Granted, next.Direction, next.Scope); c.Delegated && len(missing) > 0 {
		return c, &ScopeMissing{Connection: c, Direction: next.Direction, Scope: next.Scope, Missing: missing}
	}
	if c.State == connection.Connected || c.State == connection.Paused || c.State == connection.Unreachable {
		next.State = stateOf(next)
	}
	if next.State != c.State {
		next.Since = now
	}
	return next, nil
}

// Endings ends what Graph tells of a connection.
type Endings interface {
	// End ends a connection's subscription while its tokens are still there. It takes at
	// most a few seconds and does what it can; an error means that the bus refused.
	End(ctx context.Context, c connection.Connection) error
}

// Disconnect destroys a connection's tokens and then its row; events stay where they
// are. If it was the primary one, the person's oldest other connection becomes it.
// state.ErrNotFound: there is none (any more). It may be repeated.
//
// The row goes after the product was told; until then it is disconnected, without tokens.
func (e *Engine) Disconnect(ctx context.Context, organization string, id key.Key, check CheckConnection) error {
	for range 5 {
		row, err := e.rowOf(ctx, organization, id, check)
		if err != nil {
			return fmt.Errorf("engine.Disconnect: %w", err)
		}
		lane := key.Lane(organization, key.User, row.User)
		if err := e.ensureFollow(ctx, organization, lane, "disconnect"); err != nil {
			return fmt.Errorf("engine.Disconnect: %w", err)
		}
		if err := e.tellWarningOver(ctx, row.Connection); err != nil {
			return fmt.Errorf("engine.Disconnect: %w", err)
		}
		if e.endings != nil { // before the tokens go
			if err := e.endings.End(ctx, row.Connection); err != nil {
				return fmt.Errorf("engine.Disconnect: %w", &queue.Refused{Err: err})
			}
		}
		c := row.Connection
		c.State, c.Since, c.Cause, c.Correlation, c.Claims = connection.Disconnected, e.now().UTC(), "", "", ""
		_, err = e.connections.Put(ctx, c, []byte{}, row.ETag)
		if errors.Is(err, state.ErrPrecondition) || errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err == nil {
			err = e.follow(ctx, organization, row.User)
		}
		if err != nil {
			return fmt.Errorf("engine.Disconnect: %w", err)
		}
		return nil
	}
	return fmt.Errorf("engine.Disconnect: %w", state.ErrPrecondition)
}
