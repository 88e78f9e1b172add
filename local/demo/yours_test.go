package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/examples"
	"github.com/calbridge/calbridge/shared/booking"
)

func TestTheBookingToSendByHandIsANewOneOfTomorrow(t *testing.T) {
	now := time.Date(2026, 12, 31, 12, 0, 0, 0, time.UTC)
	story, err := Load(examples.FS, now)
	if err != nil {
		t.Fatal(err)
	}
	first := story.Steps[0].Booking
	first.People[0].Email = "o'brien@acme.example"
	text, err := yours(first, now)
	if err != nil {
		t.Fatal(err)
	}
	m, err := booking.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "'") || m.Booking.Start.DateTime != "2027-01-01T09:00:00" || m.Booking.People[0].Email != "o'brien@acme.example" {
		t.Errorf("%s", text)
	}
	for _, step := range story.Steps {
		if step.Booking.ID == m.Booking.ID {
			t.Errorf("%s is a booking of the story", step.Booking.ID)
		}
	}
}
