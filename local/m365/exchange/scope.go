package exchange

import (
	"slices"
	"strings"
)

// RBAC for Applications (contract section 12): New-ManagementRoleAssignment gives an
// application Calendars.ReadWrite in the mailboxes of a management scope. The grant lives in
// Exchange alone: no token names it, Entra knows nothing of it, and it adds to what Entra
// grants. It takes effect at once here; Microsoft takes 30 minutes to two hours.

// SetScope says which mailboxes an application may reach by Exchange's own assignment,
// instead of those before; none takes the assignment away. It reports whether all users
// are there; else nothing is changed.
func (s *Store) SetScope(tenantID, app string, users ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenant(tenantID)
	var ids []string
	for _, user := range users {
		box := t.users[strings.ToLower(user)]
		if box == nil {
			return false
		}
		ids = append(ids, box.ObjectID)
	}
	if t.scopes == nil {
		t.scopes = map[string][]string{}
	}
	t.scopes[strings.ToLower(app)] = ids
	return true
}

// InScope reports whether Exchange itself lets an application into a user's mailbox.
func (s *Store) InScope(tenantID, app, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return false
	}
	box := t.users[strings.ToLower(user)]
	return box != nil && slices.Contains(t.scopes[strings.ToLower(app)], box.ObjectID)
}
