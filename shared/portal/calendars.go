package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// calendarsPage lets a person choose which of an account's calendars are read (R6).
//
// Where they cannot be listed Folders is empty and What and Next say why, with at most one
// of the ways on: Again signs in, Details asks for the scope that lists, Retry looks again.
type calendarsPage struct {
	ID, Account string
	Home        string
	Folders     []calendarChoice
	Most        int
	// Gone are names of calendars that were chosen and are not there any more.
	Gone []string
	// Fault is what was wrong with what was sent: the text calendars.<fault>; "" for nothing.
	Fault                 string
	What, Next            string
	Again, Details, Retry string
}

// calendarChoice is one calendar on the page.
type calendarChoice struct {
	Value, Name string
	Checked     bool
	Default     bool
	// Sharer is whose it is where others share it.
	Sharer string
	// Of how many calendars of that name this is the Nth; 0 where there is one. Color is
	// its colour in Outlook, the text color.<color>, where that helps to tell them apart.
	Nth, Of int
	Color   string
}

// Place are the pairs of the text that says which of several of one name it is.
func (c calendarChoice) Place() []string {
	return []string{"nth", strconv.Itoa(c.Nth), "of", strconv.Itoa(c.Of)}
}

// ownCalendar begins the value of the account's own calendar: chosen alone it is stored
// as no choice at all, which means the same and survives a move of the mailbox.
const ownCalendar = "default:"

// fieldCalendar is the field of the boxes that are ticked, the only one that comes twice.
const fieldCalendar = "calendar"

// Faults of what was sent; the texts calendars.<fault>.
const (
	faultNone    = "none"    // nothing was ticked
	faultMany    = "many"    // more than a connection can have
	faultChanged = "changed" // one of them has gone meanwhile
)

// mayChooseCalendars reports whether a person can choose an account's calendars.
func mayChooseCalendars(org organization.Organization, c connection.Connection) bool {
	return org.Profile == organization.Planning && c.Reads() && c.State != connection.NeedsReauth && c.State != connection.BlockedByPolicy
}

// askCalendars answers GET of apps/<grant>?calendars=<connection>.
func (v *visit) askCalendars(ctx context.Context, id string) Answer {
	c, bad := v.own(ctx, id)
	if bad != nil {
		return *bad
	}
	return v.showCalendars(ctx, c, http.StatusOK, "", nil)
}

// showCalendars shows the choice as it is stored, or as it was sent.
func (v *visit) showCalendars(ctx context.Context, c connection.Connection, status int, fault string, sent []string) Answer {
	d := calendarsPage{ID: c.ID.String(), Account: cmp.Or(c.Account.Name, c.Email), Home: v.portal.path(pageApps, v.session.ID),
		Most: connection.MaxCalendars, Fault: fault}
	if !mayChooseCalendars(v.org, c) {
		return v.see(d.Home) // an old page: the account's own page says how it stands
	}
	all, err := v.portal.deps.Connections.ConnectionCalendars(ctx, v.session.Organization, c.ID, v.isOwn)
	if err != nil {
		return v.noCalendars(d, c, err)
	}
	d.Folders = folders(all, c, sent)
	for _, had := range c.Calendars {
		if !slices.ContainsFunc(all, func(f graph.Folder) bool { return f.ID == had.ID }) {
			d.Gone = append(d.Gone, had.Name)
		}
	}
	return v.page(status, "calendars", d)
}

// noCalendars says why there is no list, and what to do.
func (v *visit) noCalendars(d calendarsPage, c connection.Connection, err error) Answer {
	d.Fault = ""
	failure := (*graph.Error)(nil)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return v.trouble(notFound)
	case errors.Is(err, engine.ErrNotRead):
		return v.see(d.Home)
	case errors.Is(err, engine.ErrListNeedsDetails):
		d.What, d.Next = v.say("calendars.details.what"), v.say("calendars.details.next")
		d.Details = v.portal.startPath(v.session.ID, d.ID, choice{connection.Down, connection.Details})
		return v.page(http.StatusOK, "calendars", d)
	case errors.As(err, &failure) && failure.Reason != "" && (failure.Kind == graph.Unauthorised || failure.Kind == graph.Unreachable):
		why := v.because(failure.Reason)
		d.What, d.Next = why.What, why.Next
		if failure.Reason == graph.ReasonNeedsReauth {
			d.Again = v.portal.startPath(v.session.ID, d.ID, choice{c.Direction, c.Scope})
		}
		return v.page(http.StatusOK, "calendars", d)
	case failure == nil:
		return v.broken(err)
	}
	d.What, d.Next = v.say("calendars.passing.what"), v.say("calendars.passing.next")
	d.Retry = v.calendarsPath(d.ID)
	a := v.page(http.StatusServiceUnavailable, "calendars", d)
	a.Header.Set("Retry-After", "10")
	return v.caused(a, err)
}

// calendarsPath is the page of a connection's calendars.
func (v *visit) calendarsPath(id string) string {
	return v.portal.path(pageApps, v.session.ID) + "?" + url.Values{"calendars": {id}}.Encode()
}

// chooseCalendars stores which calendars of an account are read. Twice is as once.
func (p *Portal) chooseCalendars(ctx context.Context, v *visit) Answer {
	c, bad := v.own(ctx, v.values.Get("connection"))
	if bad != nil {
		return *bad
	}
	if !mayChooseCalendars(v.org, c) {
		return v.trouble(badChoice)
	}
	sent := v.values[fieldCalendar]
	switch {
	case len(sent) == 0:
		return v.showCalendars(ctx, c, http.StatusBadRequest, faultNone, []string{})
	case len(sent) > connection.MaxCalendars:
		return v.showCalendars(ctx, c, http.StatusBadRequest, faultMany, sent)
	}
	wanted := chosenCalendars(sent)
	_, err := p.deps.Connections.ChangeConnection(ctx, v.session.Organization, c.ID, engine.ConnectionChange{Calendars: &wanted}, v.isOwn)
	var unknown *engine.CalendarsUnknown
	switch {
	case err == nil:
		return v.done("calendars")
	case errors.As(err, &unknown):
		return v.showCalendars(ctx, c, http.StatusConflict, faultChanged, sent)
	}
	return v.noCalendars(calendarsPage{ID: c.ID.String(), Account: cmp.Or(c.Account.Name, c.Email), Home: v.portal.path(pageApps, v.session.ID)}, c, err)
}

// chosenCalendars reads the values of a form.
func chosenCalendars(sent []string) []connection.Calendar {
	all := []connection.Calendar{}
	for _, value := range sent {
		id, own := strings.CutPrefix(value, ownCalendar)
		if own && len(sent) == 1 {
			return all
		}
		all = append(all, connection.Calendar{ID: id})
	}
	return all
}

// folders are a list as the page shows it. sent are the values that were ticked; nil
// ticks what is stored, and where nothing is the account's own calendar.
func folders(all []graph.Folder, c connection.Connection, sent []string) []calendarChoice {
	count, nth := map[string]int{}, map[string]int{}
	for _, f := range all {
		count[strings.ToLower(f.Name)]++
	}
	own := c.Mailbox
	if len(all) > 0 && all[0].Default {
		own = all[0].Owner
	}
	out := make([]calendarChoice, len(all))
	for i, f := range all {
		one := calendarChoice{Value: f.ID, Name: f.Name, Default: f.Default}
		if f.Default {
			one.Value = ownCalendar + f.ID
		}
		if f.Owner != own && !f.Default {
			one.Sharer = cmp.Or(f.OwnerName, f.Owner)
		}
		if name := strings.ToLower(f.Name); count[name] > 1 {
			nth[name]++
			one.Nth, one.Of, one.Color = nth[name], count[name], colorOf(f)
		}
		switch {
		case sent != nil:
			one.Checked = slices.Contains(sent, one.Value)
		case len(c.Calendars) == 0:
			one.Checked = f.Default
		default:
			one.Checked = slices.ContainsFunc(c.Calendars, func(has connection.Calendar) bool { return has.ID == f.ID })
		}
		out[i] = one
	}
	return out
}

// colors are the members of Graph's calendarColor that people can tell apart.
var colors = []string{"lightBlue", "lightGreen", "lightOrange", "lightGray", "lightYellow", "lightTeal", "lightPink", "lightBrown", "lightRed"}

func colorOf(f graph.Folder) string {
	if slices.Contains(colors, f.Color) {
		return f.Color
	}
	return ""
}
