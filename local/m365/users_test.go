package m365_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/key"
)

// oneRow is a token store with one connection.
type oneRow struct {
	mu  sync.Mutex
	row identity.StoredTokens
}

func (r *oneRow) Tokens(context.Context, identity.Ref) (identity.StoredTokens, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.row, nil
}

func (r *oneRow) SaveTokens(_ context.Context, _ identity.Ref, save identity.TokenSave, etag string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if etag != r.row.ETag {
		return identity.ErrConnectionChanged
	}
	r.row.Sealed, r.row.ETag = save.Sealed, r.row.ETag+"+"
	return nil
}

// open seals nothing: sealing is tested elsewhere.
type open struct{}

func (open) Seal(plain, _ []byte) []byte { return plain }
func (open) Open(sealed, _ []byte) (plain []byte, old bool, err error) {
	return sealed, false, nil
}

// product is what signs people in: shared/identity with the real libraries.
type product struct {
	*world
	*identity.Users
	row *oneRow
}

func (w *world) product() *product {
	w.Entra.Register(entra.App{ID: app, Name: "Calbridge", Secrets: []string{"secret"}, RedirectURIs: []string{back},
		Delegated: []string{"User.Read", "Calendars.ReadWrite"}, Roles: []string{"Calendars.ReadWrite"}})
	p := &product{world: w, row: &oneRow{}}
	var err error
	p.Users, err = identity.NewUsers(app, identity.Secret("secret"), &identity.UserOptions{Authority: w.url, GraphEndpoint: w.url, Store: p.row, Sealer: open{}, Now: w.Clock.Now})
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// walk opens an address and answers Entra's pages, until it leads back to the product.
func (p *product) walk(address, user string) url.Values {
	p.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(address)
	for range 4 {
		if err != nil {
			p.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		page := string(body)
		if to, err := resp.Location(); err == nil {
			return to.Query()
		}
		m := ctx.FindStringSubmatch(page)
		if m == nil {
			p.Fatalf("%d:\n%s", resp.StatusCode, page)
		}
		path, form := "/login", url.Values{"ctx": {m[1]}, "loginfmt": {user}, "decision": {"accept"}}
		if strings.Contains(page, `id="accept"`) {
			path = "/consent"
			if strings.Contains(page, "adminconsent/decide") {
				path = "/adminconsent/decide"
			}
		}
		resp, err = browser.PostForm(p.url+"/"+acme+path, form)
	}
	p.Fatal("Entra's pages lead nowhere")
	return nil
}

// connect signs a user in.
func (p *product) connect(tenant, user string, scopes ...string) (identity.SignedIn, error) {
	p.Helper()
	leave := identity.Leave{Tenant: tenant, RedirectURI: back, State: "s", Nonce: identity.NewVerifier(), Verifier: identity.NewVerifier(), Scopes: scopes}
	address, err := p.AuthorizeURL(p.Context(), leave)
	if err != nil {
		p.Fatal(err)
	}
	q := p.walk(address, user)
	return p.Redeem(p.Context(), identity.Redemption{Tenant: tenant, RedirectURI: back, Verifier: leave.Verifier, Nonce: leave.Nonce, Scopes: scopes, Code: q.Get("code")})
}

// store keeps what a sign-in brought as the only connection.
func (p *product) store(in identity.SignedIn, scopes ...string) identity.Ref {
	p.Helper()
	ref := identity.Ref{Organization: "acme", Lane: key.Lane("acme", "user", "1"), Connection: key.Of("connection", "1")}
	sealed := p.SealTokens(ref.Organization, ref.Connection, in.Tenant, in.ObjectID, in.Cache)
	p.row.row = identity.StoredTokens{Tenant: in.Tenant, ObjectID: in.ObjectID, Scopes: scopes, Sealed: sealed, ETag: "1"}
	return ref
}

// identity.md 2 and 3 with the real libraries: an administrator consents, a user
// connects, the token opens the mailbox, refreshes, and dies.
func TestTheProductsOwnSignInWorksAgainstTheSimulator(t *testing.T) {
	w := start(t)
	w.Entra.Withdraw(acme, app)
	p := w.product()
	address, err := p.AdminConsentURL(identity.ConsentLeave{Tenant: identity.Organizations, Scopes: []string{"User.Read", "Calendars.ReadWrite"}, RedirectURI: back, State: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if q := p.walk(address, "cloud-app-admin@acme.example"); q.Get("tenant") != acme || q.Get("admin_consent") != "True" || q.Get("error") != "" {
		t.Fatalf("%v", q)
	}
	admin, err := p.connect(acme, "admin@acme.example")
	if err != nil || admin.Tenant != acme || !slices.Contains(admin.Wids, entra.GlobalAdministrator) || admin.UserName != "admin@acme.example" || admin.Cache != nil {
		t.Errorf("the administrator: %v %+v %v", err, admin.Wids, admin.UserName)
	}
	in, err := p.connect(identity.Organizations, aino, "Calendars.ReadWrite")
	if err != nil || in.Tenant != acme || !slices.Equal(in.Granted, []string{"Calendars.ReadWrite", "User.Read"}) {
		t.Fatalf("%v %v", err, in.Granted)
	}
	w.token = in.AccessToken
	w.must(201, "POST", "/v1.0/me/events", flight)
	ref := p.store(in, "Calendars.ReadWrite")
	w.Clock.Advance(2 * time.Hour)
	w.must(401, "GET", "/v1.0/me/events", "")
	if w.token, err = p.Token(t.Context(), ref, false); err != nil {
		t.Fatal(err)
	}
	w.must(200, "GET", "/v1.0/me/events", "")
	w.Entra.RevokeSessions(acme, aino)
	if _, err = p.Refresh(t.Context(), ref); !refusedWith(err, "invalid_grant", 50173) {
		t.Errorf("revoked: %v", err)
	}
	if in, err = p.connect(acme, aino, "Calendars.ReadWrite"); err != nil {
		t.Fatal(err)
	}
	ref = p.store(in, "Calendars.ReadWrite")
	if _, err = p.Refresh(t.Context(), ref); err != nil {
		t.Errorf("signed in again: %v", err)
	}
	w.Entra.RemoveGrants(acme, app, "")
	if _, err = p.Refresh(t.Context(), ref); !refusedWith(err, "invalid_grant", 65001) {
		t.Errorf("consent withdrawn: %v", err)
	}
}

func refusedWith(err error, code string, number int) bool {
	var refusal *identity.TokenError
	return errors.As(err, &refusal) && refusal.Code == code && slices.Contains(refusal.AADSTS, number)
}

// Contract 13.2, 13.4: a guest's account is home elsewhere; the libraries keep its
// tokens all the same.
func TestAGuestConnectsInTheTenantThatInvitedThem(t *testing.T) {
	w := start(t)
	p := w.product()
	guest, ok := w.Entra.AddGuest(acme, globex, "gus@globex.example")
	if !ok {
		t.Fatal("no guest")
	}
	in, err := p.connect(acme, "gus@globex.example", "Calendars.Read")
	if err != nil || in.ObjectID != guest.ObjectID || in.Tenant != acme {
		t.Fatalf("%v", err)
	}
	ref := p.store(in, "Calendars.Read")
	if _, err := p.Refresh(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

// Contract 13.4: every way in which an id token can be wrong is refused by the product.
func TestTheProductRefusesEverySpoiledIDToken(t *testing.T) {
	w := start(t)
	p := w.product()
	for how, want := range map[entra.Spoil]identity.Refusal{
		entra.WrongAudience: identity.BadAudience, entra.WrongIssuer: identity.BadIssuer, entra.WrongNonce: identity.BadNonce,
		entra.WrongTenant: identity.WrongTenant, entra.Expired: identity.Expired, entra.NotYet: identity.Expired, entra.Unsigned: identity.BadAlgorithm,
		entra.SharedSecret: identity.BadAlgorithm, entra.UnknownKey: identity.UnknownKey, entra.BadSignature: identity.BadSignature, entra.WithoutOID: identity.NoObjectID,
	} {
		if err := w.Entra.SpoilIDTokens(how); err != nil {
			t.Fatal(err)
		}
		_, err := p.connect(acme, aino, "Calendars.Read")
		var refusal *identity.SignInError
		if !errors.As(err, &refusal) || refusal.Refusal != want {
			t.Errorf("%s: %v, want %s", how, err, want)
		}
	}
}
