package downsync

import (
	"context"
	"errors"
	"maps"
	"strconv"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/state"
)

// page compares the items of a page with what is known, and notes what is to be told.
// fresh is how many of them the round has not seen in that version.
func (x *round) page(ctx context.Context, items []graph.Item) (fresh int, err error) {
	items = x.sorted(items)
	ids := make([]string, 0, len(items))
	for _, i := range items {
		if i.Removed {
			ids = append(ids, i.ID)
		} else {
			ids = append(ids, owner(i))
		}
	}
	if err := x.book.load(ctx, ids); err != nil {
		return 0, err
	}
	for _, i := range items {
		if i.Removed && !x.removed[i.ID] || !i.Removed && x.see(i.ID, i.ChangeKey) {
			fresh++
		}
		known := x.knows(i)
		if err := x.item(ctx, i); err != nil {
			return 0, err
		}
		if !known {
			x.shown(i)
		}
	}
	return fresh, nil
}

// owner is the id under which what is known of an item lies.
func owner(i graph.Item) string {
	if i.Kind == graph.Occurrence || i.Kind == graph.Exception {
		return i.Series
	}
	return i.ID
}

// sorted are the items that make sense, each once, as it was shown last (contract 4.4),
// series before their days.
func (x *round) sorted(items []graph.Item) []graph.Item {
	last := map[string]int{}
	for n, i := range items {
		last[i.ID] = n
	}
	var masters, others []graph.Item
	for n, i := range items {
		switch {
		case i.ID == "" || !i.Removed && owner(i) == "":
			x.progress.Ignored++
		case last[i.ID] != n:
		case i.Kind == graph.Master && !i.Removed:
			masters = append(masters, i)
		default:
			others = append(others, i)
		}
	}
	return append(masters, others...)
}

// item takes one item. That something was removed is left for the end of the round,
// where it is confirmed.
func (x *round) item(ctx context.Context, i graph.Item) error {
	if i.Removed {
		if len(x.removed) >= maxNamed && !x.cursor.Round.Full {
			return errAnew
		}
		if len(x.removed) < maxNamed { // others a full round misses
			x.removed[i.ID] = true
		}
		delete(x.seen, markOf(i.ID))
		for day := range x.book.of(i.ID).Days {
			delete(x.seen, markOf(appointment.DayID(i.ID, day)))
		}
		return nil
	}
	delete(x.removed, i.ID)
	if x.onlyOurs() {
		return x.perhapsOurs(ctx, i)
	}
	switch i.Kind {
	case graph.Master:
		return x.master(ctx, i)
	case graph.Single:
		_, err := x.single(ctx, i)
		return err
	}
	s, err := x.seriesOf(ctx, i.Series)
	if err != nil || s == nil || s.fate != Foreign {
		return err
	}
	a, name := s.day(i)
	x.see(a.ID, i.ChangeKey)
	return x.tellDay(s, a, name, i.ID)
}

// single takes an event of its own; known says that the record stands for it as it is now,
// which it does not where nobody can say whose it is.
func (x *round) single(ctx context.Context, i graph.Item) (known bool, err error) {
	record := x.book.of(i.ID)
	told, ok := x.reduced(one(i))
	if !ok {
		return true, nil
	}
	hash := told.Hash()
	if record.One != nil && record.One.Hash == hash && graph.SameVersion(record.One.Version, i.ChangeKey) {
		return true, nil
	}
	fate, err := x.fateShown(ctx, i)
	if err != nil || fate == unsure {
		return false, err
	}
	if fate != Foreign {
		x.dissolve(record)
		return true, nil
	}
	x.dissolve(state.Record{ID: i.ID, Days: record.Days}) // it was a series
	if record.One == nil || record.One.Hash != hash {
		x.upsert(told, graph.Version(i.ChangeKey))
	}
	x.book.set(state.Record{ID: i.ID, One: &state.Known{Event: i.ID, Version: i.ChangeKey, Start: told.Start, End: told.End, Hash: hash}})
	return true, nil
}

// master takes a series; its days follow.
func (x *round) master(ctx context.Context, i graph.Item) error {
	if len(x.masters) >= maxNamed && !x.cursor.Round.Full {
		return errAnew
	}
	if len(x.masters) < maxNamed { // of others a full round asks once more than it must
		x.masters[i.ID] = true
	}
	s, err := x.meet(ctx, i)
	if err != nil {
		return err
	}
	record := x.book.of(i.ID)
	if s.fate == unsure {
		return nil
	}
	if s.fate != Foreign {
		x.dissolve(record)
	} else if record.One != nil { // it was no series
		x.dissolve(state.Record{ID: i.ID, One: record.One})
		x.book.set(state.Record{ID: i.ID, Days: record.Days})
	}
	return nil
}

// meet learns what there is to know of a series.
func (x *round) meet(ctx context.Context, master graph.Item) (*series, error) {
	s := newSeries(master)
	var err error
	if s.fate, err = x.fateShown(ctx, master); err != nil {
		return nil, err
	}
	return s, x.knowSeries(ctx, s)
}

// knowSeries adds what is known of a series. The days of one that nothing can be said of
// count as shown.
func (x *round) knowSeries(ctx context.Context, s *series) error {
	if err := x.book.load(ctx, []string{s.id}); err != nil {
		return err
	}
	s.days = map[string]string{}
	for name, known := range x.book.of(s.id).Days {
		s.days[known.Event] = name
		if s.fate == unsure {
			x.see(appointment.DayID(s.id, name), known.Version)
		}
	}
	x.series[s.id] = s
	return nil
}

// seriesOf is the series of a day; nil where there is none any more. One that the slice
// has not seen is read (contract 4.4: hydrate from the master).
func (x *round) seriesOf(ctx context.Context, id string) (*series, error) {
	if s, known := x.series[id]; known {
		return s, nil
	}
	master := graph.Item{ID: id, Kind: graph.Master, ShowAs: "busy"}
	switch {
	case x.blind() && !x.cursor.Round.Full:
		return nil, errAnew
	case !x.blind():
		found, err := x.direct(ctx, id)
		if gone(err) {
			x.series[id] = nil
			return nil, nil
		}
		if err := x.bearable(err); err != nil {
			return nil, err
		}
		if err != nil {
			x.couldNotSay(id)
			s := newSeries(master)
			s.fate = unsure
			return s, x.knowSeries(ctx, s)
		}
		master = found
	}
	return x.meet(ctx, master)
}

// direct reads one event by its id.
func (x *round) direct(ctx context.Context, id string) (graph.Item, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return x.reader.Read(ctx, x.as, x.c.Mailbox, id)
}

// gone reports whether a direct read has shown that there is no such event.
func gone(err error) bool {
	var failure *graph.Error
	return errors.As(err, &failure) && failure.Kind == graph.Gone
}

// fateOf asks whether an event is ours. In somebody else's calendar nothing is.
func (x *round) fateOf(ctx context.Context, i graph.Item) (Fate, error) {
	if x.shared {
		return Foreign, nil
	}
	fate, err := x.ours.Changed(ctx, x.org.ID, x.lane, x.as, x.c.Mailbox, i)
	if err == nil && fate == Handled {
		x.count()
	}
	if err == nil && fate != Foreign {
		x.mine[i.ID] = true
	}
	return fate, err
}

// unsure is the fate of an item of which it could not be found out.
const unsure Fate = -1

// fateShown asks whether an event that a page shows is ours. Where that cannot be found out
// it stays as it is known, holds up nothing else, and is asked about again.
func (x *round) fateShown(ctx context.Context, i graph.Item) (Fate, error) {
	fate, err := x.fateOf(ctx, i)
	if err == nil {
		return fate, nil
	}
	if err := x.bearable(err); err != nil {
		return Foreign, err
	}
	if !x.onlyOurs() { // then there is no record of what may be somebody's own
		x.couldNotSay(i.ID)
	}
	return unsure, nil
}

// reduced is what may be told of an appointment; false where no sense can be made of it.
func (x *round) reduced(a appointment.Appointment) (appointment.Appointment, bool) {
	if !a.Sensible() {
		x.progress.Ignored++
		return a, false
	}
	return appointment.Reduce(a, privacyOf(x.org, x.c))
}

// tellDay compares a day of a series with what is known, and notes what is to be told.
func (x *round) tellDay(s *series, a appointment.Appointment, name, event string) error {
	told, ok := x.reduced(a)
	if !ok {
		return nil
	}
	record := x.book.of(s.id)
	known, hash := record.Days[name], told.Hash()
	if known.Hash == hash && known.Event == event && graph.SameVersion(known.Version, told.ChangeKey) {
		return nil
	}
	if known.Hash != hash {
		x.upsert(told, graph.Version(told.ChangeKey)+"/"+graph.Version(s.master.ChangeKey))
	}
	next := state.Record{ID: s.id, Days: maps.Clone(record.Days)}
	if next.Days == nil {
		next.Days = map[string]state.Known{}
	}
	// The series has another zone. The name may be another day's by now.
	if old := s.days[event]; old != "" && old != name && record.Days[old].Event == event {
		x.delete(appointment.DayID(s.id, old), record.Days[old])
		delete(next.Days, old)
	}
	s.days[event] = name
	next.Days[name] = state.Known{Event: event, Version: told.ChangeKey, Start: told.Start, End: told.End, Hash: hash}
	x.book.set(next)
	return nil
}

// dissolve tells that the appointments of a record are not there any more under their
// ids, because the event has become something else: a series, no series, or ours, so that
// its booking stands for it.
func (x *round) dissolve(record state.Record) {
	if record.Empty() {
		return
	}
	if record.One != nil {
		x.delete(record.ID, *record.One)
	}
	for name, known := range record.Days {
		x.delete(appointment.DayID(record.ID, name), known)
	}
	x.book.set(state.Record{ID: record.ID})
}

// upsert notes what is there. Its id counts how often it has changed what may be told,
// too, since that may be told again then in the same version; and it names the calendar.
func (x *round) upsert(a appointment.Appointment, version string) {
	version += "/" + strconv.Itoa(x.cursor.Bases)
	if x.id != "" {
		version += "/" + x.id
	}
	x.tell(outbound.Appointment{EventID: appointment.EventID(x.c.ID, a, version), Change: outbound.Upserted, What: a})
}

func (x *round) delete(id string, known state.Known) {
	x.tell(outbound.Appointment{EventID: appointment.DeletedID(x.c.ID, id, graph.Version(known.Version)), Change: outbound.Deleted,
		What: appointment.Appointment{ID: id}})
}

// maxEvent bounds an event, in bytes, well below what a message takes.
const maxEvent = 200 << 10

// tell notes an event to be published. What would not fit a message loses its text, and
// then its people.
func (x *round) tell(a outbound.Appointment) {
	a.Connection, a.User, a.Calendar = x.c.ID, x.c.User, x.id
	e := a.Event(x.origin(x.org.ID))
	if d := a.What.Details; len(e.Body) > maxEvent && d != nil {
		short := *d
		short.Body = ""
		a.What.Details = &short
		if e = a.Event(x.origin(x.org.ID)); len(e.Body) > maxEvent {
			short.People = short.People[:min(len(short.People), 50)]
			e = a.Event(x.origin(x.org.ID))
		}
	}
	x.events = append(x.events, e)
	x.cursor.Round.Found++
	x.count()
}

// count counts a change. What only a full round shows, such as days that the window has
// come to, is nothing that a notification would have told of.
func (x *round) count() {
	x.progress.Found++
	if !x.cursor.Round.Full {
		x.news++
	}
}
