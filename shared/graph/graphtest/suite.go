package graphtest

import (
	"fmt"
	"testing"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
)

// suite is one case's view: the harness and a few words to tell the story with.
type suite struct {
	*testing.T
	Harness
}

// do makes calls in the harness's tenant.
func (s suite) do(calls ...graph.Call) []graph.Result {
	s.Helper()
	results := s.Calendar.Do(s.Context(), graph.AppAccess(s.Tenant), calls)
	if len(results) != len(calls) {
		s.Fatalf("%d results for %d calls", len(results), len(calls))
	}
	return results
}

// one makes one call, which may fail.
func (s suite) one(c graph.Call) graph.Result {
	s.Helper()
	return s.do(c)[0]
}

// must makes one call, which may not fail.
func (s suite) must(c graph.Call) graph.Result {
	s.Helper()
	r := s.one(c)
	if r.Err != nil {
		s.Fatalf("%v: %v (cause %v)", c.Op, r.Err, r.Err.Cause)
	}
	return r
}

// create makes delivery n in the harness's mailbox.
func (s suite) create(n int) graph.Event {
	s.Helper()
	return s.must(s.creation(n)).Event
}

// creation is the call that makes delivery n.
func (s suite) creation(n int) graph.Call {
	delivery := key.Delivery("acme", fmt.Sprint("PNR/", n), key.User, "u-1")
	return graph.Call{
		Op: graph.Create, Mailbox: s.Mailbox,
		Mark: delivery.Hex(), TransactionID: key.TransactionID(delivery, 1),
		Content: flight(n),
	}
}

func (s suite) get(id string) graph.Call {
	return graph.Call{Op: graph.Get, Mailbox: s.Mailbox, Event: id}
}

func (s suite) find(n int) graph.Call {
	return graph.Call{Op: graph.Find, Mailbox: s.Mailbox, Mark: s.creation(n).Mark}
}

func (s suite) delete(id string) graph.Call {
	return graph.Call{Op: graph.Delete, Mailbox: s.Mailbox, Event: id}
}

func (s suite) retitle(id, subject string) graph.Call {
	return graph.Call{
		Op: graph.Patch, Mailbox: s.Mailbox, Event: id,
		Set: event.Subject, Content: event.Event{Subject: subject},
	}
}

// seen returns the only event of a mailbox.
func (s suite) seen(mailbox string) Seen {
	s.Helper()
	all := s.World.Events(mailbox)
	if len(all) != 1 {
		s.Fatalf("%d events in the mailbox, want 1", len(all))
	}
	return all[0]
}

// lives checks how many events a mailbox holds.
func (s suite) lives(mailbox string, want int) {
	s.Helper()
	if got := len(s.World.Events(mailbox)); got != want {
		s.Errorf("%d events live in the mailbox, want %d", got, want)
	}
}

// fails checks the kind and reason of a failure, and whether it was answered.
func (s suite) fails(what string, r graph.Result, kind graph.Kind, reason string, unanswered bool) {
	s.Helper()
	switch {
	case r.Err == nil:
		s.Errorf("%s succeeded, want %v", what, kind)
	case r.Err.Kind != kind || r.Err.Reason != reason || r.Err.Unanswered != unanswered:
		s.Errorf("%s: %v, reason %q, unanswered %t (cause %v); want %v, reason %q, unanswered %t",
			what, r.Err, r.Err.Reason, r.Err.Unanswered, r.Err.Cause, kind, reason, unanswered)
	}
}

// flight is an event with every field set, over two zones.
func flight(n int) event.Event {
	return event.Event{
		Subject:  fmt.Sprintf("AY%04d Helsinki – London ✈", n),
		Body:     fmt.Sprintf("<div id=\"calbridge\"><p>Seat %dA, gate &lt;22&gt;</p></div>", n),
		Start:    event.Time{DateTime: "2026-12-01T16:05:00", Zone: "Europe/Helsinki"},
		End:      event.Time{DateTime: "2026-12-01T17:20:00", Zone: "Europe/London"},
		Location: event.Location{Name: "HEL", Address: "Lentäjäntie 3, Vantaa"},
		ShowAs:   "tentative", Sensitivity: "private",
		Categories:      []string{"Travel", "Blue category"},
		ReminderMinutes: 90,
	}
}
