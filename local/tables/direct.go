package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/state"
)

// Direct is a Store as state.Tables, without HTTP: the twin for property tests.
// It keeps the contract of state.Tables and passes its suite. Calls are judged by
// state.Check as *state.Azure judges them; caller and store share no memory. A
// cancelled context stops a call before it has done anything, never half-way.
type Direct struct{ store *Store }

var _ state.Tables = (*Direct)(nil)

// Direct returns the twin. What is written through a Server of the same Store is
// seen here at once, and the other way round.
func (s *Store) Direct() *Direct { return &Direct{s} }

// Get implements state.Tables.
func (d *Direct) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	if err := errors.Join(ctx.Err(), state.CheckTable(table), state.CheckKeys(partition, row)); err != nil {
		return state.Entity{}, fmt.Errorf("tables.Get: %w", err)
	}
	r, err := d.store.get(table, partition, row)
	if errors.Is(err, errNoTable) {
		err = d.create(table)
	}
	if err == nil && r == nil {
		err = state.ErrNotFound
	}
	if err != nil {
		return state.Entity{}, fmt.Errorf("tables.Get %s: %w", table, err)
	}
	return entityOf(r), nil
}

// Query implements state.Tables.
func (d *Direct) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	if err := errors.Join(ctx.Err(), state.CheckTable(table), state.CheckSpan(span)); err != nil {
		return nil, fmt.Errorf("tables.Query: %w", err)
	}
	found := []state.Entity{}
	bounds := bounds{partition: &span.Partition, from: span.From, before: span.Before}
	err := d.store.scan(table, between{}, bounds, func(r *row) bool {
		found = append(found, entityOf(r))
		return span.Limit == 0 || len(found) < span.Limit
	})
	if errors.Is(err, errNoTable) {
		err = d.create(table)
	}
	if err != nil {
		return nil, fmt.Errorf("tables.Query %s: %w", table, err)
	}
	return found, nil
}

// Apply implements state.Tables.
func (d *Direct) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	if err := errors.Join(ctx.Err(), state.Check(table, changes)); err != nil {
		return nil, fmt.Errorf("tables.Apply: %w", err)
	}
	own := make([]state.Change, len(changes))
	for i, c := range changes {
		own[i] = c
		own[i].Entity.Props = copyProps(c.Entity.Props)
	}
	written, err := d.store.apply(table, own)
	if errors.Is(err, errNoTable) {
		if err = d.create(table); err == nil {
			written, err = d.store.apply(table, own)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("tables.Apply %s: %w", table, err)
	}
	tags := make([]string, len(written))
	for i, r := range written {
		if r != nil {
			tags[i] = r.etag
		}
	}
	return tags, nil
}

func (d *Direct) create(table string) error {
	if err := d.store.createTable(table); err != nil && !errors.Is(err, errTableExists) {
		return err
	}
	return nil
}

func entityOf(r *row) state.Entity {
	return state.Entity{Partition: r.partition, Row: r.key, ETag: r.etag, Props: copyProps(r.props)}
}

// copyProps copies what can be changed from outside and gives times the precision
// that the wire has: UTC, 100 ns.
func copyProps(props map[string]any) map[string]any {
	own := make(map[string]any, len(props))
	for name, value := range props {
		switch v := value.(type) {
		case []byte:
			value = append(make([]byte, 0, len(v)), v...)
		case time.Time:
			value = v.UTC().Truncate(tick)
		case Guid:
			value = string(v)
		}
		own[name] = value
	}
	return own
}
