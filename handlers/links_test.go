package handlers

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/state"
)

func linkKeys(t testing.TB) *link.Keys {
	t.Helper()
	k, err := link.NewKeys(bytes.Repeat([]byte("k"), link.MinKey))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) issuer() *link.Issuer {
	return link.NewIssuer(linkKeys(w.t), state.NewLinks(w.store), w.orgs, "https://calendar.example.com",
		[]string{"https://app.example.com"}, w.clock.Now)
}

func (w *world) link(body string) reply {
	return w.web("POST", "/api/links", "application/json", body)
}

// Who copies the URL from the answer as it stands must get one that works.
func TestALinkStandsInTheAnswerAsItIs(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.put("acme", `{"profile":"travel"}`)
	r := w.link(`{"organization":"acme","role":"org-admin"}`)
	if u, _ := w.made(r); !strings.Contains(r.body, u.String()) || strings.HasSuffix(r.body, "\n") {
		t.Errorf("%s is not in %q", u, r.body)
	}
}

// made reads an answer to POST links and the row that it stands for.
func (w *world) made(r reply) (u *url.URL, row state.Link) {
	w.t.Helper()
	var got struct {
		URL       string    `json:"url"`
		ExpiresAt time.Time `json:"expiresAt"`
	}
	if r.status != 200 || json.Unmarshal([]byte(r.body), &got) != nil {
		w.t.Fatalf("got %d %s", r.status, r.body)
	}
	u, err := url.Parse(got.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	id, below := strings.CutPrefix(u.Path, "/api/portal/go/")
	if !below || u.Host != "calendar.example.com" {
		w.t.Fatalf("link %s", got.URL)
	}
	if row, err = state.NewLinks(w.store).Get(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
	if !row.Expires.Equal(got.ExpiresAt) {
		w.t.Errorf("says %v, is %v", got.ExpiresAt, row.Expires)
	}
	return u, row
}

func TestALinkIsMadeAndItsURLSaysNothing(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.put("acme", `{"profile":"travel"}`)
	u, row := w.made(w.link(`{"organization":"acme","role":"user","user":"u-17","email":"aino@acme.example","locale":"fi",
		"returnUrl":"https://app.example.com/profile?tab=calendar"}`))
	want := state.Link{ID: row.ID, ETag: row.ETag, Role: "user", Organization: "acme", User: "u-17", Email: "aino@acme.example", Locale: "fi",
		ReturnURL: "https://app.example.com/profile?tab=calendar", Created: w.clock.Now(), Expires: w.clock.Now().Add(15 * time.Minute)}
	if row != want {
		t.Errorf("row %+v", row)
	}
	if role, ok := linkKeys(t).Check(row.ID, u.Query()); !ok || role != "user" || len(u.Query()) != 2 {
		t.Errorf("link %s", u)
	}
	for _, secret := range []string{"acme", "u-17", "aino", "app.example.com"} {
		if strings.Contains(u.String(), secret) {
			t.Errorf("the link tells %q: %s", secret, u)
		}
	}
}

func TestLinksLastAsLongAsTheirRoleAllows(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.put("acme", `{"profile":"travel"}`)
	const minutes = time.Minute
	for role, c := range map[string]struct{ standard, most time.Duration }{
		"org-admin":    {15 * minutes, 10080 * minutes},
		"user":         {15 * minutes, 10080 * minutes},
		"room-manager": {15 * minutes, 10080 * minutes},
		"entra-admin":  {30 * 24 * 60 * minutes, 30 * 24 * 60 * minutes},
	} {
		if _, row := w.made(w.link(`{"organization":"acme","role":"` + role + `","user":"u"}`)); row.Expires.Sub(row.Created) != c.standard {
			t.Errorf("%s lasts %v", role, row.Expires.Sub(row.Created))
		}
		most, _ := json.Marshal(int(c.most / minutes))
		if _, row := w.made(w.link(`{"organization":"acme","role":"` + role + `","user":"u","expiresInMinutes":` + string(most) + `}`)); row.Expires.Sub(row.Created) != c.most {
			t.Errorf("%s lasts %v at most", role, row.Expires.Sub(row.Created))
		}
		more, _ := json.Marshal(int(c.most/minutes) + 1)
		d := w.problem(w.link(`{"organization":"acme","role":"`+role+`","user":"u","expiresInMinutes":`+string(more)+`}`), 400, "invalid")
		if len(d.Errors) != 1 || d.Errors[0].Pointer != "/expiresInMinutes" || d.Errors[0].Code != "range" {
			t.Errorf("%s: %+v", role, d.Errors)
		}
	}
}

func TestALinkThatIsAskedForWronglySaysAllThatIsWrong(t *testing.T) {
	w := newWorld(t, 0, nil)
	d := w.problem(w.link(`{"organization":"-acme","role":"root","email":"nobody","locale":"f","returnUrl":"https://evil.example",
		"expiresInMinutes":"5","return":"x"}`), 400, "invalid")
	var got []string
	for _, f := range d.Errors {
		got = append(got, f.Pointer+" "+f.Code)
	}
	want := "/organization format, /role value, /email format, /locale format, /returnUrl origin, /expiresInMinutes type, /return unknown-member"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestAnOrganisationWithoutTheModuleHasNoLinks(t *testing.T) {
	w := newWorld(t, 0, nil)
	d := w.problem(w.link(`{"organization":"acme","role":"org-admin"}`), 400, "invalid")
	if len(d.Errors) != 1 || d.Errors[0].Pointer != "/organization" || d.Errors[0].Code != "unknown-organization" {
		t.Errorf("unknown: %+v", d.Errors)
	}
	w.put("acme", `{"profile":"planning"}`)
	w.problem(w.link(`{"organization":"acme","role":"org-admin"}`), 409, "conflict")
	w.put("acme", `{"profile":"planning","module":true}`)
	w.made(w.link(`{"organization":"acme","role":"org-admin"}`))
}

func TestLinksTakeOnlyAPostOfJSON(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.problem(w.web("GET", "/api/links", "", ""), 404, "not-found")
	w.problem(w.web("POST", "/api/links", "text/plain", "{}"), 415, "media-type")
	w.problem(w.link(`{"organization":"`+strings.Repeat("a", link.MaxDocument)+`"}`), 413, "too-large")
	w.problem(w.web("POST", "/api/health/..%2Flinks", "application/json", "{}"), 404, "not-found")
}

func TestALinkIsNotMadeForRequestsThatCouldHaveBentTheirPath(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.put("acme", `{"profile":"travel"}`)
	r := w.web("POST", "/api/links", "application/json", `{"organization":"acme","role":"org-admin"}`, "X-Forwarded-Proto: https://x/y")
	w.problem(r, 400, "invalid")
	for l, err := range state.NewLinks(w.store).Of(t.Context(), "acme", state.OrgAdmin) {
		t.Errorf("made %v, %v", l.ID, err)
	}
}

func TestNoAddressOfALinkIsLogged(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.put("acme", `{"profile":"travel"}`)
	u, _ := w.made(w.link(`{"organization":"acme","role":"user","user":"marked-user","email":"marked@acme.example"}`))
	if s := w.logged.String(); strings.Contains(s, "marked") || strings.Contains(s, u.Query().Get("s")) {
		t.Errorf("the log tells it: %s", s)
	}
}
