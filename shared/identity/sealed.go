package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// tokens is what a connection's row keeps sealed.
type tokens struct {
	Tenant   string `json:"tenant"`
	ObjectID string `json:"objectId"`
	// Home is MSAL's home account id. A guest's is of another tenant.
	Home string `json:"home"`
	// Cache is MSAL's, with refresh token and application metadata only.
	Cache json.RawMessage `json:"cache"`
	// Access is the last access token, until when it is good by our clock, and what it
	// was granted; another instance can use it. MSAL never sees it, because MSAL would
	// judge it by the wall clock.
	Access    string    `json:"access,omitempty"`
	Until     time.Time `json:"until,omitzero"`
	Granted   []string  `json:"granted,omitempty"`
	Refreshed time.Time `json:"refreshed"`
}

func (t tokens) encode() ([]byte, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return nil, &TokenError{Reason: "the tokens cannot be written"}
	}
	return b, nil
}

// good reports whether the access token lasts that much longer and has been granted
// all of scopes.
func (t tokens) good(now time.Time, left time.Duration, scopes []string) bool {
	if t.Access == "" || t.Until.Sub(now) < left {
		return false
	}
	for _, s := range scopes {
		if !slices.ContainsFunc(t.Granted, func(g string) bool { return strings.EqualFold(g, s) }) {
			return false
		}
	}
	return true
}

// same reports whether two hold the same tokens.
func (t tokens) same(other tokens) bool {
	return t.Access == other.Access && bytes.Equal(t.Cache, other.Cache)
}

// associated is what sealed tokens are bound to (identity.md section 4).
func associated(organization string, connection key.Key, tenant, objectID string) []byte {
	b, err := json.Marshal([]string{"tokens", organization, tenant, objectID, connection.String()})
	if err != nil {
		panic(err) // strings always can
	}
	return b
}

// SealTokens seals what a sign-in brought (SignedIn.Cache) for one connection, and for
// no other: the associated data is organisation, tenant, object id and connection.
func (u *Users) SealTokens(organization string, connection key.Key, tenant, objectID string, cache []byte) []byte {
	return u.sealer.Seal(cache, associated(organization, connection, tenant, objectID))
}

// unseal opens a row's tokens. old says that they want sealing anew.
func (u *Users) unseal(ref Ref, row StoredTokens) (t tokens, old bool, err error) {
	plain, old, err := u.sealer.Open(row.Sealed, associated(ref.Organization, ref.Connection, row.Tenant, row.ObjectID))
	if err != nil {
		return t, false, errors.New("the stored tokens cannot be opened")
	}
	if json.Unmarshal(plain, &t) != nil || t.Tenant != row.Tenant || t.ObjectID != row.ObjectID || t.Home == "" {
		return t, false, errors.New("the stored tokens are not the connection's")
	}
	return t, old, nil
}

// seal is the opposite of unseal.
func (u *Users) seal(ref Ref, t tokens) ([]byte, error) {
	plain, err := t.encode()
	if err != nil {
		return nil, err
	}
	return u.SealTokens(ref.Organization, ref.Connection, t.Tenant, t.ObjectID, plain), nil
}
