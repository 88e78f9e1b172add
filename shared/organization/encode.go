package organization

import (
	"cmp"
	"encoding/json"
	"time"
)

// MarshalJSON writes what a GET answers: every effective setting, and the
// read-only members organization and state.
func (o Organization) MarshalJSON() ([]byte, error) {
	emails := o.Alerts.Emails
	if emails == nil {
		emails = []string{}
	}
	type object = map[string]any
	return json.Marshal(struct {
		Organization     string `json:"organization"`
		DisplayName      string `json:"displayName"`
		Product          object `json:"product"`
		Profile          string `json:"profile"`
		Module           bool   `json:"module"`
		Sync             bool   `json:"sync"`
		Permission       string `json:"permission"`
		Accounts         string `json:"accounts"`
		AddressMatch     string `json:"addressMatch"`
		Consent          string `json:"consent"`
		Tenant           object `json:"tenant"`
		Locale           string `json:"locale"`
		TimeZone         string `json:"timeZone"`
		ReminderMinutes  int    `json:"reminderMinutes"`
		Invitations      bool   `json:"invitations"`
		OptOut           bool   `json:"optOut"`
		DownSync         object `json:"downSync"`
		OwnEventsChanged string `json:"ownEventsChanged"`
		RecreateRemoved  string `json:"recreateRemoved"`
		Conflict         string `json:"conflict"`
		Rooms            object `json:"rooms"`
		BackfillPastDays int    `json:"backfillPastDays"`
		Brake            object `json:"brake"`
		Retention        object `json:"retention"`
		Alerts           object `json:"alerts"`
		State            State  `json:"state"`
	}{
		o.ID, o.DisplayName, object{"name": orNull(o.Product.Name), "url": orNull(o.Product.URL)},
		o.Profile, o.Module, o.Sync, o.Permission, o.Accounts, o.AddressMatch, o.Consent,
		object{"expected": orNull(o.ExpectedTenant)}, o.Locale, o.TimeZone, o.ReminderMinutes, o.Invitations, o.OptOut,
		object{"everyMinutes": o.DownSync.EveryMinutes, "privacy": o.DownSync.Privacy},
		o.OwnEventsChanged, o.RecreateRemoved, o.Conflict, object{"mode": o.RoomsMode}, o.BackfillPastDays,
		object{"count": o.Brake.Count, "percent": o.Brake.Percent},
		object{"bookingDays": o.Retention.BookingDays, "bodyDays": o.Retention.BodyDays, "ledgerDays": o.Retention.LedgerDays},
		object{"emails": emails, "locale": o.Alerts.Locale}, o.State,
	})
}

// stateJSON is State on the wire; what is not known is null.
type stateJSON struct {
	Tenant        *string    `json:"tenant"`
	BoundBy       *string    `json:"boundBy"`
	Consent       string     `json:"consent"`
	Evidence      *string    `json:"evidence"`
	ConsentedAt   *time.Time `json:"consentedAt"`
	GrantedScopes []string   `json:"grantedScopes"`
	PermissionSet *int       `json:"permissionSet"`
	RecoveredAt   *time.Time `json:"recoveredAt,omitempty"`
}

// MarshalJSON writes the read-only member state.
func (s State) MarshalJSON() ([]byte, error) {
	w := stateJSON{Tenant: orNull(s.Tenant), BoundBy: orNull(s.BoundBy), Consent: cmp.Or(s.Consent, ConsentNone),
		Evidence: orNull(s.Evidence), ConsentedAt: orNull(s.ConsentedAt.UTC()),
		GrantedScopes: s.GrantedScopes, PermissionSet: orNull(s.PermissionSet), RecoveredAt: orNull(s.RecoveredAt.UTC())}
	if w.GrantedScopes == nil {
		w.GrantedScopes = []string{}
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *State) UnmarshalJSON(b []byte) error {
	var w stateJSON
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*s = State{Tenant: orZero(w.Tenant), BoundBy: orZero(w.BoundBy), Consent: w.Consent,
		Evidence: orZero(w.Evidence), ConsentedAt: orZero(w.ConsentedAt).UTC(),
		PermissionSet: orZero(w.PermissionSet), RecoveredAt: orZero(w.RecoveredAt).UTC()}
	if len(w.GrantedScopes) > 0 {
		s.GrantedScopes = w.GrantedScopes
	}
	return nil
}

func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
