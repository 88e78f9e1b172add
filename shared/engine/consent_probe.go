package engine

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/organization"
)

// ProbeConsent reads a mailbox with the app's own token, which is the only proof of
// application permissions that there is (identity.md section 2), and notes what it
// proved. With ProbeUnclear or ProbeRefused nothing has changed. Errors:
// state.ErrNotFound, ErrNoConsent (bound to no tenant), ErrNotProbed (permission
// delegated).
func (e *Engine) ProbeConsent(ctx context.Context, id, address string) (organization.Probe, error) {
	o, _, err := e.consents.Get(ctx, id)
	if err != nil {
		return organization.ProbeUnclear, err
	}
	probe, err := e.probeAs(ctx, o, address)
	if err != nil || probe != organization.ProbeRead || o.Consent == "scoped" {
		return probe, err // of a scoped consent one probe proves nothing
	}
	_, err = e.ProveConsent(ctx, id, organization.EvidenceProbe, []string{"Calendars.ReadWrite"})
	return probe, err
}

// ProbeScope reads a mailbox that should be inside the scope of a consent that was
// limited in Exchange, and one that should be outside, with the app's own token. The
// consent is granted only when the first was read and the second refused. Errors as ProbeConsent;
// ErrNotProbed also where the consent is not scoped.
func (e *Engine) ProbeScope(ctx context.Context, id, inside, outside string) (organization.ScopeProof, error) {
	o, _, err := e.consents.Get(ctx, id)
	if err != nil {
		return organization.ScopeUnclear, err
	}
	if o.Consent != "scoped" {
		return organization.ScopeUnclear, fmt.Errorf("probe of %s: its consent is not scoped: %w", o.ID, ErrNotProbed)
	}
	in, err := e.probeAs(ctx, o, inside)
	if err != nil {
		return organization.ScopeUnclear, err
	}
	out, err := e.probeAs(ctx, o, outside)
	if err != nil {
		return organization.ScopeUnclear, err
	}
	tenant, proof := o.State.Tenant, organization.ScopeUnclear
	_, err = e.changeConsent(ctx, id, "", "", func(o organization.Organization) (organization.Organization, error) {
		if o.State.Tenant != tenant {
			return o, nil // what was read is another tenant's
		}
		o, proof = o.ProveScope(in, out, e.now())
		return o, nil
	})
	return proof, err
}

// probeAs reads one mailbox of the organisation's tenant.
func (e *Engine) probeAs(ctx context.Context, o organization.Organization, address string) (organization.Probe, error) {
	switch {
	case o.Permission != organization.Application:
		return organization.ProbeUnclear, fmt.Errorf("probe of %s: %w", o.ID, ErrNotProbed)
	case o.State.Tenant == "":
		return organization.ProbeUnclear, fmt.Errorf("probe of %s: %w", o.ID, ErrNoConsent)
	}
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	_, err := e.calendar.Mailbox(call, graph.AppAccess(o.State.Tenant), address)
	if err == nil {
		return organization.ProbeRead, nil
	}
	if failure := graphError(err); failure.Kind == graph.Unreachable && failure.Forbidden() {
		return organization.ProbeRefused, nil
	}
	return organization.ProbeUnclear, nil
}
