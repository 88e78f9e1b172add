package link

import (
	"crypto/sha256"
	"encoding/hex"
)

// PurposeClientState is that of what a subscription at Graph brings back.
const PurposeClientState = "client-state"

// KeyID names a key, as LINK_KEYS does: the first eight hex digits of its SHA-256.
func KeyID(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:4])
}

// SigningID names the key that signs.
func (k *Keys) SigningID() string { return KeyID(k.keys[0]) }

// VerifyBy reports whether the key of an id made the signature of these parts for this
// purpose. An id that no key has verifies nothing.
func (k *Keys) VerifyBy(id, purpose, signature string, parts ...string) bool {
	for _, one := range k.keys {
		if KeyID(one) == id {
			return (&Keys{[][]byte{one}}).Verify(purpose, signature, parts...)
		}
	}
	return false
}
