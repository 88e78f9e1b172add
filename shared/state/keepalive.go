package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/version"
)

// KeepAliveSlot is the span of time that one slot of the agenda of refreshes gathers.
const KeepAliveSlot = time.Hour

// KeepAlive is a connection whose token is to be refreshed, lest it die unused.
type KeepAlive struct {
	Organization     string
	Lane, Connection key.Key
	slot             string
}

func keepAliveSlot(at time.Time) string {
	return fmt.Sprintf("k%013d", at.Truncate(KeepAliveSlot).UnixMilli())
}

// AddKeepAlive puts a connection on the agenda for an instant; again in the same
// slot changes nothing. One request.
func (d *Due) AddKeepAlive(ctx context.Context, at time.Time, organization string, lane, id key.Key) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: keepAliveSlot(at), Row: id.String(),
		Props: map[string]any{"organization": organization, "lane": lane.String()}}}})
	if err != nil {
		return fmt.Errorf("state.AddKeepAlive: %w", err)
	}
	return nil
}

// KeepAlives reads the connections in the slot of an instant. Whoever takes one up
// says so with KeepAliveDone after its task is sent: a kill in between gives the
// task twice, never none. One request for 1,000 of them.
func (d *Due) KeepAlives(ctx context.Context, at time.Time) ([]KeepAlive, error) {
	slot := keepAliveSlot(at)
	rows, unread := agenda(ctx, d.tables, slot)
	if unread != nil && !version.Is(unread) {
		return nil, fmt.Errorf("state.KeepAlives: %w", unread)
	}
	out := make([]KeepAlive, len(rows))
	for i, e := range rows {
		organization, _ := e.Props["organization"].(string)
		text, _ := e.Props["lane"].(string)
		lane, err1 := key.Parse(text)
		id, err2 := key.Parse(e.Row)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("state.KeepAlives: %w", err)
		}
		out[i] = KeepAlive{organization, lane, id, slot}
	}
	return out, unread
}

// KeepAliveDone takes a connection from its slot; one that is gone is as good. One request.
func (d *Due) KeepAliveDone(ctx context.Context, k KeepAlive) error {
	_, err := d.tables.Apply(ctx, tableDue, []Change{{Delete, Entity{Partition: k.slot, Row: k.Connection.String()}}})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("state.KeepAliveDone: %w", err)
	}
	return nil
}
