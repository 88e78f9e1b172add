package state

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// Entry is one attempt of a delivery, as the ledger keeps it and as the booking's
// status shows it (wire.md). It holds no personal data.
type Entry struct {
	At        time.Time `json:"at"`
	Revision  int64     `json:"revision"`
	Sequence  int64     `json:"sequence,omitempty"`
	Operation string    `json:"operation"`
	State     string    `json:"state,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Status    int       `json:"status,omitempty"` // HTTP status of Graph's answer
	Code      string    `json:"code,omitempty"`   // Graph's error code
	RequestID string    `json:"requestId,omitempty"`
	EventID   string    `json:"eventId,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`

	Delivery key.Key `json:"-"`
}

// Ledger keeps every attempt, a table a month, so that old ones are dropped whole.
type Ledger struct{ tables Tables }

// NewLedger returns the ledger kept in tables.
func NewLedger(tables Tables) *Ledger { return &Ledger{versioned(tables)} }

func ledgerTable(at time.Time) string { return "ledger" + at.UTC().Format("200601") }

// Add stores the entries of one invocation of a lane, in one transaction for
// every 100.
func (l *Ledger) Add(ctx context.Context, lane key.Key, at time.Time, entries []Entry) error {
	for len(entries) > 0 {
		n := min(len(entries), maxChanges)
		changes := make([]Change, n)
		for i, e := range entries[:n] {
			doc, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("state.Ledger: %w", err)
			}
			// The index keeps the attempts of one invocation in their order.
			row := fmt.Sprintf("%s%013d%02d%s", e.Delivery, at.UnixMilli(), i, key.Random())
			changes[i] = Change{Insert, Entity{Partition: lane.String(), Row: row, Props: map[string]any{"doc": string(doc)}}}
		}
		if _, err := l.tables.Apply(ctx, ledgerTable(at), changes); err != nil {
			return fmt.Errorf("state.Ledger: %w", err)
		}
		entries = entries[n:]
	}
	return nil
}

// Of reads the entries of a delivery in the months from since to now, oldest first.
func (l *Ledger) Of(ctx context.Context, lane, delivery key.Key, since, now time.Time) ([]Entry, error) {
	var out []Entry
	from := delivery.String()
	for month := since.UTC(); !month.After(now) || ledgerTable(month) == ledgerTable(now); month = nextMonth(month) {
		rows, err := l.tables.Query(ctx, ledgerTable(month), Span{Partition: lane.String(), From: from, Before: from + "~"})
		if err != nil {
			return nil, fmt.Errorf("state.Ledger: %w", err)
		}
		for _, e := range rows {
			doc, _ := e.Props["doc"].(string)
			entry := Entry{Delivery: delivery}
			if err := json.Unmarshal([]byte(doc), &entry); err != nil {
				return nil, fmt.Errorf("state.Ledger: %w", err)
			}
			out = append(out, entry)
		}
	}
	return out, nil
}

func nextMonth(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}
