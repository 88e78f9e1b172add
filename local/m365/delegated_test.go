package m365_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/entra"
)

const back = "http://127.0.0.1:1/back"

var ctx = regexp.MustCompile(`name="ctx" value="([^"]+)"`)

// delegated signs a user in with a browser and returns the answer of the token
// endpoint.
func (w *world) delegated(user, scope string) map[string]any {
	w.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	do := func(resp *http.Response, err error) (string, *url.URL) {
		if err != nil {
			w.Fatal(err)
		}
		defer resp.Body.Close()
		var page strings.Builder
		if _, err := io.Copy(&page, resp.Body); err != nil {
			w.Fatal(err)
		}
		to, _ := resp.Location()
		return page.String(), to
	}
	page, to := do(browser.Get(w.url + "/" + acme + "/oauth2/v2.0/authorize?" + url.Values{"client_id": {app}, "response_type": {"code"},
		"redirect_uri": {back}, "scope": {scope}}.Encode()))
	for _, form := range []url.Values{{"loginfmt": {user}}, {"decision": {"accept"}}} {
		if to != nil {
			break
		}
		path := "/login"
		if form.Has("decision") {
			path = "/consent"
		}
		form.Set("ctx", ctx.FindStringSubmatch(page)[1])
		page, to = do(browser.PostForm(w.url+"/"+acme+path, form))
	}
	if to == nil {
		w.Fatalf("no code:\n%s", page)
	}
	resp, err := http.PostForm(w.url+"/"+acme+"/oauth2/v2.0/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {app},
		"client_secret": {"secret"}, "redirect_uri": {back}, "code": {to.Query().Get("code")}})
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got["access_token"] == nil {
		w.Fatalf("%v, %v", got, err)
	}
	return got
}

// Contract 12, 13.2: whoever has a mailbox can sign in, and their token opens it, and
// nobody else's.
func TestAUsersTokenOpensTheirOwnMailbox(t *testing.T) {
	w := start(t)
	w.Entra.Register(entra.App{ID: app, Secrets: []string{"secret"}, RedirectURIs: []string{back}})
	w.must(200, "POST", "/sim/mailboxes", `{"tenant":"`+acme+`","principal":"bo@acme.example"}`)
	w.token = w.delegated(aino, "openid Calendars.ReadWrite User.Read")["access_token"].(string)
	w.must(201, "POST", "/v1.0/me/events", flight)
	w.must(200, "GET", "/v1.0/users/"+aino+"/events", "")
	w.must(403, "GET", "/v1.0/users/bo@acme.example/calendar", "")
	w.must(403, "GET", "/v1.0/users/gus@globex.example/calendar", "")
	if me := w.must(200, "GET", "/v1.0/me", ""); !strings.Contains(me, aino) {
		t.Errorf("me: %s", me)
	}
	w.must(200, "GET", "/v1.0/organization", "")
	w.must(200, "POST", "/sim/entra/app", `{"tenant":"`+acme+`","app":"`+app+`","revoke":true}`)
	w.must(401, "GET", "/v1.0/me/events", "")
	// The tenant's own accounts have no mailbox.
	w.token = w.delegated(m365.Admin+"@acme.example", "Calendars.ReadBasic")["access_token"].(string)
	if refusal := w.must(404, "GET", "/v1.0/me/calendar", ""); !strings.Contains(refusal, "MailboxNotEnabledForRESTAPI") {
		t.Errorf("admin: %s", refusal)
	}
}

func TestControlsOfEntraRefuseWhatIsNotThere(t *testing.T) {
	w := start(t)
	for path, body := range map[string]string{
		"/sim/entra/users":     `{"tenant":"` + acme + `","principal":"nobody@acme.example","do":"disable"}`,
		"/sim/entra/grants":    `{"tenant":"` + acme + `","app":"` + app + `","scopes":["Calendars.Burn"]}`,
		"/sim/entra/policy":    `{"tenant":"` + acme + `","server":{"block":1}}`,
		"/sim/entra/id-tokens": `{"spoil":"rotten"}`,
		"/sim/entra/app":       `{"tenant":"` + globex + `","app":"` + app + `"}`,
		"/sim/scope":           `{"tenant":"` + acme + `","app":"` + app + `","users":["x"]}`,
		"/sim/shares":          `{"tenant":"` + acme + `","owner":"` + aino + `","with":"x","as":"king"}`,
		"/sim/entra/switches":  `{"nonsense":true}`,
	} {
		w.must(400, "POST", path, body)
	}
	w.must(400, "POST", "/sim/entra/users", `{"tenant":"`+acme+`","principal":"x@acme.example","do":"dance"}`)
	w.must(400, "POST", "/sim/entra/policy", `{"tenant":"`+acme+`","signInFrequency":"often"}`)
	if grants := w.must(200, "GET", "/sim/entra/grants?tenant="+acme, ""); !strings.Contains(grants, `"roles":["Calendars.ReadWrite"]`) {
		t.Errorf("grants: %s", grants)
	}
}
