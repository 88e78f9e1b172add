package portal

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// Issuer makes links; *link.Issuer does. Replace ends those of the role that were made before.
type Issuer interface {
	Issue(ctx context.Context, r link.Request) (link.Issued, error)
	Replace(ctx context.Context, r link.Request) (link.Issued, error)
}

// Setup is what the org admin's page shows and switches; *engine.Engine does.
type Setup interface {
	Summary(ctx context.Context, organization string) (engine.Summary, error)
	Stale(ctx context.Context, organization string) (engine.Stale, error)
	SetSync(ctx context.Context, organization string, on, remove bool) error
	ListConnections(ctx context.Context, organization, after string, limit int) (engine.ConnectionPage, error)
}

// setupPage is the org admin's page: four steps, and how people stand (T1, T3, T4, L1).
type setupPage struct {
	Link    setupLink
	Consent setupConsent
	Own     setupOwn
	Sync    setupSync
	People  setupPeople
	Reading setupReading
	// Any says that people connect accounts of any tenant, so that nobody allows it for all.
	Any bool
	// Done is what was just done: the text setup.done.<word>; "" for nothing.
	Done string
}

// setupLink is the newest consent link that can be used.
type setupLink struct {
	URL string // "" where there is none
	// Created, Expires and Opened are the link's; Opened is zero for never.
	Created, Expires, Opened time.Time
	// Needed says that somebody has to consent.
	Needed bool
}

// setupConsent is how the consent stands: the text setup.consent.<state>.
type setupConsent struct {
	State  string
	Since  time.Time
	Tenant string
	Domain string
	// Why says how an attempt failed, an outcome's name; "" where none did.
	Why string
	// Proof is how sure the consent is: the text setup.proof.<proof>; "" while it is not there.
	Proof string
	Added []string
	// Allowed are the tenants whose people may connect, of an organisation of any.
	Allowed []setupAllowed
	// Test is the form that tests what was allowed; nil where nothing is to be tested.
	Test *testForm
}

// setupAllowed is a tenant that its administrator allowed it for.
type setupAllowed struct {
	Domain string // or the tenant's id
	At     time.Time
}

// setupOwn is the org admin's own sign-in.
type setupOwn struct {
	Start string // where it begins
	// Calendar says that it connects a calendar; else it proves the tenant only.
	Calendar bool
	// Proven says that the admin signed in to the organisation's tenant.
	Proven bool
	// Account is the one that is connected, with its state; "" for none.
	Account, State string
}

// setupSync is the calendar sync switch.
type setupSync struct {
	On bool
	// Ready says that it can be switched on usefully.
	Ready bool
	Off   string // leads to the page that asks before switching off
}

// setupPeople counts people.
type setupPeople struct {
	Total, Inactive, Dismissed int
	More                       bool
	Rows                       []setupRow
}

// setupRow is how many people stand alike: the text people.<key>.
type setupRow struct {
	Key    string
	Count  int
	Causes []setupCause
}

// setupCause is why, with how many.
type setupCause struct {
	explanation
	Count int
}

// setupDone are the words that the page may be told to say.
var setupDone = []string{"link", "sync-on", "sync-off", "sync-removed", "held-approve", "held-restore", "held-over"}

// showSetup answers GET of setup/<grant>; with switch=off it asks before switching off,
// with held=<connection> it asks what is to become of what is held.
func (p *Portal) showSetup(ctx context.Context, v *visit) Answer {
	if v.values.Get("switch") == "off" && v.org.Sync {
		return p.askSyncOff(ctx, v)
	}
	if id := v.values.Get("held"); id != "" {
		return v.askHeld(ctx, id)
	}
	d := setupPage{Any: v.org.AnyTenant(), Consent: v.consentState(), Sync: setupSync{On: v.org.Sync,
		Ready: v.org.State.Consented() || v.org.AnyTenant(), Off: p.path(pageSetup, v.id) + "?switch=off"}}
	if word := v.values.Get("done"); slices.Contains(setupDone, word) {
		d.Done = word
	}
	var err error
	if d.Link, err = v.setupLink(ctx); err != nil {
		return v.broken(err)
	}
	if d.Own, err = v.setupOwn(ctx); err != nil {
		return v.broken(err)
	}
	summary, err := p.deps.Setup.Summary(ctx, v.org.ID)
	if err != nil {
		return v.broken(err)
	}
	d.People = v.people(summary)
	if d.Reading, err = v.setupReading(ctx); err != nil {
		return v.broken(err)
	}
	return v.page(http.StatusOK, "setup", d)
}

// setupLink finds the newest link that an Entra admin can use.
func (v *visit) setupLink(ctx context.Context) (setupLink, error) {
	limiting := v.org.Consent == "scoped" && v.org.State.Tenant != "" && v.org.State.Consent == organization.ConsentStarted
	s := setupLink{Needed: !limiting && !v.org.AnyTenant() &&
		!slices.Contains([]string{organization.ConsentGranted, organization.ConsentPending}, v.org.State.Consent)}
	l, ok, err := v.liveConsentLink(ctx)
	if err != nil || !ok {
		return s, err
	}
	s.URL, s.Created, s.Expires, s.Opened = v.portal.deps.Keys.URL(v.portal.opts.PublicURL, l.ID, l.Role), l.Created, l.Expires, l.Opened
	return s, nil
}

// liveConsentLink is the newest consent link of the organisation that still works. What was
// made before the tenant was bound, or longer ago than any link lasts, is not looked at.
func (v *visit) liveConsentLink(ctx context.Context) (state.Link, bool, error) {
	for l, err := range v.portal.deps.Links.Of(ctx, v.org.ID, state.EntraAdmin) {
		switch {
		case err != nil:
			return state.Link{}, false, err
		case l.Ended.IsZero() && v.over(l), v.now.Sub(l.Created) > link.Life(state.EntraAdmin):
			return state.Link{}, false, nil
		case l.Live(v.now):
			return l, true, nil
		}
	}
	return state.Link{}, false, nil
}

// consentState says how far the consent is, as the org admin needs to know it.
func (v *visit) consentState() setupConsent {
	s := v.org.State
	c := setupConsent{State: s.Consent, Since: s.ConsentedAt, Tenant: s.Tenant, Test: v.testForm(v.portal.path(pageSetup, v.id, "probe"))}
	for _, a := range s.Allowed {
		c.Allowed = append(c.Allowed, setupAllowed{cmp.Or(a.Domain, a.Tenant), a.At})
	}
	switch s.Consent {
	case organization.ConsentGranted, organization.ConsentOutdated:
		c.Proof = cmp.Or(s.Evidence, "none")
		if s.BoundBy == organization.BoundByOperator {
			c.Proof = "operator"
		} else if v.org.Permission == organization.Delegated && c.Proof != organization.EvidenceSilent {
			c.Proof = "people" // no calendar that is reached proves it for the others
		}
		c.Added = organization.Added(s.PermissionSet)
		return c
	case organization.ConsentMissing:
		return c
	case organization.ConsentPending:
		c.Since, c.Tenant, c.Domain = s.Attempt.Offered, s.Attempt.Tenant, s.Attempt.Domain
		if s.Attempt.AdminRole && !s.Attempt.Shared {
			c.State = "yours"
		}
		return c
	}
	switch a := s.Attempt; {
	case s.Tenant != "" && v.org.Consent == "scoped":
		c.State = "scoped" // bound, and to be limited in Exchange
	case a.ID == "" && v.org.AnyTenant():
		c.State = "any"
	case a.ID == "":
		c.State = organization.ConsentNone
	case a.Failed != "":
		c.State, c.Since, c.Why = "failed", a.Started, a.Failed
	case v.now.Sub(a.Started) >= unfinishedAfter:
		c.State, c.Since = "unfinished", a.Started
	default:
		c.State, c.Since = organization.ConsentStarted, a.Started
	}
	return c
}

// setupOwn says what the admin's own sign-in is for and whether it was made.
func (v *visit) setupOwn(ctx context.Context) (setupOwn, error) {
	s := v.org.State
	o := setupOwn{Start: v.portal.startPath(v.session.ID, "", choice{}), Calendar: v.org.Permission == organization.Delegated && v.session.User != "",
		Proven: s.AdminTenant != "" && s.AdminTenant == cmp.Or(s.Tenant, s.Attempt.Tenant, s.AdminTenant)}
	if !o.Calendar {
		return o, nil
	}
	all, err := v.portal.deps.Connections.Connections(ctx, v.org.ID, v.session.User)
	if err != nil {
		return o, err
	}
	if c, ok := connection.Primary(all); ok {
		o.Account, o.State = cmp.Or(c.Account.Name, c.Email), string(c.State)
	}
	return o, nil
}

// people turns the engine's count into rows: by connection where people sign in, by
// mailbox where they do not.
func (v *visit) people(s engine.Summary) setupPeople {
	p := setupPeople{Total: s.People, Inactive: s.Inactive, Dismissed: s.Dismissed, More: s.More}
	counts, kind := s.States, "connection."
	if v.org.Permission != organization.Delegated {
		counts, kind = s.Mailboxes, "mailbox."
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] == 0 {
			continue
		}
		row := setupRow{Key: "people." + kind + name, Count: counts[name]}
		if !v.lang.has(row.Key) {
			row.Key = "people.other"
		}
		if kind == "mailbox." && name != state.MailboxOK && name != state.MailboxUnknown {
			row.Key, row.Causes = "people.mailbox.unusable", v.setupCauses("", map[string]int{name: counts[name]})
		}
		if kind == "connection." {
			row.Causes = v.setupCauses(connection.State(name), s.Causes[name])
		}
		p.Rows = append(p.Rows, row)
	}
	slices.SortStableFunc(p.Rows, func(a, b setupRow) int { return b.Count - a.Count })
	return p
}

// setupCauses are the causes of a state, in words for an administrator: those of explain
// speak to the person whose calendar it is.
func (v *visit) setupCauses(in connection.State, causes map[string]int) []setupCause {
	var all []setupCause
	for _, name := range slices.Sorted(maps.Keys(causes)) {
		if causes[name] == 0 {
			continue
		}
		e := explanation{Code: name}
		number, _ := strconv.Atoi(name)
		if word, ok := deaths[number]; ok {
			e = explanation{What: v.say("people.why." + word + ".what"), Next: v.say("people.why." + word + ".next"), Owner: ownersOfCauses[word], Code: "AADSTS" + name}
		} else if r, ok := reason.Find(cmp.Or(name, string(in))); ok {
			e = explanation{What: r.Sentence, Next: r.Next, Owner: r.Owner}
		} else if found := v.failure(detail{Cause: name}); found != nil {
			e = *found
		}
		all = append(all, setupCause{e, causes[name]})
	}
	slices.SortStableFunc(all, func(a, b setupCause) int { return b.Count - a.Count })
	return all
}

// replaceLink makes a new consent link; the old one stops. A second click makes one more.
func (p *Portal) replaceLink(ctx context.Context, v *visit) Answer {
	_, err := p.deps.Issuer.Replace(ctx, link.Request{Organization: v.org.ID, Role: state.EntraAdmin, Locale: v.session.Locale,
		Life: link.Life(state.EntraAdmin), By: v.session.Email})
	switch {
	case errors.Is(err, link.ErrModuleOff):
		return v.trouble(moduleOff)
	case errors.Is(err, link.ErrUnknownOrganization):
		return v.trouble(organizationGone)
	case err != nil:
		return v.broken(err)
	}
	return v.see(p.path(pageSetup, v.id) + "?done=link")
}

// syncOffPage asks before calendar sync is switched off (T4).
type syncOffPage struct {
	Stale  engine.Stale
	Action string
	Keep   string // leads back
}

func (p *Portal) askSyncOff(ctx context.Context, v *visit) Answer {
	stale, err := p.deps.Setup.Stale(ctx, v.org.ID)
	if err != nil {
		return v.broken(err)
	}
	return v.page(http.StatusOK, "sync-off", syncOffPage{stale, p.path(pageSetup, v.id, "sync"), p.path(pageSetup, v.id)})
}

// setSync switches calendar sync. Doing it again does nothing.
func (p *Portal) setSync(ctx context.Context, v *visit) Answer {
	on, remove := v.values.Get("sync") == "on", v.values.Get("remove") == "yes"
	if !on && v.values.Get("sync") != "off" {
		return v.trouble(formUnreadable)
	}
	err := p.deps.Setup.SetSync(ctx, v.org.ID, on, remove && !on)
	switch {
	case errors.Is(err, engine.ErrModuleOff):
		return v.trouble(moduleOff)
	case errors.Is(err, state.ErrNotFound):
		return v.trouble(organizationGone)
	case err != nil:
		return v.broken(err)
	}
	done := "sync-off"
	switch {
	case on:
		done = "sync-on"
	case remove:
		done = "sync-removed"
	}
	return v.see(p.path(pageSetup, v.id) + "?done=" + done)
}
