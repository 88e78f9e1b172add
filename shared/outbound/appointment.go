package outbound

import (
	"time"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/key"
)

// Changes of an appointment.
const (
	Upserted = "upserted"
	Deleted  = "deleted"
)

// Appointment tells that an appointment of a connected calendar was made, changed or
// deleted.
type Appointment struct {
	// EventID is that of the event: a re-send of the same change has the same one.
	EventID    string
	Change     string // Upserted or Deleted; of a deleted one only the ids are told
	Connection key.Key
	User       string
	Calendar   string // "" is the default one
	What       appointment.Appointment
}

// clock is a time of an appointment: a wall clock with its zone, as in bookings.
type clock struct {
	DateTime string `json:"dateTime"`
	TimeZone string `json:"timeZone"`
}

func clockOf(t time.Time) *clock {
	return &clock{t.UTC().Format("2006-01-02T15:04:05"), "UTC"}
}

// place is a location.
type place struct {
	Name string `json:"name"`
}

// Event is calbridge.appointment.v1.
func (a Appointment) Event(o Origin) Event {
	type data struct {
		Change     string `json:"change"`
		Connection string `json:"connection"`
		User       string `json:"user,omitempty"`
		ID         string `json:"id"`
		Calendar   string `json:"calendar,omitempty"`
		ChangeKey  string `json:"changeKey,omitempty"`

		Start       *clock `json:"start,omitempty"`
		End         *clock `json:"end,omitempty"`
		AllDay      *bool  `json:"allDay,omitempty"`
		ShowAs      string `json:"showAs,omitempty"`
		Sensitivity string `json:"sensitivity,omitempty"`
		Private     *bool  `json:"private,omitempty"`

		Title      *string                 `json:"title,omitempty"`
		Body       *string                 `json:"body,omitempty"`
		Location   *place                  `json:"location,omitempty"`
		Organizer  *appointment.Person     `json:"organizer,omitempty"`
		People     *[]appointment.Person   `json:"people,omitempty"`
		Recurrence *appointment.Recurrence `json:"recurrence,omitempty"`
	}
	x := a.What
	d := data{Change: a.Change, Connection: a.Connection.String(), User: a.User, ID: x.ID, Calendar: a.Calendar}
	if a.Change == Upserted {
		d.ChangeKey, d.Start, d.End, d.AllDay = x.ChangeKey, clockOf(x.Start), clockOf(x.End), &x.AllDay
		d.ShowAs, d.Sensitivity, d.Private, d.Title = x.ShowAs, x.Sensitivity, &x.Private, x.Title
		if more := x.Details; more != nil {
			people := more.People
			if people == nil {
				people = []appointment.Person{}
			}
			d.Body, d.People, d.Recurrence = &more.Body, &people, more.Recurrence
			if more.Location != "" {
				d.Location = &place{more.Location}
			}
			if more.Organizer != (appointment.Person{}) {
				d.Organizer = &more.Organizer
			}
		}
	}
	return o.event(a.EventID, TypeAppointment, d.Connection, key.Lane(o.Organization, key.User, a.User), d)
}
