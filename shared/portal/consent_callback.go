package portal

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// ConsentCallback answers consent/callback, to which Microsoft sends the browser back:
// from its consent page, and from the sign-in that proves the tenant (graph/contract.md
// 13.2, 13.3). Nothing in the first is signed, so all that it does is to say where the
// sign-in is to be. The answer is 303 to a clean URL; only where something does not
// answer that is needed, it is a page to load again, with the state still good.
func (p *Portal) ConsentCallback(ctx context.Context, r *http.Request) Answer {
	v := p.visit(r)
	f, verdict, err := v.returned(ctx, single(v.values["state"]))
	switch {
	case err != nil:
		return v.broken(err)
	case verdict == flowUnknown, f.Kind != kindConsent:
		return v.see(p.path(pageAttempt, attemptNobodys))
	}
	here := p.path(pageAttempt, f.ID)
	if bad := v.attend(ctx, f); bad != nil {
		return bad.unlessPassing(v.see(here))
	}
	switch {
	case verdict == flowUsed:
		return v.see(here)
	case verdict == flowStale:
		return v.see(p.path(pageAttempt, attemptPast))
	case f.Step == stepConsenting:
		return p.consented(ctx, v, f, verdict == flowExpired)
	case f.Step == stepSigningIn && verdict == flowFresh:
		return p.signedIn(ctx, v, f)
	}
	return v.see(here) // too late for the sign-in, which the page offers anew
}

// single is the one value of a parameter; "" where there are none or several.
func single(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// consented takes the answer of Microsoft's consent page: the error first, because
// admin_consent=True is there in errors too (contract 13.3).
func (p *Portal) consented(ctx context.Context, v *visit, f state.Flow, late bool) Answer {
	here := p.path(pageAttempt, f.ID)
	tenant := strings.ToLower(single(v.values["tenant"]))
	failed := v.callbackError()
	d := detailOf(f)
	switch {
	case failed != nil:
		d.Cause, d.Correlation = causeOf(failed), failed.CorrelationID
		return v.end(ctx, f, d, outcomeRefused)
	case !organization.IsGUID(tenant) || tenant == organization.ConsumerTenant:
		return v.end(ctx, f, d, outcomeUnclear)
	case !late:
		return v.leaveForSignIn(ctx, f, tenant)
	}
	d.Tenant = tenant
	f.Step, f.Used, f.Detail = stepResume, v.now, d.document()
	if _, err := v.keep(ctx, f, nil); err != nil && !errors.Is(err, state.ErrPrecondition) {
		return v.broken(err)
	}
	return v.see(here)
}

// signedIn takes the answer of a sign-in: it is used up first, so that a callback that
// comes twice redeems its code once.
func (p *Portal) signedIn(ctx context.Context, v *visit, f state.Flow) Answer {
	here := p.path(pageAttempt, f.ID)
	s, err := v.secrets(f)
	if err != nil {
		return v.broken(err)
	}
	f.Used = v.now
	f, err = v.keep(ctx, f, nil)
	if errors.Is(err, state.ErrPrecondition) {
		return v.see(here)
	}
	if err != nil {
		return v.broken(err)
	}
	d := detailOf(f)
	if failed := v.callbackError(); failed != nil {
		return v.resume(ctx, f, d, failed)
	}
	who, err := p.deps.Entra.Redeem(ctx, identity.Redemption{Tenant: d.Tenant, RedirectURI: p.url(consentCallback), Verifier: s.Verifier,
		Nonce: s.Nonce, Code: single(v.values["code"])})
	if err == nil && d.Tenant != identity.Organizations && who.Tenant != d.Tenant {
		err = &identity.SignInError{Refusal: identity.WrongTenant, Tenant: who.Tenant, UserName: who.UserName}
	}
	if err != nil {
		return v.resume(ctx, f, d, err)
	}
	return p.offer(ctx, v, f, signer{Tenant: who.Tenant, Name: plain(who.Name), UserName: plain(who.UserName), Wids: who.Wids})
}

// callbackError is the error that Microsoft sent the browser back with; nil for none.
func (v *visit) callbackError() *identity.TokenError { return identity.ParseCallbackError(v.values) }

// resume keeps an attempt whose sign-in failed, so that it can be begun again.
func (v *visit) resume(ctx context.Context, f state.Flow, d detail, err error) Answer {
	var token *identity.TokenError
	var refused *identity.SignInError
	switch {
	case errors.As(err, &refused):
		d.Cause, d.Correlation = string(refused.Refusal), ""
	case errors.As(err, &token):
		d.Cause, d.Correlation = causeOf(token), token.CorrelationID
	default:
		d.Cause, d.Correlation = "", ""
	}
	f.Step, f.Detail = stepResume, d.document()
	if _, err := v.keep(ctx, f, nil); err != nil && !errors.Is(err, state.ErrPrecondition) {
		return v.broken(err)
	}
	return v.see(v.portal.path(pageAttempt, f.ID))
}

// causeOf is the number of an error of Entra, else its word.
func causeOf(e *identity.TokenError) string {
	if len(e.AADSTS) > 0 {
		return strconv.Itoa(e.AADSTS[0])
	}
	return e.Code
}

// end keeps how an attempt ended, tells the engine where it failed, and shows it.
func (v *visit) end(ctx context.Context, f state.Flow, d detail, o outcome) Answer {
	f.Step, f.Outcome, f.Detail = stepDone, string(o), d.document()
	if f.Used.IsZero() {
		f.Used = v.now
	}
	if _, err := v.keep(ctx, f, nil); err != nil && !errors.Is(err, state.ErrPrecondition) {
		return v.broken(err)
	}
	if o.failed() {
		if err := v.portal.deps.Consents.FailConsent(ctx, f.Organization, f.ID, string(o)); err != nil {
			return v.broken(err)
		}
	}
	return v.see(v.portal.path(pageAttempt, f.ID))
}
