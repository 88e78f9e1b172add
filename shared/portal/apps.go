package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// shownFor is how long an attempt that was not finished is shown.
const shownFor = 24 * time.Hour

// appsPage is "Connected apps": a person's accounts, and what can be done with each.
type appsPage struct {
	Who      string // the best name for the person, "" for none
	Accounts []account
	// Several says that there may be more than one account, each for its own direction.
	Several bool
	// Add begins to connect an account, the first or another one; "" where nobody can.
	Add string
	// NotNow shows the button that dismisses the offer (T5).
	NotNow bool
	// Hindrance says why nothing can be connected now, "" where it can: the texts
	// trouble.<hindrance>.what and .next.
	Hindrance trouble
	// Served says that no sign-in is needed, because the organisation's consent is enough;
	// Mailbox why it does not reach this person's mailbox.
	Served  bool
	Mailbox explanation
	// MayOptOut and OptedOut are the person's own switch (L3).
	MayOptOut, OptedOut bool
	// Unfinished is when an attempt began that did not come back; zero for none.
	Unfinished  time.Time
	ConsentLink string
	// Done is what was just done: the text done.<word>.
	Done string
}

// account is one connection on the page.
type account struct {
	ID, Name, Mailbox string
	State             string
	Since             time.Time
	Direction         string
	Seen              string
	Primary, Writes   bool
	Paused            bool
	Why               explanation
	// Again begins a sign-in that would help; "" where none would.
	Again      string
	Choices    []startChoice
	MayPause   bool
	MayPrimary bool
	// MayDisconnect: without it the administrator's consent is enough, and bookings would
	// come all the same.
	MayDisconnect bool
	LastRefresh   time.Time
	// Calendars leads to the choice of calendars, "" where there is none; Read are the
	// names of those that are read, none for the account's own one.
	Calendars string
	Read      []string
	// Reading is how the reading of its calendars stands; nil where they are not read.
	Reading *appReading
}

// dones are the words that a page may be told to confirm.
var dones = []string{"changed", "paused", "primary", "disconnected", "dismissed", "opted-out", "opted-in", "calendars", "sync"}

// showApps answers GET of apps/<grant>: with disconnect=<connection> it asks
// first, with calendars=<connection> it lists that account's calendars.
func (p *Portal) showApps(ctx context.Context, v *visit) Answer {
	if id := v.values.Get("disconnect"); id != "" {
		return v.askDisconnect(ctx, id)
	}
	if id := v.values.Get("calendars"); id != "" {
		return v.askCalendars(ctx, id)
	}
	d := appsPage{Who: v.session.Email, Several: v.org.Profile == organization.Planning, Served: v.org.Permission != organization.Delegated}
	if word := v.values.Get("done"); slices.Contains(dones, word) {
		d.Done = word
	}
	all, err := p.deps.Connections.Connections(ctx, v.session.Organization, v.session.User)
	if err != nil {
		return v.broken(err)
	}
	for _, c := range all {
		a := v.account(c)
		if a.Reading, err = v.reading(ctx, c); err != nil {
			return v.broken(err)
		}
		d.Accounts = append(d.Accounts, a)
	}
	if err := v.person(ctx, &d); err != nil {
		return v.broken(err)
	}
	if err := v.unfinished(ctx, &d); err != nil {
		return v.broken(err)
	}
	_, d.Hindrance = plan(v.org, v.session.Role, v.session.User)
	if d.Hindrance == "" && (d.Several || len(all) == 0) {
		d.Add = p.startPath(v.session.ID, "", choice{})
	}
	if d.Served {
		d.Hindrance = ""
	}
	return v.page(http.StatusOK, "apps", d)
}

// person fills in what is known of the person.
func (v *visit) person(ctx context.Context, d *appsPage) error {
	who, err := v.portal.deps.Connections.Person(ctx, v.session.Organization, v.session.User)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.Who, d.OptedOut, d.MayOptOut = cmp.Or(who.Name, d.Who, who.Email), who.OptedOut, v.org.OptOut
	d.NotNow = who.Offer != "none" && len(d.Accounts) == 0
	if d.Served && who.Mailbox != state.MailboxOK && who.Mailbox != state.MailboxUnknown && who.Mailbox != "" {
		d.Mailbox = v.because(who.Mailbox)
	}
	return nil
}

// unfinished fills in the attempt that did not come back (R4).
func (v *visit) unfinished(ctx context.Context, d *appsPage) error {
	f, err := v.portal.deps.Flows.Latest(ctx, v.session.Organization, kindConnect, v.session.User)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	away := v.now.Sub(f.Created)
	if !f.Used.IsZero() || away < unfinishedAfter || away >= shownFor || v.org.State.Earlier(f.Created) || f.Organization != v.session.Organization || f.User != v.session.User {
		return nil
	}
	d.Unfinished = f.Created
	d.ConsentLink, err = v.consentLink(ctx, false, v.session.Email)
	return err
}

// account is a connection as the page shows it.
func (v *visit) account(c connection.Connection) account {
	a := account{ID: c.ID.String(), Name: c.Account.Name, Mailbox: c.Mailbox, State: string(c.State), Since: c.Since, Direction: string(c.Direction),
		Seen: seen(v.org, choice{c.Direction, c.Scope}), Primary: c.Primary, Writes: c.Writes(), Paused: c.Direction == connection.None,
		Why: v.explain(c), LastRefresh: c.LastRefresh, MayDisconnect: c.Delegated}
	if a.Name == "" {
		a.Name = c.Email
	}
	if c.State == connection.NeedsReauth {
		wanted := choice{c.Direction, c.Scope}
		if a.Paused {
			wanted = choice{}
		}
		a.Again = v.portal.startPath(v.session.ID, a.ID, wanted)
	}
	if v.org.Profile != organization.Planning {
		return a
	}
	a.MayPause, a.MayPrimary = !a.Paused, !c.Primary
	a.Choices = v.choices(choice{c.Direction, c.Scope})
	if mayChooseCalendars(v.org, c) {
		a.Calendars = v.calendarsPath(a.ID)
		for _, from := range c.Calendars {
			a.Read = append(a.Read, cmp.Or(from.Name, v.say("calendars.unnamed")))
		}
	}
	return a
}

// disconnectPage asks before an account is disconnected, and says what that does not do.
type disconnectPage struct {
	ID, Name string
	Home     string
}

func (v *visit) askDisconnect(ctx context.Context, id string) Answer {
	c, bad := v.own(ctx, id)
	if bad != nil {
		return *bad
	}
	if !c.Delegated {
		return v.trouble(badChoice)
	}
	return v.page(http.StatusOK, "disconnect", disconnectPage{ID: id, Name: c.Account.Name, Home: v.portal.path(pageApps, v.session.ID)})
}

// done sends the browser back to the page, which says what was done.
func (v *visit) done(word string) Answer {
	return v.see(v.portal.path(pageApps, v.session.ID) + "?" + url.Values{"done": {word}}.Encode())
}

// changeApp takes another direction and scope of an account. What needs more than was
// granted leads to a sign-in, and until then all stays as it is (R3). Twice is as once.
func (p *Portal) changeApp(ctx context.Context, v *visit) Answer {
	wanted, ok := choose(choices(v.org), v.values.Get("choice"), nil)
	if !ok || v.values.Get("choice") == "" || v.org.Profile != organization.Planning {
		return v.trouble(badChoice)
	}
	return v.change(ctx, engine.ConnectionChange{Direction: &wanted.Direction, Scope: &wanted.Scope}, "changed")
}

// pauseApp sets direction none, which planners may (R2). Twice is as once.
func (p *Portal) pauseApp(ctx context.Context, v *visit) Answer {
	if v.org.Profile != organization.Planning {
		return v.trouble(badChoice)
	}
	none := connection.None
	return v.change(ctx, engine.ConnectionChange{Direction: &none}, "paused")
}

// primaryApp makes an account the one that bookings are written to from now on (R6).
// Twice is as once.
func (p *Portal) primaryApp(ctx context.Context, v *visit) Answer {
	yes := true
	return v.change(ctx, engine.ConnectionChange{Primary: &yes}, "primary")
}

// change changes the account that the form names.
func (v *visit) change(ctx context.Context, change engine.ConnectionChange, word string) Answer {
	c, bad := v.own(ctx, v.values.Get("connection"))
	if bad != nil {
		return *bad
	}
	_, err := v.portal.deps.Connections.ChangeConnection(ctx, v.session.Organization, c.ID, change, v.isOwn)
	var missing *engine.ScopeMissing
	switch {
	case errors.As(err, &missing):
		return v.see(v.portal.startPath(v.session.ID, c.ID.String(), choice{missing.Direction, missing.Scope}))
	case errors.Is(err, state.ErrNotFound):
		return v.trouble(notFound)
	case err != nil:
		return v.broken(err)
	}
	return v.done(word)
}

// isOwn objects to somebody else's connection: it is looked at again at the moment at
// which it changes. To others it is not there.
func (v *visit) isOwn(c connection.Connection, _ string) error {
	if c.User != v.session.User {
		return state.ErrNotFound
	}
	return nil
}

// disconnectApp destroys an account's tokens and the connection. Twice is as once.
func (p *Portal) disconnectApp(ctx context.Context, v *visit) Answer {
	c, bad := v.own(ctx, v.values.Get("connection"))
	if bad != nil {
		if bad.Status == http.StatusNotFound { // a double click
			return v.done("disconnected")
		}
		return *bad
	}
	if !c.Delegated {
		return v.trouble(badChoice)
	}
	err := p.deps.Connections.Disconnect(ctx, v.session.Organization, c.ID, v.isOwn)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return v.broken(err)
	}
	return v.done("disconnected")
}

// dismissOffer remembers "not now" and goes back to the product (T5). Twice is as once.
func (p *Portal) dismissOffer(ctx context.Context, v *visit) Answer {
	err := p.deps.Connections.Dismiss(ctx, v.session.Organization, v.session.User, true)
	switch {
	case errors.Is(err, state.ErrNotFound): // nobody to remember it of
	case err != nil:
		return v.broken(err)
	}
	if to := v.session.ReturnURL; to != "" && p.mayReturn(to) {
		return v.see(to)
	}
	return v.done("dismissed")
}

// optOut and optIn are the person's own switch, where the organisation has it (L3).
// Twice is as once.
func (p *Portal) optOut(ctx context.Context, v *visit) Answer {
	return v.choose(ctx, true, "opted-out")
}
func (p *Portal) optIn(ctx context.Context, v *visit) Answer { return v.choose(ctx, false, "opted-in") }

func (v *visit) choose(ctx context.Context, out bool, word string) Answer {
	if !v.org.OptOut {
		return v.trouble(badChoice)
	}
	err := v.portal.deps.Connections.Choose(ctx, v.session.Organization, v.session.User, engine.Choice{OptedOut: &out})
	switch {
	case errors.Is(err, state.ErrNotFound):
		return v.trouble(noPerson)
	case err != nil:
		return v.broken(err)
	}
	return v.done(word)
}
