package m365

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/calbridge/calbridge/local/m365/entra"
)

// identities adds the controls of Entra's accounts, grants and policies.
func (s *Server) identities(mux *http.ServeMux) {
	tenant := func(r *http.Request) string { return r.URL.Query().Get("tenant") }
	for pattern, f := range map[string]func(*http.Request) (any, error){
		"GET /sim/entra/users":      func(r *http.Request) (any, error) { return s.shownUsers(tenant(r)), nil },
		"POST /sim/entra/users":     s.setUser,
		"GET /sim/entra/grants":     func(r *http.Request) (any, error) { return s.Entra.Grants(tenant(r)), nil },
		"POST /sim/entra/grants":    s.setGrant,
		"DELETE /sim/entra/grants":  s.withdraw,
		"POST /sim/entra/policy":    s.setPolicy,
		"GET /sim/entra/requests":   func(r *http.Request) (any, error) { return s.Entra.Approvals(tenant(r)), nil },
		"GET /sim/entra/switches":   func(*http.Request) (any, error) { return s.Entra.Switches(), nil },
		"POST /sim/entra/switches":  s.setEntraSwitches,
		"POST /sim/entra/keys":      func(*http.Request) (any, error) { return struct{}{}, s.Entra.RotateKeys() },
		"POST /sim/entra/id-tokens": s.spoilIDTokens,
		"POST /sim/entra/app":       s.setApp,
		"POST /sim/shares":          s.share,
		"POST /sim/scope":           s.setScope,
		"POST /sim/calendars":       s.addCalendar,
	} {
		mux.Handle(pattern, answer(f))
	}
}

var errUser = errors.New("no such tenant or user")

// shownUser is an account in GET /sim/entra/users.
type shownUser struct {
	ObjectID  string   `json:"objectId"`
	Principal string   `json:"principal"`
	Name      string   `json:"name"`
	Mail      string   `json:"mail"`
	Roles     []string `json:"roles"`
	Home      string   `json:"home,omitempty"`
}

func (s *Server) shownUsers(tenant string) []shownUser {
	all := []shownUser{}
	for _, u := range s.Entra.Users(tenant) {
		all = append(all, shownUser{u.ObjectID, u.Principal, u.Name, u.Mail, append([]string{}, u.Roles...), u.Home})
	}
	return all
}

// changedUser adds an account, or does something to one.
type changedUser struct {
	Tenant    string   `json:"tenant"`
	Principal string   `json:"principal"`
	Do        string   `json:"do"` // add (the default), invite, disable, enable, reset-password, revoke-sessions
	Name      string   `json:"name"`
	Mail      string   `json:"mail"`
	Roles     []string `json:"roles"` // template ids, or the names of RoleNames
	Home      string   `json:"home"`  // tenant of a guest's account, for invite
}

// roleNames are the roles as the control knows them.
func roleNames() map[string]string {
	return map[string]string{
		"global": entra.GlobalAdministrator, "privileged-role": entra.PrivilegedRoleAdministrator,
		"application": entra.ApplicationAdministrator, "cloud-application": entra.CloudApplicationAdministrator,
	}
}

func (s *Server) setUser(r *http.Request) (any, error) {
	c, err := read[changedUser](r)
	if err != nil {
		return nil, err
	}
	for i, role := range c.Roles {
		if id, known := roleNames()[role]; known {
			c.Roles[i] = id
		}
	}
	var u entra.User
	known := false
	switch c.Do {
	case "", "add":
		if c.Principal != "" {
			u, known = s.Entra.AddUser(c.Tenant, entra.User{Principal: c.Principal, Name: c.Name, Mail: c.Mail, Roles: c.Roles})
		}
	case "invite":
		u, known = s.Entra.AddGuest(c.Tenant, c.Home, c.Principal, c.Roles...)
	case "disable", "enable":
		known = s.Entra.DisableUser(c.Tenant, c.Principal, c.Do == "disable")
	case "reset-password", "revoke-sessions":
		known = s.Entra.RevokeSessions(c.Tenant, c.Principal)
	default:
		return nil, fmt.Errorf("nothing is %q", c.Do)
	}
	if !known {
		return nil, errUser
	}
	return map[string]string{"objectId": u.ObjectID}, nil
}

// changedGrant is a consent: delegated scopes for one user or all, or an app's roles.
type changedGrant struct {
	Tenant string   `json:"tenant"`
	App    string   `json:"app"`
	User   string   `json:"user"`
	Scopes []string `json:"scopes"`
	Roles  []string `json:"roles"`
}

func (s *Server) setGrant(r *http.Request) (any, error) {
	g, err := read[changedGrant](r)
	if err != nil {
		return nil, err
	}
	if g.Scopes != nil && !s.Entra.Grant(g.Tenant, g.App, g.User, g.Scopes...) {
		return nil, errors.New("no such tenant, user or permission")
	}
	if g.Roles != nil && !s.Entra.Consent(g.Tenant, g.App, g.Roles...) {
		return nil, errors.New("no such tenant")
	}
	return s.Entra.Grants(g.Tenant), nil
}

// withdraw takes grants back: those of ?user=, those for all with ?user=all, or with no
// user the app's whole service principal.
func (s *Server) withdraw(r *http.Request) (any, error) {
	q := r.URL.Query()
	tenant, app, user := q.Get("tenant"), q.Get("app"), q.Get("user")
	switch user {
	case "":
		s.Entra.Withdraw(tenant, app)
	case "all":
		s.Entra.RemoveGrants(tenant, app, "")
	default:
		s.Entra.RemoveGrants(tenant, app, user)
	}
	return s.Entra.Grants(tenant), nil
}

// policy is entra.Policy as JSON.
type policy struct {
	Tenant          string          `json:"tenant"`
	NoUserConsent   bool            `json:"noUserConsent"`
	Workflow        bool            `json:"workflow"`
	Browser         entra.Condition `json:"browser"`
	Server          entra.Condition `json:"server"`
	SignInFrequency string          `json:"signInFrequency"` // a duration
	Restricted      bool            `json:"restricted"`
}

func (s *Server) setPolicy(r *http.Request) (any, error) {
	p, err := read[policy](r)
	if err != nil {
		return nil, err
	}
	frequency, err := duration(p.SignInFrequency)
	if err != nil {
		return nil, err
	}
	return p, s.Entra.SetPolicy(p.Tenant, entra.Policy{NoUserConsent: p.NoUserConsent, Workflow: p.Workflow,
		Browser: p.Browser, Server: p.Server, SignInFrequency: frequency, Restricted: p.Restricted})
}

func (s *Server) setEntraSwitches(r *http.Request) (any, error) {
	switches, err := read[entra.Switches](r)
	if err != nil {
		return nil, err
	}
	s.Entra.SetSwitches(switches)
	return switches, nil
}

func (s *Server) spoilIDTokens(r *http.Request) (any, error) {
	body, err := read[struct {
		Spoil entra.Spoil `json:"spoil"`
	}](r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.Entra.SpoilIDTokens(body.Spoil)
}

// setApp says how an app stands in a tenant.
func (s *Server) setApp(r *http.Request) (any, error) {
	body, err := read[struct {
		Tenant   string   `json:"tenant"`
		App      string   `json:"app"`
		Disabled bool     `json:"disabled"`
		Assigned []string `json:"assigned"` // only they may sign in; empty: everyone
		Revoke   bool     `json:"revoke"`   // Graph refuses the access tokens issued so far
	}](r)
	if err != nil {
		return nil, err
	}
	if !s.Entra.Assign(body.Tenant, body.App, body.Assigned...) {
		return nil, errors.New("the app has no service principal there")
	}
	s.Entra.Disable(body.Tenant, body.App, body.Disabled)
	if body.Revoke {
		s.Entra.Revoke(body.Tenant, body.App)
	}
	return struct{}{}, nil
}

// share is what an owner does in Outlook to let another into the calendars.
func (s *Server) share(r *http.Request) (any, error) {
	body, err := read[struct {
		Tenant string `json:"tenant"`
		Owner  string `json:"owner"`
		With   string `json:"with"`
		As     string `json:"as"` // reader, editor, nobody
	}](r)
	if err != nil {
		return nil, err
	}
	switch body.As {
	case "reader", "editor":
		return struct{}{}, s.Exchange.Share(body.Tenant, body.Owner, body.With, body.As == "editor")
	case "nobody":
		return struct{}{}, s.Exchange.Unshare(body.Tenant, body.Owner, body.With)
	}
	return nil, fmt.Errorf("nobody is %q", body.As)
}
