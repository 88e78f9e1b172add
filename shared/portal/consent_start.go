package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// kindConsent is an Entra admin's attempt, from leaving for Microsoft to the outcome.
const kindConsent = "consent"

// consentCallback is the redirect URI's path below /api/.
const consentCallback = "consent/callback"

// nameConsent names the page of ConsentStart where forms are signed.
const nameConsent = "consent"

// consentPage is what an Entra admin reads before going to Microsoft.
type consentPage struct {
	Action, Grant string
	By            string // who made the link, "" for the booking product
	Made          time.Time
	// Application is the permission for all mailboxes, else delegated ones.
	Application bool
	// Scoped: no permission is granted at Microsoft; it is limited in Exchange.
	Scoped bool
	// Any: every tenant's people may connect, and what is allowed binds no tenant.
	Any bool
	// Permissions are those that are asked for; with Renewal only what is new, and Lost
	// says that a consent that was there is not any more.
	Permissions   []permission
	Renewal, Lost bool
}

// permission is one that is asked for: by its name at Microsoft, and the key of why.
type permission struct{ Name, Why string }

// signInPermissions are those of every sign-in (OpenID Connect).
var signInPermissions = []string{"openid", "profile"}

// permissions are what an ask comes to.
func permissions(ask organization.Ask) []permission {
	var all []permission
	add := func(suffix string, names ...string) {
		for _, name := range names {
			all = append(all, permission{name, "permission." + strings.ToLower(connection.Short(name)) + suffix})
		}
	}
	add("", signInPermissions...)
	switch {
	case ask.SignInOnly:
	case ask.Application:
		add(".application", "Calendars.ReadWrite")
		add("", ask.Then...)
	default:
		add("", "offline_access")
		add("", ask.Scopes...)
	}
	return all
}

// ConsentStart answers consent/start: GET shows an Entra admin what is asked and why,
// POST leaves for Microsoft. The query, or the form, names the grant.
func (p *Portal) ConsentStart(ctx context.Context, r *http.Request) Answer {
	v := p.visit(r)
	v.name, v.id = nameConsent, v.values.Get("grant")
	if r.Method == http.MethodPost {
		if bad := v.readForm(); bad != nil {
			return *bad
		}
		v.id = v.values.Get("grant")
	}
	if bad := v.enter(ctx, []string{state.EntraAdmin}); bad != nil {
		return *bad
	}
	l, bad := v.sessionsLink(ctx)
	if bad != nil {
		return *bad
	}
	ask, err := p.deps.Consents.ConsentAsk(ctx, v.org.ID)
	if err != nil {
		return v.broken(err)
	}
	if r.Method == http.MethodPost {
		if !v.formHolds(v.session.Browser) {
			return v.trouble(formStale)
		}
		return p.leaveForConsent(ctx, v, ask)
	}
	a := v.page(http.StatusOK, "consent", v.consentPage(l, ask))
	if r.Method == http.MethodHead {
		a.Body = nil
	}
	return a
}

// sessionsLink is the link that the session came from; it must still be live: an
// entra-admin link ends when consent is bound, or when it is replaced.
func (v *visit) sessionsLink(ctx context.Context) (state.Link, *Answer) {
	refuse := func(t trouble) (state.Link, *Answer) { a := v.trouble(t); return state.Link{}, &a }
	l, err := v.portal.deps.Links.Get(ctx, v.session.Link)
	switch {
	case errors.Is(err, state.ErrNotFound), err == nil && l.Organization != v.session.Organization:
		return refuse(linkUnknown)
	case err != nil:
		a := v.broken(err)
		return l, &a
	case v.over(l):
		return refuse(linkEnded)
	case !l.Live(v.now):
		return refuse(linkExpired)
	}
	return l, nil
}

func (v *visit) consentPage(l state.Link, ask organization.Ask) consentPage {
	c := consentPage{Action: v.portal.base + "consent/start", Grant: v.session.ID, By: l.By, Made: l.Created, Application: ask.Application,
		Scoped: ask.SignInOnly, Any: v.org.AnyTenant(), Permissions: permissions(ask), Lost: v.org.State.Consent == organization.ConsentMissing}
	if v.org.State.Consent == organization.ConsentOutdated && !c.Any { // another tenant was asked for nothing yet
		added := organization.Added(v.org.State.PermissionSet)
		fresh := slices.DeleteFunc(slices.Clone(c.Permissions), func(p permission) bool { return !slices.Contains(added, p.Name) })
		if len(fresh) > 0 { // else it is asked for in another way, and all of it is to be read
			c.Renewal, c.Permissions = true, fresh
		}
	}
	return c
}

// leaveForConsent begins an attempt and sends the browser to Microsoft. A second click
// begins a second one; each has its own state and cookie.
func (p *Portal) leaveForConsent(ctx context.Context, v *visit, ask organization.Ask) Answer {
	f := state.Flow{Kind: kindConsent, Organization: v.org.ID, Link: v.session.Link, Session: v.session.ID}
	if ask.SignInOnly {
		f.Detail = detail{}.document()
		tenant := v.tenant()
		if !organization.IsGUID(tenant) {
			tenant = identity.Organizations // where people sign in has no domain's name
		}
		return v.leaveForSignIn(ctx, f, tenant)
	}
	return v.leaveForAdminConsent(ctx, f, ask, identity.ConsentLeave{Application: ask.Application, Scopes: ask.Scopes})
}

// leaveForAdminConsent begins an attempt at Microsoft's consent page.
func (v *visit) leaveForAdminConsent(ctx context.Context, f state.Flow, ask organization.Ask, l identity.ConsentLeave) Answer {
	f.Step, f.Detail = stepConsenting, detail{Scopes: ask.Names()}.document()
	f, parameter, err := v.begin(ctx, f, secrets{})
	if err != nil {
		return v.broken(err)
	}
	if err := v.portal.deps.Consents.BeginConsent(ctx, v.org.ID, f.ID); err != nil {
		return v.broken(err)
	}
	l.Tenant, l.RedirectURI, l.State = cmp.Or(l.Tenant, v.tenant()), v.portal.url(consentCallback), parameter
	to, err := v.portal.deps.Entra.AdminConsentURL(l)
	if err != nil {
		return v.broken(err)
	}
	return v.see(to)
}

// tenant is where an Entra admin is sent: the organisation's tenant, else the one that
// is expected, else any. Where accounts of any are taken, the link is forwarded to the
// administrator of whoever met with "Need admin approval" (R4).
func (v *visit) tenant() string {
	if v.org.AnyTenant() {
		return identity.Organizations
	}
	return cmp.Or(v.org.State.Tenant, v.org.ExpectedTenant, identity.Organizations)
}

// leaveForSignIn sends the browser to sign in, with openid and profile only, at a
// tenant. A flow without an id begins with it.
func (v *visit) leaveForSignIn(ctx context.Context, f state.Flow, tenant string) Answer {
	d := detailOf(f)
	d.Tenant, d.Cause, d.Correlation = tenant, "", ""
	f.Step, f.Outcome, f.Detail = stepSigningIn, "", d.document()
	s := secrets{Verifier: newSecret(), Nonce: newSecret()}
	started := f.ID == ""
	var parameter string
	var err error
	if started {
		f, parameter, err = v.begin(ctx, f, s)
	} else {
		f, parameter, err = v.leave(ctx, f, s)
	}
	if errors.Is(err, state.ErrPrecondition) { // the same callback, or the same click, twice
		return v.see(v.portal.path(pageAttempt, f.ID))
	}
	if err == nil && started {
		err = v.portal.deps.Consents.BeginConsent(ctx, f.Organization, f.ID)
	}
	if err != nil {
		return v.broken(err)
	}
	to, err := v.portal.deps.Entra.AuthorizeURL(ctx, identity.Leave{Tenant: tenant, RedirectURI: v.portal.url(consentCallback),
		State: parameter, Nonce: s.Nonce, Verifier: s.Verifier})
	if err != nil {
		return v.broken(err)
	}
	return v.see(to)
}
