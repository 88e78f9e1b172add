package infra

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed registration.json
var registration []byte

// Registration is what the app registration declares (registration.json), as Microsoft
// Graph writes an application. app/registration.bicep and registration.sh make it in
// Entra, local/stack in the simulator.
type Registration struct {
	SignInAudience         string     `json:"signInAudience"`
	GroupMembershipClaims  string     `json:"groupMembershipClaims"`
	RequiredResourceAccess []Required `json:"requiredResourceAccess"`
}

// Required are the permissions of one API.
type Required struct {
	// ResourceAppID is the client id of the API, the same in every tenant.
	ResourceAppID string   `json:"resourceAppId"`
	Access        []Access `json:"resourceAccess"`
}

// Access is one permission.
type Access struct {
	ID   string `json:"id"`   // the same in every tenant
	Type string `json:"type"` // "Role" for the app itself, "Scope" for people who sign in
}

// MicrosoftGraph is the client id of Microsoft Graph.
const MicrosoftGraph = "00000003-0000-0000-c000-000000000000"

// Permissions are the names of what is declared: roles for the app itself, scopes for
// people who sign in. It fails on an id of a permission that the program has no use for.
func (r Registration) Permissions() (roles, scopes []string, err error) {
	names := map[Access]string{
		{"ef54d2bf-783f-4e0f-bca1-3210c0444d99", "Role"}:  "Calendars.ReadWrite",
		{"37f7f235-527c-4136-accd-4a02d197296e", "Scope"}: "openid",
		{"14dad69e-099b-42c9-810b-d002981feec1", "Scope"}: "profile",
		{"7427e0e9-2fba-42fe-b0c0-848c9e6a8182", "Scope"}: "offline_access",
	}
	for _, api := range r.RequiredResourceAccess {
		for _, a := range api.Access {
			name, known := names[a]
			switch {
			case !known || api.ResourceAppID != MicrosoftGraph:
				return nil, nil, fmt.Errorf("infra.Registration: permission %s %s of %s is none of ours", a.Type, a.ID, api.ResourceAppID)
			case a.Type == "Role":
				roles = append(roles, name)
			default:
				scopes = append(scopes, name)
			}
		}
	}
	return roles, scopes, nil
}

// LoadRegistration returns the registration. It fails only when the embedded file is
// malformed, which the package's test excludes.
func LoadRegistration() (Registration, error) {
	var r Registration
	d := json.NewDecoder(bytes.NewReader(registration))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Registration{}, fmt.Errorf("infra.LoadRegistration: %w", err)
	}
	return r, nil
}
