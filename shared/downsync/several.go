package downsync

import (
	"context"
	"errors"
	"slices"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// unreadable notes that a calendar could not be read in this reading, for its end, which
// tells of it whatever became of the calendars after it.
func (r *reading) unreadable(calendar, why string) {
	p := &r.progress
	if !slices.ContainsFunc(p.Failed, func(f state.CalendarFailure) bool { return f.Calendar == calendar }) {
		p.Failed = append(p.Failed, state.CalendarFailure{Calendar: calendar, Cause: why})
	}
}

// passOver goes on with the other calendars of a connection where one failed in a way that
// says nothing of them: Graph refused that request, does not answer for that calendar after
// so many attempts, or closes one that somebody had shared. Other errors are returned.
func (r *reading) passOver(ctx context.Context, of connection.Calendar, err error, all int) error {
	var failure *graph.Error
	if all < 2 || !errors.As(err, &failure) {
		return err
	}
	switch {
	case failure.Kind == graph.Invalid:
	case failure.Kind == graph.Transient && r.m.Number(queue.AttemptProperty) >= maxAttempts:
	case of.Shared && (failure.Forbidden() || failure.Kind == graph.Unreachable):
	default:
		return err
	}
	r.log.WarnContext(ctx, "a calendar was passed over", "connection", r.c.ID, "error", failure)
	r.unreadable(of.ID, whyOf(failure))
	return nil
}
