package stories

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365/entra"
)

// consentOf is what GET consent says.
type consentOf struct {
	Tenant, Consent, Attempt, BoundBy string
	Offered                           struct{ Tenant, Domain string }
}

func (w *world) consent(organization string) (c consentOf) {
	w.t.Helper()
	w.get("organizations/"+organization+"/consent", &c)
	return c
}

// decide decides a pending consent with the function key.
func (w *world) decide(organization, decision string) {
	w.t.Helper()
	got := w.call(http.MethodPost, "organizations/"+organization+"/consent", fields{"decision": decision, "attempt": w.consent(organization).Attempt})
	if got.Status != http.StatusOK {
		w.t.Errorf("%s: %d %s", decision, got.Status, got.Body)
	}
}

// atMicrosoft opens a consent link and leaves for Microsoft.
func (a *agent) atMicrosoft(link string) *agent {
	a.t.Helper()
	return a.open(link).press("Continue").press("Continue to Microsoft")
}

// Whoever makes a victim's administrator consent for the attacker's organisation, or
// forges Microsoft's answer, does not get the tenant.
func TestAConsentThatNobodyProvedIsDecidedByTheProduct(t *testing.T) {
	w := start(t)
	travel := fields{"displayName": "Mallory Ltd", "profile": "travel", "product": fields{"name": "Trips"}}
	for _, id := range []string{"mallory", "forged", "blind"} {
		w.organization(id, travel)
	}

	// Mallory forwards his own, genuine link; the victim's administrator consents.
	w.agent().atMicrosoft(w.link(fields{"organization": "mallory", "role": "entra-admin"})).
		signIn("admin@acme.example").press("Accept").sees("Is this the right Microsoft 365?").press("Yes, connect it").sees("one step is left, on the other side")
	mallory := w.agent().open(w.link(fields{"organization": "mallory", "role": "org-admin", "user": "u-mallory", "email": "employee@globex.example"})).press("Continue")
	at := mallory.follow("Connect").press("Continue to Microsoft")
	if at.shows("Pick an account") {
		at.signIn("employee@globex.example")
	}
	if strings.HasPrefix(at.URL.String(), w.front.URL) && !at.shows("another Microsoft 365") {
		t.Errorf("Mallory's sign-in to another tenant: %s", plain(at.Body))
	}
	if c := w.consent("mallory"); c.Tenant != "" || c.Consent == "granted" || c.Offered.Tenant != acme {
		t.Errorf("the forwarded link: %+v", c)
	}
	w.decide("mallory", "refuse")
	if c := w.consent("mallory"); c.Tenant != "" || c.Consent != "none" {
		t.Errorf("refused: %+v", c)
	}

	// An employee forges the answer of a tenant that once consented, and signs in.
	erin := w.agent().open(w.link(fields{"organization": "forged", "role": "entra-admin"})).press("Continue")
	leave, err := url.Parse(erin.post("Continue to Microsoft"))
	if err != nil {
		t.Fatal(err)
	}
	state := leave.Query().Get("state")
	erin.open(w.front.URL + "/api/consent/callback?" + url.Values{"admin_consent": {"True"}, "tenant": {acme}, "state": {state}}.Encode()).
		signIn("employee@acme.example").sees("Microsoft did not say that you have one of the administrator's roles").
		press("Yes, connect it").sees("it waits for approval")
	if c := w.consent("forged"); c.Tenant != "" || c.Consent != "pending-approval" {
		t.Errorf("the forged answer: %+v", c)
	}
	again := w.agent().open(w.front.URL + "/api/consent/callback?" + url.Values{"admin_consent": {"True"}, "tenant": {acme}, "state": {state}}.Encode())
	if again.Status < 400 || !again.shows("does not belong to this browser") {
		t.Errorf("the state in another browser: %d %s", again.Status, plain(again.Body))
	}
	if c := w.consent("forged"); c.Tenant != "" {
		t.Errorf("the forged answer: %+v", c)
	}

	// Where Microsoft tells no roles, the product approves.
	w.M365.Entra.SetSwitches(entra.Switches{NoWids: true})
	w.agent().atMicrosoft(w.link(fields{"organization": "blind", "role": "entra-admin"})).
		signIn("admin@acme.example").press("Accept").sees("Is this the right Microsoft 365?").press("Yes, connect it").sees("it waits for approval")
	w.decide("blind", "approve")
	if c := w.consent("blind"); c.Tenant != acme || c.Consent != "granted" {
		t.Errorf("approved: %+v", c)
	}
	w.nothingLeaked()
}

// ready makes a travel organisation whose tenant is bound and whose sync is on.
func (w *world) ready(id, tenant string) {
	w.t.Helper()
	w.organization(id, fields{"displayName": id, "profile": "travel", "sync": true, "product": fields{"name": "Trips"}})
	w.M365.Entra.Grant(tenant, w.Settings["ENTRA_CLIENT_ID"], "", "User.Read", "Calendars.ReadWrite")
	if err := w.API().Bind(w.t.Context(), id, tenant); err != nil {
		w.t.Fatal(err)
	}
}

// own is a person's link.
func (w *world) own(organization, user, email string) string {
	w.t.Helper()
	return w.link(fields{"organization": organization, "role": "user", "user": user, "email": email})
}

// connects walks from a link to Microsoft's page.
func (a *agent) connects(link string) *agent {
	a.t.Helper()
	a.open(link).press("Continue").sees("Connected apps")
	return a.follow("Connect Outlook calendar").press("Continue to Microsoft")
}

// Other people's links, sessions, attempts and browsers lead nowhere.
func TestWhatBelongsToAnotherOpensNothing(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	w.ready("two", globex)
	w.mailbox(acme, "alice@acme.example", "Alice")
	w.mailbox(acme, "bob@acme.example", "Bob")
	w.mailbox(globex, "gus@globex.example", "Gus")
	alices := func() string { return w.own("one", "u-alice", "alice@acme.example") }

	// Bob signs in on Alice's link.
	bob := w.agent().connects(alices()).signIn("bob@acme.example").sees("This is somebody else’s account")
	if bob.shows("Yes, connect it") || len(w.connectionsOf("one", "u-alice")) != 0 {
		t.Error("Bob got Alice's trips")
	}

	// A link that another browser used, tampered with, of another role.
	link := alices()
	w.agent().open(link).press("Continue").sees("Connected apps")
	if a := w.agent().open(link); a.Status < 400 || !a.shows("opened in another browser") {
		t.Errorf("a link that was used: %d %s", a.Status, plain(a.Body))
	}
	for from, to := range map[string]string{"r=user": "r=org-admin", "&s=": "&s=A", "/go/": "/go/a"} {
		if a := w.agent().open(strings.Replace(link, from, to, 1)); a.Status < 400 || !a.shows("This link does not work") {
			t.Errorf("%s for %s: %d %s", to, from, a.Status, plain(a.Body))
		}
	}
	w.Advance(16 * time.Minute)
	if a := w.agent().open(link); a.Status < 400 || !a.shows("expired") && !a.shows("another browser") {
		t.Errorf("a link that expired: %d %s", a.Status, plain(a.Body))
	}

	// A session on another organisation's page, and of another role.
	gus := w.agent().open(w.own("two", "u-gus", "gus@globex.example")).press("Continue").sees("Connected apps")
	mine := gus.URL.String()
	alice := w.agent().open(alices()).press("Continue").sees("Connected apps")
	hers := alice.URL.String()
	if a := gus.open(hers); a.Status < 400 || a.shows("Connected apps") {
		t.Errorf("Alice's page with Gus's session: %d %s", a.Status, plain(a.Body))
	}
	cookies := gus.client.Jar.Cookies(gus.URL)
	for _, c := range cookies {
		c.Name = "cb-" + hers[strings.LastIndex(hers, "/")+1:]
	}
	gus.client.Jar.SetCookies(gus.URL, cookies)
	if a := gus.open(hers); a.Status < 400 || a.shows("Connected apps") {
		t.Errorf("Alice's page with Gus's cookie under her name: %d", a.Status)
	}
	if a := gus.open(strings.Replace(mine, "/apps/", "/setup/", 1)); a.Status < 400 || !a.shows("for somebody else") {
		t.Errorf("set-up with a traveller's session: %d %s", a.Status, plain(a.Body))
	}

	// Alice's answer from Microsoft in another browser, then in hers, twice; another's code.
	alice.connects(alices())
	to, form := alice.form("Sign in")
	form.Set("loginfmt", "alice@acme.example")
	callback := alice.away(to, form)
	if a := w.agent().open(callback); a.Status < 400 || !a.shows("does not belong to this browser") {
		t.Errorf("Alice's answer in another browser: %d %s", a.Status, plain(a.Body))
	}
	if !strings.Contains(callback, "code=") {
		t.Errorf("no code in %s", strings.SplitN(callback, "?", 2)[0])
	}
	question := alice.open(callback).sees("Is this right?").URL.String()
	alice.open(callback).sees("Is this right?") // the back button
	if strings.Contains(question, "code=") || strings.Contains(question, "state=") {
		t.Error("the page's URL is not clean")
	}
	if a := w.agent().open(question); a.Status < 400 {
		t.Errorf("the question in another browser: %d", a.Status)
	}
	if a := w.agent().send(http.MethodPost, question+"/answer", url.Values{"answer": {"yes"}}); a.Status < 400 || len(w.connectionsOf("one", "u-alice")) != 0 {
		t.Errorf("an answer without form and cookie: %d", a.Status)
	}
	// A function key where the code is: the host must not take it for one.
	if a := w.agent().open(w.front.URL + "/api/connect/callback?state=x&code=" + host.FunctionKey); a.Status < 400 || a.Status == http.StatusUnauthorized {
		t.Errorf("a key as code: %d %s", a.Status, plain(a.Body))
	}
	alice.twice("Yes, connect it")
	if c := w.connectionsOf("one", "u-alice"); len(c) != 1 || c[0].State != "connected" {
		t.Errorf("after a double click: %+v", c)
	}
	alice.open(question).sees("Your calendar is connected")
	alice.open(callback).sees("Your calendar is connected")
	openRedirects(t, w)
	w.nothingLeaked()
}

// openRedirects: nobody is led to where the product did not allow.
func openRedirects(t *testing.T, w *world) {
	t.Helper()
	for _, to := range []string{"https://evil.example/", "//evil.example", "javascript:alert(1)", w.front.URL + "@evil.example/", `https:\\evil.example`} {
		if got := w.call(http.MethodPost, "links", fields{"organization": "one", "role": "user", "user": "u-alice", "returnUrl": to}); got.Status != http.StatusBadRequest {
			t.Errorf("returnUrl %q: %d", to, got.Status)
		}
	}
	for _, more := range []string{"&returnUrl=https://evil.example/", "&return=//evil.example", "&redirect_uri=https://evil.example"} {
		a := w.agent().open(w.own("one", "u-alice", "alice@acme.example") + more)
		if strings.Contains(a.Body, "evil.example") {
			t.Errorf("%s leads there", more)
		}
	}
}

// away sends a form at Entra and returns where it leads back to.
func (a *agent) away(to string, form url.Values) string {
	a.t.Helper()
	client := *a.client
	client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.Contains(r.URL.Path, "/callback") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	answer, err := client.PostForm(to, form)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.Header.Get("Location")
}

// twice sends a form twice at once, and reads the page that the first leads to.
func (a *agent) twice(button string) {
	a.t.Helper()
	to, form := a.form(button)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			answer, err := a.client.PostForm(to, form)
			if err != nil {
				a.t.Error(err)
				return
			}
			_ = answer.Body.Close()
			if answer.StatusCode >= 400 {
				a.t.Errorf("a double click on %q: %d", button, answer.StatusCode)
			}
		})
	}
	both.Wait()
}
