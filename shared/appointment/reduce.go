package appointment

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/key"
)

// The years between which an appointment makes sense, those that Outlook knows.
const (
	firstYear = 1601
	lastYear  = 4500
)

// Sensible reports whether sense can be made of an appointment: it has an id and takes
// place, within the years that a calendar knows, and does not end before it begins.
func (a Appointment) Sensible() bool {
	return a.ID != "" && year(a.Start) && year(a.End) && !a.End.Before(a.Start)
}

func year(t time.Time) bool { return t.UTC().Year() >= firstYear && t.UTC().Year() <= lastYear }

// Reduce leaves of an appointment what may be told of it, in the words of the wire and
// within the bounds above; false where nothing may be told. What it leaves shares no
// memory with a that anybody changes.
func Reduce(a Appointment, p Privacy) (Appointment, bool) {
	a.Start, a.End = a.Start.UTC(), a.End.UTC()
	a.ShowAs = oneOf(a.ShowAs, "unknown", "free", "tentative", "busy", "oof", "workingElsewhere", "unknown")
	a.Sensitivity = sensitivity(a.Sensitivity)
	a.Private = a.Sensitivity == "private" || a.Sensitivity == "confidential"
	title, details := a.Title, a.Details
	a.Title, a.Details = nil, nil
	switch {
	case p == Busy, a.Private && (p == Title || p == All):
		return a, true
	case p != Title && p != All:
		return Appointment{}, false
	}
	text := ""
	if title != nil {
		text = cut(*title, MaxTitle)
	}
	a.Title = &text
	if p == All && details != nil {
		a.Details = bounded(*details)
	}
	return a, true
}

// sensitivity takes a word that nobody knows for the most careful one.
func sensitivity(s string) string {
	if s == "" {
		return "normal"
	}
	return oneOf(s, "private", "normal", "personal", "private", "confidential")
}

func oneOf(s, otherwise string, known ...string) string {
	if slices.Contains(known, s) {
		return s
	}
	return otherwise
}

func bounded(d Details) *Details {
	d.Body, d.Location = cut(d.Body, MaxBody), cut(d.Location, MaxName)
	d.Organizer = d.Organizer.bounded()
	people := d.People[:min(len(d.People), MaxPeople)]
	d.People = make([]Person, len(people))
	for i, p := range people {
		d.People[i] = p.bounded()
	}
	return &d
}

func (p Person) bounded() Person {
	const word = 32
	return Person{Name: cut(p.Name, MaxName), Email: cut(p.Email, MaxName), Type: cut(p.Type, word), Response: cut(p.Response, word)}
}

// cut leaves at most n characters, and no bytes that are none.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// Hash is of what is told, without the version: two appointments that tell the same have
// the same one. 22 characters.
func (a Appointment) Hash() string {
	a.ChangeKey = ""
	return hashOf(a)
}

func hashOf(a Appointment) string {
	text, err := json.Marshal(a)
	if err != nil { // only of a rule that is no JSON, and of years that Sensible refuses
		text = []byte(err.Error() + a.ID + a.ChangeKey)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// EventID is the id of the event that tells of an appointment in a version, which must
// name the same version whichever way it was read. The version counts as content: what
// is changed back to what it was is told as well, though it was told before.
func EventID(connection key.Key, a Appointment, version string) string {
	return key.UUID(connection.Hex() + "/" + a.ID + "/" + a.Hash() + "/" + version)
}

// DeletedID is the id of the event that tells that an appointment is gone; version is
// the one last told, so that what is deleted, restored and deleted again is told twice.
func DeletedID(connection key.Key, id, version string) string {
	return key.UUID(connection.Hex() + "/" + id + "/deleted/" + version)
}

// DayID names the day of a series (graph/contract.md 3.3, the form of cancelledOccurrences).
func DayID(series, day string) string { return "OID." + series + "." + day }

// Day is the date by which a day of a series is known: that of its original beginning,
// in the series' zone. Without one it is the instant itself, since two days of a series
// may share a date elsewhere.
func Day(original time.Time, zone *time.Location) string {
	if zone == nil {
		return original.UTC().Format("2006-01-02T15:04Z")
	}
	return original.In(zone).Format(time.DateOnly)
}
