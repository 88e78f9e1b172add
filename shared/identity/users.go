package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"golang.org/x/sync/singleflight"
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
type Users struct {
	clientID  string
	client    func() (confidential.Credential, error)
	authority *url.URL // as configured: http on loopback
	graph     string   // origin of scopes, with a slash at the end
	http      *http.Client
	keys      *keyStore
	store     TokenStore
	sealer    Sealer
	timeout   time.Duration
	now       func() time.Time

	flights singleflight.Group
	mu      sync.Mutex
	tokens  map[connectionKey]heldToken
}

// NewUsers returns the app as users see it, with one of its credentials. opts may be
// nil. Nothing is asked of Entra yet.
func NewUsers(clientID string, credential Credential, opts *UserOptions) (*Users, error) {
	o := UserOptions{}
	if opts != nil {
		o = *opts
	}
	authority, err := origin(o.Authority, "https://login.microsoftonline.com")
	if err != nil {
		return nil, fmt.Errorf("identity.NewUsers: authority: %w", err)
	}
	graph, err := origin(o.GraphEndpoint, "https://graph.microsoft.com")
	if err != nil {
		return nil, fmt.Errorf("identity.NewUsers: Graph endpoint: %w", err)
	}
	if clientID == "" || credential.client == nil {
		return nil, errors.New("identity.NewUsers: a client id and a credential are required")
	}
	u := &Users{
		clientID: strings.ToLower(clientID), client: credential.client, authority: authority,
		graph: strings.TrimSuffix(scopeOf(graph), ".default"),
		store: o.Store, sealer: o.Sealer, timeout: o.Timeout, now: o.Now,
		tokens: map[connectionKey]heldToken{},
	}
	if u.timeout <= 0 {
		u.timeout = 20 * time.Second
	}
	if u.now == nil {
		u.now = time.Now
	}
	u.http = newHTTPClient(o.Transport, authority)
	u.http.Transport = newDocuments(u.http.Transport, u.now, u.timeout)
	u.keys = newKeyStore(u.http, u.now, u.timeout)
	return u, nil
}

// programs is the authority as programs call it, always https: MSAL refuses anything
// else, and the transport makes plain http of it on loopback.
func (u *Users) programs() string { return "https://" + u.authority.Host }

// msal makes a client for one operation: MSAL replaces a client's cache as a whole, so
// that two users on one client lose each other's tokens (identity.md section 4). No
// client capability is declared. Instance discovery is off: the authority is the
// operator's, and there is one.
func (u *Users) msal(tenant string, x *exchange, cache *accessor) (confidential.Client, error) {
	credential, err := u.client()
	if err != nil {
		return confidential.Client{}, err
	}
	return confidential.New(u.programs()+"/"+tenant, u.clientID, credential,
		confidential.WithHTTPClient(x), confidential.WithCache(cache), confidential.WithInstanceDiscovery(false))
}

// failure is the error of an operation of MSAL. MSAL's own text is dropped: it quotes
// requests and answers.
func (x *exchange) failure(ctx context.Context, otherwise string) *TokenError {
	switch {
	case x.status != 0 && x.status != http.StatusOK:
		return decodeError(x.status, x.header, x.body)
	case ctx.Err() != nil:
		return &TokenError{Cause: ctx.Err()}
	}
	return &TokenError{Reason: otherwise}
}
