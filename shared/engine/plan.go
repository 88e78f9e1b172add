package engine

import (
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// cause says why the calendar was asked before an attempt was planned.
type cause int

const (
	notAsked   cause = iota
	inDoubt          // an intent is open
	lookDue          // a look ordered earlier is due
	duplicated       // Graph answered ErrorDuplicateTransactionId
	vanished         // Graph answered 404
	missing          // delta said that the event is not there any more
)

// found is an event that the calendar showed: by an id we knew, or by our mark.
type found struct {
	event graph.Event
	home  state.Home
	// adopted means that its iCalUId is our own UID: somebody imported our file (A16).
	adopted bool
}

// series reports whether an event came from a file of a booking that was a series
// then. What Graph does with an update that makes a single event of it is not known
// (graph/contract.md 3.3), so it is replaced.
func (f *found) series() bool { return f != nil && f.adopted && f.event.Series }

// outcome says what a step leads to.
type outcome int

const (
	final outcome = iota // a result: published and saved
	part                 // a delete on the way to something else: saved, not published
	quiet                // nothing new: the debt is cleared
	wait                 // a duplicate that cannot be seen yet: postponed to the look
)

// step is one attempt: at most one call, and the result it gives if it succeeds.
type step struct {
	op            state.Op // OpNone calls nothing
	event         string   // of patch and delete; of none, the event that is confirmed
	changeKey     string   // of event, as the calendar showed it; "" when not asked
	home          state.Home
	outcome       outcome
	state, reason string
	generation    int
	// keep is the event that the calendar showed to be the delivery's; only after asking.
	keep *found
}

// plan decides one attempt from the row, what is wanted, and, if it was asked,
// what the calendar holds. It is the function of the same name in the model
// (write-path.md section 4): change that first.
//
// mine says that the row's intent is this very attempt's.
func plan(row state.Delivery, w want, why cause, seen []found, mine bool) step {
	respected := respects(row, w)
	if w.hold && nothingNew(row, w, mine) {
		return step{op: state.OpNone, outcome: quiet, generation: row.Generation}
	}
	if w.hold {
		return attempt(row, w, mine, step{op: state.OpNone, event: row.Event, home: row.Home, state: w.state, reason: w.reason})
	}
	if respected {
		w = w.without(Skipped, reasonByUser)
	}
	asked := why != notAsked
	keep, home, changeKey := row.Event, row.Home, row.ChangeKey
	var kept *found
	if asked {
		seen = own(row, seen)
		kept = choose(row, seen, w.home)
		keep, home, changeKey = "", state.Home{}, ""
		if kept != nil {
			keep, home, changeKey = kept.event.ID, kept.home, kept.event.ChangeKey
		}
		if s, ok := cleanUp(row, w, seen, kept); ok {
			return attempt(row, w, mine, s)
		}
	}
	died := asked && row.Event != ""
	s := step{event: keep, changeKey: changeKey, home: home, state: w.state, reason: w.reason, keep: kept}
	switch {
	case w.event == nil && keep == "":
		s.op = state.OpNone
		s.generation = rise(died)
	case w.event == nil:
		s.op = state.OpDelete
	case keep != "" && (home != w.home || kept.series()) && !w.past:
		s.op, s.outcome = state.OpDelete, part // first out of the old mailbox; a series is not made a single event
	case keep == "":
		return planCreate(row, w, why, mine, died)
	case same(row, w, why, kept):
		s.op = state.OpNone
	default:
		s.op = state.OpPatch
	}
	return attempt(row, w, mine, s)
}

// nothingNew reports whether a closed calendar leaves nothing to say: only a look
// is due, or what is in the calendar is of this revision. Switching off by itself
// makes no files.
func nothingNew(row state.Delivery, w want, mine bool) bool {
	if mine || row.Intent.Op != "" {
		return false
	}
	return row.Debt == "" || row.State == Written && row.Event != "" && row.Revision >= w.revision && !w.says
}

// planCreate is plan where something is wanted and nothing of ours is there.
func planCreate(row state.Delivery, w want, why cause, mine, died bool) step {
	none := step{op: state.OpNone}
	waiting := row.Intent.Op == state.OpDuplicate
	switch {
	case row.Debt == "" && row.State != Written && row.State != "" && row.Revision >= w.revision:
		none.state, none.reason = row.State, row.Reason // settled without an event, and nobody asks for more
	case row.Event != "" && row.Intent.Op != state.OpDelete && !row.Heard.Mend.Restore:
		none.state, none.reason, none.generation = Skipped, reasonByUser, 1
	case why == duplicated, waiting && why != lookDue:
		return step{outcome: wait}
	case w.past:
		none.state, none.reason, none.generation = Skipped, reasonPast, rise(died)
	default:
		return attempt(row, w, mine, step{op: state.OpCreate, home: w.home, state: w.state, reason: w.reason,
			generation: rise(died || waiting)})
	}
	return attempt(row, w, mine, none)
}

// cleanUp is what comes before anything that is wanted: the event of an open
// delete, then every event of ours beside the one that is kept.
func cleanUp(row state.Delivery, w want, seen []found, kept *found) (step, bool) {
	s := step{op: state.OpDelete, outcome: part, state: w.state, reason: w.reason, keep: kept}
	extra := slices.IndexFunc(seen, func(f found) bool { return kept == nil || f.event.ID != kept.event.ID })
	if row.Intent.Op == state.OpDelete {
		i := slices.IndexFunc(seen, func(f found) bool { return f.event.ID == row.Intent.Event })
		if i >= 0 {
			s.event, s.home = seen[i].event.ID, seen[i].home
			if w.event == nil && extra < 0 {
				s.outcome = final
			}
			return s, true
		}
	}
	if extra >= 0 {
		s.event, s.home = seen[extra].event.ID, seen[extra].home
		return s, true
	}
	return step{}, false
}

// attempt completes a step: its generation counts on from the row's, and one
// that has nothing new to say is quiet.
func attempt(row state.Delivery, w want, mine bool, s step) step {
	s.generation += row.Generation
	settled := row.State == s.state && row.Reason == s.reason && row.Revision == w.revision
	if s.op == state.OpNone && row.Intent.Op == "" && !mine && settled && (s.event == row.Event || s.event == "") {
		s.outcome = quiet
	}
	return s
}

// same reports whether the calendar holds what is wanted. After asking, the row's
// memory counts only as long as the event is the version it remembers.
func same(row state.Delivery, w want, why cause, kept *found) bool {
	if row.Print != w.print || mends(row, w) != 0 {
		return false
	}
	return why == notAsked || kept.event.ID == row.Event && graph.SameVersion(kept.event.ChangeKey, row.ChangeKey)
}

// respects reports whether a user's deletion still holds (recreateRemoved).
func respects(row state.Delivery, w want) bool {
	if row.ByUser.Revision == 0 || w.event == nil {
		return false
	}
	if row.ByUser.Revision >= w.revision {
		return true
	}
	switch w.recreate {
	case "always":
		return false
	case "never":
		return true
	}
	return row.ByUser.When == w.when
}

// own drops the events that only carry our mark because somebody copied ours:
// they are neither changed nor deleted (I4). Ours are those whose id we know,
// those made with a transactionId that we computed, and those imported from a file
// of ours.
func own(row state.Delivery, seen []found) []found {
	known := func(f found) bool {
		if f.adopted || f.event.ID == row.Event || f.event.ID == row.Intent.Event {
			return true
		}
		for g := 0; g <= max(row.Generation, row.Intent.Generation) && f.event.TransactionID != ""; g++ {
			if strings.EqualFold(f.event.TransactionID, key.TransactionID(row.Key, g)) {
				return true
			}
		}
		return false
	}
	var out []found
	for _, f := range seen {
		if known(f) && !slices.ContainsFunc(out, func(g found) bool { return g.event.ID == f.event.ID }) {
			out = append(out, f)
		}
	}
	return out
}

// choose picks the delivery's event among several of ours: the row's, else the
// oldest in today's mailbox, else the oldest.
func choose(row state.Delivery, seen []found, today state.Home) *found {
	var best *found
	for i := range seen {
		f := &seen[i]
		if f.event.ID == row.Event {
			return f
		}
		if best == nil || better(f, best, today) {
			best = f
		}
	}
	return best
}

func better(a, b *found, today state.Home) bool {
	if (a.home == today) != (b.home == today) {
		return a.home == today
	}
	return a.event.Created.Before(b.event.Created)
}

func rise(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
