package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

// Sweep wakes the lanes of bookings that were fanned out more than ten minutes
// ago and still owe, so that a wake-up that was lost is repaired. It goes on where
// it came to the last time, a week back at most: two requests, one per slot, one
// per booking in it, one per lane of the booking.
func (e *Engine) Sweep(ctx context.Context) error {
	const back = 7 * 24 * time.Hour
	now := e.now()
	last, err := e.due.Swept(ctx)
	if err != nil {
		return err
	}
	first := later(last, now.Add(-back)).Truncate(state.SlotLength)
	end := now.Add(-state.SlotLength).Truncate(state.SlotLength) // of what is ten minutes old
	slots := max(0, int(end.Sub(first)/state.SlotLength))
	var others aside
	err = e.each(ctx, slots, func(ctx context.Context, i int) error {
		return e.sweepSlot(ctx, first.Add(time.Duration(i)*state.SlotLength), now, &others)
	})
	if err := errors.Join(err, others.first); err != nil || slots == 0 {
		return err
	}
	return e.due.SetSwept(ctx, end)
}

// aside collects what another build wrote, so that a run of a timer goes on with the rest
// and ends in an error: what was put aside stays where it is, for a build that reads it.
type aside struct {
	mu    sync.Mutex
	first error
}

// but returns an error unless it was put aside.
func (a *aside) but(err error) error {
	if !version.Is(err) {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.first == nil {
		a.first = err
	}
	return nil
}

func (e *Engine) sweepSlot(ctx context.Context, slot, now time.Time, others *aside) error {
	due, err := e.due.Slot(ctx, slot)
	if err := others.but(err); err != nil {
		return err
	}
	for _, f := range due {
		err := e.sweepBooking(ctx, f, now)
		if version.Is(err) {
			_ = others.but(err) // it is put aside, with its place on the agenda
			continue
		}
		if err != nil {
			return err
		}
		if err := e.due.Done(ctx, f); err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (e *Engine) sweepBooking(ctx context.Context, f state.FannedOut, now time.Time) error {
	row, err := e.bookings.Get(ctx, f.Organization, f.Booking)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	owing := make([]bool, len(row.Targets))
	err = e.each(ctx, len(row.Targets), func(ctx context.Context, i int) (err error) {
		owing[i], err = e.overdue(ctx, row.Targets[i].Lane, now)
		return err
	})
	if err != nil {
		return err
	}
	var messages []queue.Message
	for i, yes := range owing {
		if yes {
			messages = append(messages, wake(row.Targets[i].Lane, time.Time{}))
		}
	}
	return e.send(ctx, queue.Deliveries, messages...)
}

// overdue reports whether the first row that a lane owes is a slot old.
func (e *Engine) overdue(ctx context.Context, lane key.Key, now time.Time) (bool, error) {
	_, owed, _, err := e.lanes.Open(ctx, lane, now, 1)
	if err != nil || len(owed) == 0 {
		return false, err
	}
	return owed[0].Due.Before(now.Add(-state.SlotLength)), nil
}
