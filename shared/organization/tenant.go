package organization

import (
	"errors"
	"strings"
	"time"
)

// Errors that callers decide on; compare with errors.Is.
var (
	// ErrTenantBound: the organisation is bound to another tenant. The operator unbinds it first.
	ErrTenantBound = errors.New("bound to another tenant")
	// ErrUnexpectedTenant: the settings expect another tenant than the one to bind.
	ErrUnexpectedTenant = errors.New("the settings expect another tenant")
)

// Replace returns next, the settings of a PUT, with o's identity and state. The
// tenant of a bound organisation cannot be changed by PUT (identity.md section
// 2.6): settings that expect another one are ErrTenantBound. Another permission needs
// another consent, and so does one that is limited in Exchange, or is not any more: what
// was consented to becomes consent-outdated. Of a binding by hand the operator answers for
// that too.
func (o Organization) Replace(next Organization) (Organization, error) {
	if o.State.Tenant != "" && IsGUID(next.ExpectedTenant) && next.ExpectedTenant != o.State.Tenant {
		return o, ErrTenantBound
	}
	next.State = o.State
	next.State.Removing = o.State.Removing && !next.Sync
	other := next.Permission != o.Permission || next.Permission == Application && next.Consent != o.Consent
	if other && o.State.BoundBy == BoundByConsent {
		next.State.PermissionSet, next.State.Evidence = 0, ""
		next = next.outdate()
	}
	return next.WithID(o.ID), nil
}

// Bind returns o bound to a tenant by the operator's hand at an instant.
// Binding to the same tenant again changes nothing, whoever bound it first.
//
// The operator answers for the consent: nothing has proven it yet, so there is
// no evidence and no list of granted scopes.
func (o Organization) Bind(tenant string, at time.Time) (Organization, error) {
	tenant = strings.ToLower(tenant)
	switch {
	case o.State.Tenant == tenant:
		return o, nil
	case o.State.Tenant != "":
		return o, ErrTenantBound
	case IsGUID(o.ExpectedTenant) && o.ExpectedTenant != tenant:
		return o, ErrUnexpectedTenant
	}
	o.State = State{Tenant: tenant, BoundBy: BoundByOperator, Consent: ConsentGranted,
		ConsentedAt: at.UTC().Truncate(time.Second), PermissionSet: PermissionSet, Allowed: o.State.Allowed}
	return o, nil
}

// Unbind returns o without a tenant and without consent. Events in the old
// tenant stay as they are (wire.md, Operator).
func (o Organization) Unbind() Organization {
	o.State = State{Consent: ConsentNone, Allowed: o.State.Allowed}
	return o
}
