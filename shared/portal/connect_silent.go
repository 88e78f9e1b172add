package portal

import (
	"context"
	"errors"

	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// The organisation admin's sign-in checks the consent as far as Microsoft lets us (T3): it
// is first tried with prompt=none. Microsoft gives a person who never connected before a
// token for the calendar, without asking them, only where somebody consented for all; that
// is evidence (organization.EvidenceSilent). Where Microsoft wants to show a page, the
// browser comes back at once and leaves again without the prompt, which nobody notices.

// provesSilently reports whether a sign-in is to be tried without a page of Microsoft's.
func (v *visit) provesSilently(ctx context.Context, s start) (bool, error) {
	o := v.org.State
	consented := o.BoundBy == organization.BoundByConsent && o.Consent == organization.ConsentGranted &&
		(o.Evidence == "" || o.Evidence == organization.EvidenceCallback)
	waits := o.Tenant == "" && o.Attempt.Pending() && o.Attempt.AdminRole
	if v.session.Role != state.OrgAdmin || s.Choices == nil || s.existing != nil || v.values.Get("account") == "other" ||
		s.Tenant == identity.Organizations || !consented && !waits {
		return false, nil
	}
	all, err := v.portal.deps.Connections.Connections(ctx, v.org.ID, v.session.User)
	if err != nil || len(all) > 0 {
		return false, err
	}
	f, err := v.portal.deps.Flows.Latest(ctx, v.org.ID, s.Kind, v.session.User)
	if errors.Is(err, state.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	last, err := journeyOf(f)
	return err == nil && len(last.Granted) == 0, nil // else they may have consented for themselves
}

// leaveAskingThem sends a browser whose silent sign-in came back with an error to the
// page that Microsoft wants to show.
func (v *visit) leaveAskingThem(ctx context.Context, f state.Flow, j journey) Answer {
	j.Silent = false
	leave := identity.Leave{Tenant: j.Tenant, RedirectURI: v.portal.url(callback), Nonce: newSecret(), Verifier: newSecret(),
		Scopes: j.Asked, LoginHint: j.Email, Claims: j.Claims}
	f.Detail = j.encode()
	f, parameter, err := v.leave(ctx, f, secrets{Verifier: leave.Verifier, Nonce: leave.Nonce})
	switch {
	case errors.Is(err, state.ErrPrecondition):
		return v.see(v.portal.path(pageAttempt, f.ID))
	case err != nil:
		return v.broken(err)
	}
	leave.State = parameter
	to, err := v.portal.deps.Entra.AuthorizeURL(ctx, leave)
	if err != nil {
		return v.broken(err)
	}
	return v.see(to)
}

// proveSilently notes what a silent sign-in in the bound tenant showed.
func (v *visit) proveSilently(ctx context.Context, j journey) error {
	if !j.Silent || v.org.State.Tenant != j.Account.Tenant {
		return nil
	}
	known, err := v.portal.deps.Consents.ProveConsent(ctx, v.org.ID, organization.EvidenceSilent, j.Granted)
	if err == nil {
		v.org.State = known.State
	}
	return err
}
