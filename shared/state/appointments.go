package state

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

const tableAppointments = "appointments"

// Known is an appointment that was told: what is needed to see that it has changed or
// is gone, and nothing that people wrote.
type Known struct {
	Event   string    `json:"e"` // Graph's id of it
	Version string    `json:"v"` // its change key
	Start   time.Time `json:"s"` // UTC
	End     time.Time `json:"f"` // UTC, exclusive
	Hash    string    `json:"h"` // of what was told; "" while nobody knows whether it was
}

// Record is what is known of an event: of its own, or of a series with all its days.
type Record struct {
	ID string `json:"id"` // Graph's, immutable; a series' is its master's
	// One is the appointment of an event of its own. While an event becomes a series, or
	// the other way, there may be days as well.
	One *Known `json:"one,omitempty"`
	// Zone is the zone whose dates name the days of a series; "" where nobody knows it.
	Zone string `json:"zone,omitempty"`
	// Days are a series' days that were told, by their original dates.
	Days map[string]Known `json:"days,omitempty"`
}

// Empty reports whether nothing is known.
func (r Record) Empty() bool { return r.One == nil && len(r.Days) == 0 }

// Appointments reads and writes what is known of calendars. A partition is a calendar, a
// row an event or a whole series, by the key of its id.
type Appointments struct{ tables Tables }

// NewAppointments returns the appointments kept in tables.
func NewAppointments(tables Tables) *Appointments { return &Appointments{versioned(tables)} }

func recordRow(id string) string { return key.Of("event", id).String() }

// Get reads the record of an event; ErrNotFound: it is not known. One request.
func (a *Appointments) Get(ctx context.Context, calendar key.Key, id string) (Record, error) {
	e, err := a.tables.Get(ctx, tableAppointments, calendar.String(), recordRow(id))
	if err != nil {
		return Record{}, fmt.Errorf("state.Appointment: %w", err)
	}
	return parseRecord(e)
}

// All reads all records of a calendar, in no order that means anything. One request for
// 1,000 of them.
func (a *Appointments) All(ctx context.Context, calendar key.Key) ([]Record, error) {
	rows, err := a.tables.Query(ctx, tableAppointments, Span{Partition: calendar.String()})
	if err != nil {
		return nil, fmt.Errorf("state.Appointments: %w", err)
	}
	out := make([]Record, len(rows))
	for i, e := range rows {
		if out[i], err = parseRecord(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Save stores records of different events in place of what was known of these, and
// forgets those that hold nothing. One request for every 100 of them, or 2 MiB. A series
// that does not fit a row is ErrTooLarge: one of some ten thousand days.
func (a *Appointments) Save(ctx context.Context, calendar key.Key, records []Record) error {
	const maxBytes = 2 << 20 // of a transaction, which in base64 stays below its limit
	var batch []Change
	size := 0
	flush := func() error {
		err := applyMissing(ctx, a.tables, tableAppointments, batch)
		batch, size = nil, 0
		if err != nil {
			return fmt.Errorf("state.SaveAppointments: %w", err)
		}
		return nil
	}
	for _, r := range records {
		c, n, err := recordChange(calendar, r)
		if err != nil {
			return fmt.Errorf("state.SaveAppointments: %w", err)
		}
		if len(batch) == maxChanges || size+n > maxBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, c), size+n
	}
	return flush()
}

// recordChange writes a record, or forgets it where it holds nothing; size is that of
// what is written, in bytes.
func recordChange(calendar key.Key, r Record) (c Change, size int, err error) {
	c = Change{Delete, Entity{Partition: calendar.String(), Row: recordRow(r.ID)}}
	if r.Empty() {
		return c, 0, nil
	}
	doc, err := json.Marshal(r)
	if err != nil {
		return c, 0, err
	}
	props, err := Pack(doc)
	if err != nil {
		return c, 0, err
	}
	stored, _ := props[sizeProp].(int32)
	c.Action, c.Entity.Props = InsertOrReplace, props
	return c, int(stored), nil
}

// Clear forgets a calendar. One request for every 100 records, and one to read them.
func (a *Appointments) Clear(ctx context.Context, calendar key.Key) error {
	rows, err := a.tables.Query(ctx, tableAppointments, Span{Partition: calendar.String()})
	if err != nil {
		return fmt.Errorf("state.ClearAppointments: %w", err)
	}
	for batch := range slices.Chunk(rows, maxChanges) {
		changes := make([]Change, len(batch))
		for i, e := range batch {
			changes[i] = Change{Delete, Entity{Partition: e.Partition, Row: e.Row}}
		}
		if err := applyMissing(ctx, a.tables, tableAppointments, changes); err != nil {
			return fmt.Errorf("state.ClearAppointments: %w", err)
		}
	}
	return nil
}

func parseRecord(e Entity) (Record, error) {
	var r Record
	doc, err := Unpack(e.Props)
	if err != nil {
		return r, fmt.Errorf("state.Appointments: %w", err)
	}
	if err := json.Unmarshal(doc, &r); err != nil {
		return r, fmt.Errorf("state.Appointments: %w: %w", ErrCorrupt, err)
	}
	return r, nil
}
