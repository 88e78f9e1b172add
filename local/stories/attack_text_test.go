package stories

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/exchange"
)

// markup is what somebody calls themselves who wants to be more than text.
const markup = `"'><xss><script src=//evil.example></script><img src=x onerror=alert(1)>{{.}}`

// Names of organisations, products and people, what Microsoft says, and languages are text
// on every page.
func TestNobodysWordsAreMarkup(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	w.organization("one", fields{"displayName": "One " + markup, "profile": "planning", "module": true, "sync": true,
		"product": fields{"name": "Planner " + markup}})
	const veras = "vera@acme.example"
	w.M365.Exchange.AddUser(acme, exchange.User{Principal: veras, Name: "Vera " + markup, TimeZone: "Europe/Helsinki"})
	w.M365.Entra.AddUser(acme, entra.User{Principal: veras, Name: "Vera " + markup})
	for role, words := range map[string]string{"org-admin": "Set up the calendar connection", "room-manager": "Rooms", "user": "Connected apps"} {
		w.agent().open(w.link(fields{"organization": "one", "role": role, "user": "u-1" + markup, "email": veras})).press("Continue").maybe(words)
	}
	vera := w.agent().open(w.link(fields{"organization": "one", "role": "user", "user": "u-2" + markup, "email": "other@acme.example"})).press("Continue")
	back := vera.follow("Connect Outlook calendar").press("Continue to Microsoft", "choice", "up:readwrite").returns(veras)
	vera.open(back).sees("Please look twice").sees("Vera "+markup).press("Continue", "answer", "yes").sees("Your calendar is connected").follow("Connected apps")

	// What Microsoft's answer says, with an attempt and without one.
	for _, path := range []string{"/api/connect/callback", "/api/consent/callback"} {
		for _, name := range []string{"error", "error_description", "error_uri", "error_subcode", "state", "code", "tenant", "session_state", "claims", "locale", "ui_locales"} {
			q := url.Values{"error": {"access_denied"}, "error_description": {markup}, name: {markup}}
			vera.open(w.front.URL + path + "?" + q.Encode())
		}
	}
	vera.open(w.own("one", "u-3", veras)).press("Continue").follow("Connect Outlook calendar").press("Continue to Microsoft")
	if vera.shows("Is this right?") || vera.shows("Please look twice") { // she is signed in at Microsoft
		vera.press("No, connect nothing")
	}
	for _, locale := range []string{markup, "en\r\nX: y", "../../en", "en<xss>"} {
		if got := w.call(http.MethodPost, "links", fields{"organization": "one", "role": "user", "user": "u-4", "locale": locale}); got.Status != http.StatusBadRequest {
			t.Errorf("locale %q: %d", locale, got.Status)
		}
		vera.header = http.Header{"Accept-Language": {strings.ReplaceAll(locale, "\r\n", " ")}}
		vera.open(w.own("one", "u-5", veras)).press("Continue").sees("Connected apps")
	}
	vera.header = nil
	for _, q := range []string{"done", "disconnect", "grant", "connection", "choice", "off"} {
		vera.open(vera.URL.Scheme + "://" + vera.URL.Host + vera.URL.Path + "?" + url.Values{q: {markup}}.Encode())
		if vera.Status != http.StatusOK {
			vera.open(w.own("one", "u-6", veras)).press("Continue")
		}
	}
	pages := 0
	for _, one := range w.front.list() {
		if !strings.HasPrefix(one.Answered.Get("Content-Type"), "text/html") {
			continue
		}
		pages++
		for _, bad := range []string{"<xss", "<img", "<script src=//", "alert(1)>{"} {
			if strings.Contains(one.Body, bad) {
				t.Errorf("%s: %s is markup", at("page", one), bad)
			}
		}
		if policy := one.Answered.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", at("page", one), policy)
		}
	}
	if pages < 40 {
		t.Errorf("only %d pages were looked at", pages)
	}
	w.nothingLeaked()
}

// maybe fails unless the page shows words or is an error for people.
func (a *agent) maybe(words string) {
	a.t.Helper()
	if !a.shows(words) && (a.Status < 400 || a.Status >= 500) {
		a.t.Errorf("%d: %s", a.Status, plain(a.Body))
	}
}

// What comes in gets into no header, and no host name but ours is believed.
func TestNothingThatComesInBecomesAHeaderOrLeadsAway(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	gus := w.agent().open(w.own("one", "u-gus", "gus@acme.example")).press("Continue").sees("Connected apps")
	grant := gus.URL.Path[strings.LastIndex(gus.URL.Path, "/")+1:]
	const split = "x\r\nSet-Cookie: cb-form=evil\r\nLocation: https://evil.example/\r\n\r\n<xss>"
	paths := []string{gus.URL.Path, "/api/connect/start", "/api/connect/callback", "/api/consent/start", "/api/consent/callback", "/api/portal/attempt/unknown", "/api/portal/go/" + grant, "/api/portal/assets/style.css"}
	for _, path := range paths {
		for _, name := range []string{"grant", "connection", "choice", "state", "code", "error", "error_description", "done", "disconnect", "returnUrl", "redirect_uri", "r", "s", "tenant"} {
			for _, value := range []string{split, "https://evil.example/", "//evil.example", "\\\\evil.example", "javascript:alert(1)"} {
				q := url.Values{"grant": {grant}}
				q.Set(name, value)
				gus.open(w.front.URL + path + "?" + q.Encode())
			}
		}
	}
	for _, path := range []string{"/api/portal/apps/" + url.PathEscape(split), "/api/portal/" + url.PathEscape(split) + "/x", "/api/portal//evil.example", "/api/portal/apps/%2f%2fevil.example", "//evil.example/api/portal/apps/x"} {
		gus.open(w.front.URL + path)
	}
	link := w.own("one", "u-gus", "gus@acme.example")
	for _, header := range []http.Header{
		{"X-Forwarded-Host": {"evil.example"}}, {"Forwarded": {"host=evil.example"}}, {"X-Original-Host": {"evil.example"}}, {"X-Forwarded-Proto": {"javascript"}},
		{"X-Original-Url": {"//evil.example"}}, {"X-Rewrite-Url": {"//evil.example"}}, {"Referer": {"https://evil.example/"}}, {"Disguised-Host": {"evil.example"}},
	} {
		a := w.agent()
		a.header = header
		a.open(link)
		gus.header = header
		gus.open(w.front.URL + "/api/connect/start?grant=" + grant)
		if gus.shows("Continue to Microsoft") {
			if to := gus.post("Continue to Microsoft"); !strings.HasPrefix(to, w.entra.URL) || strings.Contains(to, "evil.example") {
				t.Errorf("with %v it leads to %.60s", header, to)
			}
		}
	}
	answers := 0
	for _, one := range w.front.list() {
		answers++
		for name, values := range one.Answered {
			for _, value := range values {
				if strings.Contains(value, "evil") || strings.ContainsAny(value, "\r\n") || name == "Location" && !strings.HasPrefix(value, "/api/") && !strings.HasPrefix(value, w.entra.URL+"/") {
					t.Errorf("%s: %s is %.100q", at("header", one), name, value)
				}
			}
		}
		if strings.Contains(one.Body, "<xss") || strings.Contains(one.Body, `="https://evil`) || strings.Contains(one.Body, `="//evil`) || strings.Contains(one.Body, `="javascript:`) {
			t.Errorf("%s leads away", at("page", one))
		}
	}
	if answers < 500 {
		t.Errorf("only %d answers were looked at", answers)
	}
	w.nothingLeaked("cookie", "link", "state")
}

// Cookies that somebody planted in a victim's browser before, over http or from a
// neighbouring host, open nothing afterwards: what a session goes by is always new.
func TestACookieThatWasPlantedIsNoSession(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	mallory := w.agent().open(w.own("one", "u-mallory", "mallory@acme.example")).press("Continue").sees("Connected apps")
	his := mallory.URL.String()
	planted := mallory.client.Jar.Cookies(mallory.URL)
	if len(planted) < 2 {
		t.Fatalf("%d cookies", len(planted))
	}
	for _, c := range planted {
		c.Path = "/"
	}
	vera := w.agent()
	vera.client.Jar.SetCookies(mallory.URL, planted)
	hers := vera.open(w.own("one", "u-vera", "vera@acme.example")).press("Continue").sees("Connected apps").URL
	fresh := map[string]bool{}
	for _, c := range vera.client.Jar.Cookies(hers) {
		fresh[c.Value] = true
	}
	for _, c := range planted {
		delete(fresh, c.Value)
	}
	if len(fresh) != 1 || hers.String() == his {
		t.Errorf("%d new cookies; her page is %s", len(fresh), hers.Path)
	}
	grant := hers.Path[strings.LastIndex(hers.Path, "/")+1:]
	for _, c := range planted { // he has what he planted, under every name
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		again := *c
		again.Name = "cb-" + grant
		jar.SetCookies(hers, append(planted, &again))
		a := w.agent()
		a.client.Jar = jar
		a.open(hers.String()).refused("a planted cookie", "This page is not open in this browser")
	}
	// A name that is not ours, several of ours, and values that we never made.
	for _, cookie := range []string{"cb-" + grant + "=", "cb-" + grant + "=x", "cb-" + grant + "=" + strings.Repeat("A", 43), "cb-" + grant + "=a; cb-" + grant + "=b", strings.Repeat("x", 8000) + "=y"} {
		a := w.agent()
		a.header = http.Header{"Cookie": {cookie}}
		a.open(hers.String()).refused("a made-up cookie", "")
	}
	w.nothingLeaked("cookie", "link")
}
