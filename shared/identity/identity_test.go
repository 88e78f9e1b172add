package identity_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/golang-jwt/jwt/v5"
)

const (
	acme   = "11111111-1111-4111-8111-111111111111"
	globex = "22222222-2222-4222-8222-222222222222"
	client = "33333333-3333-4333-8333-333333333333"
)

// world is Entra with two tenants, one of which consented, and a clock.
type world struct {
	*entra.Server
	faults  *faults.Set
	url     string
	consent atomic.Value // version of the consent
	mu      sync.Mutex
	at      time.Time
}

func start(t *testing.T) *world {
	w := &world{at: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), faults: faults.New(1)}
	w.consent.Store("1")
	w.Server = entra.New(w.now, w.faults)
	w.AddTenant(acme)
	w.AddTenant(globex)
	w.Register(entra.App{ID: client, Name: "Calbridge", Secrets: []string{"s3cret"}})
	w.Consent(acme, client, "Calendars.ReadWrite")
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) app(t *testing.T, credential identity.Credential) *identity.App {
	t.Helper()
	a, err := identity.New(client, credential, &identity.Options{
		Authority: w.url, GraphEndpoint: "http://127.0.0.1:1", Now: w.now,
		ConsentVersion: func(string) string { return w.consent.Load().(string) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustToken(t *testing.T, a *identity.App, tenant string, fresh bool) string {
	t.Helper()
	token, err := a.Token(t.Context(), tenant, fresh)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func failure(t *testing.T, a *identity.App, tenant string) *identity.TokenError {
	t.Helper()
	_, err := a.Token(t.Context(), tenant, false)
	var e *identity.TokenError
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *TokenError", err)
	}
	return e
}

func TestATokenSpeaksForTheAppInThatTenant(t *testing.T) {
	w := start(t)
	caller, err := w.Check("Bearer "+mustToken(t, w.app(t, identity.Secret("s3cret")), acme, false), "")
	if err != nil || caller.Tenant != acme || caller.App != client || !slices.Equal(caller.Roles, []string{"Calendars.ReadWrite"}) {
		t.Errorf("caller %+v, %v", caller, err)
	}
}

func TestATokenIsFetchedOnceForManyCallers(t *testing.T) {
	w := start(t)
	a := w.app(t, identity.Secret("s3cret"))
	if _, err := w.faults.Add(faults.Rule{Effect: faults.Slow, DelayMS: 50}); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			if _, err := a.Token(t.Context(), acme, false); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	mustToken(t, a, strings.ToUpper(acme), false)
	if n := w.Requests(); n != 1 {
		t.Errorf("%d token requests for 201 callers, want 1", n)
	}
}

func TestATokenIsRenewedBeforeItEndsAndWhenAsked(t *testing.T) {
	w := start(t)
	a := w.app(t, identity.Secret("s3cret"))
	first := mustToken(t, a, acme, false)
	w.advance(54 * time.Minute)
	if mustToken(t, a, acme, false) != first {
		t.Error("renewed too early")
	}
	w.advance(2 * time.Minute)
	second := mustToken(t, a, acme, false)
	if second == first {
		t.Error("not renewed")
	}
	third := mustToken(t, a, acme, true)
	if third == second {
		t.Error("the fresh token is the old one")
	}
	if mustToken(t, a, acme, false) != third {
		t.Error("the fresh token was not kept")
	}
}

func TestANewConsentMeansANewToken(t *testing.T) {
	w := start(t)
	a := w.app(t, identity.Secret("s3cret"))
	w.Consent(acme, client)
	before := mustToken(t, a, acme, false)
	w.Consent(acme, client, "Calendars.ReadWrite")
	w.consent.Store("2")
	after := mustToken(t, a, acme, false)
	if caller, err := w.Check("Bearer "+after, ""); after == before || err != nil || len(caller.Roles) != 1 {
		t.Errorf("caller %+v, %v", caller, err)
	}
}

func TestTheOldTokenServesWhileEntraIsDown(t *testing.T) {
	w := start(t)
	a := w.app(t, identity.Secret("s3cret"))
	first := mustToken(t, a, acme, false)
	if _, err := w.faults.Add(faults.Rule{Effect: faults.Answer, Status: 503, RetryAfter: 7}); err != nil {
		t.Fatal(err)
	}
	w.advance(57 * time.Minute)
	if mustToken(t, a, acme, false) != first {
		t.Error("another token")
	}
	if _, err := a.Token(t.Context(), acme, true); err == nil {
		t.Error("an old token was given as fresh")
	}
	w.advance(3 * time.Minute)
	e := failure(t, a, acme)
	if e.Status != 503 || e.Code != "temporarily_unavailable" || e.RetryAfter != 7*time.Second {
		t.Errorf("%+v", e)
	}
}

func TestNothingIsRetriedInSecret(t *testing.T) {
	w := start(t)
	for _, status := range []int{429, 500, 503} {
		before := w.Requests()
		id, err := w.faults.Add(faults.Rule{Effect: faults.Answer, Status: status})
		if err != nil {
			t.Fatal(err)
		}
		if e := failure(t, w.app(t, identity.Secret("s3cret")), acme); e.Status != status {
			t.Errorf("%+v, want status %d", e, status)
		}
		if n := w.Requests() - before; n != 1 {
			t.Errorf("%d requests after a %d, want 1", n, status)
		}
		w.faults.Remove(id)
	}
}

func TestRefusalsTellWhatEntraSaid(t *testing.T) {
	tests := []struct {
		name, tenant, secret, code string
		number, status             int
	}{
		{"wrong secret", acme, "wr0ng", "invalid_client", 7000215, 401},
		{"no consent", globex, "s3cret", "unauthorized_client", 700016, 400},
		{"unknown tenant", client, "s3cret", "invalid_request", 90002, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := start(t)
			e := failure(t, w.app(t, identity.Secret(tt.secret)), tt.tenant)
			if e.Code != tt.code || !slices.Equal(e.AADSTS, []int{tt.number}) || e.Status != tt.status || e.CorrelationID == "" {
				t.Errorf("%+v", e)
			}
			code, numbers, status, _ := e.TokenFailure()
			if code != tt.code || !slices.Equal(numbers, e.AADSTS) || status != tt.status {
				t.Errorf("TokenFailure: %s, %v, %d", code, numbers, status)
			}
			if text := fmt.Sprintf("%v %+v %#v", e, e, identity.Secret(tt.secret)); strings.Contains(text, tt.secret) || strings.Contains(text, "Trace ID") {
				t.Errorf("the error says too much: %s", text)
			}
		})
	}
}

func TestOddAnswersAreNoRefusals(t *testing.T) {
	for _, body := range []string{faults.HTML, faults.Empty, faults.Broken} {
		w := start(t)
		if _, err := w.faults.Add(faults.Rule{Effect: faults.Answer, Status: 502, Body: body}); err != nil {
			t.Fatal(err)
		}
		if e := failure(t, w.app(t, identity.Secret("s3cret")), acme); e.Code != "" || e.Status != 502 {
			t.Errorf("%s: %+v", body, e)
		}
	}
	w := start(t)
	if _, err := w.faults.Add(faults.Rule{Effect: faults.Cut}); err != nil {
		t.Fatal(err)
	}
	if e := failure(t, w.app(t, identity.Secret("s3cret")), acme); e.Code != "" || e.Status != 0 {
		t.Errorf("cut: %+v", e)
	}
}

func TestACallerThatGivesUpLeavesTheOthersTheirToken(t *testing.T) {
	w := start(t)
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	gate := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			arrived <- struct{}{}
			<-release
		}
		w.ServeHTTP(rw, r)
	}))
	t.Cleanup(gate.Close)
	w.url = gate.URL
	a := w.app(t, identity.Secret("s3cret"))
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := a.Token(ctx, acme, false)
		gaveUp <- err
	}()
	<-arrived
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that gave up got %v", err)
	}
	close(release)
	mustToken(t, a, acme, false)
	if n := w.Requests(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestOnlyAGuidIsATenant(t *testing.T) {
	w := start(t)
	a := w.app(t, identity.Secret("s3cret"))
	for _, tenant := range []string{"", "common", "organizations", "acme.example", acme + "/x", "../" + acme} {
		if e := failure(t, a, tenant); e.Code != "invalid_request" {
			t.Errorf("%q: %+v", tenant, e)
		}
	}
	if w.Requests() != 0 {
		t.Error("Entra was asked")
	}
}

func TestPlainHTTPIsForLoopbackOnly(t *testing.T) {
	for _, o := range []identity.Options{
		{Authority: "http://login.example"}, {GraphEndpoint: "http://graph.example"},
		{Authority: "ftp://127.0.0.1"}, {Authority: "https://login.example/path"}, {Authority: "https://a:b@login.example"}, {Authority: "login.example"},
	} {
		if _, err := identity.New(client, identity.Secret("s"), &o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	for _, o := range []identity.Options{
		{}, {Authority: "http://localhost:1/"}, {Authority: "http://[::1]:1"}, {Authority: "https://login.microsoftonline.us", GraphEndpoint: "https://graph.microsoft.us"},
	} {
		if _, err := identity.New(client, identity.Secret("s"), &o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := identity.New("", identity.Credential{}, nil); err == nil {
		t.Error("an app without id and credential was made")
	}
}

// selfSigned returns a certificate and its PEM with key.
func selfSigned(t *testing.T) (*x509.Certificate, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "calbridge"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return cert, slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestACertificateIsAsGoodAsASecret(t *testing.T) {
	w := start(t)
	w.mu.Lock()
	w.at = time.Now().Add(time.Minute) // MSAL dates assertions by the wall clock
	w.mu.Unlock()
	cert, data := selfSigned(t)
	_, other := selfSigned(t)
	w.Register(entra.App{ID: client, Certificates: []*x509.Certificate{cert}})
	path := filepath.Join(t.TempDir(), "app.pem")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{string(data), base64.StdEncoding.EncodeToString(data), path} {
		credential, err := identity.Certificate(setting)
		if err != nil {
			t.Fatal(err)
		}
		mustToken(t, w.app(t, credential), acme, false)
	}
	wrong, err := identity.Certificate(string(other))
	if err != nil {
		t.Fatal(err)
	}
	if e := failure(t, w.app(t, wrong), acme); e.Code != "invalid_client" {
		t.Errorf("another certificate: %+v", e)
	}
	for _, setting := range []string{"", "no such file", "-----BEGIN NOTHING-----", "AAAA"} {
		if _, err := identity.Certificate(setting); err == nil || setting != "" && strings.Contains(err.Error(), setting) {
			t.Errorf("%q: %v", setting, err)
		}
	}
}

func TestAFederatedAssertionIsAsGoodAsASecret(t *testing.T) {
	w := start(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.Register(entra.App{ID: client, Federated: []entra.Federated{{
		Issuer: "https://issuer.example/v2.0", Subject: "identity-1", Audience: "api://AzureADTokenExchange", Key: &key.PublicKey,
	}}})
	assertion := func(subject string) identity.Credential {
		return identity.Federated(func(context.Context) (string, error) {
			return jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
				"iss": "https://issuer.example/v2.0", "sub": subject, "aud": "api://AzureADTokenExchange",
				"exp": w.now().Add(time.Minute).Unix(),
			}).SignedString(key)
		})
	}
	mustToken(t, w.app(t, assertion("identity-1")), acme, false)
	if e := failure(t, w.app(t, assertion("Identity-1")), acme); !slices.Equal(e.AADSTS, []int{700213}) {
		t.Errorf("another subject: %+v", e)
	}
	broken := identity.Federated(func(context.Context) (string, error) { return "", errors.New("no identity here") })
	if e := failure(t, w.app(t, broken), acme); e.Status != 0 || e.Code != "" {
		t.Errorf("no assertion: %+v", e)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	authority := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer authority.Close()
	a, err := identity.New(client, identity.Secret("s3cret"), &identity.Options{Authority: authority.URL})
	if err != nil {
		t.Fatal(err)
	}
	if e := failure(t, a, acme); e.Code != "" || elsewhere.Load() != 0 {
		t.Errorf("%+v, %d requests elsewhere", e, elsewhere.Load())
	}
}
