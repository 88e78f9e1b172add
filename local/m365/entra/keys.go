package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
)

// signingKey is one of the keys that sign access tokens.
type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

// keptKeys is how many keys are published: the one that signs and the one before.
const keptKeys = 2

// RotateKeys makes the next token be signed with a new key. Tokens of the key
// before are still accepted; older ones are not.
func (s *Server) RotateKeys() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addKey()
}

// addKey needs the lock.
func (s *Server) addKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	sum := sha1.Sum(key.N.Bytes())
	s.keys = append(s.keys, signingKey{id: base64.RawURLEncoding.EncodeToString(sum[:]), key: key})
	s.keys = s.keys[max(0, len(s.keys)-keptKeys):]
	return nil
}

// signer returns the key that signs now, making the first one. It needs the lock.
func (s *Server) signer() (signingKey, error) {
	if len(s.keys) == 0 {
		if err := s.addKey(); err != nil {
			return signingKey{}, err
		}
	}
	return s.keys[len(s.keys)-1], nil
}

// jwk is one key of the JWKS document.
type jwk struct {
	KeyType string `json:"kty"`
	Use     string `json:"use"`
	ID      string `json:"kid"`
	X5T     string `json:"x5t"`
	N       string `json:"n"`
	E       string `json:"e"`
	Issuer  string `json:"issuer"`
}

func (s *Server) jwks(w http.ResponseWriter, r *http.Request) {
	issuer, ok := s.issuer(r)
	if !ok {
		s.refuse(w, r, 90002)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.signer(); err != nil {
		http.Error(w, "no key", http.StatusInternalServerError)
		return
	}
	keys := make([]jwk, 0, len(s.keys))
	for _, k := range s.keys {
		keys = append(keys, jwk{
			KeyType: "RSA", Use: "sig", ID: k.id, X5T: k.id, Issuer: issuer,
			N: base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes()),
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}
