package organization

import (
	"encoding/json"
	"fmt"
)

// WithSync is o with calendar sync switched on or off, as if a PUT had said so. Off with
// remove means that the events of ours that are not over are to be removed, which holds
// until it is on again.
func (o Organization) WithSync(on, remove bool) (Organization, error) {
	o = o.Clone()
	document := map[string]json.RawMessage{}
	if err := json.Unmarshal(o.Document, &document); err != nil {
		return o, fmt.Errorf("organization.WithSync: %w", err)
	}
	document["sync"] = json.RawMessage("false")
	if on {
		document["sync"] = json.RawMessage("true")
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		return o, fmt.Errorf("organization.WithSync: %w", err)
	}
	o.Document, o.Sync = encoded, on
	o.State.Removing = !on && (remove || o.State.Removing)
	return o, nil
}
