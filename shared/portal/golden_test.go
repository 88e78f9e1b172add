package portal

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

// what is random in a page, and what it is replaced by.
var random = []struct {
	is *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`(style|portal|icon)-[A-Za-z0-9_-]{12}"`), `$1-HASH"`},
	{regexp.MustCompile(`(s=|value=")[A-Za-z0-9_-]{43}"`), `${1}TOKEN"`},
	{regexp.MustCompile(`\b[a-z2-7]{26}\b`), "ID"},
}

// golden compares a page with testdata/<name>.html.
func (p shown) golden(name string) {
	p.t.Helper()
	got := string(p.Body)
	for _, r := range random {
		got = r.is.ReplaceAllString(got, r.by)
	}
	file := filepath.Join("testdata", name+".html")
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
			p.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		p.t.Errorf("%s (-want +got)\n%s", file, diff)
	}
}

// pages are every page of links, consent and set-up, by the name of its golden file.
func pages(t testing.TB) map[string]func() shown {
	training := map[string]any{"profile": "training"}
	scoped := map[string]any{"profile": "training", "consent": "scoped"}
	all := map[string]func() shown{}
	for _, role := range link.Roles() {
		all["go-"+role] = func() shown {
			s := newSite(t)
			return s.browser().get(s.link(role, nil).URL)
		}
	}
	consent := func(settings map[string]any, change func(*link.Request)) func() shown {
		return func() shown {
			s := newSite(t)
			s.organize("acme", settings)
			return s.browser().enter(s.link(state.EntraAdmin, change))
		}
	}
	all["consent-delegated"] = consent(nil, func(r *link.Request) { r.By = "vera@acme.example" })
	all["consent-application"] = consent(training, nil)
	all["consent-scoped"] = consent(scoped, nil)
	all["consent-any"] = consent(planners, nil)
	all["consent-missing"] = func() shown {
		s := newSite(t)
		s.bound(t, "acme", contoso)
		s.consent(t, organization.ConsentMissing)
		s.now = s.now.Add(time.Hour)
		return s.browser().enter(s.link(state.EntraAdmin, nil))
	}
	for name, open := range attemptPages(t) {
		all[name] = open
	}
	for name, open := range connectPages(t) {
		all[name] = open
	}
	for name, open := range calendarPages(t) {
		all[name] = open
	}
	for name, open := range readingPages(t) {
		all[name] = open
	}
	for name, open := range setupPages(t) {
		all[name] = open
	}
	all["trouble-link-expired"] = func() shown {
		s := newSite(t)
		l := s.link(state.LinkUser, nil)
		s.now = s.now.Add(time.Hour)
		return s.browser().get(l.URL)
	}
	all["trouble-module-off"] = func() shown {
		s := newSite(t)
		l := s.link(state.LinkUser, nil)
		s.organize("acme", map[string]any{"module": false})
		return s.browser().get(l.URL)
	}
	return all
}

// consent sets how the organisation's consent stands.
func (s *site) consent(t testing.TB, consent string) {
	t.Helper()
	_, err := s.orgs.Change(context.Background(), "acme", func(o *organization.Organization, _ string) (organization.Organization, error) {
		o.State.Consent = consent
		return *o, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func attemptPages(t testing.TB) map[string]func() shown {
	confirm := func(settings map[string]any) func(*site, *browser) shown {
		return func(s *site, b *browser) shown {
			s.organize("acme", settings)
			if settings["consent"] == "scoped" {
				return b.signs(b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft"), adminOf(contoso))
			}
			return b.signs(b.consented(contoso), adminOf(contoso))
		}
	}
	yes := func(prove bool, settings map[string]any) func() shown {
		return func() shown {
			s := newSite(t)
			if prove {
				s.prove(t)
			}
			b := s.browser()
			return b.press(confirm(settings)(s, b), "Yes, connect it")
		}
	}
	fresh := func(do func(*site, *browser) shown) func() shown {
		return func() shown {
			s := newSite(t)
			return do(s, s.browser())
		}
	}
	left := func(s *site, b *browser) string {
		return b.press(b.enter(s.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent").Get("state")
	}
	return map[string]func() shown{
		"confirm":                 fresh(confirm(nil)),
		"outcome-bound":           yes(true, nil),
		"outcome-bound-scoped":    yes(true, map[string]any{"profile": "training", "consent": "scoped"}),
		"outcome-needs-org-admin": yes(false, nil),
		"confirm-any":             fresh(confirm(planners)),
		"outcome-allowed": fresh(func(s *site, b *browser) shown {
			return b.press(confirm(planners)(s, b), "Yes, allow it for our people")
		}),
		"confirm-no-role": fresh(func(_ *site, b *browser) shown {
			who := adminOf(contoso)
			who.Wids = nil
			return b.signs(b.consented(contoso), who)
		}),
		"outcome-pending": fresh(func(_ *site, b *browser) shown {
			who := adminOf(contoso)
			who.Wids = nil
			return b.press(b.signs(b.consented(contoso), who), "Yes, connect it")
		}),
		"confirm-others": fresh(func(s *site, b *browser) shown {
			s.organize("sub", map[string]any{"displayName": "Acme Subsidiary"})
			s.bound(t, "sub", contoso)
			return confirm(nil)(s, b)
		}),
		"outcome-bound-more": fresh(func(s *site, b *browser) shown {
			s.organize("sub", map[string]any{"displayName": "Acme Subsidiary"})
			s.bound(t, "sub", contoso)
			s.prove(t)
			return b.press(confirm(map[string]any{"profile": "training"})(s, b), "Yes, connect it")
		}),
		"outcome-refused": fresh(func(s *site, b *browser) shown {
			return b.back(url.Values{"error": {"access_denied"}, "error_description": {"AADSTS65004: declined"}, "state": {left(s, b)}})
		}),
		"outcome-unclear": fresh(func(s *site, b *browser) shown {
			return b.back(url.Values{"admin_consent": {"True"}, "tenant": {"x"}, "state": {left(s, b)}})
		}),
		"outcome-away": fresh(func(s *site, b *browser) shown {
			state := left(s, b)
			id, _, _ := strings.Cut(state, ".")
			return b.get("/api/portal/attempt/" + id)
		}),
		"outcome-resume": fresh(func(s *site, b *browser) shown {
			at := b.consented(contoso)
			return b.back(url.Values{"error": {"access_denied"}, "error_description": {"AADSTS53003: blocked"}, "state": {at.away("authorize").Get("state")}})
		}),
		"outcome-declined": fresh(func(s *site, b *browser) shown {
			return b.press(confirm(nil)(s, b), "No, this is not right")
		}),
		"outcome-unexpected-tenant": fresh(func(s *site, b *browser) shown {
			s.organize("acme", map[string]any{"tenant": map[string]any{"expected": fabrikam}})
			return b.signs(b.consented(contoso), adminOf(contoso))
		}),
		"outcome-tenant-bound": fresh(func(s *site, b *browser) shown {
			s.bound(t, "acme", fabrikam)
			s.now = s.now.Add(time.Hour)
			return b.signs(b.consented(contoso), adminOf(contoso))
		}),
		"trouble-attempt-unknown": fresh(func(_ *site, b *browser) shown { return b.back(url.Values{"state": {"x"}}) }),
	}
}

// prove makes the org admin have signed in to contoso.
func (s *site) prove(t testing.TB) {
	t.Helper()
	if _, err := s.engine.ProveAdmin(context.Background(), "acme", contoso); err != nil {
		t.Fatal(err)
	}
}

func TestEveryPageIsAsItWasReadAndApproved(t *testing.T) {
	for name, open := range pages(t) {
		t.Run(name, func(t *testing.T) {
			p := open()
			p.t = t
			p.golden(name)
		})
	}
}

// issue 5, Speed: a page weighs under 60 kB in all.
func TestAPageWithAllItNeedsWeighsLessThan60KB(t *testing.T) {
	s := newSite(t)
	assets := 0
	for _, f := range s.portal.assets.files {
		assets += len(f.content)
	}
	for name, open := range pages(t) {
		if size := len(open().Body) + assets; size > 60_000 {
			t.Errorf("%s: %d bytes", name, size)
		}
	}
}

func TestAssetsAreKeptForEverUnderANameOfTheirContent(t *testing.T) {
	s := newSite(t)
	for served, f := range s.portal.assets.files {
		a := s.browser().do(http.MethodGet, "/api/portal/assets/"+served, "", nil)
		if a.Status != 200 || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("Content-Type") != f.contentType ||
			!regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(served) || f.contentType == "" {
			t.Errorf("%s: %d %v", served, a.Status, a.Header)
		}
	}
	if a := s.browser().do(http.MethodGet, "/api/portal/assets/style-old", "", nil); a.Status != 404 || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("an old name: %d %v", a.Status, a.Header)
	}
}

// Names come from settings, people and Microsoft; none may become markup, a header or
// a link of the page.
func TestNothingThatComesFromOutsideBecomesMarkup(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}`
	s := newSite(t)
	s.organize("acme", map[string]any{"displayName": evil, "product": map[string]any{"name": evil, "url": "https://booker.example"}})
	b := s.browser()
	who := adminOf(contoso)
	who.Name, who.UserName = evil, "x@"+evil
	b.header.Set("Accept-Language", evil)
	for _, p := range []shown{
		b.get(s.link(state.OrgAdmin, nil).URL),
		b.enter(s.link(state.OrgAdmin, func(r *link.Request) { r.Locale = evil; r.Email = evil })),
		b.enter(s.link(state.EntraAdmin, func(r *link.Request) { r.By = evil })),
		b.signs(b.consented(contoso), who),
	} {
		if strings.Contains(string(p.Body), "<script>alert") || strings.Contains(string(p.Body), "<img") {
			t.Errorf("%s\n%s", p.path, p.Body)
		}
		for name, values := range p.Header {
			for _, v := range values {
				if strings.Contains(v, "alert(") || strings.ContainsAny(v, "\r\n") {
					t.Errorf("%s: %s: %q", p.path, name, v)
				}
			}
		}
	}
}
