package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

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
	// profile are always asked for; offline_access where there is any permission, so
	// that a mere sign-in asks nobody for more than who they are.
	Scopes []string
	// LoginHint is an address, "" for none.
	LoginHint string
	// Prompt is "", "select_account", "none", "login" or "consent".
	Prompt string
	// Claims is a challenge of Entra (TokenError.Claims, Connection.Claims), "" for none.
	Claims string
}

// NewVerifier makes a PKCE verifier of 43 characters; it serves for states and nonces
// as well.
func NewVerifier() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// challenge is a verifier's, S256.
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// AuthorizeURL is where a browser is sent to sign in (contract 13.2). The endpoint is
// from the tenant's discovery document: one request, none when it is at hand (a day).
// Its error is a *TokenError.
func (u *Users) AuthorizeURL(ctx context.Context, l Leave) (string, error) {
	switch {
	case l.RedirectURI == "" || l.State == "" || l.Nonce == "" || len(l.Verifier) < 43:
		return "", &TokenError{Code: "invalid_request", Reason: "redirect URI, state, nonce or verifier is missing"}
	case !slices.Contains([]string{"", "select_account", "none", "login", "consent"}, l.Prompt):
		return "", &TokenError{Code: "invalid_request", Reason: "unknown prompt"}
	}
	tenant, err := signInTenant(l.Tenant)
	if err != nil {
		return "", err
	}
	scopes, err := u.scopes(l.Scopes)
	if err != nil {
		return "", err
	}
	doc, err := u.discover(ctx, tenant)
	if err != nil {
		return "", err
	}
	q := url.Values{
		"client_id": {u.clientID}, "response_type": {"code"}, "response_mode": {"query"},
		"redirect_uri": {l.RedirectURI}, "scope": {strings.Join(scopes, " ")},
		"state": {l.State}, "nonce": {l.Nonce},
		"code_challenge": {challenge(l.Verifier)}, "code_challenge_method": {"S256"},
	}
	for name, value := range map[string]string{"login_hint": l.LoginHint, "prompt": l.Prompt, "claims": l.Claims} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return doc.AuthorizationEndpoint + "?" + q.Encode(), nil
}

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
// identity.md section 2). No request is made. Its error is a *TokenError.
func (u *Users) AdminConsentURL(l ConsentLeave) (string, error) {
	if l.RedirectURI == "" || l.State == "" {
		return "", &TokenError{Code: "invalid_request", Reason: "redirect URI or state is missing"}
	}
	tenant, err := signInTenant(l.Tenant)
	if err != nil {
		if !isDomain(l.Tenant) {
			return "", err
		}
		tenant = strings.ToLower(l.Tenant)
	}
	scopes := []string{"openid", "profile", u.graph + ".default"}
	if !l.Application {
		if len(l.Scopes) == 0 {
			return "", &TokenError{Code: "invalid_request", Reason: "no permission is asked for"}
		}
		if scopes, err = u.scopes(l.Scopes); err != nil {
			return "", err
		}
	}
	q := url.Values{
		"client_id": {u.clientID}, "redirect_uri": {l.RedirectURI}, "state": {l.State},
		"scope": {strings.Join(scopes, " ")},
	}
	return u.authority.Scheme + "://" + u.authority.Host + "/" + tenant + "/v2.0/adminconsent?" + q.Encode(), nil
}

// scopes are what is asked for to get permissions of Graph by short name: openid and
// profile first, offline_access where there is any, as identity.md section 2 writes it.
func (u *Users) scopes(permissions []string) ([]string, error) {
	out := []string{"openid", "profile"}
	if len(permissions) > 0 {
		out = append(out, "offline_access")
	}
	for _, p := range permissions {
		if !isPermission(p) {
			return nil, &TokenError{Code: "invalid_scope", Reason: "a permission is no short name of Graph's"}
		}
		if full := u.graph + p; !slices.Contains(out, full) {
			out = append(out, full)
		}
	}
	return out, nil
}

// granted are the permissions of Graph in the scope member of a token response, short,
// in order and once each; those of other resources are left out.
func (u *Users) granted(scope string) []string {
	out := []string{}
	for _, s := range strings.Fields(scope) {
		s = strings.TrimPrefix(s, u.graph)
		if isPermission(s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// isPermission tells a permission of Graph by its short name, such as Calendars.Read.
func isPermission(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	return strings.Contains(s, ".") && !strings.HasPrefix(s, ".") && len(s) <= 100 && strings.Trim(s, letters) == ""
}

// signInTenant is the path of a sign-in: a GUID in lower case, or organizations. Never
// common, which lets personal accounts in, and never text that could be another path.
func signInTenant(tenant string) (string, error) {
	if tenant == Organizations {
		return tenant, nil
	}
	if id, ok := guid(tenant); ok {
		return id, nil
	}
	return "", &TokenError{Code: "invalid_request", Reason: "the tenant is not a GUID"}
}

// isDomain tells a domain name of at least two labels.
func isDomain(s string) bool {
	labels := strings.Split(strings.ToLower(s), ".")
	if len(s) > 253 || len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix(l, "-") {
			return false
		}
	}
	return true
}
