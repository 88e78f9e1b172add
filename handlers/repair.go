package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/state"
)

// Repairer shows the operator what ended where nothing goes on by itself, and has
// it done again.
type Repairer interface {
	// Rejected lists what lies in bookings-rejected, DeadLetters the dead letters of a
	// queue ("" for all). engine.ErrBadCursor: after is none that the list gave out.
	Rejected(ctx context.Context, after string, limit int) (engine.Lying, error)
	DeadLetters(ctx context.Context, queue, after string, limit int) (engine.Lying, error)
	// Redrive returns how much it set going. state.ErrNotFound: there is no such
	// organisation, booking or person. It may be repeated.
	Redrive(ctx context.Context, order engine.Redrive) (int, error)
}

func (o operator) rejected(ctx context.Context, r *request) answer {
	after, limit, bad := r.page()
	if bad != nil {
		return *bad
	}
	return lyingAnswer(o.repair.Rejected(ctx, after, limit))
}

func (o operator) deadLetters(ctx context.Context, r *request) answer {
	after, limit, bad := r.page()
	if bad != nil {
		return *bad
	}
	queue := r.URL.Query().Get("queue")
	if queue != "" && !slices.Contains(engine.DeadLetterQueues(), queue) {
		return problemAnswer(codeInvalid, "The query parameter queue must be one of "+strings.Join(engine.DeadLetterQueues(), ", ")+".")
	}
	return lyingAnswer(o.repair.DeadLetters(ctx, queue, after, limit))
}

func lyingAnswer(list engine.Lying, err error) answer {
	switch {
	case errors.Is(err, engine.ErrBadCursor):
		return problemAnswer(codeInvalid, badCursor)
	case err != nil:
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: list}
}

func (o operator) redrive(ctx context.Context, r *request) answer {
	body, bad := r.body(maxBody, "application/json")
	if bad != nil {
		return *bad
	}
	order, faults := decodeRedrive(body)
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "Nothing was done; errors says what is wrong.", faults...)
	}
	count, err := o.repair.Redrive(ctx, order)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return notFound("There is no such organisation, or nothing of that id was ever accepted for it.")
	case err != nil:
		return unavailable(err)
	}
	return answer{status: http.StatusAccepted, body: map[string]int{"count": count}}
}
