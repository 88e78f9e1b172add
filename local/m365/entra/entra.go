// Package entra simulates Microsoft Entra: discovery and keys, the sign-in of people
// in a browser, their consent and that of administrators, and the token endpoint. It
// also checks the tokens for the Graph side and is its directory.
//
// # Rules and their source
//
// Section numbers are those of graph/contract.md.
//
//   - Endpoints and discovery fields: 13.1. Absolute links are built from the
//     request's Host. The issuer and what programs call are https, what browsers
//     open is http (identity.md section 4), so the simulator is served as plain
//     http on loopback.
//   - Authorize: 13.2. Redirect URIs are compared exactly. What cannot be trusted (app,
//     address, tenant), who may not enter, and who needs an administrator stays on
//     Entra's page; everything else goes back with an error. A browser that is signed
//     in needs no page. There are no passwords: an account is picked.
//   - Admin consent: 13.3, both versions, with the redirects as they stand there.
//     Delegated permissions take one of four roles, application permissions one of two
//     (identity.md 2.1); whoever has none stays on the page.
//   - A delegated grant is one user's or for all, and never makes an app role grant;
//     roles come from .default or the old endpoint only, and are the registration's.
//     One permission implies no other: Calendars.ReadWrite is no consent to
//     Calendars.Read.
//   - Codes: 13.2. Ten minutes, once, with the verifier, redirect URI, client and
//     authority of the request. Refresh tokens: rotated, the old one good on, dead
//     after 90 days without use, by revocation, by a disabled account, a withdrawn
//     consent, or the tenant's Policy. What was granted for all is in every token.
//   - Id tokens: 13.4, RS256, oid and names with profile, a guest's oid of the tenant,
//     pairwise sub, wids unless Switches.NoWids. At common each key names its issuer,
//     and personal accounts have a key of their own.
//   - Client credentials: 13.2. At a tenant's own URL only; a token without roles
//     is issued where nothing was granted; never a refresh token. A token lasts
//     3,599 seconds of the given clock and keeps the roles it was issued with.
//   - Errors: 13.5, shape and captured statuses; AADSTS numbers choose status,
//     error and whether there is an error_uri, all from one table.
//   - Access tokens are RS256 and look as Graph's do today, version 1 with issuer
//     https://sts.windows.net/{tenant}/ (13.4). Check accepts no other algorithm,
//     audience, issuer, or key.
//   - A client assertion is checked for signature, thumbprint, audience, issuer,
//     subject and time (13.2), a federated one against issuer, subject and
//     audience exactly.
//
// # Guessed
//
//   - The order of checks (tenant, application, service principal, credential,
//     scope, then code or refresh token, account, consent, policy); the error and
//     suberror of each number where the contract has K or nothing; 50011 at the token
//     endpoint as invalid_client; 70011 for a permission that Graph does not have;
//     9000411 for a parameter sent twice; 50089 after an hour on a page. That a
//     withdrawn consent does not end access tokens already issued, and a removed
//     service principal is 700016, removed grants 65001.
//   - prompt=none without consent is consent_required, with several accounts or a page
//     in the way interaction_required.
//   - openid, profile, email and offline_access come with any consent, not without one.
//   - A user's own grant is in a token as far as it is asked for; the scope string
//     spells permissions as the request did, leaves offline_access out and is sorted.
//   - Malformed admin consent requests stay on the page. .default of admin consent
//     takes an application administrator's role only where the registration declares
//     roles. Consenting for oneself "on behalf of the organization" adds to the grant.
//   - A refresh token is good for its own tenant only. Conditional Access is asked at
//     the sign-in (Policy.Browser) and at each refresh (Policy.Server), not when a
//     code is redeemed.
//   - A personal account at organizations is 50020.
//
// Stricter than Entra: a parameter sent twice is refused at the token endpoint too, and
// so are an assertion that lasts over an hour, a PKCE method but S256, and a verifier
// without a challenge. Looser: there are no passwords and no throttling.
//
// # Concurrency and time
//
// A Server is safe for concurrent use. It takes its time from one function and
// waits only where a fault says so; faults apply to token requests. The first signing
// key is made when it is needed, once per process; RotateKeys makes others.
package entra

import (
	"crypto/rsa"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/calbridge/calbridge/local/m365/faults"
)

// Graph is the audience of access tokens for Graph, GraphApp its application id.
const (
	Graph    = "https://graph.microsoft.com"
	GraphApp = "00000003-0000-0000-c000-000000000000"
)

// App is an app registration.
type App struct {
	ID   string // client id, a GUID
	Name string
	// Secrets are accepted; ExpiredSecrets are known and refused with 7000222.
	Secrets, ExpiredSecrets []string
	Certificates            []*x509.Certificate
	Federated               []Federated
	// RedirectURIs are the addresses that answers may go to, compared exactly.
	RedirectURIs []string
	// Delegated and Roles are the permissions of Graph that the registration declares:
	// what .default and the old admin consent grant.
	Delegated, Roles []string
	// Tenant is the only one whose users may sign in; "": an app for all tenants.
	Tenant string
	// Personal lets personal accounts in, at common and consumers.
	Personal bool
}

// Federated is a federated identity credential: whose tokens are as good as a
// secret. Key verifies them.
type Federated struct {
	Issuer, Subject, Audience string
	Key                       *rsa.PublicKey
}

// Server is the simulator; it serves what is below the authority's origin.
type Server struct {
	now    func() time.Time
	faults *faults.Set
	mux    *http.ServeMux

	mu       sync.Mutex
	tenants  map[string]*tenant // by id and by domain, lower case
	apps     map[string]App     // by id, lower case
	keys     []signingKey       // the last one signs
	lifetime time.Duration
	requests int
	issued   int64 // number of the last token
	order    []*tenant
	people   People
	switches Switches
	spoil    Spoil

	sessions  map[string]*session // by cookie
	attempts  map[string]*attempt // by ctx
	codes     map[string]*code
	refreshes map[string]*grant // by refresh token
}

type tenant struct {
	id         string
	domains    []string
	principals map[string]*principal // by app id, lower case
	accounts   []*account
	policy     Policy
	approvals  []Approval
}

// principal is the service principal of an app in a tenant.
type principal struct {
	objectID string
	roles    []string            // of Graph
	grants   map[string][]string // delegated, by object id of the user; "" for all
	assigned []string            // object ids of who may sign in; nil: everyone
	disabled bool
	revoked  int64 // tokens up to this number are refused
}

// New returns a server without tenants and apps. now must not be nil; faults,
// which apply to token requests, may be.
func New(now func() time.Time, rules *faults.Set) *Server {
	s := &Server{
		now: now, faults: rules, mux: http.NewServeMux(),
		tenants: map[string]*tenant{}, apps: map[string]App{}, lifetime: 3599 * time.Second,
		sessions: map[string]*session{}, attempts: map[string]*attempt{}, codes: map[string]*code{}, refreshes: map[string]*grant{},
	}
	s.AddTenant(Consumers)
	s.mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.token)
	s.pages()
	s.mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.discovery)
	s.mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.jwks)
	s.mux.HandleFunc("GET /common/discovery/instance", s.instance)
	return s
}

// pages are what browsers open. The paths of the forms are ours.
func (s *Server) pages() {
	for pattern, handler := range map[string]http.HandlerFunc{
		"/{tenant}/oauth2/v2.0/authorize": s.authorize,
		"/{tenant}/oauth2/v2.0/logout":    s.logout,
		"/{tenant}/adminconsent":          s.adminConsent(1),
		"/{tenant}/v2.0/adminconsent":     s.adminConsent(2),
	} {
		s.mux.HandleFunc("GET "+pattern, handler)
		s.mux.HandleFunc("POST "+pattern, handler)
	}
	s.mux.HandleFunc("POST /{tenant}/login", s.continued(s.login))
	s.mux.HandleFunc("POST /{tenant}/other", s.continued(s.other))
	s.mux.HandleFunc("POST /{tenant}/verify", s.continued(s.verify))
	s.mux.HandleFunc("POST /{tenant}/consent", s.continued(s.decide))
	s.mux.HandleFunc("POST /{tenant}/adminconsent/decide", s.continued(s.adminDecide))
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// AddTenant makes a tenant with verified domains, once.
func (s *Server) AddTenant(id string, domains ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id = strings.ToLower(id)
	t := s.tenants[id]
	if t == nil {
		t = &tenant{id: id, principals: map[string]*principal{}}
		s.tenants[id] = t
		s.order = append(s.order, t)
		s.tenants[t.domain()] = t
	}
	for _, d := range domains {
		if d = strings.ToLower(d); !slices.Contains(t.domains, d) {
			t.domains = append(t.domains, d)
		}
		s.tenants[d] = t
	}
}

// Register makes an app registration, or replaces it.
func (s *Server) Register(app App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[strings.ToLower(app.ID)] = app
}

// Consent gives an app a service principal in a tenant with exactly these Graph
// application permissions. Tokens issued before keep their roles. It reports
// whether there is such a tenant.
func (s *Server) Consent(tenantID, app string, roles ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return false
	}
	t.install(app).roles = slices.Clone(roles)
	return true
}

// Withdraw removes an app's service principal from a tenant.
func (s *Server) Withdraw(tenantID, app string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tenants[strings.ToLower(tenantID)]; t != nil {
		delete(t.principals, strings.ToLower(app))
	}
}

// Disable switches an app off or on in a tenant.
func (s *Server) Disable(tenantID, app string, disabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.principal(tenantID, app); p != nil {
		p.disabled = disabled
	}
}

// Revoke makes the Graph side refuse the tokens that an app holds for a tenant;
// new ones are accepted.
func (s *Server) Revoke(tenantID, app string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.principal(tenantID, app); p != nil {
		p.revoked = s.issued
	}
}

// SetLifetime changes how long tokens issued from now on last.
func (s *Server) SetLifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = d
}

// Requests counts the token requests so far, refused ones included.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// principal needs the lock.
func (s *Server) principal(tenantID, app string) *principal {
	if t := s.tenants[strings.ToLower(tenantID)]; t != nil {
		return t.principals[strings.ToLower(app)]
	}
	return nil
}
