package changes

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// round is one generation: what a reading tells, and the calendar as of its beginning,
// which the next one is compared with.
type round struct {
	number uint32
	at     time.Time
	known  map[string]entry // by immutable id
	units  [][]Item         // each is never split over pages
	recent map[string]bool  // ids of events that changed in it, for replays
	// version is the mailbox's when the round began, whole that no change was withheld.
	version uint64
	whole   bool
}

// entry is what a generation knows of an event.
type entry struct {
	key, mutable string
	in           bool   // has something in the window
	days         []Item // ids of a series' occurrences there, as removed ones
}

// begin makes the next generation of a state, since base or, without one, from nothing.
// The caller holds the lock.
func (t *Tracker) begin(s *state, base *round) (*round, error) {
	version := t.store.Version(s.tenant, s.user)
	if base != nil && base.whole && base.version == version && !(t.switches.Replays && len(base.recent) > 0) {
		return s.keep(&round{at: t.now(), known: base.known, version: version, whole: true}), nil
	}
	events, err := t.store.List(s.tenant, s.user, s.calendar, func(e *exchange.Event) bool { return e.Series == "" })
	if err != nil {
		return nil, err
	}
	now := &round{at: t.now(), known: map[string]entry{}, recent: map[string]bool{}, version: version, whole: true}
	c := comparison{Tracker: t, state: s, base: base, now: now}
	live := map[string]bool{}
	for _, e := range events {
		live[e.ID] = true
		c.compare(e)
	}
	if base != nil {
		for _, id := range slices.Sorted(maps.Keys(base.known)) {
			if !live[id] {
				c.missing(id, base.known[id])
			}
		}
	}
	s.keep(now)
	t.spoil(s, now)
	return now, nil
}

// keep makes a round the newest generation.
func (s *state) keep(r *round) *round {
	s.highest++
	r.number = s.highest
	s.kept = append(s.kept, r)
	s.kept = s.kept[max(0, len(s.kept)-kept):]
	return r
}

// comparison finds what is new in a round.
type comparison struct {
	*Tracker
	state     *state
	base, now *round // base is nil in a first round
}

// compare tells of an event that lives.
func (c comparison) compare(e exchange.Event) {
	old, known := entry{}, false
	if c.base != nil {
		old, known = c.base.known[e.ID]
	}
	late := e.Modified
	if c.base == nil {
		late = e.Created
	}
	switch {
	case c.lags(late):
		c.now.whole = false
		if known {
			c.now.known[e.ID] = old
		}
		return
	case known && old.key == e.ChangeKey:
		c.now.known[e.ID] = old
		if c.switches.Replays && c.base.recent[e.ID] && old.in {
			c.tell(unitOf(e, c.store.Within(e, c.state.from, c.state.to)))
		}
		return
	}
	there := c.store.Within(e, c.state.from, c.state.to)
	fresh := entry{key: e.ChangeKey, mutable: e.MutableID, in: len(there) > 0}
	if e.Recurrence != nil {
		for _, o := range there {
			fresh.days = append(fresh.days, removed(o.ID, o.MutableID))
		}
	}
	c.now.known[e.ID] = fresh
	c.now.recent[e.ID] = true
	switch {
	case fresh.in:
		c.tell(unitOf(e, there))
	case known && old.in, c.base != nil && !c.switches.QuietOutside:
		c.tell([]Item{removed(e.ID, e.MutableID)})
	}
}

// missing tells of an event that is in the calendar no more.
func (c comparison) missing(id string, old entry) {
	if c.lags(c.store.Left(c.state.tenant, c.state.user, c.state.calendar, id)) {
		c.now.whole = false
		c.now.known[id] = old
		return
	}
	if !old.in && c.switches.QuietOutside {
		return
	}
	unit := []Item{removed(id, old.mutable)}
	if c.switches.ListOccurrences {
		unit = append(unit, old.days...)
	}
	c.tell(unit)
}

func (c comparison) tell(unit []Item) { c.now.units = append(c.now.units, unit) }

// lags reports whether a change is too young to be told.
func (c comparison) lags(at time.Time) bool {
	return c.switches.LagMS > 0 && c.now.at.Before(at.Add(c.switches.lag()))
}

func removed(id, mutable string) Item { return Item{ID: id, MutableID: mutable, Removed: true} }

// unitOf is an event as a round tells it: alone, or a series with what it has in the
// window.
func unitOf(e exchange.Event, there []exchange.Event) []Item {
	unit := []Item{{Event: e, ID: e.ID, MutableID: e.MutableID}}
	if e.Recurrence == nil {
		return unit
	}
	for _, o := range there {
		unit = append(unit, Item{Event: o, ID: o.ID, MutableID: o.MutableID, Slim: !o.Exception()})
	}
	return unit
}

// spoil does to a round what the switches want.
func (t *Tracker) spoil(s *state, now *round) {
	if t.switches.Duplicates {
		now.units = append(now.units, now.units...)
	}
	if t.switches.Shuffle {
		random := rand.New(rand.NewPCG(uint64(s.number), uint64(now.number)))
		random.Shuffle(len(now.units), func(i, j int) { now.units[i], now.units[j] = now.units[j], now.units[i] })
		for i, unit := range now.units {
			unit = slices.Clone(unit)
			random.Shuffle(len(unit), func(i, j int) { unit[i], unit[j] = unit[j], unit[i] })
			now.units[i] = unit
		}
	}
}

// page cuts a page out of a round, from where a token stands.
func (t *Tracker) page(s *state, r *round, at token, size int) Page {
	if size <= 0 {
		size = usual
	}
	next := token{state: s.number, generation: r.number, position: at.position, lap: at.lap, begun: true}
	p := Page{Items: []Item{}}
	if t.switches.EmptyFirst && !at.begun {
		p.Next = next.String()
		return p
	}
	for len(p.Items) < size && int(next.position) < len(r.units) {
		p.Items = append(p.Items, r.units[next.position]...)
		next.position++
	}
	switch {
	case int(next.position) < len(r.units):
		p.Next = next.String()
	case t.switches.Loop && len(r.units) > 0:
		next.position, next.lap = 0, next.lap+1
		p.Next = next.String()
	default:
		p.Delta = token{state: s.number, generation: r.number, ends: true}.String()
	}
	return p
}
