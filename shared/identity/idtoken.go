package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

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
	Expired         Refusal = "expired" // or not valid yet
	NoObjectID      Refusal = "object-id"
	NoIDToken       Refusal = "id-token"
	KeysUnreachable Refusal = "keys-unreachable"
)

// SignInError is a sign-in that we refuse. Its text names no person.
type SignInError struct {
	Refusal Refusal
	// Tenant and UserName are who signed in, for the page that says which account was
	// used; set for WrongTenant and ConsumerAccount only, after signature, audience,
	// time and nonce were verified. Never log them.
	Tenant, UserName string
}

func (e *SignInError) Error() string { return "identity: sign-in refused: " + string(e.Refusal) }

// GoString hides who it was from %#v.
func (e *SignInError) GoString() string { return e.Error() }

// consumerTenant is that of personal accounts (contract 13.3).
const consumerTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// anyTenant stands for the tenant in the issuer of a document of several (13.4).
const anyTenant = "{tenantid}"

// claims are those of an id token that we use (contract 13.4).
type claims struct {
	Issuer   string   `json:"iss"`
	Tenant   string   `json:"tid"`
	ObjectID string   `json:"oid"`
	Name     string   `json:"name"`
	UserName string   `json:"preferred_username"`
	Wids     []string `json:"wids"`
}

// verify checks an id token as contract 13.4 says, with go-oidc: RS256 only, a key of
// the tenant that was asked, our client id as the only audience, the time by our
// clock, the issuer of the token's own tenant, the nonce; then what go-oidc does not
// know: no personal account, the tenant that was asked, the key's own issuer, an
// object id. tenant is a GUID or Organizations.
func (u *Users) verify(ctx context.Context, tenant, nonce, raw string) (claims, error) {
	doc, err := u.discover(ctx, tenant)
	if err != nil {
		return claims{}, err
	}
	peeked, err := peek(raw)
	if err != nil {
		return claims{}, err
	}
	template := doc.Issuer
	if tenant != Organizations {
		template = strings.Replace(template, tenant, anyTenant, 1)
	}
	if !strings.Contains(template, anyTenant) {
		return claims{}, &SignInError{Refusal: BadIssuer}
	}
	issuer := strings.Replace(template, anyTenant, peeked.Tenant, 1)
	keys := &oneKey{store: u.keys, address: doc.KeysURI}
	verifier := oidc.NewVerifier(issuer, keys, &oidc.Config{
		ClientID: u.clientID, SupportedSigningAlgs: []string{oidc.RS256}, Now: u.now,
	})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return claims{}, &SignInError{Refusal: why(err, keys.refusal, peeked, issuer, u.clientID)}
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return claims{}, &SignInError{Refusal: NoIDToken}
	}
	switch {
	case len(token.Audience) != 1:
		return claims{}, &SignInError{Refusal: BadAudience}
	case nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		return claims{}, &SignInError{Refusal: BadNonce}
	}
	return c.accept(tenant, keys.key.issuer)
}

// accept checks whose token it is, once it is known to be Entra's and ours.
func (c claims) accept(asked, keyIssuer string) (claims, error) {
	c.Tenant = strings.ToLower(c.Tenant)
	id, ok := guid(c.ObjectID)
	switch {
	case c.Tenant == consumerTenant:
		return claims{}, &SignInError{ConsumerAccount, c.Tenant, c.UserName}
	case asked != Organizations && asked != c.Tenant:
		return claims{}, &SignInError{WrongTenant, c.Tenant, c.UserName}
	case keyIssuer != "" && strings.Replace(keyIssuer, anyTenant, c.Tenant, 1) != c.Issuer:
		return claims{}, &SignInError{Refusal: BadIssuer}
	case !ok:
		return claims{}, &SignInError{Refusal: NoObjectID}
	}
	c.ObjectID = id
	return c, nil
}

// oneKey verifies one token's signature with the key that it names, and remembers why
// it did not: go-oidc makes text of that.
type oneKey struct {
	store   *keyStore
	address string
	key     signingKey
	refusal Refusal
}

// VerifySignature implements oidc.KeySet.
func (o *oneKey) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	o.refusal = BadSignature
	parsed, err := jose.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(parsed.Signatures) != 1 {
		return nil, errors.New("malformed")
	}
	key, ok, err := o.store.find(ctx, o.address, parsed.Signatures[0].Header.KeyID)
	switch {
	case err != nil && !ok:
		o.refusal = KeysUnreachable
		return nil, errors.New("the keys were not reached")
	case !ok:
		o.refusal = UnknownKey
		return nil, errors.New("unknown key")
	}
	payload, err := parsed.Verify(key.public)
	if err != nil {
		return nil, errors.New("wrong signature")
	}
	o.key, o.refusal = key, ""
	return payload, nil
}

// peeked is what an id token says of itself before anything is verified: good for
// choosing what to compare with, and for naming what is wrong.
type peeked struct {
	Algorithm string `json:"-"`
	Tenant    string `json:"tid"`
	Issuer    string `json:"iss"`
	Audience  any    `json:"aud"`
}

func peek(raw string) (peeked, error) {
	parts := strings.Split(raw, ".")
	if raw == "" || len(parts) != 3 {
		return peeked{}, &SignInError{Refusal: NoIDToken}
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var p peeked
	for i, v := range []any{&header, &p} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, v) != nil {
			return peeked{}, &SignInError{Refusal: NoIDToken}
		}
	}
	if p.Algorithm = header.Algorithm; p.Algorithm != oidc.RS256 {
		return peeked{}, &SignInError{Refusal: BadAlgorithm}
	}
	if _, ok := guid(p.Tenant); !ok {
		return peeked{}, &SignInError{Refusal: BadTenant}
	}
	return p, nil
}

// why names what go-oidc refused, in the order in which it looks.
func why(err error, key Refusal, p peeked, issuer, clientID string) Refusal {
	var expired *oidc.TokenExpiredError
	audiences, _ := p.Audience.([]any)
	switch {
	case key != "":
		return key
	case p.Issuer != issuer:
		return BadIssuer
	case p.Audience != any(clientID) && !(len(audiences) == 1 && audiences[0] == any(clientID)):
		return BadAudience
	case errors.As(err, &expired), strings.Contains(err.Error(), "nbf"):
		return Expired
	}
	return NoIDToken
}

// guid reads a GUID of 36 characters and returns it in lower case.
func guid(s string) (string, bool) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return "", false
	}
	return id.String(), true
}
