package entra

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// identityLasts is how long an id token is good.
const identityLasts = time.Hour

// signIdentity makes an id token (13.4). It needs the lock.
func (s *Server) signIdentity(c *client, g grant, wanted asked, nonce string) (string, error) {
	claims := s.identity(c, g, wanted, nonce)
	key, err := s.signer()
	if g.subject.tenant.id == Consumers && err == nil {
		key.key, err = consumerKey()
	}
	if err != nil {
		return "", err
	}
	key = named(key.key)
	return s.spoil.sign(key, claims)
}

// identity are the claims of an id token: oid, name and preferred_username come with
// profile, email with email.
func (s *Server) identity(c *client, g grant, wanted asked, nonce string) jwt.MapClaims {
	u, now := g.subject, s.now()
	claims := jwt.MapClaims{
		"aud": c.id, "iss": "https://" + c.host + "/" + u.tenant.id + "/v2.0", "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(identityLasts).Unix(),
		"sub": pairwise(c.id, u), "tid": u.tenant.id, "ver": "2.0", "uti": opaque(16), "rh": "1." + opaque(24), "aio": opaque(48), "sid": g.sid,
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if wanted.has("profile") {
		claims["oid"], claims["name"], claims["preferred_username"] = u.ObjectID, u.Name, g.home.Principal
	}
	if wanted.has("email") && u.Mail != "" {
		claims["email"] = u.Mail
	}
	if u.Home != "" {
		claims["idp"] = issuerOf(g.home.tenant)
	}
	if !s.switches.NoWids && u.tenant.id != Consumers {
		claims["wids"] = append(slices.Clone(u.Roles), everyone)
	}
	return claims
}

// signDelegated makes an access token for Graph in the name of a user.
func (s *Server) signDelegated(c *client, g grant, scopes []string) (string, error) {
	s.issued++
	u, now := g.subject, s.now()
	methods := []string{"pwd"}
	if g.mfa {
		methods = append(methods, "mfa")
	}
	graph := slices.DeleteFunc(slices.Clone(scopes), func(n string) bool { return n == "offline_access" })
	return s.signed(jwt.MapClaims{
		"aud": Graph, "iss": issuerOf(u.tenant), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(s.lifetime).Unix(),
		"acct": 0, "acr": "1", "aio": opaque(48), "amr": methods, "app_displayname": c.Name, "appid": c.id, "appidacr": c.acr, "idtyp": "user",
		"name": u.Name, "oid": u.ObjectID, "rh": "1." + opaque(24), "scp": strings.Join(graph, " "), "sid": g.sid, "sub": pairwise(GraphApp, u),
		"tid": u.tenant.id, "unique_name": g.home.Principal, "upn": u.Principal, "uti": opaque(16), "ver": "1.0",
		"wids": append(slices.Clone(u.Roles), everyone), numberClaim: s.issued,
	})
}

// pairwise is the subject of a user for one app.
func pairwise(app string, u *account) string {
	sum := sha256.Sum256([]byte(app + "/" + u.tenant.id + "/" + u.ObjectID))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// opaque is text of n random bytes.
func opaque(n int) string { return secret()[:min(43, (n*4+2)/3)] }

// Spoil is what is wrong with id tokens, for tests of whoever verifies them.
type Spoil string

// The ways; each leaves all else as it should be.
const (
	Unspoiled     Spoil = ""
	WrongAudience Spoil = "audience"
	WrongIssuer   Spoil = "issuer" // of another tenant than tid
	WrongNonce    Spoil = "nonce"
	WrongTenant   Spoil = "tenant" // tid and issuer of a tenant that nobody asked for
	Expired       Spoil = "expired"
	NotYet        Spoil = "not-yet"     // issued tomorrow
	Unsigned      Spoil = "unsigned"    // alg none
	SharedSecret  Spoil = "hs256"       // signed with the public key's id as a secret
	UnknownKey    Spoil = "unknown-key" // which is published nowhere
	BadSignature  Spoil = "signature"   // another key's, under a published key's id
	WithoutOID    Spoil = "no-oid"
)

// elsewhere is the tenant of WrongIssuer and WrongTenant.
const elsewhere = "99999999-9999-4999-8999-999999999999"

// SpoilIDTokens spoils the id tokens from now on; Unspoiled ends it. It fails for an
// unknown way.
func (s *Server) SpoilIDTokens(how Spoil) error {
	if !slices.Contains([]Spoil{Unspoiled, WrongAudience, WrongIssuer, WrongNonce, WrongTenant, Expired, NotYet, Unsigned, SharedSecret, UnknownKey, BadSignature, WithoutOID}, how) {
		return fmt.Errorf("entra.SpoilIDTokens: no such way")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil = how
	return nil
}

// sign makes a token of claims, spoiled.
func (how Spoil) sign(key signingKey, claims jwt.MapClaims) (string, error) {
	how.change(claims)
	switch how {
	case Unsigned:
		return jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	case SharedSecret:
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
		token.Header["kid"] = key.id
		return token.SignedString([]byte(key.id))
	case UnknownKey, BadSignature:
		stranger, err := strangerKey()
		if err != nil {
			return "", err
		}
		if how == UnknownKey {
			return named(stranger).sign(claims)
		}
		return signingKey{key.id, stranger}.sign(claims)
	}
	return key.sign(claims)
}

// change spoils claims.
func (how Spoil) change(claims jwt.MapClaims) {
	moved := strings.Replace(claims["iss"].(string), claims["tid"].(string), elsewhere, 1)
	switch how {
	case WrongAudience:
		claims["aud"] = elsewhere
	case WrongIssuer:
		claims["iss"] = moved
	case WrongNonce:
		claims["nonce"] = uuid.NewString()
	case WrongTenant:
		claims["iss"], claims["tid"] = moved, elsewhere
	case Expired, NotYet:
		days := int64(24 * 60 * 60)
		if how == Expired {
			days = -days
		}
		for _, name := range []string{"iat", "nbf", "exp"} {
			claims[name] = claims[name].(int64) + days
		}
	case WithoutOID:
		delete(claims, "oid")
	}
}
