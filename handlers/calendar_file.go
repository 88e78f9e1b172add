package handlers

import (
	"context"
	"errors"
	"net/http"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// Filer makes calendar files.
type Filer interface {
	// File makes the file of a booking for a target of a kind. state.ErrNotFound: no
	// such booking, or it never had that target. ics.ErrUnscheduled and the other
	// errors of package ics: it cannot be put into a file.
	File(ctx context.Context, organization, booking, kind, target string) (engine.File, error)
}

// calendarFile is GET organizations/{organization}/bookings/ics?id=&user=.
type calendarFile struct{ files Filer }

func (c calendarFile) get(ctx context.Context, r *request) answer {
	query := r.URL.Query()
	kind, target := key.User, query.Get("user")
	if target == "" {
		kind, target = key.Room, query.Get("room")
	}
	if query.Get("id") == "" || target == "" {
		return problemAnswer(codeInvalid, "The query needs id, the booking's id, and user or room.")
	}
	f, err := c.files.File(ctx, r.organization, query.Get("id"), kind, target)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return notFound("No such booking was accepted for this organisation, or it never was for that person or room.")
	case errors.Is(err, ics.ErrUnscheduled):
		return notFound("The booking has no time yet, and so no calendar file.")
	case errors.Is(err, ics.ErrRecurrence), errors.Is(err, ics.ErrTime):
		return notFound("The booking cannot be put into a calendar file.")
	case err != nil:
		return unavailable(err)
	}
	return answer{status: http.StatusOK, raw: f.Content,
		headers: map[string]string{"Content-Type": f.ContentType, "Content-Disposition": ics.Disposition(f.Name)}}
}
