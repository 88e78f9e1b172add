package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// signingKey is one of the keys that sign access tokens.
type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

// sign makes a token of claims.
func (k signingKey) sign(claims jwt.Claims) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"], token.Header["x5t"] = k.id, k.id
	return token.SignedString(k.key)
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

// consumerKey signs id tokens of personal accounts, and strangerKey is published
// nowhere. Each is made once per process, when it is needed.
var (
	consumerKey = sync.OnceValues(newKey)
	strangerKey = sync.OnceValues(newKey)
)

// named gives a key its id.
func named(key *rsa.PrivateKey) signingKey {
	sum := sha1.Sum(key.N.Bytes())
	return signingKey{id: base64.RawURLEncoding.EncodeToString(sum[:]), key: key}
}

// add makes a key the one that signs. It needs the lock.
func (s *Server) add(key *rsa.PrivateKey) {
	s.keys = append(s.keys, named(key))
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

// jwks publishes the keys. Those at common carry an issuer each: the placeholder for
// work accounts, the tenant of personal accounts for theirs (13.4).
func (s *Server) jwks(w http.ResponseWriter, r *http.Request) {
	issuer, ok := s.issuer(r)
	if !ok {
		s.refuse(w, r, 90002)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.ToLower(r.PathValue("tenant"))
	keys := []jwk{}
	_, err := s.signer()
	if path != "consumers" && path != Consumers {
		for _, k := range s.keys {
			keys = append(keys, k.public(issuer))
		}
	}
	if path == "common" || len(keys) == 0 {
		var key *rsa.PrivateKey
		if key, err = consumerKey(); err == nil {
			keys = append(keys, named(key).public("https://"+r.Host+"/"+Consumers+"/v2.0"))
		}
	}
	if err != nil {
		http.Error(w, "no key", http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// public is what the document tells of a key.
func (k signingKey) public(issuer string) jwk {
	return jwk{
		KeyType: "RSA", Use: "sig", ID: k.id, X5T: k.id, Issuer: issuer,
		N: base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
		E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes()),
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}
