package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/calbridge/calbridge/shared/engine"
)

// prove tests the limits of a scoped consent by two mailboxes (identity.md section 2):
// POST consent with {"inside","outside"} in place of a decision. The answer is the
// consent as it is then, with what the test came to as its member proof. It may be
// repeated; only what proves the limits changes anything.
func (c consent) prove(ctx context.Context, r *request, body []byte) answer {
	m := readMembers(body, "inside", "outside")
	inside, outside := m.address("inside"), m.address("outside")
	if inside != "" && strings.EqualFold(inside, outside) {
		m.fault("/outside", "mismatch", "This must be another mailbox than inside.")
	}
	if len(m.faults) > 0 {
		return problemAnswer(codeInvalid, "Nothing was tested; errors says what is wrong.", m.faults...)
	}
	proof, err := c.consents.ProbeScope(ctx, r.organization, inside, outside)
	switch {
	case errors.Is(err, engine.ErrNotProbed):
		return problemAnswer(codeConflict, "There is no limit to test in this organisation: its settings do not say consent scoped.")
	case errors.Is(err, engine.ErrNoConsent):
		return problemAnswer(codeConflict, "The organisation is not bound to a tenant yet: an administrator signs in first, by the consent link.")
	case err != nil:
		return consentProblem(err)
	}
	known, err := c.consents.Consent(ctx, r.organization)
	if err != nil {
		return consentProblem(err)
	}
	view := shown(r.organization, known)
	view.Proof = proof
	return answer{status: http.StatusOK, body: view}
}

// asksForProof reports whether a body of POST consent names mailboxes and no decision.
func asksForProof(body []byte) bool {
	var given map[string]json.RawMessage
	if json.Unmarshal(body, &given) != nil || given["decision"] != nil {
		return false
	}
	return given["inside"] != nil || given["outside"] != nil
}

// address is a required member that looks like an address.
func (m *members) address(name string) string {
	faults := len(m.faults)
	value := m.required(name, maxAddress)
	if len(m.faults) == faults && !strings.Contains(value, "@") {
		m.fault("/"+name, "format", "This must be an address.")
	}
	return value
}
