package downsync

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// maxSeen is how many appointments a round remembers to have been shown: with them it
// still fits its row. Of a calendar that has more nothing counts as missing.
const maxSeen = 40_000

// maxNamed is how many ids of series, and how many of removed events, a round remembers:
// of more it has to be a full one, which finds them without.
const maxNamed = 1000

// mark stands for an id in what a round remembers.
type mark [8]byte

func markOf(id string) mark {
	sum := sha256.Sum256([]byte(id))
	return mark(sum[:8])
}

func versionOf(changeKey string) uint32 {
	sum := sha256.Sum256([]byte(graph.Version(changeKey)))
	return binary.BigEndian.Uint32(sum[:4])
}

// memory is what a round has seen, in a form to work with.
type memory struct {
	seen     map[mark]uint32 // what was shown, and in which version
	gone     map[mark]bool   // what was asked for and is not there
	masters  map[string]bool // series that were shown
	removed  map[string]bool // ids that were told to be removed
	unread   map[string]bool // ids of what could not be asked for
	unsure   map[string]bool // ids of what was shown, and of which nobody could say whose it is
	away     map[string]bool // records of what is there though it was not shown
	doubt    []string        // what a reading before this one may have told
	overflow bool
}

func remember(r *state.Round) *memory {
	m := &memory{seen: map[mark]uint32{}, gone: map[mark]bool{}, masters: map[string]bool{}, removed: map[string]bool{}, unread: map[string]bool{}, unsure: map[string]bool{}, away: map[string]bool{}, doubt: r.Doubt, overflow: r.Overflow}
	for b := range slices.Chunk(r.Seen, 12) {
		if len(b) == 12 {
			m.seen[mark(b[:8])] = binary.BigEndian.Uint32(b[8:])
		}
	}
	for b := range slices.Chunk(r.Gone, 8) {
		if len(b) == 8 {
			m.gone[mark(b)] = true
		}
	}
	for _, id := range r.Masters {
		m.masters[id] = true
	}
	for _, id := range r.Removed {
		m.removed[id] = true
	}
	for _, id := range r.Unread {
		m.unread[id] = true
	}
	for _, id := range r.Unsure {
		m.unsure[id] = true
	}
	for _, id := range r.Away {
		m.away[id] = true
	}
	return m
}

// save puts it into the row's form.
func (m *memory) save(r *state.Round) {
	r.Seen, r.Gone = make([]byte, 0, 12*len(m.seen)), make([]byte, 0, 8*len(m.gone))
	for id, version := range m.seen {
		r.Seen = binary.BigEndian.AppendUint32(append(r.Seen, id[:]...), version)
	}
	for id := range m.gone {
		r.Gone = append(r.Gone, id[:]...)
	}
	r.Masters, r.Removed = slices.Sorted(maps.Keys(m.masters)), slices.Sorted(maps.Keys(m.removed))
	r.Unread, r.Unsure, r.Away = slices.Sorted(maps.Keys(m.unread)), slices.Sorted(maps.Keys(m.unsure)), slices.Sorted(maps.Keys(m.away))
	r.Overflow, r.Doubt = m.overflow, m.doubt
}

// see notes that an item was shown, and reports whether that, in this version, is new.
func (m *memory) see(id, changeKey string) bool {
	at, version := markOf(id), versionOf(changeKey)
	old, known := m.seen[at]
	if !known && len(m.seen) >= maxSeen {
		m.overflow = true
		return true
	}
	m.seen[at] = version
	return !known || old != version
}

func (m *memory) saw(id string) bool {
	_, yes := m.seen[markOf(id)]
	return yes
}
