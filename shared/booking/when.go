package booking

import (
	"cmp"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/zone"
)

// Resolve gives every time without a zone the organisation's ("" means UTC) and
// checks what depends on it. Its error is an *Invalid; the zones are filled in also
// then. b is not changed.
func (b Booking) Resolve(defaultZone string) (Booking, error) {
	defaultZone = cmp.Or(defaultZone, "UTC")
	if iana, ok := zone.Canonical(defaultZone); ok {
		defaultZone = iana
	}
	b = b.cloneTimes()
	b.eachTime(func(_ string, t *Time) { *t = t.in(defaultZone) })
	if b.Start == nil || b.End == nil {
		return b, nil
	}
	var fs faults
	checkSpan(b, &fs)
	return b, fs.invalid(b.Organization, b.ID)
}

// Scheduled reports whether the booking has a time yet.
func (b Booking) Scheduled() bool { return b.Start != nil && b.End != nil }

// Instant is the point in time of a reading whose zone is named; a reading
// skipped in spring moves forward, of one that happens twice the first counts.
func (t Time) Instant() (time.Time, error) {
	wall, err := zone.Parse(t.DateTime)
	if err != nil {
		return time.Time{}, fmt.Errorf("booking.Time: not a date and time: %w", err)
	}
	_, loc, ok := zone.Load(t.TimeZone)
	if !ok {
		return time.Time{}, fmt.Errorf("booking.Time: unknown zone")
	}
	return zone.Instant(wall, loc), nil
}

// in fills in the zone where there is none.
func (t Time) in(defaultZone string) Time {
	if t.TimeZone == "" {
		t.TimeZone = defaultZone
	}
	return t
}

// cloneTimes keeps Resolve from writing through b's pointers.
func (b Booking) cloneTimes() Booking {
	clone := func(t *Time) *Time {
		if t == nil {
			return nil
		}
		return new(*t)
	}
	b.Start, b.End = clone(b.Start), clone(b.End)
	if b.Recurrence != nil {
		r := *b.Recurrence
		r.Overrides = append([]Override(nil), r.Overrides...)
		for i, v := range r.Overrides {
			r.Overrides[i].Start, r.Overrides[i].End = clone(v.Start), clone(v.End)
		}
		b.Recurrence = &r
	}
	return b
}
