package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"sync"
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

// addKey makes a new key. It needs the lock.
func (s *Server) addKey() error {
	key, err := newKey()
	if err != nil {
		return err
	}
	s.add(key)
	return nil
}

func newKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// firstKey is the key that every server of the process begins with: making one
// takes a fifth of a second and more, and a test run starts hundreds of servers.
var firstKey = sync.OnceValues(newKey)

// add makes a key the one that signs. It needs the lock.
func (s *Server) add(key *rsa.PrivateKey) {
	sum := sha1.Sum(key.N.Bytes())
	s.keys = append(s.keys, signingKey{id: base64.RawURLEncoding.EncodeToString(sum[:]), key: key})
	s.keys = s.keys[max(0, len(s.keys)-keptKeys):]
}

// signer returns the key that signs now. It needs the lock.
func (s *Server) signer() (signingKey, error) {
	if len(s.keys) == 0 {
		key, err := firstKey()
		if err != nil {
			return signingKey{}, err
		}
		s.add(key)
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
