package entra

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/calbridge/calbridge/local/m365/graphapi"
)

// DelegatedGrant is what an app may do in the name of users: of one, or of all when
// User is empty.
type DelegatedGrant struct {
	App    string   `json:"app"`
	User   string   `json:"user,omitempty"` // object id
	Scopes []string `json:"scopes"`
}

// RoleGrant is what an app may do in its own name.
type RoleGrant struct {
	App   string   `json:"app"`
	Roles []string `json:"roles"`
}

// Grants is all that the apps of a tenant were granted. The two kinds are kept apart:
// no delegated consent makes an app role grant.
type Grants struct {
	Delegated []DelegatedGrant `json:"delegated"`
	Roles     []RoleGrant      `json:"roles"`
}

// Grants lists a tenant's grants by app and user. An app that may do nothing has no
// entry.
func (s *Server) Grants(tenantID string) Grants {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := Grants{Delegated: []DelegatedGrant{}, Roles: []RoleGrant{}}
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return all
	}
	for app, p := range t.principals {
		if len(p.roles) > 0 {
			all.Roles = append(all.Roles, RoleGrant{app, slices.Clone(p.roles)})
		}
		for user, scopes := range p.grants {
			all.Delegated = append(all.Delegated, DelegatedGrant{app, user, slices.Clone(scopes)})
		}
	}
	slices.SortFunc(all.Delegated, func(a, b DelegatedGrant) int {
		return cmp.Or(strings.Compare(a.App, b.App), strings.Compare(a.User, b.User))
	})
	slices.SortFunc(all.Roles, func(a, b RoleGrant) int { return strings.Compare(a.App, b.App) })
	return all
}

// Grant gives an app exactly these delegated permissions in a tenant, for one user
// or, with "", for all, as a consent would; the app gets a service principal and no
// role. It reports whether tenant, user and permissions exist.
func (s *Server) Grant(tenantID, app, user string, scopes ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return false
	}
	a, number := parseScope(strings.Join(scopes, " "))
	if number != 0 || a.all {
		return false
	}
	key := ""
	if user != "" {
		who := s.find(t, user)
		if who == nil {
			return false
		}
		key = who.ObjectID
	}
	t.install(app).grants[key] = union(a.names, nil)
	return true
}

// RemoveGrants takes back the delegated permissions that an app has for one user, or
// with "" those for all; the service principal stays (65001 follows). It reports
// whether there was such a grant.
func (s *Server) RemoveGrants(tenantID, app, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.principal(tenantID, app)
	if p == nil {
		return false
	}
	if a := s.find(s.tenants[strings.ToLower(tenantID)], user); a != nil {
		user = a.ObjectID
	}
	_, had := p.grants[user]
	delete(p.grants, user)
	return had
}

// Standing is what an app may do in a tenant at this moment, in its own name or a user's, as
// a fresh token would tell it; nothing where either is switched off.
func (s *Server) Standing(tenantID, app, user string) graphapi.Caller {
	s.mu.Lock()
	defer s.mu.Unlock()
	caller := graphapi.Caller{Tenant: tenantID, App: app, User: user}
	p, t := s.principal(tenantID, app), s.tenants[strings.ToLower(tenantID)]
	if p == nil || p.disabled {
		return caller
	}
	if user == "" {
		caller.Roles = slices.Clone(p.roles)
		return caller
	}
	if a := s.find(t, user); a != nil && !a.disabled {
		caller.Scopes = p.granted(a.ObjectID)
	}
	return caller
}

// Assign makes an app in a tenant one that only assigned users may sign in to; others
// get 50105. No users at all lets everyone in again. It reports whether the app has a
// service principal there.
func (s *Server) Assign(tenantID, app string, users ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.principal(tenantID, app)
	if p == nil {
		return false
	}
	p.assigned = nil
	for _, name := range users {
		if a := s.find(s.tenants[strings.ToLower(tenantID)], name); a != nil {
			p.assigned = append(p.assigned, a.ObjectID)
		}
	}
	return true
}

// install gives an app its service principal, once. It needs the server's lock.
func (t *tenant) install(app string) *principal {
	app = strings.ToLower(app)
	p := t.principals[app]
	if p == nil {
		p = &principal{objectID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(t.id+"/"+app)).String(), grants: map[string][]string{}}
		t.principals[app] = p
	}
	return p
}

// granted is what an app may do in the name of a user: what was granted for them and
// what was granted for all. A principal that is not there may do nothing.
func (p *principal) granted(user string) []string {
	if p == nil {
		return nil
	}
	return union(p.grants[""], p.grants[user])
}

// lacks reports whether a consent is missing for what is asked. The scopes of OpenID
// Connect come with any consent, but not without one.
func (p *principal) lacks(a asked, user string) bool {
	have := p.granted(user)
	if len(have) == 0 {
		return true
	}
	return slices.ContainsFunc(a.graph(), func(name string) bool { return !slices.Contains(have, name) })
}
