package engine

import (
	"context"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// oweLane marks the deliveries of a lane that end at or after since as owed, in
// bulk, behind live work: those that wanted picks. It returns the owed rows that it
// added; the lane has still to be woken. It reads the lane's deliveries and makes one transaction for
// each that it marks.
func (e *Engine) oweLane(ctx context.Context, lane key.Key, since time.Time, wanted func(state.Delivery) bool) ([]state.Owed, error) {
	rows, err := e.lanes.Deliveries(ctx, lane, since)
	if err != nil {
		return nil, err
	}
	now := e.now()
	var owed []state.Owed
	for _, d := range rows {
		if !wanted(d) {
			continue
		}
		debt := state.Debt{Lane: state.Lane{Key: lane}, Delivery: d.Key, Booking: d.Booking, Ends: d.Ends,
			Priority: state.Bulk, Due: now, Nonce: state.NewDebt(now)}
		if err := e.lanes.Owe(ctx, debt); err != nil {
			return owed, err
		}
		owed = append(owed, state.Owed{Row: state.OwedRow(debt.Priority, debt.Due, debt.Delivery, debt.Nonce),
			Priority: debt.Priority, Due: debt.Due, Delivery: debt.Delivery, Nonce: debt.Nonce})
	}
	return owed, nil
}
