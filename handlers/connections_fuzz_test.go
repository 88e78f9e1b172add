package handlers

import (
	"testing"

	"github.com/calbridge/calbridge/shared/connection"
)

// Whatever comes, a document of a connection is refused with a fault or is in bounds.
func FuzzConnectionDocuments(f *testing.F) {
	for _, seed := range []string{`{}`, `[`, `null`, `{"direction":"up","scope":"busy","calendars":[{"id":"a","name":"b"}],"calendar":"","primary":true}`,
		`{"user":"u","email":"a@b.example","direction":"down"}`, `{"user":"u","offer":"dismissed","optedOut":true,"paused":false}`,
		`{"calendars":[{"id":"a"},{"id":"a"}]}`, `{"calendars":[null]}`, `{"user":null}`, `{"direction":"none","primary":"yes"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, faults := decodeConnectionChange(body); len(faults) == 0 {
			if c.Direction != nil && !c.Direction.Valid() || c.Scope != nil && !c.Scope.Valid() || c.Calendar != nil && len([]rune(*c.Calendar)) > maxCalendar {
				t.Errorf("%q: %+v", body, c)
			}
			if c.Calendars != nil && (len(*c.Calendars) > maxCalendars || hasEmpty(*c.Calendars)) {
				t.Errorf("%q: %+v", body, *c.Calendars)
			}
		}
		if p, faults := decodeProbe(body); len(faults) == 0 && (p.user == "" || p.email == "" || !p.direction.Valid()) {
			t.Errorf("%q: %+v", body, p)
		}
		if c, faults := decodeChoice(body); len(faults) == 0 && (c.user == "" || c.dismissed == nil && c.OptedOut == nil && c.Paused == nil) {
			t.Errorf("%q: %+v", body, c)
		}
	})
}

func hasEmpty(all []connection.Calendar) bool {
	for _, c := range all {
		if c.ID == "" {
			return true
		}
	}
	return false
}
