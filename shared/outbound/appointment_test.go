package outbound_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
)

func dentist(p appointment.Privacy) appointment.Appointment {
	title, at := "Dentist <&>", time.Date(2026, 12, 1, 16, 5, 0, 0, time.FixedZone("", 7200))
	a, _ := appointment.Reduce(appointment.Appointment{ID: "AAMk", ChangeKey: "DwAA", Start: at, End: at.Add(time.Hour), ShowAs: "busy", Sensitivity: "normal", Title: &title,
		Details: &appointment.Details{Body: "<p>x</p>", Location: "Room 1", Organizer: appointment.Person{Name: "Bo", Email: "bo@acme.example"},
			People:     []appointment.Person{{Name: "Aino", Email: "aino@acme.example", Type: "required", Response: "accepted"}},
			Recurrence: &appointment.Recurrence{Series: "S", Original: "2026-12-01", Pattern: json.RawMessage(`{"type":"daily"}`)}}}, p)
	return a
}

func TestAnAppointmentIsToldAsTheWireSays(t *testing.T) {
	id := key.Of("connection")
	times := `"changeKey":"DwAA","start":{"dateTime":"2026-12-01T14:05:00","timeZone":"UTC"},"end":{"dateTime":"2026-12-01T15:05:00","timeZone":"UTC"},` +
		`"allDay":false,"showAs":"busy","sensitivity":"normal","private":false`
	head := `"connection":"` + id.String() + `","user":"u-17","id":"AAMk","calendar":"c-1"`
	for name, test := range map[string]struct {
		a    outbound.Appointment
		want string
	}{
		"busy":  {outbound.Appointment{Change: outbound.Upserted, What: dentist(appointment.Busy)}, `{"change":"upserted",` + head + `,` + times + `}`},
		"title": {outbound.Appointment{Change: outbound.Upserted, What: dentist(appointment.Title)}, `{"change":"upserted",` + head + `,` + times + `,"title":"Dentist <&>"}`},
		"all": {outbound.Appointment{Change: outbound.Upserted, What: dentist(appointment.All)}, `{"change":"upserted",` + head + `,` + times +
			`,"title":"Dentist <&>","body":"<p>x</p>","location":{"name":"Room 1"},"organizer":{"name":"Bo","email":"bo@acme.example"},` +
			`"people":[{"name":"Aino","email":"aino@acme.example","type":"required","response":"accepted"}],` +
			`"recurrence":{"series":"S","original":"2026-12-01","pattern":{"type":"daily"}}}`},
		"deleted": {outbound.Appointment{Change: outbound.Deleted, What: dentist(appointment.All)}, `{"change":"deleted",` + head + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			test.a.EventID, test.a.Connection, test.a.User, test.a.Calendar = "i-1", id, "u-17", "c-1"
			e := test.a.Event(origin())
			valid(t, e)
			_, data, _ := strings.Cut(string(e.Body), `"data":`)
			if diff := cmp.Diff(test.want+"}", data); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if e.ID != "i-1" || e.Type != outbound.TypeAppointment || e.Session != key.Lane("acme", key.User, "u-17").String() ||
				!strings.Contains(string(e.Body), `"subject":"`+id.String()+`"`) {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestAnAppointmentOfTheDefaultCalendarNamesNone(t *testing.T) {
	e := outbound.Appointment{EventID: "i", Change: outbound.Upserted, Connection: key.Of("c"), User: "u", What: dentist(appointment.Busy)}.Event(origin())
	valid(t, e)
	if strings.Contains(string(e.Body), `"calendar"`) {
		t.Errorf("%s", e.Body)
	}
}
