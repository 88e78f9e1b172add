package entra

import (
	"cmp"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphapi"
)

// Role template ids as wids carries them (13.4). Everyone has the last one, members
// and guests alike.
const (
	GlobalAdministrator           = "62e90394-69f5-4237-9190-012177145e10"
	PrivilegedRoleAdministrator   = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	CloudApplicationAdministrator = "158c047a-c907-4556-b7ef-446551a6b5f7"
	ApplicationAdministrator      = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	everyone                      = "b79fbf4d-3ef9-4689-8143-76b194e85509"
)

// Consumers is the tenant of personal accounts.
const Consumers = "9188040d-6c67-4c5b-b112-36a304b66dad"

// User is an account of a tenant.
type User struct {
	ObjectID  string // a GUID; derived from tenant and Principal when empty
	Principal string // user principal name
	Name      string // the part before the @ of Principal when empty
	Mail      string // claim email; none when empty
	Roles     []string
	// Home is the tenant of the account that signs in, HomeID its object id there,
	// where this is a guest; empty for the tenant's own.
	// AddGuest sets them.
	Home, HomeID string
}

// People knows users beyond those that were added: the persons of Exchange.
type People interface {
	// People lists a tenant's users. It is called with the server locked and must
	// not call it.
	People(tenant string) []User
}

// account is a user and what became of them.
type account struct {
	User
	tenant   *tenant
	disabled bool
	revoked  int64 // refresh tokens up to this number are dead, and so are sessions
}

// SetPeople makes the users of p known beside those that AddUser adds.
func (s *Server) SetPeople(p People) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people = p
}

// AddUser makes an account in a tenant, or gives the one of that principal name
// another name, mail and roles; its object id stays. It reports whether there is such
// a tenant.
func (s *Server) AddUser(tenantID string, u User) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return User{}, false
	}
	return s.addUser(t, u).User, true
}

// addUser needs the lock.
func (s *Server) addUser(t *tenant, u User) *account {
	a := s.find(t, u.Principal)
	if a == nil {
		u.ObjectID = strings.ToLower(cmp.Or(u.ObjectID, exchange.ObjectID(t.id, u.Principal)))
		a = &account{User: u, tenant: t}
		t.accounts = append(t.accounts, a)
	}
	local, _, _ := strings.Cut(u.Principal, "@")
	u.ObjectID, u.Mail, u.Name = a.ObjectID, cmp.Or(u.Mail, a.Mail), cmp.Or(u.Name, a.Name, local)
	u.Home, u.HomeID = a.Home, a.HomeID
	u.Roles = slices.Clone(u.Roles)
	a.User = u
	return a
}

// AddGuest invites an account of one tenant into another, where it has an object id
// of its own and these roles. It reports whether both exist.
func (s *Server) AddGuest(tenantID, homeTenant, principal string, roles ...string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, home := s.tenants[strings.ToLower(tenantID)], s.tenants[strings.ToLower(homeTenant)]
	if t == nil || home == nil || t == home {
		return User{}, false
	}
	a := s.find(home, principal)
	if a == nil || a.Home != "" {
		return User{}, false
	}
	name := strings.ReplaceAll(a.Principal, "@", "_") + "#EXT#@" + t.domain()
	return s.addUser(t, User{Principal: name, Name: a.Name, Mail: cmp.Or(a.Mail, a.Principal), Roles: roles, Home: home.id, HomeID: a.ObjectID}).User, true
}

// Users lists the accounts of a tenant, guests included, in the order they came.
func (s *Server) Users(tenantID string) []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return nil
	}
	var all []User
	for _, a := range s.accounts(t) {
		all = append(all, a.User)
	}
	return all
}

// DisableUser blocks an account or lets it in again. A disabled one gets no token
// and cannot sign in (50057).
func (s *Server) DisableUser(tenantID, user string, disabled bool) bool {
	return s.change(tenantID, user, func(a *account) { a.disabled = disabled })
}

// RevokeSessions ends the refresh tokens and browser sessions that an account has: an
// administrator reset the password or revoked the sessions (50173). Access tokens
// live on until they expire.
func (s *Server) RevokeSessions(tenantID, user string) bool {
	return s.change(tenantID, user, func(a *account) { a.revoked = s.issued })
}

// change does something to an account and reports whether there is one.
func (s *Server) change(tenantID, user string, do func(*account)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return false
	}
	a := s.find(t, user)
	if a != nil {
		do(a)
	}
	return a != nil
}

// accounts brings in the people and lists all. It needs the lock.
func (s *Server) accounts(t *tenant) []*account {
	if s.people == nil {
		return t.accounts
	}
	known := make(map[string]*account, 2*len(t.accounts))
	for _, a := range t.accounts {
		known[a.ObjectID], known[strings.ToLower(a.Principal)] = a, a
	}
	for _, u := range s.people.People(t.id) {
		u.ObjectID = strings.ToLower(u.ObjectID)
		byName := known[strings.ToLower(u.Principal)]
		switch {
		case known[u.ObjectID] != nil:
		case byName != nil: // made here first: the mailbox decides over the id
			byName.ObjectID = u.ObjectID
		default:
			t.accounts = append(t.accounts, &account{User: u, tenant: t})
		}
	}
	return t.accounts
}

// find finds an account by object id, principal name or mail. It needs the lock.
func (s *Server) find(t *tenant, name string) *account {
	if name == "" {
		return nil
	}
	all := s.accounts(t)
	same := func(of func(*account) string) *account {
		at := slices.IndexFunc(all, func(a *account) bool { return strings.EqualFold(of(a), name) })
		if at < 0 {
			return nil
		}
		return all[at]
	}
	return cmp.Or(same(func(a *account) string { return a.ObjectID }),
		same(func(a *account) string { return a.Principal }), same(func(a *account) string { return a.Mail }))
}

// anywhere finds the account of a user name in whichever tenant it is at home. It
// needs the lock.
func (s *Server) anywhere(name string) *account {
	for _, t := range s.order {
		if a := s.find(t, name); a != nil && a.Home == "" {
			return a
		}
	}
	return nil
}

// in is the object that an account has in a tenant: itself at home, else its guest;
// nil where it has none. It needs the lock.
func (s *Server) in(t *tenant, home *account) *account {
	if home.tenant == t {
		return home
	}
	for _, a := range s.accounts(t) {
		if a.Home == home.tenant.id && a.HomeID == home.ObjectID {
			return a
		}
	}
	return nil
}

// hasRole reports whether the account has one of some roles.
func (a *account) hasRole(roles ...string) bool {
	return slices.ContainsFunc(a.Roles, func(r string) bool { return slices.Contains(roles, r) })
}

// domain is the tenant's first verified domain, or the one that every tenant has.
func (t *tenant) domain() string {
	if len(t.domains) > 0 {
		return t.domains[0]
	}
	return "t" + strings.ReplaceAll(t.id, "-", "") + ".onmicrosoft.com"
}

var _ graphapi.Directory = (*Server)(nil)

// Profiles implements graphapi.Directory.
func (s *Server) Profiles(tenantID string) []graphapi.Profile {
	var all []graphapi.Profile
	for _, u := range s.Users(tenantID) {
		all = append(all, u.profile())
	}
	return all
}

// Profile implements graphapi.Directory.
func (s *Server) Profile(tenantID, user string) (graphapi.Profile, bool) {
	var p graphapi.Profile
	known := s.change(tenantID, user, func(a *account) { p = a.profile() })
	return p, known
}

// Organization implements graphapi.Directory.
func (s *Server) Organization(tenantID string) (graphapi.Organization, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[strings.ToLower(tenantID)]
	if t == nil {
		return graphapi.Organization{}, false
	}
	name, _, _ := strings.Cut(t.domain(), ".")
	return graphapi.Organization{ID: t.id, Name: name, Domains: append([]string{t.domain()}, t.domains[min(1, len(t.domains)):]...)}, true
}

func (u User) profile() graphapi.Profile {
	return graphapi.Profile{ID: u.ObjectID, Principal: u.Principal, Name: u.Name, Mail: u.Mail}
}
