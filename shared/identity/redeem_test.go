package identity_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/identity"
)

const nonce = mark + "nonce"

// signIn lets Vera sign in at a path, and redeems her code.
func (l *login) signIn(t testing.TB, u *identity.Users, path string, scopes ...string) (identity.SignedIn, error) {
	t.Helper()
	verifier := identity.NewVerifier()
	code := l.code(acme, vera, verifier, nonce)
	return u.Redeem(t.Context(), identity.Redemption{
		Tenant: path, RedirectURI: redirect, Verifier: verifier, Nonce: nonce, Scopes: scopes, Code: code,
	})
}

func refused(t testing.TB, err error) identity.Refusal {
	t.Helper()
	unmarked(t, err)
	var e *identity.SignInError
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *SignInError", err)
	}
	return e.Refusal
}

func TestASignInTellsWhoItWasAndWhatWasGranted(t *testing.T) {
	for _, path := range []string{acme, identity.Organizations} {
		l := newLogin(t)
		s, err := l.signIn(t, l.users(t), path, "Calendars.ReadWrite", "User.Read")
		if err != nil {
			t.Fatal(err)
		}
		want := identity.SignedIn{Tenant: acme, ObjectID: vera, Name: mark + "Vera", UserName: veraName}
		if s.Tenant != want.Tenant || s.ObjectID != want.ObjectID || s.Name != want.Name || s.UserName != want.UserName || len(s.Wids) != 1 {
			t.Errorf("%s: %+v", path, s)
		}
		if !slices.Equal(s.Granted, []string{"Calendars.ReadWrite", "User.Read"}) || s.AccessToken == "" || s.Cache == nil {
			t.Errorf("%s: granted %v", path, s.Granted)
		}
		if left := s.Expires.Sub(l.now()); left != 3599*time.Second {
			t.Errorf("the token lasts %v", left)
		}
		if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, mark) {
			t.Errorf("printed: %s", text)
		}
		forms := l.tokenRequests()
		if len(forms) != 1 || forms[0].Get("scope") != "openid profile offline_access https://graph.microsoft.com/Calendars.ReadWrite https://graph.microsoft.com/User.Read" {
			t.Errorf("%d requests, scope %q", len(forms), forms[0].Get("scope"))
		}
	}
}

// identity.md section 2.5: openid only, no mailbox needed; nobody consents to more.
func TestAMereSignInAsksForNothingThatLasts(t *testing.T) {
	l := newLogin(t)
	s, err := l.signIn(t, l.users(t), acme)
	if err != nil || s.Cache != nil || len(s.Granted) != 0 || s.ObjectID != vera {
		t.Errorf("%v, cache %v, granted %v", err, s.Cache != nil, s.Granted)
	}
	if scope := l.tokenRequests()[0].Get("scope"); scope != "openid profile" {
		t.Errorf("scope %q", scope)
	}
}

// Issue 5: code injected. Contract 13.2: the verifier is mandatory.
func TestACodeOfAnotherSignInIsRefused(t *testing.T) {
	l := newLogin(t)
	u := l.users(t)
	redeem := func(code, verifier string) error {
		_, err := u.Redeem(t.Context(), identity.Redemption{
			Tenant: acme, RedirectURI: redirect, Verifier: verifier, Nonce: nonce, Scopes: []string{"Calendars.Read"}, Code: code,
		})
		return err
	}
	mine, theirs := identity.NewVerifier(), identity.NewVerifier()
	code := l.code(acme, vera, theirs, nonce)
	for _, tt := range []struct {
		err    error
		number int
	}{
		{redeem(code, mine), 501481},
		{redeem(code, theirs), 54005}, // used up by the attempt
		{redeem(mark+"invented", mine), 54005},
	} {
		var e *identity.TokenError
		if !errors.As(tt.err, &e) || e.Code != "invalid_grant" || !slices.Equal(e.AADSTS, []int{tt.number}) {
			t.Errorf("%v, want AADSTS%d", tt.err, tt.number)
		}
		unmarked(t, tt.err)
	}
	// Right verifier, and a nonce of another sign-in.
	verifier := identity.NewVerifier()
	_, err := u.Redeem(t.Context(), identity.Redemption{
		Tenant: acme, RedirectURI: redirect, Verifier: verifier, Nonce: "another", Code: l.code(acme, vera, verifier, nonce),
	})
	if got := refused(t, err); got != identity.BadNonce {
		t.Errorf("%s", got)
	}
}

func TestNothingIsRedeemedWithoutItsParts(t *testing.T) {
	l := newLogin(t)
	u := l.users(t)
	whole := identity.Redemption{Tenant: acme, RedirectURI: redirect, Verifier: identity.NewVerifier(), Nonce: nonce, Code: "code"}
	for name, spoil := range map[string]func(*identity.Redemption){
		"code": func(r *identity.Redemption) { r.Code = "" }, "nonce": func(r *identity.Redemption) { r.Nonce = "" },
		"verifier": func(r *identity.Redemption) { r.Verifier = "" }, "redirect": func(r *identity.Redemption) { r.RedirectURI = "" },
		"common":   func(r *identity.Redemption) { r.Tenant = "common" },
		"domain":   func(r *identity.Redemption) { r.Tenant = "acme.example" },
		"path":     func(r *identity.Redemption) { r.Tenant = acme + "/x" },
		".default": func(r *identity.Redemption) { r.Scopes = []string{".default"} },
		"full":     func(r *identity.Redemption) { r.Scopes = []string{"https://evil.example/Calendars.Read"} },
	} {
		r := whole
		spoil(&r)
		var e *identity.TokenError
		if _, err := u.Redeem(t.Context(), r); !errors.As(err, &e) || !strings.HasPrefix(e.Code, "invalid_") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(l.tokenRequests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// identity.md section 2: delegated permissions are read from the response's scope. MSAL
// on its own throws an answer away whose scope is not letter by letter what was asked.
func TestWhatWasGrantedIsWhatTheAnswerSays(t *testing.T) {
	const graph = "https://graph.microsoft.com/"
	for scope, want := range map[string][]string{
		"openid profile email " + graph + "Calendars.Read":                          {"Calendars.Read"},
		"Calendars.ReadWrite Calendars.Read openid":                                 {"Calendars.Read", "Calendars.ReadWrite"},
		graph + "User.Read " + graph + "Calendars.Read " + graph + "Calendars.Read": {"Calendars.Read", "User.Read"},
		"openid https://other.example/Calendars.Read":                               {},
		"": {"Calendars.Read", "Calendars.Read.Shared"},
	} {
		l := newLogin(t)
		l.answer = func(a map[string]any) { a["scope"] = scope }
		s, err := l.signIn(t, l.users(t), acme, "Calendars.Read", "Calendars.Read.Shared")
		if err != nil || !slices.Equal(s.Granted, want) {
			t.Errorf("%q: %v, %v, want %v", scope, s.Granted, err, want)
		}
	}
}

// Issue 5: never a token or secret in an error. MSAL's own errors quote what came.
func TestOddAnswersOfTheTokenEndpointAreNotQuoted(t *testing.T) {
	for name, body := range map[string]string{
		"cut":          `{"access_token":"` + mark + `access","refresh_token":"` + mark,
		"no token":     `{"refresh_token":"` + mark + `","expires_in":3599}`,
		"no expiry":    `{"access_token":"` + mark + `","id_token":"` + mark + `"}`,
		"an error":     `{"error":"` + mark + ` <script>","error_description":"` + mark + `"}`,
		"a page":       "<html>" + mark,
		"empty":        "",
		"another kind": `["` + mark + `"]`,
		"endless":      strings.Repeat("["+mark, 300_000),
	} {
		for _, status := range []int{200, 400, 502} {
			l := newLogin(t)
			l.refuse = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost {
					w.WriteHeader(status)
					fmt.Fprint(w, body)
					return true
				}
				return false
			}
			s, err := l.signIn(t, l.users(t), acme, "Calendars.Read")
			if err == nil || s.AccessToken != "" {
				t.Errorf("%s with %d was accepted", name, status)
			}
			unmarked(t, err)
		}
	}
}

func TestADiscoveryDocumentThatPointsElsewhereIsRefused(t *testing.T) {
	for name, change := range map[string][2]string{
		"keys elsewhere":           {"jwks_uri", "https://evil.example/keys"},
		"keys by http":             {"jwks_uri", "http://"},
		"sign-in elsewhere":        {"authorization_endpoint", "https://evil.example/authorize"},
		"sign-in with a query":     {"authorization_endpoint", "?x"},
		"no issuer":                {"issuer", ""},
		"issuer of another tenant": {"issuer", "https://evil.example/" + globex + "/v2.0"},
	} {
		l := newLogin(t)
		l.refuse = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/openid-configuration") {
				return false
			}
			doc := map[string]any{
				"issuer": l.issuer(acme), "authorization_endpoint": l.URL + "/x", "token_endpoint": "https://" + l.host() + "/" + acme + "/oauth2/v2.0/token",
				"jwks_uri": "https://" + l.host() + "/" + acme + "/discovery/v2.0/keys",
			}
			switch value := change[1]; value {
			case "http://":
				doc[change[0]] = "http://" + l.host() + "/keys"
			case "?x":
				doc[change[0]] = l.URL + "/authorize?redirect_uri=https://evil.example"
			default:
				doc[change[0]] = value
			}
			reply(w, 200, doc)
			return true
		}
		if _, err := l.signIn(t, l.users(t), acme, "Calendars.Read"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDocumentsAreAskedForOnceADay(t *testing.T) {
	l := newLogin(t)
	u := l.users(t)
	for range 3 {
		if _, err := l.signIn(t, u, acme, "Calendars.Read"); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.got("/openid-configuration"); n != 1 {
		t.Errorf("%d discoveries, want 1", n)
	}
	l.advance(24 * time.Hour)
	if _, err := l.signIn(t, u, acme, "Calendars.Read"); err != nil {
		t.Fatal(err)
	}
	if n := l.got("/openid-configuration"); n != 2 {
		t.Errorf("%d discoveries after a day, want 2", n)
	}
}

func TestARefusedDocumentIsNotKept(t *testing.T) {
	l := newLogin(t)
	down := true
	l.refuse = func(w http.ResponseWriter, r *http.Request) bool {
		if down && r.Method == http.MethodGet {
			refusal(w, 400, "invalid_request", 90002)
		}
		return down && r.Method == http.MethodGet
	}
	u := l.users(t)
	_, err := l.signIn(t, u, acme, "Calendars.Read")
	var e *identity.TokenError
	if !errors.As(err, &e) || !slices.Equal(e.AADSTS, []int{90002}) {
		t.Errorf("%v", err)
	}
	unmarked(t, err)
	down = false
	if _, err := l.signIn(t, u, acme, "Calendars.Read"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
