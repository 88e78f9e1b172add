package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// Errors of Issue; compare with errors.Is.
var (
	// ErrUnknownOrganization: there is no such organisation, or it was deleted.
	ErrUnknownOrganization = errors.New("no such organisation")
	// ErrModuleOff: the operator has not enabled the integration for it (R1).
	ErrModuleOff = errors.New("the integration is not enabled for the organisation")
)

// Store keeps links; *state.Links does.
type Store interface {
	Put(ctx context.Context, l state.Link) (etag string, err error)
	End(ctx context.Context, organization, role, except string, at time.Time) error
}

// Organizations reads an organisation as it is now; *state.Organizations does.
type Organizations interface {
	Get(ctx context.Context, id string) (organization.Organization, string, error)
}

// Issuer makes links. It is safe for concurrent use.
type Issuer struct {
	keys          *Keys
	links         Store
	organizations Organizations
	publicURL     string
	origins       []string
	now           func() time.Time
}

// NewIssuer returns an issuer of links below publicURL, the outside base without
// /api, which may lead back to origins.
func NewIssuer(keys *Keys, links Store, organizations Organizations, publicURL string, origins []string, now func() time.Time) *Issuer {
	return &Issuer{keys, links, organizations, publicURL, origins, now}
}

// Origins are where people may be sent back to.
func (i *Issuer) Origins() []string { return i.origins }

// Issued is a link that was made.
type Issued struct {
	ID      string
	URL     string
	Expires time.Time // UTC, whole seconds
}

// Issue makes a link. Those made before stay: a booking app may ask for one each
// time it shows a page. Every call makes another; one whose answer was lost leaves
// a link that nobody has. Errors: ErrUnknownOrganization, ErrModuleOff.
func (i *Issuer) Issue(ctx context.Context, r Request) (Issued, error) {
	o, _, err := i.organizations.Get(ctx, r.Organization)
	if errors.Is(err, state.ErrNotFound) {
		return Issued{}, fmt.Errorf("link.Issue: %w", ErrUnknownOrganization)
	}
	if err != nil {
		return Issued{}, fmt.Errorf("link.Issue: %w", err)
	}
	if !o.Module {
		return Issued{}, fmt.Errorf("link.Issue: %w", ErrModuleOff)
	}
	now := i.now().UTC()
	l := state.Link{ID: key.Random(), Role: r.Role, Organization: r.Organization, User: r.User, Email: r.Email, Locale: r.Locale,
		ReturnURL: r.ReturnURL, By: r.By, Created: now, Expires: now.Add(r.Life).Truncate(time.Second)}
	if _, err := i.links.Put(ctx, l); err != nil {
		return Issued{}, fmt.Errorf("link.Issue: %w", err)
	}
	return Issued{ID: l.ID, URL: i.keys.URL(i.publicURL, l.ID, l.Role), Expires: l.Expires}, nil
}

// Replace makes a link and ends the others of its organisation and role: "make a
// new link (the old one stops)". A kill in between leaves both; repeat it.
func (i *Issuer) Replace(ctx context.Context, r Request) (Issued, error) {
	issued, err := i.Issue(ctx, r)
	if err != nil {
		return Issued{}, err
	}
	if err := i.links.End(ctx, r.Organization, r.Role, issued.ID, i.now()); err != nil {
		return Issued{}, fmt.Errorf("link.Replace: %w", err)
	}
	return issued, nil
}

// Life is how long a link of a role lasts where nothing else was asked for.
func Life(role string) time.Duration {
	if role == state.EntraAdmin {
		return entraLife
	}
	return defaultLife
}
