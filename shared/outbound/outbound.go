// Package outbound builds the events that Calbridge publishes on the topic
// changes, and those alone know their exact form (wire.md, Outbound events).
//
// Each is a CloudEvents 1.0 event in JSON. A consumer may see an event more than
// once with the same id, and the result of a delivery again with a higher
// sequence; it drops what it knows and what is lower. The JSON Schemas stand in
// docs/schemas.
//
// The envelope is written here and not by the CloudEvents SDK, which would add
// its own JSON library to the binary for nine members that never vary.
//
// Guessed, since wire.md names no members: those of calbridge.alert.v1.
//
// The package is pure.
package outbound

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/problem"
)

// Types of the events.
const (
	TypeDelivery       = "calbridge.delivery.v1"
	TypeRejected       = "calbridge.rejected.v1"
	TypeAlert          = "calbridge.alert.v1"
	TypeAppointment    = "calbridge.appointment.v1"
	TypeBookingChanged = "calbridge.booking.changed.v1"
	TypeConnection     = "calbridge.connection.v1"
	TypeConsent        = "calbridge.consent.v1"
)

// ContentType is that of the Service Bus message that carries an event.
const ContentType = "application/cloudevents+json; charset=utf-8"

// Event is an event with what its message needs: MessageId is ID, Subject is
// Type, SessionId is Session, the properties organization and type are
// Organization and Type.
type Event struct {
	ID, Type, Organization, Session string
	Body                            []byte
}

// Origin is where an event comes from.
type Origin struct {
	PublicURL    string // PUBLIC_URL, without slash at its end
	Organization string // "" where none could be told
	Time         time.Time
}

// source is the address of the organisation; of nobody, that of all.
func (o Origin) source() string {
	if o.Organization == "" {
		return o.PublicURL + "/api/organizations"
	}
	return o.PublicURL + "/api/organizations/" + o.Organization
}

// Delivery is the result of one booking for one target.
type Delivery struct {
	Booking  string // its id
	Kind, ID string // key.User or key.Room, and which
	Revision int64
	Sequence int64  // only grows per delivery; may skip
	State    string // written, removed, ics or skipped
	Reason   string // "" for written
	Message  string // a sentence for people; may be empty
	EventID  string // Graph's id of the event that is there, if any
	ICS      *ICS   // when State is ics and there is a file
}

// ICS is a calendar file, carried or linked.
type ICS struct {
	Method   string `json:"method"` // PUBLISH or CANCEL
	UID      string `json:"uid"`
	Sequence int64  `json:"sequence"`
	Content  string `json:"content,omitempty"` // at most 64 KiB, else
	URL      string `json:"url,omitempty"`     // which needs the function key
}

// DeliveryID is the id of a delivery's event: a re-send of the same attempt has
// the same one (wire.md, Keys).
func DeliveryID(delivery key.Key, sequence, revision int64, state, reason string) string {
	return key.UUID(fmt.Sprintf("%s/%d/%d/%s/%s", delivery.Hex(), sequence, revision, state, reason))
}

// Event is calbridge.delivery.v1.
func (d Delivery) Event(o Origin) Event {
	data := struct {
		Booking  string `json:"booking"`
		User     string `json:"user,omitempty"`
		Room     string `json:"room,omitempty"`
		Revision int64  `json:"revision"`
		Sequence int64  `json:"sequence"`
		State    string `json:"state"`
		Reason   string `json:"reason,omitempty"`
		Message  string `json:"message,omitempty"`
		EventID  string `json:"eventId,omitempty"`
		ICS      *ICS   `json:"ics,omitempty"`
	}{Booking: d.Booking, Revision: d.Revision, Sequence: d.Sequence, State: d.State,
		Reason: d.Reason, Message: d.Message, EventID: d.EventID, ICS: d.ICS}
	if d.Kind == key.Room {
		data.Room = d.ID
	} else {
		data.User = d.ID
	}
	id := DeliveryID(key.Delivery(o.Organization, d.Booking, d.Kind, d.ID), d.Sequence, d.Revision, d.State, d.Reason)
	return o.event(id, TypeDelivery, d.Booking, key.Lane(o.Organization, d.Kind, d.ID), data)
}

// Rejected tells that a booking message could not be understood. Its
// organisation, in Origin, and ID are best effort, "" where they could not be read.
type Rejected struct {
	MessageID string // of the message in bookings-rejected
	ID        string // of the booking
	Faults    []problem.Fault
}

// Event is calbridge.rejected.v1. The same message gives the same id.
func (r Rejected) Event(o Origin) Event {
	data := struct {
		MessageID    string          `json:"messageId"`
		Organization string          `json:"organization,omitempty"`
		ID           string          `json:"id,omitempty"`
		Faults       []problem.Fault `json:"faults"`
	}{r.MessageID, o.Organization, r.ID, r.Faults}
	if data.Faults == nil {
		data.Faults = []problem.Fault{}
	}
	return o.event(key.UUID("rejected/"+r.MessageID), TypeRejected, r.ID, key.Organization(o.Organization), data)
}

// Alert tells the operator or an organisation that something needs a person.
type Alert struct {
	ID      string // of the event; the same for a re-send
	Code    string // short and stable, made for programs, e.g. dead-letter
	State   string // raised, or over
	Message string // a sentence for people, without addresses and subjects
	Booking string // the booking it is about, if one
	Kind    string // with Target: the user or room it is about, if one
	Target  string
}

// Event is calbridge.alert.v1.
func (a Alert) Event(o Origin) Event {
	data := struct {
		Code    string `json:"code"`
		State   string `json:"state"`
		Message string `json:"message"`
		Booking string `json:"booking,omitempty"`
		User    string `json:"user,omitempty"`
		Room    string `json:"room,omitempty"`
	}{Code: a.Code, State: a.State, Message: a.Message, Booking: a.Booking}
	switch a.Kind {
	case key.User:
		data.User = a.Target
	case key.Room:
		data.Room = a.Target
	}
	return o.event(a.ID, TypeAlert, a.Booking, key.Organization(o.Organization), data)
}

// envelope has its members in the order in which people read them.
type envelope struct {
	SpecVersion     string `json:"specversion"`
	ID              string `json:"id"`
	Source          string `json:"source"`
	Type            string `json:"type"`
	Subject         string `json:"subject,omitempty"` // CloudEvents: not empty if there
	Time            string `json:"time"`
	DataContentType string `json:"datacontenttype"`
	Data            any    `json:"data"`
}

func (o Origin) event(id, kind, subject string, session key.Key, data any) Event {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(envelope{
		SpecVersion: "1.0", ID: id, Source: o.source(), Type: kind, Subject: subject,
		Time: o.Time.UTC().Format(time.RFC3339Nano), DataContentType: "application/json", Data: data,
	})
	if err != nil {
		panic(err) // strings and integers always encode
	}
	return Event{ID: id, Type: kind, Organization: o.Organization, Session: session.String(), Body: bytes.TrimRight(body.Bytes(), "\n")}
}
