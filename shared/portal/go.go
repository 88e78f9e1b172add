package portal

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// The pages that links lead to, by role; an Entra admin's is the function ConsentStart.
const (
	pageGo    = "go"
	pageSetup = "setup"
	pageApps  = "apps"
	pageRooms = "rooms"
)

// formCookie names the cookie that ties a link's page to its browser. It lasts as long as
// the links that are one browser's (package link), so that a browser which was closed can
// still repeat the exchange; every page of a link makes it last again.
const (
	formCookie     = "form"
	formCookieLife = 7 * 24 * time.Hour
)

// openedEvery is how exact a link's last opening is kept: a scanner that looks twenty
// times writes once.
const openedEvery = time.Minute

// linkPage is the page go: what a link is for.
type linkPage struct {
	Role   string
	Action string // path and query that the Continue button posts to
}

// showLink answers GET and HEAD of a link: it changes nothing but when the link was
// last opened, because mail scanners and chat previews come first (identity.md
// section 1).
func (p *Portal) showLink(ctx context.Context, v *visit) Answer {
	l, bad := v.link(ctx)
	if bad != nil {
		return *bad
	}
	secret, ok := v.cookie(formCookie)
	if l.Browser != "" && !same(l.Browser, hash(secret)) {
		return v.trouble(linkUsed)
	}
	if !ok {
		secret = newSecret()
	}
	v.setCookie(formCookie, secret, formCookieLife)
	v.browser = hash(secret)
	if v.now.Sub(l.Opened) >= openedEvery {
		l.Opened = v.now
		if _, err := p.deps.Links.Put(ctx, l); err != nil && !errors.Is(err, state.ErrPrecondition) {
			return v.broken(err)
		}
	}
	return v.page(200, "go", linkPage{Role: l.Role, Action: v.linkPath(l)})
}

// linkPath is a link's own path, with the query it was made with and nothing else.
func (v *visit) linkPath(l state.Link) string {
	u, err := url.Parse(v.portal.deps.Keys.URL(v.portal.opts.PublicURL, l.ID, l.Role))
	if err != nil {
		panic(err) // of our own making
	}
	return u.RequestURI()
}

// followLink exchanges a link for a session, by the Continue button. The browser that
// did so may do it again until the link expires, each time for a new grant: a double
// click, two tabs and the back button all work.
func (p *Portal) followLink(ctx context.Context, v *visit) Answer {
	secret, ok := v.cookie(formCookie)
	if !ok {
		return v.trouble(cookieMissing)
	}
	if !v.formHolds(hash(secret)) {
		return v.trouble(formStale)
	}
	l, bad := v.link(ctx)
	if bad != nil {
		return *bad
	}
	grant := key.Random()
	if l.Role != state.EntraAdmin {
		if bad := v.claim(ctx, l, hash(secret), grant); bad != nil {
			return *bad
		}
	}
	if err := v.open(ctx, l, grant); err != nil {
		return v.broken(err)
	}
	return v.see(p.home(l.Role, grant))
}

// claim makes a link this browser's, or refuses it because it is another's.
func (v *visit) claim(ctx context.Context, l state.Link, browser, grant string) *Answer {
	for range 5 { // somebody may be looking at it, which writes too
		if l.Browser != "" && !same(l.Browser, browser) {
			a := v.trouble(linkUsed)
			return &a
		}
		if same(l.Browser, browser) {
			return nil
		}
		l.Browser, l.Session = browser, grant
		_, err := v.portal.deps.Links.Put(ctx, l)
		if err == nil {
			return nil
		}
		if !errors.Is(err, state.ErrPrecondition) {
			a := v.broken(err)
			return &a
		}
		var bad *Answer
		if l, bad = v.link(ctx); bad != nil {
			return bad
		}
	}
	a := v.broken(state.ErrPrecondition)
	return &a
}

// link reads the link that path and query name. The answer is not nil where nobody may
// use it: tampered with, unknown, of an organisation whose module is off, ended, expired.
func (v *visit) link(ctx context.Context) (state.Link, *Answer) {
	refuse := func(t trouble) (state.Link, *Answer) { a := v.trouble(t); return state.Link{}, &a }
	query, err := url.ParseQuery(v.query)
	role, ok := v.portal.deps.Keys.Check(v.id, query)
	if err != nil || !ok || !isID(v.id) {
		return refuse(linkUnknown)
	}
	l, err := v.portal.deps.Links.Get(ctx, v.id)
	switch {
	case errors.Is(err, state.ErrNotFound), err == nil && l.Role != role:
		return refuse(linkUnknown)
	case err != nil:
		a := v.broken(err)
		return state.Link{}, &a
	}
	if bad := v.about(ctx, l.Organization, l.Locale, l.Created); bad != nil {
		return l, bad
	}
	switch {
	case v.over(l):
		return refuse(linkEnded)
	case !l.Live(v.now):
		return refuse(linkExpired)
	}
	return l, nil
}

// over reports whether a link did its work or was replaced, or is of an organisation that
// was deleted. An Entra admin's has done its work as soon as a tenant is bound, by
// whomever (identity.md section 1), unless the next tenant's admin needs it too.
func (v *visit) over(l state.Link) bool {
	s := v.org.State
	return !l.Ended.IsZero() || s.Earlier(l.Created) || l.Role == state.EntraAdmin && !v.org.AnyTenant() && s.Tenant != "" && !l.Created.After(s.ConsentedAt)
}

// home is where a session of a role begins.
func (p *Portal) home(role, grant string) string {
	switch role {
	case state.OrgAdmin:
		return p.path(pageSetup, grant)
	case state.EntraAdmin:
		return p.base + "consent/start?grant=" + grant
	case state.RoomManager:
		return p.path(pageRooms, grant)
	}
	return p.path(pageApps, grant)
}
