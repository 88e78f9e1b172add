package graphapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/faults"
)

// single answers one request: permission, faults, a slot of the mailbox, then
// the work.
func (a *API) single(ctx context.Context, r *request) answer {
	route, err := ParsePath(r.path)
	if err != nil {
		return r.fail(err)
	}
	if err := r.identify(&route); err != nil {
		return r.fail(err)
	}
	user, known := a.names(r, route)
	rule, faulty := a.opt.Faults.Pick(faults.Subject{Method: r.method, Path: decodedPath(r.path), Names: user, Item: r.item})
	if !faulty {
		return a.admitted(ctx, r, route, known)
	}
	return a.faulty(ctx, r, rule, func(ctx context.Context) answer { return a.admitted(ctx, r, route, known) })
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
	if err := r.permitted(route, mailbox); err != nil {
		return r.fail(err)
	}
	free, busy := a.slot(ctx, r, mailbox)
	if busy != nil {
		return *busy
	}
	defer free()
	if a.opt.Latency != nil {
		a.opt.Sleep(ctx, a.opt.Latency())
	}
	return a.perform(r, route)
}

// slot takes one of the four: an item of a batch waits for it, a request of its
// own does not (write-path.md 4).
func (a *API) slot(ctx context.Context, r *request, mailbox string) (func(), *answer) {
	key := slot{r.caller.Tenant, r.caller.App, mailbox}
	if !r.item {
		free, wait := a.slots.try(key)
		if free == nil {
			out := r.throttled(wait)
			return nil, &out
		}
		return free, nil
	}
	free, wait, err := a.slots.wait(ctx, key)
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
func (r *request) permitted(route Route, mailbox string) error {
	denied := &exchange.Error{Status: http.StatusForbidden, Code: "ErrorAccessDenied", Message: "Access is denied. Check credentials and try again."}
	want := read
	switch {
	case route.Kind == Directory:
		return &exchange.Error{Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Message: "Insufficient privileges to complete the operation."}
	case route.Kind == Elsewhere:
		return &exchange.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: "The simulator does not have this part of Graph."}
	case r.method != http.MethodGet:
		want = write
	case route.Kind == Events || route.Kind == OneCalendar || route.Kind == Calendars:
		want = readBasic
	}
	if !r.caller.may(want) {
		return denied
	}
	if !r.caller.appOnly() && !strings.EqualFold(r.caller.User, mailbox) {
		return denied
	}
	return nil
}

// perform dispatches on what the path names and the method.
func (a *API) perform(r *request, route Route) answer {
	switch string(rune('0'+int(route.Kind))) + r.method {
	case kind(Events) + http.MethodPost:
		return a.create(r, route)
	case kind(Events) + http.MethodGet:
		return a.list(r, route)
	case kind(OneEvent) + http.MethodGet:
		return a.get(r, route)
	case kind(OneEvent) + http.MethodPatch:
		return a.update(r, route)
	case kind(OneEvent) + http.MethodDelete, kind(Permanent) + http.MethodPost:
		return a.delete(r, route)
	case kind(View) + http.MethodGet:
		return a.calendarView(r, route)
	case kind(OneCalendar) + http.MethodGet:
		return a.calendar(r, route)
	case kind(Calendars) + http.MethodGet:
		return a.calendars(r, route)
	}
	return r.refusal(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.", "")
}

func kind(k Kind) string { return string(rune('0' + int(k))) }
