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
	answer, number := s.grant(r, form)
	if number != 0 {
		s.refuse(w, r, number)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// grant decides over a request. It returns the answer or an AADSTS number.
func (s *Server) grant(r *http.Request, form url.Values) (map[string]any, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch grant := form.Get("grant_type"); {
	case grant == "" || form.Get("client_id") == "":
		return nil, 900144
	case grant != "client_credentials":
		return nil, 70003
	case isShared(r.PathValue("tenant")):
		return nil, 9001023
	}
	t, number := s.known(r.PathValue("tenant"))
	if number != 0 {
		return nil, number
	}
	id := strings.ToLower(form.Get("client_id"))
	if _, err := uuid.Parse(id); err != nil {
		return nil, 700038
	}
	app, registered := s.apps[id]
	p := t.principals[id]
	switch {
	case !registered || p == nil:
		return nil, 700016
	case p.disabled:
		return nil, 7000112
	}
	acr, number := s.prove(app, r, form)
	if number != 0 {
		return nil, number
	}
	if number := scope(form.Get("scope")); number != 0 {
		return nil, number
	}
	value, err := s.sign(t, p, app, acr)
	if err != nil {
		return nil, 90033
	}
	seconds := int(s.lifetime / time.Second)
	return map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": value}, 0
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

// sign makes an access token for Graph as it looks today (13.4).
func (s *Server) sign(t *tenant, p *principal, app App, acr string) (string, error) {
	key, err := s.signer()
	if err != nil {
		return "", err
	}
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
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"], token.Header["x5t"] = key.id, key.id
	return token.SignedString(key.key)
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
