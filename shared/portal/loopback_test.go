package portal

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/state"
)

// identity.md section 1: browsers keep no __Host- cookie of a plain http page, which is
// loopback only.
func TestOnLoopbackCookiesHavePlainNamesAndNothingPromisesHTTPS(t *testing.T) {
	s := newSite(t)
	l := s.link(state.OrgAdmin, nil)
	deps := s.portal.deps
	local, err := New(deps, Options{PublicURL: "http://localhost:7071", Authority: "http://localhost:8080", Now: s.portal.now})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, strings.Replace(l.URL, publicURL, "http://localhost:7071", 1), nil)
	a := local.Serve(t.Context(), r, pageGo, l.ID, "")
	c, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
	if err != nil || a.Status != 200 || c.Name != "cb-form" || c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
		t.Errorf("%d %v %v", a.Status, c, err)
	}
	if a.Header.Get("Strict-Transport-Security") != "" || !strings.HasSuffix(a.Header.Get("Content-Security-Policy"), "form-action 'self' http://localhost:8080") {
		t.Errorf("%v", a.Header)
	}
	post := httptest.NewRequest(http.MethodPost, "http://localhost:7071/", strings.NewReader("form=x"))
	post.Header.Set("Content-Type", formType)
	post.Header.Set("Origin", "https://calendar.example.com")
	if a := local.Serve(t.Context(), post, pageGo, l.ID, ""); a.Status != 403 {
		t.Errorf("another origin's form: %d", a.Status)
	}
}
