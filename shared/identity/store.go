package identity

import (
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// Ref names a stored connection.
type Ref struct {
	Organization     string
	Lane, Connection key.Key
	// Version names the sign-in that a token in memory must come from, "" for any: a
	// caller that has read the row gives what changes with it, such as SignedIn.
	Version string
}

// StoredTokens is what a connection's row holds of tokens.
type StoredTokens struct {
	// Tenant and ObjectID are the account's, GUIDs in lower case.
	Tenant, ObjectID string
	// Scopes are the permissions that a refresh asks for, by short name. Each must have
	// been granted by that very name: Entra answers consent_required for Calendars.Read
	// where only Calendars.ReadWrite was granted. Where it is empty, those granted last.
	Scopes []string
	Sealed []byte
	ETag   string
}

// TokenSave is what a refresh, or a change of keys, changes in a row.
type TokenSave struct {
	Sealed []byte
	// Refreshed is when these tokens were last renewed (LastRefresh): now, or before
	// where they were only sealed with another key.
	Refreshed time.Time
	// Granted is what the refresh granted, by short name, in order; nil where there
	// was none.
	Granted []string
}

// TokenStore is where the tokens of connections are kept. It must be safe for
// concurrent use.
type TokenStore interface {
	// Tokens returns what a row holds, or ErrNoConnection.
	Tokens(ctx context.Context, ref Ref) (StoredTokens, error)
	// SaveTokens changes what save names in a row whose ETag is etag, and nothing else
	// in it; ErrConnectionChanged when it is not, ErrNoConnection when it has gone.
	SaveTokens(ctx context.Context, ref Ref, save TokenSave, etag string) error
}

// What a TokenStore answers; they may be wrapped.
var (
	ErrNoConnection      = errors.New("identity: no such connection")
	ErrConnectionChanged = errors.New("identity: the connection was changed meanwhile")
)
