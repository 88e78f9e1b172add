package graph

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Fate is what a failed refresh means for the connection whose token it was
// (identity.md section 4).
type Fate string

// The fates.
const (
	FatePassing    Fate = "passing"    // tried again; counted down
	FateDead       Fate = "dead"       // the person signs in again: needs-reauth
	FatePolicy     Fate = "policy"     // blocked-by-policy: the Entra admin's to mend, counted down
	FateConsent    Fate = "consent"    // consent_required: this connection's consent
	FateApp        Fate = "app"        // the app is gone or off in the tenant: counted down, and a matter of the organisation
	FateCredential Fate = "credential" // our own credential: one operator alert, no connection changes
)

// tokenFailure is what an error of package identity tells.
type tokenFailure interface {
	TokenFailure() (code string, aadsts []int, status int, retryAfter time.Duration)
}

// appGone are the numbers that speak of the app in the tenant, not of the person: no
// service principal, or one that is switched off (contract 13.5).
var appGone = []int{700016, 7000112, 70001, 1000031}

// FateOf classifies the error of a refresh, by ClassifyToken's table. An error that is
// not Entra's, and a request that Entra calls malformed, is passing: it is our fault
// or nobody's, and never a reason to ask the person to sign in again.
func FateOf(err error) Fate {
	var f tokenFailure
	if !errors.As(err, &f) {
		return FatePassing
	}
	code, aadsts, status, _ := f.TokenFailure()
	e := ClassifyToken(code, aadsts, status)
	oauth, _, _ := strings.Cut(code, "/")
	switch {
	case e.Kind != Unauthorised:
		return FatePassing
	case slices.ContainsFunc(aadsts, func(n int) bool { return slices.Contains(appGone, n) }):
		return FateApp
	case oauth == "invalid_client":
		return FateCredential
	case e.Reason == ReasonBlockedByPolicy:
		return FatePolicy
	case e.Reason == ReasonConsentMissing:
		return FateConsent
	case e.Reason == ReasonNeedsReauth:
		return FateDead
	case oauth == "unauthorized_client":
		return FateApp
	}
	return FatePassing
}
