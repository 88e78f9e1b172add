package stories

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A link's URL is id, role and signature; each is of this link, or it opens nothing
// (identity.md 1).
func TestALinkThatIsMadeOfOthersOpensNothing(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	w.ready("two", globex)
	alices, bobs := w.own("one", "u-alice", "alice@acme.example"), w.own("one", "u-bob", "bob@acme.example")
	others, admins := w.own("two", "u-alice", "alice@acme.example"), w.link(fields{"organization": "one", "role": "org-admin", "user": "u-oona"})
	graft := func(body, signature string) string {
		of, err := url.Parse(signature)
		if err != nil {
			t.Fatal(err)
		}
		return callback(body, "s", of.Query().Get("s"))
	}
	for name, link := range map[string]string{
		"another user's signature":         graft(alices, bobs),
		"another organisation's signature": graft(alices, others),
		"another role's signature":         graft(alices, admins),
		"another role":                     callback(alices, "r", "org-admin"),
		"an unknown role":                  callback(alices, "r", "operator"),
		"no role":                          callback(alices, "r", ""),
		"no signature":                     callback(alices, "s", ""),
		"two roles":                        alices + "&r=org-admin",
		"two signatures":                   alices + "&s=" + strings.Repeat("A", 43),
		"a signature that is cut":          alices[:len(alices)-1],
		"more after the signature":         alices + "%20",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			a := w.agent()
			if method == http.MethodPost { // with a genuine form of another link's page
				_, form := a.open(bobs).form("Continue")
				a.send(method, link, form)
			} else {
				a.send(method, link, nil)
			}
			a.refused(method+", "+name, "")
			if a.shows("Connected apps") || a.shows("Set up the calendar connection") {
				t.Errorf("%s, %s: it opened something", method, name)
			}
		}
	}
	// What it is for is in its row: more in the URL changes nothing.
	a := w.agent().open(others + "&user=u-bob&organization=one&email=bob@x.example").press("Continue").sees("Connected apps")
	if !strings.Contains(a.Body, "two") || strings.Contains(a.Body, "bob@") {
		t.Errorf("the query was believed: %s", plain(a.Body))
	}
	w.Advance(16 * time.Minute)
	w.agent().open(alices).refused("expired", "expired")
	w.nothingLeaked("cookie", "link")
}

// Scanners and previews open a link twenty times, also at once, before the person does;
// nothing is used up, no cookie opens anything, nobody is sent to Microsoft.
func TestALinkThatWasScannedTwentyTimesWorksForThePerson(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	for _, role := range []string{"user", "org-admin", "entra-admin", "room-manager"} {
		link := w.link(fields{"organization": "one", "role": role, "user": "u-1", "email": "alice@acme.example"})
		if role == "entra-admin" { // the tenant of one is bound, its link has done its work
			w.organization("new", fields{"displayName": "New", "profile": "travel", "product": fields{"name": "Trips"}})
			link = w.link(fields{"organization": "new", "role": role})
		}
		for i := range 20 {
			scanner := w.agent()
			scanner.header = http.Header{"User-Agent": {"Microsoft Office/16.0 (Link Scanner)"}}
			method := []string{http.MethodGet, http.MethodHead}[i%2]
			// Whether HEAD is answered at all is the route's matter: it opens nothing.
			if scanner.send(method, link, nil); scanner.Status != http.StatusOK && method == http.MethodGet {
				t.Errorf("%s, scan %d: %d", role, i, scanner.Status)
			}
			if at := w.agent().send(http.MethodPost, link, url.Values{}); at.Status < 400 {
				t.Errorf("%s: a scanner that posts: %d", role, at.Status)
			}
		}
		if a := w.agent().open(link).press("Continue"); a.Status != http.StatusOK || strings.Contains(a.URL.Path, "/go/") {
			t.Errorf("%s, the person: %d %s", role, a.Status, plain(a.Body))
		}
	}
	for _, one := range w.front.list() {
		if strings.HasPrefix(one.Answered.Get("Location"), w.entra.URL) {
			t.Errorf("%s leads to Microsoft", at("it", one))
		}
	}
	w.nothingLeaked("link", "cookie")
}

// Mallory sends Vera his own link. Where another address is only warned of, the page says
// so first, and whoever presses the button without choosing connects nothing
// (identity.md 3).
func TestMallorysLinkDoesNotGetVerasCalendar(t *testing.T) {
	w := start(t)
	w.ready("travel", acme)
	w.organization("plan", fields{"displayName": "Plan", "profile": "planning", "module": true, "sync": true, "product": fields{"name": "Planner"}})
	w.mailbox(acme, "vera@acme.example", "Vera")
	vera := w.agent().connects(w.own("travel", "u-mallory", "mallory@acme.example")).signIn("vera@acme.example").sees("This is somebody else’s account")
	if vera.shows("Yes, connect") {
		t.Error("she is offered to connect it")
	}
	// The page has no form; one that is made up has no token.
	vera.send(http.MethodPost, vera.URL.String()+"/answer", url.Values{"answer": {"yes"}}).refused("an answer that nobody asked for", "")
	vera.open(w.own("plan", "u-mallory", "mallory@acme.example")).press("Continue").follow("Connect Outlook calendar").
		press("Continue to Microsoft", "choice", "up:readwrite").signIn("vera@acme.example").maybeAccept().sees("Please look twice").
		sees("You signed in as vera@acme.example, but this connection is for mallory@acme.example").press("Continue").sees("Nothing was connected")
	for _, organization := range []string{"travel", "plan"} {
		if c := w.connectionsOf(organization, "u-mallory"); len(c) != 0 {
			t.Errorf("%s: %+v", organization, c)
		}
	}
	w.nothingLeaked()
}

// Two tabs are two attempts, of which each has its own cookie, state and outcome; one
// account is connected once. A person may be two things in one browser.
func TestTwoTabsDoNotDisturbEachOther(t *testing.T) {
	w := start(t)
	w.ready("one", acme)
	w.mailbox(acme, "alice@acme.example", "Alice")
	first := w.agent()
	second, third := *first, *first // tabs: the cookies are shared
	link := w.own("one", "u-alice", "alice@acme.example")
	first.open(link)
	second.open(link)
	first.press("Continue").sees("Connected apps")
	second.press("Continue").sees("Connected apps")
	third.open(w.link(fields{"organization": "one", "role": "org-admin", "user": "u-oona"})).press("Continue").sees("Set up the calendar connection")
	if first.URL.Path == second.URL.Path {
		t.Error("two tabs share a grant")
	}
	for _, tab := range []*agent{&second, first} {
		tab.follow("Connect Outlook calendar").press("Continue to Microsoft")
	}
	backs := []string{first.returns("alice@acme.example"), second.returns("alice@acme.example")}
	first.open(backs[0]).sees("Is this right?")
	second.open(backs[1]).sees("Is this right?")
	first.press("Yes, connect it").sees("Your calendar is connected")
	second.press("Yes, connect it").sees("Your calendar is connected")
	if c := w.connectionsOf("one", "u-alice"); len(c) != 1 || c[0].State != "connected" {
		t.Errorf("connected: %+v", c)
	}
	first.follow("Connected apps").sees("Connected since")
	third.open(third.URL.String()).sees("Set up the calendar connection")
	// Back to the question, and once more: what came of it, and nothing again.
	first.open(backs[0]).sees("Your calendar is connected")
	if n := len(w.redeemed()); n != 2 {
		t.Errorf("%d codes were redeemed", n)
	}
	w.nothingLeaked()
}
