package graphapi

import (
	"cmp"
	"net/http"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// calendar answers with one calendar, of the mailbox or one that is shared with it.
func (a *API) calendar(r *request, route Route) answer {
	v, _, p, err := a.viewCalendar(r, route)
	if err != nil {
		return r.fail(err)
	}
	c, err := a.store.Calendar(r.caller.Tenant, route.User, route.Calendar)
	if m, ok := a.mounted(r, route); ok && err != nil {
		c, err = m.Calendar, nil
	}
	if err != nil {
		return r.fail(err)
	}
	return ok(http.StatusOK, append(object{v.context("calendar/$entity")}, selectMembers(encodeCalendar(c), v.selected)...)).prefer(p)
}

// calendars lists the calendars of a mailbox, and behind them, for the owner's token with
// a .Shared permission, those of others that are shared with the owner (section 5).
func (a *API) calendars(r *request, route Route) answer {
	v, q, p, err := a.viewCalendar(r, route)
	if err != nil {
		return r.fail(err)
	}
	all, err := a.store.Calendars(r.caller.Tenant, route.User)
	if err != nil {
		return r.fail(err)
	}
	for _, m := range a.mounts(r, route) {
		all = append(all, m.Calendar)
	}
	items := make([]object, 0, len(all))
	for _, c := range all {
		items = append(items, selectMembers(encodeCalendar(c), v.selected))
	}
	return r.pageOf(items, v, q, p, "calendars*")
}

// pageOf is page over items that are encoded already.
func (r *request) pageOf(items []object, v view, q query, p preferences, what string) answer {
	size := cmp.Or(q.Top, p.pageSize, 10)
	o := object{v.context(what)}
	if q.Count {
		o = append(o, member{"@odata.count", len(items)})
	}
	rest := items[min(q.Skip, len(items)):]
	o = append(o, member{"value", rest[:min(size, len(rest))]})
	if len(rest) > size {
		o = append(o, member{"@odata.nextLink", r.base + "/" + r.path + "?" + skipTo(r.query, q.Skip+size)})
	}
	return ok(http.StatusOK, o).prefer(p)
}

// mounts are the calendars of others in a list; none without a permission for them.
func (a *API) mounts(r *request, route Route) []exchange.Mount {
	own, err := a.store.User(r.caller.Tenant, route.User)
	if err != nil || !r.caller.is(own.ObjectID) || !r.caller.mayShared(read) {
		return nil
	}
	all, err := a.store.Mounts(r.caller.Tenant, own.ObjectID)
	if err != nil {
		return nil
	}
	return all
}

// mounted finds the calendar of somebody else that a path names by the id it has in the
// list of the one whose path it is.
func (a *API) mounted(r *request, route Route) (exchange.Mount, bool) {
	if route.Calendar == "" || r.caller.appOnly() {
		return exchange.Mount{}, false
	}
	for _, m := range a.mounts(r, route) {
		if m.ID == route.Calendar {
			return m, true
		}
	}
	return exchange.Mount{}, false
}

// through leads a path to events of a shared calendar to where they lie, so that the
// rules for others' calendars decide.
func (a *API) through(r *request, route *Route) {
	if route.Kind != Events && route.Kind != View && route.Kind != OneEvent && route.Kind != Delta {
		return
	}
	if m, ok := a.mounted(r, *route); ok {
		route.User, route.Calendar = m.User, m.Target
	}
}

// viewCalendar is view with the options that lists of calendars take: $select over a
// calendar's properties, $top, $skip and $count.
func (a *API) viewCalendar(r *request, route Route) (view, query, preferences, error) {
	found, err := options(r.query)
	if err != nil {
		return view{}, query{}, preferences{}, err
	}
	for _, name := range []string{"expand", "filter", "orderby", "search"} {
		if _, there := found[name]; there {
			return view{}, query{}, preferences{}, badQuery("The query option '$" + name + "' is not supported on calendars.")
		}
	}
	bare := *r
	bare.query = without(r.query, "select")
	v, q, p, err := a.view(&bare, route)
	if err != nil {
		return v, q, p, err
	}
	if s, ok := found["select"]; ok {
		if v.selected, err = selectOf(s, encodeCalendar(exchange.Calendar{})); err != nil {
			return v, q, p, err
		}
	}
	return v, q, p, nil
}

// encodeCalendar gives the members of a calendar (section 5). hexColor is empty where no
// colour was chosen.
func encodeCalendar(c exchange.Calendar) object {
	return object{
		{"id", c.ID},
		{"name", c.Name},
		{"color", cmp.Or(c.Color, "auto")},
		{"hexColor", ""},
		{"isDefaultCalendar", c.Default},
		{"changeKey", c.ChangeKey},
		{"canShare", !c.ReadOnly},
		{"canViewPrivateItems", !c.ReadOnly},
		{"canEdit", !c.ReadOnly},
		{"allowedOnlineMeetingProviders", []string{"teamsForBusiness"}},
		{"defaultOnlineMeetingProvider", "teamsForBusiness"},
		{"isTallyingResponses", c.Default},
		{"isRemovable", !c.Default},
		{"owner", encodeAddress(c.Owner)},
	}
}
