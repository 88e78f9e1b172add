package soak

import (
	"fmt"
	"slices"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
)

// findings count what is not as it must be.
type findings struct {
	deliveries                      int
	lost, double, left, mails, dead int
}

// held is an event in a mailbox.
type held struct {
	box   string
	event exchange.Event
}

// check compares calendars and results with what the booking app knows.
func (s *soak) check(f *feeder) findings {
	var out findings
	marked := s.marked()
	for _, b := range f.bookings {
		for p, removed := range b.everyone {
			out.deliveries++
			user := fmt.Sprintf("p%d", p)
			events := marked[key.Delivery(organization, b.id, key.User, user).Hex()]
			wanted := removed == 0 && !b.cancelled
			if len(events) > 1 {
				out.double++
				s.t.Errorf("double: %s has %d events of %s", user, len(events), b.id)
			}
			if fault := s.fault(b, user, removed, wanted, events); fault != "" {
				out.lost++
				s.t.Errorf("lost: %s for %s (revision %d, cancelled %t, taken off in %d): %s", b.id, user, b.revision, b.cancelled, removed, fault)
			}
			if !wanted && len(events) > 0 {
				out.left++
				s.t.Errorf("left: %s has %s, which nobody wants there", user, b.id)
			}
		}
	}
	if out.mails = len(s.M365.Exchange.Mails()); out.mails > 0 {
		s.t.Errorf("%d mails", out.mails)
	}
	if listed := s.M365.Exchange.Strangers(); len(listed) > 0 {
		s.t.Errorf("%d calendars were listed that are only written to: %.200q", len(listed), listed)
	}
	for path, n := range s.left() {
		out.dead += n
		s.t.Errorf("%d messages in %s", n, path)
	}
	if n := len(s.Bus.Peek(queue.Rejected)); n > 0 {
		out.dead += n
		s.t.Errorf("%d bookings refused", n)
	}
	return out
}

// fault is what is wrong with a delivery: its event or its result; empty if nothing is.
func (s *soak) fault(b *booking, user string, removed int64, wanted bool, events []held) string {
	last, ok := s.changes.Latest(stack.Target{Organization: organization, Booking: b.id, User: user})
	switch {
	case wanted && len(events) == 0:
		return fmt.Sprintf("no event; the last result is %q of revision %d", last.Result(), last.Revision)
	case wanted && events[0].event.Subject != b.title():
		return fmt.Sprintf("the event says %q", events[0].event.Subject)
	case wanted && events[0].box != user+"@acme.example":
		return "the event is in another mailbox"
	case !ok && removed > 0:
		return "" // taken off before the first revision was read: nobody was told of it
	case !ok:
		return "no result"
	case wanted && (last.State != "written" || last.Revision != b.revision || last.EventID != events[0].event.ID):
		return fmt.Sprintf("the last result is %q of revision %d, event %s", last.Result(), last.Revision, last.EventID)
	case !wanted && (last.State == "written" || last.Revision < removed || removed == 0 && last.Revision != b.revision):
		return fmt.Sprintf("the last result is %q of revision %d", last.Result(), last.Revision)
	}
	return ""
}

// marked are all events by the delivery that they are marked with.
func (s *soak) marked() map[string][]held {
	out := map[string][]held{}
	for _, box := range s.M365.Exchange.Boxes() {
		for _, e := range box.Events {
			i := slices.IndexFunc(e.Properties, func(p exchange.Property) bool { return len(p.Value) == key.Size*2 })
			if i < 0 {
				s.t.Errorf("an event without mark in %s", box.User.Principal)
				continue
			}
			out[e.Properties[i].Value] = append(out[e.Properties[i].Value], held{box.User.Principal, e})
		}
	}
	return out
}
