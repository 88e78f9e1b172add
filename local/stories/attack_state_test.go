package stories

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
)

const anotherBrowsers = "does not belong to this browser"

// callback is where Microsoft leads back to, with query parameters replaced; "" leaves
// one out.
func callback(to string, pairs ...string) string {
	u, err := url.Parse(to)
	if err != nil {
		panic(err) // of the simulator's making
	}
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// returns picks an account at Microsoft's page and stops before Microsoft's answer is
// taken back.
func (a *agent) returns(principal string) (to string) {
	a.t.Helper()
	to, form := a.form("Sign in")
	form.Set("loginfmt", principal)
	back := a.away(to, form)
	if !strings.Contains(back, "/callback?") || !strings.Contains(back, "code=") {
		a.t.Fatalf("Microsoft does not lead back: %.60s", back)
	}
	return back
}

// refused fails unless the page at hand is an error that says something.
func (a *agent) refused(name, words string) {
	a.t.Helper()
	if a.Status < 400 || a.Status >= 500 || !a.shows(words) {
		a.t.Errorf("%s: %d %s", name, a.Status, plain(a.Body))
	}
}

// A state is what ties Microsoft's answer to the browser that left for it
// (identity.md 2.2, 2.3, 3; graph/contract.md 13.5).
func TestAStateIsGoodOnceInTimeAndForItsBrowser(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	w.mailbox(acme, "alice@acme.example", "Alice")
	link := func() string { return w.own("one", "u-alice", "alice@acme.example") }
	alice, other := w.agent().connects(link()), w.agent().connects(link())
	hers, his := alice.returns("alice@acme.example"), other.returns("alice@acme.example")
	parts := strings.Split(parameter(t, hers, "state"), ".")
	if len(parts) != 3 {
		t.Fatalf("a state of %d parts", len(parts))
	}
	flip := func(s string) string { return strings.Map(func(r rune) rune { return r ^ 1 }, s[:1]) + s[1:] }
	for name, state := range map[string]string{
		"none":              "",
		"of nothing":        "x",
		"another flow":      strings.Repeat("a", 26) + "." + parts[1] + "." + parts[2],
		"another secret":    parts[0] + "." + flip(parts[1]) + "." + parts[2],
		"another signature": parts[0] + "." + parts[1] + "." + flip(parts[2]),
		"of other browser":  parameter(t, his, "state"),
		"of two":            parts[0] + "." + strings.Join(strings.Split(parameter(t, his, "state"), ".")[1:], "."),
	} {
		alice.open(callback(hers, "state", state)).refused("a state, "+name, anotherBrowsers)
	}
	alice.open(hers+"&state=x").refused("two states", anotherBrowsers)
	w.agent().open(hers).refused("another browser", anotherBrowsers)
	other.open(hers).refused("another browser that has an attempt", anotherBrowsers)
	for _, c := range other.client.Jar.Cookies(other.URL) { // his cookies under the name of her attempt
		a := w.agent()
		a.header = http.Header{"Cookie": {"cb-" + parts[0] + "=" + c.Value}}
		a.open(hers).refused("another attempt's cookie", anotherBrowsers)
		a.open(w.front.URL+"/api/portal/attempt/"+parts[0]).refused("another attempt's cookie at the page", anotherBrowsers)
	}
	// None of it used hers up.
	alice.open(hers).sees("Is this right?")
	alice.open(hers).sees("Is this right?")
	alice.press("Yes, connect it").sees("Your calendar is connected")
	alice.open(hers).sees("Your calendar is connected")
	w.agent().open(hers).refused("replayed elsewhere", anotherBrowsers)

	w.Advance(61 * time.Minute)
	other.open(his).sees("That took too long").sees("Nothing was connected")
	w.agent().open(hers).refused("replayed elsewhere, later", anotherBrowsers)
	alice.open(hers).sees("Your calendar is connected") // what her browser may see anyhow
	if c := w.connectionsOf("one", "u-alice"); len(c) != 1 {
		t.Errorf("connected: %+v", c)
	}
	if n := len(w.redeemed()); n != 1 {
		t.Errorf("%d codes were redeemed", n)
	}
	w.nothingLeaked()
}

// redeemed are the codes that were redeemed at Microsoft.
func (w *world) redeemed() (codes []string) {
	for _, one := range w.entra.list() {
		if asked, err := url.ParseQuery(one.AskedBody); err == nil && asked.Get("grant_type") == "authorization_code" {
			codes = append(codes, asked.Get("code"))
		}
	}
	return codes
}

func parameter(t *testing.T, of, name string) string {
	t.Helper()
	u, err := url.Parse(of)
	if err != nil || u.Query().Get(name) == "" {
		t.Fatalf("no %s: %v", name, err)
	}
	return u.Query().Get(name)
}

// Who comes back an hour after consenting signs in again and need not consent again; a
// state of a consent is none of a connection.
func TestAConsentsStateExpiresIntoTheSignIn(t *testing.T) {
	w := start(t)
	w.organization("one", fields{"displayName": "One", "profile": "travel", "product": fields{"name": "Trips"}})
	ada := w.agent().open(w.link(fields{"organization": "one", "role": "entra-admin"})).press("Continue")
	leave, err := url.Parse(ada.post("Continue to Microsoft"))
	if err != nil {
		t.Fatal(err)
	}
	back := w.front.URL + "/api/consent/callback?" + url.Values{"admin_consent": {"True"}, "tenant": {acme}, "state": {leave.Query().Get("state")}}.Encode()
	ada.open(callback(strings.Replace(back, "/consent/", "/connect/", 1), "code", "x")).refused("a consent's state at connect", anotherBrowsers)
	w.agent().open(back).refused("another browser", anotherBrowsers)
	w.Advance(61 * time.Minute)
	ada.open(back).sees("Microsoft has recorded your consent").press("Continue with the sign-in").sees("Pick an account")
	if c := w.consent("one"); c.Tenant != "" || c.Offered.Tenant != "" {
		t.Errorf("an hour later: %+v", c)
	}
	w.nothingLeaked("state", "link", "cookie")
}

// A code of another attempt, Mallory's own, is redeemed with the verifier of the attempt
// whose state it comes with, which Microsoft refuses (PKCE; 501481).
func TestACodeThatWasInjectedConnectsNobody(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	w.mailbox(acme, "vera@acme.example", "Vera")
	w.mailbox(acme, "mallory@acme.example", "Mallory")
	vera := w.agent().connects(w.own("one", "u-vera", "vera@acme.example"))
	mallory := w.agent().connects(w.own("one", "u-mallory", "mallory@acme.example"))
	hers, his := vera.returns("vera@acme.example"), mallory.returns("mallory@acme.example")
	vera.open(callback(hers, "code", parameter(t, his, "code"))).sees("The sign-in could not be verified")
	// And hers in his attempt: Vera's bookings for Mallory's calendar, the other way round.
	mallory.open(callback(his, "code", parameter(t, hers, "code"))).sees("The sign-in could not be verified")
	vera.open(hers).sees("The sign-in could not be verified") // it was used, for that outcome
	for _, user := range []string{"u-vera", "u-mallory"} {
		if c := w.connectionsOf("one", user); len(c) != 0 {
			t.Errorf("%s: %+v", user, c)
		}
	}
	w.nothingLeaked("code", "code_verifier", "state", "cookie", "link")
}

// spoiled are all that can be wrong with an id token (graph/contract.md 13.4).
var spoiled = []entra.Spoil{entra.WrongAudience, entra.WrongIssuer, entra.WrongNonce, entra.WrongTenant, entra.Expired, entra.NotYet,
	entra.Unsigned, entra.SharedSecret, entra.UnknownKey, entra.BadSignature, entra.WithoutOID}

// An id token that is not right in every way signs nobody in, neither to connect nor to
// prove a consent, and the next one that is right does.
func TestAnIDTokenThatIsWrongInAnyWaySignsNobodyIn(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	w.mailbox(acme, "alice@acme.example", "Alice")
	w.organization("two", fields{"displayName": "Two", "profile": "travel", "product": fields{"name": "Trips"}})
	consent := w.link(fields{"organization": "two", "role": "entra-admin"})
	alice, ada := w.agent(), w.agent()
	for i, how := range append(spoiled, entra.Unspoiled) {
		if err := w.M365.Entra.SpoilIDTokens(how); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			w.Advance(time.Minute) // an unknown key is looked for once a minute
		}
		alice.connects(w.own("one", "u-alice", "alice@acme.example")).maybeSignIn("alice@acme.example")
		ada.atMicrosoft(consent)
		if i == 0 {
			ada.signIn("admin@globex.example").press("Accept")
		} else if ada.shows("Accept") {
			ada.press("Accept")
		}
		ada.maybeSignIn("admin@globex.example")
		if how == entra.Unspoiled {
			break
		}
		for name, a := range map[string]*agent{"connect": alice, "consent": ada} {
			if !strings.HasPrefix(a.URL.String(), w.front.URL) || a.shows("Yes, connect it") {
				t.Errorf("%s, %s: it was accepted, at %s: %s", how, name, a.URL.Path, plain(a.Body))
			}
		}
	}
	alice.sees("Is this right?").press("Yes, connect it").sees("Your calendar is connected")
	ada.sees("Is this the right Microsoft 365?")
	if c := w.connectionsOf("one", "u-alice"); len(c) != 1 {
		t.Errorf("connected: %+v", c)
	}
	w.nothingLeaked()
}

// maybeSignIn picks an account at Microsoft if it asks for one; who has a session there
// is not asked.
func (a *agent) maybeSignIn(principal string) *agent {
	a.t.Helper()
	if a.shows("Pick an account") {
		a.signIn(principal)
	}
	return a
}

// Nothing in the answer of Microsoft's consent page is signed. Its tenant only says
// where to sign in, must be a GUID, and must be the one that the sign-in shows
// (identity.md 2.3; graph/contract.md 13.3).
func TestATenantThatACallbackNamesIsNotBelieved(t *testing.T) {
	w := start(t)
	w.organization("one", fields{"displayName": "One", "profile": "travel", "product": fields{"name": "Trips"}})
	link := w.link(fields{"organization": "one", "role": "entra-admin"})
	answer := func(tenant string, more ...string) *agent {
		a := w.agent().open(link).press("Continue")
		leave, err := url.Parse(a.post("Continue to Microsoft"))
		if err != nil {
			t.Fatal(err)
		}
		q := url.Values{"admin_consent": {"True"}, "state": {leave.Query().Get("state")}}
		if tenant != "" {
			q.Set("tenant", tenant)
		}
		for i := 0; i < len(more); i += 2 {
			q.Add(more[i], more[i+1])
		}
		return a.open(w.front.URL + "/api/consent/callback?" + q.Encode())
	}
	for name, tenant := range map[string]string{"none": "", "common": "common", "organizations": "organizations", "a domain": "acme.example",
		"a path": acme + "/../" + globex, "another host": "//evil.example/" + acme, "braces": "{" + acme + "}", "without dashes": strings.ReplaceAll(acme, "-", ""),
		"with a line": acme + "\r\nLocation: https://evil.example", "personal accounts": "9188040d-6c67-4c5b-b112-36a304b66dad"} {
		if a := answer(tenant); a.Status != http.StatusOK || !a.shows("could not be understood") || a.URL.Host != strings.TrimPrefix(w.front.URL, "http://") {
			t.Errorf("tenant %s: %d at %s: %s", name, a.Status, a.URL.Host, plain(a.Body))
		}
	}
	if a := answer(acme, "tenant", globex); !a.shows("could not be understood") {
		t.Errorf("two tenants: %s", plain(a.Body))
	}
	// admin_consent=True is there in errors, too.
	if a := answer(acme, "error", "access_denied", "error_description", "AADSTS65004: declined"); !a.shows("Microsoft did not record a consent") {
		t.Errorf("an error: %s", plain(a.Body))
	}
	// Swapped: whoever administers acme signs in where the callback says, which is globex.
	if a := answer(globex).signIn("admin@acme.example"); a.shows("Is this the right Microsoft 365?") || strings.HasPrefix(a.URL.String(), w.front.URL) && !a.shows("sign in once more") {
		t.Errorf("swapped: %s", plain(a.Body))
	}
	answer(globex).signIn("employee@globex.example").maybeAccept().sees("Microsoft did not say that you have one of the administrator's roles")
	if c := w.consent("one"); c.Tenant != "" || c.Consent == "granted" {
		t.Errorf("consent: %+v", c)
	}
	w.nothingLeaked()
}

// maybeAccept accepts at Microsoft if it asks.
func (a *agent) maybeAccept() *agent {
	a.t.Helper()
	if a.shows("Accept") {
		a.press("Accept")
	}
	return a
}
