package entra

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// listed bounds how many accounts the picker shows; others are typed.
const listed = 40

// picker shows the accounts that can sign in. number says why it is shown again.
func (s *Server) picker(a *attempt, number int) *outcome {
	data := view{Title: "Pick an account", Hint: a.hint, Number: number}
	if number != 0 {
		data.Text = meanings[number].message
	}
	live := s.live(a.session, a.tenant)
	add := func(home *account, signedIn bool) {
		if len(data.Accounts) < listed && !slices.ContainsFunc(data.Accounts, func(c choice) bool { return c.Name == home.Principal }) {
			data.Accounts = append(data.Accounts, choice{Name: home.Principal, Person: home.Name, Tenant: home.tenant.domain(), SignedIn: signedIn})
		}
	}
	if hinted := s.anywhere(a.hint); hinted != nil {
		add(hinted, slices.ContainsFunc(live, func(p *signedIn) bool { return p.home == hinted }))
	}
	for _, p := range live {
		add(p.home, true)
	}
	for _, home := range s.candidates(a) {
		add(home, false)
	}
	if a.hint != "" && len(data.Accounts) > 0 && strings.EqualFold(data.Accounts[0].Name, a.hint) {
		data.Accounts[0].Hinted = true
	}
	return &outcome{page: "picker.html", status: http.StatusOK, data: s.filled(a, data), session: a.session}
}

// candidates are the accounts that the tenant of the path could let in, the newest
// tenant's first.
func (s *Server) candidates(a *attempt) []*account {
	tenants := slices.Clone(s.order)
	slices.Reverse(tenants)
	if a.tenant != nil {
		tenants = []*tenant{a.tenant}
	}
	var all []*account
	for _, t := range tenants {
		for _, u := range s.accounts(t) {
			if a.tenant != nil && u.Home != "" {
				u = s.find(s.tenants[u.Home], u.HomeID)
			}
			if u != nil && u.Home == "" && (a.domain == "" || a.ofDomain(u)) {
				all = append(all, u)
			}
			if len(all) > listed {
				return all
			}
		}
	}
	return all
}

// step continues an attempt with what a form of one of its pages says.
type step func(a *attempt, form url.Values) *outcome

// continued is the handler of such a form.
func (s *Server) continued(do step) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, number := parameters(w, r)
		s.mu.Lock()
		var out *outcome
		a := s.attempts[form.Get("ctx")]
		switch {
		case number != 0:
			out = s.stay(r.Host, nil, number)
		case a == nil || s.now().Sub(a.started) > attemptLasts:
			out = s.stay(r.Host, nil, 50089)
		default:
			out = do(a, form)
		}
		s.mu.Unlock()
		out.write(w)
	}
}

// login signs the account in that was picked or typed; there are no passwords.
func (s *Server) login(a *attempt, form url.Values) *outcome {
	name := strings.TrimSpace(form.Get("account"))
	if name == "" {
		name = strings.TrimSpace(form.Get("loginfmt"))
	}
	home := s.anywhere(name)
	if home == nil {
		return s.picker(a, 50034)
	}
	var who *signedIn
	if a.prompt != "login" {
		for _, p := range s.live(a.session, a.tenant) {
			if p.home == home {
				who = p
			}
		}
	}
	if who == nil {
		a.session, who = s.signIn(a.session, home)
	}
	a.who, a.agreed = who, false
	return s.keep(a, s.proceed(a))
}

// other lets another account sign in.
func (s *Server) other(a *attempt, _ url.Values) *outcome {
	a.who, a.hint = nil, ""
	return s.picker(a, 0)
}

// verify is the second factor.
func (s *Server) verify(a *attempt, form url.Values) *outcome {
	if a.who == nil {
		return s.picker(a, 0)
	}
	if form.Get("decision") == "approve" {
		s.issued++
		a.who.mfa, a.who.at, a.who.number = true, s.now(), s.issued
	}
	return s.keep(a, s.proceed(a))
}

// keep sets the cookie of a session that this way may have made.
func (s *Server) keep(a *attempt, out *outcome) *outcome {
	out.session = a.session
	return out
}

// Approval is a request of the admin consent workflow (90095).
type Approval struct {
	App    string    `json:"app"`
	User   string    `json:"user"` // principal name
	Scopes []string  `json:"scopes"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Approvals lists what users of a tenant asked their administrators for.
func (s *Server) Approvals(tenantID string) []Approval {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tenants[strings.ToLower(tenantID)]; t != nil {
		return append([]Approval{}, t.approvals...)
	}
	return []Approval{}
}

// decide is the answer to the page about the user's own consent.
func (s *Server) decide(a *attempt, form url.Values) *outcome {
	if a.who == nil || a.admin > 0 {
		return s.stay(a.host, nil, 50089)
	}
	subject, out := s.admit(a)
	if out != nil {
		return out
	}
	out = s.consented(a, subject)
	switch {
	case out == nil:
		return s.keep(a, s.issueCode(a, subject))
	case form.Get("decision") == "accept" && out.page == "consent.html":
		p, key := subject.tenant.install(a.app.ID), subject.ObjectID
		if form.Get("on_behalf") == "on" && out.data.MayGrantForAll {
			key = ""
		}
		p.grants[key] = union(p.grants[key], a.toGrant())
		a.agreed = true
		return s.keep(a, s.issueCode(a, subject))
	case form.Get("decision") == "cancel" && out.page == "consent.html":
		return s.goBack(a, 65004, "access_denied", "error_subcode", "cancel")
	case form.Get("decision") == "return" && out.page == "approval.html":
		return s.goBack(a, 90094, "access_denied", "error_subcode", "cancel")
	case form.Get("decision") == "request" && out.page == "request.html":
		subject.tenant.approvals = append(subject.tenant.approvals, Approval{a.app.ID, subject.Principal, a.toGrant(), form.Get("reason"), s.now()})
		return &outcome{page: "requested.html", status: http.StatusOK, data: s.filled(a, view{Title: "Request sent", Number: 90095})}
	}
	return out
}
