package downsync

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// errSpent says that the slice's time was up before all days of a series were asked for.
var errSpent = errors.New("downsync: the slice is over")

// ask asks for what one record has in doubt. What may not be read by its id is looked
// for in a fresh read of its time instead, which tells less: not where it has moved to.
func (x *round) ask(ctx context.Context, s suspects) error {
	if x.blind() {
		return x.look(ctx, s)
	}
	if s.away {
		return x.settle(ctx, s)
	}
	if s.one || s.all {
		item, err := x.direct(ctx, s.record.ID)
		if s.one {
			if err := x.answered(ctx, s.record.ID, s.record.ID, s.record.ID, item, err); err != nil {
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
		if err != nil && s.all { // nor are its days asked for one by one
			x.letBe(s)
			return nil
		}
	}
	for n, day := range s.days {
		if n > 0 && x.spent() {
			return errSpent
		}
		event := s.record.Days[day].Event
		item, err := x.direct(ctx, event)
		if err := x.answered(ctx, s.record.ID, appointment.DayID(s.record.ID, day), event, item, err); err != nil {
			return err
		}
	}
	delete(x.removed, s.record.ID)
	return nil
}

// answered takes what a direct read of an appointment said, under its event's id. It counts
// as asked for only when all that follows was done: what fails meanwhile is asked for again.
func (x *round) answered(ctx context.Context, record, id, event string, item graph.Item, err error) error {
	if gone(err) {
		x.gone[markOf(id)] = true
		return nil
	}
	if err := x.bearable(err); err != nil {
		return err
	}
	if err == nil && item.ID != "" {
		if err := x.alive(ctx, record, item); err != nil {
			return err
		}
	}
	if record == id { // of a series all days are to be asked for
		delete(x.removed, record)
	}
	delete(x.removed, item.ID)
	delete(x.removed, event)
	if _, full := x.seen[markOf(id)]; !full {
		x.see(id, item.ChangeKey)
	}
	if err != nil { // it could not be read: it stays as it is known
		x.couldNotAsk(event)
	}
	return nil
}

// bearable is nil for an error that is no reason to stop the round for: of one event
// that cannot be read for any reason, it is only not known that it is gone.
func (r *reading) bearable(err error) error {
	var failure *graph.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failure):
		return err
	case failure.Kind == graph.Throttled, failure.Kind == graph.Unauthorised && !failure.Forbidden(), failure.Kind == graph.Transient && r.m.Number(queue.AttemptProperty) < patience:
		return err
	}
	r.log.Warn("an appointment that was not shown cannot be read", "connection", r.c.ID, "error", failure)
	return nil
}

// alive tells an appointment that is there after all as it is now. Where that is outside
// of the window it is forgotten then: nobody will say what becomes of it.
func (x *round) alive(ctx context.Context, record string, i graph.Item) error {
	if i.Kind == graph.Master {
		return nil // it was an event of its own; the series' days are shown by themselves
	}
	if other, err := x.elsewhere(ctx, record); err != nil || other {
		x.drop(record, i.ID)
		return err
	}
	day := ""
	if i.Kind == graph.Single {
		if known, err := x.single(ctx, i); err != nil || !known {
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
	if !x.kept().Holds(i.Start, i.End) {
		x.drop(record, i.ID)
		return nil
	}
	x.goneAway(record)
	if len(calendars(x.c)) > 1 {
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
	doubted, w := s.known(), appointment.Window{}
	for _, known := range doubted {
		w = spanning(w, known)
	}
	there, err := x.listed(ctx, x.id, w)
	moved := map[string]bool{}
	if err == nil {
		moved, err = x.listedElsewhere(ctx, w, doubted, there)
	}
	if err := x.bearable(err); err != nil {
		return err
	}
	if err != nil {
		x.letBe(s)
		return nil
	}
	other, failed := x.elsewhere(ctx, s.record.ID)
	if failed != nil {
		return failed
	}
	for id, known := range doubted {
		switch {
		case !there[known.Event] && (other || moved[known.Event]):
			x.drop(s.record.ID, known.Event)
		case !there[known.Event]:
			x.gone[markOf(id)] = true
			continue
		}
		x.see(id, known.Version)
		delete(x.removed, known.Event)
	}
	delete(x.removed, s.record.ID)
	return nil
}

// maxListed is how many pages a fresh read of a span follows.
const maxListed = 200

// listedElsewhere are the ids of what fresh reads of the other calendars of the mailbox
// that are read show, where something in doubt is not in this one: it may have been moved
// there, and is told from there then.
func (x *round) listedElsewhere(ctx context.Context, w appointment.Window, doubted map[string]state.Known, there map[string]bool) (map[string]bool, error) {
	ids, missing := map[string]bool{}, false
	for _, known := range doubted {
		missing = missing || !there[known.Event]
	}
	for _, one := range calendars(x.c) {
		if one.ID == x.id || one.Shared || x.shared || !missing {
			continue
		}
		more, err := x.listed(ctx, one.ID, w)
		if gone(err) {
			continue // that calendar is not there any more
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(ids, more)
	}
	return ids, nil
}

// listed are the ids of what a fresh read of a span of a calendar shows.
func (x *round) listed(ctx context.Context, calendar string, w appointment.Window) (map[string]bool, error) {
	ids := map[string]bool{}
	request := graph.DeltaRequest{Mailbox: x.c.Mailbox, Calendar: calendar, From: w.From.Add(-time.Minute), To: w.To.Add(time.Minute), PageSize: x.size()}
	for range maxListed {
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
