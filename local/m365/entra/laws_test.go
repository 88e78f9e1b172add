package entra_test

import (
	"crypto/rand"
	"crypto/rsa"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"
)

// Contract 12 and 13.3: whatever is consented to by whomever, in whatever order, app
// roles come only of an administrator's .default, and only to the four roles does
// anything for all users come.
func TestNoDelegatedConsentMakesARole(t *testing.T) {
	w := people(t)
	scopes := []string{"Calendars.ReadBasic", "Calendars.Read", graph + "Calendars.ReadWrite", "User.Read openid", graph + ".default"}
	rapid.Check(t, func(r *rapid.T) {
		w.Withdraw(acme, app)
		byDefault, forAll := false, false
		for range rapid.IntRange(1, 5).Draw(r, "consents") {
			user, scope := rapid.SampledFrom([]string{ada, clive, erin}).Draw(r, "user"), rapid.SampledFrom(scopes).Draw(r, "scope")
			admin, accept := rapid.Bool().Draw(r, "admin"), rapid.SampledFrom([]string{"accept", "cancel"}).Draw(r, "decision")
			b := w.browser(t)
			if admin {
				b.open(admin2(acme), adminRequest("scope", scope)).pick(user)
			} else {
				b.open(authorizePath(acme), request("scope", scope, "prompt", "consent")).pick(user)
			}
			mayAll := strings.Contains(b.page, "on_behalf") || strings.Contains(b.page, "Review for your organization")
			if b.title != "Permissions requested" {
				continue
			}
			b.decide(accept, "on_behalf", "on")
			if accept != "accept" {
				continue
			}
			byDefault = byDefault || admin && strings.HasSuffix(scope, ".default")
			forAll = forAll || mayAll
			if mayAll && user == erin || admin && user == clive && strings.HasSuffix(scope, ".default") {
				r.Fatalf("%s consented to %s", user, scope)
			}
		}
		g := w.Grants(acme)
		if (len(g.Roles) > 0) != byDefault {
			r.Fatalf("roles %v, .default by an administrator %t", g.Roles, byDefault)
		}
		if slices.ContainsFunc(g.Delegated, func(d entra.DelegatedGrant) bool { return d.User == "" }) != forAll {
			r.Fatalf("%+v, for all %t", g.Delegated, forAll)
		}
	})
}

// identity.md 4: a person's token may be refreshed by many at once; every one of them
// gets a refresh token of its own that works.
func TestManyRefreshAtOnce(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	token := w.signIn(t, acme, erin)["refresh_token"]
	var all sync.Map
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			_, _, body := w.ask(t, acme, refresh(token))
			next, _ := body["refresh_token"].(string)
			if _, twice := all.LoadOrStore(next, true); twice || next == "" {
				t.Errorf("%v", body)
			}
			if status, _, body := w.ask(t, acme, refresh(next)); status != 200 {
				t.Errorf("%v", body)
			}
		})
	}
	wait.Wait()
}

// Contract 13.2: certificate and federated credentials serve for codes and refresh
// tokens too, at the endpoint they were made for.
func TestAnAssertionServesForCodesAndRefreshTokens(t *testing.T) {
	w := people(t)
	w.Grant(acme, app, "", "Calendars.ReadWrite")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.Register(entra.App{ID: app, RedirectURIs: []string{redirect}, Federated: []entra.Federated{{
		Issuer: "https://issuer.example/v2.0", Subject: "identity-1", Audience: "api://AzureADTokenExchange", Key: &key.PublicKey}}})
	asserted := func(form url.Values, subject string) url.Values {
		assertion, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": "https://issuer.example/v2.0", "sub": subject,
			"aud": "api://AzureADTokenExchange", "exp": w.now().Add(time.Minute).Unix()}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		form.Del("client_secret")
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		return form
	}
	code := w.browser(t).open(authorizePath("organizations"), request()).pick(erin).returned(redirect).Get("code")
	w.refused(t, "organizations", asserted(redeem(code), "identity-2"), 700213, "invalid_client")
	w.refused(t, "organizations", redeem(code), 7000215, "invalid_client")
	_, _, body := w.ask(t, "organizations", asserted(redeem(code), "identity-1"))
	if _, _, body = w.ask(t, acme, asserted(refresh(body["refresh_token"]), "identity-1")); body["access_token"] == nil {
		t.Errorf("%v", body)
	}
}
