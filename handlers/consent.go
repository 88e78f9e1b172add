package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/problem"
	"github.com/calbridge/calbridge/shared/state"
)

// Consenter knows how an organisation's consent stands. state.ErrNotFound: there is
// no such organisation.
type Consenter interface {
	Consent(ctx context.Context, organization string) (engine.Consent, error)
	// DecideConsent approves or refuses a pending one; the same decision again changes
	// nothing. organization.ErrNotPending, organization.ErrTenantBound,
	// organization.ErrUnexpectedTenant: nothing has changed.
	DecideConsent(ctx context.Context, organization, attempt string, approve bool) (engine.Consent, error)
	// ProbeScope tests the limits of a scoped consent by a mailbox inside and one outside.
	// engine.ErrNotProbed (it is not scoped), engine.ErrNoConsent: nothing was asked.
	ProbeScope(ctx context.Context, organization, inside, outside string) (organization.ScopeProof, error)
}

// consent is the resource consent of the function Organizations.
type consent struct{ consents Consenter }

func (c consent) get(ctx context.Context, r *request) answer {
	known, err := c.consents.Consent(ctx, r.organization)
	if err != nil {
		return consentProblem(err)
	}
	return answer{status: http.StatusOK, body: shown(r.organization, known)}
}

// decide decides a pending consent, or tests a scoped one.
func (c consent) decide(ctx context.Context, r *request) answer {
	body, bad := r.body(maxBody, "application/json")
	if bad != nil {
		return *bad
	}
	if asksForProof(body) {
		return c.prove(ctx, r, body)
	}
	attempt, approve, faults := decodeDecision(body)
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "Nothing was decided; errors says what is wrong.", faults...)
	}
	known, err := c.consents.DecideConsent(ctx, r.organization, attempt, approve)
	if err != nil {
		return consentProblem(err)
	}
	return answer{status: http.StatusOK, body: shown(r.organization, known)}
}

// consentView is how a consent stands, on the wire: the members of the organisation's
// state, and those of what is under way.
type consentView struct {
	Organization string `json:"organization"`
	state        organization.State
	underway
}

// underway is an attempt to consent, and what it asks of whoever decides.
type underway struct {
	Attempt   string     `json:"attempt,omitempty"`
	StartedAt *time.Time `json:"startedAt,omitempty"`
	// Failed is why the attempt ended without an offer.
	Failed  string   `json:"failed,omitempty"`
	Offered *offered `json:"offered,omitempty"`
	// Added are permissions that this version needs beyond those consented to.
	Added []string `json:"added,omitempty"`
	// Allowed are the tenants whose people may connect, of an organisation of any.
	Allowed []allowed `json:"allowed,omitempty"`
	// Proof is what a test of the limits came to that was just made.
	Proof organization.ScopeProof `json:"proof,omitempty"`
}

// allowed is a tenant whose administrator consented for its people; it is bound to nothing.
type allowed struct {
	Tenant string    `json:"tenant"`
	Domain string    `json:"domain,omitempty"`
	At     time.Time `json:"at"`
}

// offered is a tenant whose administrator came back, and that waits for a decision.
type offered struct {
	Tenant string    `json:"tenant"`
	Domain string    `json:"domain,omitempty"`
	At     time.Time `json:"at"`
	// AdminRole says that the sign-in showed a role that can consent.
	AdminRole bool `json:"adminRole"`
	// Shared says that other organisations are bound to the tenant, and that no
	// administrator of it has agreed to one more.
	Shared bool `json:"shared"`
}

// MarshalJSON writes the members of all parts as one object.
func (v consentView) MarshalJSON() ([]byte, error) {
	members := map[string]any{}
	type own struct {
		Organization string `json:"organization"`
		underway
	}
	for _, part := range []any{v.state, own{v.Organization, v.underway}} {
		text, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &members); err != nil {
			return nil, err
		}
	}
	return json.Marshal(members)
}

func shown(id string, c engine.Consent) consentView {
	view := consentView{Organization: id, state: c.State, underway: underway{Added: c.Added}}
	for _, a := range c.State.Allowed {
		view.Allowed = append(view.Allowed, allowed{a.Tenant, a.Domain, a.At})
	}
	if a := c.State.Attempt; a.ID != "" {
		view.Attempt, view.StartedAt, view.Failed = a.ID, &a.Started, a.Failed
		if a.Pending() {
			view.Offered = &offered{Tenant: a.Tenant, Domain: a.Domain, At: a.Offered, AdminRole: a.AdminRole, Shared: a.Shared}
		}
	}
	return view
}

func consentProblem(err error) answer {
	switch {
	case errors.Is(err, organization.ErrNotPending):
		return problemAnswer(codeConflict, "No consent of this attempt waits for a decision. Read the consent again.")
	case errors.Is(err, state.ErrPrecondition):
		return problemAnswer(codeConflict, "Others kept changing the organisation. Read the consent again.")
	}
	return organizationProblem(err)
}

// decodeDecision reads {"decision":"approve"|"refuse","attempt"}; both must be there.
func decodeDecision(body []byte) (attempt string, approve bool, faults []problem.Fault) {
	fault := func(pointer, code, detail string) {
		faults = append(faults, problem.Fault{Pointer: pointer, Code: code, Detail: detail})
	}
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		fault("", "syntax", "The body must be one JSON object.")
		return "", false, faults
	}
	faults = problem.Twice(body)
	switch members["decision"] {
	case "approve":
		approve = true
	case "refuse":
	case nil:
		fault("/decision", "required", "This must be approve or refuse.")
	default:
		fault("/decision", "value", "This must be approve or refuse.")
	}
	attempt, ok := members["attempt"].(string)
	switch {
	case members["attempt"] == nil || ok && attempt == "":
		fault("/attempt", "required", "This must be the attempt that GET consent shows.")
	case !ok:
		fault("/attempt", "type", "This must be a string.")
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name != "decision" && name != "attempt" {
			fault("/"+problem.Escape(name), "unknown-member", "There is no such member.")
		}
	}
	return attempt, approve, faults
}
