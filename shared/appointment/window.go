package appointment

import (
	"encoding/binary"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// What is read of a calendar: at least Ahead from today, and Back into the past. A
// window is fixed in a delta link (graph/contract.md 4.6), so that it is made longer by
// spare and begun anew before that is used up.
const (
	Back  = 7 * day
	Ahead = 26 * week

	day   = 24 * time.Hour
	week  = 7 * day
	spare = 3 * week
)

// Window is the span of time that a calendar is read for.
type Window struct {
	From, To time.Time // UTC, To exclusive
	// Roll is when it is to be moved.
	Roll time.Time
}

// NewWindow is the window of a calendar that is read anew now. It rolls at the
// calendar's own moment of the week, so that not all roll at once; one week after it
// began or a little later, and never less than six days.
func NewWindow(calendar key.Key, now time.Time) Window {
	today := now.UTC().Truncate(day)
	return Window{From: today.Add(-Back), To: today.Add(Ahead + spare), Roll: Moment(calendar, week, now.Add(week-day))}
}

// MaxShrunk is how often a window can be halved: twelve days ahead are left then.
const MaxShrunk = 4

// Shrunk is a window of which only the beginning is read, for a while, because Graph does
// not answer for more (graph/contract.md 4.6): what is ahead of today is halved n times.
// It is to be made larger again at the calendar's moment of the next day.
func (w Window) Shrunk(calendar key.Key, now time.Time, n int) Window {
	if n <= 0 {
		return w
	}
	ahead := (Ahead + spare) >> min(n, MaxShrunk)
	return Window{From: w.From, To: w.From.Add(Back + ahead.Truncate(day)), Roll: Moment(calendar, day, now.Add(day/2))}
}

// Whole is a window as it was before it was shrunk.
func (w Window) Whole() Window {
	w.To = w.From.Add(Back + Ahead + spare)
	return w
}

// Holds reports whether something takes place within the window, by the rule of the
// calendar view (graph/contract.md 3.5).
func (w Window) Holds(start, end time.Time) bool {
	if start.Equal(end) {
		return !start.Before(w.From) && start.Before(w.To)
	}
	return end.After(w.From) && start.Before(w.To)
}

// Moment is the first instant after another at which it is a key's turn, where every
// key has its turn once an interval, at its own moment of it. The instants of an
// interval are those whose distance from the Unix epoch is the moment, to the second; so
// whoever computes them gets the same ones. An interval is a minute or longer.
func Moment(k key.Key, interval time.Duration, after time.Time) time.Time {
	phase := int64(binary.BigEndian.Uint64(k[:8]) % uint64(interval/time.Second))
	length := int64(interval / time.Second)
	n := after.Unix() - phase
	turns := n / length
	if n%length < 0 {
		turns--
	}
	return time.Unix((turns+1)*length+phase, 0).UTC()
}
