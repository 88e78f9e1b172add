package graphapi

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// view prepares how the answer shows events: Prefer, $select, $expand.
func (a *API) view(r *request, route Route) (view, query, preferences, error) {
	p, err := a.preferences(r.header)
	if err != nil {
		return view{}, query{}, p, err
	}
	q, err := parseQuery(r.query)
	if err != nil {
		return view{}, query{}, p, err
	}
	owner := route.User
	if u, err := a.store.User(r.caller.Tenant, route.User); err == nil {
		owner = u.ObjectID
	}
	if r.caller.basicOnly() && r.searchesExtensions() {
		return view{}, query{}, p, denied()
	}
	return view{
		base: r.base, owner: owner, zone: p.zone, text: p.text, immutable: p.immutable,
		basic: r.caller.basicOnly(), discreet: a.private(r, owner), selected: q.Select, expand: q.Expand, expanded: q.Expand != nil,
	}, q, p, nil
}

// private reports whether what is private is hidden: from a signed-in user with whom the
// owner shares the calendar without the right to edit it (2.10).
func (a *API) private(r *request, owner string) bool {
	if r.caller.appOnly() || r.caller.is(owner) {
		return false
	}
	edit, _ := a.store.Shared(r.caller.Tenant, owner, r.caller.User)
	return !edit
}

// searchesExtensions reports whether a request filters by an extended property, which
// ReadBasic hides.
func (r *request) searchesExtensions() bool {
	found, err := options(r.query)
	return err == nil && strings.Contains(strings.ToLower(found["filter"]), "extendedproperties")
}

// context is @odata.context of an answer about events or calendars.
func (v view) context(what string) member {
	selected := ""
	if len(v.selected) > 0 {
		selected = "(" + strings.Join(v.selected, ",") + ")"
	}
	return member{"@odata.context", v.base + "/$metadata#users('" + v.owner + "')/" + strings.Replace(what, "*", selected, 1)}
}

// one answers with a single event.
func (v view) one(status int, e exchange.Event, p preferences) answer {
	out := ok(status, append(object{v.context("events*/$entity")}, encodeEvent(&e, v)...))
	return out.prefer(p)
}

func (a answer) prefer(p preferences) answer {
	if applied := p.applied(); applied != "" {
		a.header.Set("Preference-Applied", applied)
	}
	return a
}

// change reads the body of a create or update.
func (r *request) change() (exchange.Change, error) {
	kind, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return exchange.Change{}, badBody("Write requests (excluding DELETE) must contain the Content-Type header declaration.")
	}
	return DecodeEvent(r.body)
}

func (a *API) create(r *request, route Route) answer {
	v, _, p, err := a.view(r, route)
	if err != nil {
		return r.fail(err)
	}
	c, err := r.change()
	if err != nil {
		return r.fail(err)
	}
	e, err := a.store.Create(r.caller.Tenant, route.User, route.Calendar, c)
	if err != nil {
		return r.fail(a.duplicate(r, route, v, err))
	}
	v.expanded = false // never in the answer to a write (2.8)
	out := v.one(http.StatusCreated, e, p)
	out.header.Set("Location", v.base+"/users('"+v.owner+"')/events('"+url.PathEscape(v.id(&e))+"')")
	return out
}

// duplicate shows the id of a duplicate's event in the form that was asked for.
func (a *API) duplicate(r *request, route Route, v view, err error) error {
	var refusal *exchange.Error
	if !errors.As(err, &refusal) || refusal.ExistingID == "" || v.immutable {
		return err
	}
	shown := *refusal
	if e, err := a.store.Event(r.caller.Tenant, route.User, refusal.ExistingID); err == nil {
		shown.ExistingID = e.MutableID
	}
	return &shown
}

func (a *API) get(r *request, route Route) answer {
	v, _, p, err := a.view(r, route)
	if err != nil {
		return r.fail(err)
	}
	e, err := a.store.Event(r.caller.Tenant, route.User, route.Event)
	if err != nil {
		return r.fail(err)
	}
	v.alone = true
	return v.one(http.StatusOK, e, p)
}

func (a *API) update(r *request, route Route) answer {
	v, _, p, err := a.view(r, route)
	if err != nil {
		return r.fail(err)
	}
	c, err := r.change()
	if err != nil {
		return r.fail(err)
	}
	e, err := a.store.Update(r.caller.Tenant, route.User, route.Event, c, r.header.Get("If-Match"))
	if err != nil {
		return r.fail(err)
	}
	v.expanded = false
	return v.one(http.StatusOK, e, p)
}

func (a *API) delete(r *request, route Route) answer {
	remove := a.store.Delete
	if route.Kind == Permanent {
		remove = a.store.Purge
	}
	if err := remove(r.caller.Tenant, route.User, route.Event, r.header.Get("If-Match")); err != nil {
		return r.fail(err)
	}
	return answer{status: http.StatusNoContent, header: http.Header{}}
}

func (a *API) list(r *request, route Route) answer {
	v, q, p, err := a.view(r, route)
	if err != nil {
		return r.fail(err)
	}
	calendar, err := a.folder(r, route)
	if err != nil {
		return r.fail(err)
	}
	found, err := a.store.List(r.caller.Tenant, route.User, calendar, q.Filter)
	if err != nil {
		return r.fail(err)
	}
	sortEvents(found, q.OrderBy)
	return r.page(found, v, q, p, "events*")
}

// folder is the calendar that a path names, "" for the whole mailbox.
func (a *API) folder(r *request, route Route) (string, error) {
	if !route.Default {
		return route.Calendar, nil
	}
	c, err := a.store.Calendar(r.caller.Tenant, route.User, "")
	return c.ID, err
}

func (a *API) calendarView(r *request, route Route) answer {
	calendar, err := a.folder(r, route)
	if err != nil {
		return r.fail(err)
	}
	return a.window(r, route, "calendarView*", func(from, to time.Time) ([]exchange.Event, error) {
		return a.store.View(r.caller.Tenant, route.User, calendar, from, to)
	})
}

// instances lists the occurrences of a series, exceptions among them (section 2).
// Guessed: of an event that is no series there are none.
func (a *API) instances(r *request, route Route) answer {
	return a.window(r, route, "events('"+url.PathEscape(route.Event)+"')/instances*", func(from, to time.Time) ([]exchange.Event, error) {
		return a.store.Instances(r.caller.Tenant, route.User, route.Event, from, to)
	})
}

// window answers with what takes place between startDateTime and endDateTime.
func (a *API) window(r *request, route Route, what string, find func(from, to time.Time) ([]exchange.Event, error)) answer {
	v, q, p, err := a.view(r, route)
	if err != nil {
		return r.fail(err)
	}
	if q.From.IsZero() || q.To.IsZero() {
		return r.refusal(http.StatusBadRequest, "ErrorInvalidParameter",
			"This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.", "")
	}
	if v.selected != nil { // does not work here (section 1)
		v.selected = slices.DeleteFunc(v.selected, func(s string) bool { return s == "createddatetime" || s == "lastmodifieddatetime" })
	}
	found, err := find(q.From, q.To)
	if err != nil {
		return r.fail(err)
	}
	if q.Filter != nil {
		kept := found[:0]
		for i := range found {
			if q.Filter(&found[i]) {
				kept = append(kept, found[i])
			}
		}
		found = kept
	}
	sortEvents(found, q.OrderBy)
	return r.page(found, v, q, p, what)
}

// page answers with part of a list and a link to the rest. Ten items unless the
// request says else (section 1).
func (r *request) page(found []exchange.Event, v view, q query, p preferences, what string) answer {
	size := 10
	if p.pageSize > 0 {
		size = p.pageSize
	}
	if q.Top > 0 {
		size = q.Top
	}
	o := object{v.context(what)}
	if q.Count {
		o = append(o, member{"@odata.count", len(found)})
	}
	rest := found[min(q.Skip, len(found)):]
	shown := rest[:min(size, len(rest))]
	items := make([]object, 0, len(shown))
	for i := range shown {
		items = append(items, encodeEvent(&shown[i], v))
	}
	o = append(o, member{"value", items})
	if len(rest) > size {
		o = append(o, member{"@odata.nextLink", r.base + "/" + r.path + "?" + skipTo(r.query, q.Skip+size)})
	}
	return ok(http.StatusOK, o).prefer(p)
}

// skipTo replaces $skip in a raw query.
func skipTo(raw string, n int) string {
	rest := without(raw, "skip")
	if rest != "" {
		rest += "&"
	}
	return rest + "%24skip=" + strconv.Itoa(n)
}

// without leaves an option out of a raw query.
func without(raw, option string) string {
	var parts []string
	for part := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name, err := url.PathUnescape(name); err == nil && part != "" && strings.TrimPrefix(strings.ToLower(name), "$") != option {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "&")
}
