package portal

import (
	"encoding/json"

	"github.com/calbridge/calbridge/shared/state"
)

// Steps of an attempt to consent.
const (
	stepConsenting = "consenting" // at Microsoft's consent page
	stepSigningIn  = "signing-in" // at Microsoft's sign-in
	stepResume     = "resume"     // the sign-in is to be begun again
	stepConfirm    = "confirm"    // the person is asked whether this is right
	stepDone       = "done"
)

// detail is what a flow remembers without secrets.
type detail struct {
	// Tenant is where the sign-in is to be: a GUID, or organizations for any.
	Tenant string   `json:"tenant,omitempty"`
	Scopes []string `json:"scopes,omitempty"`
	// Cause is an AADSTS number or OAuth's word of what failed, Correlation Entra's id of it.
	Cause       string `json:"cause,omitempty"`
	Correlation string `json:"correlation,omitempty"`
	// Missing are permissions that are to be consented to once more.
	Missing []string `json:"missing,omitempty"`
}

// document is the detail as a flow has it.
func (d detail) document() []byte {
	doc, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings
	}
	return doc
}

// detailOf is a flow's detail; the zero value where it has none that can be read.
func detailOf(f state.Flow) (d detail) {
	if json.Unmarshal(f.Detail, &d) != nil {
		return detail{}
	}
	return d
}
