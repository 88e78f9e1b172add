package demo

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/calbridge/calbridge/examples"
)

// Whatever day it is, and over both changes of summer time, the story's Monday
// becomes the next one, and its wall clocks stay.
func TestTheStoryTakesPlaceNextWeek(t *testing.T) {
	for day := time.Date(2026, 1, 1, 23, 30, 0, 0, time.UTC); day.Year() < 2029; day = day.AddDate(0, 0, 1) {
		s, err := Load(examples.FS, day)
		if err != nil {
			t.Fatalf("%s: %v", day, err)
		}
		start := s.Steps[0].Booking.Start.DateTime
		got, err := time.Parse("2006-01-02T15:04:05", start)
		if err != nil {
			t.Fatal(err)
		}
		ahead := got.Sub(day)
		if got.Weekday() != time.Monday || got.Hour() != 16 || got.Minute() != 5 || ahead <= 0 || ahead > 8*24*time.Hour {
			t.Fatalf("on %s the flight leaves %s", day.Format(time.DateOnly), start)
		}
	}
}

func TestAStoryThatDoesNotFitIsRefused(t *testing.T) {
	good := fstest.MapFS{
		"tenants.json":            {Data: []byte(`{"tenants":[{"organization":"acme"}]}`)},
		"organizations/acme.json": {Data: []byte(`{}`)},
		"expected.json":           {Data: []byte(`{"steps":[{"file":"b.json","answer":202}]}`)},
		"bookings/b.json":         {Data: []byte(`{"specversion":"1.0","id":"1","source":"s","type":"calbridge.booking.v1","data":{"organization":"acme","id":"b","revision":1,"status":"confirmed","title":"T"}}`)},
	}
	if _, err := Load(good, time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"tenants.json": "{", "expected.json": `{"steps":[{"file":"none.json"}]}`, "bookings/b.json": `{"type":"x"}`, "organizations/acme.json": "",
	} {
		bad := fstest.MapFS{}
		for file, content := range good {
			bad[file] = content
		}
		bad[name] = &fstest.MapFile{Data: []byte(text)}
		if text == "" {
			delete(bad, name)
		}
		if _, err := Load(bad, time.Now()); err == nil {
			t.Errorf("%s as %q was accepted", name, text)
		}
	}
}

func TestARealTenantGetsOnlyThePeopleNamed(t *testing.T) {
	s, err := Load(examples.FS, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.Own("tenant", []string{"me@real.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range own.Steps {
		if strings.Contains(string(step.Event), "acme.example") && step.Answer == 202 {
			t.Errorf("%s still names somebody of the simulator", step.File)
		}
		for _, p := range step.Booking.People {
			if p.Mailbox() != "me@real.example" {
				t.Errorf("%s is for %q", step.File, p.Mailbox())
			}
		}
	}
}
