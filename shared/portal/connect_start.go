package portal

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// callback is where Microsoft sends people back to, below /api/.
const callback = "connect/callback"

// startRoles may sign in.
var startRoles = []string{state.LinkUser, state.RoomManager, state.OrgAdmin}

// ConnectStart serves connect/start?grant=<grant>: GET shows what will be asked and why,
// before anybody leaves (R4); POST starts. connection names the one to sign in for
// again, choice what for (down:busy); account=other asks Microsoft which account.
//
// A second POST is a second attempt, which disturbs no other.
func (p *Portal) ConnectStart(ctx context.Context, r *http.Request) Answer {
	v := p.visit(r)
	v.name = "connect-start"
	post := r.Method == http.MethodPost
	if post {
		if bad := v.readForm(); bad != nil {
			return *bad
		}
	}
	v.id = v.values.Get("grant")
	if bad := v.enter(ctx, startRoles); bad != nil {
		return *bad
	}
	if post && !v.formHolds(v.session.Browser) {
		return v.trouble(formStale)
	}
	s, bad := v.starting(ctx)
	if bad != nil {
		return *bad
	}
	if post {
		return v.leaveForMicrosoft(ctx, s)
	}
	answer := v.showStart(ctx, s)
	if r.Method == http.MethodHead {
		answer.Body = nil
	}
	return answer
}

// start is what somebody is about to sign in for.
type start struct {
	errand
	existing *connection.Connection
	choice   choice
}

// starting reads what is wanted, and refuses what is not offered.
func (v *visit) starting(ctx context.Context) (start, *Answer) {
	var s start
	e, t := plan(v.org, v.session.Role, v.session.User)
	if t != "" {
		return s, v.refused(t)
	}
	if id := v.values.Get("connection"); id != "" && e.Choices != nil {
		c, bad := v.own(ctx, id)
		if bad != nil {
			return s, bad
		}
		if e, t = e.again(c); t != "" {
			return s, v.refused(t)
		}
		s.existing = &c
	}
	s.errand = e
	if e.Choices != nil {
		chosen, ok := choose(e.Choices, v.values.Get("choice"), s.existing)
		if !ok {
			return s, v.refused(badChoice)
		}
		s.choice = chosen
	}
	return s, nil
}

// own finds one of the person's connections by the text form of its id.
func (v *visit) own(ctx context.Context, id string) (connection.Connection, *Answer) {
	all, err := v.portal.deps.Connections.Connections(ctx, v.session.Organization, v.session.User)
	if err != nil {
		return connection.Connection{}, v.failed(err)
	}
	for _, c := range all {
		if c.ID.String() == id {
			return c, nil
		}
	}
	return connection.Connection{}, v.refused(notFound)
}

// permissions are what Microsoft is asked for, short.
func (v *visit) permissions(s start) []string {
	switch {
	case s.Kind == kindRooms:
		return []string{placeRead}
	case s.Choices != nil:
		return v.names(s.choice, s.Tenant)
	}
	return nil
}

// names are the permissions of a choice by the names to ask for at a tenant: those of
// what its administrator has allowed for everybody, where that holds them (package
// connection, By which name to ask).
func (v *visit) names(c choice, tenant string) []string {
	return connection.Ask(c.Permissions(), v.org.GrantedIn(tenant))
}

// spares reports whether nobody is asked for a choice at a tenant, but would be elsewhere.
func (v *visit) spares(c choice, tenant string) bool {
	return !slices.Equal(v.names(c, tenant), c.Permissions())
}

// lookUp is how long a person waits for the answer whose tenant their address is of.
const lookUp = 3 * time.Second

// atHome takes a sign-in that may be at any tenant to the person's own one, where that
// spares them a question: their address is of a domain of that tenant, by Entra's own
// word, and its administrator has allowed what they need. One request to Entra, and only
// where there is such a tenant; where it fails the sign-in stays where it was.
func (v *visit) atHome(ctx context.Context, s start) start {
	_, domain, _ := strings.Cut(v.session.Email, "@")
	spared := v.spares(s.choice, v.org.State.Tenant) ||
		slices.ContainsFunc(v.org.State.Allowed, func(a organization.Allowance) bool { return v.spares(s.choice, a.Tenant) })
	if s.Tenant != identity.Organizations || s.Choices == nil || !spared || domain == "" || v.portal.deps.Domains == nil {
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, lookUp)
	defer cancel()
	if tenant, err := v.portal.deps.Domains.TenantOf(ctx, domain); err == nil && v.spares(s.choice, tenant) {
		s.Tenant = tenant
	}
	return s
}

// leaveForMicrosoft stores an attempt and sends the browser to Microsoft's sign-in.
func (v *visit) leaveForMicrosoft(ctx context.Context, s start) Answer {
	other := v.values.Get("account") == "other"
	if !other && s.existing == nil {
		s = v.atHome(ctx, s)
	}
	j := journey{Role: v.session.Role, Locale: v.session.Locale, Email: v.session.Email, Back: v.session.ReturnURL,
		Tenant: s.Tenant, Direction: s.choice.Direction, Scope: s.choice.Scope, Asked: v.permissions(s)}
	hint := v.session.Email
	if s.existing != nil {
		j.Connection, j.Claims = s.existing.ID.String(), s.existing.Claims
		hint = cmp.Or(s.existing.Account.Name, hint)
	}
	leave := identity.Leave{Tenant: s.Tenant, RedirectURI: v.portal.url(callback), Nonce: newSecret(), Verifier: newSecret(),
		Scopes: j.Asked, LoginHint: hint, Claims: j.Claims}
	if other {
		leave.LoginHint, leave.Prompt = "", "select_account"
	}
	silent, err := v.provesSilently(ctx, s)
	if err != nil {
		return v.broken(err)
	}
	if silent {
		leave.Prompt, j.Silent = "none", true
	}
	_, parameter, err := v.begin(ctx, state.Flow{Kind: s.Kind, Organization: v.session.Organization, User: v.session.User,
		Link: v.session.Link, Session: v.session.ID, Detail: j.encode()}, secrets{Verifier: leave.Verifier, Nonce: leave.Nonce})
	if err != nil {
		return v.broken(err)
	}
	leave.State = parameter
	to, err := v.portal.deps.Entra.AuthorizeURL(ctx, leave)
	if err != nil {
		return v.broken(err)
	}
	return v.see(to)
}

// startPage is the page before leaving.
type startPage struct {
	Action, Grant string
	Rooms         bool
	Proof         bool   // nothing is asked for but who it is
	Connection    string // id of the one that is signed in for again
	Account       string // its name
	Tenant        string // "" where it may be any
	Choices       []startChoice
	Permissions   []string // where there is nothing to choose
	Email, Who    string   // of whom it is for; Who is the best name for them
	Require       bool     // the account must be the link's
	ConsentLink   string
}

// startChoice is one choice of a form.
type startChoice struct {
	Value, Seen, Direction string
	Reads                  string // the scope, where it is only read
	Permissions            []string
	// Allowed says that an administrator has allowed the permissions for everybody.
	Allowed bool
	Checked bool
}

// name says by which names a choice is asked for.
func (c *startChoice) name(permissions []string) {
	c.Allowed = !slices.Equal(c.Permissions, permissions)
	c.Permissions = permissions
}

// choices are the organisation's as a form shows them.
func (v *visit) choices(checked choice) []startChoice {
	var all []startChoice
	for _, c := range choices(v.org) {
		one := startChoice{Value: c.String(), Seen: seen(v.org, c), Direction: string(c.Direction), Permissions: c.Permissions(), Checked: c == checked}
		if c.Direction == connection.Down {
			one.Reads = string(c.Scope)
		}
		all = append(all, one)
	}
	return all
}

func (v *visit) showStart(ctx context.Context, s start) Answer {
	forward, err := v.consentLink(ctx, false, v.session.Email)
	if err != nil {
		return v.broken(err)
	}
	d := startPage{Action: v.portal.base + "connect/start", Grant: v.session.ID, Rooms: s.Kind == kindRooms,
		Permissions: v.permissions(s), Email: v.session.Email, Require: v.org.AddressMatch != "warn", ConsentLink: forward}
	if s.Tenant != identity.Organizations {
		d.Tenant = s.Tenant
	}
	if s.existing != nil {
		d.Connection, d.Account = s.existing.ID.String(), s.existing.Account.Name
	}
	if s.Choices != nil {
		d.Choices = v.choices(s.choice)
		for i, c := range choices(v.org) {
			d.Choices[i].name(v.names(c, s.Tenant))
		}
	}
	d.Proof = s.Choices == nil && !d.Rooms
	who, err := v.who(ctx, state.Flow{Organization: v.session.Organization, User: v.session.User}, journey{Email: v.session.Email})
	if err != nil {
		return v.broken(err)
	}
	d.Email, d.Who = who.Email, cmp.Or(who.Name, who.Email, v.session.User)
	return v.page(http.StatusOK, "connect-start", d)
}

// startPath is where an attempt begins: connect/start with what is wanted.
func (p *Portal) startPath(grant, connection string, c choice) string {
	q := url.Values{"grant": {grant}}
	if connection != "" {
		q.Set("connection", connection)
	}
	if c != (choice{}) {
		q.Set("choice", c.String())
	}
	return p.base + "connect/start?" + q.Encode()
}

// consentLink is the link that an Entra admin can be sent (R4): the organisation's
// newest, which its admin sees too. Where there is none it is made, if anybody can need
// it: certain says that Microsoft has asked for an administrator; else it is not where
// one has allowed it for everybody already. by is who asks.
func (v *visit) consentLink(ctx context.Context, certain bool, by string) (string, error) {
	newest, found, err := v.liveConsentLink(ctx)
	if err != nil {
		return "", err
	}
	allowed := v.org.State.Consent == organization.ConsentGranted && v.org.Accounts != "any"
	switch {
	case found:
		return v.portal.deps.Keys.URL(v.portal.opts.PublicURL, newest.ID, newest.Role), nil
	case allowed && !certain:
		return "", nil
	}
	made, err := v.portal.deps.Issuer.Issue(ctx, link.Request{Organization: v.org.ID, Role: state.EntraAdmin, By: by, Life: link.Life(state.EntraAdmin)})
	return made.URL, err
}
