package entra_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
)

// Nothing but a token that the simulator signed opens Graph, and no form but one
// with the secret gets such a token.
func FuzzAuthorization(f *testing.F) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	s := entra.New(func() time.Time { return at }, nil)
	s.AddTenant(acme)
	s.Register(entra.App{ID: app, Secrets: []string{"s3cret"}})
	s.Consent(acme, app, "Calendars.ReadWrite")
	f.Add("Bearer eyJhbGciOiJub25lIn0.e30.", "grant_type=client_credentials&client_id="+app)
	f.Add("bearer x", "grant_type=client_credentials&client_id="+app+"&client_secret=&scope=.default")
	f.Add("Bearer a.b.c", "client_assertion=a.b.c&grant_type=client_credentials&client_id="+app)
	f.Fuzz(func(t *testing.T, authorization, form string) {
		if caller, err := s.Check(authorization, "graph.example"); err == nil {
			t.Errorf("%q is %+v", authorization, caller)
		}
		r := httptest.NewRequest(http.MethodPost, "/"+acme+"/oauth2/v2.0/token", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if fields, _ := url.ParseQuery(form); w.Code == http.StatusOK && fields.Get("client_secret") != "s3cret" {
			t.Errorf("%q got a token", form)
		}
	})
}
