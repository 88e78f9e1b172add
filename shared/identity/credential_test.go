package identity_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/identity"
	"github.com/golang-jwt/jwt/v5"
)

// certificate is a self-signed one, and the credential of it.
func certificate(t *testing.T) (*x509.Certificate, identity.Credential) {
	t.Helper()
	cert, data := selfSigned(t)
	credential, err := identity.Certificate(string(data))
	if err != nil {
		t.Fatal(err)
	}
	return cert, credential
}

// identity.md section 4: Health and an alert show expiry.
func TestACertificateTellsItsEnd(t *testing.T) {
	cert, credential := certificate(t)
	if !credential.NotAfter().Equal(cert.NotAfter) {
		t.Errorf("ends %v, want %v", credential.NotAfter(), cert.NotAfter)
	}
	if !identity.Secret("s").NotAfter().IsZero() {
		t.Error("a secret has an end")
	}
	// The chain does not count, only the key's own certificate.
	other, _ := selfSigned(t)
	_, data := selfSigned(t)
	chain := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Raw}), data)
	credential, err := identity.Certificate(string(chain))
	if err != nil || credential.NotAfter().IsZero() {
		t.Errorf("with a chain: %v, %v", credential.NotAfter(), err)
	}
}

// Contract 13.2, client assertion: PS256 or RS256 with x5t#S256, audience the token
// endpoint, issuer and subject the app.
func TestACodeIsRedeemedWithACertificate(t *testing.T) {
	l := newLogin(t)
	cert, credential := certificate(t)
	u, err := identity.NewUsers(client, credential, &identity.UserOptions{Authority: l.URL, Now: l.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.signIn(t, u, acme, "Calendars.Read"); err != nil {
		t.Fatal(err)
	}
	form := l.tokenRequests()[0]
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Has("client_secret") {
		t.Errorf("%v", form)
	}
	claims := jwt.MapClaims{}
	token, err := jwt.ParseWithClaims(form.Get("client_assertion"), claims, func(*jwt.Token) (any, error) { return cert.PublicKey, nil },
		jwt.WithValidMethods([]string{"PS256", "RS256"}), jwt.WithExpirationRequired())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.Raw)
	if token.Header["x5t#S256"] != base64.StdEncoding.EncodeToString(sum[:]) && token.Header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("header %v", token.Header)
	}
	if claims["iss"] != client || claims["sub"] != client || claims["aud"] != "https://"+l.host()+"/"+acme+"/oauth2/v2.0/token" {
		t.Errorf("claims %v", claims)
	}
}

// Contract 13.2, managed identity as federated credential: works for code redemption too.
func TestACodeIsRedeemedWithAFederatedCredential(t *testing.T) {
	l := newLogin(t)
	u, err := identity.NewUsers(client, identity.Federated(func(context.Context) (string, error) { return "its.own.token", nil }),
		&identity.UserOptions{Authority: l.URL, Now: l.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.signIn(t, u, acme, "Calendars.Read"); err != nil {
		t.Fatal(err)
	}
	if got := l.tokenRequests()[0].Get("client_assertion"); got != "its.own.token" {
		t.Errorf("assertion %q", got)
	}
	// Without an assertion nothing is sent, and its error is not quoted.
	u, err = identity.NewUsers(client, identity.Federated(func(context.Context) (string, error) { return "", errors.New(mark + "assertion") }),
		&identity.UserOptions{Authority: l.URL, Now: l.now})
	if err != nil {
		t.Fatal(err)
	}
	before := len(l.tokenRequests())
	_, err = l.signIn(t, u, acme, "Calendars.Read")
	unmarked(t, err)
	if err == nil || len(l.tokenRequests()) != before {
		t.Errorf("%v", err)
	}
}

func TestAWrongSecretIsTheOperators(t *testing.T) {
	l := newLogin(t)
	u, err := identity.NewUsers(client, identity.Secret(mark+"wrong"), &identity.UserOptions{Authority: l.URL, Now: l.now})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.signIn(t, u, acme, "Calendars.Read")
	unmarked(t, err)
	var e *identity.TokenError
	if !errors.As(err, &e) || e.Code != "invalid_client" || !slices.Equal(e.AADSTS, []int{7000215}) {
		t.Errorf("%v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v", identity.Secret(secret), identity.Secret(secret), identity.Secret(secret)); strings.Contains(text, mark) {
		t.Errorf("printed: %s", text)
	}
}
