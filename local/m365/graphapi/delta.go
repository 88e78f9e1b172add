package graphapi

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
)

// delta answers calendarView/delta (section 4).
func (a *API) delta(r *request, route Route) answer {
	ask, selected, err := a.deltaRequest(r, route)
	if err != nil {
		return r.fail(err)
	}
	bare := *r
	bare.query = ""
	v, _, p, err := a.view(&bare, route)
	if err != nil {
		return r.fail(err)
	}
	v.selected = selected
	ask.Size = p.pageSize
	page, err := a.opt.Changes.Read(ask)
	if err != nil {
		return a.unread(r, ask.Token, err)
	}
	items := make([]object, 0, len(page.Items))
	for i := range page.Items {
		items = append(items, v.deltaItem(&page.Items[i]))
	}
	o := object{{"@odata.context", r.base + "/$metadata#Collection(event)"}, {"value", items}}
	at := r.base + "/" + a.linkPath(r, route) + "?"
	if page.Next != "" {
		o = append(o, member{"@odata.nextLink", at + "%24skiptoken=" + page.Next})
	} else {
		o = append(o, member{"@odata.deltaLink", at + "%24deltatoken=" + page.Delta})
	}
	out := ok(http.StatusOK, o)
	p.tracked = true
	return out.prefer(p)
}

// linkPath is where a page's links lead: to where it was asked for, or elsewhere where a
// switch wants that.
func (a *API) linkPath(r *request, route Route) string {
	switch a.opt.Changes.Switches().Stray {
	case changes.StrayMailbox:
		for _, other := range a.store.Users(r.caller.Tenant) {
			if strings.EqualFold(other.ObjectID, route.User) || strings.EqualFold(other.Principal, route.User) {
				continue
			}
			name := other.ObjectID
			if strings.Contains(route.User, "@") {
				name = other.Principal
			}
			return "users/" + url.PathEscape(name) + "/calendarView/delta"
		}
	case changes.StrayCalendar:
		return "users/" + url.PathEscape(route.User) + "/calendars/AAMkStray/calendarView/delta"
	}
	return r.path
}

// unread is the answer to a reading that failed; an expired link may lead back (4.6).
func (a *API) unread(r *request, token string, err error) answer {
	out := r.fail(err)
	var refusal *exchange.Error
	if from, to, ok := a.opt.Changes.Location(token); ok && errors.As(err, &refusal) && refusal.Status == http.StatusGone {
		out.header.Set("Location", r.base+"/"+r.path+"?startDateTime="+url.QueryEscape(from)+"&endDateTime="+url.QueryEscape(to)+"&%24deltatoken=")
	}
	return out
}

// Messages of 4.3.
const (
	noTop     = "The '$top' parameter is not supported with change tracking over the 'CalendarView' resource as page size cannot be guaranteed. Express page size preferences using the Prefer: odata.maxpagesize= header instead."
	noOptions = "The following parameters are not supported with change tracking over the 'CalendarView' resource: '$orderby, $filter, $select, $expand, $search'."
)

// deltaRequest reads what a request asks for, and refuses the options of 4.3.
func (a *API) deltaRequest(r *request, route Route) (changes.Request, []string, error) {
	ask := changes.Request{Tenant: r.caller.Tenant, App: r.caller.App, User: route.User, Calendar: route.Calendar}
	found, err := options(r.query)
	if err != nil {
		return ask, nil, err
	}
	if _, ok := found["top"]; ok {
		return ask, nil, badQuery(noTop)
	}
	var selected []string
	for _, name := range []string{"orderby", "filter", "select", "expand", "search"} {
		value, there := found[name]
		switch {
		case !there:
		case name == "select" && a.opt.Changes.Switches().AcceptSelect:
			if selected, err = parseSelect(value); err != nil {
				return ask, nil, err
			}
		default:
			return ask, nil, badQuery(noOptions)
		}
	}
	for _, name := range []string{"skip", "count"} {
		if _, there := found[name]; there {
			return ask, nil, badQuery("The query option '$" + name + "' is not supported with change tracking.")
		}
	}
	skip, end := found["skiptoken"], found["deltatoken"]
	if skip != "" && end != "" {
		return ask, nil, badQuery("A request has either a $skiptoken or a $deltatoken.")
	}
	if ask.Token = skip + end; ask.Token != "" {
		return ask, selected, nil // the window is in the token (4.6)
	}
	if ask.From, err = moment(found["startdatetime"]); err == nil {
		ask.To, err = moment(found["enddatetime"])
	}
	return ask, selected, err
}

// deltaItem is one entry of a page (4.4). Entity tags are of the long form (2.6).
func (v view) deltaItem(i *changes.Item) object {
	kind := member{"@odata.type", "#microsoft.graph.event"}
	id := i.MutableID
	if v.immutable {
		id = i.ID
	}
	if i.Removed {
		return object{kind, {"id", id}, {"@removed", object{{"reason", "deleted"}}}}
	}
	e := &i.Event
	tag := member{"@odata.etag", `W/"` + exchange.LongChangeKey(e.ChangeKey) + `"`}
	if i.Slim {
		return object{kind, tag, {"id", id}, {"seriesMasterId", v.seriesID(e)}, {"type", eventType(e)},
			{"start", v.time(e.From, e.Start, e.AllDay)}, {"end", v.time(e.To, e.End, e.AllDay)}}
	}
	full := encodeEvent(e, v)
	at := slices.IndexFunc(full, func(m member) bool { return m.name == "@odata.etag" })
	full[at] = tag
	return append(object{kind}, full...)
}
