package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Submit checks a booking and puts it on the queue as it came. A *booking.Invalid
// says what is wrong with it; after any other error nothing was accepted, and the
// caller may send it again. It costs one send, and one read of the organisation
// every 15 seconds.
func (e *Engine) Submit(ctx context.Context, body []byte) (booking.Booking, error) {
	m, err := e.check(ctx, body)
	if err != nil {
		return booking.Booking{}, err
	}
	err = e.bus.Send(ctx, queue.Bookings, queue.Traced(ctx, []queue.Message{{ID: key.Random(), Subject: booking.Type,
		ContentType: "application/cloudevents+json; charset=utf-8", Body: body}})...)
	if err != nil {
		return booking.Booking{}, fmt.Errorf("engine.Submit: %w", err)
	}
	return m.Booking, nil
}

// check decodes a booking and looks at what only its organisation knows.
func (e *Engine) check(ctx context.Context, body []byte) (booking.Message, error) {
	m, err := booking.Decode(body)
	if err != nil {
		return m, err
	}
	org, err := e.orgs.Organization(ctx, m.Booking.Organization)
	if errors.Is(err, state.ErrNotFound) {
		return m, invalid(m.Booking, "/data/organization", "unknown-organization",
			"There is no such organisation; make it first with PUT organizations/{organization}.")
	}
	if err != nil {
		return m, fmt.Errorf("organisation of a booking: %w", err)
	}
	m.Booking, err = m.Booking.Resolve(org.TimeZone)
	return m, err
}

func invalid(b booking.Booking, pointer, code, detail string) *booking.Invalid {
	return &booking.Invalid{Faults: []booking.Fault{{Pointer: pointer, Code: code, Detail: detail}},
		Organization: b.Organization, ID: b.ID}
}
