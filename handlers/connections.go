package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/problem"
	"github.com/calbridge/calbridge/shared/state"
)

// Connections keeps people's connections; *engine.Engine does. state.ErrNotFound:
// there is no such organisation or connection. What else can go wrong stands there.
type Connections interface {
	ListConnections(ctx context.Context, organization, after string, limit int) (engine.ConnectionPage, error)
	ConnectionsOf(ctx context.Context, organization, user string) (engine.ConnectionPage, error)
	Connection(ctx context.Context, organization string, id key.Key) (engine.VersionedConnection, error)
	ConnectByProbe(ctx context.Context, organization, user, email string, direction connection.Direction) (engine.VersionedConnection, error)
	ChangeConnection(ctx context.Context, organization string, id key.Key, change engine.ConnectionChange, check engine.CheckConnection) (engine.VersionedConnection, error)
	Disconnect(ctx context.Context, organization string, id key.Key, check engine.CheckConnection) error
}

// connections is the resource connections of the function Organizations.
type connections struct {
	all      Connections
	linker   Linker
	readings Readings
}

// list answers with a page of connections, or with user= those of one person.
func (c connections) list(ctx context.Context, r *request) answer {
	after, limit, bad := r.page()
	if bad != nil {
		return *bad
	}
	find := func() (engine.ConnectionPage, error) { return c.all.ListConnections(ctx, r.organization, after, limit) }
	if query := r.URL.Query(); query.Has("user") {
		find = func() (engine.ConnectionPage, error) {
			return c.all.ConnectionsOf(ctx, r.organization, query.Get("user"))
		}
	}
	page, err := find()
	switch {
	case errors.Is(err, state.ErrNotFound):
		return notFound("There is no such organisation.")
	case errors.Is(err, engine.ErrBadCursor):
		return problemAnswer(codeInvalid, badCursor)
	case err != nil:
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: page}
}

// post makes a connection by probe.
func (c connections) post(ctx context.Context, r *request) answer {
	body, bad := r.body(maxBody, "application/json")
	if bad != nil {
		return *bad
	}
	wanted, faults := decodeProbe(body)
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "No connection was made; errors says what is wrong.", faults...)
	}
	made, err := c.all.ConnectByProbe(ctx, r.organization, wanted.user, wanted.email, wanted.direction)
	if err != nil {
		return probeProblem(err)
	}
	status := http.StatusOK
	if made.New {
		status = http.StatusCreated
	}
	return connectionAnswer(status, made)
}

// get answers with a connection, and with how its reading stands where it is read.
func (c connections) get(ctx context.Context, r *request) answer {
	found, err := c.all.Connection(ctx, r.organization, r.connection)
	if err != nil {
		return c.problem(ctx, r, err)
	}
	a, view := connectionAnswer(http.StatusOK, found), connectionView{Connection: engine.ConnectionOf(found.Connection)}
	if found.Reads() {
		p, err := c.readings.Progress(ctx, r.organization, r.connection)
		if err != nil {
			return c.problem(ctx, r, err)
		}
		view.Sync = syncOf(p)
	}
	a.body = view
	return a
}

func (c connections) patch(ctx context.Context, r *request) answer {
	body, bad := r.body(maxBody, "application/json")
	if bad != nil {
		return *bad
	}
	change, faults := decodeConnectionChange(body)
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "The connection was not changed; errors says what is wrong.", faults...)
	}
	changed, err := c.all.ChangeConnection(ctx, r.organization, r.connection, change, unchanged(r))
	if err != nil {
		return c.problem(ctx, r, err)
	}
	return connectionAnswer(http.StatusOK, changed)
}

// delete disconnects. Events stay: those of a calendar whose tokens are gone could
// not be removed, and removing them first would need the calendar open until it is done.
func (c connections) delete(ctx context.Context, r *request) answer {
	if r.URL.Query().Has("events") {
		return problemAnswer(codeInvalid, "This version disconnects only with the events left in place: leave out events. "+
			"To have the person's future events removed, announce the person as inactive first, and disconnect when that is done.")
	}
	if err := c.all.Disconnect(ctx, r.organization, r.connection, unchanged(r)); err != nil {
		return c.problem(ctx, r, err)
	}
	return answer{status: http.StatusOK, body: map[string]string{"id": r.connection.String(), "state": string(connection.Disconnected)}}
}

// unchanged holds a change against If-Match and If-None-Match.
func unchanged(r *request) engine.CheckConnection {
	return func(_ connection.Connection, version string) error {
		if !preconditionHolds(r.Header, version) {
			return errPrecondition
		}
		return nil
	}
}

func connectionAnswer(status int, c engine.VersionedConnection) answer {
	return answer{status: status, body: engine.ConnectionOf(c.Connection), headers: map[string]string{"ETag": etag(c.Version)}}
}

// problem turns what can go wrong with a connection into an answer.
func (c connections) problem(ctx context.Context, r *request, err error) answer {
	missing := (*engine.ScopeMissing)(nil)
	if a, ok := calendarsProblem(err); ok {
		return a
	}
	switch {
	case errors.Is(err, state.ErrNotFound):
		return notFound("There is no such connection in this organisation.")
	case errors.Is(err, errPrecondition):
		return problemAnswer(codePrecondition, "The connection is not in the version that the request names. Read it again.")
	case errors.Is(err, state.ErrPrecondition):
		return problemAnswer(codeConflict, "Others kept changing the connection. Read it again.")
	case errors.As(err, &missing):
		return c.scopeMissing(ctx, r, missing)
	case errors.Is(err, engine.ErrNotPrimary):
		return faultyConnection("/primary", "value", "A primary connection stops being it only when another one of the person becomes it: set primary of that one.")
	case errors.Is(err, engine.ErrScope):
		return faultyConnection("/scope", "value", "The directions up and both have the scope readwrite; down has busy, details or shared.")
	case errors.Is(err, engine.ErrCalendarChoice):
		return faultyConnection("/calendar", "value", "This version writes to the default calendar only: leave calendar empty.")
	}
	return unavailable(err)
}

// calendarsProblem turns what can go wrong with the choice of calendars into an answer;
// false for any other error.
func calendarsProblem(err error) (answer, bool) {
	unknown, failure := (*engine.CalendarsUnknown)(nil), (*graph.Error)(nil)
	switch {
	case errors.As(err, &unknown):
		faults := make([]problem.Fault, len(unknown.At))
		for i, at := range unknown.At {
			faults[i] = problem.Fault{Pointer: fmt.Sprintf("/calendars/%d/id", at), Code: "unknown",
				Detail: "The account has no calendar of this id that its scope may read."}
		}
		return problemAnswer(codeInvalid, "The connection was not changed; errors says what is wrong.", faults...), true
	case errors.Is(err, engine.ErrNotRead):
		return faultyConnection("/calendars", "value", "Calendars are read with the directions down and both only."), true
	case errors.Is(err, engine.ErrManyCalendars):
		return faultyConnection("/calendars", "too-many", fmt.Sprintf("These may be at most %d calendars.", connection.MaxCalendars)), true
	case errors.Is(err, engine.ErrListNeedsDetails):
		return problemAnswer(codeConflict, "Microsoft does not list the account's calendars for busy times only: set scope to details first."), true
	case errors.As(err, &failure) && (failure.Kind == graph.Unreachable || failure.Kind == graph.Unauthorised) && failure.Reason != "":
		return problemAnswer(codeConflict, "The account's calendars cannot be listed now ("+failure.Reason+"), so that none can be added."), true
	}
	return answer{}, false
}

func faultyConnection(pointer, code, detail string) answer {
	return problemAnswer(codeInvalid, "The connection was not changed; errors says what is wrong.",
		problem.Fault{Pointer: pointer, Code: code, Detail: detail})
}

// scopeMissing says what a change needs beyond what was granted, with a link under
// which the person can sign in for it. Where no link can be made now, the answer is
// the same without one: POST links makes it.
func (c connections) scopeMissing(ctx context.Context, r *request, missing *engine.ScopeMissing) answer {
	a := problemAnswer(codeScopeMissing, "The change needs permissions that were not granted; the connection stays as it is until the person signs in for them.")
	a.problem.Permissions = missing.Missing
	issued, err := c.linker.Issue(ctx, link.Request{Organization: r.organization, Role: state.LinkUser, User: missing.Connection.User,
		Email: missing.Connection.Email, Life: link.Life(state.LinkUser)})
	if err != nil {
		a.cause = err
		return a
	}
	a.problem.Connect, a.problem.ConnectExpires = issued.URL, &issued.Expires
	return a
}

// probeProblem turns what can go wrong with a connection by probe into an answer.
func probeProblem(err error) answer {
	failure := (*graph.Error)(nil)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return notFound("There is no such organisation.")
	case errors.Is(err, engine.ErrNotProbed):
		return problemAnswer(codeConflict, "In this organisation people sign in for their connections (permission is delegated): give them a link, POST links.")
	case errors.Is(err, engine.ErrNoConsent):
		return problemAnswer(codeConflict, "The organisation is not bound to a tenant yet: its consent comes first.")
	case errors.Is(err, engine.ErrModuleOff):
		return problemAnswer(codeConflict, "The integration is not enabled for this organisation (module is false).")
	case errors.Is(err, engine.ErrConnectionsFull):
		return problemAnswer(codeConflict, "The person has as many connections as there may be.")
	case errors.Is(err, state.ErrPrecondition):
		return problemAnswer(codeConflict, "Others kept changing the person's connections. Send the request again.")
	case errors.Is(err, engine.ErrFirstNone):
		return problemAnswer(codeInvalid, "No connection was made; errors says what is wrong.", problem.Fault{Pointer: "/direction", Code: "value",
			Detail: "A new connection has a direction; none is for one that exists."})
	case errors.As(err, &failure) && failure.Kind == graph.Unreachable:
		return problemAnswer(codeInvalid, "No connection was made; errors says what is wrong.", problem.Fault{Pointer: "/email", Code: failure.Reason,
			Detail: "No mailbox that Calbridge may reach answers for this address."})
	}
	return unavailable(err)
}
