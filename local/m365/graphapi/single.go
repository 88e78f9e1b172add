package graphapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
)

// plan is a request whose path was read and whose fault was drawn: what remains
// is the work.
type plan struct {
	*request
	route   Route
	mailbox string // object id
	refused error
	rule    faults.Rule
	faulty  bool
}

// plan reads a request's path and draws its fault. The items of a batch are
// planned one after the other, so that a seed gives the same faults again.
func (a *API) plan(r *request) plan {
	p := plan{request: r}
	if p.route, p.refused = ParsePath(r.path); p.refused != nil {
		return p
	}
	if p.refused = r.identify(&p.route); p.refused != nil {
		return p
	}
	a.through(r, &p.route)
	var names []string
	names, p.mailbox = a.names(r, p.route)
	a.look(r, p.route, p.mailbox)
	p.rule, p.faulty = a.opt.Faults.Pick(faults.Subject{Method: r.method, Path: decodedPath(r.path), Names: names, Item: r.item})
	return p
}

// run does what was planned: permission, a slot of the mailbox, then the work,
// spoiled where a fault was drawn.
func (a *API) run(ctx context.Context, p plan) answer {
	work := func(ctx context.Context) answer { return a.admitted(ctx, p.request, p.route, p.mailbox) }
	switch {
	case p.refused != nil:
		return p.fail(p.refused)
	case p.faulty:
		return a.faulty(ctx, p.request, p.rule, work)
	}
	return work(ctx)
}

// identify puts the signed-in user into a path that says me.
func (r *request) identify(route *Route) error {
	if !route.Me {
		return nil
	}
	if r.caller.appOnly() {
		return &exchange.Error{Status: http.StatusBadRequest, Code: "BadRequest",
			Message: "/me request is only valid with delegated authentication flow."}
	}
	route.User = r.caller.User
	return nil
}

// names lists every name of the path's mailbox and gives its object id, or the
// name in the path when the tenant has no such user.
func (a *API) names(r *request, route Route) (all []string, id string) {
	u, err := a.store.User(r.caller.Tenant, route.User)
	if err != nil {
		if p, known := a.opt.Directory.Profile(r.caller.Tenant, route.User); known {
			return []string{strings.ToLower(p.ID), strings.ToLower(p.Principal)}, p.ID
		}
		return []string{strings.ToLower(route.User)}, strings.ToLower(route.User)
	}
	for _, name := range append([]string{u.ObjectID, u.Principal, u.Mail}, u.Aliases...) {
		all = append(all, strings.ToLower(name))
	}
	return all, u.ObjectID
}

func decodedPath(escaped string) string {
	var b strings.Builder
	segments, err := split(escaped)
	if err != nil {
		return escaped
	}
	for _, s := range segments {
		b.WriteString("/" + s)
	}
	return b.String()
}

// admitted does the work of a request that is allowed and finds a slot.
func (a *API) admitted(ctx context.Context, r *request, route Route, mailbox string) answer {
	if err := a.permitted(r, route, mailbox); err != nil {
		return r.fail(err)
	}
	if refused, over := a.rationed(r); over {
		return refused
	}
	if route.Kind == Subscriptions { // not the mailbox's: no slot of it
		return a.perform(ctx, r, route)
	}
	free, busy := a.slot(ctx, r, mailbox)
	if busy != nil {
		return *busy
	}
	defer free()
	if a.opt.Latency != nil {
		a.opt.Sleep(ctx, a.opt.Latency())
	}
	return a.perform(ctx, r, route)
}

// slot takes one of the four, and one of the app's where those are limited: an
// item of a batch waits for it, and so does a late request; one of its own does
// not (write-path.md 4).
func (a *API) slot(ctx context.Context, r *request, mailbox string) (func(), *answer) {
	free, busy := r.take(ctx, a.slots, slot{r.caller.Tenant, r.caller.App, mailbox})
	if busy != nil || !a.global.limited() {
		return free, busy
	}
	freeApp, busy := r.take(ctx, a.global, slot{app: r.caller.App})
	if busy != nil {
		free()
		return nil, busy
	}
	return func() { freeApp(); free() }, nil
}

// take takes a slot, or gives the answer that there is none.
func (r *request) take(ctx context.Context, from *slots, key slot) (func(), *answer) {
	if !r.item && !r.late {
		free, wait := from.try(key)
		if free == nil {
			out := r.throttled(wait)
			return nil, &out
		}
		return free, nil
	}
	free, wait, err := from.wait(ctx, key)
	if free == nil {
		out := r.throttled(wait)
		if err != nil {
			out = r.unanswered()
		}
		return nil, &out
	}
	return free, nil
}

// permitted checks section 12 and, for the directory, design.md: an app's token
// never reads users or the organization.
func (a *API) permitted(r *request, route Route, mailbox string) error {
	switch {
	case route.Kind == Elsewhere:
		return &exchange.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: "The simulator does not have this part of Graph."}
	case route.Kind == Subscriptions: // by what it is to: see subscribe
		return nil
	case !route.Kind.inMailbox() && r.mayRead(route, mailbox):
		return nil
	case !route.Kind.inMailbox():
		return &exchange.Error{Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Message: "Insufficient privileges to complete the operation."}
	}
	want := a.wants(r, route)
	if !r.caller.appOnly() && !r.caller.is(mailbox) {
		return a.shared(r, mailbox, want)
	}
	byExchange := r.caller.appOnly() && a.store.InScope(r.caller.Tenant, r.caller.App, mailbox)
	if !r.caller.may(want) && !byExchange {
		return denied()
	}
	return a.absent(r, route)
}

// wants is the least permission that covers a request.
func (a *API) wants(r *request, route Route) need {
	switch {
	case r.method != http.MethodGet:
		return write
	case route.Kind == Calendars && a.opt.ListsNeedRead:
		return read
	case route.Kind == Delta && !a.opt.Changes.Switches().NeedsRead:
		return readBasic
	case route.Kind == Events || route.Kind == OneCalendar || route.Kind == Calendars || a.opt.BasicReads:
		return readBasic
	}
	return read
}

// shared checks a signed-in user's way into another's calendar: the token says
// .Shared, and the owner has shared it.
func (a *API) shared(r *request, mailbox string, want need) error {
	if !r.caller.mayShared(want) {
		return denied()
	}
	mayWrite, ok := a.store.Shared(r.caller.Tenant, mailbox, r.caller.User)
	switch {
	case !ok:
		return &exchange.Error{Status: http.StatusNotFound, Code: "ErrorItemNotFound", Message: "The specified object was not found in the store."}
	case want == write && !mayWrite:
		return denied()
	}
	return nil
}

func denied() error {
	return &exchange.Error{Status: http.StatusForbidden, Code: "ErrorAccessDenied", Message: "Access is denied. Check credentials and try again."}
}

// aim is what a path names and what is to be done with it.
type aim struct {
	kind   Kind
	method string
}

// perform dispatches on what the path names and the method.
func (a *API) perform(ctx context.Context, r *request, route Route) answer {
	switch (aim{route.Kind, r.method}) {
	case aim{Events, http.MethodPost}:
		return a.create(r, route)
	case aim{Events, http.MethodGet}:
		return a.list(r, route)
	case aim{OneEvent, http.MethodGet}:
		return a.get(r, route)
	case aim{OneEvent, http.MethodPatch}:
		return a.update(r, route)
	case aim{OneEvent, http.MethodDelete}, aim{Permanent, http.MethodPost}:
		return a.delete(r, route)
	case aim{View, http.MethodGet}:
		return a.calendarView(r, route)
	case aim{Delta, http.MethodGet}:
		return a.delta(r, route)
	case aim{Subscriptions, r.method}:
		return a.subscriptions(ctx, r, route)
	case aim{Instances, http.MethodGet}:
		return a.instances(r, route)
	case aim{OneCalendar, http.MethodGet}:
		return a.calendar(r, route)
	case aim{Calendars, http.MethodGet}:
		return a.calendars(r, route)
	case aim{Person, http.MethodGet}:
		return a.oneProfile(r, route)
	case aim{People, http.MethodGet}:
		return a.listProfiles(r)
	case aim{Organizations, http.MethodGet}:
		return a.organization(r)
	}
	return r.refusal(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.", "")
}
