package identity_test

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/key"
)

const (
	ada  = "ada@acme.example"
	bob  = "bob@globex.example" // a guest of acme
	both = "Calendars.ReadWrite"
)

// simulated is our app at the simulator of Entra, with people who consented.
type simulated struct {
	*world
	*identity.Users
	rows *rows
}

func simulate(t *testing.T) *simulated {
	w := &world{at: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	w.Server = entra.New(w.now, nil)
	w.AddTenant(acme, "acme.example")
	w.AddTenant(globex, "globex.example")
	w.Register(entra.App{ID: client, Name: "Calbridge", Secrets: []string{secret}, RedirectURIs: []string{redirect}, Delegated: []string{both, "User.Read"}})
	w.AddUser(acme, entra.User{Principal: ada, Name: "Ada", Roles: []string{entra.GlobalAdministrator}})
	w.AddUser(globex, entra.User{Principal: bob, Name: "Bob"})
	w.AddGuest(acme, globex, bob)
	w.Grant(acme, client, "", "openid", "profile", "offline_access", both)
	w.Grant(globex, client, "", "openid", "profile")
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	s := &simulated{world: w, rows: newRows()}
	u, err := identity.NewUsers(client, identity.Secret(secret), &identity.UserOptions{
		Authority: w.url, GraphEndpoint: "http://127.0.0.1:1", Now: w.now, Store: s.rows, Sealer: sealer(t, oldKeyset),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Users = u
	return s
}

var (
	pickForm = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)"[^>]*>(.*?)</form>`)
	hidden   = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// browse leaves for Microsoft, picks an account, and returns what the callback gets.
func (s *simulated) browse(t testing.TB, l identity.Leave, who string) url.Values {
	t.Helper()
	address, err := s.AuthorizeURL(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	read := func(resp *http.Response, err error) (*http.Response, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	resp, page := read(browser.Get(address))
	for _, f := range pickForm.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(f[0], `id="loginfmt"`) {
			continue
		}
		form := url.Values{"loginfmt": {who}}
		for _, h := range hidden.FindAllStringSubmatch(f[2], -1) {
			form.Set(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
		}
		resp, page = read(browser.PostForm(s.url+html.UnescapeString(f[1]), form))
		break
	}
	back, err := resp.Location()
	if err != nil || !strings.HasPrefix(back.String(), redirect+"?") {
		t.Fatalf("no way back: %d\n%s", resp.StatusCode, page)
	}
	if back.Query().Get("state") != l.State {
		t.Errorf("state %q", back.Query().Get("state"))
	}
	return back.Query()
}

// in signs somebody in at a path.
func (s *simulated) in(t testing.TB, path, who string, scopes ...string) (identity.SignedIn, error) {
	t.Helper()
	l := identity.Leave{Tenant: path, RedirectURI: redirect, State: identity.NewVerifier(), Nonce: identity.NewVerifier(), Verifier: identity.NewVerifier(), Scopes: scopes}
	q := s.browse(t, l, who)
	return s.Redeem(t.Context(), identity.Redemption{Tenant: path, RedirectURI: redirect, Verifier: l.Verifier, Nonce: l.Nonce, Scopes: scopes, Code: q.Get("code")})
}

// connect stores the connection of who signed in.
func (s *simulated) connect(t testing.TB, who string) (identity.Ref, identity.SignedIn) {
	t.Helper()
	in, err := s.in(t, acme, who, both)
	if err != nil {
		t.Fatal(err)
	}
	ref := identity.Ref{Organization: "acme", Lane: key.Lane("acme", key.User, who), Connection: key.Of("connection", who)}
	s.rows.edit(ref.Connection, func(row *identity.StoredTokens) {
		*row = identity.StoredTokens{Tenant: in.Tenant, ObjectID: in.ObjectID, Scopes: in.Granted, ETag: row.ETag,
			Sealed: s.SealTokens("acme", ref.Connection, in.Tenant, in.ObjectID, in.Cache)}
	})
	return ref, in
}

func TestSomebodySignsInAtTheSimulator(t *testing.T) {
	s := simulate(t)
	for _, path := range []string{acme, identity.Organizations} {
		in, err := s.in(t, path, ada, both)
		if err != nil {
			t.Fatal(err)
		}
		if in.Tenant != acme || in.Name != "Ada" || in.UserName != ada || !slices.Equal(in.Granted, []string{both}) || in.Cache == nil {
			t.Errorf("%s: %s, %v", path, in.Tenant, in.Granted)
		}
		if !slices.Contains(in.Wids, entra.GlobalAdministrator) {
			t.Errorf("wids %v", in.Wids)
		}
	}
	in, err := s.in(t, acme, ada)
	if err != nil || in.Cache != nil || in.ObjectID == "" {
		t.Errorf("a mere sign-in: %v", err)
	}
}

// Contract 13.4: a guest has another object id per tenant. MSAL's home account is of
// another tenant then.
func TestAGuestIsWhoTheyAreInTheTenantAsked(t *testing.T) {
	s := simulate(t)
	ref, in := s.connect(t, bob)
	if in.Tenant != acme || in.UserName != bob {
		t.Errorf("tenant %s", in.Tenant)
	}
	home, err := s.in(t, identity.Organizations, bob)
	if err != nil || home.Tenant != globex || home.ObjectID == in.ObjectID {
		t.Errorf("at home: tenant %s, %v", home.Tenant, err)
	}
	s.advance(time.Hour)
	if got := token(t, s.Users, ref, false); got == in.AccessToken {
		t.Error("not refreshed")
	}
}

// Issue 5: id_token with wrong audience, issuer, nonce, tenant, expired, alg none,
// unknown key.
func TestTheSimulatorsSpoiledTokensAreRefused(t *testing.T) {
	s := simulate(t)
	for how, want := range map[entra.Spoil]identity.Refusal{
		entra.WrongAudience: identity.BadAudience, entra.WrongIssuer: identity.BadIssuer, entra.WrongNonce: identity.BadNonce,
		entra.WrongTenant: identity.WrongTenant, entra.Expired: identity.Expired, entra.NotYet: identity.Expired,
		entra.Unsigned: identity.BadAlgorithm, entra.SharedSecret: identity.BadAlgorithm, entra.UnknownKey: identity.UnknownKey,
		entra.BadSignature: identity.BadSignature, entra.WithoutOID: identity.NoObjectID,
	} {
		if err := s.SpoilIDTokens(how); err != nil {
			t.Fatal(err)
		}
		_, err := s.in(t, acme, ada, both)
		if got := refused(t, err); got != want {
			t.Errorf("%s: %s, want %s", how, got, want)
		}
	}
	if err := s.SpoilIDTokens(entra.Unspoiled); err != nil {
		t.Fatal(err)
	}
	if _, err := s.in(t, acme, ada, both); err != nil {
		t.Errorf("unspoiled: %v", err)
	}
	if err := s.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	s.advance(2 * time.Minute)
	if _, err := s.in(t, acme, ada, both); err != nil {
		t.Errorf("after the keys were rotated: %v", err)
	}
}

// Contract 13.2: a refresh token lives 90 days after its last use; identity.md section
// 4: daily refreshes keep it alive for good.
func TestAConnectionLivesAsLongAsItIsRefreshed(t *testing.T) {
	s := simulate(t)
	ref, _ := s.connect(t, ada)
	for range 5 {
		s.advance(89 * 24 * time.Hour)
		r, err := s.Refresh(t.Context(), ref)
		if err != nil || !r.At.Equal(s.now()) || !slices.Equal(r.Granted, []string{both}) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	s.advance(91 * 24 * time.Hour)
	_, err := s.Refresh(t.Context(), ref)
	if e := tokenFailure(t, err); graph.FateOf(err) != graph.FateDead || !slices.Equal(e.AADSTS, []int{700082}) {
		t.Errorf("%v", err)
	}
}

// identity.md sections 2 and 4.
func TestWhatEndsAConnectionAtTheSimulator(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(*simulated)
		want   graph.Fate
		number int
	}{
		{"sessions revoked", func(s *simulated) { s.RevokeSessions(acme, ada) }, graph.FateDead, 50173},
		{"person disabled", func(s *simulated) { s.DisableUser(acme, ada, true) }, graph.FateDead, 50057},
		{"consent withdrawn", func(s *simulated) { s.RemoveGrants(acme, client, "") }, graph.FateConsent, 65001},
		{"app removed", func(s *simulated) { s.Withdraw(acme, client) }, graph.FateApp, 700016},
		{"app disabled", func(s *simulated) { s.Disable(acme, client, true) }, graph.FateApp, 7000112},
		{"policy stops servers", func(s *simulated) { _ = s.SetPolicy(acme, entra.Policy{Server: entra.Condition{Block: 53003}}) }, graph.FatePolicy, 53003},
		{"second factor", func(s *simulated) { _ = s.SetPolicy(acme, entra.Policy{Server: entra.Condition{MFA: true}}) }, graph.FateDead, 50076},
		{"secret expired", func(s *simulated) {
			s.Register(entra.App{ID: client, ExpiredSecrets: []string{secret}, RedirectURIs: []string{redirect}})
		}, graph.FateCredential, 7000222},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := simulate(t)
			ref, _ := s.connect(t, ada)
			tt.end(s)
			_, err := s.Refresh(t.Context(), ref)
			e := tokenFailure(t, err)
			if got := graph.FateOf(err); got != tt.want || !slices.Equal(e.AADSTS, []int{tt.number}) || e.CorrelationID == "" {
				t.Errorf("%s: %v", got, err)
			}
			if challenged := strings.HasPrefix(tt.name, "policy") || tt.name == "second factor"; challenged != (e.Claims != "") {
				t.Errorf("claims %q", e.Claims)
			}
			if _, puts := s.rows.counts(); puts != 0 {
				t.Error("something was saved")
			}
		})
	}
}

// identity.md section 4: claims are passed to the next sign-in.
func TestAChallengeIsPassedOnToTheNextSignIn(t *testing.T) {
	s := simulate(t)
	ref, _ := s.connect(t, ada)
	if err := s.SetPolicy(acme, entra.Policy{Server: entra.Condition{MFA: true}}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Refresh(t.Context(), ref)
	e := tokenFailure(t, err)
	address, err := s.AuthorizeURL(t.Context(), identity.Leave{Tenant: acme, RedirectURI: redirect, State: "s", Nonce: "n",
		Verifier: identity.NewVerifier(), Scopes: []string{both}, Claims: e.Claims})
	if err != nil || e.Claims == "" || !strings.Contains(address, "claims="+url.QueryEscape(e.Claims)) {
		t.Errorf("%s, %v", address, err)
	}
}

// identity.md section 2: silent evidence, and contract 13.2, errors that return.
func TestASilentSignInThatNeedsSomebodyIsAnError(t *testing.T) {
	s := simulate(t)
	l := identity.Leave{Tenant: acme, RedirectURI: redirect, State: "s", Nonce: "n", Verifier: identity.NewVerifier(), Scopes: []string{both}, Prompt: "none"}
	e := identity.ParseCallbackError(s.browse(t, l, ada))
	if e == nil || e.Code != "login_required" || !slices.Contains(e.AADSTS, 50058) {
		t.Errorf("%+v", e)
	}
}

func TestACodeIsGoodForItsOwnBrowserOnce(t *testing.T) {
	s := simulate(t)
	l := identity.Leave{Tenant: acme, RedirectURI: redirect, State: "s", Nonce: "n", Verifier: identity.NewVerifier(), Scopes: []string{both}}
	r := identity.Redemption{Tenant: acme, RedirectURI: redirect, Verifier: identity.NewVerifier(), Nonce: l.Nonce, Scopes: l.Scopes}
	r.Code = s.browse(t, l, ada).Get("code")
	var e *identity.TokenError
	if _, err := s.Redeem(t.Context(), r); !errors.As(err, &e) || !slices.Equal(e.AADSTS, []int{501481}) {
		t.Errorf("another verifier: %v", err)
	}
	r.Verifier, r.Code = l.Verifier, s.browse(t, l, ada).Get("code")
	if _, err := s.Redeem(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(t.Context(), r); !errors.As(err, &e) || !slices.Equal(e.AADSTS, []int{54005}) {
		t.Errorf("twice: %v", err)
	}
}

// Issue 5: 200 parallel refreshes lose nobody's token; here each access token is read
// by the simulator's Graph side, which knows whose it is.
func TestTwoHundredPeopleAtTheSimulatorKeepTheirTokens(t *testing.T) {
	const people = 200
	s := simulate(t)
	refs, oids := make([]identity.Ref, people), make([]string, people)
	for n := range refs {
		who := fmt.Sprintf("p%d@acme.example", n)
		s.AddUser(acme, entra.User{Principal: who})
		ref, in := s.connect(t, who)
		refs[n], oids[n] = ref, in.ObjectID
	}
	s.advance(2 * time.Hour)
	var group sync.WaitGroup
	for n, ref := range refs {
		group.Go(func() {
			caller, err := s.Check("Bearer "+token(t, s.Users, ref, false), "")
			if err != nil || caller.User != oids[n] {
				t.Errorf("person %d: %+v, %v", n, caller, err)
			}
		})
	}
	group.Wait()
}
