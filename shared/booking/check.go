package booking

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/zone"
)

// check notes what is wrong beyond the schema. Members that the schema found
// wrong read as zero or are known at their pointer, and are not looked at again.
func check(b Booking, fs *faults) {
	if n := len(b.Description.Text); n > MaxDescription && !fs.at("/data/description/text") {
		fs.add("/data/description/text", CodeTooLarge, "has %d bytes of UTF-8; at most %d are allowed", n, MaxDescription)
	}
	checkURL(b.URL, fs)
	b.eachTime(func(pointer string, t *Time) { checkTime(pointer, t, fs) })
	checkRecurrence(b.Recurrence, fs)
	checkWhen(b, fs)
}

// checkSubject compares, and never splits.
func checkSubject(envelope object, b Booking, fs *faults) {
	subject := envelope.text("subject")
	if _, there := envelope.members["subject"]; !there || fs.at("/subject") ||
		fs.at("/data/organization") || fs.at("/data/id") || fs.at("/data") {
		return
	}
	if subject != b.Organization+"/"+b.ID {
		fs.add("/subject", CodeMismatch, "must be data.organization, a slash and data.id, or be left out")
	}
}

func checkURL(text string, fs *faults) {
	if text == "" || fs.at("/data/url") {
		return
	}
	if u, err := url.Parse(text); err != nil || u.Host == "" {
		fs.add("/data/url", CodeFormat, "must be an absolute http or https address")
	}
}

// eachTime visits the times of a booking with their pointers; visit may change them.
func (b Booking) eachTime(visit func(pointer string, t *Time)) {
	one := func(pointer string, t *Time) {
		if t != nil {
			visit(pointer, t)
		}
	}
	one("/data/start", b.Start)
	one("/data/end", b.End)
	if b.Recurrence == nil {
		return
	}
	for i := range b.Recurrence.Overrides {
		v := &b.Recurrence.Overrides[i]
		one(fmt.Sprintf("/data/recurrence/overrides/%d/start", i), v.Start)
		one(fmt.Sprintf("/data/recurrence/overrides/%d/end", i), v.End)
	}
}

func checkTime(pointer string, t *Time, fs *faults) {
	if at := pointer + "/dateTime"; t.DateTime != "" && !fs.at(at) {
		wall, err := zone.Parse(t.DateTime)
		switch {
		case err != nil:
			fs.add(at, CodeDate, "is no day and hour of the calendar")
		case wall.Year() < 1900 || wall.Year() > 2199:
			fs.add(at, CodeRange, "must lie in the years 1900 to 2199")
		}
	}
	if at := pointer + "/timeZone"; t.TimeZone != "" && !fs.at(at) {
		if _, ok := zone.Canonical(t.TimeZone); !ok {
			fs.add(at, CodeZone, "is no time zone that is known: use an IANA name such as Europe/Helsinki or a Windows name such as FLE Standard Time")
		}
	}
}

func checkRecurrence(r *Recurrence, fs *faults) {
	if r == nil {
		return
	}
	if at := "/data/recurrence/rrule"; !fs.at(at) && !strings.Contains(";"+strings.ToUpper(r.RRule), ";FREQ=") {
		fs.add(at, CodeFormat, "must name FREQ")
	}
	date := func(pointer, text string) {
		if text == "" || fs.at(pointer) {
			return
		}
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			fs.add(pointer, CodeDate, "is no day of the calendar")
		}
	}
	for i, text := range r.ExDates {
		date("/data/recurrence/exdates/"+strconv.Itoa(i), text)
	}
	for i, v := range r.Overrides {
		date(fmt.Sprintf("/data/recurrence/overrides/%d/occurrence", i), v.Occurrence)
	}
}

// checkWhen compares start and end. Where only one of them names a zone that has
// to wait for Resolve; where neither does, any zone will do for comparing.
func checkWhen(b Booking, fs *faults) {
	if b.Start == nil || b.End == nil {
		return
	}
	for _, pointer := range []string{"/data/start", "/data/end"} {
		if fs.at(pointer+"/dateTime") || fs.at(pointer+"/timeZone") {
			return
		}
	}
	if b.AllDay {
		checkMidnight("/data/start/dateTime", b.Start, fs)
		checkMidnight("/data/end/dateTime", b.End, fs)
	}
	if (b.Start.TimeZone == "") != (b.End.TimeZone == "") {
		return
	}
	b.Start, b.End = new(b.Start.in("UTC")), new(b.End.in("UTC"))
	checkSpan(b, fs)
}

func checkMidnight(pointer string, t *Time, fs *faults) {
	if !strings.HasSuffix(t.DateTime, "T00:00:00") {
		fs.add(pointer, CodeAllDay, "must be midnight, since allDay is true")
	}
}

// checkSpan needs both times to name their zones. What is in order on the clock
// of one zone is in order, also in the night in which that clock is put forward
// past the start.
func checkSpan(b Booking, fs *faults) {
	const at = "/data/end/dateTime"
	startZone, _ := zone.Canonical(b.Start.TimeZone)
	endZone, _ := zone.Canonical(b.End.TimeZone)
	start, errStart := b.Start.Instant()
	end, errEnd := b.End.Instant()
	switch {
	case errStart != nil || errEnd != nil || fs.at(at):
	case b.AllDay && startZone != endZone:
		fs.add("/data/end/timeZone", CodeAllDay, "must be the zone of start, since allDay is true")
	case b.AllDay && b.End.DateTime <= b.Start.DateTime:
		fs.add(at, CodeOrder, "must be a later day than start: the end of an all-day booking is the midnight after it")
	case end.Before(start) && (startZone != endZone || b.End.DateTime < b.Start.DateTime):
		fs.add(at, CodeOrder, "must not be before start")
	}
}

// wellFormed returns what may be shown and used as a key, else "".
func wellFormed(organization, id string) (string, string) {
	if !ValidOrganization(organization) {
		organization = ""
	}
	if n := utf8.RuneCountInString(id); n > MaxID || strings.IndexFunc(id, unicode.IsControl) >= 0 {
		id = ""
	}
	return organization, id
}

// ValidOrganization reports whether a text has the form of an organisation's id:
// [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
func ValidOrganization(id string) bool {
	if id == "" || len(id) > 64 || strings.IndexByte("._-", id[0]) >= 0 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("._-", c) >= 0) {
			return false
		}
	}
	return true
}
