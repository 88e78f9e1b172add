package graph

import (
	"errors"
	"time"
)

// Fate is what a failed refresh means for the connection whose token it was
// (identity.md section 4).
type Fate string

// The fates.
const (
	FatePassing    Fate = "passing"    // tried again; counted down
	FateDead       Fate = "dead"       // the person signs in again: needs-reauth
	FatePolicy     Fate = "policy"     // blocked-by-policy: the Entra admin's to mend
	FateConsent    Fate = "consent"    // consent_required: this connection's consent
	FateApp        Fate = "app"        // the app is gone or off in the tenant: passing for the connection, a matter of the organisation
	FateCredential Fate = "credential" // our own credential: one operator alert, no connection changes
)

// tokenFailure is what an error of identity tells.
type tokenFailure interface {
	TokenFailure() (code string, aadsts []int, status int, retryAfter time.Duration)
}

// FateOf classifies the error of a refresh. An error that is none of Entra's is passing.
func FateOf(err error) Fate {
	var f tokenFailure
	if !errors.As(err, &f) {
		return FatePassing
	}
	code, aadsts, status, _ := f.TokenFailure()
	return fate(ClassifyToken(code, aadsts, status), code, aadsts)
}

func fate(e *Error, code string, aadsts []int) Fate { return FatePassing }
