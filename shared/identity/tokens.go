package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/calbridge/calbridge/shared/key"
)

const (
	// maxHeld bounds how many connections' access tokens are in memory.
	maxHeld = 10_000
	// maxConflicts is how often a row may change under a refresh.
	maxConflicts = 5
)

// connectionKey names a connection in memory.
type connectionKey struct {
	organization string
	connection   key.Key
}

// heldToken is an access token in memory.
type heldToken struct {
	value, version string
	until          time.Time // by Users.now
}

// Token returns an access token for Graph of a stored connection. One is kept in
// memory until five minutes before its end; callers that need the same at once share
// one refresh; while Entra is down the old one serves as long as it lives. fresh drops
// all access tokens at hand and makes exactly one refresh, after a 401 of Graph.
//
// Its error is a *TokenError: Entra's, or without a code where the fault is ours or
// passes (a row that cannot be read or opened, no refresh token in it: never a reason
// to ask the person to sign in again). Of a connection that has gone it wraps
// ErrNoConnection.
//
// Cost: with a token in memory nothing, and no allocation; with another instance's
// still good one row read; a refresh one row read, one request to Entra, one row
// write. The first of a tenant asks for its discovery document as well.
func (u *Users) Token(ctx context.Context, ref Ref, fresh bool) (string, error) {
	k := connectionKey{ref.Organization, ref.Connection}
	if !fresh {
		if held, ok := u.held(k, ref.Version, renewBefore); ok {
			return held, nil
		}
	}
	got, err := u.shared(ctx, k, ref, fresh)
	if err == nil {
		return got.Access, nil
	}
	if held, ok := u.held(k, ref.Version, stillGood); ok && !fresh && !errors.Is(err, ErrNoConnection) {
		return held, nil
	}
	return "", err
}

// Renewal is a refresh that succeeded.
type Renewal struct {
	At      time.Time
	Granted []string // Graph's permissions by short name, in order
}

// Refresh renews a stored connection's token now, whatever is at hand, for the
// keep-alive. Its error is that of Token; graph.FateOf says what it means for the
// connection. The store has been told by then. Cost: one row read, one request to
// Entra, one row write.
func (u *Users) Refresh(ctx context.Context, ref Ref) (Renewal, error) {
	got, err := u.shared(ctx, connectionKey{ref.Organization, ref.Connection}, ref, true)
	if err != nil {
		return Renewal{}, err
	}
	if got.unsaved != nil {
		return Renewal{}, got.unsaved
	}
	return Renewal{At: got.Refreshed, Granted: got.Granted}, nil
}

// Forget drops a connection's access token from memory: after a reconnect, a
// disconnect, or a change of its permissions.
func (u *Users) Forget(ref Ref) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.tokens, connectionKey{ref.Organization, ref.Connection})
}

func (u *Users) held(k connectionKey, version string, left time.Duration) (string, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t, ok := u.tokens[k]
	return t.value, ok && t.until.Sub(u.now()) >= left && (version == "" || version == t.version)
}

func (u *Users) hold(k connectionKey, t heldToken) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.tokens) >= maxHeld {
		now := u.now()
		for other, held := range u.tokens {
			if held.until.Before(now) {
				delete(u.tokens, other)
			}
		}
		for other := range u.tokens { // any, if all live: its row has it
			if len(u.tokens) < maxHeld {
				break
			}
			delete(u.tokens, other)
		}
	}
	u.tokens[k] = t
}

// renewed is what a row held, or what a refresh brought.
type renewed struct {
	tokens
	unsaved *TokenError // the refresh succeeded, the row was not written
}

// shared obtains a connection's tokens, once for all who wait for the same. It
// outlives a caller that gives up, because others may wait, and because a refresh
// token that was replaced has to be saved.
func (u *Users) shared(ctx context.Context, k connectionKey, ref Ref, fresh bool) (renewed, error) {
	if err := ctx.Err(); err != nil {
		return renewed{}, &TokenError{Cause: err}
	}
	name := fmt.Sprintf("%s %v %v %s", ref.Connection, fresh, len(ref.Organization), ref.Organization+ref.Version)
	done := u.flights.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.timeout)
		defer cancel()
		got, err := u.obtain(ctx, ref, fresh)
		switch {
		case errors.Is(err, ErrNoConnection):
			u.Forget(ref)
		case err == nil && got.unsaved == nil: // else the next one tries to save again
			u.hold(k, heldToken{got.Access, ref.Version, got.Until})
		}
		return got, err
	})
	select {
	case r := <-done:
		return r.Val.(renewed), r.Err
	case <-ctx.Done():
		return renewed{}, &TokenError{Cause: ctx.Err()}
	}
}

// obtain reads a row and takes its access token, if it is good and no fresh one is
// asked for, else refreshes and saves.
func (u *Users) obtain(ctx context.Context, ref Ref, fresh bool) (renewed, error) {
	row, at, old, err := u.load(ctx, ref)
	if err != nil {
		return renewed{}, err
	}
	for range maxConflicts {
		if !fresh && at.good(u.now(), renewBefore, row.Scopes) {
			if old {
				u.reseal(ctx, ref, row, at)
			}
			return renewed{tokens: at}, nil
		}
		next, err := u.refresh(ctx, row, at)
		if err != nil {
			return renewed{}, err
		}
		winner, err := u.save(ctx, ref, row, at, next)
		if err != nil {
			return renewed{}, err
		}
		if winner.row == nil {
			return winner.renewed, nil
		}
		// Another instance was quicker: its tokens are the row's, ours are dropped. What
		// it brought is as fresh as ours would be.
		row, at, old, fresh = *winner.row, winner.tokens, false, false
	}
	return renewed{}, &TokenError{Reason: "the connection keeps changing"}
}

func (u *Users) load(ctx context.Context, ref Ref) (StoredTokens, tokens, bool, error) {
	row, err := u.store.Tokens(ctx, ref)
	switch {
	case errors.Is(err, ErrNoConnection):
		return row, tokens{}, false, &TokenError{Cause: ErrNoConnection, Reason: "the connection has gone"}
	case err != nil:
		return row, tokens{}, false, &TokenError{Cause: err, Reason: "the connection cannot be read"}
	}
	at, old, err := u.unseal(ref, row)
	if err != nil {
		return row, tokens{}, false, &TokenError{Reason: err.Error()}
	}
	return row, at, old, nil
}

// refresh spends the refresh token of a row. One request to Entra.
func (u *Users) refresh(ctx context.Context, row StoredTokens, at tokens) (tokens, error) {
	permissions := row.Scopes
	if len(permissions) == 0 {
		permissions = at.Granted
	}
	scopes, err := u.scopes(permissions)
	if err != nil {
		return tokens{}, err
	}
	stored, err := refreshOnly(at.Cache, at.Home)
	if err != nil {
		return tokens{}, &TokenError{Reason: "the stored tokens are another account's"}
	}
	x, cache := &exchange{client: u.http, scopes: scopes}, &accessor{home: at.Home, stored: stored}
	client, err := u.msal(row.Tenant, x, cache)
	if err != nil {
		return tokens{}, &TokenError{Reason: "the app's credential cannot be used"}
	}
	got, err := client.AcquireTokenSilent(ctx, scopes, confidential.WithSilentAccount(confidential.Account{HomeAccountID: at.Home}))
	if err != nil {
		return tokens{}, x.failure(ctx, "the token was not refreshed: no answer, one of another account, or no refresh token is stored")
	}
	if id := got.IDToken; id.RawToken != "" && (id.Oid != row.ObjectID || id.TenantID != row.Tenant) {
		return tokens{}, &TokenError{Reason: "the answer is another account's"}
	}
	return tokens{
		Tenant: row.Tenant, ObjectID: row.ObjectID, Home: at.Home, Cache: cache.exported,
		Access: x.answer.AccessToken, Until: u.now().Add(x.answer.life()), Granted: u.granted(x.scope()), Refreshed: u.now(),
	}, nil
}

// outcome of a save: what to give, or where another was quicker, its row and tokens.
type outcome struct {
	renewed
	row *StoredTokens
}

// save writes what a refresh brought. A row whose other properties changed meanwhile
// is written again; one whose tokens changed is another's success.
func (u *Users) save(ctx context.Context, ref Ref, row StoredTokens, from, next tokens) (outcome, error) {
	sealed, err := u.seal(ref, next)
	if err != nil {
		return outcome{}, err
	}
	change := TokenSave{Sealed: sealed, Refreshed: next.Refreshed, Granted: next.Granted}
	for range maxConflicts {
		err = u.store.SaveTokens(ctx, ref, change, row.ETag)
		switch {
		case err == nil:
			return outcome{renewed: renewed{tokens: next}}, nil
		case errors.Is(err, ErrNoConnection):
			return outcome{}, &TokenError{Cause: ErrNoConnection, Reason: "the connection has gone"}
		case !errors.Is(err, ErrConnectionChanged):
			// The token is good, and the one in the row still is.
			return outcome{renewed: renewed{next, &TokenError{Cause: err, Reason: "the connection cannot be written"}}}, nil
		}
		now, at, _, err := u.load(ctx, ref)
		if err != nil {
			return outcome{}, err
		}
		if !at.same(from) {
			return outcome{renewed: renewed{tokens: at}, row: &now}, nil
		}
		row = now
	}
	return outcome{renewed: renewed{next, &TokenError{Cause: err, Reason: "the connection keeps changing"}}}, nil
}

// reseal writes the same tokens with the primary key. What hinders it is passed over:
// the next use tries again.
func (u *Users) reseal(ctx context.Context, ref Ref, row StoredTokens, at tokens) {
	if sealed, err := u.seal(ref, at); err == nil {
		_ = u.store.SaveTokens(ctx, ref, TokenSave{Sealed: sealed, Refreshed: at.Refreshed}, row.ETag)
	}
}
