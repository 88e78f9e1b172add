package organization

import (
	"slices"
	"time"
)

// Allowance is a tenant whose administrator came back from a consent for its people
// (identity.md section 3, accounts any). It binds nothing and opens nothing: every person
// signs in for their own calendar all the same, and Microsoft knows what was granted.
type Allowance struct {
	Tenant  string    `json:"tenant"`           // GUID in lower case, verified
	Domain  string    `json:"domain,omitempty"` // of the administrator's user name, for people
	At      time.Time `json:"at"`               // UTC
	Attempt string    `json:"attempt"`
	// Scopes are what the consent was asked for, short; none where the sign-in showed no
	// role that can consent, so that an answer which somebody forged says nothing.
	Scopes []string `json:"scopes,omitempty"`
}

// maxAllowed bounds what a row keeps: they are for people to read.
const maxAllowed = 50

// AnyTenant reports whether people's accounts may be of any tenant: then nobody need have
// consented for all of them, and no tenant is the organisation's own.
func (o Organization) AnyTenant() bool { return o.Permission == Delegated && o.Accounts == "any" }

// allow notes a tenant's consent of an organisation that is of no tenant, once it is confirmed.
func (o Organization) allow(tenant string, f Offer, at time.Time) (Organization, Outcome) {
	if !f.Confirmed {
		return o, NeedsConfirmation
	}
	next := []Allowance{{Tenant: tenant, Domain: f.Domain, At: at.UTC().Truncate(time.Second), Attempt: f.Attempt}}
	if o.MayConsent(f.Wids) {
		next[0].Scopes = slices.Clone(f.Scopes)
	}
	for _, a := range o.State.Allowed {
		if a.Tenant != tenant && len(next) < maxAllowed {
			next = append(next, a)
		}
	}
	o.State.Allowed = next
	if o.State.Attempt.ID == f.Attempt && !o.State.Attempt.Pending() {
		o.State.Attempt = Attempt{}
	}
	if o.State.Tenant == "" && o.State.Consent == ConsentStarted && o.State.Attempt.ID == "" {
		o.State.Consent = ConsentNone
	}
	return o, Allowed
}

// GrantedIn are the delegated permissions that a tenant's administrator is known to have
// granted for everybody in it; none where that is not known.
func (o Organization) GrantedIn(tenant string) []string {
	s := o.State
	if o.Permission != Delegated || tenant == "" {
		return nil
	}
	if s.Tenant == tenant && (s.Consent == ConsentGranted || s.Consent == ConsentOutdated) {
		return s.GrantedScopes
	}
	for _, a := range s.Allowed {
		if a.Tenant == tenant {
			return a.Scopes
		}
	}
	return nil
}

// AllowedBy reports whether an attempt ended as a tenant's allowance.
func (s State) AllowedBy(attempt string) bool {
	return attempt != "" && slices.ContainsFunc(s.Allowed, func(a Allowance) bool { return a.Attempt == attempt })
}
