package portal

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/state"
)

// Whatever stands in a link's path and query, nobody gets in but by a genuine one.
func FuzzLink(f *testing.F) {
	s := newSite(f)
	l := s.link(state.LinkUser, nil)
	u, err := url.Parse(l.URL)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(l.ID, u.RawQuery, false)
	f.Add(l.ID, "r=org-admin&"+u.RawQuery, true)
	f.Add("-acme", u.RawQuery, false)
	f.Add("", "r=&s=", true)
	f.Add(l.ID+"/..", "r=user;s=x&%zz", false)
	f.Add(strings.Repeat("a", 26), strings.Repeat("r=x&", 100), false)
	f.Fuzz(func(t *testing.T, id, query string, post bool) {
		r := httptest.NewRequest(http.MethodGet, publicURL+"/api/portal/go/x", nil)
		if post {
			r = httptest.NewRequest(http.MethodPost, publicURL+"/api/portal/go/x", strings.NewReader(query))
			r.Header.Set("Content-Type", formType)
		}
		r.URL.RawQuery = query
		a := s.portal.Serve(t.Context(), r, "go", id, "")
		q, _ := url.ParseQuery(query)
		genuine := id == l.ID && len(q["r"]) == 1 && q.Get("r") == state.LinkUser && len(q["s"]) == 1 && q.Get("s") == u.Query().Get("s")
		if !genuine && a.Status < 400 || a.Status >= 500 || genuine && !post && a.Status != 200 {
			t.Errorf("%q?%q: %d", id, query, a.Status)
		}
		if post && len(a.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("%q?%q: a form without a token got a cookie", id, query)
		}
		headersHold(t, a)
	})
}

// Whatever Microsoft, or somebody in its place, sends to the callback of a browser that
// has an attempt: no sign-in is begun elsewhere than at a GUID, nothing is bound,
// and nothing of it gets into a header.
func FuzzConsentCallback(f *testing.F) {
	s := newSite(f)
	admin := s.browser()
	page := admin.enter(s.link(state.EntraAdmin, nil))
	f.Add("admin_consent=True&tenant="+contoso, true)
	f.Add("error=access_denied&error_description=AADSTS65004%3A%0d%0aSet-Cookie:%20x", true)
	f.Add("tenant=common", true)
	f.Add("tenant="+contoso+"&tenant="+fabrikam, true)
	f.Add("state=x&state=y&code=z", false)
	f.Add("tenant=../"+contoso+"&error", true)
	f.Add("%zz;;", true)
	f.Fuzz(func(t *testing.T, query string, genuine bool) {
		s.t, page.t = t, t
		b := s.browser()
		s.entra.leaves, s.entra.consents, s.entra.redeemed = nil, nil, nil
		if genuine {
			b.cookies = maps.Clone(admin.cookies)
			q := b.press(page, "Continue to Microsoft").away("adminconsent")
			query = "state=" + q.Get("state") + "&" + query
		}
		r := httptest.NewRequest(http.MethodGet, publicURL+"/api/consent/callback", nil)
		r.URL.RawQuery = query
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		a := s.portal.ConsentCallback(t.Context(), r)
		if a.Status >= 500 {
			t.Errorf("%q: %d, %v", query, a.Status, a.Cause)
		}
		for _, l := range s.entra.leaves {
			if len(l.Tenant) != 36 || strings.Trim(l.Tenant, "0123456789abcdef-") != "" {
				t.Errorf("%q: sign-in at %q", query, l.Tenant)
			}
		}
		if s.org("acme").State.Tenant != "" || len(s.entra.redeemed) > 0 {
			t.Errorf("%q: went too far", query)
		}
		headersHold(t, a)
	})
}

// headersHold checks that no header can be split and that a redirect leads to us or to
// Entra.
func headersHold(t *testing.T, a Answer) {
	t.Helper()
	for name, values := range a.Header {
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				t.Errorf("%s: %q", name, v)
			}
		}
	}
	if to := a.Header.Get("Location"); to != "" && !strings.HasPrefix(to, "/api/") && !strings.HasPrefix(to, authority+"/") {
		t.Errorf("leads to %q", to)
	}
}
