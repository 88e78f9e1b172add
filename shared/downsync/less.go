package downsync

import (
	"context"
	"errors"
	"net/http"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/graph"
)

// After how many failures in a row less is asked for: of a page of a full round, or of any
// behind the first; and of a link that a whole round ended with. After more of any other
// kind a link is left, and the calendar read anew.
const (
	troubleOfPage = 3
	troubleOfLink = 16
	troubleOfAny  = 40
)

// size is how many events to a page are asked for.
func (x *round) size() int { return max(1, x.pageSize>>min(x.cursor.Thinned, 30)) }

// less asks for less where Graph could not answer, or the answer could not be read; again
// says to do so at once, failed that nothing less can be asked for. Of what Graph did
// not answer the next attempt of the task asks (graph/contract.md 4.6).
func (x *round) less(err error) (again bool, failed error) {
	switch {
	case err == nil:
		x.cursor.Trouble = 0
		return false, nil
	case errors.Is(err, graph.ErrTooLarge) && x.size() > 1:
		x.cursor.Thinned++
		return true, nil
	case errors.Is(err, graph.ErrTooLarge):
		if !x.shrink() {
			return false, errBroken{causeTooLarge}
		}
		return true, nil
	case unanswerable(err):
		limit := troubleOfLink
		if x.cursor.Round.Full || x.cursor.Round.Pages > 0 {
			limit = troubleOfPage
		}
		if x.cursor.Trouble++; x.cursor.Trouble >= limit && x.shrink() {
			x.cursor.Trouble = 0
		}
	case answered(err) && x.cursor.Round.Next != "":
		if x.cursor.Trouble++; x.cursor.Trouble >= troubleOfAny {
			x.cursor.Trouble = 0
			x.anew()
		}
	}
	return false, nil
}

// shrink begins anew with a smaller window; false where it is as small as it gets.
func (x *round) shrink() bool {
	if x.cursor.Shrunk >= appointment.MaxShrunk {
		return false
	}
	x.cursor.Shrunk++
	x.anew()
	return true
}

// answered reports whether Graph has answered with a failure that may pass: one that never
// does, for one link, nobody else would end.
func answered(err error) bool {
	var failure *graph.Error
	return errors.As(err, &failure) && failure.Kind == graph.Transient && failure.Status != 0
}

// unanswerable reports whether a failure is one of those with which Graph refuses what is
// too much for it.
func unanswerable(err error) bool {
	var failure *graph.Error
	return errors.As(err, &failure) && (failure.Status == http.StatusServiceUnavailable || failure.Status == http.StatusGatewayTimeout ||
		errors.Is(err, context.DeadlineExceeded))
}
