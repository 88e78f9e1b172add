package entra

import (
	"crypto/subtle"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/faults"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// maxForm bounds a token request, in bytes.
const maxForm = 64 << 10

// token is the token endpoint.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	s.mu.Unlock()
	if s.faulty(w, r) {
		return
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		s.refuse(w, r, 900144)
		return
	}
	form := r.PostForm
	for _, values := range form {
		if len(values) != 1 {
			s.refuse(w, r, 900144)
			return
		}
	}
	s.mu.Lock()
	answer, no := s.grant(r, form)
	s.mu.Unlock()
	if no != nil {
		s.refuseGrant(w, r, no)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// client is an app that has proved itself at the token endpoint.
type client struct {
	App
	id     string // lower case
	path   string // {tenant} of the request
	tenant *tenant
	acr    string // how it proved itself
	host   string
}

// serves reports whether the endpoint is one where a sign-in to a tenant, begun at a
// path, goes on: the tenant's own, or the shared one where it began; a refresh token,
// whose path is "", goes on at any shared one.
func (c *client) serves(path string, t *tenant) bool {
	if c.tenant != nil {
		return c.tenant == t && (isShared(path) || path == "" || path == t.id || slices.Contains(t.domains, path) || path == t.domain())
	}
	return path == "" || path == c.path
}

// grant decides over a request. It needs the lock.
func (s *Server) grant(r *http.Request, form url.Values) (map[string]any, *refusal) {
	kind := form.Get("grant_type")
	grants := map[string]func(*client, url.Values) (map[string]any, *refusal){
		"client_credentials": s.byCredential, "authorization_code": s.byCode, "refresh_token": s.byRefresh,
	}
	do, supported := grants[kind]
	switch {
	case kind == "" || form.Get("client_id") == "":
		return nil, refused(900144)
	case !supported:
		return nil, refused(70003)
	}
	c, number := s.client(r, form)
	if number != 0 {
		return nil, refused(number)
	}
	return do(c, form)
}

// client finds the app of a token request and has it prove itself.
func (s *Server) client(r *http.Request, form url.Values) (*client, int) {
	c := &client{id: strings.ToLower(form.Get("client_id")), path: strings.ToLower(r.PathValue("tenant")), host: r.Host}
	appOnly := form.Get("grant_type") == "client_credentials"
	if shared := isShared(c.path); shared && appOnly {
		return nil, 9001023
	} else if !shared {
		t, number := s.known(c.path)
		if number != 0 {
			return nil, number
		}
		c.tenant = t
	}
	if _, err := uuid.Parse(c.id); err != nil {
		return nil, 700038
	}
	app, registered := s.apps[c.id]
	if !registered {
		return nil, 700016
	}
	c.App = app
	if appOnly {
		if number := c.tenant.installed(c.id); number != 0 {
			return nil, number
		}
	}
	var number int
	c.acr, number = s.prove(app, r, form)
	return c, number
}

// installed gives the number that refuses an app without a service principal that
// works, or 0.
func (t *tenant) installed(app string) int {
	switch p := t.principals[app]; {
	case p == nil:
		return 700016
	case p.disabled:
		return 7000112
	}
	return 0
}

// byCredential is the client credentials grant. It needs the lock.
func (s *Server) byCredential(c *client, form url.Values) (map[string]any, *refusal) {
	if number := scope(form.Get("scope")); number != 0 {
		return nil, refused(number)
	}
	value, err := s.sign(c.tenant, c.tenant.principals[c.id], c.App, c.acr)
	if err != nil {
		return nil, refused(90033)
	}
	seconds := int(s.lifetime / time.Second)
	return map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": value}, nil
}

// known finds the tenant of a path.
func (s *Server) known(name string) (*tenant, int) {
	if t := s.tenants[strings.ToLower(name)]; t != nil {
		return t, 0
	}
	if _, err := uuid.Parse(name); err != nil && !strings.Contains(name, ".") {
		return nil, 900023
	}
	return nil, 90002
}

// scope checks that one resource's default is asked for, and that it is Graph's.
// The OIDC scopes beside it, which MSAL adds, mean nothing to an app.
func scope(value string) int {
	asked := slices.DeleteFunc(strings.Fields(value), func(s string) bool {
		return s == "openid" || s == "profile" || s == "offline_access"
	})
	if len(asked) != 1 {
		return 70011
	}
	resource, isDefault := strings.CutSuffix(asked[0], "/.default")
	switch {
	case !isDefault:
		return 70011
	case strings.TrimSuffix(resource, "/") != Graph && resource != GraphApp:
		return 500011
	}
	return 0
}

// prove checks the app's credential and returns how strong it was (appidacr).
func (s *Server) prove(app App, r *http.Request, form url.Values) (string, int) {
	if form.Get("client_assertion") != "" {
		return "2", s.asserted(app, r, form)
	}
	secret := form.Get("client_secret")
	_, basic, ok := r.BasicAuth()
	if secret == "" && ok {
		secret, _ = url.QueryUnescape(basic)
	}
	same := func(known string) bool { return subtle.ConstantTimeCompare([]byte(known), []byte(secret)) == 1 }
	switch {
	case secret == "":
		return "", 7000218
	case slices.ContainsFunc(app.ExpiredSecrets, same):
		return "", 7000222
	case !slices.ContainsFunc(app.Secrets, same):
		return "", 7000215
	}
	return "1", 0
}

// sign makes an app's access token for Graph as it looks today (13.4).
func (s *Server) sign(t *tenant, p *principal, app App, acr string) (string, error) {
	s.issued++
	now := s.now()
	claims := jwt.MapClaims{
		"aud": Graph, "iss": issuerOf(t), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(s.lifetime).Unix(),
		"appid": strings.ToLower(app.ID), "app_displayname": app.Name, "appidacr": acr, "idp": issuerOf(t), "idtyp": "app",
		"oid": p.objectID, "sub": p.objectID, "tid": t.id, "uti": uuid.NewString(), "ver": "1.0",
		numberClaim: s.issued,
	}
	if len(p.roles) > 0 {
		claims["roles"] = slices.Clone(p.roles)
	}
	return s.signed(claims)
}

// signed signs claims with the key of the day.
func (s *Server) signed(claims jwt.MapClaims) (string, error) {
	key, err := s.signer()
	if err != nil {
		return "", err
	}
	return key.sign(claims)
}

func issuerOf(t *tenant) string { return "https://sts.windows.net/" + t.id + "/" }

// faulty lets a rule have its way with a token request, and reports whether that
// was all.
func (s *Server) faulty(w http.ResponseWriter, r *http.Request) bool {
	if s.faults == nil {
		return false
	}
	rule, ok := s.faults.Pick(faults.Subject{Method: r.Method, Path: r.URL.Path})
	if !ok {
		return false
	}
	if delay := rule.Delay(); delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return true
		}
	}
	switch rule.Effect {
	case faults.Slow:
		return false
	case faults.Answer, faults.AnswerAfter:
		if rule.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(rule.RetryAfter))
		}
		s.shape(w, r, rule)
		return true
	}
	panic(http.ErrAbortHandler) // cuts the connection
}

// shape writes a fault's error body.
func (s *Server) shape(w http.ResponseWriter, r *http.Request, rule faults.Rule) {
	switch rule.Body {
	case faults.HTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(rule.Status)
		w.Write([]byte("<html><body><h1>Service unavailable</h1></body></html>"))
	case faults.Empty:
		w.WriteHeader(rule.Status)
	case faults.Broken:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(rule.Status)
		w.Write([]byte(`{"error":"temporarily_un`))
	default:
		s.unavailable(w, r, rule.Status, rule.Code)
	}
}
