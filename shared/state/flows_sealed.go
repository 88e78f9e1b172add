package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/version"
)

// SealedSlot is the span of time that one slot of the agenda of sealed flows gathers.
const SealedSlot = time.Hour

// SealedFlow is a flow that kept something sealed when it was put on the agenda.
type SealedFlow struct{ id, slot string }

func sealedSlot(at time.Time) string {
	return fmt.Sprintf("s%013d", at.Truncate(SealedSlot).UnixMilli())
}

// remember puts a flow on the agenda of its end, before it is stored: what is sealed in
// it is forgotten by nobody. One request.
func (s *Flows) remember(ctx context.Context, f Flow) error {
	_, err := s.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: sealedSlot(f.Expires), Row: f.ID}}})
	if err != nil {
		return fmt.Errorf("state.PutFlow: agenda: %w", err)
	}
	return nil
}

// Sealed reads the flows that end, or were to end, in the slot of an instant. One request
// for 1,000 of them.
func (s *Flows) Sealed(ctx context.Context, at time.Time) ([]SealedFlow, error) {
	slot := sealedSlot(at)
	rows, unread := agenda(ctx, s.tables, slot)
	if unread != nil && !version.Is(unread) {
		return nil, fmt.Errorf("state.SealedFlows: %w", unread)
	}
	out := make([]SealedFlow, len(rows))
	for i, e := range rows {
		out[i] = SealedFlow{e.Row, slot}
	}
	return out, unread
}

// Unseal destroys what a flow still keeps sealed, if it has ended by now, and takes it
// from the agenda. What has not ended stays, and so does what somebody changes at this
// moment: the next run finds it. The rest of the flow is left as it is. At most three requests.
func (s *Flows) Unseal(ctx context.Context, sealed SealedFlow, now time.Time) error {
	f, err := s.Get(ctx, sealed.id)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return err
	case len(f.Sealed) == 0:
	case now.Before(f.Expires):
		if sealedSlot(f.Expires) == sealed.slot {
			return nil
		}
	default:
		f.Sealed = nil
		if _, err := s.Put(ctx, f); errors.Is(err, ErrPrecondition) {
			return nil
		} else if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	_, err = s.tables.Apply(ctx, tableDue, []Change{{Delete, Entity{Partition: sealed.slot, Row: sealed.id}}})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("state.Unseal: %w", err)
	}
	return nil
}
