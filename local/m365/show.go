package m365

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// shownMailbox is a mailbox in GET /sim/mailboxes.
type shownMailbox struct {
	Tenant    string       `json:"tenant"`
	ObjectID  string       `json:"objectId"`
	Principal string       `json:"principal"`
	Mail      string       `json:"mail"`
	Name      string       `json:"name"`
	State     string       `json:"state"`
	Events    []shownEvent `json:"events"`
}

// shownEvent is an event as it lies in a mailbox; ids are immutable ones.
type shownEvent struct {
	ID              string            `json:"id"`
	ICalUID         string            `json:"iCalUId"`
	ChangeKey       string            `json:"changeKey"`
	TransactionID   string            `json:"transactionId,omitempty"`
	Created         time.Time         `json:"created"`
	Modified        time.Time         `json:"modified"`
	Subject         string            `json:"subject"`
	Body            string            `json:"body"`
	Start           shownTime         `json:"start"`
	End             shownTime         `json:"end"`
	AllDay          bool              `json:"allDay"`
	Place           string            `json:"place,omitempty"`
	Street          string            `json:"street,omitempty"`
	ShowAs          string            `json:"showAs"`
	Sensitivity     string            `json:"sensitivity"`
	Categories      []string          `json:"categories,omitempty"`
	ReminderOn      bool              `json:"reminderOn"`
	ReminderMinutes int               `json:"reminderMinutes"`
	Attendees       []string          `json:"attendees,omitempty"`
	Properties      map[string]string `json:"properties,omitempty"`
}

// shownTime is a wall clock reading, its zone as given, and the instant it means.
type shownTime struct {
	DateTime string    `json:"dateTime"`
	TimeZone string    `json:"timeZone"`
	UTC      time.Time `json:"utc"`
}

func (s *Server) mailboxes(r *http.Request) (any, error) {
	tenant, user := r.URL.Query().Get("tenant"), r.URL.Query().Get("user")
	only := ""
	if user != "" {
		u, err := s.Exchange.User(tenant, user)
		if err != nil {
			return nil, err
		}
		only = u.ObjectID
	}
	all := []shownMailbox{}
	for _, box := range s.Exchange.Boxes() {
		if only != "" && (box.User.ObjectID != only || !strings.EqualFold(box.Tenant, tenant)) || tenant != "" && !strings.EqualFold(box.Tenant, tenant) {
			continue
		}
		all = append(all, showBox(box))
	}
	return all, nil
}

func showBox(box exchange.Box) shownMailbox {
	u := box.User
	m := shownMailbox{Tenant: box.Tenant, ObjectID: u.ObjectID, Principal: u.Principal, Mail: u.Mail,
		Name: u.Name, State: u.State.String(), Events: []shownEvent{}}
	for i := range box.Events {
		m.Events = append(m.Events, showEvent(&box.Events[i]))
	}
	return m
}

func showEvent(e *exchange.Event) shownEvent {
	shown := shownEvent{
		ID: e.ID, ICalUID: e.ICalUID, ChangeKey: e.ChangeKey, TransactionID: e.TransactionID,
		Created: e.Created, Modified: e.Modified, Subject: e.Subject, Body: e.Body,
		Start: shownTime{e.Start.DateTime, e.Start.Zone, e.From}, End: shownTime{e.End.DateTime, e.End.Zone, e.To},
		AllDay: e.AllDay, ShowAs: e.ShowAs, Sensitivity: e.Sensitivity, Categories: e.Categories,
		ReminderOn: e.ReminderOn, ReminderMinutes: e.ReminderMinutes, Properties: map[string]string{},
	}
	if len(e.Locations) > 0 {
		shown.Place, shown.Street = e.Locations[0].Name, e.Locations[0].Street
	}
	for _, a := range e.Attendees {
		shown.Attendees = append(shown.Attendees, a.Address.Address)
	}
	for _, p := range e.Properties {
		shown.Properties[p.ID.String()] = p.Value
	}
	return shown
}

type shownMail struct {
	At      time.Time `json:"at"`
	Tenant  string    `json:"tenant"`
	From    string    `json:"from"`
	To      []string  `json:"to"`
	Kind    string    `json:"kind"`
	EventID string    `json:"eventId"`
	By      string    `json:"by"`
}

func showMails(mails []exchange.Mail) []shownMail {
	all := []shownMail{}
	for _, m := range mails {
		all = append(all, shownMail{m.At, m.Tenant, m.From, m.To, m.Kind, m.EventID, m.By.String()})
	}
	return all
}

// Deed is what the owner of a mailbox does in Outlook. Do is delete, retitle,
// write (the body, as HTML), move, copy or invite.
type Deed struct {
	Tenant  string   `json:"tenant"`
	User    string   `json:"user"` // object id or address
	Event   string   `json:"event"`
	Do      string   `json:"do"`
	Subject string   `json:"subject"`
	Body    string   `json:"body"`
	Start   when     `json:"start"`
	End     when     `json:"end"`
	Invite  []string `json:"invite"`
}

type when struct {
	DateTime string `json:"dateTime"`
	TimeZone string `json:"timeZone"`
}

func (s *Server) people(r *http.Request) (any, error) {
	d, err := read[Deed](r)
	if err != nil {
		return nil, err
	}
	owner := s.Exchange.Owner(d.Tenant, d.User)
	switch d.Do {
	case "delete":
		err = owner.Delete(d.Event)
	case "retitle":
		err = owner.Retitle(d.Event, d.Subject)
	case "write":
		err = owner.Write(d.Event, d.Body)
	case "move":
		err = owner.Move(d.Event, exchange.Time{DateTime: d.Start.DateTime, Zone: d.Start.TimeZone},
			exchange.Time{DateTime: d.End.DateTime, Zone: d.End.TimeZone})
	case "invite":
		err = owner.Invite(d.Event, d.Invite...)
	case "copy":
		e, err := owner.Copy(d.Event)
		return map[string]string{"id": e.ID}, err
	case "":
		err = errors.New("do is required")
	default:
		err = fmt.Errorf("nobody can do %q", d.Do)
	}
	return struct{}{}, err
}
