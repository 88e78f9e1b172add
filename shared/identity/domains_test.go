package identity_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/identity"
)

func domainsAt(t *testing.T, authority string) *identity.Domains {
	t.Helper()
	d, err := identity.NewDomains(authority, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// contract 13.1: a tenant answers under each of its verified domains.
func TestEntraSaysWhichTenantADomainIsOf(t *testing.T) {
	w := start(t)
	w.AddTenant(acme, "acme.example", "mail.acme.example")
	d := domainsAt(t, w.url)
	for domain, want := range map[string]string{"acme.example": acme, "MAIL.acme.example": acme, "nobody.example": ""} {
		if got, err := d.TenantOf(t.Context(), domain); err != nil || got != want {
			t.Errorf("%s: %q, %v", domain, got, err)
		}
	}
}

func TestWhatIsNoDomainIsNotAskedFor(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer s.Close()
	for _, domain := range []string{"", "common", "organizations", "acme.example/..", "a b.example", "acme.example?x", ".example", strings.Repeat("a.", 200) + "b"} {
		if _, err := domainsAt(t, s.URL).TenantOf(t.Context(), domain); !errors.Is(err, identity.ErrNoDomain) {
			t.Errorf("%q: %v", domain, err)
		}
	}
	if asked != 0 {
		t.Errorf("asked %d times", asked)
	}
}

func TestAnAnswerThatNamesNoTenantIsAnErrorAndNotNobody(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
	}{
		"down":              {503, ""},
		"a proxy's page":    {200, "<html>"},
		"no issuer":         {200, `{}`},
		"the placeholder":   {200, `{"issuer":"https://login.microsoftonline.com/{tenantid}/v2.0"}`},
		"another failure":   {400, `{"error":"invalid_request","error_codes":[900023]}`},
		"not Entra's":       {400, `no`},
		"a redirect":        {302, ""},
		"an unknown tenant": {404, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		if got, err := domainsAt(t, s.URL).TenantOf(t.Context(), "acme.example"); err == nil || strings.Contains(err.Error(), "acme") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		s.Close()
	}
	if _, err := domainsAt(t, "http://127.0.0.1:1").TenantOf(t.Context(), "acme.example"); err == nil {
		t.Error("nobody there, and no error")
	}
	if _, err := identity.NewDomains("http://login.example", nil); err == nil {
		t.Error("plain http beyond loopback is accepted")
	}
}
