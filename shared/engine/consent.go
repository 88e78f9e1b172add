package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Domains finds out which tenant a domain belongs to. It returns "" when nobody has
// verified the domain, and an error when Entra could not be asked.
type Domains interface {
	TenantOf(ctx context.Context, domain string) (string, error)
}

// ConsentOffer is an administrator who came back from Microsoft and signed in.
type ConsentOffer struct {
	// Attempt is the id of the flow, 26 characters.
	Attempt string
	// Tenant is the verified tid of the sign-in, which the callback's tenant equals.
	Tenant string
	// Domain is that of the administrator's user name, for people; it proves nothing.
	Domain string
	// Wids are the roles of the verified id token; none where it named none.
	Wids []string
	// Scopes are what was asked for, by short name: those of Ask.Names.
	Scopes []string
	// Confirmed says that this comes from the confirmation page's POST. Without it
	// nothing is ever bound: the result says what the page has to show.
	Confirmed bool
}

// ConsentResult is what became of an offer, a proof or a decision.
type ConsentResult struct {
	Outcome organization.Outcome
	// Others are the names of the tenant's other organisations, which the confirmation
	// page shows. Only an administrator of the tenant learns them; to anybody else
	// Shared says that there are some.
	Others []string
	Shared bool
	// Allows says that a confirmation binds nothing, and only lets the tenant's people
	// connect (organization.Allowed).
	Allows bool
	// Missing are permissions that the tenant's organisations need together and that
	// this consent was not asked for: it may have replaced them, and the administrator
	// is asked once more. It is set with Bound and Allowed only.
	Missing []string
	// Consent is how it stands now.
	Consent Consent
}

// Consent is how an organisation's consent stands.
type Consent struct {
	organization.State
	// Added are permissions that this version needs beyond those consented to.
	Added []string
}

// BeginConsent notes that an administrator leaves for Microsoft, for the set-up page to
// show. state.ErrNotFound: no such organisation.
func (e *Engine) BeginConsent(ctx context.Context, organization, attempt string) error {
	_, err := e.changeConsent(ctx, organization, attempt, "", beginning(attempt, e.now()))
	return err
}

// FailConsent notes that an attempt came back without a consent, and why, in the
// caller's words (access_denied, an AADSTS number). state.ErrNotFound: no such organisation.
func (e *Engine) FailConsent(ctx context.Context, organization, attempt, why string) error {
	_, err := e.changeConsent(ctx, organization, attempt, "", failing(attempt, why))
	return err
}

// ConsentAsk is what an administrator is asked for: what the organisation needs, and
// the others of the tenant, if that is known already. Directions are those of at
// most 1,000 connections of each. state.ErrNotFound: no such organisation.
func (e *Engine) ConsentAsk(ctx context.Context, id string) (organization.Ask, error) {
	o, _, err := e.consents.Get(ctx, id)
	if err != nil {
		return organization.Ask{}, err
	}
	tenant := o.State.Tenant
	if tenant == "" && organization.IsGUID(o.ExpectedTenant) {
		tenant = o.ExpectedTenant
	}
	if o.AnyTenant() {
		tenant = "" // it may be any other
	}
	var others []organization.Organization
	if tenant != "" {
		if others, err = e.othersOf(ctx, tenant, id); err != nil {
			return organization.Ask{}, err
		}
	}
	return e.ask(ctx, o, others)
}

func (e *Engine) ask(ctx context.Context, o organization.Organization, others []organization.Organization) (organization.Ask, error) {
	needs := make([]organization.Need, 0, len(others)+1)
	for _, one := range append([]organization.Organization{o}, others...) {
		n, err := e.need(ctx, one)
		if err != nil {
			return organization.Ask{}, err
		}
		needs = append(needs, n)
	}
	return organization.AskFor(needs[0], needs[1:]), nil
}

func (e *Engine) need(ctx context.Context, o organization.Organization) (organization.Need, error) {
	const enough = 1000
	n := organization.Need{Organization: o}
	if o.Permission != organization.Delegated {
		return n, nil
	}
	found, more, err := e.connections.List(ctx, o.ID, "", enough)
	if err != nil {
		return n, err
	}
	for _, c := range found {
		n.Directions = append(n.Directions, c.Direction)
	}
	if more != "" { // who was not counted may write
		n.Directions = append(n.Directions, connection.Up)
	}
	return n, nil
}

// othersOf are the organisations of a tenant but one, also those that take accounts of
// any and that the tenant's people were allowed to use.
func (e *Engine) othersOf(ctx context.Context, tenant, but string) ([]organization.Organization, error) {
	all, err := e.consents.OfTenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(o organization.Organization) bool { return o.ID == but }), nil
}

// OfferConsent judges an administrator who consented and signed in, and binds the
// organisation to the tenant where the rules of identity.md section 2 let it (organization.OfferConsent).
// First it is called without Confirmed, for the confirmation page (NeedsConfirmation,
// or why there is none), then with it, from the page's POST. What was bound is in the ledger, the
// product is told, and everything current is owed, before the change. Repeating it
// after Bound gives Bound again. state.ErrNotFound: no such organisation.
func (e *Engine) OfferConsent(ctx context.Context, id string, offer ConsentOffer) (ConsentResult, error) {
	o, _, err := e.consents.Get(ctx, id)
	if err != nil {
		return ConsentResult{}, err
	}
	others, err := e.othersOf(ctx, offer.Tenant, id)
	if err != nil {
		return ConsentResult{}, err
	}
	resolved, err := e.expectedTenant(ctx, o)
	if err != nil {
		return ConsentResult{}, err
	}
	bound := slices.DeleteFunc(slices.Clone(others), func(o organization.Organization) bool { return o.State.Tenant != offer.Tenant })
	judged := organization.Offer{Attempt: offer.Attempt, Tenant: offer.Tenant, Domain: offer.Domain, Wids: offer.Wids,
		Scopes: offer.Scopes, Confirmed: offer.Confirmed, ExpectedTenant: resolved, Others: len(bound)}
	var outcome organization.Outcome
	written, err := e.changeConsent(ctx, id, offer.Attempt, "", func(o organization.Organization) (organization.Organization, error) {
		switch {
		case repeated(o, offer):
			outcome = organization.Bound
			return o, nil
		case o.State.AllowedBy(offer.Attempt):
			outcome = organization.Allowed
			return o, nil
		}
		var next organization.Organization
		next, outcome = o.OfferConsent(judged, e.now())
		return next, nil
	})
	if err != nil {
		return ConsentResult{}, err
	}
	judged.Confirmed = true
	_, would := written.OfferConsent(judged, e.now())
	result := ConsentResult{Outcome: outcome, Allows: would == organization.Allowed, Shared: len(bound) > 0, Consent: consentOf(written)}
	if o.MayConsent(offer.Wids) {
		for _, other := range bound {
			result.Others = append(result.Others, other.DisplayName)
		}
	}
	if outcome == organization.Bound || outcome == organization.Allowed {
		ask, err := e.ask(ctx, written, others)
		if err != nil {
			return ConsentResult{}, err
		}
		for _, p := range ask.Names() {
			if !slices.Contains(offer.Scopes, p) {
				result.Missing = append(result.Missing, p)
			}
		}
	}
	return result, nil
}

// repeated reports whether an offer is the one that bound the organisation.
func repeated(o organization.Organization, offer ConsentOffer) bool {
	return offer.Attempt != "" && o.State.BoundAttempt == offer.Attempt && o.State.Tenant == offer.Tenant
}

// expectedTenant asks Entra which tenant has the domain that the operator expects.
func (e *Engine) expectedTenant(ctx context.Context, o organization.Organization) (string, error) {
	if o.ExpectedTenant == "" || organization.IsGUID(o.ExpectedTenant) || e.domains == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	tenant, err := e.domains.TenantOf(ctx, o.ExpectedTenant)
	if err != nil {
		return "", fmt.Errorf("whose the expected domain is: %w", err)
	}
	return tenant, nil
}

// ProveAdmin notes that the organisation's admin signed in to a tenant, which binds
// a consent that waited for it. The tenant is the verified tid of that sign-in,
// made from a session of role org-admin. state.ErrNotFound: no such organisation.
func (e *Engine) ProveAdmin(ctx context.Context, id, tenant string) (ConsentResult, error) {
	var outcome organization.Outcome
	written, err := e.changeConsent(ctx, id, "", "", func(o organization.Organization) (organization.Organization, error) {
		var next organization.Organization
		next, outcome = o.ProveAdmin(tenant, e.now())
		return next, nil
	})
	return ConsentResult{Outcome: outcome, Consent: consentOf(written)}, err
}

// Consent tells how an organisation's consent stands, as of now and not from a cache. state.ErrNotFound:
// no such organisation.
func (e *Engine) Consent(ctx context.Context, id string) (Consent, error) {
	o, _, err := e.consents.Get(ctx, id)
	return consentOf(o), err
}

// DecideConsent approves or refuses the offer of an attempt, in the name of whoever
// has the function key. The same decision again changes nothing. Errors:
// state.ErrNotFound, organization.ErrNotPending, organization.ErrTenantBound,
// organization.ErrUnexpectedTenant.
func (e *Engine) DecideConsent(ctx context.Context, id, attempt string, approve bool) (Consent, error) {
	written, err := e.changeConsent(ctx, id, attempt, byFunctionKey, func(o organization.Organization) (organization.Organization, error) {
		return o.DecideConsent(attempt, approve, e.now())
	})
	return consentOf(written), err
}

// ProveConsent notes evidence of a consent (organization.EvidenceSilent, with what
// the token response named; organization.EvidenceProbe). Weaker evidence than is
// there changes nothing. state.ErrNotFound: no such organisation.
func (e *Engine) ProveConsent(ctx context.Context, id, evidence string, granted []string) (Consent, error) {
	written, err := e.changeConsent(ctx, id, "", "", func(o organization.Organization) (organization.Organization, error) {
		return o.Prove(evidence, granted), nil
	})
	return consentOf(written), err
}

const byFunctionKey = "function-key"

func beginning(attempt string, now time.Time) func(organization.Organization) (organization.Organization, error) {
	return func(o organization.Organization) (organization.Organization, error) {
		return o.BeginConsent(attempt, now), nil
	}
}

func failing(attempt, why string) func(organization.Organization) (organization.Organization, error) {
	return func(o organization.Organization) (organization.Organization, error) {
		return o.FailConsent(attempt, why), nil
	}
}

func consentOf(o organization.Organization) Consent {
	c := Consent{State: o.State}
	if o.State.Consent == organization.ConsentOutdated {
		c.Added = organization.Added(o.State.PermissionSet)
	}
	return c
}

// sameState reports whether two states are equal; both were decoded or cloned, so
// that empty lists are nil in both or in neither.
func sameState(a, b organization.State) bool { return reflect.DeepEqual(a, b) }

// errSame ends a change that changes nothing.
var errSame = errors.New("nothing to change")

// changeConsent changes what is known of an organisation's consent. Before the
// change is stored, the ledger is told of a decision, what is current is owed
// where calendars may be open now, and the product is told of a new state: each
// may be repeated, none may be missing. attempt and by go to the ledger.
func (e *Engine) changeConsent(ctx context.Context, id, attempt, by string, change func(organization.Organization) (organization.Organization, error)) (organization.Organization, error) {
	var was organization.Organization
	decide := func(current *organization.Organization, _ string) (organization.Organization, error) {
		if current == nil {
			return organization.Organization{}, fmt.Errorf("consent of %s: %w", id, state.ErrNotFound)
		}
		was = *current
		next, err := change(current.Clone())
		if err == nil && sameState(was.State, next.State) {
			err = errSame
		}
		return next, err
	}
	written, err := e.consents.ChangeAfter(ctx, id, decide, func(ctx context.Context, next organization.Organization) error {
		return e.announceConsent(ctx, was, next, attempt, by)
	})
	if errors.Is(err, errSame) {
		return was, nil
	}
	return written.Organization, err
}

func (e *Engine) announceConsent(ctx context.Context, was, next organization.Organization, attempt, by string) error {
	if entry, ok := bindingOf(was.State, next.State, attempt, by); ok {
		entry.At = e.now().UTC()
		if err := e.consents.Record(ctx, next.ID, entry); err != nil {
			return err
		}
	}
	// Calendars are open to somebody new, or open again.
	opened := next.State.Tenant != was.State.Tenant && next.State.Tenant != "" ||
		next.State.Consented() && !was.State.Consented() ||
		was.State.Consent == organization.ConsentMissing && next.State.Consent != organization.ConsentMissing
	if opened && next.Module && next.Sync {
		if err := e.Reconcile(ctx, next.ID, "consent"); err != nil {
			return err
		}
	}
	lost := next.State.Consent == organization.ConsentMissing && was.State.Consent != organization.ConsentMissing
	if lost || was.State.Tenant != "" && next.State.Tenant == "" {
		if err := e.Rewatch(ctx, next.ID, "consent"); err != nil {
			return err
		}
	}
	if was.State.Consent == next.State.Consent && was.State.Tenant == next.State.Tenant && was.State.Evidence == next.State.Evidence {
		return nil
	}
	return e.send(ctx, queue.Changes, e.consentMessages(next, was.State.Consent, attempt)...)
}

// bindingOf is the ledger's entry of a change that binds, allows or refuses.
func bindingOf(was, next organization.State, attempt, by string) (state.Binding, bool) {
	refused := was.Attempt.Pending() && !next.Attempt.Pending() && by == byFunctionKey && !next.Decided.Approve
	switch {
	case refused:
		return state.Binding{Operation: "refuse", By: by, Tenant: was.Attempt.Tenant, Attempt: attempt}, true
	case len(next.Allowed) > 0 && !was.AllowedBy(next.Allowed[0].Attempt):
		return state.Binding{Operation: "allow", By: organization.BoundByConsent, Tenant: next.Allowed[0].Tenant, Attempt: attempt}, true
	case next.Tenant == "" || next.ConsentedAt.Equal(was.ConsentedAt) && next.Tenant == was.Tenant:
		return state.Binding{}, false
	}
	if by == "" {
		by = organization.BoundByConsent
	}
	return state.Binding{Operation: "bind", By: by, Tenant: next.Tenant, Attempt: next.BoundAttempt}, true
}

// consentMessages tell the product how a consent stands, and a person where it was lost.
func (e *Engine) consentMessages(o organization.Organization, was, attempt string) []queue.Message {
	origin := outbound.Origin{PublicURL: e.publicURL, Organization: o.ID, Time: e.now()}
	told := outbound.Consent{State: o.State.Consent, Tenant: o.State.Tenant, BoundBy: o.State.BoundBy, Evidence: o.State.Evidence,
		Message: consentSentence(o.State.Consent)}
	told.ID = key.UUID(fmt.Sprintf("consent/%s/%s/%s/%s/%s/%d", o.ID, attempt, told.State, told.Tenant, told.Evidence, origin.Time.Unix()))
	messages := []queue.Message{message(told.Event(origin))}
	lost := o.State.Consent == organization.ConsentMissing
	if lost != (was == organization.ConsentMissing) {
		alert := outbound.Alert{ID: key.UUID("alert/" + told.ID), Code: "consent-missing", State: "raised", Message: told.Message}
		if !lost {
			alert.State = "over"
		}
		messages = append(messages, message(alert.Event(origin)))
	}
	return messages
}

func consentSentence(consent string) string {
	switch consent {
	case organization.ConsentStarted:
		return "An administrator has begun to consent."
	case organization.ConsentPending:
		return "An administrator has consented. It is granted when the organisation's admin signs in to the same Microsoft 365, or the booking app approves it."
	case organization.ConsentGranted:
		return "The tenant's administrator has consented."
	case organization.ConsentOutdated:
		return "The consent is for an older set of permissions; what was granted works on."
	case organization.ConsentMissing:
		return "Microsoft 365 does not let the calendar connection into the tenant any more: an administrator has to consent again."
	}
	return "Nobody has consented."
}
