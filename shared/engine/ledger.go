package engine

import (
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// ledgerMonths is how many months, the present one among them, one answer looks
// back at most, however long an organisation keeps its ledger: a page of 200
// deliveries costs a query for each month of each.
const ledgerMonths = 13

// defaultLedgerDays is how long the ledger of an organisation is kept that is not
// there any more.
const defaultLedgerDays = 180

// StatusWithLedger is Status with every attempt of the deliveries shown: those of
// the months since the booking was first accepted, as far as retention.ledgerDays
// and ledgerMonths reach. Beyond Status it costs one read of the booking, and one
// query per delivery and month. A month in which nothing was written at all has no
// table; asking for it makes an empty one.
func (e *Engine) StatusWithLedger(ctx context.Context, organization, id, after string, limit int) (Status, error) {
	s, err := e.Status(ctx, organization, id, after, limit)
	if err != nil {
		return Status{}, err
	}
	since, err := e.ledgerSince(ctx, organization, id)
	if err != nil {
		return Status{}, err
	}
	now := e.now()
	err = e.each(ctx, len(s.Deliveries), func(ctx context.Context, i int) error {
		d := &s.Deliveries[i]
		kind, target := key.User, d.User
		if d.Room != "" {
			kind, target = key.Room, d.Room
		}
		entries, err := e.ledger.Of(ctx, key.Lane(organization, kind, target), key.Delivery(organization, id, kind, target), since, now)
		d.Ledger = append([]state.Entry{}, entries...)
		return err
	})
	if err != nil {
		return Status{}, err
	}
	return s, nil
}

// ledgerSince is the instant in whose month the ledger of a booking is read first.
func (e *Engine) ledgerSince(ctx context.Context, organization, id string) (time.Time, error) {
	days := defaultLedgerDays
	org, err := e.orgs.Organization(ctx, organization)
	if err == nil {
		days = org.Retention.LedgerDays
	} else if !errors.Is(err, state.ErrNotFound) {
		return time.Time{}, err
	}
	row, err := e.bookings.Get(ctx, organization, id)
	if err != nil {
		return time.Time{}, err
	}
	return ledgerFrom(e.now().UTC(), row.Accepted, days), nil
}

// ledgerFrom is the latest of: when the booking was accepted, when the ledger
// begins, and the first of the months that are looked at.
func ledgerFrom(now, accepted time.Time, days int) time.Time {
	first := time.Date(now.Year(), now.Month()-(ledgerMonths-1), 1, 0, 0, 0, 0, time.UTC)
	return later(later(first, now.AddDate(0, 0, -days)), accepted)
}
