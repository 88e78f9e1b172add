package entra

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy is what a tenant lets its users and apps do. The zero value lets users
// consent to what needs no administrator, and sets no condition.
type Policy struct {
	// NoUserConsent forbids users to consent to anything.
	NoUserConsent bool
	// Workflow is the admin consent workflow: who may not consent gets a form that
	// asks an administrator (90095) and stays on Entra's page. Without it there is a
	// page with a link back (90094).
	Workflow bool
	// Browser is asked where a person signs in, Server where an app refreshes a token:
	// a policy by place or device lets the one pass and stops the other.
	Browser, Server Condition
	// SignInFrequency ends sessions and refresh tokens this long after the sign-in
	// (70043); 0 never.
	SignInFrequency time.Duration
	// Restricted refuses the sign-in because of tenant restrictions (500021).
	Restricted bool
}

// Condition is a Conditional Access policy.
type Condition struct {
	// Block is the AADSTS number that refuses: 53000 to 53003, 530032, 50131; 0 none.
	Block int `json:"block,omitempty"`
	// MFA asks for a second factor (50076).
	MFA bool `json:"mfa,omitempty"`
	// Users it applies to, by principal name or object id; everyone when empty.
	Users []string `json:"users,omitempty"`
}

// Switches decide what the contract marks as unknown. The zero value is its working
// assumption.
type Switches struct {
	// NoWids leaves wids out of id tokens (13.4).
	NoWids bool `json:"noWids"`
	// MergeConsents lets an administrator's consent add to the delegated grant for
	// all; else it replaces it (identity.md 2.6).
	MergeConsents bool `json:"mergeConsents"`
	// BlockedError is the error of 5300x at the token endpoint: access_denied when
	// empty, else for instance interaction_required (16, 13).
	BlockedError string `json:"blockedError"`
	// AdminCancelError is the error of a cancelled v1 admin consent: permission_denied
	// when empty; access_denied was seen (13.3).
	AdminCancelError string `json:"adminCancelError"`
}

// SetPolicy replaces a tenant's policy. It fails for an unknown tenant and for a Block
// that is none.
func (s *Server) SetPolicy(tenantID string, p Policy) error {
	for _, c := range []Condition{p.Browser, p.Server} {
		if c.Block != 0 && !slices.Contains([]int{53000, 53001, 53002, 53003, 530032, 50131}, c.Block) {
			return fmt.Errorf("entra.SetPolicy: %d blocks nothing", c.Block)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return fmt.Errorf("entra.SetPolicy: no such tenant")
	}
	t.policy = p
	return nil
}

// SetSwitches changes what the contract leaves unknown, from the next request on.
func (s *Server) SetSwitches(switches Switches) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.switches = switches
}

// Switches returns those in force.
func (s *Server) Switches() Switches {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.switches
}

// meets reports whether the condition applies to an account.
func (c Condition) meets(a *account) bool {
	return len(c.Users) == 0 || slices.ContainsFunc(c.Users, func(u string) bool {
		return strings.EqualFold(u, a.Principal) || strings.EqualFold(u, a.ObjectID)
	})
}

// stops gives the number that refuses an account, with or without a second factor; 0
// when it passes.
func (c Condition) stops(a *account, mfa bool) int {
	switch {
	case !c.meets(a):
		return 0
	case c.Block != 0:
		return c.Block
	case c.MFA && !mfa:
		return 50076
	}
	return 0
}
