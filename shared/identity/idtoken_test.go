package identity_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/identity"
	"github.com/golang-jwt/jwt/v5"
)

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
