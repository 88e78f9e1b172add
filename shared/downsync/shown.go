package downsync

import (
	"bytes"
	"slices"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// A change can come again in a later round (graph/contract.md 4.5), and be all that a round
// has while what woke it is late. So of what a round shows only counts as found what was
// not known in that version: by its record, or, of series, events of ours and removals,
// which have no version there, by a hash in the cursor. Where only events of ours are told
// nothing else counts, and of nothing else there is a hash.

// maxShown is how many hashes are kept: 8 bytes each.
const maxShown = 500

// knows reports whether the record of an item's event has it in that version. That of a
// day is looked at once its series is met, which comes with it.
func (x *round) knows(i graph.Item) bool {
	record := x.book.of(owner(i))
	known, there := state.Known{}, false
	switch s := x.series[i.Series]; {
	case i.Removed:
		return false
	case i.Kind == graph.Single && record.One != nil:
		known, there = *record.One, true
	case i.Series != "" && s != nil:
		known, there = record.Days[s.days[i.ID]]
	}
	return there && known.Event == i.ID && known.Hash != "" && graph.SameVersion(known.Version, i.ChangeKey)
}

// shown counts an item that no record had in that version before it was taken.
func (x *round) shown(i graph.Item) {
	switch {
	case x.onlyOurs() && !x.mine[i.ID]:
		return
	case x.knows(i), i.Removed && !x.book.of(i.ID).Empty():
		x.items++
		return
	}
	hash := shownMark(i.ID, i.ChangeKey)
	if i.Removed {
		hash = shownMark(i.ID, "")
	}
	all := x.cursor.Shown
	if wasShown(all, hash) {
		return
	}
	x.items++
	all = append(slices.Clone(all), hash[:]...)
	x.cursor.Shown = all[max(0, len(all)-maxShown*len(hash)):]
}

func shownMark(id, changeKey string) mark { return markOf(id + "/" + graph.Version(changeKey)) }

func wasShown(all []byte, hash mark) bool {
	for b := range slices.Chunk(all, len(hash)) {
		if bytes.Equal(b, hash[:]) {
			return true
		}
	}
	return false
}
