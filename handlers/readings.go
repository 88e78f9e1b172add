package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/problem"
	"github.com/calbridge/calbridge/shared/state"
)

// Readings reads people's calendars; *downsync.Syncer does, and says of each method what
// it returns.
type Readings interface {
	SyncNow(ctx context.Context, organization string, id key.Key) error
	Progress(ctx context.Context, organization string, id key.Key) (state.Progress, error)
	Held(ctx context.Context, organization string, after key.Key, limit int) (items []state.Held, next key.Key, err error)
	Decide(ctx context.Context, organization string, id key.Key, decision string) error
	// Due enqueues the connections whose turn it is. An error means that not all could be
	// looked at; the next run looks at them again.
	Due(ctx context.Context) error
}

// readings is what the function Organizations has of the way back: sync of one
// connection, and held of the organisation.
type readings struct {
	all         Readings
	connections Connections
}

// syncView is how the reading of a connection's calendars stands, an addition to the
// connection of wire.md: its member sync where its calendars are read.
type syncView struct {
	State string `json:"state"`
	Cause string `json:"cause,omitempty"`
	// Asked, Began and Ended are absent for never.
	Asked time.Time `json:"asked,omitzero"`
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Calendars and Done are how many there are to read and how many were; Found how many
	// changes were told.
	Calendars int `json:"calendars"`
	Done      int `json:"done"`
	Found     int `json:"found"`
	// Failed are the calendars that could not be read, and Skipped those that are not
	// there any more, by their ids; the others that were chosen were read.
	Failed  []state.CalendarFailure `json:"failed,omitempty"`
	Skipped []string                `json:"skipped,omitempty"`
}

func syncOf(p state.Progress) *syncView {
	return &syncView{State: p.State, Cause: p.Cause, Asked: p.Asked, Began: p.Began, Ended: p.Ended, Calendars: p.Calendars, Done: p.Done, Found: p.Found,
		Failed: p.Failed, Skipped: p.Skipped}
}

// connectionView is a connection with how its reading stands.
type connectionView struct {
	engine.Connection
	Sync *syncView `json:"sync,omitempty"`
}

// now orders that a connection's calendars are read at once (R5, R7). It may be
// repeated: of several orders within five seconds one remains.
func (s readings) now(ctx context.Context, r *request) answer {
	err := s.all.SyncNow(ctx, r.organization, r.connection)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return notFound("There is no such connection in this organisation.")
	case errors.Is(err, downsync.ErrNotRead):
		return problemAnswer(codeConflict, "The connection's calendars are not read now: its direction is up or none, it is not connected, "+
			"or the organisation's module, sync or downSync.privacy say so.")
	case err != nil:
		return unavailable(err)
	}
	p, err := s.all.Progress(ctx, r.organization, r.connection)
	if err != nil { // it is ordered all the same
		p = state.Progress{State: state.SyncQueued}
	}
	return answer{status: http.StatusAccepted, body: map[string]any{"id": r.connection.String(), "sync": syncOf(p)}, cause: err}
}

// heldView is a connection that the delete brake holds (A2): whose, since when, and how
// much, and nothing of what is in the calendar.
type heldView struct {
	Connection string    `json:"connection"`
	User       string    `json:"user"`
	Calendar   string    `json:"calendar"` // the calendar's id; "" is the default one
	Since      time.Time `json:"since"`
	Removals   int       `json:"removals"`
	Known      int       `json:"known"`
	Decision   string    `json:"decision,omitempty"`
}

type heldPage struct {
	Items []heldView `json:"items"`
	Next  string     `json:"next,omitempty"`
}

// held answers with a page of what the delete brake holds.
func (s readings) held(ctx context.Context, r *request) answer {
	after, limit, bad := r.page()
	if bad != nil {
		return *bad
	}
	from := key.Key{}
	if after != "" {
		var err error
		if from, err = key.Parse(after); err != nil {
			return problemAnswer(codeInvalid, badCursor)
		}
	}
	if _, err := s.connections.ListConnections(ctx, r.organization, "", 1); errors.Is(err, state.ErrNotFound) {
		return notFound("There is no such organisation.")
	} else if err != nil {
		return unavailable(err)
	}
	items, next, err := s.all.Held(ctx, r.organization, from, limit)
	if err != nil {
		return unavailable(err)
	}
	page := heldPage{Items: make([]heldView, len(items))}
	for i, h := range items {
		page.Items[i] = heldView{h.Connection.String(), h.User, h.Calendar, h.Since.UTC(), h.Removals, h.Known, h.Decision}
	}
	if !next.IsZero() {
		page.Next = next.String()
	}
	return answer{status: http.StatusOK, body: page}
}

// decide takes what is to become of what is held of one connection:
// {"connection","decision"}. The same decision twice is as once; the first of two counts.
func (s readings) decide(ctx context.Context, r *request) answer {
	body, bad := r.body(maxBody, "application/json")
	if bad != nil {
		return *bad
	}
	id, decision, faults := decodeHeld(body)
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "Nothing was decided; errors says what is wrong.", faults...)
	}
	err := s.all.Decide(ctx, r.organization, id, decision)
	switch {
	case errors.Is(err, downsync.ErrNotHeld), errors.Is(err, state.ErrNotFound):
		return notFound("Nothing of this connection is held.")
	case errors.Is(err, state.ErrPrecondition):
		return problemAnswer(codeConflict, "Somebody decided otherwise, and that is being done.")
	case err != nil:
		return unavailable(err)
	}
	return answer{status: http.StatusAccepted, body: map[string]string{"connection": id.String(), "decision": decision}}
}

func decodeHeld(body []byte) (key.Key, string, []problem.Fault) {
	m := readMembers(body, "connection", "decision")
	text, decision := m.required("connection", maxUser), m.required("decision", maxUser)
	id, err := key.Parse(text)
	if text != "" && err != nil {
		m.fault("/connection", "format", "This must be a connection's id.")
	}
	if decision != "" && decision != state.HeldApprove && decision != state.HeldRestore {
		m.fault("/decision", "value", "This must be approve or restore.")
	}
	return id, decision, m.faults
}
