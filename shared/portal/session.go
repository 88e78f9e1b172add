package portal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/state"
)

// sessionLife is how long a session lasts.
const sessionLife = 8 * time.Hour

// enter finds the session that the page's path names and makes the visit its own. The
// answer is not nil where nobody may go on: no such grant, another browser's, over,
// of another role, or of an organisation that is gone or whose module is off (R1).
func (v *visit) enter(ctx context.Context, roles []string) *Answer {
	refuse := func(t trouble) *Answer { a := v.trouble(t); return &a }
	secret, ok := v.cookie(v.id)
	if !isID(v.id) || !ok {
		return refuse(noSession)
	}
	s, err := v.portal.deps.Sessions.Get(ctx, v.id)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return refuse(noSession)
	case err != nil:
		a := v.broken(err)
		return &a
	case !same(s.Browser, hash(secret)):
		return refuse(noSession)
	case !v.now.Before(s.Expires):
		return refuse(sessionOver)
	case !slices.Contains(roles, s.Role):
		return refuse(wrongRole)
	}
	v.session, v.browser = s, s.Browser
	return v.about(ctx, s.Organization, s.Locale, s.Created)
}

// about loads the organisation that a visit is about, by a link, session or flow that was
// made at an instant. The answer is not nil where its pages are closed, or it is another
// organisation than that was made for, which was deleted and had the same id.
func (v *visit) about(ctx context.Context, organization, locale string, made time.Time) *Answer {
	org, err := v.portal.deps.Organizations.Organization(ctx, organization)
	var a Answer
	switch {
	case errors.Is(err, state.ErrNotFound):
		a = v.trouble(organizationGone)
	case err != nil:
		a = v.broken(err)
	default:
		if org.State.Earlier(made) {
			a = v.trouble(organizationGone)
			break
		}
		v.of(org, locale)
		if org.Module {
			return nil
		}
		a = v.trouble(moduleOff)
	}
	return &a
}

// open makes a session of a link for this browser, under a grant, and gives it its
// cookie, always a new one, so that nobody can have planted it.
func (v *visit) open(ctx context.Context, l state.Link, grant string) error {
	secret := newSecret()
	s := state.Session{ID: grant, Browser: hash(secret), Role: l.Role, Organization: l.Organization, User: l.User,
		Email: l.Email, Locale: l.Locale, ReturnURL: l.ReturnURL, Link: l.ID, Created: v.now, Expires: v.now.Add(sessionLife)}
	if _, err := v.portal.deps.Sessions.Put(ctx, s); err != nil {
		return err
	}
	v.setCookie(s.ID, secret, sessionLife)
	return nil
}
