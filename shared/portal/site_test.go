package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

const (
	publicURL  = "https://calendar.example.com"
	authority  = "https://login.example"
	contoso    = "11111111-2222-3333-4444-555555555555"
	fabrikam   = "99999999-8888-7777-6666-555555555555"
	globalRole = "62e90394-69f5-4237-9190-012177145e10"
)

// site is the portal over the real engine and tables in memory, with a stand-in for Entra.
type site struct {
	t      testing.TB
	portal *Portal
	engine *engine.Engine
	store  state.Tables
	links  *state.Links
	flows  *state.Flows
	sess   *state.Sessions
	orgs   *state.Organizations
	keys   *link.Keys
	issuer *link.Issuer
	entra  *fakeEntra
	boxes  *fakeMailboxes
	lists  *fakeLists
	reads  *fakeReadings
	// calendars are what the app's own token reads.
	calendars *fakeCalendars
	now       time.Time
	sent      []queue.Message
	// answers is everything that came out.
	answers []Answer
	// failing makes every read of an organisation fail.
	failing error
}

// fakeEntra lets codes stand for people.
type fakeEntra struct {
	people map[string]identity.SignedIn
	errs   map[string]error
	// leaves are the sign-ins that were begun, consents the consent pages.
	leaves   []identity.Leave
	consents []identity.ConsentLeave
	redeemed []identity.Redemption
	during   func() // runs while a code is redeemed
}

func (f *fakeEntra) AuthorizeURL(_ context.Context, l identity.Leave) (string, error) {
	f.leaves = append(f.leaves, l)
	return authority + "/" + l.Tenant + "/oauth2/v2.0/authorize?" + url.Values{"state": {l.State}, "redirect_uri": {l.RedirectURI}}.Encode(), nil
}

func (f *fakeEntra) AdminConsentURL(l identity.ConsentLeave) (string, error) {
	f.consents = append(f.consents, l)
	return authority + "/" + l.Tenant + "/v2.0/adminconsent?" + url.Values{"state": {l.State}, "redirect_uri": {l.RedirectURI}}.Encode(), nil
}

func (f *fakeEntra) Redeem(_ context.Context, r identity.Redemption) (identity.SignedIn, error) {
	f.redeemed = append(f.redeemed, r)
	if f.during != nil {
		f.during()
	}
	if err := f.errs[r.Code]; err != nil {
		return identity.SignedIn{}, err
	}
	who, ok := f.people[r.Code]
	if !ok {
		return who, &identity.TokenError{Code: "invalid_grant", AADSTS: []int{70008}, Status: 400, CorrelationID: "c0ffee00-0000-0000-0000-000000000000"}
	}
	return who, nil
}

func (s *site) Send(_ context.Context, _ string, messages ...queue.Message) error {
	s.sent = append(s.sent, messages...)
	return nil
}

// Organization is what portal and engine read.
func (s *site) Organization(ctx context.Context, id string) (organization.Organization, error) {
	if s.failing != nil {
		return organization.Organization{}, s.failing
	}
	o, _, err := s.orgs.Get(ctx, id)
	return o, err
}

// clear seals nothing: what it stands for has its own tests.
type clear struct{}

func (clear) Seal(plain, associated []byte) []byte {
	return append(append(bytes.Clone(associated), 0), plain...)
}

func (clear) Open(sealed, associated []byte) ([]byte, bool, error) {
	plain, ok := bytes.CutPrefix(sealed, append(bytes.Clone(associated), 0))
	if !ok {
		return nil, false, errors.New("sealed for something else")
	}
	return plain, false, nil
}

// newSite returns a site with the organisation acme (travel, module on) of Booker.
func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, now: time.Date(2026, 11, 21, 12, 5, 0, 0, time.UTC)}
	clock := func() time.Time { return s.now }
	store := tables.NewStore(clock).Direct()
	s.store, s.links, s.flows, s.sess, s.orgs = store, state.NewLinks(store), state.NewFlows(store), state.NewSessions(store), state.NewOrganizations(store, clock)
	s.entra = &fakeEntra{people: map[string]identity.SignedIn{}, errs: map[string]error{}}
	s.boxes, s.lists = &fakeMailboxes{}, &fakeLists{}
	s.calendars, s.reads = &fakeCalendars{}, &fakeReadings{}
	s.engine = engine.New(engine.Effects{Tables: store, Bus: s, Organizations: s, Calendar: s.calendars, Calendars: s.lists}, &engine.Options{PublicURL: publicURL, Now: clock})
	var err error
	if s.keys, err = link.NewKeys(bytes.Repeat([]byte{7}, 32)); err != nil {
		t.Fatal(err)
	}
	origins := []string{"https://booker.example"}
	s.issuer = link.NewIssuer(s.keys, s.links, s.orgs, publicURL, origins, clock)
	s.portal, err = New(Deps{Links: s.links, Sessions: s.sess, Flows: s.flows, Keys: s.keys, Sealer: clear{}, Organizations: s, Entra: s.entra,
		Consents: s.engine, Issuer: s.issuer, Setup: s.engine, Connections: s.engine, Readings: s.reads, Mailboxes: s.boxes, Tokens: plainTokens{}},
		Options{PublicURL: publicURL, Authority: authority, ReturnOrigins: origins, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	s.organize("acme", map[string]any{})
	return s
}

// organize puts an organisation's settings.
func (s *site) organize(id string, settings map[string]any) {
	s.t.Helper()
	doc := map[string]any{"displayName": "Acme Oy", "profile": "travel", "product": map[string]any{"name": "Booker", "url": "https://booker.example"}, "timeZone": "Europe/Helsinki"}
	for k, v := range settings {
		doc[k] = v
	}
	body, err := json.Marshal(doc)
	if err != nil {
		s.t.Fatal(err)
	}
	next, faults := organization.Decode(body)
	if len(faults) > 0 {
		s.t.Fatal(faults)
	}
	_, err = s.orgs.Change(context.Background(), id, func(current *organization.Organization, _ string) (organization.Organization, error) {
		if current == nil {
			return next.WithID(id), nil
		}
		return current.Replace(next)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) org(id string) organization.Organization {
	s.t.Helper()
	o, _, err := s.orgs.Get(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

// link makes a link of acme.
func (s *site) link(role string, change func(*link.Request)) link.Issued {
	s.t.Helper()
	r := link.Request{Organization: "acme", Role: role, Life: link.Life(role), Email: "vera@acme.example", ReturnURL: "https://booker.example/back"}
	if role != state.EntraAdmin {
		r.User = "u-17"
	}
	if change != nil {
		change(&r)
	}
	l, err := s.issuer.Issue(context.Background(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// browser has cookies and follows redirects on our origin.
type browser struct {
	*site
	cookies map[string]string
	header  http.Header
}

func (s *site) browser() *browser {
	return &browser{s, map[string]string{}, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"null"}}}
}

// do sends one request, as the functions would.
func (b *browser) do(method, target, contentType string, body []byte) Answer {
	b.t.Helper()
	target = strings.TrimPrefix(target, publicURL)
	r := httptest.NewRequest(method, publicURL+target, bytes.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if method == http.MethodPost {
		for k, v := range b.header {
			r.Header[k] = v
		}
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	a := b.site.serve(r)
	b.answers = append(b.answers, a)
	for _, line := range a.Header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			b.t.Fatal(err)
		}
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-cb-") {
			b.t.Errorf("cookie %s", line)
		}
		b.cookies[c.Name] = c.Value
	}
	return a
}

// serve routes a request as the handlers do.
func (s *site) serve(r *http.Request) Answer {
	s.t.Helper()
	ctx := r.Context()
	switch path := r.URL.Path; path {
	case "/api/portal":
		return s.portal.Serve(ctx, r, "", "", "")
	case "/api/consent/start":
		return s.portal.ConsentStart(ctx, r)
	case "/api/consent/callback":
		return s.portal.ConsentCallback(ctx, r)
	case "/api/connect/start":
		return s.portal.ConnectStart(ctx, r)
	case "/api/connect/callback":
		return s.portal.ConnectCallback(ctx, r)
	default:
		rest, ok := strings.CutPrefix(path, "/api/portal/")
		if !ok {
			s.t.Fatalf("no route for %s", path)
		}
		parts := append(strings.Split(rest, "/"), "", "", "")
		return s.portal.Serve(ctx, r, parts[0], parts[1], parts[2])
	}
}

// get follows redirects on our own origin; one that leads away is the answer.
func (b *browser) get(target string) shown {
	b.t.Helper()
	return b.follow(target, b.do(http.MethodGet, target, "", nil))
}

func (b *browser) follow(path string, a Answer) shown {
	b.t.Helper()
	for range 5 {
		to := a.Header.Get("Location")
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/") {
			break
		}
		path = to
		a = b.do(http.MethodGet, to, "", nil)
	}
	doc, err := html.Parse(bytes.NewReader(a.Body))
	if err != nil {
		b.t.Fatal(err)
	}
	p := shown{a, b.t, path, doc}
	p.wellMade()
	return p
}

func (b *browser) post(target string, form url.Values) shown {
	b.t.Helper()
	return b.follow(target, b.do(http.MethodPost, target, "application/x-www-form-urlencoded", []byte(form.Encode())))
}

// press sends the form of a page whose button has a text, with its fields as they are.
func (b *browser) press(p shown, button string, set ...string) shown {
	b.t.Helper()
	action, form := p.form(button)
	for i := 0; i+1 < len(set); i += 2 {
		form.Set(set[i], set[i+1])
	}
	return b.post(action, form)
}

// enter opens a link and presses Continue.
func (b *browser) enter(l link.Issued) shown {
	b.t.Helper()
	return b.press(b.get(l.URL), "Continue")
}

// back is Microsoft's redirect to the consent callback.
func (b *browser) back(values url.Values) shown {
	b.t.Helper()
	return b.get("/api/consent/callback?" + values.Encode())
}

// consented takes an Entra admin through Microsoft's consent page for tenant: the
// answer leads to the sign-in.
func (b *browser) consented(tenant string) shown {
	b.t.Helper()
	q := b.press(b.enter(b.link(state.EntraAdmin, nil)), "Continue to Microsoft").away("adminconsent")
	return b.back(url.Values{"admin_consent": {"True"}, "tenant": {tenant}, "state": {q.Get("state")}})
}

// signs makes a code for somebody and comes back with it.
func (b *browser) signs(at shown, who identity.SignedIn) shown {
	b.t.Helper()
	b.entra.people["code-"+who.Tenant] = who
	return b.back(url.Values{"code": {"code-" + who.Tenant}, "state": {at.away("authorize").Get("state")}, "session_state": {"x"}})
}

func adminOf(tenant string) identity.SignedIn {
	return identity.SignedIn{Tenant: tenant, ObjectID: "o-1", Name: "Eero Admin", UserName: "eero@contoso.example", Wids: []string{globalRole}}
}
