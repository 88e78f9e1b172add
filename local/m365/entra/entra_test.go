package entra_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/calbridge/calbridge/local/m365/graphapi"
	"github.com/golang-jwt/jwt/v5"
)

const (
	acme   = "11111111-1111-4111-8111-111111111111"
	globex = "22222222-2222-4222-8222-222222222222"
	app    = "33333333-3333-4333-8333-333333333333"
)

// world is a simulator with a clock that tests move.
type world struct {
	*entra.Server
	faults *faults.Set
	url    string
	mu     sync.Mutex
	at     time.Time
}

func start(t *testing.T) *world {
	w := &world{at: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), faults: faults.New(1)}
	w.Server = entra.New(w.now, w.faults)
	w.AddTenant(acme, "acme.example")
	w.AddTenant(globex)
	w.Register(entra.App{ID: app, Name: "Calbridge", Secrets: []string{"s3cret", "next"}, ExpiredSecrets: []string{"old"}})
	w.Consent(acme, app, "Calendars.ReadWrite")
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

func good() url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {"s3cret"},
		"scope": {"https://graph.microsoft.com/.default"},
	}
}

// ask posts a token request and returns status, header and body.
func (w *world) ask(t *testing.T, tenant string, form url.Values) (int, http.Header, map[string]any) {
	t.Helper()
	resp, err := http.PostForm(w.url+"/"+tenant+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

func (w *world) issue(t *testing.T, tenant string) string {
	t.Helper()
	status, _, body := w.ask(t, tenant, good())
	token, _ := body["access_token"].(string)
	if status != 200 || token == "" {
		t.Fatalf("status %d, %v", status, body)
	}
	return token
}

func TestATokenIsGraphsAndCarriesTheRolesOfTheConsent(t *testing.T) {
	w := start(t)
	status, _, body := w.ask(t, acme, good())
	if status != 200 || body["token_type"] != "Bearer" || body["expires_in"] != 3599.0 || body["ext_expires_in"] != 3599.0 || body["refresh_token"] != nil {
		t.Fatalf("status %d, %v", status, body)
	}
	caller, err := w.Check("Bearer "+body["access_token"].(string), "graph.example")
	if err != nil || caller.Tenant != acme || caller.App != app || caller.User != "" || !slices.Equal(caller.Roles, []string{"Calendars.ReadWrite"}) {
		t.Errorf("caller %+v, %v", caller, err)
	}
}

func TestADomainIsATenantsName(t *testing.T) {
	w := start(t)
	if caller, err := w.Check("Bearer "+w.issue(t, "acme.example"), ""); err != nil || caller.Tenant != acme {
		t.Errorf("caller %+v, %v", caller, err)
	}
}

func TestATokenIsIssuedWithoutRolesAndKeepsThem(t *testing.T) {
	w := start(t)
	w.Consent(globex, app)
	before := w.issue(t, globex)
	w.Consent(globex, app, "Calendars.ReadWrite")
	if caller, err := w.Check("Bearer "+before, ""); err != nil || len(caller.Roles) != 0 {
		t.Errorf("before consent: %+v, %v", caller, err)
	}
	if caller, err := w.Check("Bearer "+w.issue(t, globex), ""); err != nil || len(caller.Roles) != 1 {
		t.Errorf("after consent: %+v, %v", caller, err)
	}
}

// Contract 13.5: number, status, error, and whether there is an error_uri.
func TestRefusalsAreTheContracts(t *testing.T) {
	with := func(pairs ...string) url.Values {
		form := good()
		for i := 0; i < len(pairs); i += 2 {
			if form.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
				form.Del(pairs[i])
			}
		}
		return form
	}
	tests := []struct {
		name   string
		tenant string
		form   url.Values
		number float64
		status int
		code   string
		uri    bool
	}{
		{"wrong secret", acme, with("client_secret", "wrong"), 7000215, 401, "invalid_client", true},
		{"expired secret", acme, with("client_secret", "old"), 7000222, 401, "invalid_client", true},
		{"no credential", acme, with("client_secret", ""), 7000218, 401, "invalid_client", true},
		{"not consented", globex, good(), 700016, 400, "unauthorized_client", true},
		{"unknown app", acme, with("client_id", globex), 700016, 400, "unauthorized_client", true},
		{"malformed app", acme, with("client_id", "calbridge"), 700038, 400, "unauthorized_client", false},
		{"unknown tenant", app, good(), 90002, 400, "invalid_request", true},
		{"unknown domain", "nobody.example", good(), 90002, 400, "invalid_request", true},
		{"malformed tenant", "nobody", good(), 900023, 400, "invalid_request", true},
		{"common", "common", good(), 9001023, 400, "invalid_request", true},
		{"organizations", "organizations", good(), 9001023, 400, "invalid_request", true},
		{"other grant", acme, with("grant_type", "password"), 70003, 400, "unsupported_grant_type", false},
		{"no grant", acme, with("grant_type", ""), 900144, 400, "invalid_request", true},
		{"no scope", acme, with("scope", ""), 70011, 400, "invalid_scope", true},
		{"named scope", acme, with("scope", "https://graph.microsoft.com/Calendars.ReadWrite"), 70011, 400, "invalid_scope", true},
		{"two scopes", acme, with("scope", "a/.default https://graph.microsoft.com/.default"), 70011, 400, "invalid_scope", true},
		{"other resource", acme, with("scope", "https://example.com/.default"), 500011, 400, "invalid_resource", true},
		{"twice", acme, url.Values{"client_id": {app, app}}, 900144, 400, "invalid_request", true},
	}
	w := start(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, _, body := w.ask(t, tt.tenant, tt.form)
			codes, _ := body["error_codes"].([]any)
			if status != tt.status || body["error"] != tt.code || len(codes) != 1 || codes[0] != tt.number {
				t.Errorf("status %d, %v", status, body)
			}
			if _, uri := body["error_uri"]; uri != tt.uri {
				t.Errorf("error_uri present: %t, want %t", uri, tt.uri)
			}
			if body["timestamp"] != "2026-11-21 09:00:00Z" || body["trace_id"] == "" || body["correlation_id"] == "" || body["access_token"] != nil {
				t.Errorf("%v", body)
			}
			if text, _ := body["error_description"].(string); !strings.HasPrefix(text, "AADSTS") || strings.Contains(text, "s3cret") {
				t.Errorf("description %q", text)
			}
		})
	}
}

func TestADisabledAppAndAWithdrawnConsentGetNoToken(t *testing.T) {
	w := start(t)
	for _, step := range []struct {
		do     func()
		number float64
	}{
		{func() { w.Disable(acme, app, true) }, 7000112},
		{func() { w.Disable(acme, app, false); w.Withdraw(acme, app) }, 700016},
	} {
		step.do()
		if _, _, body := w.ask(t, acme, good()); body["error_codes"].([]any)[0] != step.number {
			t.Errorf("%v, want %v", body, step.number)
		}
	}
}

func TestOnlyOurOwnTokensAreAccepted(t *testing.T) {
	w := start(t)
	token := w.issue(t, acme)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	forge := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		claims := jwt.MapClaims{}
		for k, v := range parsed.Claims.(jwt.MapClaims) {
			claims[k] = v
		}
		change(claims)
		forged := jwt.NewWithClaims(method, claims)
		forged.Header["kid"] = parsed.Header["kid"]
		s, err := forged.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	unchanged := func(jwt.MapClaims) {}
	parts := strings.Split(token, ".")
	for name, authorization := range map[string]string{
		"nothing":       "",
		"no scheme":     token,
		"basic":         "Basic " + token,
		"garbage":       "Bearer x.y.z",
		"no signature":  "Bearer " + parts[0] + "." + parts[1] + ".",
		"other key":     "Bearer " + forge(jwt.SigningMethodRS256, other, unchanged),
		"none":          "Bearer " + forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, unchanged),
		"public secret": "Bearer " + forge(jwt.SigningMethodHS256, []byte(parts[0]), unchanged),
	} {
		var refusal *graphapi.Refusal
		if _, err := w.Check(authorization, ""); !errors.As(err, &refusal) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}

func TestATokenEndsWithTimeRevocationAndTwoKeyRotations(t *testing.T) {
	w := start(t)
	accepted := func(token string, want bool) {
		t.Helper()
		if _, err := w.Check("Bearer "+token, ""); (err == nil) != want {
			t.Errorf("accepted: %v, want %t", err, want)
		}
	}
	token := w.issue(t, acme)
	w.advance(59 * time.Minute)
	accepted(token, true)
	w.advance(time.Minute)
	accepted(token, false)

	token = w.issue(t, acme)
	w.Revoke(acme, app)
	accepted(token, false)
	token = w.issue(t, acme) // at the same instant
	accepted(token, true)

	for _, want := range []bool{true, false} {
		if err := w.RotateKeys(); err != nil {
			t.Fatal(err)
		}
		accepted(token, want)
	}
	accepted(w.issue(t, acme), true)
}

func TestAnOutageAnswersInItsOwnShape(t *testing.T) {
	w := start(t)
	id, err := w.faults.Add(faults.Rule{Effect: faults.Answer, Status: 503, RetryAfter: 9, Path: "/token$"})
	if err != nil {
		t.Fatal(err)
	}
	status, header, body := w.ask(t, acme, good())
	if status != 503 || header.Get("Retry-After") != "9" || body["error"] != "temporarily_unavailable" {
		t.Errorf("status %d, %v, %v", status, header, body)
	}
	w.faults.Remove(id)
	w.issue(t, acme)
	if n := w.Requests(); n != 2 {
		t.Errorf("%d requests counted, want 2", n)
	}
}

func TestDiscoveryNamesThisHostAndKeys(t *testing.T) {
	w := start(t)
	host := strings.TrimPrefix(w.url, "http://")
	get := func(path string) map[string]any {
		t.Helper()
		resp, err := http.Get(w.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: status %d, %v", path, resp.StatusCode, err)
		}
		return body
	}
	d := get("/" + acme + "/v2.0/.well-known/openid-configuration")
	for name, want := range map[string]string{
		"issuer":                 "https://" + host + "/" + acme + "/v2.0",
		"token_endpoint":         "https://" + host + "/" + acme + "/oauth2/v2.0/token",
		"authorization_endpoint": "http://" + host + "/" + acme + "/oauth2/v2.0/authorize",
	} {
		if d[name] != want {
			t.Errorf("%s = %v, want %s", name, d[name], want)
		}
	}
	if d := get("/common/v2.0/.well-known/openid-configuration"); d["issuer"] != "https://"+host+"/{tenantid}/v2.0" {
		t.Errorf("issuer of common: %v", d["issuer"])
	}
	keys := get("/common/discovery/v2.0/keys")["keys"].([]any)
	if len(keys) != 2 || keys[0].(map[string]any)["kty"] != "RSA" || keys[0].(map[string]any)["d"] != nil {
		t.Errorf("keys %v", keys)
	}
	i := get("/common/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape("https://"+host+"/"+acme+"/oauth2/v2.0/authorize"))
	if i["tenant_discovery_endpoint"] != "https://"+host+"/"+acme+"/v2.0/.well-known/openid-configuration" {
		t.Errorf("instance discovery %v", i)
	}
}
