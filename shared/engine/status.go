package engine

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// Status is how a booking stands (wire.md, Booking status).
type Status struct {
	Booking    string           `json:"booking"`
	Revision   int64            `json:"revision"`
	Deliveries []DeliveryStatus `json:"deliveries"`
	// Next continues the list; empty when there is no more.
	Next string `json:"next,omitempty"`
}

// DeliveryStatus is the last published result of one target.
type DeliveryStatus struct {
	User     string     `json:"user,omitempty"`
	Room     string     `json:"room,omitempty"`
	State    string     `json:"state"`
	Reason   string     `json:"reason,omitempty"`
	Message  string     `json:"message"`
	Revision int64      `json:"revision,omitempty"`
	Sequence int64      `json:"sequence,omitempty"`
	EventID  string     `json:"eventId,omitempty"`
	Updated  *time.Time `json:"updated,omitempty"`
	// Ledger is every attempt, oldest first; nil where it was not asked for.
	Ledger []state.Entry `json:"ledger,omitzero"`
}

// ErrBadCursor is returned for an after that the list did not give out.
var ErrBadCursor = errors.New("not a cursor of this list")

// Status tells how a booking stands for every target it ever had, in the order
// in which they came onto it: at most limit of them, after the cursor.
// state.ErrNotFound: the booking was never accepted. It costs one read of the
// booking, one of each target shown, and one more for those no longer on it.
func (e *Engine) Status(ctx context.Context, organization, id, after string, limit int) (Status, error) {
	row, err := e.bookings.Get(ctx, organization, id)
	if err != nil {
		return Status{}, err
	}
	from := 0
	if after != "" {
		if from, err = strconv.Atoi(after); err != nil || from < 0 || from > len(row.Targets) {
			return Status{}, ErrBadCursor
		}
	}
	names := namesOn(row)
	page := row.Targets[from:min(from+limit, len(row.Targets))]
	out := Status{Booking: id, Revision: row.Revision, Deliveries: make([]DeliveryStatus, len(page))}
	err = e.each(ctx, len(page), func(ctx context.Context, i int) (err error) {
		out.Deliveries[i], err = e.deliveryStatus(ctx, page[i], names)
		return err
	})
	if err != nil {
		return Status{}, err
	}
	if end := from + len(page); end < len(row.Targets) {
		out.Next = strconv.Itoa(end)
	}
	return out, nil
}

// namesOn are the targets that the stored booking names, by lane.
func namesOn(row state.Booking) map[key.Key]booking.Target {
	names := map[key.Key]booking.Target{}
	b, err := booking.Load(row.Body)
	if err != nil {
		return names // the lane rows tell
	}
	for _, t := range b.Targets() {
		names[key.Lane(row.Organization, t.Kind, t.ID)] = t
	}
	return names
}

// statusOf is the last published result of a delivery, without its target.
func statusOf(d state.Delivery) DeliveryStatus {
	s := DeliveryStatus{State: d.State, Reason: d.Reason, Revision: d.Revision, Sequence: d.Sequence, EventID: d.Event}
	if d.State == "" {
		s.State = Pending
	}
	if !d.Updated.IsZero() {
		s.Updated = &d.Updated
	}
	s.Message = reason.Sentence(s.State, s.Reason)
	return s
}

func (e *Engine) deliveryStatus(ctx context.Context, t state.Target, names map[key.Key]booking.Target) (DeliveryStatus, error) {
	d, err := e.lanes.Delivery(ctx, t.Lane, t.Delivery)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return DeliveryStatus{}, err
	}
	s := statusOf(d)
	kind, id := names[t.Lane].Kind, names[t.Lane].ID
	if id == "" { // no longer on the booking
		lane, err := e.lanes.Lane(ctx, t.Lane)
		if err != nil {
			return s, err
		}
		kind, id = lane.Kind, lane.Target
	}
	if kind == key.Room {
		s.Room = id
	} else {
		s.User = id
	}
	return s, nil
}
