package graphtest

import (
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
)

func createHoldsContent(s suite) {
	call := s.creation(1)
	got := s.must(call)
	seen := s.seen(s.Mailbox)
	if got.Event.ID == "" || got.Event.ID != seen.ID || got.Event.ChangeKey == "" {
		s.Errorf("answer has id %q and change key %q, the mailbox %q", got.Event.ID, got.Event.ChangeKey, seen.ID)
	}
	want := call.Content
	sameTimes(s, seen, want)
	if seen.Subject != want.Subject || seen.Place != want.Location.Name || seen.Street != want.Location.Address {
		s.Errorf("subject %q, place %q, street %q", seen.Subject, seen.Place, seen.Street)
	}
	if seen.ShowAs != want.ShowAs || seen.Sensitivity != want.Sensitivity || !slices.Equal(seen.Categories, want.Categories) {
		s.Errorf("showAs %q, sensitivity %q, categories %q", seen.ShowAs, seen.Sensitivity, seen.Categories)
	}
	if !seen.ReminderOn || seen.ReminderMinutes != 90 || seen.AllDay {
		s.Errorf("reminder %t at %d, all-day %t", seen.ReminderOn, seen.ReminderMinutes, seen.AllDay)
	}
	if seen.Mark != call.Mark || seen.TransactionID != call.TransactionID || seen.Attendees != 0 {
		s.Errorf("mark %q, transaction %q, %d attendees", seen.Mark, seen.TransactionID, seen.Attendees)
	}
	if !strings.Contains(seen.Body, "Seat 1A, gate &lt;22&gt;") {
		s.Errorf("the body lost our text: %q", seen.Body)
	}
}

func sameTimes(s suite, seen Seen, want event.Event) {
	s.Helper()
	if !sameTime(seen.Start, want.Start) || !sameTime(seen.End, want.End) || seen.AllDay != want.AllDay {
		s.Errorf("from %v to %v, all-day %t; want %v to %v, %t", seen.Start, seen.End, seen.AllDay, want.Start, want.End, want.AllDay)
	}
}

// sameTime compares wall clocks; Exchange adds fractions of a second.
func sameTime(a, b event.Time) bool {
	return strings.TrimRight(strings.TrimRight(a.DateTime, "0"), ".") == strings.TrimRight(strings.TrimRight(b.DateTime, "0"), ".") && a.Zone == b.Zone
}

func allDay(s suite) {
	call := s.creation(1)
	call.Content.AllDay = true
	call.Content.Start = event.Time{DateTime: "2026-12-01T00:00:00", Zone: "Asia/Tokyo"}
	call.Content.End = event.Time{DateTime: "2026-12-04T00:00:00", Zone: "Asia/Tokyo"}
	call.Content.ReminderMinutes = -1
	s.must(call)
	seen := s.seen(s.Mailbox)
	if !seen.AllDay || !strings.HasPrefix(seen.Start.DateTime, "2026-12-01T00:00:00") || !strings.HasPrefix(seen.End.DateTime, "2026-12-04T00:00:00") {
		s.Errorf("all-day %t from %v to %v", seen.AllDay, seen.Start, seen.End)
	}
	if seen.ReminderOn {
		s.Error("a reminder is on that was not asked for")
	}
}

func getTells(s suite) {
	call := s.creation(1)
	made := s.must(call).Event
	got := s.must(s.get(made.ID)).Event
	if got.ID != made.ID || got.ChangeKey != made.ChangeKey || got.Mark != call.Mark || got.TransactionID != call.TransactionID {
		s.Errorf("got %+v after creating %+v", got, made)
	}
	if got.ICalUID == "" || got.Created.IsZero() || got.Cancelled || got.Body != "" {
		s.Errorf("uid %q, created %v, cancelled %t, body %q", got.ICalUID, got.Created, got.Cancelled, got.Body)
	}
}

func getBody(s suite) {
	call := s.get(s.create(1).ID)
	call.WithBody = true
	if got := s.must(call).Event; !strings.Contains(got.Body, "Seat 1A") {
		s.Errorf("body %q", got.Body)
	}
}

// Every field alone: what is sent changes, and nothing beside it.
func patchNamed(s suite) {
	made := s.create(1)
	other := event.Event{
		Subject: "Moved", Body: "<p>New text</p>",
		Start:    event.Time{DateTime: "2026-12-02T08:00:00", Zone: "Asia/Tokyo"},
		End:      event.Time{DateTime: "2026-12-02T09:00:00", Zone: "Asia/Tokyo"},
		Location: event.Location{Name: "Gate 5", Address: "Tokyo"},
		ShowAs:   "oof", Sensitivity: "normal", Categories: []string{"Red"}, ReminderMinutes: 5,
	}
	before, last := s.seen(s.Mailbox), made.ChangeKey
	for field := event.Subject; field <= event.Reminder; field <<= 1 {
		got := s.must(graph.Call{Op: graph.Patch, Mailbox: s.Mailbox, Event: made.ID, Set: field, Content: other}).Event
		if got.ID != made.ID || got.ChangeKey == last || got.ChangeKey == "" {
			s.Errorf("field %b: answer has id %q and key %q after %q", field, got.ID, got.ChangeKey, last)
		}
		after := s.seen(s.Mailbox)
		if changed := difference(before, after); changed != field {
			s.Errorf("sending %b changed %b", field, changed)
		}
		before, last = after, got.ChangeKey
	}
	if after := s.seen(s.Mailbox); after.Mark != s.creation(1).Mark || after.TransactionID != s.creation(1).TransactionID {
		s.Error("a patch lost the mark or the transaction")
	}
}

// difference is the set of fields in which two states of an event differ.
func difference(a, b Seen) event.Fields {
	var f event.Fields
	add := func(differs bool, field event.Fields) {
		if differs {
			f |= field
		}
	}
	add(a.Subject != b.Subject, event.Subject)
	add(a.Body != b.Body, event.Body)
	add(a.Start != b.Start || a.End != b.End || a.AllDay != b.AllDay, event.When)
	add(a.Place != b.Place || a.Street != b.Street, event.Place)
	add(a.ShowAs != b.ShowAs, event.ShowAs)
	add(a.Sensitivity != b.Sensitivity, event.Sensitivity)
	add(!slices.Equal(a.Categories, b.Categories), event.Categories)
	add(a.ReminderOn != b.ReminderOn || a.ReminderMinutes != b.ReminderMinutes, event.Reminder)
	return f
}

func patchClears(s suite) {
	made := s.create(1)
	s.must(graph.Call{
		Op: graph.Patch, Mailbox: s.Mailbox, Event: made.ID,
		Set:     event.Place | event.Categories | event.Reminder,
		Content: event.Event{ReminderMinutes: -1},
	})
	seen := s.seen(s.Mailbox)
	if seen.Place != "" || seen.Street != "" || len(seen.Categories) != 0 || seen.ReminderOn {
		s.Errorf("left: place %q, street %q, categories %q, reminder %t", seen.Place, seen.Street, seen.Categories, seen.ReminderOn)
	}
	if seen.Subject != flight(1).Subject {
		s.Errorf("subject %q", seen.Subject)
	}
}

func patchMergedBody(s suite) {
	made := s.create(1)
	s.must(graph.Call{
		Op: graph.Patch, Mailbox: s.Mailbox, Event: made.ID, Set: event.Body,
		Content: event.Event{Body: "<p>ours</p>"}, Body: "<p>theirs</p><p>ours</p>",
	})
	if seen := s.seen(s.Mailbox); !strings.Contains(seen.Body, "theirs") {
		s.Errorf("body %q", seen.Body)
	}
}

func noMail(s suite) {
	made := s.create(1)
	s.must(s.retitle(made.ID, "Later"))
	s.must(graph.Call{Op: graph.Patch, Mailbox: s.Mailbox, Event: made.ID, Set: event.All, Content: flight(2)})
	s.must(s.delete(made.ID))
	if n := s.World.Mails(); n != 0 {
		s.Errorf("%d mails were sent", n)
	}
}
