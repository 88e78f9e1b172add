package state

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const incidentPartition = "incident"

// Incident is something of the whole deployment that people were alerted of, and that
// is not over.
type Incident struct {
	Code        string    // made of letters, digits and hyphens; the row's key
	Since, Last time.Time // UTC; Last is when it was seen last
}

// Incidents keeps what people were alerted of once, so that they are not alerted by
// every call that fails. They stand in the table of the agenda, few at any time.
type Incidents struct{ tables Tables }

// NewIncidents returns the incidents kept in tables.
func NewIncidents(tables Tables) *Incidents { return &Incidents{versioned(tables)} }

// Get reads an incident; ErrNotFound: there is none of that code.
func (i *Incidents) Get(ctx context.Context, code string) (Incident, error) {
	e, err := i.tables.Get(ctx, tableDue, incidentPartition, code)
	if err != nil {
		return Incident{}, fmt.Errorf("state.Incident: %w", err)
	}
	return parseIncident(e), nil
}

// List reads all incidents that are not over.
func (i *Incidents) List(ctx context.Context) ([]Incident, error) {
	rows, err := i.tables.Query(ctx, tableDue, Span{Partition: incidentPartition})
	if err != nil {
		return nil, fmt.Errorf("state.Incidents: %w", err)
	}
	out := make([]Incident, len(rows))
	for n, e := range rows {
		out[n] = parseIncident(e)
	}
	return out, nil
}

// Put stores an incident, or that it was seen again.
func (i *Incidents) Put(ctx context.Context, x Incident) error {
	_, err := i.tables.Apply(ctx, tableDue, []Change{{InsertOrReplace, Entity{Partition: incidentPartition, Row: x.Code,
		Props: map[string]any{"since": x.Since.UTC(), "last": x.Last.UTC()}}}})
	if err != nil {
		return fmt.Errorf("state.PutIncident: %w", err)
	}
	return nil
}

// Over forgets an incident; one that is gone is as good.
func (i *Incidents) Over(ctx context.Context, code string) error {
	_, err := i.tables.Apply(ctx, tableDue, []Change{{Delete, Entity{Partition: incidentPartition, Row: code}}})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("state.IncidentOver: %w", err)
	}
	return nil
}

func parseIncident(e Entity) Incident {
	since, _ := e.Props["since"].(time.Time)
	last, _ := e.Props["last"].(time.Time)
	return Incident{Code: e.Row, Since: since, Last: last}
}
