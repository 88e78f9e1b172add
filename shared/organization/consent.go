package organization

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Values of State.Evidence, from weak to strong (identity.md section 2).
const (
	EvidenceCallback = "callback" // an unsigned redirect, and an administrator's sign-in
	EvidenceSilent   = "silent"   // a prompt=none sign-in for calendar scopes by someone never connected before
	EvidenceProbe    = "probe"    // an app-only read of a mailbox
)

// ConsumerTenant is the directory of personal Microsoft accounts, which no
// organisation is ever bound to (graph/contract.md 13.3).
const ConsumerTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"

// Attempt is a consent that began and is not decided.
type Attempt struct {
	ID      string    `json:"id"`
	Started time.Time `json:"started"` // UTC, when the administrator left for Microsoft
	// Failed is why it ended without an offer, in the caller's words; "" when it did not.
	Failed string `json:"failed,omitempty"`

	// The rest is there from the offer on: an administrator of Tenant (a GUID in lower
	// case) has come back and signed in there.
	Tenant  string    `json:"tenant,omitempty"`
	Domain  string    `json:"domain,omitempty"` // of the administrator's user name, for people
	Offered time.Time `json:"offered,omitzero"` // UTC
	// AdminRole says that the sign-in showed a role that can consent.
	AdminRole bool `json:"adminRole,omitempty"`
	// Shared says that other organisations of the tenant exist, and that nobody who
	// could has agreed to one more.
	Shared bool `json:"shared,omitempty"`
	// Scopes are what the consent was asked for, short.
	Scopes []string `json:"scopes,omitempty"`
}

// Pending reports whether an offer waits for a decision.
func (a Attempt) Pending() bool { return a.Tenant != "" }

// Decision is what was last decided with the function key.
type Decision struct {
	Attempt string    `json:"attempt"`
	Approve bool      `json:"approve"`
	At      time.Time `json:"at"`
}

// Offer is an administrator's sign-in after a consent.
type Offer struct {
	Attempt string // its id
	// Tenant is the verified tenant of the sign-in, a GUID, which the callback named too.
	Tenant string
	Domain string   // of the user name, for people
	Wids   []string // role template ids of the id token
	Scopes []string // what was asked for, short
	// Confirmed says that the administrator saw the tenant, the organisation's name and
	// the tenant's other organisations, and agreed.
	Confirmed bool
	// ExpectedTenant is the tenant that Entra itself names as the owner of the domain
	// in the settings' tenant.expected; "" where that is a GUID, or Entra could not
	// say. The domain of a user name proves nothing: a guest's is of another tenant.
	ExpectedTenant string
	// Others is how many other organisations are bound to the tenant.
	Others int
}

// Outcome is what became of an offer or a proof.
type Outcome string

// The outcomes. Only Bound binds, or renews what is bound.
const (
	// Bound: the organisation is the tenant's, by consent.
	Bound Outcome = "bound"
	// NeedsConfirmation: nothing has changed; the administrator is to be asked first.
	NeedsConfirmation Outcome = "needs-confirmation"
	// NeedsOrgAdmin: it waits until the organisation's admin signs in to the same
	// tenant, or somebody decides with the function key.
	NeedsOrgAdmin Outcome = "needs-org-admin"
	// PendingApproval: it waits until somebody decides with the function key.
	PendingApproval Outcome = "pending-approval"
	// UnexpectedTenant: nothing has changed; the operator expects another tenant.
	UnexpectedTenant Outcome = "unexpected-tenant"
	// BoundElsewhere: nothing has changed; the organisation is another tenant's.
	BoundElsewhere Outcome = "tenant-bound"
	// Allowed: the tenant's people may connect their accounts, which this organisation
	// takes of any tenant; nothing is bound.
	Allowed Outcome = "allowed"
	// Unchanged: there was nothing to do.
	Unchanged Outcome = "unchanged"
)

// ErrNotPending: no offer of that attempt waits for a decision.
var ErrNotPending = errors.New("no such consent is pending")

// Administrators' role template ids (graph/contract.md 13.4).
const (
	globalAdministrator           = "62e90394-69f5-4237-9190-012177145e10"
	privilegedRoleAdministrator   = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	applicationAdministrator      = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	cloudApplicationAdministrator = "158c047a-c907-4556-b7ef-446551a6b5f7"
)

// MayConsent reports whether one of the roles of a sign-in can consent to what the
// organisation asks for (identity.md section 2): application permissions take a Global
// or Privileged Role Administrator.
func (o Organization) MayConsent(wids []string) bool {
	roles := []string{globalAdministrator, privilegedRoleAdministrator}
	if o.Permission == Delegated {
		roles = append(roles, applicationAdministrator, cloudApplicationAdministrator)
	}
	return slices.ContainsFunc(wids, func(w string) bool { return slices.Contains(roles, strings.ToLower(w)) })
}

// BeginConsent notes that an administrator left for Microsoft. An offer that waits
// for a decision stays.
func (o Organization) BeginConsent(attempt string, at time.Time) Organization {
	if o.State.Attempt.Pending() {
		return o
	}
	o.State.Attempt = Attempt{ID: attempt, Started: at.UTC().Truncate(time.Second)}
	if o.State.Tenant == "" {
		o.State.Consent = ConsentStarted
	}
	return o
}

// FailConsent notes why an attempt ended without an offer; one that is not the
// last changes nothing.
func (o Organization) FailConsent(attempt, why string) Organization {
	if o.State.Attempt.ID == attempt && !o.State.Attempt.Pending() {
		o.State.Attempt.Failed = why
	}
	return o
}

// OfferConsent judges an administrator's sign-in after a consent (identity.md
// section 2, steps 5 and 6; invariant I7). The tenant is bound at once only if the
// operator expects it, or if the sign-in showed an administrator's role and the
// organisation's admin has signed in to the same tenant: a consent link that was
// forwarded to a stranger, and a callback that an employee forged, end pending.
//
// With other organisations of the same tenant an administrator of the tenant is
// asked first, and nobody else can agree to it but who has the function key. An
// organisation that is bound already is renewed by its own tenant's administrator.
//
// Where accounts of any tenant are taken (AnyTenant), each tenant's consent is Allowed: it
// is its own people's, gives this organisation nothing, and binds only what is expected.
func (o Organization) OfferConsent(f Offer, at time.Time) (Organization, Outcome) {
	tenant := strings.ToLower(f.Tenant)
	role := o.MayConsent(f.Wids)
	if o.AnyTenant() && IsGUID(tenant) && tenant != ConsumerTenant && !(role && o.State.Tenant == tenant) && !o.expects(tenant, f) {
		return o.allow(tenant, f, at)
	}
	switch {
	case !IsGUID(tenant) || tenant == ConsumerTenant || o.unexpected(tenant, f.ExpectedTenant):
		return o, UnexpectedTenant
	case o.State.Tenant != "" && o.State.Tenant != tenant:
		return o, BoundElsewhere
	case !f.Confirmed:
		return o, NeedsConfirmation
	}
	renewal := o.State.Tenant == tenant
	expected := o.expects(tenant, f)
	offer := Attempt{ID: f.Attempt, Started: o.State.Attempt.Started, Tenant: tenant, Domain: f.Domain, Offered: at.UTC().Truncate(time.Second),
		AdminRole: role, Shared: !renewal && f.Others > 0 && !role, Scopes: slices.Clone(f.Scopes)}
	if offer.Started.IsZero() {
		offer.Started = offer.Offered
	}
	o.State.Attempt = offer
	switch {
	case !offer.Shared && (expected || role && (renewal || o.State.AdminTenant == tenant)):
		return o.bindOffered(at), Bound
	case o.State.Tenant == "":
		o.State.Consent = ConsentPending
	}
	if role && !renewal {
		return o, NeedsOrgAdmin
	}
	return o, PendingApproval
}

// expects reports whether the operator named the tenant, by its id or by a domain of it.
func (o Organization) expects(tenant string, f Offer) bool {
	return o.ExpectedTenant != "" && (o.ExpectedTenant == tenant || f.ExpectedTenant == tenant)
}

// unexpected reports whether the settings expect another tenant. resolved is the
// tenant that owns the expected domain, "" when that is not known.
func (o Organization) unexpected(tenant, resolved string) bool {
	if IsGUID(o.ExpectedTenant) {
		return o.ExpectedTenant != tenant
	}
	return o.ExpectedTenant != "" && resolved != "" && resolved != tenant
}

// ProveAdmin notes that the organisation's admin signed in to a tenant, and binds
// what waited for that.
func (o Organization) ProveAdmin(tenant string, at time.Time) (Organization, Outcome) {
	tenant = strings.ToLower(tenant)
	if !IsGUID(tenant) || tenant == ConsumerTenant {
		return o, UnexpectedTenant
	}
	offer := o.State.Attempt
	waits := offer.Pending() && offer.Tenant == tenant && offer.AdminRole && !offer.Shared
	if o.State.AdminTenant == tenant && !waits {
		return o, Unchanged
	}
	o.State.AdminTenant = tenant
	if !waits || o.unexpected(tenant, "") || o.State.Tenant != "" && o.State.Tenant != tenant {
		return o, Unchanged
	}
	return o.bindOffered(at), Bound
}

// DecideConsent approves or refuses the offer of an attempt, with the function key.
// The same decision again changes nothing. ErrNotPending: no such offer waits, or
// another one. ErrTenantBound and ErrUnexpectedTenant: it cannot be approved.
func (o Organization) DecideConsent(attempt string, approve bool, at time.Time) (Organization, error) {
	offer, last := o.State.Attempt, o.State.Decided
	switch {
	case !offer.Pending() || offer.ID != attempt:
		if attempt != "" && last.Attempt == attempt && last.Approve == approve {
			return o, nil
		}
		return o, ErrNotPending
	case approve && o.State.Tenant != "" && o.State.Tenant != offer.Tenant:
		return o, ErrTenantBound
	case approve && o.unexpected(offer.Tenant, ""):
		return o, ErrUnexpectedTenant
	}
	if approve {
		o = o.bindOffered(at)
	} else {
		o.State.Attempt = Attempt{}
		if o.State.Tenant == "" {
			o.State.Consent = ConsentNone
		}
	}
	o.State.Decided = Decision{Attempt: attempt, Approve: approve, At: at.UTC().Truncate(time.Second)}
	return o, nil
}

// bindOffered makes the organisation its offer's tenant's. A consent that was
// limited in Exchange is granted only when probes have shown the limits.
func (o Organization) bindOffered(at time.Time) Organization {
	offer, was := o.State.Attempt, o.State
	s := &o.State // what else it says stays
	s.Tenant, s.BoundBy, s.BoundAttempt, s.ConsentedAt = offer.Tenant, BoundByConsent, offer.ID, at.UTC().Truncate(time.Second)
	s.Consent, s.Evidence, s.GrantedScopes, s.PermissionSet = ConsentGranted, EvidenceCallback, offer.Scopes, PermissionSet
	s.Attempt, s.Doubt = Attempt{}, Doubt{}
	switch {
	case o.Consent != "scoped":
	case was.Tenant == offer.Tenant && was.Consented(): // who signed in again changed nothing in Exchange
		s.Consent, s.Evidence, s.GrantedScopes, s.PermissionSet, s.Doubt = was.Consent, was.Evidence, was.GrantedScopes, was.PermissionSet, was.Doubt
	default:
		s.Consent, s.Evidence, s.GrantedScopes, s.PermissionSet = ConsentStarted, "", nil, 0
	}
	return o
}

// Consented reports whether calls to the tenant may be made at all. One that lost
// its consent may be tried: an answer is how it is found again.
func (s State) Consented() bool {
	return s.Tenant != "" && (s.Consent == ConsentGranted || s.Consent == ConsentOutdated || s.Consent == ConsentMissing)
}

// Prove notes that a consent was seen at work just now, with evidence and the
// permissions that a token response named ("" and nil: none). Weaker or equal
// evidence changes nothing; a consent that was missing is back.
func (o Organization) Prove(evidence string, granted []string) Organization {
	if !o.State.Consented() {
		return o
	}
	before := o.State.Evidence
	o = o.Witness(evidence)
	if granted != nil && o.State.Evidence != before {
		o.State.GrantedScopes = slices.Clone(granted)
	}
	return o.back()
}

// Witness notes evidence of a consent, if it is stronger than what is there.
func (o Organization) Witness(evidence string) Organization {
	order := []string{"", EvidenceCallback, EvidenceSilent, EvidenceProbe}
	if o.State.Consented() && slices.Index(order, evidence) > slices.Index(order, o.State.Evidence) {
		o.State.Evidence = evidence
	}
	return o
}

// outdate makes a consent to an older set of permissions consent-outdated: what
// was granted works on.
func (o Organization) outdate() Organization {
	if o.State.Consent == ConsentGranted && o.State.PermissionSet < PermissionSet {
		o.State.Consent = ConsentOutdated
	}
	return o
}

// Probe is what a read of a mailbox with the app's own token came to.
type Probe string

// The probes.
const (
	ProbeRead    Probe = "read"
	ProbeRefused Probe = "refused" // 403: outside the scope
	ProbeUnclear Probe = "unclear" // anything else, which proves nothing
)

// ScopeProof is what two probes say of a scoped consent.
type ScopeProof string

// The proofs.
const (
	ScopeProven  ScopeProof = "proven"      // granted
	ScopeTooWide ScopeProof = "tenant-wide" // both were read: a tenant-wide grant overrides the scope
	ScopeNarrow  ScopeProof = "inside-refused"
	ScopeUnclear ScopeProof = "unclear"
)

// ProveScope judges two probes of an organisation whose consent is scoped: one of a
// mailbox inside the scope, one of a mailbox outside it. It is granted only when
// the first was read and the second refused.
func (o Organization) ProveScope(inside, outside Probe, at time.Time) (Organization, ScopeProof) {
	switch {
	case o.State.Tenant == "" || o.Consent != "scoped":
		return o, ScopeUnclear
	case inside == ProbeRead && outside == ProbeRead:
		return o, ScopeTooWide
	case inside == ProbeRefused:
		return o, ScopeNarrow
	case inside != ProbeRead || outside != ProbeRefused:
		return o, ScopeUnclear
	}
	if o.State.Consent != ConsentGranted {
		o.State.Consent, o.State.ConsentedAt = ConsentGranted, at.UTC().Truncate(time.Second)
	}
	o.State.Evidence, o.State.PermissionSet, o.State.Doubt = EvidenceProbe, PermissionSet, Doubt{}
	o.State.GrantedScopes = []string{"Calendars.ReadWrite"}
	return o, ScopeProven
}
