// Package identity speaks to Microsoft Entra: [App] gets the app's own (app-only)
// tokens for Graph, one per customer tenant; [Users] signs people in and keeps the
// tokens of their connections alive.
//
// # The app's tokens
//
// A token is kept per (tenant, consent version) in memory and renewed when less
// than five minutes of it are left: a new consent means a new token at once,
// because one from before it lacks the roles for about an hour (identity.md
// section 2). Callers that need the same token at once share one request. After
// a Graph 401 a caller asks for a fresh one. When a renewal fails while the old
// token still lives, the old one is given.
//
// The tenant is always the caller's, from the organisation's row (invariant I7);
// it must be a GUID, so that neither `common` nor a path can stand in its place.
//
// azidentity makes the requests, a new credential per fetch: its own cache cannot
// be told to forget. Its retries are off; whoever needs the token postpones and
// tries again (write-path.md section 1). Redirects are not followed.
//
// # People
//
// A browser leaves with [Users.AuthorizeURL] or [Users.AdminConsentURL] and comes back
// with a code, which [Users.Redeem] turns into a verified person, or with an error,
// which [ParseCallbackError] reads. The id token is verified with go-oidc, whatever
// MSAL thinks of it (contract 13.4): MSAL does not verify it at all. Access tokens are
// never parsed; what was granted is what the answer's scope says.
//
// [Users.SealTokens] makes of a sign-in what a connection's row keeps; [Users.Token] and
// [Users.Refresh] use it (identity.md section 4). Each operation has an MSAL client of
// its own. MSAL's cache is given to it without access tokens, which are kept beside it
// with their end by our own clock; so a refresh is always exactly one request. What
// stands between MSAL and the network, and why, is said at exchange.
//
// # What both share
//
// ENTRA_AUTHORITY may be http on loopback only. azidentity and MSAL refuse http, so
// they are given the https form and a transport that sends that one host plain http
// (identity.md section 4). Discovery documents are kept for a day.
//
// Errors are *TokenError: what Entra said in codes, never in its text, which names the
// app and the person, and never with a token or secret; and *SignInError, what we
// refuse ourselves.
//
// # Guessed
//
// The audiences of federated credentials in other clouds than the public one
// (see ManagedIdentity). That Entra's discovery document answers an unknown
// tenant with the same JSON as the token endpoint (contract 13.5). That Entra redeems
// a code without offline_access where the browser left without it. That scope names
// Graph's permissions short or with Graph's origin. That a permission which another one
// holds has to be granted by its own name to be asked for in a refresh.
package identity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"
)

const (
	// renewBefore is how much of a token's life is left when it is renewed.
	renewBefore = 5 * time.Minute
	// stillGood is how much must be left for an old token to be given when its
	// renewal failed.
	stillGood = 30 * time.Second
)

// Options of an App; the zero value of each field takes its default.
type Options struct {
	// Authority is Entra's origin, https://login.microsoftonline.com by default.
	Authority string
	// GraphEndpoint is the origin tokens are for, https://graph.microsoft.com by
	// default and for any loopback origin.
	GraphEndpoint string
	// ConsentVersion names the consent that a tenant's token belongs to; by default
	// all tokens of a tenant belong together. It must be quick.
	ConsentVersion func(tenant string) string
	// Timeout of one token request, 20 s by default.
	Timeout time.Duration
	// Transport carries the requests; by default a clone of net/http's.
	Transport http.RoundTripper
	// Now is the clock by which tokens expire, time.Now by default.
	Now func() time.Time
}

// App is the multi-tenant application. It is safe for concurrent use.
type App struct {
	clientID   string
	credential Credential
	client     azcore.ClientOptions
	loopback   bool
	scope      string
	consent    func(string) string
	timeout    time.Duration
	now        func() time.Time

	flights singleflight.Group
	mu      sync.Mutex
	tokens  map[cacheKey]token
}

type cacheKey struct{ tenant, consent string }

type token struct {
	value   string
	expires time.Time // by App.now
}

// New returns the app with one of its credentials. opts may be nil.
func New(clientID string, credential Credential, opts *Options) (*App, error) {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	authority, err := origin(o.Authority, "https://login.microsoftonline.com")
	if err != nil {
		return nil, fmt.Errorf("identity.New: authority: %w", err)
	}
	graph, err := origin(o.GraphEndpoint, "https://graph.microsoft.com")
	if err != nil {
		return nil, fmt.Errorf("identity.New: Graph endpoint: %w", err)
	}
	if clientID == "" || credential.open == nil {
		return nil, errors.New("identity.New: a client id and a credential are required")
	}
	a := &App{
		clientID: clientID, credential: credential, loopback: isLoopback(authority.Hostname()),
		scope: scopeOf(graph), consent: o.ConsentVersion, timeout: o.Timeout, now: o.Now,
		tokens: map[cacheKey]token{},
	}
	if a.consent == nil {
		a.consent = func(string) string { return "" }
	}
	if a.timeout <= 0 {
		a.timeout = 20 * time.Second
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.client = azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: "https://" + authority.Host},
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
		Transport: newHTTPClient(o.Transport, authority),
	}
	return a, nil
}

// Token returns an app-only token for Graph in a tenant. fresh asks for one that
// is requested after this call began, or shared with a caller who asks for a
// fresh one at the same time. Its error is a *TokenError.
func (a *App) Token(ctx context.Context, tenant string, fresh bool) (string, error) {
	id, err := uuid.Parse(tenant)
	if err != nil {
		return "", &TokenError{Code: "invalid_request", Reason: "the tenant is not a GUID"}
	}
	k := cacheKey{tenant: id.String(), consent: a.consent(tenant)}
	kept, ok := a.kept(k, renewBefore)
	if ok && !fresh {
		return kept, nil
	}
	got, err := a.shared(ctx, k)
	if err == nil {
		return got, nil
	}
	if kept, ok = a.kept(k, stillGood); ok && !fresh {
		return kept, nil
	}
	return "", err
}

// kept returns the token at hand if at least left of it is left.
func (a *App) kept(k cacheKey, left time.Duration) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.tokens[k]
	return t.value, ok && t.expires.Sub(a.now()) >= left
}

// shared fetches a token, once for all who wait. The fetch outlives a caller
// that gives up, because others may wait for it.
func (a *App) shared(ctx context.Context, k cacheKey) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", &TokenError{Cause: err}
	}
	done := a.flights.DoChan(k.tenant+" "+k.consent, func() (any, error) {
		fetchCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
		defer cancel()
		return a.fetch(fetchCtx, k)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", &TokenError{Cause: ctx.Err()}
	}
}

func (a *App) fetch(ctx context.Context, k cacheKey) (string, error) {
	source, err := a.credential.open(k.tenant, a)
	if err != nil {
		return "", &TokenError{Reason: "the app's credential cannot be used"}
	}
	got, err := source.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{a.scope}})
	if err != nil {
		return "", readError(ctx, err)
	}
	// MSAL dates the end by the wall clock; what counts here is how long it lasts.
	t := token{value: got.Token, expires: a.now().Add(time.Until(got.ExpiresOn))}
	a.mu.Lock()
	defer a.mu.Unlock()
	for old := range a.tokens {
		if old.tenant == k.tenant && old.consent != k.consent {
			delete(a.tokens, old) // an earlier consent's
		}
	}
	a.tokens[k] = t
	return t.value, nil
}

// origin parses an origin that is https, or http on loopback.
func origin(s, fallback string) (*url.URL, error) {
	if s == "" {
		s = fallback
	}
	u, err := url.Parse(strings.TrimSuffix(s, "/"))
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("not an origin")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil, errors.New("neither https nor http on loopback")
	}
	return u, nil
}

// scopeOf is what a token for Graph is asked for by. The simulator stands in for
// the public cloud's Graph.
func scopeOf(graph *url.URL) string {
	if isLoopback(graph.Hostname()) {
		return "https://graph.microsoft.com/.default"
	}
	return "https://" + graph.Host + "/.default"
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
