package entra

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authorize begins a sign-in (13.2).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	values, number := parameters(w, r)
	s.mu.Lock()
	out := s.beginAuthorize(r, values, number)
	s.mu.Unlock()
	out.write(w)
}

func (s *Server) beginAuthorize(r *http.Request, values url.Values, number int) *outcome {
	if number != 0 {
		return s.stay(r.Host, nil, number)
	}
	a, number := s.begin(r, values)
	if number == 0 && !slices.Contains(a.app.RedirectURIs, a.redirect) {
		number = 50011
	}
	if number != 0 {
		return s.stay(r.Host, nil, number)
	}
	a.session = s.session(r)
	if number := a.authorization(values); number != 0 {
		return s.goBack(a, number, "")
	}
	s.open(a)
	return s.proceed(a)
}

// proceed takes an attempt as far as it goes: to a page that asks something, or back
// to the application. It needs the lock.
func (s *Server) proceed(a *attempt) *outcome {
	if out := s.choose(a); out != nil {
		return out
	}
	subject, out := s.admit(a)
	if out != nil {
		return out
	}
	if a.admin > 0 {
		return s.adminPage(a, subject)
	}
	if out := s.consented(a, subject); out != nil {
		return out
	}
	return s.issueCode(a, subject)
}

// choose finds who signs in: the one account of the browser, the one that the hint
// names, or whoever the page is told.
func (s *Server) choose(a *attempt) *outcome {
	if a.who != nil {
		return nil
	}
	live := s.live(a.session, a.tenant)
	if a.hint != "" {
		live = slices.DeleteFunc(live, func(p *signedIn) bool {
			return !strings.EqualFold(p.home.Principal, a.hint) && !strings.EqualFold(p.home.Mail, a.hint)
		})
	}
	if a.domain != "" && a.hint == "" {
		live = slices.DeleteFunc(live, func(p *signedIn) bool { return !a.ofDomain(p.home) })
	}
	switch {
	case a.prompt == "login", a.prompt == "select_account":
	case len(live) == 1:
		a.who = live[0]
		return nil
	case a.silent() && len(live) == 0:
		return s.goBack(a, 50058, "login_required")
	case a.silent():
		return s.goBack(a, 16000, "interaction_required")
	}
	return s.picker(a, 0)
}

// ofDomain reports whether the domain hint means an account.
func (a *attempt) ofDomain(home *account) bool {
	if a.domain == "consumers" || a.domain == "organizations" {
		return (home.tenant.id == Consumers) == (a.domain == "consumers")
	}
	_, domain, _ := strings.Cut(home.Principal, "@")
	return strings.EqualFold(domain, a.domain)
}

// admit checks that who signs in has an account in the tenant that is signed in to,
// may use the app, and meets the tenant's policy. What fails stays on Entra's page,
// where another account can be tried (13.2).
func (s *Server) admit(a *attempt) (*account, *outcome) {
	home := a.who.home
	t := a.tenant
	personal := home.tenant.id == Consumers
	if t == nil {
		t = home.tenant
		switch {
		case personal && (a.path == "organizations" || !a.app.Personal), !personal && a.path == "consumers":
			return nil, s.stay(a.host, a, 50020)
		}
	}
	subject := s.in(t, home)
	if subject == nil {
		return nil, s.stay(a.host, a, 50020)
	}
	p := t.principals[strings.ToLower(a.app.ID)]
	switch {
	case home.disabled, subject.disabled:
		return nil, s.stay(a.host, a, 50057)
	case t.policy.Restricted:
		return nil, s.stay(a.host, a, 500021)
	case p != nil && p.disabled:
		return nil, s.stay(a.host, a, 7000112)
	case a.admin == 0 && p != nil && len(p.assigned) > 0 && !slices.Contains(p.assigned, subject.ObjectID):
		return nil, s.stay(a.host, a, 50105)
	}
	switch number := t.policy.Browser.stops(subject, a.who.mfa); {
	case number == 50076, number == 0 && a.mfa && !a.who.mfa:
		if a.silent() {
			return nil, s.goBack(a, 50076, "interaction_required")
		}
		return nil, &outcome{page: "mfa.html", status: http.StatusOK, data: s.filled(a, view{Title: "Verify your identity"})}
	case number != 0:
		return nil, s.stay(a.host, a, number)
	}
	return subject, nil
}

// consented checks that the app may do what it asks in the name of the user, and
// shows the page that decides it otherwise.
func (s *Server) consented(a *attempt, subject *account) *outcome {
	t := subject.tenant
	p := t.principals[strings.ToLower(a.app.ID)]
	if a.agreed || a.prompt != "consent" && !p.lacks(a.asked, subject.ObjectID) {
		return nil
	}
	if a.silent() {
		return s.goBack(a, 65001, "consent_required")
	}
	names := a.toGrant()
	isAdmin := subject.hasRole(delegatedAdmins()...)
	data := view{Title: "Permissions requested", Permissions: described(names), MayGrantForAll: isAdmin}
	if isAdmin || !t.policy.NoUserConsent && !slices.ContainsFunc(names, needsAdmin) {
		return &outcome{page: "consent.html", status: http.StatusOK, data: s.filled(a, data)}
	}
	if t.policy.Workflow {
		data.Title, data.Number = "Approval required", 90095
		return &outcome{page: "request.html", status: http.StatusOK, data: s.filled(a, data)}
	}
	data.Title, data.Number = "Need admin approval", 90094
	return &outcome{page: "approval.html", status: http.StatusOK, data: s.filled(a, data)}
}

// toGrant is what a consent to the attempt grants in the name of users.
func (a *attempt) toGrant() []string {
	names := a.asked.names
	if a.asked.all {
		names = append(slices.Clone(names), a.app.Delegated...)
	}
	return union(names, nil)
}

func needsAdmin(name string) bool {
	p, known := permissionOf(name)
	return !known || p.admin
}

// issueCode goes back to the application with a code.
func (s *Server) issueCode(a *attempt, subject *account) *outcome {
	s.issued++
	c := &code{
		grant: grant{client: strings.ToLower(a.app.ID), subject: subject, home: a.who.home, asked: a.asked, sid: a.session.sid,
			signedIn: a.who.at, mfa: a.who.mfa, number: s.issued, at: s.now()},
		path: a.path, redirect: a.redirect, challenge: a.challenge, nonce: a.nonce,
	}
	value := secret()
	s.codes[value] = c
	s.close(a)
	values := nonEmpty("code", value, "state", a.state, "session_state", a.session.sid)
	if a.clientInfo {
		values.Set("client_info", clientInfo(a.who.home))
	}
	return &outcome{back: &reply{to: a.redirect, mode: a.mode, values: values}, session: a.session}
}
