package entra

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// delegatedAdmins are the roles that may consent to delegated permissions for all
// users; appAdmins those that may grant application permissions (13.3, identity.md
// 2.1).
func delegatedAdmins() []string {
	return append(appAdmins(), ApplicationAdministrator, CloudApplicationAdministrator)
}

func appAdmins() []string { return []string{GlobalAdministrator, PrivilegedRoleAdministrator} }

// adminConsent begins an administrator's consent, at the endpoint of version 1 or 2.
func (s *Server) adminConsent(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		values, number := parameters(w, r)
		s.mu.Lock()
		out := s.beginAdminConsent(r, values, number, version)
		s.mu.Unlock()
		out.write(w)
	}
}

func (s *Server) beginAdminConsent(r *http.Request, values url.Values, number, version int) *outcome {
	if number != 0 {
		return s.stay(r.Host, nil, number)
	}
	a, number := s.begin(r, values)
	if number == 0 {
		a.admin = version
		number = a.adminRequest(values)
	}
	if number != 0 {
		return s.stay(r.Host, nil, number)
	}
	a.session = s.session(r)
	s.open(a)
	return s.proceed(a)
}

// adminRequest reads what is adminconsent's own. Whatever is wrong with it stays on
// Entra's page.
func (a *attempt) adminRequest(v url.Values) int {
	switch {
	case a.path == "consumers", a.path == "common" && a.admin == 2:
		return 90019
	case a.admin == 2 && !slices.Contains(a.app.RedirectURIs, a.redirect),
		a.admin == 1 && !slices.ContainsFunc(a.app.RedirectURIs, func(known string) bool {
			return a.redirect == known || strings.HasPrefix(a.redirect, strings.TrimSuffix(known, "/")+"/")
		}):
		return 50011
	case a.admin == 1:
		a.asked = asked{all: true}
		return 0
	}
	var number int
	a.asked, number = parseScope(v.Get("scope"))
	return number
}

// rolesToGrant are the application permissions that the attempt would grant.
func (a *attempt) rolesToGrant() []string {
	if !a.asked.all {
		return nil
	}
	return a.app.Roles
}

// allowed reports whether an account may give the consent that is asked for.
func (a *attempt) allowed(subject *account) bool {
	if len(a.rolesToGrant()) > 0 {
		return subject.hasRole(appAdmins()...)
	}
	return subject.hasRole(delegatedAdmins()...)
}

// adminPage shows what is asked, or that this account is not the administrator whom
// it takes: from there nothing goes back to the application.
func (s *Server) adminPage(a *attempt, subject *account) *outcome {
	if !a.allowed(subject) {
		data := view{Title: "Need admin approval", Number: 90094, Text: "This operation can only be performed by an administrator. Sign out and sign in as an administrator or contact one of your organization's administrators."}
		return &outcome{page: "role.html", status: http.StatusOK, data: s.filled(a, data)}
	}
	data := view{Title: "Permissions requested", Subtitle: "Review for your organization", Permissions: described(a.toGrant()), Tenant: subject.tenant.domain()}
	for _, role := range a.rolesToGrant() {
		data.Permissions = append(data.Permissions, shown{Name: role, Text: role + ", for every mailbox, without a signed-in user", Application: true})
	}
	return &outcome{page: "admin.html", status: http.StatusOK, data: s.filled(a, data), session: a.session}
}

// adminDecide is the answer to that page.
func (s *Server) adminDecide(a *attempt, form url.Values) *outcome {
	if a.who == nil || a.admin == 0 {
		return s.stay(a.host, nil, 50089)
	}
	subject, out := s.admit(a)
	if out != nil {
		return out
	}
	if out := s.adminPage(a, subject); !a.allowed(subject) || form.Get("decision") == "" {
		return out
	}
	if form.Get("decision") != "accept" {
		return s.adminCancelled(a)
	}
	s.grantForAll(a, subject.tenant)
	s.close(a)
	values := nonEmpty("admin_consent", "True", "tenant", subject.tenant.id, "state", a.state, "scope", a.asked.raw)
	return &outcome{back: &reply{to: a.redirect, values: values}, session: a.session}
}

// grantForAll carries out an administrator's consent: the delegated permissions for
// all users, and the roles only where the registration's declaration was asked for.
func (s *Server) grantForAll(a *attempt, t *tenant) {
	p := t.install(a.app.ID)
	names := a.toGrant()
	if s.switches.MergeConsents {
		names = union(names, p.grants[""])
	}
	if len(names) > 0 {
		p.grants[""] = names
	}
	if a.asked.all {
		p.roles = union(a.app.Roles, nil)
	}
}

// adminCancelled goes back without a grant, in the words of 13.3: version 2 says
// admin_consent=True here too.
func (s *Server) adminCancelled(a *attempt) *outcome {
	if a.admin == 2 {
		return s.goBack(a, 65004, "consent_required", "admin_consent", "True")
	}
	code := s.switches.AdminCancelError
	if code == "" {
		code = "permission_denied"
	}
	s.close(a)
	return &outcome{back: &reply{to: a.redirect, values: nonEmpty("error", code, "error_description", "The admin canceled the request", "state", a.state)}}
}
