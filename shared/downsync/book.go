package downsync

import (
	"context"
	"errors"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// book is what is known of one calendar, read as far as it is needed: a change costs a
// request, a page of changes one for 1,000 events.
type book struct {
	rows     *state.Appointments
	calendar key.Key
	records  map[string]state.Record // what was read, and what is to be
	absent   map[string]bool
	whole    bool
	dirty    map[string]bool
}

func newBook(rows *state.Appointments, calendar key.Key) *book {
	return &book{rows: rows, calendar: calendar, records: map[string]state.Record{}, absent: map[string]bool{}, dirty: map[string]bool{}}
}

// few is up to how many events are read one by one.
const few = 3

// load reads what is known of some events.
func (b *book) load(ctx context.Context, ids []string) error {
	if b.whole {
		return nil
	}
	var missing []string
	for _, id := range ids {
		if _, there := b.records[id]; !there && !b.absent[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) > few {
		return b.loadAll(ctx)
	}
	for _, id := range missing {
		r, err := b.rows.Get(ctx, b.calendar, id)
		switch {
		case errors.Is(err, state.ErrNotFound):
			b.absent[id] = true
		case err != nil:
			return err
		default:
			b.records[id] = r
		}
	}
	return nil
}

func (b *book) loadAll(ctx context.Context) error {
	if b.whole {
		return nil
	}
	all, err := b.rows.All(ctx, b.calendar)
	if err != nil {
		return err
	}
	for _, r := range all {
		if !b.dirty[r.ID] {
			b.records[r.ID] = r
		}
	}
	b.whole = true
	return nil
}

// of is what is known of an event that was loaded; an empty record for nothing.
func (b *book) of(id string) state.Record {
	r, there := b.records[id]
	if !there {
		r = state.Record{ID: id}
	}
	return r
}

// set notes what is to be known of an event.
func (b *book) set(r state.Record) {
	b.records[r.ID] = r
	b.dirty[r.ID] = true
}

// save stores what was noted.
func (b *book) save(ctx context.Context) error {
	if len(b.dirty) == 0 {
		return nil
	}
	changed := make([]state.Record, 0, len(b.dirty))
	for id := range b.dirty {
		changed = append(changed, b.records[id])
	}
	if err := b.rows.Save(ctx, b.calendar, changed); err != nil {
		return err
	}
	clear(b.dirty)
	return nil
}

// ofDay finds the series that has a day of a Graph id.
func (b *book) ofDay(ctx context.Context, event string) (record state.Record, day string, err error) {
	if err := b.loadAll(ctx); err != nil {
		return state.Record{}, "", err
	}
	for _, r := range b.records {
		for day, known := range r.Days {
			if known.Event == event {
				return r, day, nil
			}
		}
	}
	return state.Record{}, "", nil
}
