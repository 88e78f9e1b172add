package entra_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/golang-jwt/jwt/v5"
)

const (
	redirect = "https://calbridge.example/api/connect/callback"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	graph    = entra.Graph + "/"
	sixty    = "openid profile email offline_access " + graph + "Calendars.ReadWrite"

	ada   = "ada@acme.example"   // Global Administrator
	clive = "clive@acme.example" // Cloud Application Administrator
	erin  = "erin@acme.example"
	gus   = "gus@globex.example"
	pat   = "pat@personal.example"
)

// people adds users to a world.
func people(t *testing.T) *world {
	w := start(t)
	w.AddTenant(globex, "globex.example")
	w.Register(entra.App{ID: app, Name: "Calbridge", Secrets: []string{"s3cret"}, RedirectURIs: []string{redirect, "https://calbridge.example/api/consent/callback"},
		Delegated: []string{"User.Read", "Calendars.ReadWrite"}, Roles: []string{"Calendars.ReadWrite"}})
	w.Withdraw(acme, app)
	w.AddUser(acme, entra.User{Principal: ada, Name: "Ada", Roles: []string{entra.GlobalAdministrator}})
	w.AddUser(acme, entra.User{Principal: clive, Roles: []string{entra.CloudApplicationAdministrator}})
	w.AddUser(acme, entra.User{Principal: erin, Name: "Erin", Mail: "erin.e@acme.example"})
	w.AddUser(globex, entra.User{Principal: gus, Mail: gus})
	w.AddUser(entra.Consumers, entra.User{Principal: pat})
	return w
}

// browser keeps cookies and follows no redirect.
type browser struct {
	*testing.T
	http  *http.Client
	w     *world
	at    string // address of the last page
	page  string
	title string
	code  int
	back  *url.URL // where the last answer leads, nil if it is a page
}

func (w *world) browser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{T: t, w: w, http: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

var heading = regexp.MustCompile(`<h1>([^<]*)</h1>`)

func (b *browser) read(resp *http.Response, err error) *browser {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	b.page, b.code, b.back, b.title = string(body), resp.StatusCode, nil, ""
	if m := heading.FindStringSubmatch(b.page); m != nil {
		b.title = html.UnescapeString(m[1])
	}
	if resp.StatusCode == http.StatusFound {
		if b.back, err = url.Parse(resp.Header.Get("Location")); err != nil {
			b.Fatal(err)
		}
	}
	return b
}

// open opens a path of the simulator.
func (b *browser) open(path string, query url.Values) *browser {
	b.Helper()
	b.at = b.w.url + path
	return b.read(b.http.Get(b.at + "?" + query.Encode()))
}

var formTag = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)"[^>]*>(.*?)</form>`)
var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// submit sends the form that has a control of a name, with these values of its
// controls.
func (b *browser) submit(control string, values ...string) *browser {
	b.Helper()
	for _, f := range formTag.FindAllStringSubmatch(b.page, -1) {
		if !strings.Contains(f[0], control) {
			continue
		}
		form := url.Values{}
		for _, h := range hidden.FindAllStringSubmatch(f[2], -1) {
			form.Set(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
		}
		for i := 0; i+1 < len(values); i += 2 {
			form.Set(values[i], values[i+1])
		}
		return b.read(b.http.PostForm(b.w.url+html.UnescapeString(f[1]), form))
	}
	b.Fatalf("no form with %s on %q:\n%s", control, b.title, b.page)
	return b
}

func (b *browser) pick(name string) *browser {
	b.Helper()
	return b.submit(`id="loginfmt"`, "loginfmt", name)
}

func (b *browser) decide(decision string, more ...string) *browser {
	b.Helper()
	return b.submit(`value="`+decision+`"`, append(more, "decision", decision)...)
}

// shows requires a page that says something.
func (b *browser) shows(words ...string) *browser {
	b.Helper()
	for _, word := range words {
		if b.back != nil || !strings.Contains(b.page, html.EscapeString(word)) {
			b.Errorf("%d %q, back to %v, lacks %q:\n%s", b.code, b.title, b.back, word, b.page)
		}
	}
	return b
}

// returned requires a redirect to the application and gives its parameters.
func (b *browser) returned(to string) url.Values {
	b.Helper()
	if b.back == nil {
		b.Fatalf("%d %q is a page:\n%s", b.code, b.title, b.page)
	}
	if got := b.back.Scheme + "://" + b.back.Host + b.back.Path; got != to {
		b.Fatalf("back to %s, want %s", b.back, to)
	}
	return b.back.Query()
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is an authorize request with changes; an empty value takes a parameter out.
func request(pairs ...string) url.Values {
	v := url.Values{"client_id": {app}, "response_type": {"code"}, "redirect_uri": {redirect}, "scope": {sixty}, "state": {"st/1 &"},
		"nonce": {"n1"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

func authorizePath(tenant string) string { return "/" + tenant + "/oauth2/v2.0/authorize" }

// redeem is the token request for a code.
func redeem(code string, pairs ...string) url.Values {
	v := url.Values{"grant_type": {"authorization_code"}, "client_id": {app}, "client_secret": {"s3cret"}, "code": {code}, "redirect_uri": {redirect},
		"code_verifier": {verifier}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

// refresh is the token request for a refresh token.
func refresh(token any, pairs ...string) url.Values {
	v := redeem("", pairs...)
	maps.DeleteFunc(v, func(name string, _ []string) bool {
		return name == "code" || name == "redirect_uri" || name == "code_verifier"
	})
	v.Set("grant_type", "refresh_token")
	s, _ := token.(string)
	v.Set("refresh_token", s)
	return v
}

// signIn signs a user in to the app, which must have consent, and redeems the code.
func (w *world) signIn(t *testing.T, tenant, user string, pairs ...string) map[string]any {
	t.Helper()
	code := w.browser(t).open(authorizePath(tenant), request(pairs...)).pick(user).returned(redirect).Get("code")
	status, _, body := w.ask(t, tenant, redeem(code))
	if status != 200 {
		t.Fatalf("%d %v", status, body)
	}
	return body
}

// refused requires an AADSTS number and error of a token request.
func (w *world) refused(t *testing.T, tenant string, form url.Values, number float64, code string) map[string]any {
	t.Helper()
	_, _, body := w.ask(t, tenant, form)
	if codes, _ := body["error_codes"].([]any); len(codes) != 1 || codes[0] != number || body["error"] != code {
		t.Errorf("%v, want %v %s", body, number, code)
	}
	return body
}

// claims verifies a token against the published keys and reads it.
func (w *world) claims(t *testing.T, tenant string, token any) jwt.MapClaims {
	t.Helper()
	s, _ := token.(string)
	got := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithTimeFunc(w.now), jwt.WithValidMethods([]string{"RS256"})).ParseWithClaims(s, got, func(token *jwt.Token) (any, error) {
		return w.key(t, tenant, token.Header["kid"]), nil
	})
	if err != nil {
		t.Errorf("token: %v", err)
	}
	return got
}

// fetch reads a JSON document.
func (w *world) fetch(t *testing.T, path string) map[string]any {
	t.Helper()
	resp, err := http.Get(w.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body
}
