package main

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/seal"
)

// aesGCM is the kind of the keys that are made, as Tink's template AES256_GCM.
const aesGCM = "type.googleapis.com/google.crypto.tink.AesGcmKey"

// keyset is TOKEN_KEYSET; the primary key is in use.
type keyset struct{ seal.Keyset }

func newKeyset() (*keyset, error) {
	k := &keyset{}
	id, err := k.add()
	if err != nil {
		return nil, err
	}
	return k, k.use(id)
}

func parseKeyset(text string) (*keyset, error) {
	set, err := seal.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("what was read is no keyset: %w", err)
	}
	return &keyset{set}, nil
}

func (k *keyset) add() (id string, err error) {
	material := make([]byte, 32)
	rand.Read(material) // never fails
	number := k.freeID()
	added := seal.Key{Status: "ENABLED", KeyID: number, OutputPrefixType: "TINK"}
	added.KeyData.TypeURL, added.KeyData.KeyMaterialType = aesGCM, "SYMMETRIC"
	// The protocol buffer AesGcmKey: field 3, bytes, 32 of them.
	added.KeyData.Value = append([]byte{3<<3 | 2, byte(len(material))}, material...)
	k.Key = append(k.Key, added)
	return strconv.FormatUint(uint64(number), 10), nil
}

// freeID draws an id as Tink does: any 32 bits but zero that no other key has.
func (k *keyset) freeID() uint32 {
	for {
		var random [4]byte
		rand.Read(random[:])
		id := binary.BigEndian.Uint32(random[:])
		if id != 0 && !slices.ContainsFunc(k.Key, func(other seal.Key) bool { return other.KeyID == id }) {
			return id
		}
	}
}

// at finds a key by its id in decimal digits.
func (k *keyset) at(id string) (int, error) {
	n := slices.IndexFunc(k.Key, func(key seal.Key) bool { return strconv.FormatUint(uint64(key.KeyID), 10) == id })
	if n < 0 {
		return 0, fmt.Errorf("the keyset has no key %q; list shows the ids", id)
	}
	return n, nil
}

func (k *keyset) use(id string) error {
	n, err := k.at(id)
	if err != nil {
		return err
	}
	if k.Key[n].Status != "ENABLED" {
		return fmt.Errorf("key %s is not enabled", id)
	}
	k.PrimaryKeyID = k.Key[n].KeyID
	return nil
}

func (k *keyset) drop(id string) error {
	n, err := k.at(id)
	if err != nil {
		return err
	}
	if k.Key[n].KeyID == k.PrimaryKeyID {
		return fmt.Errorf("key %s seals: use another one first", id)
	}
	k.Key = slices.Delete(k.Key, n, n+1)
	return nil
}

func (k *keyset) list() []string {
	var first, rest []string
	for _, key := range k.Key {
		kind := key.KeyData.TypeURL[strings.LastIndexByte(key.KeyData.TypeURL, '.')+1:]
		line := fmt.Sprintf("%d opens %s", key.KeyID, kind)
		switch {
		case key.KeyID == k.PrimaryKeyID:
			first = append(first, fmt.Sprintf("%d seals %s", key.KeyID, kind))
			continue
		case key.Status != "ENABLED":
			line = fmt.Sprintf("%d %s %s", key.KeyID, strings.ToLower(key.Status), kind)
		}
		rest = append(rest, line)
	}
	return append(first, rest...)
}

func (k *keyset) text() (string, error) {
	text, err := json.Marshal(k.Keyset)
	if err != nil {
		return "", errors.New("the keyset cannot be written")
	}
	return string(text), nil
}
