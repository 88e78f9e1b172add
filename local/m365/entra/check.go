package entra

import (
	"errors"
	"strings"

	"github.com/calbridge/calbridge/local/m365/graphapi"
	"github.com/golang-jwt/jwt/v5"
)

// numberClaim counts tokens: our own claim, so that Revoke tells apart tokens of
// one instant of a stopped clock.
const numberClaim = "xms_sim_number"

// accessClaims are what the Graph side reads of a token.
type accessClaims struct {
	jwt.RegisteredClaims
	App    string   `json:"appid"`
	Tenant string   `json:"tid"`
	Roles  []string `json:"roles"`
	Scopes string   `json:"scp"`
	Kind   string   `json:"idtyp"`
	User   string   `json:"oid"` // of the service principal in an app's token
	Number int64    `json:"xms_sim_number"`
}

var _ graphapi.Tokens = (*Server)(nil)

// Check implements graphapi.Tokens: signature by a published key, RS256 only,
// audience Graph (or the host itself), the issuer of the tenant it names, time,
// and not revoked. What the app may do with it is the caller's question.
func (s *Server) Check(authorization, host string) (graphapi.Caller, error) {
	value, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok || value == "" {
		return graphapi.Caller{}, &graphapi.Refusal{Message: "Access token is empty."}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	claims := accessClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.now))
	_, err := parser.ParseWithClaims(value, &claims, s.published)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return graphapi.Caller{}, &graphapi.Refusal{Message: "Lifetime validation failed, the token is expired."}
	case errors.Is(err, jwt.ErrTokenMalformed):
		return graphapi.Caller{}, &graphapi.Refusal{Message: "IDX14100: JWT is not well formed."}
	case err != nil:
		return graphapi.Caller{}, &graphapi.Refusal{Message: "Access token validation failure. Invalid signature."}
	}
	if len(claims.Audience) != 1 || (claims.Audience[0] != Graph && claims.Audience[0] != GraphApp && claims.Audience[0] != "https://"+host) {
		return graphapi.Caller{}, &graphapi.Refusal{Message: "Access token validation failure. Invalid audience."}
	}
	t := s.tenants[claims.Tenant]
	if t == nil || t.id != claims.Tenant || claims.Issuer != issuerOf(t) {
		return graphapi.Caller{}, &graphapi.Refusal{Message: "Access token validation failure. Invalid issuer."}
	}
	if p := t.principals[claims.App]; p != nil && claims.Number <= p.revoked {
		return graphapi.Caller{}, &graphapi.Refusal{Message: "Continuous access evaluation resulted in challenge: the token was revoked."}
	}
	caller := graphapi.Caller{Tenant: claims.Tenant, App: claims.App, Roles: claims.Roles}
	if claims.Kind == "user" {
		caller = graphapi.Caller{Tenant: claims.Tenant, App: claims.App, User: claims.User, Scopes: strings.Fields(claims.Scopes)}
	}
	return caller, nil
}

// published finds the key that a token's header names. It needs the lock.
func (s *Server) published(t *jwt.Token) (any, error) {
	for _, k := range s.keys {
		if t.Header["kid"] == k.id {
			return &k.key.PublicKey, nil
		}
	}
	return nil, errors.New("unknown key")
}
