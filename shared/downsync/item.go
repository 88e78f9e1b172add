package downsync

import (
	"encoding/json"
	"time"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/zone"
)

// one is what an event of its own, or an exception that tells everything, has to tell.
func one(i graph.Item) appointment.Appointment {
	a := appointment.Appointment{ID: i.ID, ChangeKey: i.ChangeKey, Start: i.Start, End: i.End, AllDay: i.AllDay,
		ShowAs: i.ShowAs, Sensitivity: i.Sensitivity, Title: &i.Subject, Details: detailsOf(i)}
	if i.Cancelled {
		a.ShowAs = "free" // see package appointment
	}
	return a
}

func detailsOf(i graph.Item) *appointment.Details {
	d := &appointment.Details{Body: i.Body, BodyType: i.BodyType, Location: i.Location, Organizer: personOf(i.Organizer)}
	for _, p := range i.People {
		d.People = append(d.People, personOf(p))
	}
	return d
}

func personOf(p graph.Person) appointment.Person {
	return appointment.Person{Name: p.Name, Email: p.Address, Type: p.Type, Response: p.Response}
}

// day is what a day of a series has to tell: an occurrence of a page only its times, and
// the rest is the series' (graph/contract.md 4.4); an exception, and whatever was read by
// its id, everything. It is named by its series and date.
func (s *series) day(i graph.Item) (appointment.Appointment, string) {
	a, name := one(i), s.nameOf(i)
	if slim(i) {
		a = one(s.master)
		a.Start, a.End, a.ChangeKey = i.Start, i.End, i.ChangeKey
	}
	a.ID = appointment.DayID(s.id, name)
	a.Details.Recurrence = &appointment.Recurrence{Series: s.id, Original: name, Pattern: s.pattern, Range: s.span}
	return a, name
}

// slim reports whether an item is an occurrence that tells its times only.
func slim(i graph.Item) bool { return i.Kind == graph.Occurrence && i.ShowAs == "" }

// nameOf is the original date of a day. An exception that does not tell it has the one
// that was known under its id, else the day on which it is now.
func (s *series) nameOf(i graph.Item) string {
	at := i.Original
	if at.IsZero() && i.Kind != graph.Occurrence && s.days[i.ID] != "" {
		return s.days[i.ID]
	}
	if at.IsZero() {
		at = i.Start
	}
	if s.master.AllDay && at.Equal(at.Truncate(24*time.Hour)) {
		return appointment.Day(at, time.UTC) // dates are told as midnights in UTC
	}
	return appointment.Day(at, s.zone)
}

// series is a series as one reading of its calendar knows it.
type series struct {
	id     string
	master graph.Item // only its id is set where it could not be read
	zone   *time.Location
	fate   Fate
	// days are those that are known already, by Graph's ids of them.
	days map[string]string
	// pattern and span are the parts of its rule.
	pattern, span json.RawMessage
}

func newSeries(master graph.Item) *series {
	s := &series{id: master.ID, master: master}
	if _, loc, ok := zone.Load(master.StartZone); ok {
		s.zone = loc
	}
	var rule struct {
		Pattern json.RawMessage `json:"pattern"`
		Range   json.RawMessage `json:"range"`
	}
	if json.Unmarshal(master.Recurrence, &rule) == nil {
		s.pattern, s.span = compact(rule.Pattern), compact(rule.Range)
	}
	return s
}

// maxRule bounds a part of a rule, in bytes: Graph's have a few hundred.
const maxRule = 4 << 10

// compact drops what is no part of a rule.
func compact(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || len(raw) > maxRule || raw[0] != '{' {
		return nil
	}
	return raw
}
