package settings

import (
	"encoding/json"
	"slices"

	"github.com/calbridge/calbridge/shared/seal"
)

// keyset reads a Tink keyset in JSON; package seal judges it.
func (r *reader) keyset(name string, local bool) Secret {
	text, ok := r.required(name)
	if !ok {
		return Secret{}
	}
	set, err := seal.Parse(text)
	if err != nil {
		r.fault(name, "must be a Tink keyset in JSON: %v", err)
		return Secret{}
	}
	if !local && slices.ContainsFunc(set.Key, func(k seal.Key) bool { return sampleKey(sum(string(k.KeyData.Value))) }) {
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
