package app

import (
	"context"
	"errors"
	"slices"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// people gives the tokens of people's connections, to the Graph client and to the
// keep-alive.
type people struct{ users *identity.Users }

// Token implements msgraph.Tokens.
func (p people) Token(ctx context.Context, as graph.Access, fresh bool) (string, error) {
	return p.users.Token(ctx, identity.Ref{Organization: as.Organization, Lane: as.Lane, Connection: as.Connection, Version: as.Version}, fresh)
}

// Refresh implements engine.Refresher.
func (p people) Refresh(ctx context.Context, c connection.Connection) error {
	_, err := p.users.Refresh(ctx, identity.Ref{Organization: c.Organization, Lane: key.Lane(c.Organization, key.User, c.User), Connection: c.ID, Version: c.SignIn()})
	return err
}

// tokenRows keeps the tokens of connections in their rows. It implements
// identity.TokenStore; each method is one request.
type tokenRows struct{ rows *state.Connections }

// Tokens reads a row. One whose tokens were destroyed has none to give.
func (t tokenRows) Tokens(ctx context.Context, ref identity.Ref) (identity.StoredTokens, error) {
	all, err := t.rows.Of(ctx, ref.Organization, ref.Lane)
	if err != nil {
		return identity.StoredTokens{}, err
	}
	for _, row := range all {
		if row.ID == ref.Connection && row.Delegated && len(row.Sealed) > 0 {
			return identity.StoredTokens{Tenant: row.Account.Tenant, ObjectID: row.Account.ObjectID,
				Scopes: refreshed(row.Connection), Sealed: row.Sealed, ETag: row.ETag}, nil
		}
	}
	return identity.StoredTokens{}, identity.ErrNoConnection
}

// SaveTokens writes a row.
func (t tokenRows) SaveTokens(ctx context.Context, ref identity.Ref, save identity.TokenSave, etag string) error {
	_, err := t.rows.SaveTokens(ctx, ref.Organization, ref.Lane, ref.Connection, save.Sealed, etag, save.Refreshed, save.Granted)
	switch {
	case errors.Is(err, state.ErrPrecondition):
		return identity.ErrConnectionChanged
	case errors.Is(err, state.ErrNotFound):
		return identity.ErrNoConnection
	}
	return err
}

// refreshed are the permissions that a connection's refresh asks for: those that its
// direction needs, by a name that was granted, because Entra answers consent_required
// for Calendars.Read where only Calendars.ReadWrite was granted; else all that was
// granted.
func refreshed(c connection.Connection) []string {
	has := func(p string) bool { return slices.Contains(c.Granted, p) }
	needed := connection.Permissions(c.Direction, c.Scope)
	if len(needed) > 0 && !slices.ContainsFunc(needed, func(p string) bool { return !has(p) }) {
		return needed
	}
	for _, p := range c.Granted {
		if len(needed) > 0 && len(connection.Missing([]string{p}, c.Direction, c.Scope)) == 0 {
			return []string{p}
		}
	}
	return c.Granted
}
