package stories

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/entra"
)

// posts are all forms of all pages, as paths without ids.
var posts = []string{
	"/api/connect/start", "/api/consent/start",
	"/api/portal/apps/*/change", "/api/portal/apps/*/disconnect", "/api/portal/apps/*/dismiss", "/api/portal/apps/*/optin",
	"/api/portal/apps/*/optout", "/api/portal/apps/*/pause", "/api/portal/apps/*/primary",
	"/api/portal/attempt/*/answer", "/api/portal/attempt/*/confirm", "/api/portal/attempt/*/decline", "/api/portal/attempt/*/more", "/api/portal/attempt/*/signin",
	"/api/portal/go/*",
	"/api/portal/setup/*/link", "/api/portal/setup/*/sync",
}

// forger sends forms that are not ours before the one that is.
type forger struct {
	w     *world
	tried map[string]bool   // paths without ids
	seen  map[string]string // tokens of forms, by path
}

// attack sends a form in all the ways in which it must be refused (identity.md 5).
func (f *forger) attack(a *agent, to string, form url.Values) {
	f.w.t.Helper()
	path := pathOf(strings.TrimPrefix(to, f.w.front.URL))
	f.tried[path] = true
	with := func(token string) url.Values {
		other := maps.Clone(form)
		if other.Del("form"); token != "" {
			other.Set("form", token)
		}
		return other
	}
	try := func(name string, who *agent, form url.Values, header http.Header) {
		f.w.t.Helper()
		copied := *who
		copied.hostile, copied.header = nil, header
		if copied.send(http.MethodPost, to, form); copied.Status < 400 || copied.Status >= 500 || !strings.HasPrefix(copied.URL.String(), f.w.front.URL) {
			f.w.t.Errorf("%s, %s: %d %s", path, name, copied.Status, plain(copied.Body))
		}
	}
	token := form.Get("form")
	try("no token", a, with(""), nil)
	try("an invented token", a, with(strings.Repeat("A", 43)), nil)
	try("a token with another end", a, with(token[:42]+map[bool]string{true: "E", false: "A"}[token[42] == 'A']), nil)
	for where, other := range f.seen {
		if where != to && other != token {
			try("the token of "+pathOf(strings.TrimPrefix(where, f.w.front.URL)), a, with(other), nil)
		}
	}
	try("another browser", f.w.agent(), form, nil)
	try("another site", a, form, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}})
	try("a neighbour", a, form, http.Header{"Sec-Fetch-Site": {"same-site"}})
	try("another site, in an old browser", a, form, http.Header{"Origin": {"https://evil.example"}})
	try("both answers at once", a, form, http.Header{"Sec-Fetch-Site": {"same-origin", "cross-site"}})
	try("JSON", a, form, http.Header{"Content-Type": {"application/json"}})
	try("text, as a foreign form may send it", a, form, http.Header{"Content-Type": {"text/plain"}})
	large := maps.Clone(form)
	large.Set("more", strings.Repeat("x", 1<<20))
	try("1 MB", a, large, nil)
	f.seen[to] = token
}

// agent is somebody whose every form is attacked before it is sent.
func (f *forger) agent() *agent {
	a := f.w.agent()
	a.hostile = func(to string, form url.Values) {
		if strings.HasPrefix(to, f.w.front.URL) {
			f.attack(a, to, form)
		}
	}
	return a
}

// CSRF on every post, and a form of 1 MB at every post: each form of each page is
// attacked in the moment in which the genuine one works.
func TestNoFormIsTakenFromAnybodyElse(t *testing.T) {
	w := start(t)
	f := &forger{w: w, tried: map[string]bool{}, seen: map[string]string{}}
	f.setsUp()
	f.plans()
	f.optsOut()
	if got := slices.Sorted(maps.Keys(f.tried)); !slices.Equal(got, posts) {
		t.Errorf("attacked were\n%q, want\n%q", got, posts)
	}
	for _, one := range w.front.list() {
		if path := pathOf(one.URL); one.Method == http.MethodPost && one.Status < 400 && strings.HasPrefix(path, "/api/") && strings.Contains(one.AskedBody, "form=") && !f.tried[path] {
			t.Errorf("%s is a form that was not attacked", path)
		}
	}
	w.nothingLeaked()
}

// setsUp is an organisation's admin and an Entra admin, with every form of theirs.
func (f *forger) setsUp() {
	w := f.w
	w.t.Helper()
	w.organization("one", fields{"displayName": "One", "profile": "training", "product": fields{"name": "Courses"}})
	oona := f.agent().open(w.link(fields{"organization": "one", "role": "org-admin", "user": "u-oona"})).press("Continue").sees("Set up the calendar connection").
		press("Make a consent link").sees("There is a new consent link.")
	link := w.link(fields{"organization": "one", "role": "entra-admin"})
	if err := w.M365.Entra.SpoilIDTokens(entra.WrongNonce); err != nil {
		w.t.Fatal(err)
	}
	ada := f.agent().open(link).press("Continue").press("Continue to Microsoft").signIn("admin@acme.example").press("Accept").maybeSignIn("admin@acme.example").sees("sign in once more")
	if err := w.M365.Entra.SpoilIDTokens(entra.Unspoiled); err != nil {
		w.t.Fatal(err)
	}
	ada.press("Continue with the sign-in").maybeSignIn("admin@acme.example").sees("Is this the right Microsoft 365?")
	for _, action := range []string{"decline", "more"} { // which share the page's token
		to, form := ada.form("Yes, connect it")
		f.attack(ada, strings.Replace(to, "/confirm", "/"+action, 1), form)
	}
	ada.press("Yes, connect it").sees("one step is left, on the other side")
	oona.follow("Connect integration").press("Continue to Microsoft").signIn("admin@acme.example").press("Yes, this is our Microsoft 365").sees("You are signed in").
		follow("To the set-up page").press("Switch calendar sync on").sees("Calendar sync is on.")
}

// plans is a planner with two accounts.
func (f *forger) plans() {
	w := f.w
	w.t.Helper()
	const at1, at2 = "paula@acme.example", "pia@acme.example"
	w.mailbox(acme, at1, "Paula")
	w.mailbox(acme, at2, "Pia")
	w.organization("plan", fields{"displayName": "Plan", "profile": "planning", "module": true, "sync": true, "product": fields{"name": "Planner"}})
	if err := w.API().Bind(w.t.Context(), "plan", acme); err != nil {
		w.t.Fatal(err)
	}
	w.M365.Entra.Grant(acme, w.Settings["ENTRA_CLIENT_ID"], "", "User.Read", "Calendars.ReadWrite")
	paula := f.agent().open(w.own("plan", "u-paula", at1)).press("Continue").sees("Connected apps")
	paula.follow("Connect Outlook calendar").press("Continue to Microsoft", "choice", "up:readwrite").signIn(at1).press("Yes, connect it").sees("Your calendar is connected").follow("Connected apps")
	paula.follow("Connect another account").press("Use another account", "choice", "both:readwrite").signIn(at2).
		sees("Please look twice").press("Continue", "answer", "yes").sees("Your calendar is connected").follow("Connected apps")
	paula.press("Write future bookings here").sees("Future bookings are written to the calendar that you chose.")
	paula.press("Change", "choice", "up:readwrite").press("Pause").sees("It is paused.")
	paula.follow("Disconnect").press("Disconnect").sees("It is disconnected")
}

// optsOut is a learner who switches bookings off.
func (f *forger) optsOut() {
	w := f.w
	w.t.Helper()
	w.organization("own", fields{"displayName": "Own", "profile": "travel", "sync": true, "optOut": true, "product": fields{"name": "Trips"}})
	if err := w.API().Bind(w.t.Context(), "own", acme); err != nil {
		w.t.Fatal(err)
	}
	b := trip{Organization: "own", ID: "PNR-1", Title: "AY1", User: "u-leo", Email: "leo@acme.example", Revision: 1, Day: 3}
	w.book(b)
	w.result(b, "ics not-connected")
	f.agent().open(w.own("own", "u-leo", "leo@acme.example")).press("Continue").press("Not now").sees("You are not asked again.").press("Switch off for me").press("Switch on").sees("Connected apps")
}
