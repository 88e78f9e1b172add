// Package seal encrypts what is stored and must stay secret: token caches, PKCE
// verifiers, nonces.
package seal

import "errors"

// Sealer seals with the keys of a Tink keyset. It is safe for concurrent use.
type Sealer struct{}

// New makes a Sealer of a Tink keyset in JSON, as settings give it (TOKEN_KEYSET,
// or the reading key of another one). Its error quotes nothing of the keyset.
func New(keysetJSON string) (*Sealer, error) { return nil, errors.New("seal: not built yet") }

// Seal encrypts plain with the primary key and binds it to associated, which is not
// kept in the answer: Open wants the same again.
func (s *Sealer) Seal(plain, associated []byte) []byte { return nil }

// Open decrypts what Seal made. old says that the key is not the primary one any
// more, so that the caller seals anew. The error is ErrOpen.
func (s *Sealer) Open(sealed, associated []byte) (plain []byte, old bool, err error) {
	return nil, false, ErrOpen
}

// ErrOpen says that something was not sealed with any of the keys for this place, or
// was changed since. It never says which.
var ErrOpen = errors.New("seal: this cannot be opened")
