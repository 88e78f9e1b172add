package downsync

import (
	"context"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// An event that was told to be removed, or not shown, and is there all the same is in
// another calendar of the mailbox by now, where it keeps its id (graph/contract.md section
// 10), or its page was late. Nothing is concluded in that round: it is noted, and the other
// calendars are read. The next round asks: one that is known in another calendar is forgotten
// here, since it is told from there; one that a fresh read of its time shows was late; and
// one that is in neither has left what is read, and is told as deleted, once.

// goneAway notes a record for the next round.
func (x *round) goneAway(record string) {
	if len(x.away) < maxNamed { // others a full round misses again
		x.away[record] = true
	}
}

// awayStill adds what the round before has noted, as far as this one did not show it.
func (x *round) awayStill(ctx context.Context, found map[string]suspects) error {
	if err := x.book.load(ctx, x.cursor.Away); err != nil {
		return err
	}
	for _, id := range x.cursor.Away {
		s, already := found[id]
		if !already {
			s.record = x.book.of(id)
			s.one = s.record.One != nil && !x.saw(id) && !x.gone[markOf(id)]
			s.days = x.unasked(s.record, x.unshownSince(s.record))
		}
		s.away = true
		found[id] = s
	}
	return nil
}

// settle concludes about a record that was noted.
func (x *round) settle(ctx context.Context, s suspects) error {
	s.away = false
	item, err := x.direct(ctx, s.record.ID)
	if err != nil {
		return x.ask(ctx, s) // gone, or not to be read, as any other
	}
	doubted, w := s.known(), appointment.Window{}
	if s.one { // a series' own times are those of its first day
		w = appointment.Window{From: item.Start, To: item.End}
	}
	for _, known := range doubted {
		w = spanning(w, known)
	}
	there, err := x.listed(ctx, x.id, w)
	if err := x.bearable(err); err != nil {
		return err
	}
	if err != nil {
		x.letBe(s)
		return nil
	}
	other, err := x.elsewhere(ctx, s.record.ID)
	if err != nil {
		return err
	}
	if s.one && there[s.record.ID] && item.Kind == graph.Single {
		if _, err := x.single(ctx, item); err != nil {
			return err
		}
	}
	late := s // what is in this calendar after all
	late.one, late.days = false, nil
	for id, known := range doubted {
		switch {
		case there[known.Event]:
			x.see(id, known.Version)
		case there[s.record.ID]: // its series is: the day may be gone
			late.days = append(late.days, appointmentDay(s, id))
			continue
		case other:
			x.drop(s.record.ID, known.Event)
			x.see(id, known.Version)
		default:
			x.gone[markOf(id)] = true
			continue
		}
		delete(x.removed, known.Event)
	}
	delete(x.removed, s.record.ID)
	if len(late.days) > 0 {
		late.all = false
		return x.ask(ctx, late)
	}
	return nil
}

// known are the appointments that are in doubt, by their ids.
func (s suspects) known() map[string]state.Known {
	out := map[string]state.Known{}
	if s.one {
		out[s.record.ID] = *s.record.One
	}
	for _, day := range s.days {
		out[appointment.DayID(s.record.ID, day)] = s.record.Days[day]
	}
	return out
}

// appointmentDay is the name of the day that has an id.
func appointmentDay(s suspects, id string) string {
	for _, day := range s.days {
		if appointment.DayID(s.record.ID, day) == id {
			return day
		}
	}
	return ""
}

// spanning is a window that holds an appointment, too.
func spanning(w appointment.Window, known state.Known) appointment.Window {
	if w.From.IsZero() || known.Start.Before(w.From) {
		w.From = known.Start
	}
	if known.End.After(w.To) {
		w.To = known.End
	}
	return w
}
