package portal

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/state"
)

// identity.md section 1: mail scanners and chat previews open links first.
func TestALinkThatScannersLookedAtTwentyTimesStillWorksForThePerson(t *testing.T) {
	for _, role := range link.Roles() {
		s := newSite(t)
		l := s.link(role, nil)
		for i := range 20 {
			scanner, method := s.browser(), http.MethodGet
			if i%2 == 1 {
				method = http.MethodHead
			}
			a := scanner.do(method, l.URL, "", nil)
			if a.Status != 200 || method == http.MethodHead && len(a.Body) > 0 {
				t.Fatalf("%s %s: %d", role, method, a.Status)
			}
			for name := range scanner.cookies {
				if name != "__Host-cb-form" {
					t.Fatalf("%s: looking gave the cookie %s", role, name)
				}
			}
		}
		row, err := s.links.Get(context.Background(), l.ID)
		if err != nil || row.Browser != "" || row.Session != "" || !row.Opened.Equal(s.now) {
			t.Fatalf("%s: after scanning: %+v, %v", role, row, err)
		}
		if len(s.entra.leaves)+len(s.entra.consents) != 0 {
			t.Fatalf("%s: looking began a sign-in", role)
		}
		p := s.browser().enter(l)
		if role != state.RoomManager && p.Status != 200 {
			t.Errorf("%s: %d %s", role, p.Status, p.title())
		}
	}
}

func TestOnlyTheBrowserThatUsedALinkMayUseItAgainUntilItExpires(t *testing.T) {
	s := newSite(t)
	l := s.link(state.OrgAdmin, nil)
	first, second := s.browser(), s.browser()
	other := second.get(l.URL) // open in another browser before
	first.enter(l).is(200, "Set up the calendar connection")
	second.press(other, "Continue").is(403, "This link was opened in another browser")
	second.get(l.URL).is(403, "This link was opened in another browser")
	s.now = s.now.Add(14 * time.Minute)
	first.enter(l).is(200, "Set up the calendar connection")
	s.now = s.now.Add(time.Minute)
	first.get(l.URL).is(410, "This link has expired")
}

// A double click sends the form twice before the first answer is there; two tabs show
// the same link at once.
func TestADoubleClickAndTwoTabsBothGetASessionOfTheirOwn(t *testing.T) {
	s := newSite(t)
	b, l := s.browser(), s.link(state.OrgAdmin, nil)
	tab := b.get(l.URL)
	_ = b.get(l.URL)
	action, form := tab.form("Continue")
	one := b.do(http.MethodPost, action, "application/x-www-form-urlencoded", []byte(form.Encode()))
	two := b.do(http.MethodPost, action, "application/x-www-form-urlencoded", []byte(form.Encode()))
	if one.Status != 303 || two.Status != 303 || one.Header.Get("Location") == two.Header.Get("Location") {
		t.Fatalf("%d %s, %d %s", one.Status, one.Header.Get("Location"), two.Status, two.Header.Get("Location"))
	}
	for _, a := range []Answer{one, two} {
		b.get(a.Header.Get("Location")).is(200, "Set up the calendar connection")
	}
}

func TestAnEntraAdminsLinkWorksInAnyNumberOfBrowsersFor30Days(t *testing.T) {
	s := newSite(t)
	l := s.link(state.EntraAdmin, nil)
	for range 3 {
		b := s.browser()
		b.enter(l).is(200, "Allow the calendar connection of Booker")
		b.enter(l).is(200, "Allow the calendar connection of Booker")
		s.now = s.now.Add(9 * 24 * time.Hour)
	}
	s.now = s.now.Add(3 * 24 * time.Hour)
	s.browser().get(l.URL).is(410, "This link has expired")
}

func TestALinkThatWasReplacedStopsAlsoForWhoHasASession(t *testing.T) {
	s := newSite(t)
	l := s.link(state.EntraAdmin, nil)
	b := s.browser()
	page := b.enter(l)
	if _, err := s.issuer.Replace(context.Background(), link.Request{Organization: "acme", Role: state.EntraAdmin, Life: time.Hour}); err != nil {
		t.Fatal(err)
	}
	b.press(page, "Continue to Microsoft").is(410, "This link is not used any more")
	s.browser().get(l.URL).is(410, "This link is not used any more")
	if len(s.entra.consents) != 0 {
		t.Error("left for Microsoft")
	}
}

func TestALinkThatWasTamperedWithIsRefused(t *testing.T) {
	s := newSite(t)
	l := s.link(state.LinkUser, nil)
	u, _ := url.Parse(l.URL)
	q := u.Query()
	change := func(f func(id string, q url.Values) string) string {
		c := url.Values{"r": q["r"], "s": q["s"]}
		id := f(l.ID, c)
		return "/api/portal/go/" + id + "?" + c.Encode()
	}
	other := s.link(state.LinkUser, nil)
	for name, target := range map[string]string{
		"role raised":   change(func(id string, q url.Values) string { q.Set("r", state.OrgAdmin); return id }),
		"other id":      change(func(string, url.Values) string { return other.ID }),
		"no signature":  change(func(id string, q url.Values) string { q.Del("s"); return id }),
		"two roles":     change(func(id string, q url.Values) string { q.Add("r", "user"); return id }),
		"cut off":       change(func(id string, q url.Values) string { q.Set("s", q.Get("s")[:42]); return id }),
		"never made":    "/api/portal/go/aaaaaaaaaaaaaaaaaaaaaaaaaa?r=user&s=" + s.keys.Sign(link.PurposeLink, "aaaaaaaaaaaaaaaaaaaaaaaaaa", "user"),
		"row says else": "/api/portal/go/" + l.ID + "?r=org-admin&s=" + s.keys.Sign(link.PurposeLink, l.ID, "org-admin"),
		"no id":         "/api/portal/go/?r=user&s=x",
		"list's row":    "/api/portal/go/-acme?r=user&s=" + s.keys.Sign(link.PurposeLink, "-acme", "user"),
	} {
		if p := s.browser().get(target); p.Status != 404 || p.title() != "This link does not work" {
			t.Errorf("%s: %d %s", name, p.Status, p.title())
		}
	}
}

func TestALinkHasNoUseWhileTheModuleIsOffOrTheOrganisationGone(t *testing.T) {
	s := newSite(t)
	b, l := s.browser(), s.link(state.OrgAdmin, nil)
	page := b.enter(l)
	s.organize("acme", map[string]any{"module": false})
	b.get(page.path).is(403, "The calendar connection is not switched on")
	b.get(l.URL).is(403, "The calendar connection is not switched on")
	if err := s.orgs.Delete(context.Background(), "acme", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	b.get(page.path).is(404, "The organisation is not known here any more")
}

// Whoever plants cookies before must not share the session that follows.
func TestASessionsCookieIsNewWhateverTheBrowserBroughtAlong(t *testing.T) {
	s := newSite(t)
	l := s.link(state.OrgAdmin, nil)
	attacker, victim := s.browser(), s.browser()
	attacker.get(l.URL)
	victim.cookies["__Host-cb-form"] = attacker.cookies["__Host-cb-form"]
	planted := newSecret()
	p := victim.enter(l)
	grant := strings.TrimPrefix(p.path, "/api/portal/setup/")
	if victim.cookies["__Host-cb-"+grant] == planted || victim.cookies["__Host-cb-"+grant] == attacker.cookies["__Host-cb-form"] {
		t.Error("the session has a cookie that was there before")
	}
	attacker.cookies["__Host-cb-"+grant] = planted
	attacker.get(p.path).is(403, "This page is not open in this browser")
}

func TestASessionEndsAndOpensNoOtherPage(t *testing.T) {
	s := newSite(t)
	s.organize("other", map[string]any{"displayName": "Other"})
	b := s.browser()
	setup := b.enter(s.link(state.OrgAdmin, nil))
	consent := b.enter(s.link(state.EntraAdmin, nil))
	theirs := s.browser().enter(s.link(state.OrgAdmin, func(r *link.Request) { r.Organization = "other" }))
	grant := strings.TrimPrefix(setup.path, "/api/portal/setup/")
	entra := strings.TrimPrefix(consent.path, "/api/consent/start?grant=")
	b.get("/api/portal/setup/"+entra).is(403, "This page is for somebody else")
	b.get("/api/consent/start?grant="+grant).is(403, "This page is for somebody else")
	b.get(theirs.path).is(403, "This page is not open in this browser")
	// Even with the cookie under the other grant's name.
	b.cookies["__Host-cb-"+strings.TrimPrefix(theirs.path, "/api/portal/setup/")] = b.cookies["__Host-cb-"+grant]
	b.get(theirs.path).is(403, "This page is not open in this browser").saysNot("Other")
	for _, bad := range []string{"", "x", strings.Repeat("a", 26), "../setup", strings.Repeat("a", 5000)} {
		a := s.portal.Serve(t.Context(), mustRequest(t, "/api/portal/setup/x"), "setup", bad, "")
		if a.Status != 403 {
			t.Errorf("grant %q: %d", bad, a.Status)
		}
	}
	s.now = s.now.Add(sessionLife)
	b.get(setup.path).is(403, "This page was open for too long")
}

func mustRequest(t testing.TB, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, publicURL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPeopleAreSentBackOnlyToAllowedOrigins(t *testing.T) {
	s := newSite(t)
	s.browser().enter(s.link(state.OrgAdmin, nil)).says("Back to Booker")
	for _, evil := range []string{"https://evil.example", "https://booker.example.evil.example", "https://booker.example@evil.example", "//evil.example",
		"javascript:alert(1)", "https://booker.example:8443/", "http://booker.example/", "https://booker.example\\@evil.example"} {
		s.browser().enter(s.link(state.OrgAdmin, func(r *link.Request) { r.ReturnURL = evil })).saysNot("Back to").saysNot("evil")
	}
}
