package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// What the lane does about a change that people made to our event, and what it leaves
// behind so that Changed knows our own writes when they come back (I6). The write path
// stays what it is: an order to mend only makes fields count as changed, and a report
// that an event is gone only makes the lane ask the calendar.

// mends are the fields of a row that are to be written again now, whatever was confirmed.
func mends(row state.Delivery, w want) event.Fields {
	if m := row.Heard.Mend; m.ID != "" && w.event != nil && w.revision > m.After {
		return event.Fields(m.Fields)
	}
	return 0
}

// isThere ends a slot's doubt whether its event is gone, where the event answered: what
// the calendar holds beside is as the row says.
func (s *slot) isThere() {
	if s.why == missing && slices.ContainsFunc(s.seen, func(f found) bool { return f.event.ID == s.row.Event }) {
		s.why = notAsked
	}
}

// writes is the trace of what a slot's call writes; "" for none.
func (s *slot) writes() string {
	switch s.step.op {
	case state.OpCreate:
		return s.want.sight
	case state.OpPatch:
		return event.Overlay("", s.want.sight, s.set.Aspects())
	}
	return ""
}

// seenAfter is what the event is known to hold once the slot's call was made.
func (s *slot) seenAfter(before string) string {
	switch {
	case s.step.op == state.OpCreate, before == "":
		return s.want.sight
	case s.step.op == state.OpPatch:
		return event.Overlay(before, s.want.sight, s.set.Aspects())
	}
	return before
}

// withSight adds the trace of an overtaken attempt, the last few of which are kept.
func withSight(sights []string, one string) []string {
	const most = 8
	if one == "" || slices.Contains(sights, one) {
		return sights
	}
	all := append(slices.Clone(sights), one)
	return all[max(0, len(all)-most):]
}

// mended ends the orders to mend that the slot carried out. One that came while it was at
// work stays: it has a debt of its own.
func (s *slot) mended(u *state.Update) {
	m := &u.After.Heard.Mend
	if m.ID == "" || m.ID != s.row.Heard.Mend.ID || s.fate != done {
		return
	}
	if !s.want.hold || s.want.reason == reason.Held { // else the calendar was not asked
		m.Gone, m.Restore = false, false
	}
	if wrote := s.step.op == state.OpPatch && s.step.outcome == final; wrote && s.want.revision > m.After {
		m.Fields, m.After = 0, 0
	}
	if !m.Gone && m.Fields == 0 {
		*m = state.Mend{}
	}
}

// deletion is the event that tells that a user deleted ours, where the slot's result is
// the first to say so. A repetition after a crash has the same id.
func (t *turn) deletion(s *slot) (outbound.BookingChanged, bool) {
	if s.step.reason != reasonByUser || s.row.ByUser.Revision != s.want.revision {
		return outbound.BookingChanged{}, false
	}
	return outbound.BookingChanged{EventID: key.UUID(fmt.Sprintf("%s/changed/deleted/%d", s.row.Key.Hex(), s.row.Generation)),
		Booking: s.row.Booking, Kind: t.info.Kind, Target: t.info.Target, Revision: s.want.revision,
		Change: outbound.ChangeDeleted, Rule: s.want.recreate}, true
}

// Bounds of a fight: what somebody changes again and again is put back so often an hour,
// and then only told of, with an alert, until an hour has passed.
const (
	mostMends = 3
	fightFor  = time.Hour
)

// recent are the mends of the last hour.
func recent(all []state.Mended, now time.Time) []state.Mended {
	return slices.DeleteFunc(slices.Clone(all), func(m state.Mended) bool { return now.Sub(m.At) >= fightFor })
}

// tired are the fields that were mended too often.
func tired(all []state.Mended) event.Fields {
	var out event.Fields
	for bit := event.Fields(1); bit <= event.All && bit != 0; bit <<= 1 {
		n := 0
		for _, m := range all {
			n += rise(event.Fields(m.Fields).Has(bit))
		}
		if n >= mostMends {
			out |= bit
		}
	}
	return out
}
