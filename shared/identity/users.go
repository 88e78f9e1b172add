package identity

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// Organizations is the tenant of a sign-in by anybody with a work or school account.
const Organizations = "organizations"

// UserOptions of Users; the zero value of each field takes its default.
type UserOptions struct {
	// Authority is Entra's origin, https://login.microsoftonline.com by default.
	Authority string
	// GraphEndpoint is the origin that scopes are of, https://graph.microsoft.com by
	// default and for any loopback origin.
	GraphEndpoint string
	// Store and Sealer keep the tokens of connections. Without them Token, Refresh and
	// SealTokens must not be called.
	Store  TokenStore
	Sealer Sealer
	// Timeout of one operation, 20 s by default.
	Timeout time.Duration
	// Transport carries the requests; by default a clone of net/http's.
	Transport http.RoundTripper
	// Now is the clock by which tokens expire, time.Now by default.
	Now func() time.Time
}

// Sealer is what seal.Sealer does.
type Sealer interface {
	Seal(plain, associated []byte) []byte
	Open(sealed, associated []byte) (plain []byte, old bool, err error)
}

// Users signs people in and keeps the tokens of their connections alive. It is safe
// for concurrent use.
type Users struct{}

// NewUsers returns the app as users see it, with one of its credentials. opts may be
// nil.
func NewUsers(clientID string, credential Credential, opts *UserOptions) (*Users, error) {
	return nil, errNotBuilt
}

var errNotBuilt = errors.New("identity: not built yet")

// Leave is what a browser leaves for Microsoft with.
type Leave struct {
	// Tenant is a GUID, or Organizations.
	Tenant string
	// RedirectURI is that of the callback, exactly as registered.
	RedirectURI string
	// State and Nonce are the caller's random values.
	State, Nonce string
	// Verifier is PKCE's (NewVerifier); only its S256 challenge leaves.
	Verifier string
	// Scopes are permissions of Graph by short name (Calendars.Read). openid and
	// profile are always asked for; offline_access where there is any permission.
	Scopes []string
	// LoginHint is an address, "" for none.
	LoginHint string
	// Prompt is "", "select_account", "none", "login" or "consent".
	Prompt string
	// Claims is a challenge of Entra (TokenError.Claims, Connection.Claims), "" for none.
	Claims string
}

// NewVerifier makes a PKCE verifier, 43 characters; it serves for states and nonces as well.
func NewVerifier() string { return "" }

// AuthorizeURL is where a browser is sent to sign in (contract 13.2). The endpoint is
// from the tenant's discovery document: one request, none when it is cached (a day).
func (u *Users) AuthorizeURL(ctx context.Context, l Leave) (string, error) { return "", errNotBuilt }

// ConsentLeave is what an administrator's browser leaves for Microsoft with.
type ConsentLeave struct {
	// Tenant is a GUID, a domain, or Organizations; never common.
	Tenant string
	// Application asks for what the registration names (/.default); else Scopes,
	// delegated permissions by short name, are asked for with offline_access.
	Application        bool
	Scopes             []string
	RedirectURI, State string
}

// AdminConsentURL is where an administrator is sent to consent (contract 13.3, v2.0;
// identity.md section 2). No request is made.
func (u *Users) AdminConsentURL(l ConsentLeave) (string, error) { return "", errNotBuilt }

// Redemption is what a callback brought, and what the flow remembers.
type Redemption struct {
	// Tenant, RedirectURI, Verifier, Nonce, Scopes and Claims are those of Leave.
	Tenant, RedirectURI, Verifier, Nonce string
	Scopes                               []string
	Claims                               string
	Code                                 string
}

// SignedIn is who signed in, verified, and what they granted.
type SignedIn struct {
	Tenant, ObjectID string // GUIDs in lower case, from the verified id token
	Name, UserName   string // for display only
	Wids             []string
	Granted          []string // Graph's permissions by short name, in order
	AccessToken      string   // "" where no permission of Graph was asked for
	Expires          time.Time
	// Cache is what SealTokens seals; as secret as a password.
	Cache []byte
}

// Redeem turns a code into a verified person (contract 13.2, 13.4). Its error is a
// *SignInError where the answer is refused by us, a *TokenError where there is none.
// One request, and one each for discovery and keys where they are not cached.
func (u *Users) Redeem(ctx context.Context, r Redemption) (SignedIn, error) {
	return SignedIn{}, errNotBuilt
}

// Refusal is why a sign-in that Entra accepted is not accepted here.
type Refusal string

// The refusals. WrongTenant and ConsumerAccount are people's mistakes; KeysUnreachable
// passes; the others are attacks or faults.
const (
	WrongTenant     Refusal = "wrong-tenant"
	ConsumerAccount Refusal = "consumer-account"
	BadNonce        Refusal = "nonce"
	BadAudience     Refusal = "audience"
	BadIssuer       Refusal = "issuer"
	BadTenant       Refusal = "tenant-claim" // no GUID
	BadSignature    Refusal = "signature"
	BadAlgorithm    Refusal = "algorithm"
	UnknownKey      Refusal = "unknown-key"
	Expired         Refusal = "expired"
	NoObjectID      Refusal = "object-id"
	NoIDToken       Refusal = "id-token"
	KeysUnreachable Refusal = "keys-unreachable"
)

// SignInError is a sign-in that we refuse. Its text names no person.
type SignInError struct {
	Refusal Refusal
	// Tenant and UserName are who signed in, for the page that says which account was
	// used; set for WrongTenant and ConsumerAccount only, after the signature was
	// verified. Never log them.
	Tenant, UserName string
}

func (e *SignInError) Error() string { return "identity: sign-in refused: " + string(e.Refusal) }

// ParseCallbackError reads the error that a callback was called with (contract 13.2,
// 13.3); nil where there is none. Suberror is error_subcode; AADSTS are the numbers
// that error_description names; its text is dropped.
func ParseCallbackError(query url.Values) *TokenError { return nil }

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
	// Tenant and ObjectID are the account's; Scopes the permissions that a refresh asks
	// for, by short name: those that the direction needs, or all that was granted.
	Tenant, ObjectID string
	Scopes           []string
	Sealed           []byte
	ETag             string
}

// TokenStore is where the tokens of connections are kept.
type TokenStore interface {
	// Tokens returns what a row holds, or ErrNoConnection.
	Tokens(ctx context.Context, ref Ref) (StoredTokens, error)
	// SaveTokens changes what save names in a row whose ETag is etag, and nothing else
	// in it; ErrConnectionChanged when it is not, ErrNoConnection when it has gone.
	SaveTokens(ctx context.Context, ref Ref, save TokenSave, etag string) error
}

// TokenSave is what a refresh, or a change of keys, changes in a row.
type TokenSave struct {
	Sealed []byte
	// Refreshed is when the token was renewed (LastRefresh); zero where the same
	// tokens were only sealed with another key.
	Refreshed time.Time
	// Granted is what the refresh granted, by short name, in order; nil where there
	// was none.
	Granted []string
}

// What a TokenStore answers.
var (
	ErrNoConnection      = errors.New("identity: no such connection")
	ErrConnectionChanged = errors.New("identity: the connection was changed meanwhile")
)

// SealTokens seals what a sign-in brought for one connection, and for no other: the
// associated data is organisation, tenant, object id and connection.
func (u *Users) SealTokens(organization string, connection key.Key, tenant, objectID string, cache []byte) []byte {
	return nil
}

// Token returns an access token for Graph of a stored connection. fresh drops the
// access tokens at hand and makes one refresh. Its error is a *TokenError; of a
// connection that has gone it wraps ErrNoConnection.
//
// Cost: a token in memory none; after a restart one row read; a refresh one row read,
// one request to Entra, one row write.
func (u *Users) Token(ctx context.Context, ref Ref, fresh bool) (string, error) {
	return "", errNotBuilt
}

// Renewal is a refresh that succeeded.
type Renewal struct {
	At      time.Time
	Granted []string // Graph's permissions by short name, in order
}

// Refresh renews a stored connection's token now, for the keep-alive. Its error is
// that of Token; graph.FateOf says what it means for the connection.
func (u *Users) Refresh(ctx context.Context, ref Ref) (Renewal, error) {
	return Renewal{}, errNotBuilt
}

// Forget drops a connection's access token from memory: after a reconnect, a
// disconnect, or a change of its permissions.
func (u *Users) Forget(ref Ref) {}
