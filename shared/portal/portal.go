package portal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// Links keeps links; state.Links does. Get returns state.ErrNotFound. Put inserts
// when the ETag is "", else writes over that version, or returns state.ErrPrecondition.
type Links interface {
	Get(ctx context.Context, id string) (state.Link, error)
	Put(ctx context.Context, l state.Link) (etag string, err error)
	// Of goes through the organisation's links of a role, live or not, newest first, and
	// ends with the first error.
	Of(ctx context.Context, organization, role string) iter.Seq2[state.Link, error]
}

// Sessions keeps sessions, by the rules of Links.
type Sessions interface {
	Get(ctx context.Context, id string) (state.Session, error)
	Put(ctx context.Context, s state.Session) (etag string, err error)
}

// Flows keeps attempts, by the rules of Links.
type Flows interface {
	Get(ctx context.Context, id string) (state.Flow, error)
	// Latest is the flow of a kind that a person (user "": nobody named) began last.
	Latest(ctx context.Context, organization, kind, user string) (state.Flow, error)
	Put(ctx context.Context, f state.Flow) (etag string, err error)
}

// Sealer keeps what must not be read at rest; *seal.Sealer does. What was sealed
// opens only with the same associated data.
type Sealer interface {
	Seal(plain, associated []byte) []byte
	Open(sealed, associated []byte) (plain []byte, old bool, err error)
}

// Organizations finds an organisation's effective settings, or state.ErrNotFound.
type Organizations interface {
	Organization(ctx context.Context, id string) (organization.Organization, error)
}

// Domains tells which tenant a verified domain belongs to, "" for none; *identity.Domains does.
type Domains interface {
	TenantOf(ctx context.Context, domain string) (string, error)
}

// Deps is what the pages stand on. All are required but Domains.
type Deps struct {
	Links    Links
	Sessions Sessions
	Flows    Flows
	// Keys sign links, forms and states.
	Keys          *link.Keys
	Sealer        Sealer
	Organizations Organizations
	Entra         Entra
	Consents      Consents
	Issuer        Issuer
	Setup         Setup
	Connections   Connections
	Readings      Readings
	Mailboxes     Mailboxes
	Tokens        Tokens
	// Domains may be nil: then nobody's tenant is known before they sign in.
	Domains Domains
}

// Options of a Portal.
type Options struct {
	// PublicURL is the outside base URL, without /api and without a slash at its end.
	PublicURL string
	// Authority is Entra's origin, where forms may lead.
	Authority string
	// ReturnOrigins are where people may be sent back to: scheme, host and port.
	ReturnOrigins []string
	// Now defaults to time.Now.
	Now func() time.Time
}

// Portal serves the pages. It is safe for concurrent use.
type Portal struct {
	deps      Deps
	opts      Options
	now       func() time.Time
	origin    string // of PublicURL
	base      string // path of the API, with a slash at its end: /api/
	secure    bool   // PublicURL is https
	policy    string // Content-Security-Policy
	texts     *catalogue
	assets    assets
	templates templates
	pages     map[string]page
}

// New returns the portal. It fails only for a PublicURL that is none, or for
// templates and texts that do not fit together, which tests find.
func New(deps Deps, opts Options) (*Portal, error) {
	u, err := url.Parse(opts.PublicURL)
	if err != nil || u.Host == "" {
		return nil, errors.New("portal.New: the public URL is none")
	}
	p := &Portal{deps: deps, opts: opts, now: opts.Now, origin: u.Scheme + "://" + u.Host,
		base: u.EscapedPath() + "/api/", secure: u.Scheme == "https"}
	if p.now == nil {
		p.now = time.Now
	}
	p.policy = contentPolicy(append([]string{opts.Authority}, opts.ReturnOrigins...))
	if p.texts, err = readTexts(); err != nil {
		return nil, fmt.Errorf("portal.New: %w", err)
	}
	if p.assets, err = readAssets(); err != nil {
		return nil, fmt.Errorf("portal.New: %w", err)
	}
	if p.templates, err = readTemplates(); err != nil {
		return nil, fmt.Errorf("portal.New: %w", err)
	}
	p.pages = p.install()
	return p, nil
}

// page is one page of portal/{page}/{id}/{action}.
type page struct {
	// roles may see the page: id is then the grant of a session with one of them.
	// Empty: anybody may, and the functions find out who it is.
	roles []string
	get   func(context.Context, *visit) Answer
	// post are the forms of the page by action; "" is the page itself. For a page with
	// roles the form's token has been checked when they are called.
	post map[string]func(context.Context, *visit) Answer
}

// Serve answers a request to portal/{page}/{id}/{action}; what the route left out is "".
// Only GET, HEAD and POST come.
func (p *Portal) Serve(ctx context.Context, r *http.Request, name, id, action string) Answer {
	if name == "assets" && action == "" && r.Method != http.MethodPost {
		return p.asset(id)
	}
	v := p.visit(r)
	v.name, v.id, v.action = name, id, action
	page, ok := p.pages[name]
	if !ok {
		return v.trouble(notFound)
	}
	serve, bad := page.function(v)
	if bad != nil {
		return *bad
	}
	if len(page.roles) > 0 {
		if bad := v.enter(ctx, page.roles); bad != nil {
			return *bad
		}
	}
	if r.Method == http.MethodPost {
		if bad := v.readForm(); bad != nil {
			return *bad
		}
		if len(page.roles) > 0 && !v.formHolds(v.session.Browser) {
			return v.trouble(formStale)
		}
	}
	answer := serve(ctx, v)
	if r.Method == http.MethodHead {
		answer.Body = nil
	}
	return answer
}

// function finds what serves a request. The answer is not nil where nothing does: there is
// no such page, or it is not asked for by the right method.
func (p page) function(v *visit) (func(context.Context, *visit) Answer, *Answer) {
	form := p.post[v.action]
	switch {
	case v.request.Method == http.MethodPost && form != nil:
		return form, nil
	case v.request.Method != http.MethodPost && v.action == "":
		return p.get, nil
	case v.request.Method == http.MethodPost && v.action == "":
		return nil, v.refused(getOnly)
	case form != nil:
		return nil, v.refused(postOnly)
	}
	return nil, v.refused(notFound)
}

// Failure answers a request that a fault of ours kept from being answered.
func (p *Portal) Failure(r *http.Request, cause error) Answer { return p.visit(r).broken(cause) }

// path is that of a page on our origin: /api/portal/<parts…>.
func (p *Portal) path(parts ...string) string {
	return p.base + "portal/" + strings.Join(parts, "/")
}

// url is the outside URL of a path below /api/, which redirect URIs are made of.
func (p *Portal) url(below string) string { return p.opts.PublicURL + "/api/" + below }

// mayReturn reports whether people may be sent to a URL.
func (p *Portal) mayReturn(to string) bool { return link.MayReturn(to, p.opts.ReturnOrigins) }
