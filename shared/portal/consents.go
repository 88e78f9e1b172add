package portal

import (
	"context"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
)

// Entra is where people sign in; *identity.Users is it.
type Entra interface {
	AuthorizeURL(ctx context.Context, l identity.Leave) (string, error)
	AdminConsentURL(l identity.ConsentLeave) (string, error)
	// Redeem's error is a *identity.SignInError or a *identity.TokenError.
	Redeem(ctx context.Context, r identity.Redemption) (identity.SignedIn, error)
}

// Consents decides about consent (identity.md section 2); *engine.Engine does. An
// organisation that is not there is state.ErrNotFound. All may be repeated.
type Consents interface {
	ConsentAsk(ctx context.Context, organization string) (organization.Ask, error)
	BeginConsent(ctx context.Context, organization, attempt string) error
	FailConsent(ctx context.Context, organization, attempt, why string) error
	OfferConsent(ctx context.Context, organization string, offer engine.ConsentOffer) (engine.ConsentResult, error)
	ProveAdmin(ctx context.Context, organization, tenant string) (engine.ConsentResult, error)
	// ProveConsent notes evidence that a sign-in gave, with the permissions that the token
	// response named.
	ProveConsent(ctx context.Context, organization, evidence string, granted []string) (engine.Consent, error)
	// ProbeConsent reads one mailbox with the app's own token, ProbeScope one inside and
	// one outside of a scoped consent's limits.
	ProbeConsent(ctx context.Context, organization, address string) (organization.Probe, error)
	ProbeScope(ctx context.Context, organization, inside, outside string) (organization.ScopeProof, error)
}

var _ Consents = (*engine.Engine)(nil)
