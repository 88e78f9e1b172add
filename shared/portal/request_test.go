package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/state"
)

// The host decodes a query and writes it again without encoding a semicolon
// (functions/contract.md 2.2), at which net/url drops a pair.
func TestASemicolonInAQueryHarmsNobody(t *testing.T) {
	s := connectable(t, nil)
	s.browser().get(s.link(state.LinkUser, nil).URL+"&utm_source=a;b").is(200, "Calendar connection of Booker")
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	b.get("/api/connect/callback?error=access_denied&error_description=AADSTS65004:%20declined;%20again&state="+q.Get("state")).is(200, "You did not allow it")
	s.now = s.now.Add(time.Minute)
	admin := s.browser()
	q = admin.press(admin.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
	admin.get("/api/consent/callback?error=access_denied&error_description=AADSTS65004:%20declined;%20again&state="+q.Get("state")).
		is(200, "Microsoft did not record a consent").says("AADSTS65004")
}

// identity.md section 5: callbacks answer 303 to a clean URL, so that no code stays in the
// address bar, in the history, or where a page is saved.
func TestACallbackLeavesNoCodeInTheAddressWhateverCameOfIt(t *testing.T) {
	s := newSite(t)
	admin := s.browser()
	q := admin.press(admin.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
	used := url.Values{"admin_consent": {"True"}, "tenant": {contoso}, "state": {q.Get("state")}}
	admin.back(used)
	clean := func(b *browser, target string, status int, title string) {
		t.Helper()
		a := b.do(http.MethodGet, target, "", nil)
		if to := a.Header.Get("Location"); a.Status != http.StatusSeeOther || strings.Contains(to, "?") {
			t.Errorf("%s: %d to %q", target, a.Status, to)
			return
		}
		b.follow(target, a).is(status, title)
	}
	for _, callback := range []string{"/api/consent/callback?", "/api/connect/callback?"} {
		clean(s.browser(), callback+"code=s3cret&state=x", 403, notThisBrowsers)
		clean(s.browser(), callback+"code=s3cret", 403, notThisBrowsers)
		clean(s.browser(), callback+"code=s3cret&%zz", 403, notThisBrowsers)
	}
	clean(s.browser(), "/api/connect/callback?error=access_denied&error_description=AADSTS90094&state=x", 403, "An administrator has to approve it first")
	s.now = s.now.Add(time.Hour)
	clean(admin, "/api/consent/callback?"+used.Encode(), 410, "This attempt is over")
	s.organize("acme", map[string]any{"module": false})
	clean(admin, "/api/consent/callback?"+used.Encode(), 403, "The calendar connection is not switched on")
}

// A form's address that was typed, or loaded again from the address bar, leads back to
// its page; RFC 9110 section 15.5.6 wants Allow.
func TestTheAddressOfAFormIsNoPageAndLeadsToItsPage(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	setup := b.enter(s.link(state.OrgAdmin, nil))
	for target, allow := range map[string]string{setup.path + "/sync": "POST", "/api/portal/attempt/" + strings.Repeat("a", 26) + "/confirm": "POST"} {
		p := b.get(target).is(405, "This address takes a form only")
		if p.Header.Get("Allow") != allow || !strings.Contains(string(p.Body), `href="`+strings.TrimSuffix(strings.TrimSuffix(target, "/sync"), "/confirm")+`"`) {
			t.Errorf("%s: %v\n%s", target, p.Header, p.Body)
		}
	}
	rooms := b.enter(s.link(state.RoomManager, nil))
	for _, target := range []string{setup.path, rooms.path} {
		p := b.post(target, url.Values{}).is(405, "This page takes no form")
		if p.Header.Get("Allow") != "GET" {
			t.Errorf("%s: %v", target, p.Header)
		}
	}
	b.get(setup.path+"/nothing").is(404, "There is nothing here")
	b.post(setup.path+"/nothing", url.Values{}).is(404, "There is nothing here")
}

// Which of two would count is not for us to say.
func TestAFormWithAFieldTwiceChangesNothing(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	action, form := b.enter(s.link(state.OrgAdmin, nil)).form("Switch calendar sync on")
	form.Add("sync", "off")
	b.post(action, form).is(400, "The form could not be read")
	if s.org("acme").Sync {
		t.Error("sync was switched on")
	}
}

// identity.md section 1: the same browser may repeat the exchange until the link expires,
// also after it was closed in between.
func TestTheCookieThatRepeatsALinkLastsAsLongAsLinksDo(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	l := s.link(state.LinkUser, func(r *link.Request) { r.Life = 7 * 24 * time.Hour })
	for range 2 { // and each page makes it last again
		c, err := http.ParseSetCookie(b.do(http.MethodGet, l.URL, "", nil).Header.Get("Set-Cookie"))
		if err != nil || time.Duration(c.MaxAge)*time.Second < 7*24*time.Hour {
			t.Fatalf("%v, %v", c, err)
		}
	}
}

// A link that did its work helps nobody who forwards it (R4).
func TestNobodyIsToldToForwardALinkThatIsOver(t *testing.T) {
	s := connectable(t, nil)
	old := s.link(state.EntraAdmin, nil) // made before the tenant was bound, in the same second
	b, apps := s.veras()
	q := b.leave(apps, "Connect Outlook calendar")
	s.now = s.now.Add(time.Minute)
	s.browser().get(old.URL).is(410, "This link is not used any more")
	p := b.fails(q, "error", "access_denied", "error_description", "AADSTS90094: x").is(200, "An administrator has to approve it first")
	for n := range p.doc.Descendants() {
		if id, _ := attr(n, "id"); id == "consent-link" {
			forwarded, _ := attr(n, "value")
			s.browser().get(forwarded).is(200, "Calendar connection of Booker")
			return
		}
	}
	t.Errorf("no link on\n%s", p.Body)
}
