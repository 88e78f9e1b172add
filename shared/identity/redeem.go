package identity

import (
	"context"
	"log/slog"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// Redemption is what a callback brought, and what the flow remembers.
type Redemption struct {
	// Tenant, RedirectURI, Verifier, Nonce and Scopes are those of Leave.
	Tenant, RedirectURI, Verifier, Nonce string
	Scopes                               []string
	Code                                 string
}

// String hides code and verifier from logs.
func (Redemption) String() string { return "redemption" }

// GoString hides code and verifier from %#v.
func (Redemption) GoString() string { return "identity.Redemption{}" }

// LogValue hides code and verifier from log/slog.
func (Redemption) LogValue() slog.Value { return slog.StringValue("redemption") }

// SignedIn is who signed in, verified, and what they granted.
type SignedIn struct {
	Tenant, ObjectID string   // GUIDs in lower case, from the verified id token
	Name, UserName   string   // for display only
	Wids             []string // role templates of an administrator, where Entra tells them
	Granted          []string // Graph's permissions by short name, in order
	AccessToken      string   // for Graph, with what was granted
	Expires          time.Time
	// Cache is what SealTokens seals, as secret as a password; nil where nothing was
	// granted that lasts (Leave without Scopes).
	Cache []byte
}

// String hides the tokens from logs, and who it is.
func (SignedIn) String() string { return "signed-in" }

// GoString hides the tokens from %#v.
func (SignedIn) GoString() string { return "identity.SignedIn{}" }

// LogValue hides the tokens from log/slog.
func (SignedIn) LogValue() slog.Value { return slog.StringValue("signed-in") }

// Redeem turns a code into a verified person (contract 13.2, 13.4). Its error is a
// *SignInError where we refuse what came, a *TokenError where nothing came. Nothing is
// stored.
//
// One request to the token endpoint, and one each for discovery and keys where those
// are not at hand.
func (u *Users) Redeem(ctx context.Context, r Redemption) (SignedIn, error) {
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	if r.Code == "" || r.Verifier == "" || r.Nonce == "" || r.RedirectURI == "" {
		return SignedIn{}, &TokenError{Code: "invalid_request", Reason: "code, verifier, nonce or redirect URI is missing"}
	}
	tenant, err := signInTenant(r.Tenant)
	if err != nil {
		return SignedIn{}, err
	}
	scopes, err := u.scopes(r.Scopes)
	if err != nil {
		return SignedIn{}, err
	}
	x, cache := &exchange{client: u.http, scopes: scopes}, &accessor{}
	client, err := u.msal(tenant, x, cache)
	if err != nil {
		return SignedIn{}, &TokenError{Reason: "the app's credential cannot be used"}
	}
	if _, err := client.AcquireTokenByAuthCode(ctx, r.Code, r.RedirectURI, scopes, confidential.WithChallenge(r.Verifier)); err != nil {
		if x.answer.IDToken != "" { // MSAL may have stumbled over it
			if _, err := u.verify(ctx, tenant, r.Nonce, x.answer.IDToken); err != nil {
				return SignedIn{}, err
			}
		}
		return SignedIn{}, x.failure(ctx, "the code was not redeemed: no answer, or not as Entra's")
	}
	if x.answer.IDToken == "" {
		return SignedIn{}, &SignInError{Refusal: NoIDToken}
	}
	c, err := u.verify(ctx, tenant, r.Nonce, x.answer.IDToken)
	if err != nil {
		return SignedIn{}, err
	}
	return u.signedIn(c, x, cache)
}

func (u *Users) signedIn(c claims, x *exchange, cache *accessor) (SignedIn, error) {
	s := SignedIn{
		Tenant: c.Tenant, ObjectID: c.ObjectID, Name: c.Name, UserName: c.UserName, Wids: c.Wids,
		Granted: u.granted(x.scope()), AccessToken: x.answer.AccessToken, Expires: u.now().Add(x.answer.life()),
	}
	if x.answer.RefreshToken == "" || len(s.Granted) == 0 {
		return s, nil
	}
	kept := tokens{
		Tenant: s.Tenant, ObjectID: s.ObjectID, Home: cache.home, Cache: cache.exported,
		Access: s.AccessToken, Until: s.Expires, Granted: s.Granted, Refreshed: u.now(),
	}
	var err error
	s.Cache, err = kept.encode()
	return s, err
}
