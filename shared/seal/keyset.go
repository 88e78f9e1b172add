package seal

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

const keyTypes = "type.googleapis.com/google.crypto.tink."

// Keyset is google.crypto.tink.Keyset in the JSON form of protocol buffers, as tinkey
// and tink-go write it. It holds secrets: it prints as nothing.
type Keyset struct {
	PrimaryKeyID uint32 `json:"primaryKeyId"`
	Key          []Key  `json:"key"`
}

// Key is one key of a Keyset.
type Key struct {
	KeyData struct {
		TypeURL         string `json:"typeUrl"`
		Value           []byte `json:"value"` // a protocol buffer
		KeyMaterialType string `json:"keyMaterialType"`
	} `json:"keyData"`
	Status           string `json:"status"`
	KeyID            uint32 `json:"keyId"`
	OutputPrefixType string `json:"outputPrefixType"`
}

// String hides the keys from logs.
func (Keyset) String() string { return "keyset" }

// GoString hides the keys from %#v.
func (Keyset) GoString() string { return "seal.Keyset{}" }

// String hides the key from logs.
func (Key) String() string { return "key" }

// GoString hides the key from %#v.
func (Key) GoString() string { return "seal.Key{}" }

// Parse reads a keyset and applies Tink's rules (keyset/validation.go): what is
// accepted, Tink makes a working AEAD of. Its errors quote nothing.
func Parse(text string) (Keyset, error) {
	var set Keyset
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&set); err != nil || decoder.More() {
		return set, errors.New("it cannot be read")
	}
	primary := false
	seen := map[uint32]bool{}
	for _, k := range set.Key {
		if err := k.check(); err != nil {
			return set, err
		}
		if seen[k.KeyID] {
			return set, errors.New("two keys have the same id")
		}
		seen[k.KeyID] = true
		primary = primary || k.KeyID == set.PrimaryKeyID && k.enabled()
	}
	if !primary {
		return set, errors.New("an enabled primary key is missing")
	}
	return set, nil
}

func (k Key) enabled() bool { return k.Status == "ENABLED" }

func (k Key) check() error {
	switch {
	case !slices.Contains([]string{"ENABLED", "DISABLED", "DESTROYED"}, k.Status):
		return errors.New("a key has an unknown status")
	case k.OutputPrefixType != "TINK" && k.OutputPrefixType != "RAW":
		return errors.New("the output prefix type of a key must be TINK or RAW")
	case k.KeyData.KeyMaterialType != "SYMMETRIC" || !k.aead():
		return errors.New("a key is no AEAD key: make it with a template such as AES256_GCM")
	}
	return nil
}

// aead reports whether the key is complete and of a kind that Tink seals with.
func (k Key) aead() bool {
	kind, ok := strings.CutPrefix(k.KeyData.TypeURL, keyTypes)
	if !ok {
		return false
	}
	switch kind {
	case "AesGcmKey", "AesGcmSivKey":
		return only(k.KeyData.Value, 3, 16) || only(k.KeyData.Value, 3, 32)
	case "ChaCha20Poly1305Key":
		return only(k.KeyData.Value, 2, 32)
	case "XChaCha20Poly1305Key":
		return only(k.KeyData.Value, 3, 32)
	}
	return false
}

// only reports whether a protocol buffer is one field of so many bytes and
// nothing else, as a key of version 0 is written.
func only(message []byte, field, size int) bool {
	const bytesType = 2
	return len(message) == 2+size && int(message[0]) == field<<3|bytesType && int(message[1]) == size
}

// material is the key itself, of a key that check accepts.
func (k Key) material() []byte { return k.KeyData.Value[2:] }
