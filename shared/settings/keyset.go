package settings

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

const keyTypes = "type.googleapis.com/google.crypto.tink."

// keyset reads a Tink keyset in JSON, as tinkey and tink-go write it.
//
// Tink itself is not asked, since it brings 3.8 MB of protocol buffers into a
// binary that has 16 MB. TestKeysetsAreJudgedAsTinkJudgesThem holds the two together:
// Tink makes an AEAD of everything that is accepted here.
func (r *reader) keyset(name string, local bool) Secret {
	text, ok := r.required(name)
	if !ok {
		return Secret{}
	}
	set, err := parseKeyset(text)
	if err != nil {
		r.fault(name, "must be a Tink keyset in JSON: %v", err)
		return Secret{}
	}
	if !local && slices.ContainsFunc(set.Key, func(k tinkKey) bool { return sampleKey(sum(string(k.KeyData.Value))) }) {
		r.fault(name, sampleRefused)
	}
	// Written anew, since encoding/json reads more than Tink does, such as names in
	// another case.
	exact, err := json.Marshal(set)
	if err != nil {
		r.fault(name, "cannot be written again")
	}
	return Secret{string(exact)}
}

// tinkKeyset is google.crypto.tink.Keyset in the JSON form of protocol buffers.
type tinkKeyset struct {
	PrimaryKeyID uint32    `json:"primaryKeyId"`
	Key          []tinkKey `json:"key"`
}

type tinkKey struct {
	KeyData struct {
		TypeURL         string `json:"typeUrl"`
		Value           []byte `json:"value"` // a protocol buffer
		KeyMaterialType string `json:"keyMaterialType"`
	} `json:"keyData"`
	Status           string `json:"status"`
	KeyID            uint32 `json:"keyId"`
	OutputPrefixType string `json:"outputPrefixType"`
}

// parseKeyset applies Tink's rules (keyset/validation.go). Its errors quote nothing.
func parseKeyset(text string) (tinkKeyset, error) {
	var set tinkKeyset
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
		primary = primary || k.KeyID == set.PrimaryKeyID && k.Status == "ENABLED"
	}
	if !primary {
		return set, errors.New("an enabled primary key is missing")
	}
	return set, nil
}

func (k tinkKey) check() error {
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
func (k tinkKey) aead() bool {
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
