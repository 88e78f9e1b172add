package portal

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/state"
)

const (
	// stateLife is how long a state parameter is good for (identity.md section 2).
	stateLife = 60 * time.Minute
	// outcomeLife is how long the same browser is shown an outcome again.
	outcomeLife = 10 * time.Minute
	// flowCookieLife outlives the state, so that who comes back late is known.
	flowCookieLife = 24 * time.Hour
)

// secrets is what a flow keeps sealed while it lasts.
type secrets struct {
	Verifier string `json:"verifier,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
	// Person is who signed in to consent, until they confirm.
	Person *signer `json:"person,omitempty"`
	// Tokens is what a sign-in brought before it was confirmed.
	Tokens []byte `json:"tokens,omitempty"`
}

// begin stores a new attempt for this browser, gives it the flow's cookie, and returns
// it with its state parameter. f says everything but ID, Browser, State, Created and
// Expires.
func (v *visit) begin(ctx context.Context, f state.Flow, s secrets) (state.Flow, string, error) {
	cookie := newSecret()
	f.ID, f.Browser, f.Created, f.ETag = key.Random(), hash(cookie), v.now, ""
	f, parameter, err := v.leave(ctx, f, s)
	if err == nil {
		v.setCookie(f.ID, cookie, flowCookieLife)
	}
	return f, parameter, err
}

// leave stores a flow with a new state parameter, good for one callback within
// stateLife, and returns both. What was sealed before is replaced.
//
// The parameter is <flow>.<random>.<signature>: so that an earlier one of the same flow
// is known for what it is, while the row has only the hash of the present one.
func (v *visit) leave(ctx context.Context, f state.Flow, s secrets) (state.Flow, string, error) {
	secret := newSecret()
	secret += "." + v.portal.deps.Keys.Sign(link.PurposeState, f.ID, f.Browser, secret)
	f.State, f.Expires, f.Used = hash(secret), v.now.Add(stateLife), time.Time{}
	f, err := v.keep(ctx, f, &s)
	return f, f.ID + "." + secret, err
}

// keep stores a flow; s nil leaves nothing sealed.
func (v *visit) keep(ctx context.Context, f state.Flow, s *secrets) (state.Flow, error) {
	f.Sealed = nil
	if s != nil {
		plain, err := json.Marshal(s)
		if err != nil {
			return f, err
		}
		f.Sealed = v.portal.deps.Sealer.Seal(plain, sealedFor(f))
	}
	etag, err := v.portal.deps.Flows.Put(ctx, f)
	f.ETag = etag
	return f, err
}

// secrets opens what a flow keeps sealed; the zero value where it keeps nothing.
func (v *visit) secrets(f state.Flow) (secrets, error) {
	var s secrets
	if len(f.Sealed) == 0 {
		return s, nil
	}
	plain, _, err := v.portal.deps.Sealer.Open(f.Sealed, sealedFor(f))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(plain, &s)
}

// sealedFor is the associated data of a flow's secrets: they open in no other flow.
func sealedFor(f state.Flow) []byte {
	return []byte("flow\x00" + f.Organization + "\x00" + f.ID)
}

// verdict is what became of looking a flow up.
type verdict int

const (
	flowUnknown verdict = iota // no such flow, forged, or of another browser
	flowFresh                  // this browser's, its state not used and not expired
	flowUsed                   // this browser's, used within outcomeLife: show where it stands
	flowStale                  // this browser's, used longer ago
	flowExpired                // this browser's, not used and too late
)

// returned finds the flow that a callback's state parameter names. Only flowUnknown
// comes without the flow.
func (v *visit) returned(ctx context.Context, parameter string) (state.Flow, verdict, error) {
	id, secret, _ := strings.Cut(parameter, ".")
	random, signature, ok := strings.Cut(secret, ".")
	if !ok || !isSecret(random) {
		return state.Flow{}, flowUnknown, nil
	}
	f, ok, err := v.flow(ctx, id)
	if err != nil || !ok || !v.portal.deps.Keys.Verify(link.PurposeState, signature, f.ID, f.Browser, random) {
		return state.Flow{}, flowUnknown, err
	}
	last, present := f.Used, same(f.State, hash(secret))
	if last.IsZero() {
		last = f.Expires.Add(-stateLife) // when it left last
	}
	switch {
	case present && f.Used.IsZero() && v.now.Before(f.Expires):
		return f, flowFresh, nil
	case present && f.Used.IsZero():
		return f, flowExpired, nil
	case v.now.Before(last.Add(outcomeLife)):
		return f, flowUsed, nil
	}
	return f, flowStale, nil
}

// flow finds a flow of this browser by id; false where there is none.
func (v *visit) flow(ctx context.Context, id string) (state.Flow, bool, error) {
	secret, ok := v.cookie(id)
	if !isID(id) || !ok {
		return state.Flow{}, false, nil
	}
	f, err := v.portal.deps.Flows.Get(ctx, id)
	if errors.Is(err, state.ErrNotFound) {
		return state.Flow{}, false, nil
	}
	if err != nil || !same(f.Browser, hash(secret)) {
		return state.Flow{}, false, err
	}
	return f, true, nil
}
