package handlers

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/calbridge/calbridge/shared/booking"
)

// Submitter checks a booking and puts it on the queue.
type Submitter interface {
	// Submit takes one CloudEvents event. A *booking.Invalid says what is wrong with
	// it; any other error that nothing was accepted and that it may be sent again.
	Submit(ctx context.Context, body []byte) (booking.Booking, error)
}

// bookings is the function Bookings: POST bookings.
type bookings struct {
	submit    Submitter
	publicURL string
}

func (b bookings) post(ctx context.Context, r *request) answer {
	body, bad := r.body(booking.MaxEvent, "application/cloudevents+json", "application/json")
	if bad != nil {
		return *bad
	}
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		return problemAnswer(codeMediaType, "Batches are not supported: send one event per request.")
	}
	accepted, err := b.submit.Submit(ctx, body)
	if invalid := (*booking.Invalid)(nil); errors.As(err, &invalid) {
		code := codeInvalid
		if invalid.TooLarge() {
			code = codeTooLarge
		}
		return problemAnswer(code, "The booking was not accepted; errors says what is wrong with it.", invalid.Faults...)
	}
	if err != nil {
		return unavailable(err)
	}
	return answer{status: http.StatusAccepted, body: map[string]any{
		"organization": accepted.Organization, "id": accepted.ID, "revision": accepted.Revision,
		"status": b.publicURL + "/api/organizations/" + url.PathEscape(accepted.Organization) + "/bookings?id=" + url.QueryEscape(accepted.ID)}}
}
