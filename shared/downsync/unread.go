package downsync

import (
	"maps"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/state"
)

// What could not be asked for is asked for in every round for a day, as far as a row
// should hold it; then, and what is beyond that, when a full round misses it.
const (
	maxUnread = 100
	unreadFor = 24 * time.Hour
)

// unanswered are the events that the last round could not ask for: the next one begins as
// if it had been told that they are removed.
func (x *round) unanswered() (ids []string) {
	for _, u := range x.cursor.Unread {
		if x.began.Sub(u.Since) < unreadFor {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

// couldNotAsk notes an event that could not be asked for.
func (x *round) couldNotAsk(id string) {
	if len(x.unread) < maxNamed { // the row holds no more, and keeps fewer
		x.unread[id] = true
	}
}

// couldNotSay notes an event that was shown, and of which it could not be found out whose
// it is. It is there: for the brake it does not count as lost.
func (x *round) couldNotSay(id string) {
	if len(x.unsure) < maxNamed {
		x.unsure[id] = true
	}
}

// stillUnread is what is left of those, and what this round adds, at its end.
func (x *round) stillUnread() (all []state.Unread) {
	since := map[string]time.Time{}
	for _, u := range x.cursor.Unread {
		since[u.ID] = u.Since
	}
	ids := append(slices.Collect(maps.Keys(x.unread)), slices.Collect(maps.Keys(x.unsure))...)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if len(all) == maxUnread {
			break
		}
		u := state.Unread{ID: id, Since: x.began.UTC()}
		if before, known := since[id]; known && x.began.Sub(before) < unreadFor {
			u.Since = before
		}
		all = append(all, u)
	}
	return all
}

// letBe takes that what a record has in doubt could not be asked for: it stays as it is
// known. A series is asked for as a whole the next time, where it was in doubt as a whole.
func (x *round) letBe(s suspects) {
	if s.one || s.all {
		x.couldNotAsk(s.record.ID)
	}
	if s.one {
		x.see(s.record.ID, s.record.One.Version)
	}
	for _, day := range s.days {
		known := s.record.Days[day]
		if !s.all {
			x.couldNotAsk(known.Event)
		}
		x.see(appointment.DayID(s.record.ID, day), known.Version)
		delete(x.removed, known.Event)
	}
	delete(x.removed, s.record.ID)
}
