package state

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const caughtUpRow = "connections"

// CaughtUp is when it was last ordered that all connections are looked through (package
// engine); zero when it never was. One request.
func (d *Due) CaughtUp(ctx context.Context) (time.Time, error) {
	e, err := d.tables.Get(ctx, tableDue, sweptPartition, caughtUpRow)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("state.CaughtUp: %w", err)
	}
	at, _ := e.Props["until"].(time.Time)
	return at, nil
}

// SetCaughtUp remembers it. One request.
func (d *Due) SetCaughtUp(ctx context.Context, at time.Time) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: sweptPartition, Row: caughtUpRow,
		Props: map[string]any{"until": at.UTC()}}}})
	if err != nil {
		return fmt.Errorf("state.SetCaughtUp: %w", err)
	}
	return nil
}
