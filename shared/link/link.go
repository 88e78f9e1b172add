// Package link signs what Calbridge hands to browsers: links, cookies of sessions
// and forms, the state of a sign-in.
//
// # Signatures
//
// A signature is HMAC-SHA256 over a purpose and parts, each with its length before
// it, as 43 characters of base64url: no two lists of parts are signed alike, and a
// signature for one purpose is worth nothing for another. The keys are LINK_KEYS of
// design.md: the first signs, all verify, so that a key can be changed without
// breaking what is under way; an old one stays at least eight days. A signature
// says nothing of time: what expires has a row that says when.
//
// # Links
//
// The URL of a link carries an opaque id, the role and a signature, nothing else
// (identity.md section 1; its form is wire.md's, Internal messages). The signature
// lets a wrong id be refused without reading a table; what the link stands for is
// in its row.
//
// [Decode] reads the body of POST links, [Issuer] makes the link: only for an
// organisation for which the operator enabled the integration (R1), and only leading
// back to an allowed origin.
//
// Comparing takes the same time for every signature of the right form.
//
// Guessed: that a room manager's link, like a user's, has to name the user; that an
// Entra admin's may name one, whose link it is (nobody needs to be that user to open
// it); that POST links leaves earlier links as they are.
package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Purposes that keep signatures apart.
const (
	PurposeLink    = "link"    // a link's URL: id, role
	PurposeSession = "session" // a session's cookie or what is derived from it
	PurposeForm    = "form"    // the token that a page's form sends back
	PurposeState   = "state"   // OAuth's state of a sign-in
	PurposeFlow    = "flow"    // the cookie of one attempt
)

// Size is the length of a signature in characters.
const Size = 43

// MinKey is the least length of a key in bytes.
const MinKey = 32

// ErrKeys: there is no key, or one is too short.
var ErrKeys = errors.New("link: at least one key of at least 32 bytes is needed")

// Keys sign and verify. They are safe for concurrent use.
type Keys struct{ keys [][]byte }

// NewKeys returns the keys, of which the first signs. It keeps no reference.
func NewKeys(keys ...[]byte) (*Keys, error) {
	if len(keys) == 0 {
		return nil, ErrKeys
	}
	k := &Keys{}
	for _, one := range keys {
		if len(one) < MinKey {
			return nil, ErrKeys
		}
		k.keys = append(k.keys, slices.Clone(one))
	}
	return k, nil
}

// Sign returns the signature of parts for a purpose, 43 characters of base64url.
func (k *Keys) Sign(purpose string, parts ...string) string {
	return base64.RawURLEncoding.EncodeToString(sum(k.keys[0], purpose, parts))
}

// Verify reports whether any of the keys made the signature of these parts for
// this purpose.
func (k *Keys) Verify(purpose, signature string, parts ...string) bool {
	if len(signature) != Size {
		return false
	}
	given, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil {
		return false
	}
	ok := false
	for _, one := range k.keys { // all of them, whichever fits
		ok = hmac.Equal(given, sum(one, purpose, parts)) || ok
	}
	return ok
}

func sum(key []byte, purpose string, parts []string) []byte {
	h := hmac.New(sha256.New, key)
	var size [4]byte
	for _, part := range append([]string{"calbridge", purpose}, parts...) {
		binary.BigEndian.PutUint32(size[:], uint32(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// Path is where links lead, below the public URL; the link's id follows.
const Path = "/api/portal/go/"

// URL returns the URL of a link: publicURL is the outside base without /api.
func (k *Keys) URL(publicURL, id, role string) string {
	return strings.TrimSuffix(publicURL, "/") + Path + id + "?" +
		"r=" + url.QueryEscape(role) + "&s=" + k.Sign(PurposeLink, id, role)
}

// Check reports whether an id from a link's path and its query belong together: the
// query has one role and one signature of both, and what else it has is ignored,
// since mail programs add to links. It returns the role, which is one that URL was
// once given.
func (k *Keys) Check(id string, query url.Values) (role string, ok bool) {
	roles, signatures := query["r"], query["s"]
	if id == "" || len(roles) != 1 || len(signatures) != 1 {
		return "", false
	}
	if !k.Verify(PurposeLink, signatures[0], id, roles[0]) {
		return "", false
	}
	return roles[0], true
}
