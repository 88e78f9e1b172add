package m365

import "net/http"

// setScope limits an application in Exchange, as New-ManagementRoleAssignment does (RBAC for
// Applications, contract section 12).
func (s *Server) setScope(r *http.Request) (any, error) {
	body, err := read[struct {
		Tenant string   `json:"tenant"`
		App    string   `json:"app"`
		Users  []string `json:"users"` // none takes it away
	}](r)
	if err != nil {
		return nil, err
	}
	if !s.Exchange.SetScope(body.Tenant, body.App, body.Users...) {
		return nil, errUser
	}
	return struct{}{}, nil
}
