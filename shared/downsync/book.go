package downsync

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// book is what is known of one calendar, read as far as it is needed: a change costs a
// request, a page of changes one for 1,000 events.
type book struct {
	rows     *state.Appointments
	calendar key.Key
	records  map[string]state.Record // what was read, and what is to be
	stored   map[string]state.Record // what was read, and is changed since
	absent   map[string]bool
	whole    bool
}

func newBook(rows *state.Appointments, calendar key.Key) *book {
	return &book{rows: rows, calendar: calendar, records: map[string]state.Record{}, stored: map[string]state.Record{}, absent: map[string]bool{}}
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
		if _, changed := b.stored[r.ID]; !changed {
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
	if _, changed := b.stored[r.ID]; !changed {
		b.stored[r.ID] = b.of(r.ID)
	}
	b.records[r.ID] = r
}

// changed are the ids of what is to be stored, and others, each once.
func (b *book) changed(others []string) []string {
	ids := slices.Concat(others, slices.Collect(maps.Keys(b.stored)))
	slices.Sort(ids)
	return slices.Compact(ids)
}

// announce stores what is about to be told, as something of which nobody knows whether
// it was: a kill after the telling would else leave the booking app with an appointment
// that nobody remembers, and so never takes back. What is in doubt is told again when it
// is seen, in the same event where nothing has changed, and counts as known when it is
// missed.
func (b *book) announce(ctx context.Context) error {
	doubts := make([]state.Record, 0, len(b.stored))
	for id, old := range b.stored {
		doubts = append(doubts, inDoubt(old, b.records[id]))
	}
	return b.rows.Save(ctx, b.calendar, doubts)
}

// inDoubt is everything of two records; what they do not agree about has no hash.
func inDoubt(old, next state.Record) state.Record {
	out := state.Record{ID: next.ID, Zone: next.Zone, Days: map[string]state.Known{}}
	switch {
	case next.One != nil:
		one := doubted(deref(old.One), *next.One)
		out.One = &one
	case old.One != nil:
		one := doubted(state.Known{}, *old.One)
		out.One = &one
	}
	for name, known := range old.Days {
		out.Days[name] = doubted(state.Known{}, known)
	}
	for name, known := range next.Days {
		out.Days[name] = doubted(old.Days[name], known)
	}
	return out
}

func doubted(old, next state.Known) state.Known {
	if old.Hash != next.Hash {
		next.Hash = ""
	}
	return next
}

func deref(k *state.Known) state.Known {
	if k == nil {
		return state.Known{}
	}
	return *k
}

// save stores what was noted.
func (b *book) save(ctx context.Context) error {
	changed := make([]state.Record, 0, len(b.stored))
	for id := range b.stored {
		changed = append(changed, b.records[id])
	}
	if err := b.rows.Save(ctx, b.calendar, changed); err != nil {
		return err
	}
	clear(b.stored)
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
