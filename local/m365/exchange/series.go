package exchange

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"
)

// Left are the dates, yyyy-MM-dd and in order, on which a series does not take place
// although its rule says so; nil for anything else.
func (e *Event) Left() []string { return slices.Sorted(maps.Keys(e.left)) }

// Changed are the dates of a series' exceptions in its rule, as Left are.
func (e *Event) Changed() []string { return slices.Sorted(maps.Keys(e.changed)) }

// Exception reports whether an occurrence differs from its series.
func (e *Event) Exception() bool { return e.changed[e.Day()] != nil }

// Day is the date of an occurrence in the rule of its series, yyyy-MM-dd, wherever it
// was moved to; "" for anything else.
func (e *Event) Day() string {
	if e.day.IsZero() {
		return ""
	}
	return e.day.Format(time.DateOnly)
}

// edge is how far a reading of a clock can be from the same reading in UTC, twice.
const edge = 48 * time.Hour

// occurrences are those of a series that a window selects (3.5). What was moved is
// selected by where it is.
func (s *Store) occurrences(e *Event, from, to time.Time) []Event {
	var list []Event
	over := from.Add(-e.To.Sub(e.From) - edge)
	for day := range e.Recurrence.days {
		if day.After(to.Add(edge)) {
			break
		}
		if day.Before(over) || e.changed[day.Format(time.DateOnly)] != nil || e.lacks(day) {
			continue
		}
		if o := s.occurrence(e, day); o.within(from, to) {
			list = append(list, o)
		}
	}
	for _, x := range e.changed {
		if o := s.occurrence(e, x.day); o.within(from, to) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b Event) int { return a.From.Compare(b.From) })
	return list
}

// occurrence is that of a day: an exception as it was made, else the series' content
// at the same reading of the clock. Its ids are made from those of the series, so
// that they stay when the occurrence changes (3.6).
func (s *Store) occurrence(e *Event, day time.Time) Event {
	o := *e
	if x := e.changed[day.Format(time.DateOnly)]; x != nil {
		o = *x
	} else {
		o.Start, o.From = s.reading(e.Start, e.Start, day)
		o.End, o.To = s.reading(e.End, e.Start, day)
		if o.To.Before(o.From) { // the start was skipped, and moved past the end
			o.End, o.To = o.Start, o.From
		}
	}
	o.day = day
	_, o.Original = s.reading(e.Start, e.Start, day)
	o.Recurrence, o.TransactionID = nil, ""
	o.Modified, o.ChangeKey = e.Modified, e.ChangeKey // a series is one item (2.6)
	o.Calendar, o.Series, o.SeriesMutable = e.Calendar, e.ID, e.MutableID
	o.changed, o.left = e.changed, nil
	o.ID, o.MutableID, o.ICalUID = immutableOccurrence(e.ID, day), mutableOccurrence(e.MutableID, day), occurrenceUID(e.ICalUID, day)
	return o
}

// reading moves a reading of the clock from the first occurrence to the one of a day.
func (s *Store) reading(t, start Time, day time.Time) (Time, time.Time) {
	wall, _ := parseWall(t.DateTime) // checked when it was stored
	first, _ := parseWall(start.DateTime)
	zone, _ := s.zones.find(t.Zone)
	const daySeconds = 24 * 60 * 60 // a Duration holds 292 years only
	wall = wall.AddDate(0, 0, int((day.Unix()-first.Truncate(24*time.Hour).Unix())/daySeconds))
	return Time{wall.Format(wallClock + ".9999999"), t.Zone}, instant(wall, zone.Location)
}

// instance finds an occurrence by either of its ids; nil for none. It is a copy:
// what changes it is kept by keep.
func (s *Store) instance(box *mailbox, id string) *Event {
	master, day, ok := seriesOf(id)
	if !ok {
		return nil
	}
	e := box.byID[master]
	if e == nil || e.Recurrence == nil || e.lacks(day) || !e.Recurrence.has(day) {
		return nil
	}
	o := s.occurrence(e, day)
	return &o
}

// keep makes an exception of a changed occurrence; other events are changed in place.
// One on or beyond the day of a neighbour is refused.
func (s *Store) keep(box *mailbox, o *Event) error {
	if o.Series == "" {
		return nil
	}
	e := box.byID[o.Series]
	next := *e
	next.change(o)
	if err := s.crossing(&next); err != nil {
		return err
	}
	next.Modified, next.ChangeKey = s.now().UTC(), s.nextKey(box)
	*e = next
	o.changed, o.Modified, o.ChangeKey = next.changed, next.Modified, next.ChangeKey
	return nil
}

// rearrange forgets what differs from the rule of a series that has another rule or
// time now (3.6). A rule that was not sent along begins on the day of the start.
func (e *Event) rearrange(before *Event, ruled bool) {
	if e.Series != "" || !ruled && e.Start == before.Start && e.End == before.End {
		return
	}
	e.changed, e.left = nil, nil
	if e.Recurrence != nil && !ruled {
		r := *e.Recurrence
		r.Range.StartDate = e.Start.DateTime[:len(time.DateOnly)]
		e.Recurrence = &r
	}
}

// change makes an exception, without a look at its neighbours.
func (e *Event) change(o *Event) {
	x := *o
	x.changed, x.left = nil, nil
	e.changed, e.left = maps.Clone(e.changed), maps.Clone(e.left)
	if e.changed == nil {
		e.changed = map[string]*Event{}
	}
	e.changed[o.Day()] = &x
	delete(e.left, o.Day())
}

// lacks reports whether the occurrence of a day was taken out.
func (e *Event) lacks(day time.Time) bool {
	_, gone := e.left[day.Format(time.DateOnly)]
	return gone
}

// leave takes an occurrence out of a series, as a file of that SEQUENCE says; -1 for none.
func (e *Event) leave(day time.Time, sequence int) {
	e.changed, e.left = maps.Clone(e.changed), maps.Clone(e.left)
	if e.left == nil {
		e.left = map[string]int{}
	}
	name := day.Format(time.DateOnly)
	delete(e.changed, name)
	e.left[name] = sequence
}

// crossing refuses a series with an exception on or beyond the day of a neighbour
// (3.4). The code is that of Exchange Web Services.
func (s *Store) crossing(e *Event) error {
	if len(e.changed) == 0 {
		return nil
	}
	zone, ok := s.zones.find(e.Start.Zone)
	if !ok {
		return s.badZone()
	}
	last := slices.Max(slices.Collect(maps.Keys(e.changed)))
	before, beyond := "", false
	for day := range e.Recurrence.days {
		name := day.Format(time.DateOnly)
		if e.lacks(day) {
			continue
		}
		now := name
		if x := e.changed[name]; x != nil {
			now = x.From.In(zone.Location).Format(time.DateOnly)
			if x.AllDay {
				now = x.Start.DateTime[:len(time.DateOnly)]
			}
		}
		if now <= before {
			return invalid("ErrorOccurrenceCrossingBoundary", "Modified occurrence is crossing or overlapping adjacent occurrence.")
		}
		if beyond {
			break
		}
		before, beyond = now, name >= last
	}
	return nil
}

// Sizes of decoded ids of occurrences (3.6; the immutable one is guessed).
const (
	mutableOccurrenceSize   = mutableSize + 11
	immutableOccurrenceSize = immutableSize + 8
)

// mutableOccurrence is the id of an occurrence (3.6): the series' with the day.
func mutableOccurrence(master string, day time.Time) string {
	b, err := idEncoding.DecodeString(master)
	if err != nil || len(b) != mutableSize {
		return ""
	}
	out := append([]byte{}, b[:40]...)
	out = append(out, 1, 0x51, 0, 8)
	out = binary.BigEndian.AppendUint64(out, dotnetTicks(day))
	out = append(out, 0x46)
	out = append(append(out, b[43:]...), 0x10)
	return idEncoding.EncodeToString(out)
}

func immutableOccurrence(master string, day time.Time) string {
	b, err := idEncoding.DecodeString(master)
	if err != nil {
		return ""
	}
	return idEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, dotnetTicks(day)))
}

// seriesOf reads the id of an occurrence: that of its series, and the day.
func seriesOf(id string) (master string, day time.Time, ok bool) {
	b, err := idEncoding.DecodeString(id)
	if err != nil || checkID(id) != nil {
		return "", time.Time{}, false
	}
	var ticks uint64
	switch len(b) {
	case mutableOccurrenceSize:
		ticks = binary.BigEndian.Uint64(b[44:])
		b = append(append(append([]byte{}, b[:40]...), 0, 0x46, 0), b[53:len(b)-1]...)
	case immutableOccurrenceSize:
		ticks = binary.BigEndian.Uint64(b[immutableSize:])
		b = b[:immutableSize]
	default:
		return "", time.Time{}, false
	}
	day = time.Unix(int64(ticks/1e7)-ticksEpoch, 0).UTC()
	return idEncoding.EncodeToString(b), day, dotnetTicks(day.Truncate(24*time.Hour)) == ticks
}

// ticksEpoch is 1 January 1970 in seconds since the year 1.
const ticksEpoch = 62135596800

// dotnetTicks counts 100 ns since the year 1.
func dotnetTicks(t time.Time) uint64 { return uint64(t.Unix()+ticksEpoch) * 1e7 }

// occurrenceUID is a series' GlobalObjectId with the day in it ([MS-OXOCAL] 2.2.1.27).
// Guessed: a UID that is none is that of every occurrence.
func occurrenceUID(uid string, day time.Time) string {
	const at = len("040000008200E00074C5B7101A82E008")
	if wrapUID(uid) != uid {
		return uid
	}
	date := []byte{byte(day.Year() >> 8), byte(day.Year()), byte(day.Month()), byte(day.Day())}
	return uid[:at] + strings.ToUpper(hex.EncodeToString(date)) + uid[at+8:]
}
