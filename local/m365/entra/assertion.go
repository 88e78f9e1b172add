package entra

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// longestAssertion is how long a client assertion may last.
const longestAssertion = time.Hour

// errUnknownSigner says that no credential of the app made the assertion.
var errUnknownSigner = errors.New("no credential of the app")

// asserted checks a client assertion by certificate or federation (13.2).
func (s *Server) asserted(app App, r *http.Request, form url.Values) int {
	if form.Get("client_assertion_type") != assertionType {
		return 900144
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256", "PS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.now))
	claims := jwt.RegisteredClaims{}
	var federated *Federated
	_, err := parser.ParseWithClaims(form.Get("client_assertion"), &claims, func(t *jwt.Token) (any, error) {
		if c := certificate(app, t.Header); c != nil {
			return c, nil
		}
		if federated = federation(app, claims); federated != nil {
			return federated.Key, nil
		}
		return nil, errUnknownSigner
	})
	switch {
	case errors.Is(err, errUnknownSigner) && !strings.EqualFold(claims.Issuer, app.ID):
		return 700213
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet):
		return 700024
	case err != nil:
		return 700027
	case federated != nil:
		return 0
	}
	return s.ownAssertion(app, r, claims)
}

// ownAssertion checks the claims of an assertion that the app signed itself.
func (s *Server) ownAssertion(app App, r *http.Request, c jwt.RegisteredClaims) int {
	base := "://" + r.Host + "/" + r.PathValue("tenant")
	forUs := slices.ContainsFunc(c.Audience, func(aud string) bool {
		_, rest, _ := strings.Cut(aud, "://")
		return "://"+rest == base+"/oauth2/v2.0/token" || "://"+rest == base+"/v2.0"
	})
	switch {
	case !forUs, !strings.EqualFold(c.Issuer, app.ID), !strings.EqualFold(c.Subject, app.ID), c.ID == "":
		return 50012
	case c.ExpiresAt.Sub(s.now()) > longestAssertion:
		return 700024
	}
	return 0
}

// certificate finds the key of the certificate that the header names.
func certificate(app App, header map[string]any) *rsa.PublicKey {
	for _, c := range app.Certificates {
		key, ok := c.PublicKey.(*rsa.PublicKey)
		if ok && names(header, c) {
			return key
		}
	}
	return nil
}

func names(header map[string]any, c *x509.Certificate) bool {
	short, long := sha1.Sum(c.Raw), sha256.Sum256(c.Raw)
	same := func(name string, sum []byte) bool {
		value, _ := header[name].(string)
		value = strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(value) // MSAL Go sends the other alphabet
		got, err := base64.RawURLEncoding.DecodeString(value)
		return err == nil && slices.Equal(got, sum)
	}
	return same("x5t#S256", long[:]) || same("x5t", short[:])
}

// federation finds the federated credential that trusts the claims, exactly.
func federation(app App, c jwt.RegisteredClaims) *Federated {
	for i, f := range app.Federated {
		if f.Issuer == c.Issuer && f.Subject == c.Subject && len(c.Audience) == 1 && c.Audience[0] == f.Audience {
			return &app.Federated[i]
		}
	}
	return nil
}
