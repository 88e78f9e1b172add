package downsync

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

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
// What has left the window with time is forgotten; it was not deleted.
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
			if !s.one {
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
		if !shown && !x.window().Holds(known.Start, known.End) {
			continue
		}
		kept.Days[name] = known
		if !shown {
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

// errSpent says that the slice's time was up before all days of a series were asked for.
var errSpent = errors.New("downsync: the slice is over")

// ask asks for what one record has in doubt. What may not be read by its id is looked
// for in a fresh read of its time instead, which tells less: not where it has moved to.
func (x *round) ask(ctx context.Context, s suspects) error {
	if x.blind() {
		return x.look(ctx, s)
	}
	if s.one || s.all {
		item, err := x.direct(ctx, s.record.ID)
		if s.one {
			if err := x.answered(ctx, s.record.ID, s.record.ID, item, err); err != nil {
				return err
			}
		}
		if gone(err) {
			for _, day := range s.days {
				x.gone[markOf(appointment.DayID(s.record.ID, day))] = true
			}
			return nil
		}
		if err := x.bearable(err); err != nil {
			return err
		}
	}
	for n, day := range s.days {
		if n > 0 && x.spent() {
			return errSpent
		}
		item, err := x.direct(ctx, s.record.Days[day].Event)
		if err := x.answered(ctx, s.record.ID, appointment.DayID(s.record.ID, day), item, err); err != nil {
			return err
		}
	}
	delete(x.removed, s.record.ID)
	return nil
}

// answered takes what a direct read of an appointment said.
func (x *round) answered(ctx context.Context, record, id string, item graph.Item, err error) error {
	if gone(err) {
		x.gone[markOf(id)] = true
		return nil
	}
	if err := x.bearable(err); err != nil {
		return err
	}
	if record == id { // of a series all days are to be asked for
		delete(x.removed, record)
	}
	delete(x.removed, item.ID)
	if _, full := x.seen[markOf(id)]; !full {
		x.see(id, item.ChangeKey)
	}
	if err != nil || item.ID == "" {
		return nil // it could not be read: it stays as it is known
	}
	return x.alive(ctx, record, item)
}

// bearable is nil for an error that is no reason to stop the round for: of one event
// that cannot be read for any reason, it is only not known that it is gone.
func (x *round) bearable(err error) error {
	var failure *graph.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failure):
		return err
	case failure.Kind == graph.Throttled, failure.Kind == graph.Unauthorised && !failure.Forbidden(), failure.Kind == graph.Transient && number(x.m, attemptProperty) < patience:
		return err
	}
	x.log.Warn("an appointment that was not shown cannot be read", "connection", x.c.ID, "error", failure)
	return nil
}

// alive tells an appointment that is there after all as it is now. Where that is outside
// of the window it is forgotten then: nobody will say what becomes of it.
func (x *round) alive(ctx context.Context, record string, i graph.Item) error {
	delete(x.removed, i.ID)
	if i.Kind == graph.Master {
		return nil // it was an event of its own; the series' days are shown by themselves
	}
	if other, err := x.elsewhere(ctx, record); err != nil || other {
		x.drop(record, i.ID)
		return err
	}
	day := ""
	if i.Kind == graph.Single {
		if err := x.single(ctx, i); err != nil {
			return err
		}
	} else {
		s, err := x.seriesOf(ctx, record)
		if err != nil || s == nil || s.fate != Foreign {
			return err
		}
		i.Series = record
		a, name := s.day(i)
		if err := x.tellDay(s, a, name, i.ID); err != nil {
			return err
		}
		day = name
	}
	switch {
	case !x.window().Holds(i.Start, i.End):
		x.drop(record, i.ID)
	case len(calendars(x.c)) > 1:
		x.doubtPlace(record, day)
	}
	return nil
}

// doubtPlace notes of an appointment that it may be in another calendar by now: when it
// comes back it is told again.
func (x *round) doubtPlace(record, day string) {
	r := x.book.of(record)
	if r.One != nil && day == "" {
		one := *r.One
		one.Hash, r.One = "", &one
	}
	if known, there := r.Days[day]; there {
		known.Hash = ""
		r.Days = maps.Clone(r.Days)
		r.Days[day] = known
	}
	x.book.set(r)
}

// elsewhere reports whether an event is known in another of the connection's calendars:
// then it was moved there, and is told from there.
func (x *round) elsewhere(ctx context.Context, id string) (bool, error) {
	for _, one := range calendars(x.c) {
		if one.ID == x.id {
			continue
		}
		_, err := x.appointments.Get(ctx, state.CalendarKey(x.c.ID, one.ID), id)
		if err == nil || !errors.Is(err, state.ErrNotFound) {
			return err == nil, err
		}
	}
	return false, nil
}

// drop forgets an appointment without a word.
func (x *round) drop(record, event string) {
	kept := x.book.of(record)
	if kept.One != nil && kept.One.Event == event {
		kept.One = nil
	}
	kept.Days = maps.Clone(kept.Days)
	maps.DeleteFunc(kept.Days, func(_ string, k state.Known) bool { return k.Event == event })
	x.book.set(kept)
}

// look finds out what of a record is gone where nothing may be read by its id: by a
// fresh and whole read of the time that it took.
func (x *round) look(ctx context.Context, s suspects) error {
	doubted := map[string]state.Known{}
	if s.one {
		doubted[s.record.ID] = *s.record.One
	}
	for _, day := range s.days {
		doubted[appointment.DayID(s.record.ID, day)] = s.record.Days[day]
	}
	w := appointment.Window{}
	for _, known := range doubted {
		if w.From.IsZero() || known.Start.Before(w.From) {
			w.From = known.Start
		}
		if known.End.After(w.To) {
			w.To = known.End
		}
	}
	there, err := x.listed(ctx, w)
	if err := x.bearable(err); err != nil {
		return err
	}
	other, failed := x.elsewhere(ctx, s.record.ID)
	if failed != nil {
		return failed
	}
	for id, known := range doubted {
		switch {
		case err == nil && !there[known.Event] && other:
			x.drop(s.record.ID, known.Event)
		case err == nil && !there[known.Event]:
			x.gone[markOf(id)] = true
			continue
		}
		x.see(id, known.Version)
		delete(x.removed, known.Event)
	}
	delete(x.removed, s.record.ID)
	return nil
}

// listed are the ids of what a fresh read of a span shows.
func (x *round) listed(ctx context.Context, w appointment.Window) (map[string]bool, error) {
	ids := map[string]bool{}
	request := graph.DeltaRequest{Mailbox: x.c.Mailbox, Calendar: x.id, From: w.From.Add(-time.Minute), To: w.To.Add(time.Minute), PageSize: x.pageSize}
	for range maxEmpty {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		page, err := x.reader.Delta(call, x.as, request)
		cancel()
		if err != nil {
			return nil, err
		}
		for _, i := range page.Items {
			ids[i.ID] = !i.Removed
		}
		if page.Delta != "" {
			return ids, nil
		}
		request.Link = page.Next
	}
	return nil, &graph.Error{Kind: graph.Transient, Cause: errBroken{causeLoop}}
}

// bury tells that what was asked for and is gone was deleted; where a person said that
// it is to stay it is forgotten without a word.
func (x *round) bury(ctx context.Context) error {
	if len(x.gone) == 0 {
		return x.flush(ctx)
	}
	if !x.cursor.Round.Approved && !x.cursor.Round.Restored {
		x.lostBefore += x.losses()
	}
	if err := x.book.loadAll(ctx); err != nil {
		return err
	}
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

// lost takes that an id was removed, or not shown, which no appointment has: perhaps one
// of ours, which is for those to confirm who know them. One that is there all the same
// stays known.
func (x *round) lost(ctx context.Context, id string) error {
	if !x.cursor.Round.Restored {
		_, err := x.fateOf(ctx, graph.Item{ID: id, Removed: true})
		var failure *graph.Error
		if err != nil && !(errors.As(err, &failure) && failure.Forbidden()) { // who may not ask concludes nothing
			return err
		}
	}
	delete(x.removed, id)
	x.see(id, "")
	return nil
}
