package downsync

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// suspects are the appointments of one record that a round told to be removed, or did
// not show though it should have.
type suspects struct {
	record state.Record
	one    bool     // the event of its own
	days   []string // of a series, by their names
	// all says that the series as a whole was removed or not shown: it is asked first.
	all bool
	// away says that the round before has found it all the same.
	away bool
}

// close does what only the end of a round allows (A2). Nothing is gone because it was
// absent: whatever is missing is asked for by its id; what is there is told as it is
// now, and only what is not there counts as deleted. more says that the slice's time
// was up before all were asked.
func (x *round) close(ctx context.Context) (more bool, err error) {
	x.memory.save(x.cursor.Round) // before anything is concluded: see flush
	all, strangers, err := x.missing(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range all {
		if x.spent() {
			if err := x.flush(ctx); err != nil {
				return false, err
			}
			return true, x.save(ctx)
		}
		err := x.ask(ctx, s)
		if errors.Is(err, errSpent) {
			if err := x.flush(ctx); err != nil {
				return false, err
			}
			return true, x.save(ctx)
		}
		if err != nil {
			return false, err
		}
		held, err := x.brake(ctx)
		if err != nil || held {
			return false, err
		}
	}
	// Whoever was killed, or failed, between asking and holding asked for all already.
	if held, err := x.brake(ctx); err != nil || held {
		return false, err
	}
	if err := x.bury(ctx); err != nil {
		return false, err
	}
	for _, id := range strangers {
		if x.spent() {
			more = true
			break
		}
		if err := x.lost(ctx, id); err != nil {
			return false, err
		}
	}
	if err := x.flush(ctx); err != nil {
		return false, err
	}
	if more {
		return true, x.save(ctx)
	}
	return false, x.finish(ctx)
}

// missing finds what a round leaves in doubt; strangers are ids that no appointment has,
// those that were removed, and those of ours that should have been shown.
func (x *round) missing(ctx context.Context) (all []suspects, strangers []string, err error) {
	ids := slices.Sorted(maps.Keys(x.removed))
	if err := x.book.load(ctx, ids); err != nil {
		return nil, nil, err
	}
	found := map[string]suspects{}
	for _, id := range ids {
		record := x.book.of(id)
		if !record.Empty() {
			found[id] = suspects{record: record, one: record.One != nil && !x.gone[markOf(id)],
				days: x.unasked(record, x.unshownSince(record)), all: true}
			continue
		}
		record, day, err := x.book.ofDay(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		if record.Empty() {
			strangers = append(strangers, id)
		} else if s := found[record.ID]; !s.all {
			s.record, s.days = record, append(s.days, x.unasked(record, []string{day})...)
			found[record.ID] = s
		}
	}
	if err := x.unshown(ctx, found); err != nil {
		return nil, nil, err
	}
	if err := x.awayStill(ctx, found); err != nil {
		return nil, nil, err
	}
	if strangers, err = x.oursUnshown(ctx, strangers); err != nil {
		return nil, nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		s := found[id]
		if s.one || len(s.days) > 0 {
			slices.Sort(s.days)
			s.days = slices.Compact(s.days)
			all = append(all, s)
		}
	}
	return all, strangers, nil
}

// oursUnshown adds the events of ours that a full round of the calendar they are written
// to did not show. It costs a request, and a direct read for each that is in another
// calendar by now.
func (x *round) oursUnshown(ctx context.Context, ids []string) ([]string, error) {
	inventory, ok := x.ours.(Inventory)
	if !ok || !x.cursor.Round.Full || x.overflow || x.shared || !x.written {
		return ids, nil
	}
	w := x.window()
	all, err := inventory.Events(ctx, x.lane, x.c.Mailbox, w.From, w.To)
	if err != nil {
		return nil, err
	}
	for _, id := range all {
		if !x.saw(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// unshown adds what the round should have shown and did not: days of series that it
// showed, since a series comes whole (contract 4.5), and everything in a full round.
// What has left the window with time is forgotten; it was not deleted. What is only
// outside of a window that was shrunk stays known.
func (x *round) unshown(ctx context.Context, found map[string]suspects) error {
	if x.overflow {
		return nil
	}
	ids := append(slices.Sorted(maps.Keys(x.masters)), x.doubt...)
	if x.cursor.Round.Full {
		if err := x.book.loadAll(ctx); err != nil {
			return err
		}
		ids = slices.Sorted(maps.Keys(x.book.records))
	} else if err := x.book.load(ctx, ids); err != nil {
		return err
	}
	for _, id := range ids {
		record := x.book.of(id)
		if _, already := found[id]; already || record.Empty() {
			continue
		}
		s := suspects{record: record, all: !x.masters[id]}
		if record.One != nil && !x.saw(id) && !x.gone[markOf(id)] {
			s.one = x.window().Holds(record.One.Start, record.One.End)
			if !s.one && !x.kept().Holds(record.One.Start, record.One.End) {
				record.One = nil
				x.book.set(record)
			}
		}
		s.days = x.unasked(record, x.unshownDays(record))
		if s.record = x.book.of(id); s.one || len(s.days) > 0 {
			found[id] = s
		}
	}
	return nil
}

// unshownDays are the days of a series that the round did not show; those outside of
// the window are forgotten.
func (x *round) unshownDays(record state.Record) (missing []string) {
	kept := state.Record{ID: record.ID, One: record.One, Days: map[string]state.Known{}}
	for name, known := range record.Days {
		shown := x.saw(appointment.DayID(record.ID, name))
		if !shown && !x.kept().Holds(known.Start, known.End) {
			continue
		}
		kept.Days[name] = known
		if !shown && x.window().Holds(known.Start, known.End) {
			missing = append(missing, name)
		}
	}
	if len(kept.Days) < len(record.Days) {
		x.book.set(kept)
	}
	slices.Sort(missing)
	return missing
}

// unshownSince are the days of a series that was removed of which nothing was seen after
// that (see item).
func (x *round) unshownSince(record state.Record) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(record.Days)), func(day string) bool { return x.saw(appointment.DayID(record.ID, day)) })
}

// unasked are the days that were not asked for yet.
func (x *round) unasked(record state.Record, days []string) []string {
	return slices.DeleteFunc(slices.Clone(days), func(day string) bool { return x.gone[markOf(appointment.DayID(record.ID, day))] })
}

// bury tells that what was asked for and is gone was deleted; where a person said that
// it is to stay it is forgotten without a word.
func (x *round) bury(ctx context.Context) error {
	if len(x.gone) == 0 {
		return x.flush(ctx)
	}
	if err := x.book.loadAll(ctx); err != nil {
		return err
	}
	x.loses()
	for _, id := range slices.Sorted(maps.Keys(x.book.records)) {
		record := x.book.of(id)
		left := state.Record{ID: id, One: record.One, Days: map[string]state.Known{}}
		if record.One != nil && x.gone[markOf(id)] {
			x.gravestone(id, *record.One)
			left.One = nil
		}
		for name, known := range record.Days {
			if day := appointment.DayID(id, name); x.gone[markOf(day)] {
				x.gravestone(day, known)
			} else {
				left.Days[name] = known
			}
		}
		if left.One != record.One || len(left.Days) < len(record.Days) {
			x.book.set(left)
		}
	}
	return x.flush(ctx)
}

func (x *round) gravestone(id string, known state.Known) {
	if !x.cursor.Round.Restored {
		x.delete(id, known)
	}
}

// restore has what is gone and ours made again, where a person restored what is gone.
func (x *round) restore(ctx context.Context, id string) error {
	if ours, ok := x.ours.(Restorer); ok && !x.shared {
		if err := x.bearable(ours.Restore(ctx, x.org.ID, x.lane, x.as, x.c.Mailbox, id)); err != nil {
			return err
		}
	}
	delete(x.removed, id)
	x.see(id, "")
	return nil
}

// lost takes that an id was removed, or not shown, which no appointment has: perhaps one
// of ours, which is for those to confirm who know them. One that is there all the same
// stays known.
func (x *round) lost(ctx context.Context, id string) error {
	if x.cursor.Round.Restored {
		return x.restore(ctx, id)
	}
	fate, err := x.fateOf(ctx, graph.Item{ID: id, Removed: true})
	if fate == Handled && x.onlyOurs() {
		x.items++ // its page could not say whose it was
	}
	if err := x.bearable(err); err != nil {
		return err
	}
	if err != nil { // who cannot ask concludes nothing
		x.couldNotAsk(id)
	}
	delete(x.removed, id)
	x.see(id, "")
	return nil
}
