package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// maxTargets is how many targets a booking may have over its life.
const maxTargets = 5000

// Intake takes a message of the queue bookings: it stores the highest revision
// with every target the booking ever had, adds debt to each target's lane, and
// wakes them. What cannot be understood goes whole to bookings-rejected.
//
// Cost for n people: one read and two writes of the booking, one transaction for
// every 100 people, one transaction per target, one row of the agenda, one send
// for what fits a batch. A duplicate or older revision costs one read.
func (e *Engine) Intake(ctx context.Context, m queue.Message) error {
	err := e.intake(ctx, m)
	var bad *booking.Invalid
	if errors.As(err, &bad) {
		return e.reject(ctx, m, bad)
	}
	return e.again(ctx, queue.Bookings, m, err)
}

func (e *Engine) intake(ctx context.Context, m queue.Message) error {
	checked, err := e.check(ctx, m.Body)
	if err != nil {
		return err
	}
	row, changed, err := e.store(ctx, checked)
	if err != nil || !changed {
		return err
	}
	return e.fanOut(ctx, row)
}

// store saves a booking that is newer than what is there. changed reports whether
// debts have to be written: for a newer revision, and for one that was stored by
// an intake that did not come to its end.
func (e *Engine) store(ctx context.Context, m booking.Message) (row state.Booking, changed bool, err error) {
	const tries = 5
	b := m.Booking
	for range tries {
		row, err = e.bookings.Get(ctx, b.Organization, b.ID)
		if errors.Is(err, state.ErrNotFound) {
			row = state.Booking{Organization: b.Organization, ID: b.ID, Accepted: e.now()}
		} else if err != nil {
			return row, false, err
		}
		switch booking.Compare(b.Revision, row.Revision) {
		case booking.Older:
			return row, false, nil
		case booking.Same:
			return row, row.FannedOut != row.Revision, nil
		}
		row.Revision, row.Body = b.Revision, m.Data
		row.Targets = union(row.Targets, targetsOf(b))
		if len(row.Targets) > maxTargets {
			return row, false, invalid(b, "/data/people", "too-many",
				fmt.Sprintf("Over its life a booking may have %d people and rooms.", maxTargets))
		}
		row.ETag, err = e.bookings.Save(ctx, row)
		if err == nil {
			return row, true, nil
		}
		if !errors.Is(err, state.ErrPrecondition) && !errors.Is(err, state.ErrExists) && !errors.Is(err, state.ErrNotFound) {
			return row, false, err
		}
	}
	return row, false, err
}

func targetsOf(b booking.Booking) []state.Target {
	targets := b.Targets()
	out := make([]state.Target, len(targets))
	for i, t := range targets {
		out[i] = state.Target{Lane: key.Lane(b.Organization, t.Kind, t.ID),
			Delivery: key.Delivery(b.Organization, b.ID, t.Kind, t.ID)}
	}
	return out
}

func union(old, more []state.Target) []state.Target {
	known := make(map[state.Target]bool, len(old))
	for _, t := range old {
		known[t] = true
	}
	for _, t := range more {
		if !known[t] {
			old = append(old, t)
		}
	}
	return old
}

// fanOut writes the debts of a stored revision, wakes the lanes, and says so in
// the row. It may be repeated.
func (e *Engine) fanOut(ctx context.Context, row state.Booking) error {
	b, err := booking.Load(row.Body)
	if err != nil {
		return fmt.Errorf("stored booking: %w", err)
	}
	org, err := e.orgs.Organization(ctx, row.Organization)
	if err != nil {
		return fmt.Errorf("organisation of a booking: %w", err)
	}
	lanes, people := seenOn(b)
	if err := e.people.Seen(ctx, row.Organization, people); err != nil {
		return err
	}
	now := e.now()
	ends, _ := event.Ends(b, org.TimeZone)
	err = e.each(ctx, len(row.Targets), func(ctx context.Context, i int) error {
		t := row.Targets[i]
		lane, invited := lanes[t.Lane]
		if !invited {
			lane = state.Lane{Key: t.Lane}
		}
		return e.lanes.Owe(ctx, state.Debt{Lane: lane, Delivery: t.Delivery, Booking: row.ID, Ends: ends,
			Priority: state.Live, Due: now, Nonce: state.NewDebt(now)})
	})
	if err != nil {
		return err
	}
	if err := e.due.Add(ctx, now, row.Organization, row.ID); err != nil {
		return err
	}
	if err := e.wakeAll(ctx, row.Targets); err != nil {
		return err
	}
	return e.bookings.SetFannedOut(ctx, row)
}

// seenOn are the lanes of a booking's targets, and its people.
func seenOn(b booking.Booking) (map[key.Key]state.Lane, []state.Person) {
	lanes := map[key.Key]state.Lane{}
	var people []state.Person
	for _, t := range b.Targets() {
		lane := state.Lane{Key: key.Lane(b.Organization, t.Kind, t.ID), Organization: b.Organization, Kind: t.Kind,
			Target: t.ID, Address: t.Person.Mailbox(), Account: strings.TrimSpace(t.Person.Account) != ""}
		lanes[lane.Key] = lane
		if t.Kind == key.User {
			people = append(people, state.Person{Lane: lane.Key, User: t.ID, Name: t.Person.Name, Email: t.Person.Email,
				Account: t.Person.Account, Locale: t.Person.Locale})
		}
	}
	return lanes, people
}

func (e *Engine) wakeAll(ctx context.Context, targets []state.Target) error {
	messages := make([]queue.Message, len(targets))
	for i, t := range targets {
		messages[i] = wake(t.Lane, time.Time{})
	}
	return e.send(ctx, queue.Deliveries, messages...)
}
