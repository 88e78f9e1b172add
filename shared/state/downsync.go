package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/version"
)

// SyncSlot is the span of time that one slot of the agenda of down-syncs gathers.
const SyncSlot = 10 * time.Minute

// SyncTurn is when a connection's calendars are read next.
type SyncTurn struct {
	Organization string
	Connection   key.Key
	// Session is the Service Bus session of its tasks.
	Session string
	At      time.Time // UTC, to the millisecond
	// Down says that nothing is written through the connection.
	Down bool
}

func syncSlot(at time.Time) string {
	return fmt.Sprintf("y%013d", at.Truncate(SyncSlot).UnixMilli())
}

// AddSyncs puts connections on the agenda, each in the slot of its instant; one that is
// in that slot already is replaced. One request for every 100 of a slot.
func (d *Due) AddSyncs(ctx context.Context, turns []SyncTurn) error {
	return d.bySlot(ctx, turns, func(t SyncTurn) Change {
		return Change{InsertOrReplace, Entity{Partition: syncSlot(t.At), Row: t.Connection.String(),
			Props: map[string]any{"organization": t.Organization, "session": t.Session, "at": t.At.UTC(), "down": t.Down}}}
	})
}

// Syncs reads the connections in the slot of an instant. One request for 1,000 of them.
func (d *Due) Syncs(ctx context.Context, at time.Time) ([]SyncTurn, error) {
	rows, unread := agenda(ctx, d.tables, syncSlot(at))
	if unread != nil && !version.Is(unread) {
		return nil, fmt.Errorf("state.Syncs: %w", unread)
	}
	out := make([]SyncTurn, len(rows))
	for i, e := range rows {
		id, err := key.Parse(e.Row)
		if err != nil {
			return nil, fmt.Errorf("state.Syncs: %w: %w", ErrCorrupt, err)
		}
		out[i].Connection = id
		out[i].Organization, _ = e.Props["organization"].(string)
		out[i].Session, _ = e.Props["session"].(string)
		out[i].At, _ = e.Props["at"].(time.Time)
		out[i].Down, _ = e.Props["down"].(bool)
	}
	return out, unread
}

// SyncsDone takes connections from the slots of their instants; those that are gone are
// as good. One request for every 100 of a slot.
func (d *Due) SyncsDone(ctx context.Context, turns []SyncTurn) error {
	return d.bySlot(ctx, turns, func(t SyncTurn) Change {
		return Change{Delete, Entity{Partition: syncSlot(t.At), Row: t.Connection.String()}}
	})
}

// bySlot applies a change for each of some turns, in transactions of 100.
func (d *Due) bySlot(ctx context.Context, turns []SyncTurn, change func(SyncTurn) Change) error {
	slots := map[string][]Change{}
	for _, t := range turns {
		c := change(t)
		slots[c.Entity.Partition] = append(slots[c.Entity.Partition], c)
	}
	for _, all := range slots {
		for batch := range slices.Chunk(all, maxChanges) {
			if err := applyMissing(ctx, d.tables, tableDue, batch); err != nil {
				return fmt.Errorf("state.SyncTurns: %w", err)
			}
		}
	}
	return nil
}

// applyMissing applies changes together, without those whose row is not there.
func applyMissing(ctx context.Context, tables Tables, table string, changes []Change) error {
	for len(changes) > 0 {
		_, err := tables.Apply(ctx, table, changes)
		var refused *ChangeError
		if errors.As(err, &refused) && errors.Is(err, ErrNotFound) && refused.Index < len(changes) {
			changes = append(slices.Clone(changes[:refused.Index]), changes[refused.Index+1:]...)
			continue
		}
		return err
	}
	return nil
}

const syncRunRow = "sync"

// SyncRun is when the schedule last ran to its end; zero when it never did.
func (d *Due) SyncRun(ctx context.Context) (time.Time, error) {
	e, err := d.tables.Get(ctx, tableDue, sweptPartition, syncRunRow)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("state.SyncRun: %w", err)
	}
	at, _ := e.Props["until"].(time.Time)
	return at, nil
}

// SetSyncRun remembers it.
func (d *Due) SetSyncRun(ctx context.Context, at time.Time) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: sweptPartition, Row: syncRunRow,
		Props: map[string]any{"until": at.UTC()}}}})
	if err != nil {
		return fmt.Errorf("state.SetSyncRun: %w", err)
	}
	return nil
}
