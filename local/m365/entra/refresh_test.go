package entra_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
)

// Contract 13.2: codes.
func TestACodeIsGoodOnceForTenMinutesForWhoAskedForIt(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	other := "44444444-4444-4444-8444-444444444444"
	w.Register(entra.App{ID: other, Secrets: []string{"s3cret"}, RedirectURIs: []string{redirect}})
	b := w.browser(t)
	b.open(authorizePath(acme), request()).pick(erin)
	code := func(pairs ...string) string {
		t.Helper()
		return b.open(authorizePath(acme), request(pairs...)).returned(redirect).Get("code")
	}
	c := code()
	for _, tt := range []struct {
		name, tenant string
		form         url.Values
		number       float64
		code         string
	}{
		{"no verifier", acme, redeem(c, "code_verifier", ""), 501481, "invalid_grant"},
		{"wrong verifier", acme, redeem(c, "code_verifier", strings.Repeat("x", 43)), 501481, "invalid_grant"},
		{"short verifier", acme, redeem(c, "code_verifier", "x"), 501481, "invalid_grant"},
		{"other redirect", acme, redeem(c, "redirect_uri", consentRedirect), 50011, "invalid_client"},
		{"no redirect", acme, redeem(c, "redirect_uri", ""), 900144, "invalid_request"},
		{"no code", acme, redeem(""), 900144, "invalid_request"},
		{"unknown code", acme, redeem("x"), 70000, "invalid_grant"},
		{"other client", acme, redeem(c, "client_id", other), 70000, "invalid_grant"},
		{"other tenant", globex, redeem(c), 700005, "invalid_grant"},
		{"shared tenant", "organizations", redeem(c), 700005, "invalid_grant"},
		{"wrong secret", acme, redeem(c, "client_secret", "x"), 7000215, "invalid_client"},
		{"no secret", acme, redeem(c, "client_secret", ""), 7000218, "invalid_client"},
		{"not consented", acme, redeem(c, "scope", "Mail.Send"), 65001, "invalid_grant"},
		{"bad scope", acme, redeem(c, "scope", "Mail.Burn"), 70011, "invalid_scope"},
	} {
		t.Run(tt.name, func(t *testing.T) { w.refused(t, tt.tenant, tt.form, tt.number, tt.code) })
	}
	if status, _, body := w.ask(t, "acme.example", redeem(c)); status != 200 {
		t.Errorf("by domain: %v", body)
	}
	w.refused(t, acme, redeem(c), 54005, "invalid_grant")
	c = code("code_challenge", "", "code_challenge_method", "")
	w.refused(t, acme, redeem(c), 501481, "invalid_grant")
	if status, _, body := w.ask(t, acme, redeem(c, "code_verifier", "")); status != 200 {
		t.Errorf("without PKCE: %v", body)
	}
	c = code()
	w.advance(10*time.Minute + time.Second)
	w.refused(t, acme, redeem(c), 70008, "invalid_grant")
	c = code()
	w.DisableUser(acme, erin, true)
	w.refused(t, acme, redeem(c), 50057, "invalid_grant")
}

// Contract 13.2: offline_access and openid decide what comes.
func TestOnlyWhatWasAskedForComes(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	body := w.signIn(t, acme, erin, "scope", "Calendars.ReadWrite")
	if body["refresh_token"] != nil || body["id_token"] != nil || body["scope"] != "Calendars.ReadWrite" || body["client_info"] != nil {
		t.Errorf("%v", body)
	}
	id := w.claims(t, acme, w.signIn(t, acme, erin, "scope", "openid", "nonce", "")["id_token"])
	for _, name := range []string{"oid", "name", "preferred_username", "email", "nonce"} {
		if id[name] != nil {
			t.Errorf("without profile: %s is %v", name, id[name])
		}
	}
	w.SetSwitches(entra.Switches{NoWids: true})
	if id := w.claims(t, acme, w.signIn(t, acme, ada)["id_token"]); id["wids"] != nil {
		t.Errorf("wids %v", id["wids"])
	}
}

// Contract 13.2, identity.md 3: a refresh narrows to what it asks, but what was granted
// for all is in every token.
func TestATokenNamesWhatWasGranted(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, erin, "Calendars.Read", "Calendars.ReadWrite")
	body := w.signIn(t, acme, erin)
	_, _, body = w.ask(t, acme, refresh(body["refresh_token"], "scope", graph+"Calendars.Read offline_access"))
	if body["scope"] != graph+"Calendars.Read" || body["id_token"] != nil {
		t.Errorf("%v", body)
	}
	w.refused(t, acme, refresh(body["refresh_token"], "scope", graph+"User.Read"), 65001, "invalid_grant")
	w.Grant(acme, app, "", "User.Read", "MailboxSettings.Read")
	_, _, body = w.ask(t, acme, refresh(body["refresh_token"], "scope", "Calendars.Read"))
	if body["scope"] != "Calendars.Read MailboxSettings.Read User.Read" {
		t.Errorf("%v", body)
	}
	caller, err := w.Check("Bearer "+body["access_token"].(string), "")
	if err != nil || strings.Join(caller.Scopes, " ") != body["scope"] {
		t.Errorf("%+v %v", caller, err)
	}
	_, _, body = w.ask(t, acme, refresh(body["refresh_token"], "scope", graph+".default"))
	if body["scope"] != graph+"Calendars.Read "+graph+"Calendars.ReadWrite "+graph+"MailboxSettings.Read "+graph+"User.Read" {
		t.Errorf("%v", body)
	}
}

// Contract 13.2: rotation; the old token stays good; 90 days without use end it.
func TestRefreshTokensRotateAndDieOfIdleness(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	first := w.signIn(t, acme, erin)["refresh_token"]
	for range 3 {
		w.advance(80 * 24 * time.Hour)
		_, _, body := w.ask(t, acme, refresh(first))
		next := body["refresh_token"]
		if next == nil || next == first || body["access_token"] == nil {
			t.Fatalf("%v", body)
		}
		if status, _, body := w.ask(t, acme, refresh(first)); status != 200 {
			t.Errorf("the old one: %v", body)
		}
		if status, _, body := w.ask(t, "organizations", refresh(next)); status != 200 {
			t.Errorf("at organizations: %v", body)
		}
		w.refused(t, globex, refresh(next), 70000, "invalid_grant")
		first = next
	}
	w.advance(90 * 24 * time.Hour)
	if status, _, body := w.ask(t, acme, refresh(first)); status != 200 {
		t.Errorf("on the 90th day: %v", body)
	}
	w.advance(time.Second)
	body := w.refused(t, acme, refresh(first), 700082, "invalid_grant")
	if body["suberror"] != "bad_token" {
		t.Errorf("%v", body)
	}
	w.refused(t, acme, refresh("x"), 70000, "invalid_grant")
	w.refused(t, acme, refresh(""), 900144, "invalid_request")
}

// Contract 13.5: what ends a refresh token, and what does so for a while.
func TestWhatEndsARefreshToken(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	policy := func(p entra.Policy) func() {
		return func() {
			if err := w.SetPolicy(acme, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	clear := policy(entra.Policy{})
	for _, tt := range []struct {
		name      string
		do, undo  func()
		number    float64
		code, sub string
		claims    bool
	}{
		{"disabled", func() { w.DisableUser(acme, erin, true) }, func() { w.DisableUser(acme, erin, false) }, 50057, "invalid_grant", "", false},
		{"app disabled", func() { w.Disable(acme, app, true) }, func() { w.Disable(acme, app, false) }, 7000112, "unauthorized_client", "", false},
		{"blocked by place", policy(entra.Policy{Server: entra.Condition{Block: 53003}}), clear, 53003, "access_denied", "message_only", true},
		{"blocked by device", policy(entra.Policy{Server: entra.Condition{Block: 53000, Users: []string{erin}}}), clear, 53000, "access_denied", "message_only", true},
		{"blocked otherwise", func() {
			w.SetSwitches(entra.Switches{BlockedError: "interaction_required"})
			policy(entra.Policy{Server: entra.Condition{Block: 53003}})()
		}, func() { w.SetSwitches(entra.Switches{}); clear() }, 53003, "interaction_required", "message_only", true},
		{"second factor", policy(entra.Policy{Server: entra.Condition{MFA: true}}), clear, 50076, "interaction_required", "basic_action", true},
		{"unassigned", func() { w.Assign(acme, app, ada) }, func() { w.Assign(acme, app) }, 50105, "invalid_grant", "message_only", false},
		{"consent removed", func() { w.RemoveGrants(acme, app, "") }, func() { w.Grant(acme, app, "", "Calendars.ReadWrite") }, 65001, "invalid_grant", "consent_required", false},
		{"app removed", func() { w.Withdraw(acme, app) }, func() { w.Grant(acme, app, "", "Calendars.ReadWrite") }, 700016, "unauthorized_client", "", false},
		{"signed in long ago", func() { policy(entra.Policy{SignInFrequency: time.Hour})(); w.advance(time.Hour) }, clear, 70043, "invalid_grant", "token_expired", false},
		{"secret expired", func() {
			w.Register(entra.App{ID: app, ExpiredSecrets: []string{"s3cret"}, RedirectURIs: []string{redirect}})
		}, func() {
			w.Register(entra.App{ID: app, Secrets: []string{"s3cret"}, RedirectURIs: []string{redirect}})
		}, 7000222, "invalid_client", "", false},
		{"revoked", func() { w.RevokeSessions(acme, erin) }, func() {}, 50173, "invalid_grant", "bad_token", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := w.signIn(t, acme, erin)["refresh_token"]
			tt.do()
			body := w.refused(t, acme, refresh(token), tt.number, tt.code)
			sub, _ := body["suberror"].(string)
			if claims, _ := body["claims"].(string); sub != tt.sub || (claims != "") != tt.claims || body["access_token"] != nil {
				t.Errorf("%v", body)
			}
			tt.undo()
			if status, _, body := w.ask(t, acme, refresh(token)); (status == 200) != (tt.name != "revoked") {
				t.Errorf("afterwards: %v", body)
			}
		})
	}
}

// identity.md 4: signing in again heals what a sign-in can heal; a policy by place lets
// the browser in and refuses the server.
func TestASignInAgainHealsOrLoops(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	b := w.browser(t)
	token := func(pairs ...string) any {
		t.Helper()
		if b.open(authorizePath(acme), request(pairs...)); b.title == "Pick an account" {
			b.pick(erin)
		}
		if b.title == "Verify your identity" {
			b.decide("approve")
		}
		_, _, body := w.ask(t, acme, redeem(b.returned(redirect).Get("code")))
		return body["refresh_token"]
	}
	token()
	w.RevokeSessions(acme, erin)
	if b.open(authorizePath(acme), request()); b.title != "Pick an account" {
		t.Errorf("revoked, and still signed in: %q", b.title)
	}
	if status, _, body := w.ask(t, acme, refresh(token())); status != 200 {
		t.Errorf("after a reset: %v", body)
	}
	if err := w.SetPolicy(acme, entra.Policy{Server: entra.Condition{MFA: true}}); err != nil {
		t.Fatal(err)
	}
	claims, _ := w.refused(t, acme, refresh(token()), 50076, "interaction_required")["claims"].(string)
	if status, _, body := w.ask(t, acme, refresh(token("claims", claims))); status != 200 {
		t.Errorf("with the second factor: %v", body)
	}
	if err := w.SetPolicy(acme, entra.Policy{Server: entra.Condition{Block: 53003}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.refused(t, acme, refresh(token("claims", claims)), 53003, "access_denied")
	}
}

// Contract 13.4: keys at common carry their issuer; a rotation changes kid.
func TestKeysRotateAndNameTheirIssuer(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	host := "https://" + strings.TrimPrefix(w.url, "http://")
	before := w.signIn(t, acme, erin)["id_token"]
	if err := w.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	w.claims(t, acme, before)
	w.claims(t, "common", w.signIn(t, acme, erin)["id_token"])
	issuers := map[string]int{}
	for _, k := range w.fetch(t, "/common/discovery/v2.0/keys")["keys"].([]any) {
		issuers[k.(map[string]any)["issuer"].(string)]++
	}
	if issuers[host+"/{tenantid}/v2.0"] != 2 || issuers[host+"/"+entra.Consumers+"/v2.0"] != 1 {
		t.Errorf("issuers %v", issuers)
	}
	for path, want := range map[string]string{"organizations": "{tenantid}", "consumers": entra.Consumers, "acme.example": acme} {
		if got := w.fetch(t, "/"+path+"/v2.0/.well-known/openid-configuration")["issuer"]; got != host+"/"+want+"/v2.0" {
			t.Errorf("%s: issuer %v", path, got)
		}
	}
}

// Each way of spoiling an id token changes what it says and nothing else.
func TestASpoiledIDTokenIsWrongInOneWay(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	for _, how := range []entra.Spoil{entra.Unsigned, entra.SharedSecret, entra.UnknownKey, entra.BadSignature, entra.WrongAudience, entra.WrongIssuer,
		entra.WrongNonce, entra.WrongTenant, entra.Expired, entra.NotYet, entra.WithoutOID} {
		if err := w.SpoilIDTokens(how); err != nil {
			t.Fatal(err)
		}
		if token, _ := w.signIn(t, acme, erin)["id_token"].(string); strings.Count(token, ".") != 2 {
			t.Errorf("%s: %q", how, token)
		}
	}
	if err := w.SpoilIDTokens("rotten"); err == nil {
		t.Error("no such way, and no error")
	}
}

// No parameter makes authorize, adminconsent or the token endpoint send anything to an
// address that the app did not register, or give a token.
func FuzzParameters(f *testing.F) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	s := entra.New(func() time.Time { return at }, nil)
	s.AddTenant(acme, "acme.example")
	s.Register(entra.App{ID: app, Secrets: []string{"s3cret"}, RedirectURIs: []string{redirect, consentRedirect}})
	s.AddUser(acme, entra.User{Principal: erin})
	s.Grant(acme, app, "", "Calendars.ReadWrite")
	f.Add(acme, request().Encode())
	f.Add("organizations", request("prompt", "none", "response_mode", "fragment").Encode())
	f.Add("common", adminRequest().Encode())
	f.Add("acme.example", redeem("x").Encode())
	f.Add("consumers", refresh("x", "scope", ".default").Encode())
	f.Add(acme, "redirect_uri=https://evil.example&client_id="+app)
	f.Add(acme, "ctx=x&account="+erin+"&decision=accept")
	f.Fuzz(func(t *testing.T, tenant, values string) {
		for _, path := range []string{"/oauth2/v2.0/authorize", "/v2.0/adminconsent", "/adminconsent", "/oauth2/v2.0/logout", "/oauth2/v2.0/token", "/login", "/consent", "/adminconsent/decide"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				to := &url.URL{Path: "/" + tenant + path}
				r := httptest.NewRequest(method, "/", strings.NewReader(values))
				if r.URL = to; method == http.MethodGet {
					r.URL.RawQuery = values
				}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				at := w.Header().Get("Location")
				ours := strings.HasPrefix(at, redirect) || strings.HasPrefix(at, consentRedirect) || strings.HasPrefix(at, "/")
				if w.Code >= 500 || at != "" && !ours || strings.Contains(w.Body.String(), "access_token") || strings.Contains(at, "code=") && !strings.Contains(values, "code") {
					t.Errorf("%s %s %s: %d %s", method, to, values, w.Code, at)
				}
			}
		}
	})
}
