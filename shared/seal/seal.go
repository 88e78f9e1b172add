// Package seal encrypts what is stored and must stay secret: token caches, PKCE
// verifiers, nonces (identity.md section 4). It is Google Tink's AEAD over Tink's
// keysets: what one seals, the other opens.
//
// # Why not tink-go
//
// Its keyset and primitive packages, aead/subtle among them, link the runtime of
// protocol buffers: 3.8 MB in a binary that has 16. So the framing is done here, and
// tink-go stands only in tests, which hold the two together for every kind of key,
// prefix, rotation and status. AES-GCM is Go's own, ChaCha20-Poly1305 that of
// golang.org/x/crypto; AES-GCM-SIV, which neither has, is in gcmsiv.go.
//
// # Format
//
//	TINK  0x01, the key's id in 4 bytes big endian, nonce, ciphertext and tag
//	RAW   nonce, ciphertext and tag
//
// The primary key seals, every enabled key opens: first those whose id the prefix
// names, then those of RAW. The nonce is random, 12 bytes, of XChaCha20 24.
//
// # Rotation
//
// While a new keyset is rolled out, instances with the old one run as well, and cannot
// open what a key seals that they do not have. So a rotation has two steps: deploy the
// new key as a further one, then make it primary. Rows are sealed anew as they are
// used, at the latest by the daily keep-alive; an old key may go a day after that.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrOpen says that something was not sealed with any of the keys for this place, or
// was changed since. It never says which.
var ErrOpen = errors.New("seal: this cannot be opened")

// tinkStart begins what a key with the output prefix TINK seals.
const tinkStart = 1

// Sealer seals with the keys of a keyset. It is safe for concurrent use and prints as
// nothing.
type Sealer struct {
	primary key
	others  []key // enabled, in the keyset's order
}

// key is one that can be used.
type key struct {
	prefix []byte // empty for RAW
	aead   cipher.AEAD
}

// New makes a Sealer of a Tink keyset in JSON, as settings give it (TOKEN_KEYSET).
// Its error quotes nothing of the keyset.
func New(keysetJSON string) (*Sealer, error) {
	set, err := Parse(keysetJSON)
	if err != nil {
		return nil, errors.New("seal.New: the keyset: " + err.Error())
	}
	s := &Sealer{}
	for _, k := range set.Key {
		if !k.enabled() {
			continue
		}
		usable, err := k.open()
		if err != nil {
			return nil, errors.New("seal.New: a key cannot be used")
		}
		if k.KeyID == set.PrimaryKeyID {
			s.primary = usable
		} else {
			s.others = append(s.others, usable)
		}
	}
	return s, nil
}

// String hides the keys from logs.
func (*Sealer) String() string { return "sealer" }

// GoString hides the keys from %#v.
func (*Sealer) GoString() string { return "&seal.Sealer{}" }

// Seal encrypts plain with the primary key and binds it to associated, which is not
// kept in the answer: Open wants the same again.
func (s *Sealer) Seal(plain, associated []byte) []byte { return s.primary.seal(plain, associated) }

// Open decrypts what Seal made. old says that the key is not the primary one any
// more, so that the caller seals anew. The error is ErrOpen and tells nothing else.
func (s *Sealer) Open(sealed, associated []byte) (plain []byte, old bool, err error) {
	if plain, err = s.primary.unseal(sealed, associated); err == nil {
		return plain, false, nil
	}
	for _, k := range s.others {
		if plain, err = k.unseal(sealed, associated); err == nil {
			return plain, true, nil
		}
	}
	return nil, false, ErrOpen
}

// open makes a key usable.
func (k Key) open() (key, error) {
	usable := key{}
	if k.OutputPrefixType == "TINK" {
		usable.prefix = binary.BigEndian.AppendUint32([]byte{tinkStart}, k.KeyID)
	}
	var err error
	switch strings.TrimPrefix(k.KeyData.TypeURL, keyTypes) {
	case "AesGcmKey":
		var block cipher.Block
		if block, err = aes.NewCipher(k.material()); err == nil {
			usable.aead, err = cipher.NewGCM(block)
		}
	case "AesGcmSivKey":
		usable.aead, err = newGCMSIV(k.material())
	case "ChaCha20Poly1305Key":
		usable.aead, err = chacha20poly1305.New(k.material())
	case "XChaCha20Poly1305Key":
		usable.aead, err = chacha20poly1305.NewX(k.material())
	default:
		err = errors.New("unknown kind")
	}
	return usable, err
}

func (k key) seal(plain, associated []byte) []byte {
	start := len(k.prefix)
	nonceEnd := start + k.aead.NonceSize()
	out := make([]byte, nonceEnd, nonceEnd+len(plain)+k.aead.Overhead())
	copy(out, k.prefix)
	rand.Read(out[start:nonceEnd]) // never fails
	return k.aead.Seal(out, out[start:nonceEnd], plain, associated)
}

func (k key) unseal(sealed, associated []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, k.prefix)
	if !ok || len(rest) < k.aead.NonceSize()+k.aead.Overhead() {
		return nil, ErrOpen
	}
	n := k.aead.NonceSize()
	return k.aead.Open(nil, rest[:n], rest[n:], associated)
}
