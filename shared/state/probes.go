package state

import (
	"context"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/version"
)

// ProbeSlot is the span of time that one slot of the agenda of re-checks gathers.
const ProbeSlot = time.Hour

// Probe is a lane whose mailbox could not be reached and is to be looked at again.
type Probe struct {
	Organization string
	Lane         key.Key
	slot         string
}

func probeSlot(at time.Time) string { return fmt.Sprintf("p%013d", at.Truncate(ProbeSlot).UnixMilli()) }

// AddProbe puts a lane on the agenda of re-checks for an instant.
func (d *Due) AddProbe(ctx context.Context, at time.Time, organization string, lane key.Key) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: probeSlot(at), Row: lane.String(),
		Props: map[string]any{"organization": organization}}}})
	if err != nil {
		return fmt.Errorf("state.AddProbe: %w", err)
	}
	return nil
}

// Probes reads the re-checks in the slot of an instant.
func (d *Due) Probes(ctx context.Context, at time.Time) ([]Probe, error) {
	slot := probeSlot(at)
	rows, unread := agenda(ctx, d.tables, slot)
	if unread != nil && !version.Is(unread) {
		return nil, fmt.Errorf("state.Probes: %w", unread)
	}
	out := make([]Probe, len(rows))
	for i, e := range rows {
		lane, err := key.Parse(e.Row)
		if err != nil {
			return nil, fmt.Errorf("state.Probes: %w", err)
		}
		organization, _ := e.Props["organization"].(string)
		out[i] = Probe{organization, lane, slot}
	}
	return out, unread
}

// ProbeDone takes a lane from its slot.
func (d *Due) ProbeDone(ctx context.Context, p Probe) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{Delete, Entity{Partition: p.slot, Row: p.Lane.String()}}})
	if err != nil {
		return fmt.Errorf("state.ProbeDone: %w", err)
	}
	return nil
}
