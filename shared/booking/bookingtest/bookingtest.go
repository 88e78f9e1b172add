// Package bookingtest makes booking messages for tests.
package bookingtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/calbridge/calbridge/shared/booking"
)

// Data is the member data of an event; a test changes it as it likes.
type Data = map[string]any

// Flight crosses two zones; one traveller.
func Flight(organization, id string, revision int64) Data {
	return Data{
		"organization": organization, "id": id, "revision": revision, "status": "confirmed",
		"title": "AY1331 Helsinki - London", "description": Data{"text": "Seat 12A\nHand luggage only"},
		"url":      "https://travel.example.com/trips/7QX?leg=1&lang=fi",
		"location": Data{"name": "HEL", "address": "Helsinki Airport, Terminal 2"},
		"start":    Data{"dateTime": "2026-12-01T16:05:00", "timeZone": "Europe/Helsinki"},
		"end":      Data{"dateTime": "2026-12-01T17:20:00", "timeZone": "Europe/London"},
		"people":   []any{Person("u-17", "aino@acme.example", "Aino")},
	}
}

// Hotel is three nights as an all-day booking without a zone.
func Hotel(organization, id string, revision int64) Data {
	return Data{
		"organization": organization, "id": id, "revision": revision, "status": "tentative",
		"title": "Hotel Torni", "allDay": true,
		"start":  Data{"dateTime": "2026-12-01T00:00:00"},
		"end":    Data{"dateTime": "2026-12-04T00:00:00"},
		"people": []any{Person("u-17", "aino@acme.example", "Aino")},
	}
}

// Training is a session with an organiser and learners u-1 to u-<learners>.
func Training(organization, id string, revision int64, learners int) Data {
	people := []any{Data{"user": "t-1", "email": "trainer@acme.example", "name": "Tuija Trainer", "role": "organizer"}}
	for i := range learners {
		people = append(people, Person(fmt.Sprintf("u-%d", i+1), fmt.Sprintf("learner%d@acme.example", i+1), fmt.Sprintf("Learner %d", i+1)))
	}
	return Data{
		"organization": organization, "id": id, "revision": revision, "status": "confirmed",
		"title":  "Fire safety",
		"start":  Data{"dateTime": "2026-12-02T09:00:00", "timeZone": "Europe/Berlin"},
		"end":    Data{"dateTime": "2026-12-02T11:00:00", "timeZone": "Europe/Berlin"},
		"people": people, "categories": []any{"Training"},
	}
}

// Person is an entry of people.
func Person(user, email, name string) Data {
	return Data{"user": user, "email": email, "name": name}
}

// With returns data with some members set; a name like "start.timeZone" reaches
// into objects, which are copied. A nil value takes the member away.
func With(data Data, changes Data) Data {
	data = maps.Clone(data)
	for name, value := range changes {
		set(data, strings.Split(name, "."), value)
	}
	return data
}

func set(data Data, path []string, value any) {
	if len(path) > 1 {
		inner, _ := data[path[0]].(Data)
		inner = maps.Clone(inner)
		if inner == nil {
			inner = Data{}
		}
		data[path[0]] = inner
		set(inner, path[1:], value)
		return
	}
	if value == nil {
		delete(data, path[0])
		return
	}
	data[path[0]] = value
}

// Event wraps data as a CloudEvents event.
func Event(data Data) []byte {
	return Encode(Data{
		"specversion": "1.0", "id": "6b1f5a4e", "source": "https://app.example.com", "type": booking.Type,
		"time": "2026-11-01T08:00:00Z", "datacontenttype": "application/json", "data": data,
	})
}

// Encode is JSON of whatever a test made.
func Encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test holds what JSON cannot
	}
	return text
}

// Booking is the booking that data means, decoded. It panics with the faults
// where Decode refuses it.
func Booking(data Data) booking.Booking {
	m, err := booking.Decode(Event(data))
	if err != nil {
		panic(err)
	}
	return m.Booking
}
