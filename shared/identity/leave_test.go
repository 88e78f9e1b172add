package identity_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/identity"
)

func leave() identity.Leave {
	return identity.Leave{Tenant: acme, RedirectURI: redirect, State: "state", Nonce: "nonce", Verifier: strings.Repeat("v", 43), Scopes: []string{"Calendars.Read"}}
}

func query(t testing.TB, address string) (*url.URL, url.Values) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u, u.Query()
}

// Contract 13.2; identity.md section 3: no prompt, response_mode=query, PKCE.
func TestABrowserLeavesWithWhatTheContractNames(t *testing.T) {
	l := newLogin(t)
	u := l.users(t)
	at := leave()
	at.LoginHint, at.Claims = "vera@acme.example", `{"access_token":{}}`
	address, err := u.AuthorizeURL(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	to, q := query(t, address)
	if to.Scheme+"://"+to.Host+to.Path != l.URL+"/"+acme+"/oauth2/v2.0/authorize" {
		t.Errorf("to %s", to)
	}
	sum := sha256.Sum256([]byte(at.Verifier))
	want := url.Values{
		"client_id": {client}, "response_type": {"code"}, "response_mode": {"query"}, "redirect_uri": {redirect},
		"scope": {"openid profile offline_access https://graph.microsoft.com/Calendars.Read"}, "state": {"state"}, "nonce": {"nonce"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		"login_hint": {"vera@acme.example"}, "claims": {`{"access_token":{}}`},
	}
	if q.Encode() != want.Encode() {
		t.Errorf("leaves with %v", q)
	}
	if strings.Contains(address, at.Verifier) {
		t.Error("the verifier leaves")
	}
}

func TestPromptsAndScopesAreThoseThatWereAsked(t *testing.T) {
	l := newLogin(t)
	u := l.users(t)
	for _, prompt := range []string{"", "select_account", "none"} {
		at := leave()
		at.Tenant, at.Prompt, at.Scopes = identity.Organizations, prompt, nil
		address, err := u.AuthorizeURL(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		to, q := query(t, address)
		if q.Get("prompt") != prompt || q.Has("prompt") != (prompt != "") || q.Get("scope") != "openid profile" || q.Has("login_hint") || q.Has("claims") {
			t.Errorf("%q: %v", prompt, q)
		}
		if !strings.HasPrefix(to.Path, "/organizations/") {
			t.Errorf("to %s", to)
		}
	}
	if n := l.got("/openid-configuration"); n != 1 {
		t.Errorf("%d discoveries, want 1", n)
	}
}

func TestNobodyLeavesForAnotherPlace(t *testing.T) {
	l := newLogin(t)
	u := l.users(t)
	for name, spoil := range map[string]func(*identity.Leave){
		"common": func(a *identity.Leave) { a.Tenant = "common" }, "consumers": func(a *identity.Leave) { a.Tenant = "consumers" },
		"no tenant": func(a *identity.Leave) { a.Tenant = "" }, "a path": func(a *identity.Leave) { a.Tenant = acme + "/../" + globex },
		"GUID in braces": func(a *identity.Leave) { a.Tenant = "{" + acme + "}" }, "GUID without dashes": func(a *identity.Leave) { a.Tenant = strings.ReplaceAll(acme, "-", "") },
		"no state": func(a *identity.Leave) { a.State = "" }, "no nonce": func(a *identity.Leave) { a.Nonce = "" },
		"short verifier": func(a *identity.Leave) { a.Verifier = "v" }, "no redirect": func(a *identity.Leave) { a.RedirectURI = "" },
		"unknown prompt":     func(a *identity.Leave) { a.Prompt = "none login" },
		".default":           func(a *identity.Leave) { a.Scopes = []string{".default"} },
		"another resource":   func(a *identity.Leave) { a.Scopes = []string{"https://x.example/Calendars.Read"} },
		"two in one":         func(a *identity.Leave) { a.Scopes = []string{"Calendars.Read Mail.Read"} },
		"OIDC scope by hand": func(a *identity.Leave) { a.Scopes = []string{"offline_access"} },
	} {
		at := leave()
		spoil(&at)
		var e *identity.TokenError
		if address, err := u.AuthorizeURL(t.Context(), at); !errors.As(err, &e) || !strings.HasPrefix(e.Code, "invalid_") || address != "" {
			t.Errorf("%s: %q, %v", name, address, err)
		}
	}
	if n := l.got("/openid-configuration"); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// identity.md section 2: the two permission models; contract 13.3: never common.
func TestAnAdministratorIsSentToTheConsentOfTheModel(t *testing.T) {
	l := newLogin(t)
	u := l.users(t)
	for _, tt := range []struct {
		leave identity.ConsentLeave
		path  string
		scope string
	}{
		{identity.ConsentLeave{Tenant: strings.ToUpper(acme), Scopes: []string{"User.Read", "Calendars.ReadWrite"}}, "/" + acme,
			"openid profile offline_access https://graph.microsoft.com/User.Read https://graph.microsoft.com/Calendars.ReadWrite"},
		{identity.ConsentLeave{Tenant: identity.Organizations, Application: true}, "/organizations", "openid profile https://graph.microsoft.com/.default"},
		{identity.ConsentLeave{Tenant: "Acme.example", Application: true}, "/acme.example", "openid profile https://graph.microsoft.com/.default"},
	} {
		tt.leave.RedirectURI, tt.leave.State = redirect, "state"
		address, err := u.AdminConsentURL(tt.leave)
		if err != nil {
			t.Fatal(err)
		}
		to, q := query(t, address)
		want := url.Values{"client_id": {client}, "redirect_uri": {redirect}, "state": {"state"}, "scope": {tt.scope}}
		if to.Scheme+"://"+to.Host+to.Path != l.URL+tt.path+"/v2.0/adminconsent" || q.Encode() != want.Encode() {
			t.Errorf("%s", address)
		}
	}
	for _, bad := range []identity.ConsentLeave{
		{Tenant: "common", Application: true}, {Tenant: "", Application: true}, {Tenant: "acme", Application: true},
		{Tenant: "acme.example/../x.y", Application: true}, {Tenant: "-acme.example", Application: true}, {Tenant: "a..b", Application: true},
		{Tenant: acme}, {Tenant: acme, Scopes: []string{".default"}},
	} {
		bad.RedirectURI, bad.State = redirect, "state"
		if address, err := u.AdminConsentURL(bad); err == nil {
			t.Errorf("%+v: %s", bad, address)
		}
	}
	if _, err := u.AdminConsentURL(identity.ConsentLeave{Tenant: acme, Application: true}); err == nil {
		t.Error("without redirect and state")
	}
}

func TestScopesAreOfTheCloudsGraph(t *testing.T) {
	u, err := identity.NewUsers(client, identity.Secret(secret), &identity.UserOptions{GraphEndpoint: "https://graph.microsoft.us"})
	if err != nil {
		t.Fatal(err)
	}
	address, err := u.AdminConsentURL(identity.ConsentLeave{Tenant: acme, Application: true, RedirectURI: redirect, State: "s"})
	if err != nil || !strings.HasPrefix(address, "https://login.microsoftonline.com/"+acme+"/v2.0/adminconsent?") || !strings.Contains(address, url.QueryEscape("https://graph.microsoft.us/.default")) {
		t.Errorf("%s, %v", address, err)
	}
}

func TestUsersTakePlainHTTPOnLoopbackOnly(t *testing.T) {
	for _, o := range []identity.UserOptions{{Authority: "http://login.example"}, {GraphEndpoint: "http://graph.example"}, {Authority: "login.example"}} {
		if _, err := identity.NewUsers(client, identity.Secret("s"), &o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	if _, err := identity.NewUsers("", identity.Credential{}, nil); err == nil {
		t.Error("users without app and credential")
	}
}

func TestVerifiersAreLongAndNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		v := identity.NewVerifier()
		if len(v) != 43 || seen[v] {
			t.Fatalf("%q", v)
		}
		seen[v] = true
	}
}

// Contract 13.2 and 13.3, the errors that a callback is called with.
func TestErrorsOfACallbackAreRead(t *testing.T) {
	const id = "Correlation ID: CCCCCCCC-cccc-4ccc-8ccc-cccccccccccc"
	for _, tt := range []struct {
		query, code, suberror string
		numbers               []int
		correlated            bool
	}{
		{"error=access_denied&error_subcode=cancel&error_description=AADSTS65004%3A+User+declined.+Trace+ID%3A+x+" + url.QueryEscape(id), "access_denied", "cancel", []int{65004}, true},
		{"admin_consent=True&error=consent_required&error_description=AADSTS65004%3A+x&state=s", "consent_required", "", []int{65004}, false},
		{"error=permission_denied&error_description=The+admin+canceled+the+request", "permission_denied", "", nil, false},
		{"error=access_denied&error_description=AADSTS90094%3A+x+AADSTS90095", "access_denied", "", []int{90094, 90095}, false},
		{"error=interaction_required&error_description=AADSTS50076&claims=%7B%22a%22%3A1%7D", "interaction_required", "", []int{50076}, false},
		{"error=%3Cscript%3E&error_subcode=%0A&error_description=AADSTS1+AADSTS999999999999", "unknown_error", "", nil, false},
	} {
		_, q := query(t, "https://x.example/?"+tt.query)
		e := identity.ParseCallbackError(q)
		if e == nil || e.Code != tt.code || e.Suberror != tt.suberror || !slices.Equal(e.AADSTS, tt.numbers) || (e.CorrelationID != "") != tt.correlated {
			t.Errorf("%s: %+v", tt.query, e)
		}
	}
	if e := identity.ParseCallbackError(url.Values{"code": {"x"}, "admin_consent": {"True"}, "error_description": {"x"}, "error": {""}}); e != nil {
		t.Errorf("%+v without an error", e)
	}
}

// Whatever a callback is called with, nothing of its text gets into the error.
func FuzzCallbackError(f *testing.F) {
	f.Add("access_denied", "cancel", "AADSTS65004: no. Correlation ID: cccccccc-cccc-4ccc-8ccc-cccccccccccc", `{"a":1}`)
	f.Add("<b>", "a\nb", strings.Repeat("AADSTS90094 ", 100), "{")
	f.Fuzz(func(t *testing.T, code, sub, description, claims string) {
		e := identity.ParseCallbackError(url.Values{"error": {code}, "error_subcode": {sub}, "error_description": {description}, "claims": {claims}})
		if (e == nil) != (code == "") {
			t.Fatalf("%q: %+v", code, e)
		}
		if e == nil {
			return
		}
		if len(e.AADSTS) > 5 || len(e.Claims) > 4096 || strings.ContainsAny(e.Error(), "\r\n\x00<>\"") {
			t.Errorf("%+v", e)
		}
	})
}

func TestManyWhoNeedADocumentShareARequest(t *testing.T) {
	l := newLogin(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.refuse = func(http.ResponseWriter, *http.Request) bool {
		once.Do(func() { close(arrived) })
		<-release
		return false
	}
	u := l.users(t)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := u.AuthorizeURL(t.Context(), leave()); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	close(release)
	group.Wait()
	if n := l.got("/openid-configuration"); n != 1 {
		t.Errorf("%d discoveries for 50", n)
	}
}

func TestAnAuthorityThatDoesNotAnswerIsGivenUp(t *testing.T) {
	l := newLogin(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	l.refuse = func(http.ResponseWriter, *http.Request) bool { <-release; return true }
	u := l.users(t, func(o *identity.UserOptions) { o.Timeout = 20 * time.Millisecond })
	var e *identity.TokenError
	if _, err := u.AuthorizeURL(t.Context(), leave()); !errors.As(err, &e) || e.Code != "" {
		t.Errorf("%v", err)
	}
}
