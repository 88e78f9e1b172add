package portal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// outcome is how an attempt ended: that of the engine, or of Microsoft's page.
type outcome string

// The outcomes that are not organization.Outcome.
const (
	outcomeRefused  outcome = "refused"  // at Microsoft's page, by the person or for want of a role
	outcomeUnclear  outcome = "unclear"  // the answer named no tenant
	outcomeDeclined outcome = "declined" // on our confirmation page
)

// failed reports whether the attempt ended without an offer.
func (o outcome) failed() bool {
	return slices.Contains([]outcome{outcomeRefused, outcomeUnclear, outcomeDeclined, outcome(organization.UnexpectedTenant),
		outcome(organization.BoundElsewhere)}, o)
}

// signer is who signed in, kept sealed until they confirm.
type signer struct {
	Tenant   string   `json:"tenant"`
	Name     string   `json:"name"`
	UserName string   `json:"userName"`
	Wids     []string `json:"wids,omitempty"`
}

// Domain is that of the person's user name, in lower case; "" where it has none.
func (w signer) Domain() string {
	_, domain, _ := strings.Cut(w.UserName, "@")
	return strings.ToLower(domain)
}

// offerOf is what the engine judges.
func offerOf(f state.Flow, who signer, confirmed bool) engine.ConsentOffer {
	return engine.ConsentOffer{Attempt: f.ID, Tenant: who.Tenant, Domain: who.Domain(), Wids: who.Wids, Scopes: detailOf(f).Scopes,
		Confirmed: confirmed}
}

// offer asks the engine what would become of a sign-in, and keeps it for the
// confirmation page where anything can.
func (p *Portal) offer(ctx context.Context, v *visit, f state.Flow, who signer) Answer {
	judged, err := p.deps.Consents.OfferConsent(ctx, f.Organization, offerOf(f, who, false))
	if err != nil {
		return v.broken(err)
	}
	d := detailOf(f)
	d.Tenant = who.Tenant
	if judged.Outcome != organization.NeedsConfirmation {
		return v.end(ctx, f, d, outcome(judged.Outcome))
	}
	f.Step, f.Detail = stepConfirm, d.document()
	if _, err := v.keep(ctx, f, &secrets{Person: &who}); err != nil && !errors.Is(err, state.ErrPrecondition) {
		return v.broken(err)
	}
	return v.see(p.path(pageAttempt, f.ID))
}

// tenantPage asks whether the tenant is the right one.
type tenantPage struct {
	Who    signer
	Action string
	// Others are the tenant's other organisations, told to its administrators only; Shared
	// says that there are some.
	Others []string
	Shared bool
	// Admin says that the sign-in showed a role that can consent.
	Admin bool
	// Allows says that nothing is bound: people of the tenant may connect, and no more.
	Allows bool
}

func (p *Portal) showConfirm(ctx context.Context, v *visit, f state.Flow) Answer {
	s, err := v.secrets(f)
	if err != nil || s.Person == nil {
		return v.broken(errors.Join(err, errNobody))
	}
	judged, err := p.deps.Consents.OfferConsent(ctx, f.Organization, offerOf(f, *s.Person, false))
	if err != nil {
		return v.broken(err)
	}
	if judged.Outcome != organization.NeedsConfirmation { // somebody else was quicker
		return v.end(ctx, f, detailOf(f), outcome(judged.Outcome))
	}
	c := tenantPage{Who: *s.Person, Action: p.path(pageAttempt, f.ID), Others: judged.Others, Shared: judged.Shared,
		Admin: v.org.MayConsent(s.Person.Wids), Allows: judged.Allows}
	return v.page(http.StatusOK, "confirm", c)
}

var errNobody = errors.New("portal: a flow that waits for a confirmation has nobody")

// confirm binds, if the engine agrees. A second click finds the flow done.
func (p *Portal) confirm(ctx context.Context, v *visit, f state.Flow) Answer {
	if f.Step != stepConfirm {
		return v.see(p.path(pageAttempt, f.ID))
	}
	if !v.now.Before(f.Expires) {
		return v.resume(ctx, f, detailOf(f), nil)
	}
	if bad := v.flowsLink(ctx, f); bad != nil {
		return *bad
	}
	s, err := v.secrets(f)
	if err != nil || s.Person == nil {
		return v.broken(errors.Join(err, errNobody))
	}
	judged, err := p.deps.Consents.OfferConsent(ctx, f.Organization, offerOf(f, *s.Person, true))
	if err != nil {
		return v.broken(err)
	}
	d := detailOf(f)
	d.Missing = judged.Missing
	return v.end(ctx, f, d, outcome(judged.Outcome))
}

// decline ends an attempt on our page. Microsoft keeps what was consented to; the page
// says how to take it back.
func (p *Portal) decline(ctx context.Context, v *visit, f state.Flow) Answer {
	if f.Step != stepConfirm {
		return v.see(p.path(pageAttempt, f.ID))
	}
	return v.end(ctx, f, detailOf(f), outcomeDeclined)
}

// signInAgain begins the sign-in of an attempt anew, whose consent Microsoft has
// recorded already.
func (p *Portal) signInAgain(ctx context.Context, v *visit, f state.Flow) Answer {
	tenant := detailOf(f).Tenant
	if tenant == "" || f.Step != stepResume && f.Step != stepSigningIn && f.Step != stepConfirm {
		return v.see(p.path(pageAttempt, f.ID))
	}
	if bad := v.flowsLink(ctx, f); bad != nil {
		return *bad
	}
	return v.leaveForSignIn(ctx, f, tenant)
}

// consentMore asks for what a consent did not cover, because other organisations of the
// tenant need it too: a new attempt, in a renewal.
func (p *Portal) consentMore(ctx context.Context, v *visit, f state.Flow) Answer {
	d := detailOf(f)
	if !(f.Outcome == string(organization.Bound) || f.Outcome == string(organization.Allowed)) || len(d.Missing) == 0 {
		return v.see(p.path(pageAttempt, f.ID))
	}
	ask, err := p.deps.Consents.ConsentAsk(ctx, f.Organization)
	if err != nil {
		return v.broken(err)
	}
	if v.org.AnyTenant() { // what the ask knows is of no tenant
		ask.Scopes = d.Missing
		for _, had := range d.Scopes {
			if !slices.Contains(ask.Scopes, had) {
				ask.Scopes = append(ask.Scopes, had)
			}
		}
		slices.Sort(ask.Scopes)
	}
	l := identity.ConsentLeave{Tenant: d.Tenant, Scopes: ask.Scopes}
	if ask.Application {
		l.Scopes = ask.Then
	}
	return v.leaveForAdminConsent(ctx, state.Flow{Kind: kindConsent, Organization: f.Organization, Session: f.Session}, ask, l)
}

// flowsLink objects where the link that an attempt began with is not live any more.
// An attempt for what was missing has none.
func (v *visit) flowsLink(ctx context.Context, f state.Flow) *Answer {
	if f.Link == "" {
		return nil
	}
	v.session.Link, v.session.Organization = f.Link, f.Organization
	_, bad := v.sessionsLink(ctx)
	return bad
}
