package portal

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/state"
)

// posts are all forms that these pages have, each on a page that is open.
func posts(t *testing.T) map[string]func() (*browser, string, url.Values) {
	t.Helper()
	on := func(button string, open func(b *browser) shown) func() (*browser, string, url.Values) {
		return func() (*browser, string, url.Values) {
			b := newSite(t).browser()
			action, form := open(b).form(button)
			return b, action, form
		}
	}
	setup := func(b *browser) shown { return b.enter(b.link(state.OrgAdmin, nil)) }
	confirm := func(b *browser) shown { return b.signs(b.consented(contoso), adminOf(contoso)) }
	return map[string]func() (*browser, string, url.Values){
		"link":    on("Continue", func(b *browser) shown { return b.get(b.link(state.OrgAdmin, nil).URL) }),
		"consent": on("Continue to Microsoft", func(b *browser) shown { return b.enter(b.link(state.EntraAdmin, nil)) }),
		"confirm": on("Yes, connect it", confirm),
		"decline": on("No, this is not right", confirm),
		"sign in": on("Continue with the sign-in", func(b *browser) shown {
			at := b.consented(contoso)
			return b.back(url.Values{"error": {"access_denied"}, "state": {at.away("authorize").Get("state")}})
		}),
		"make link": on("Make a consent link", setup),
		"sync":      on("Switch calendar sync on", setup),
	}
}

const formType = "application/x-www-form-urlencoded"

func TestAFormThatIsNotOursChangesNothing(t *testing.T) {
	for name, open := range posts(t) {
		for attack, change := range map[string]func(b *browser, form url.Values) (contentType, body string){
			"no token": func(_ *browser, f url.Values) (string, string) { f.Del("form"); return formType, f.Encode() },
			"invented token": func(_ *browser, f url.Values) (string, string) {
				f.Set("form", newSecret())
				return formType, f.Encode()
			},
			"of another page": func(b *browser, f url.Values) (string, string) {
				_, other := b.browser().get(b.link(state.LinkUser, nil).URL).form("Continue")
				f.Set("form", other.Get("form"))
				return formType, f.Encode()
			},
			"other site": func(b *browser, f url.Values) (string, string) {
				b.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
				return formType, f.Encode()
			},
			"sister site": func(b *browser, f url.Values) (string, string) {
				b.header.Set("Sec-Fetch-Site", "same-site")
				return formType, f.Encode()
			},
			"other origin, old browser": func(b *browser, f url.Values) (string, string) {
				b.header = http.Header{"Origin": {"https://evil.example"}}
				return formType, f.Encode()
			},
			"1 MB": func(_ *browser, f url.Values) (string, string) {
				return formType, f.Encode() + "&x=" + strings.Repeat("x", 1<<20)
			},
			"JSON": func(_ *browser, f url.Values) (string, string) {
				return "application/json", `{"form":"` + f.Get("form") + `"}`
			},
			"multipart": func(_ *browser, f url.Values) (string, string) { return "multipart/form-data; boundary=x", f.Encode() },
			"bad query": func(_ *browser, f url.Values) (string, string) { return formType, f.Encode() + "&%zz" },
		} {
			b, action, form := open()
			before, sent := b.org("acme").State, len(b.entra.consents)+len(b.entra.leaves)
			cookies := len(b.cookies)
			contentType, body := change(b, form)
			a := b.do(http.MethodPost, action, contentType, []byte(body))
			if a.Status < 400 || a.Status >= 500 || !bytes.Contains(a.Body, []byte("Nothing was changed")) {
				t.Errorf("%s, %s: %d\n%s", name, attack, a.Status, a.Body)
			}
			after := b.org("acme")
			if after.Sync || after.State.Attempt.ID != before.Attempt.ID || len(b.entra.consents)+len(b.entra.leaves) != sent || len(b.cookies) != cookies {
				t.Errorf("%s, %s: something was done", name, attack)
			}
		}
	}
}

// Pages without a referrer send Origin: null with their own forms; older browsers send
// no Sec-Fetch-Site.
func TestOurOwnFormsAreTakenFromOldAndNewBrowsers(t *testing.T) {
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"null"}},
		{"Sec-Fetch-Site": {"same-origin"}},
		{"Origin": {"null"}},
		{"Origin": {publicURL}},
		{},
	} {
		s := newSite(t)
		b := s.browser()
		b.header = header
		b.enter(s.link(state.OrgAdmin, nil)).is(200, "Set up the calendar connection")
	}
}

func TestABrowserWithoutCookiesIsToldSo(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	p := b.get(s.link(state.OrgAdmin, nil).URL)
	clear := s.browser()
	action, form := p.form("Continue")
	clear.post(action, form).is(403, "Your browser kept no cookie")
}

func TestErrorsAreDocumentsForProgramsAndPagesForPeople(t *testing.T) {
	s := newSite(t)
	r := mustRequest(t, "/api/portal/setup/x")
	r.Header.Set("Accept", "application/json")
	a := s.serve(r)
	// No code of the API says that there is no session: the status alone does.
	if d := a.Document; a.Status != 403 || a.Header.Get("Content-Type") != "application/problem+json" || a.Body != nil || d == nil || d.Code != "" || !strings.HasSuffix(d.Detail, ".") {
		t.Errorf("%d %s %+v", a.Status, a.Header, a.Document)
	}
	r = mustRequest(t, "/api/portal/nowhere")
	r.Header.Set("Accept", "application/json")
	if d := s.serve(r).Document; d == nil || d.Code != "not-found" {
		t.Errorf("%+v", d)
	}
	s.failing = http.ErrServerClosed
	r = mustRequest(t, strings.TrimPrefix(s.link(state.OrgAdmin, nil).URL, "https://calendar.example.com"))
	r.Header.Set("Accept", "application/problem+json")
	if a := s.serve(r); a.Document == nil || a.Document.Code != "unavailable" || a.Header.Get("Retry-After") == "" {
		t.Errorf("%+v", a)
	}
	s.failing = nil
	s.browser().get("/api/portal/nowhere").is(404, "There is nothing here")
	s.browser().get("/api/portal").is(404, "There is nothing here")
}

func TestWhatWeStandOnFailingIsAPageAndIsLogged(t *testing.T) {
	s := newSite(t)
	l := s.link(state.OrgAdmin, nil)
	s.failing = http.ErrServerClosed
	a := s.browser().get(l.URL).is(503, "It does not work right now")
	if a.Cause == nil || a.Header.Get("Retry-After") == "" {
		t.Errorf("cause %v", a.Cause)
	}
}
