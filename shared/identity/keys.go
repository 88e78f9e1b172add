package identity

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

const (
	// keysLife is how long a tenant's keys are believed without asking again.
	keysLife = 24 * time.Hour
	// keysPause is how often at most they are fetched anew because of a key that is
	// not among them (contract 13.4: with a rate limit).
	keysPause = time.Minute
	// minKeyBits is the shortest RSA key that is believed.
	minKeyBits = 2048
)

// signingKey is a key of Entra that signs id tokens.
type signingKey struct {
	public *rsa.PublicKey
	// issuer is whose tokens the key may sign, with {tenantid} for any tenant's; ""
	// where the document does not say.
	issuer string
}

// keyStore keeps Entra's public keys, per address.
type keyStore struct {
	client  *http.Client
	now     func() time.Time
	timeout time.Duration

	flights singleflight.Group
	mu      sync.Mutex
	sets    map[string]keySet
}

type keySet struct {
	keys    map[string]signingKey // by kid
	fetched time.Time             // by keyStore.now
}

func newKeyStore(client *http.Client, now func() time.Time, timeout time.Duration) *keyStore {
	return &keyStore{client: client, now: now, timeout: timeout, sets: map[string]keySet{}}
}

// find returns the key with an id at an address; ok is false where there is none. The
// error says that the keys could not be fetched; a key of yesterday is given with it.
func (s *keyStore) find(ctx context.Context, address, kid string) (k signingKey, ok bool, err error) {
	s.mu.Lock()
	set, known := s.sets[address]
	s.mu.Unlock()
	age := s.now().Sub(set.fetched)
	if k, ok = set.keys[kid]; known && age < keysLife && (ok || age < keysPause) {
		return k, ok, nil
	}
	got, err, _ := s.flights.Do(address, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout) // others may wait for it
		defer cancel()
		return s.fetch(ctx, address)
	})
	if err != nil {
		return k, ok, err
	}
	k, ok = got.(keySet).keys[kid]
	return k, ok, nil
}

func (s *keyStore) fetch(ctx context.Context, address string) (keySet, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return keySet{}, err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return keySet{}, err
	}
	defer resp.Body.Close()
	body, err := readAnswer(resp.Body)
	if err != nil {
		return keySet{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return keySet{}, &TokenError{Status: resp.StatusCode}
	}
	keys, err := readKeys(body)
	if err != nil {
		return keySet{}, err
	}
	set := keySet{keys: keys, fetched: s.now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sets) >= maxDocuments {
		for other := range s.sets {
			delete(s.sets, other)
			break
		}
	}
	s.sets[address] = set
	return set, nil
}

// readKeys reads a key document (contract 13.1). What is no RSA signing key of a good
// size is left out, so that a key of another kind cannot verify anything.
func readKeys(body []byte) (map[string]signingKey, error) {
	var wire struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return nil, err
	}
	keys := map[string]signingKey{}
	for _, raw := range wire.Keys {
		var k jose.JSONWebKey
		var more struct {
			Issuer string `json:"issuer"`
		}
		if json.Unmarshal(raw, &k) != nil || json.Unmarshal(raw, &more) != nil {
			continue
		}
		public, ok := k.Key.(*rsa.PublicKey)
		if !ok || k.KeyID == "" || k.Use != "" && k.Use != "sig" || public.N.BitLen() < minKeyBits {
			continue
		}
		keys[k.KeyID] = signingKey{public, more.Issuer}
	}
	return keys, nil
}
