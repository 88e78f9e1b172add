package m365

import (
	"fmt"
	"io"
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
	Response        string            `json:"response,omitempty"`
	JoinURL         string            `json:"joinUrl,omitempty"`
	Properties      map[string]string `json:"properties,omitempty"`
	Series          *shownSeries      `json:"series,omitempty"`
}

// shownSeries is what makes an event a series: its pattern, where it ends, and on which
// dates it does not take place or otherwise.
type shownSeries struct {
	Pattern  string   `json:"pattern"` // as Graph names it
	Interval int      `json:"interval"`
	Days     []string `json:"daysOfWeek,omitempty"`
	Until    string   `json:"until,omitempty"`
	Count    int      `json:"count,omitempty"`
	Left     []string `json:"cancelled,omitempty"`
	Changed  []string `json:"changed,omitempty"`
}

func showSeries(e *exchange.Event) *shownSeries {
	if e.Recurrence == nil {
		return nil
	}
	p, r := e.Recurrence.Pattern, e.Recurrence.Range
	s := &shownSeries{Pattern: p.Type, Interval: p.Interval, Days: p.DaysOfWeek, Count: r.Count, Left: e.Left(), Changed: e.Changed()}
	if r.Type == "endDate" {
		s.Until = r.EndDate
	}
	return s
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
		Response: e.Response, JoinURL: e.JoinURL, ReminderOn: e.ReminderOn, ReminderMinutes: e.ReminderMinutes, Properties: map[string]string{},
	}
	shown.Series = showSeries(e)
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

// Deed is exchange.Deed as JSON, with whose mailbox it is done in.
type Deed struct {
	Tenant      string   `json:"tenant"`
	User        string   `json:"user"` // object id or address
	Event       string   `json:"event"`
	Do          string   `json:"do"` // one of exchange.Deeds
	Subject     string   `json:"subject"`
	Body        string   `json:"body"`
	Above       string   `json:"above"`
	Below       string   `json:"below"`
	Start       when     `json:"start"`
	End         when     `json:"end"`
	Invite      []string `json:"invite"`
	Minutes     int      `json:"minutes"`
	Categories  []string `json:"categories"`
	ShowAs      string   `json:"showAs"`
	Sensitivity string   `json:"sensitivity"`
	Response    string   `json:"response"`
	Calendar    string   `json:"calendar"`
	File        string   `json:"file"` // the text of a calendar file
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
	if !exchange.CanDo(d.Do) {
		return nil, fmt.Errorf("nobody can do %q; do is one of %s", d.Do, strings.Join(exchange.Deeds(), ", "))
	}
	made, err := s.Exchange.Owner(d.Tenant, d.User).Do(exchange.Deed{Do: d.Do, Event: d.Event, Subject: d.Subject, Body: d.Body,
		Above: d.Above, Below: d.Below, Start: exchange.Time{DateTime: d.Start.DateTime, Zone: d.Start.TimeZone},
		End: exchange.Time{DateTime: d.End.DateTime, Zone: d.End.TimeZone}, Invite: d.Invite, Minutes: d.Minutes, Categories: d.Categories,
		Status: d.ShowAs, Sensitivity: d.Sensitivity, Response: d.Response, Calendar: d.Calendar, File: []byte(d.File)})
	if made != "" {
		return map[string]string{"id": made}, err
	}
	return struct{}{}, err
}

// doImport takes a calendar file as it is: the body of the request.
func (s *Server) doImport(r *http.Request) (any, error) {
	file, err := io.ReadAll(io.LimitReader(r.Body, 5<<20))
	if err != nil {
		return nil, err
	}
	done, err := s.Exchange.Owner(r.URL.Query().Get("tenant"), r.URL.Query().Get("user")).Import(file)
	return map[string][]string{"added": done.Added, "updated": done.Updated, "removed": done.Removed, "ignored": done.Ignored}, err
}
