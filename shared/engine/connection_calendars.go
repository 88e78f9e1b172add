package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// Errors of choosing calendars (feature R6); compare with errors.Is.
var (
	// ErrNotRead: only the directions down and both read calendars; with up none is ever
	// listed (I4).
	ErrNotRead = errors.New("the direction reads no calendar")
	// ErrManyCalendars: a connection reads connection.MaxCalendars at most.
	ErrManyCalendars = errors.New("too many calendars")
	// ErrListNeedsDetails: Microsoft lists no calendars for a connection that sees busy
	// times only (graph/contract.md section 12); the scope details is needed to choose.
	ErrListNeedsDetails = errors.New("calendars are not listed for busy times only")
)

// CalendarsUnknown says that calendars were chosen that the connection cannot read: not
// in the mailbox, or shared by others while the scope is not shared.
type CalendarsUnknown struct {
	// At are their places in what was chosen, in order.
	At []int
}

func (e *CalendarsUnknown) Error() string {
	return fmt.Sprintf("%d of the calendars are not in the mailbox", len(e.At))
}

// ConnectionCalendars lists the calendars that a connection could read from, the default
// one first; those that others share only where its scope is shared, whatever the token
// allows. check objects before anything is asked.
//
// It costs two table reads and one request to Graph for 100 calendars. Errors:
// state.ErrNotFound, ErrNotRead, ErrListNeedsDetails, or a *graph.Error; one that the
// connection died of has been noted.
func (e *Engine) ConnectionCalendars(ctx context.Context, organization string, id key.Key, check CheckConnection) ([]graph.Folder, error) {
	row, err := e.rowOf(ctx, organization, id, check)
	if err != nil {
		return nil, fmt.Errorf("engine.ConnectionCalendars: %w", err)
	}
	all, err := e.calendarsOf(ctx, row.Connection)
	if err != nil {
		return nil, fmt.Errorf("engine.ConnectionCalendars: %w", err)
	}
	return readable(all, row.Connection), nil
}

// calendarsOf asks Graph for the list.
func (e *Engine) calendarsOf(ctx context.Context, c connection.Connection) ([]graph.Folder, error) {
	switch {
	case !c.Reads():
		return nil, ErrNotRead
	case c.State == connection.NeedsReauth || c.State == connection.BlockedByPolicy:
		return nil, &graph.Error{Kind: graph.Unauthorised, Reason: string(c.State)}
	case e.calendars == nil:
		return nil, &graph.Error{Kind: graph.Transient, Cause: errors.New("nothing lists calendars here")}
	}
	as, err := e.accessTo(ctx, c)
	if err != nil {
		return nil, err
	}
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	all, err := e.calendars.Calendars(call, as, c.Mailbox)
	if err == nil {
		return all, nil
	}
	failure := graphError(err)
	switch {
	case failure.Forbidden() && c.Scope == connection.Busy:
		return nil, ErrListNeedsDetails
	case failure.Kind == graph.Unauthorised && c.Delegated:
		return nil, errors.Join(failure, e.ConnectionFailed(ctx, c, failure))
	}
	return nil, failure
}

// accessTo is in whose name a connection's mailbox is read: the person's, or the app's in
// the tenant that the organisation is bound to, and in no other (I7).
func (e *Engine) accessTo(ctx context.Context, c connection.Connection) (graph.Access, error) {
	if c.Delegated {
		return accessOf(key.Lane(c.Organization, key.User, c.User), c), nil
	}
	org, err := e.orgs.Organization(ctx, c.Organization)
	switch {
	case err != nil:
		return graph.Access{}, err
	case org.State.Tenant == "" || !strings.EqualFold(org.State.Tenant, c.Account.Tenant) || c.Mailbox == "":
		return graph.Access{}, &graph.Error{Kind: graph.Unauthorised, Reason: graph.ReasonConsentMissing}
	}
	return graph.AppAccess(org.State.Tenant), nil
}

// readable leaves out the calendars of others where the scope does not reach them.
func readable(all []graph.Folder, c connection.Connection) []graph.Folder {
	if c.Scope == connection.Shared {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(f graph.Folder) bool { return sharedBy(all, c)(f) })
}

// sharedBy tells the calendars of others in a list: those with another owner than the
// default calendar, or than the mailbox where the list has none.
func sharedBy(all []graph.Folder, c connection.Connection) func(graph.Folder) bool {
	own := c.Mailbox
	if at := slices.IndexFunc(all, func(f graph.Folder) bool { return f.Default }); at >= 0 {
		own = all[at].Owner
	}
	return func(f graph.Folder) bool { return !f.Default && f.Owner != own }
}

// chosen are the calendars that were chosen for c, as Graph names them: each id must be
// one that c reads already, or one of the list. known keeps the list for a second try.
func (e *Engine) chosen(ctx context.Context, c connection.Connection, wanted []connection.Calendar, known *[]graph.Folder) ([]connection.Calendar, error) {
	wanted = uniqueCalendars(wanted)
	switch {
	case len(wanted) == 0:
		return nil, nil
	case !c.Reads():
		return nil, ErrNotRead
	case len(wanted) > connection.MaxCalendars:
		return nil, ErrManyCalendars
	}
	out := make([]connection.Calendar, len(wanted))
	missing := false
	for i, w := range wanted {
		at := slices.IndexFunc(c.Calendars, func(has connection.Calendar) bool { return has.ID == w.ID })
		if missing = missing || at < 0; at >= 0 {
			out[i] = c.Calendars[at]
		}
	}
	if !missing {
		return out, nil
	}
	if *known == nil {
		all, err := e.calendarsOf(ctx, c)
		if err != nil {
			return nil, err
		}
		*known = all
	}
	return named(*known, c, wanted)
}

// named takes chosen calendars from a list.
func named(all []graph.Folder, c connection.Connection, wanted []connection.Calendar) ([]connection.Calendar, error) {
	var unknown CalendarsUnknown
	isShared, offered := sharedBy(all, c), readable(all, c)
	out := make([]connection.Calendar, len(wanted))
	for i, w := range wanted {
		at := slices.IndexFunc(offered, func(f graph.Folder) bool { return f.ID == w.ID })
		if at < 0 {
			unknown.At = append(unknown.At, i)
			continue
		}
		f := offered[at]
		out[i] = connection.Calendar{ID: f.ID, Name: clippedName(f.Name), Default: f.Default, Shared: isShared(f)}
	}
	if len(unknown.At) > 0 {
		return nil, &unknown
	}
	return out, nil
}

// uniqueCalendars leaves out what is there twice.
func uniqueCalendars(all []connection.Calendar) []connection.Calendar {
	var out []connection.Calendar
	for _, c := range all {
		if !slices.ContainsFunc(out, func(o connection.Calendar) bool { return o.ID == c.ID }) {
			out = append(out, c)
		}
	}
	return out
}

// clippedName is a name as a row keeps it.
func clippedName(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if utf8.RuneCountInString(name) <= connection.MaxCalendarName {
		return name
	}
	return string([]rune(name)[:connection.MaxCalendarName-1]) + "…"
}

// withCalendars is what change says of a connection's calendars, applied to next, which
// is the connection as it is to be otherwise.
func (e *Engine) withCalendars(ctx context.Context, row state.Stored, next connection.Connection, change ConnectionChange, known *[]graph.Folder) (connection.Connection, error) {
	if change.Calendars == nil {
		return next.Narrowed(), nil
	}
	next.Calendars = row.Calendars
	chosen, err := e.chosen(ctx, next, *change.Calendars, known)
	next.Calendars = chosen
	return next, err
}
