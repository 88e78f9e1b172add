package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/version"
)

// SlotLength is the span of accepted bookings that one due slot gathers.
const SlotLength = 10 * time.Minute

// FannedOut is a booking whose debts were written in some slot.
type FannedOut struct {
	Organization, Booking string
	slot, row             string
}

// Due is the agenda of the schedule's timer: which bookings were fanned out when,
// so that a wake-up that was lost is found.
type Due struct{ tables Tables }

// NewDue returns the agenda kept in tables.
func NewDue(tables Tables) *Due { return &Due{versioned(tables)} }

func slotOf(at time.Time) string { return fmt.Sprintf("f%013d", at.Truncate(SlotLength).UnixMilli()) }

// Add notes that a booking is fanned out at an instant.
func (d *Due) Add(ctx context.Context, at time.Time, organization, booking string) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{
		Partition: slotOf(at), Row: key.Booking(organization, booking).String(),
		Props: map[string]any{"organization": organization, "booking": booking}}}})
	if err != nil {
		return fmt.Errorf("state.Due: %w", err)
	}
	return nil
}

// agenda reads a slot. With a *version.Error it returns what can be read of it, so that
// one row of a newer build does not keep those who go through an agenda from the rest;
// what cannot be read stays where it is. The same holds for whatever reads an agenda.
func agenda(ctx context.Context, tables Tables, slot string) ([]Entity, error) {
	rows, err := tables.Query(ctx, tableDue, Span{Partition: slot})
	if err != nil {
		return rows, fmt.Errorf("agenda: %w", err)
	}
	return rows, nil
}

// Slot reads what was fanned out in the slot of an instant.
func (d *Due) Slot(ctx context.Context, at time.Time) ([]FannedOut, error) {
	slot := slotOf(at)
	rows, unread := agenda(ctx, d.tables, slot)
	if unread != nil && !version.Is(unread) {
		return nil, fmt.Errorf("state.Due: %w", unread)
	}
	out := make([]FannedOut, len(rows))
	for i, e := range rows {
		organization, _ := e.Props["organization"].(string)
		booking, _ := e.Props["booking"].(string)
		out[i] = FannedOut{organization, booking, slot, e.Row}
	}
	return out, unread
}

const sweptPartition = "swept"

// Swept is the instant up to which all slots were looked at; zero when none was.
func (d *Due) Swept(ctx context.Context) (time.Time, error) {
	e, err := d.tables.Get(ctx, tableDue, sweptPartition, "")
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("state.Swept: %w", err)
	}
	at, _ := e.Props["until"].(time.Time)
	return at, nil
}

// SetSwept remembers it.
func (d *Due) SetSwept(ctx context.Context, at time.Time) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: sweptPartition,
		Props: map[string]any{"until": at.UTC()}}}})
	if err != nil {
		return fmt.Errorf("state.SetSwept: %w", err)
	}
	return nil
}

// Backfill is how far the turns of an organisation's backfill are given out.
type Backfill struct {
	Chain string    // which backfill it is
	Until time.Time // UTC instant at which the last turn that was given out ends
}

const backfillPartition = "backfill"

// Backfill reads it; a zero one when there never was a backfill.
func (d *Due) Backfill(ctx context.Context, organization string) (Backfill, error) {
	e, err := d.tables.Get(ctx, tableDue, backfillPartition, organization)
	if errors.Is(err, ErrNotFound) {
		return Backfill{}, nil
	}
	if err != nil {
		return Backfill{}, fmt.Errorf("state.Backfill: %w", err)
	}
	var b Backfill
	b.Chain, _ = e.Props["chain"].(string)
	b.Until, _ = e.Props["until"].(time.Time)
	return b, nil
}

// SetBackfill stores it.
func (d *Due) SetBackfill(ctx context.Context, organization string, b Backfill) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: backfillPartition, Row: organization,
		Props: map[string]any{"chain": b.Chain, "until": b.Until.UTC()}}}})
	if err != nil {
		return fmt.Errorf("state.SetBackfill: %w", err)
	}
	return nil
}

// Done takes a booking from its slot.
func (d *Due) Done(ctx context.Context, f FannedOut) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{Delete, Entity{Partition: f.slot, Row: f.row}}})
	if err != nil {
		return fmt.Errorf("state.Due: %w", err)
	}
	return nil
}
