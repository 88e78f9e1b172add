package entra

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// attemptLasts is how long a page of a sign-in may lie open; later its form is
// answered with 50089. Guessed.
const attemptLasts = time.Hour

// attempt is one way of a browser through Entra's pages, from the application and, if
// all goes well, back to it.
type attempt struct {
	id      string // ctx in forms
	started time.Time
	host    string  // of the request, for addresses
	path    string  // {tenant} of the request
	tenant  *tenant // nil where the path names several
	app     App

	redirect, mode, state string
	asked                 asked
	hint, domain          string
	prompt                string
	nonce, challenge      string
	clientInfo            bool
	mfa                   bool // claims of an earlier refusal ask for a second factor

	admin   int       // version of the admin consent endpoint; 0: authorize
	who     *signedIn // chosen
	agreed  bool      // consented on this way
	session *session
}

func (a *attempt) silent() bool { return a.prompt == "none" }

// open keeps an attempt and forgets those of long ago. It needs the lock.
func (s *Server) open(a *attempt) {
	for id, old := range s.attempts {
		if s.now().Sub(old.started) > attemptLasts {
			delete(s.attempts, id)
		}
	}
	a.id, a.started = secret(), s.now()
	s.attempts[a.id] = a
}

// close ends an attempt: its forms are no more good.
func (s *Server) close(a *attempt) { delete(s.attempts, a.id) }

// parameters reads a request's parameters, of the query or of a posted form. A name
// that comes twice is refused.
func parameters(w http.ResponseWriter, r *http.Request) (url.Values, int) {
	var values url.Values
	var err error
	if r.Method == http.MethodPost {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err = r.ParseForm(); err == nil && kind != "application/x-www-form-urlencoded" {
			return url.Values{}, 900144
		}
		values = r.PostForm
	} else {
		values, err = url.ParseQuery(r.URL.RawQuery)
	}
	if err != nil {
		return url.Values{}, 900144
	}
	for _, v := range values {
		if len(v) != 1 {
			return url.Values{}, 9000411
		}
	}
	return values, 0
}

// begin checks what authorize and adminconsent have in common: who asks, where the
// answer goes, which tenant. Failing that, nothing is sent anywhere: the number shows
// on Entra's page (13.2). It needs the lock.
func (s *Server) begin(r *http.Request, v url.Values) (*attempt, int) {
	a := &attempt{host: r.Host, path: strings.ToLower(r.PathValue("tenant")), state: v.Get("state"), redirect: v.Get("redirect_uri"), hint: v.Get("login_hint"), domain: v.Get("domain_hint")}
	if !isShared(a.path) {
		t, number := s.known(a.path)
		if number != 0 {
			return nil, number
		}
		a.tenant = t
	}
	id := strings.ToLower(v.Get("client_id"))
	if id == "" {
		return nil, 900144
	}
	app, known := s.apps[id]
	switch _, err := uuid.Parse(id); {
	case err != nil, !known, app.Tenant != "" && a.tenant != nil && !strings.EqualFold(app.Tenant, a.tenant.id):
		return nil, 700016
	case a.redirect == "":
		return nil, 900971
	case app.Tenant != "" && a.tenant == nil:
		return nil, 50194
	}
	a.app = app
	return a, 0
}

// challengeForm is an S256 challenge: 32 bytes as base64url.
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// authorization reads what is authorize's own. Its number goes back to the
// application. It needs the lock.
func (a *attempt) authorization(v url.Values) int {
	a.mode, a.prompt, a.nonce, a.challenge = v.Get("response_mode"), v.Get("prompt"), v.Get("nonce"), v.Get("code_challenge")
	a.clientInfo = v.Get("client_info") == "1"
	if !slices.Contains([]string{"", modeQuery, modeFragment, modeFormPost}, a.mode) {
		a.mode = ""
		return 70007
	}
	switch v.Get("response_type") {
	case "code":
	case "":
		return 900144
	case "id_token", "code id_token", "id_token token", "token", "code token", "code id_token token":
		return 700054 // the registration does not enable implicit grants
	default:
		return 70007
	}
	switch {
	case !slices.Contains([]string{"", "login", "none", "consent", "select_account"}, a.prompt):
		a.prompt = ""
		return 90023
	case a.challenge == "" && v.Get("code_challenge_method") != "":
		return 50147
	case a.challenge != "" && (v.Get("code_challenge_method") != "S256" || !challengeForm.MatchString(a.challenge)):
		return 50147
	}
	if claims := v.Get("claims"); claims != "" {
		var wanted map[string]map[string]any
		if json.Unmarshal([]byte(claims), &wanted) != nil {
			return 90023
		}
		a.mfa = len(wanted["access_token"]) > 0
	}
	var number int
	a.asked, number = parseScope(v.Get("scope"))
	return number
}
