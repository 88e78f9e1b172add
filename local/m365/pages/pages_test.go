// Package pages_test looks at Entra's simulated pages with Chromium and axe-core. It is
// apart from package m365, whose tests need neither.
package pages_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/browser"
	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/entra"
)

const (
	acme   = "aaaaaaaa-0000-4000-8000-000000000001"
	globex = "aaaaaaaa-0000-4000-8000-000000000002"
	app    = "bbbbbbbb-0000-4000-8000-000000000001"
)

// start serves a simulator with one tenant.
func start(t *testing.T) *m365.Server {
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	w := m365.New(&m365.Options{Now: func() time.Time { return now }})
	w.AddTenant(acme, "acme.example")
	if err := w.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// Entra's pages in a browser: they can be used with and without script, keep to their
// own policy, and axe-core finds nothing.
func TestEntrasPagesInABrowser(t *testing.T) {
	if testing.Short() {
		t.Log("the browser is left out")
		return
	}
	w := start(t)
	product := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(rw, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>x</title><main><h1>Back</h1>%s by %s, %s%s</main>`, r.FormValue("state"), r.Method, r.FormValue("error"), r.FormValue("admin_consent"))
	}))
	defer product.Close()
	w.Entra.Register(entra.App{ID: app, Name: "Calbridge", Secrets: []string{"secret"}, RedirectURIs: []string{product.URL}, Delegated: []string{"User.Read"}, Roles: []string{"Calendars.ReadWrite"}})
	address := func(path string, pairs ...string) string {
		q := url.Values{"client_id": {app}, "response_type": {"code"}, "redirect_uri": {product.URL}, "scope": {"openid Calendars.ReadWrite"}, "state": {"away"}}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return w.URL() + "/" + acme + path + "?" + q.Encode()
	}
	const authorize, consent = "/oauth2/v2.0/authorize", "/v2.0/adminconsent"
	pictures := os.Getenv("PICTURES")
	b := browser.Start(t)
	erin := b.Person(t)
	sees := func(p *browser.Person, words, picture string) {
		t.Helper()
		p.Sees(words)
		p.Accessible()
		p.Picture(pictures, picture)
		if all := p.Complaints("favicon", "400 (Bad Request)"); len(all) > 0 {
			t.Errorf("%s: %q", words, all)
		}
	}
	if err := w.Entra.SetPolicy(acme, entra.Policy{NoUserConsent: true, Browser: entra.Condition{MFA: true, Users: []string{"employee@acme.example"}}}); err != nil {
		t.Fatal(err)
	}
	erin.Open(address(authorize))
	sees(erin, "Pick an account", "picker")
	erin.Press("Erin Employee")
	sees(erin, "Verify your identity", "mfa")
	erin.Press("Approve the sign-in")
	sees(erin, "Need admin approval", "approval")
	erin.Press("Return to the application")
	sees(erin, "away by GET, access_denied", "")
	if err := w.Entra.SetPolicy(acme, entra.Policy{NoUserConsent: true, Workflow: true}); err != nil {
		t.Fatal(err)
	}
	erin.Open(address(authorize))
	sees(erin, "Approval required", "request")
	erin.Fill("Enter justification", "Flights")
	erin.Press("Request approval")
	sees(erin, "Request sent", "requested")
	erin.Open(address(consent))
	sees(erin, "This operation can only be performed by an administrator", "role")
	erin.Open(address(authorize, "client_id", globex))
	sees(erin, "AADSTS700016", "error")

	ada := b.Person(t)
	ada.WithoutScripts()
	ada.Open(address(consent, "scope", "https://graph.microsoft.com/.default"))
	ada.Fill("Use another account", "admin@acme.example")
	ada.Press("Sign in")
	ada.Sees("Review for your organization")
	ada.Picture(pictures, "admin")
	ada.Press("Accept")
	ada.Sees("away by GET, True")
	ada.Open(address(authorize, "response_mode", "form_post"))
	ada.Sees("Permissions requested")
	ada.Picture(pictures, "consent")
	ada.Tick("Consent on behalf of your organization")
	ada.Press("Accept")
	ada.Press("Continue")
	ada.Sees("away by POST")
	if g := w.Entra.Grants(acme); len(g.Delegated) != 1 || g.Delegated[0].User != "" || len(g.Roles) != 1 {
		t.Errorf("grants %+v", g)
	}
	erin.Open(address(authorize, "response_mode", "form_post"))
	sees(erin, "away by POST", "")
	erin.Open(w.URL() + "/common/oauth2/v2.0/logout")
	sees(erin, "You signed out", "signedout")
}
