package outbound

import "github.com/calbridge/calbridge/shared/key"

// Consent tells that an organisation's consent got into another state, or that its
// evidence did.
type Consent struct {
	ID       string // of the event; the same for a re-send
	State    string // none, started, pending-approval, granted, consent-outdated or consent-missing
	Tenant   string // "" while not bound
	BoundBy  string // "" while not bound
	Evidence string // "" for none
	Message  string // a sentence for people
}

// Event is calbridge.consent.v1.
func (c Consent) Event(o Origin) Event {
	data := struct {
		State    string  `json:"state"`
		Tenant   *string `json:"tenant"`
		BoundBy  string  `json:"boundBy,omitempty"`
		Evidence string  `json:"evidence,omitempty"`
		Message  string  `json:"message,omitempty"`
	}{State: c.State, BoundBy: c.BoundBy, Evidence: c.Evidence, Message: c.Message}
	if c.Tenant != "" {
		data.Tenant = &c.Tenant
	}
	return o.event(c.ID, TypeConsent, "", key.Organization(o.Organization), data)
}
