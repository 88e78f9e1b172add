package identity_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/identity"
	"github.com/golang-jwt/jwt/v5"
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

// Contract 13.4, rule by rule; identity.md section 2.3.
func TestAnIDTokenThatIsNotRightIsRefused(t *testing.T) {
	const consumers = "9188040d-6c67-4c5b-b112-36a304b66dad"
	public := func() []byte {
		der, err := x509.MarshalPKIXPublicKey(&testKey().PublicKey)
		if err != nil {
			panic(err)
		}
		return der
	}
	unsigned := func(c jwt.MapClaims) string {
		token := jwt.NewWithClaims(jwt.SigningMethodNone, c)
		token.Header["kid"] = "one"
		out, err := token.SignedString(jwt.UnsafeAllowNoneSignatureType)
		if err != nil {
			panic(err)
		}
		return out
	}
	hmac := func(key []byte, kid string) func(jwt.MapClaims) string {
		return func(c jwt.MapClaims) string {
			token := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
			token.Header["kid"] = kid
			out, err := token.SignedString(key)
			if err != nil {
				panic(err)
			}
			return out
		}
	}
	set := func(name string, value any) func(l *login) {
		return func(l *login) {
			l.claims = func(c jwt.MapClaims) {
				if c[name] = value; value == nil {
					delete(c, name)
				}
			}
		}
	}
	as := func(tenant string) func(l *login) {
		return func(l *login) {
			l.claims = func(c jwt.MapClaims) { c["tid"], c["iss"] = tenant, l.issuer(tenant) }
		}
	}
	tests := []struct {
		name  string
		spoil func(l *login)
		want  identity.Refusal
	}{
		{"audience of another app", set("aud", globex), identity.BadAudience},
		{"two audiences", set("aud", []string{client, globex}), identity.BadAudience},
		{"no audience", set("aud", nil), identity.BadAudience},
		{"issuer of another tenant", func(l *login) { set("iss", l.issuer(globex))(l) }, identity.BadIssuer},
		{"issuer with more after it", func(l *login) { set("iss", l.issuer(acme)+"/")(l) }, identity.BadIssuer},
		{"issuer of version 1", set("iss", "https://sts.windows.net/"+acme+"/"), identity.BadIssuer},
		{"issuer left open", func(l *login) { set("iss", l.issuer("{tenantid}"))(l) }, identity.BadIssuer},
		{"no issuer", set("iss", nil), identity.BadIssuer},
		{"another nonce", set("nonce", "other"), identity.BadNonce},
		{"no nonce", set("nonce", nil), identity.BadNonce},
		{"expired", func(l *login) { set("exp", l.at.Add(-time.Second).Unix())(l) }, identity.Expired},
		{"never expires", set("exp", nil), identity.Expired},
		{"not valid yet", func(l *login) { set("nbf", l.at.Add(10*time.Minute).Unix())(l) }, identity.Expired},
		{"another tenant", as(globex), identity.WrongTenant},
		{"a personal account", as(consumers), identity.ConsumerAccount},
		{"tenant is no GUID", as("acme.example"), identity.BadTenant},
		{"tenant is a path", as(acme + "/../" + globex), identity.BadTenant},
		{"no tenant", set("tid", nil), identity.BadTenant},
		{"no object id", set("oid", nil), identity.NoObjectID},
		{"object id is no GUID", set("oid", "vera"), identity.NoObjectID},
		{"alg none", func(l *login) { l.sign = unsigned }, identity.BadAlgorithm},
		{"HS256 with the public key", func(l *login) { l.sign = hmac(public(), "one") }, identity.BadAlgorithm},
		{"HS256 with a key of the key document", func(l *login) { l.sign = hmac([]byte("secret"), "shared") }, identity.BadAlgorithm},
		{"RS256 over a key that is no RSA key", func(l *login) {
			l.sign = func(c jwt.MapClaims) string { return signed(c, "shared", newKey()) }
		}, identity.UnknownKey},
		{"unknown key", func(l *login) {
			l.sign = func(c jwt.MapClaims) string { return signed(c, "two", newKey()) }
		}, identity.UnknownKey},
		{"no key named", func(l *login) {
			l.sign = func(c jwt.MapClaims) string { return signed(c, "", testKey()) }
		}, identity.UnknownKey},
		{"signed with another key of that name", func(l *login) {
			l.sign = func(c jwt.MapClaims) string { return signed(c, "one", newKey()) }
		}, identity.BadSignature},
		{"claims changed after signing", func(l *login) {
			l.sign = func(c jwt.MapClaims) string { return tampered(signed(c, "one", testKey())) }
		}, identity.BadSignature},
		{"key of another tenant", func(l *login) { l.keyIssuer = l.issuer(globex) }, identity.BadIssuer},
		{"no id token", func(l *login) { l.answer = func(a map[string]any) { delete(a, "id_token") } }, identity.NoIDToken},
		{"no token at all", func(l *login) { l.sign = func(jwt.MapClaims) string { return mark + "nonsense" } }, identity.NoIDToken},
		{"an encrypted token", func(l *login) { l.sign = func(jwt.MapClaims) string { return "a.b.c.d.e" } }, identity.NoIDToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLogin(t)
			tt.spoil(l)
			s, err := l.signIn(t, l.users(t), acme, "Calendars.Read")
			if got := refused(t, err); got != tt.want {
				t.Errorf("refused for %s, want %s", got, tt.want)
			}
			if s.AccessToken != "" || s.Cache != nil || s.ObjectID != "" {
				t.Error("something of the sign-in was given")
			}
		})
	}
}

// tampered makes another person of the token's, without signing anew.
func tampered(token string) string {
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		panic(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		panic(err)
	}
	claims["oid"] = globex
	if payload, err = json.Marshal(claims); err != nil {
		panic(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, ".")
}

// identity.md section 3: the page says which account was used.
func TestAWrongTenantNamesTheAccountForThePage(t *testing.T) {
	l := newLogin(t)
	l.claims = func(c jwt.MapClaims) { c["tid"], c["iss"] = globex, l.issuer(globex) }
	_, err := l.signIn(t, l.users(t), acme, "Calendars.Read")
	var e *identity.SignInError
	if !errors.As(err, &e) || e.Tenant != globex || e.UserName != veraName {
		t.Errorf("%v", err)
	}
	unmarked(t, err)
	if s, err := l.signIn(t, l.users(t), identity.Organizations, "Calendars.Read"); err != nil || s.Tenant != globex {
		t.Errorf("at organizations: %v", err)
	}
}

// Contract 13.4: refresh keys on unknown kid with a rate limit.
func TestAnUnknownKeyIsLookedForOnceAMinute(t *testing.T) {
	l := newLogin(t)
	u := l.users(t)
	must := func(want identity.Refusal) {
		t.Helper()
		_, err := l.signIn(t, u, acme, "Calendars.Read")
		if want == "" && err != nil || want != "" && refused(t, err) != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	must("")
	next := newKey()
	l.mu.Lock()
	l.keys["two"], l.kid = next, "two"
	l.mu.Unlock()
	for range 3 {
		must(identity.UnknownKey)
	}
	if n := l.got("/keys"); n != 1 {
		t.Errorf("%d requests for keys within a minute, want 1", n)
	}
	l.advance(61 * time.Second)
	must("")
	must("")
	if n := l.got("/keys"); n != 2 {
		t.Errorf("%d requests for keys, want 2", n)
	}
	l.advance(25 * time.Hour)
	must("")
	if n := l.got("/keys"); n != 3 {
		t.Errorf("%d requests for keys after a day, want 3", n)
	}
}

func TestKeysThatCannotBeReachedAreNoAttack(t *testing.T) {
	for name, body := range map[string]string{"an error": "", "no JSON": "<html>" + mark} {
		l := newLogin(t)
		l.refuse = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/keys") {
				return false
			}
			if body == "" {
				w.WriteHeader(503)
			}
			fmt.Fprint(w, body)
			return true
		}
		_, err := l.signIn(t, l.users(t), acme, "Calendars.Read")
		if got := refused(t, err); got != identity.KeysUnreachable {
			t.Errorf("%s: %s", name, got)
		}
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
