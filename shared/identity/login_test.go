package identity_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/identity"
	"github.com/golang-jwt/jwt/v5"
)

// What is marked must never get into an error.
const (
	mark     = "m4rked-"
	secret   = mark + "client-secret"
	redirect = "https://calbridge.example/api/connect/callback"
	vera     = "aaaaaaaa-aaaa-4aaa-8aaa-000000000001"
	veraName = mark + "vera@acme.example"
)

// login is a token endpoint that is as strict as a test can wish: a code is good for
// one verifier and once, a refresh token for one refresh, and every answer can be
// spoiled. local/m365/entra is the one that behaves as Entra does.
type login struct {
	*httptest.Server
	mu    sync.Mutex
	at    time.Time
	keys  map[string]*rsa.PrivateKey // published, by kid
	kid   string                     // of the key that signs
	codes map[string]*pendingCode
	live  map[string]string // refresh token -> object id
	n     int
	forms []url.Values
	// keepSpent leaves refresh tokens good after they were spent, as Entra does.
	keepSpent bool
	gets      map[string]int // requests by path

	// What is spoiled, by the test that wants it.
	claims    func(jwt.MapClaims)
	sign      func(jwt.MapClaims) string
	answer    func(map[string]any)
	keyIssuer string
	refuse    func(w http.ResponseWriter, r *http.Request) bool
}

type pendingCode struct{ challenge, nonce, tenant, oid string }

// testKey is made once: it takes a while.
var testKey = sync.OnceValue(func() *rsa.PrivateKey { return newKey() })

func newKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

func newLogin(t testing.TB) *login {
	l := &login{
		at: time.Now(), keys: map[string]*rsa.PrivateKey{"one": testKey()}, kid: "one",
		codes: map[string]*pendingCode{}, live: map[string]string{}, gets: map[string]int{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", l.discovery)
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", l.jwks)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", l.token)
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		if r.Method == http.MethodGet {
			l.gets[r.URL.Path]++
		}
		refuse := l.refuse
		l.mu.Unlock()
		if refuse == nil || !refuse(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *login) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

func (l *login) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = l.at.Add(d)
}

func (l *login) host() string { return strings.TrimPrefix(l.URL, "http://") }

func (l *login) issuer(tenant string) string { return "https://" + l.host() + "/" + tenant + "/v2.0" }

func (l *login) discovery(w http.ResponseWriter, r *http.Request) {
	tenant := r.PathValue("tenant")
	issuer := l.issuer(tenant)
	if tenant == "organizations" {
		issuer = l.issuer("{tenantid}")
	}
	reply(w, 200, map[string]any{
		"issuer": issuer, "authorization_endpoint": l.URL + "/" + tenant + "/oauth2/v2.0/authorize",
		"token_endpoint": "https://" + l.host() + "/" + tenant + "/oauth2/v2.0/token",
		"jwks_uri":       "https://" + l.host() + "/" + tenant + "/discovery/v2.0/keys",
	})
}

func (l *login) jwks(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	issuer := l.keyIssuer
	if issuer == "" {
		issuer = l.issuer("{tenantid}")
	}
	keys := []map[string]any{{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}}
	for kid, k := range l.keys {
		keys = append(keys, map[string]any{
			"kty": "RSA", "use": "sig", "kid": kid, "issuer": issuer,
			"n": base64.RawURLEncoding.EncodeToString(k.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes()),
		})
	}
	reply(w, 200, map[string]any{"keys": keys})
}

// code makes a code for a person who left with a verifier and a nonce.
func (l *login) code(tenant, oid, verifier, nonce string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	sum := sha256.Sum256([]byte(verifier))
	code := fmt.Sprintf("%scode-%d", mark, l.n)
	l.codes[code] = &pendingCode{base64.RawURLEncoding.EncodeToString(sum[:]), nonce, tenant, oid}
	return code
}

func (l *login) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		panic(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	form := r.PostForm
	l.forms = append(l.forms, form)
	if form.Get("client_secret") != secret && form.Get("client_assertion") == "" {
		refusal(w, 401, "invalid_client", 7000215)
		return
	}
	p := &pendingCode{tenant: r.PathValue("tenant")}
	switch form.Get("grant_type") {
	case "authorization_code":
		code := form.Get("code")
		known := l.codes[code]
		delete(l.codes, code)
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		switch {
		case known == nil:
			refusal(w, 400, "invalid_grant", 54005)
			return
		case known.challenge != base64.RawURLEncoding.EncodeToString(sum[:]):
			refusal(w, 400, "invalid_grant", 501481)
			return
		case form.Get("redirect_uri") != redirect:
			refusal(w, 400, "invalid_grant", 50011)
			return
		}
		p = known
	case "refresh_token":
		oid, ok := l.live[form.Get("refresh_token")]
		if !l.keepSpent {
			delete(l.live, form.Get("refresh_token"))
		}
		if !ok {
			refusal(w, 400, "invalid_grant", 70000)
			return
		}
		p.oid = oid
	default:
		refusal(w, 400, "unsupported_grant_type", 70003)
		return
	}
	reply(w, 200, l.answerTo(form, p))
}

func (l *login) answerTo(form url.Values, p *pendingCode) map[string]any {
	l.n++
	granted := []string{}
	for _, s := range strings.Fields(form.Get("scope")) {
		if s != "offline_access" {
			granted = append(granted, s)
		}
	}
	out := map[string]any{
		"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "scope": strings.Join(granted, " "),
		"access_token": fmt.Sprintf("%saccess-%s-%d", mark, p.oid, l.n),
		"client_info":  base64.RawURLEncoding.EncodeToString([]byte(`{"uid":"` + p.oid + `","utid":"` + p.tenant + `"}`)),
		"id_token":     l.idToken(p),
	}
	if strings.Contains(form.Get("scope"), "offline_access") {
		value := fmt.Sprintf("%srefresh-%s-%d", mark, p.oid, l.n)
		l.live[value] = p.oid
		out["refresh_token"] = value
	}
	if l.answer != nil {
		l.answer(out)
	}
	return out
}

// idToken is as contract 13.4 describes it.
func (l *login) idToken(p *pendingCode) string {
	claims := jwt.MapClaims{
		"iss": l.issuer(p.tenant), "aud": client, "tid": p.tenant, "oid": p.oid, "sub": "pairwise", "ver": "2.0",
		"name": mark + "Vera", "preferred_username": veraName, "wids": []string{"62e90394-69f5-4237-9190-012177145e10"},
		"iat": l.at.Unix(), "nbf": l.at.Unix(), "exp": l.at.Add(time.Hour).Unix(),
	}
	if p.nonce != "" {
		claims["nonce"] = p.nonce
	}
	if l.claims != nil {
		l.claims(claims)
	}
	if l.sign != nil {
		return l.sign(claims)
	}
	if p.nonce == "" { // of a refresh: nobody verifies it, and RSA takes its time
		out, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("quick"))
		if err != nil {
			panic(err)
		}
		return out
	}
	return signed(claims, l.kid, l.keys[l.kid])
}

func signed(claims jwt.MapClaims, kid string, k *rsa.PrivateKey) string {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = kid
	out, err := token.SignedString(k)
	if err != nil {
		panic(err)
	}
	return out
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func refusal(w http.ResponseWriter, status int, code string, number int) {
	reply(w, status, map[string]any{
		"error": code, "error_codes": []int{number}, "correlation_id": "cccccccc-cccc-4ccc-8ccc-cccccccccccc",
		"error_description": fmt.Sprintf("AADSTS%d: %sdescription", number, mark),
	})
}

// tokenRequests are the forms that the token endpoint got.
func (l *login) tokenRequests() []url.Values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]url.Values{}, l.forms...)
}

// got is how often a path ending was asked for.
func (l *login) got(suffix string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for path, times := range l.gets {
		if strings.HasSuffix(path, suffix) {
			n += times
		}
	}
	return n
}

// users are the app's, with what a test sets.
func (l *login) users(t testing.TB, set ...func(*identity.UserOptions)) *identity.Users {
	t.Helper()
	o := &identity.UserOptions{Authority: l.URL, GraphEndpoint: "http://127.0.0.1:1", Now: l.now}
	for _, f := range set {
		f(o)
	}
	u, err := identity.NewUsers(client, identity.Secret(secret), o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// unmarked fails where anything marked is in an error, however it is printed.
func unmarked(t testing.TB, err error) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, err); strings.Contains(text, mark) {
			t.Errorf("%s of the error tells a secret: %s", verb, text)
		}
	}
}
