package world

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/servicebus"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
)

// Result is a delivery event as a consumer of the topic sees it.
type Result struct {
	Booking  string `json:"booking"`
	User     string `json:"user"`
	Revision int64  `json:"revision"`
	Sequence int64  `json:"sequence"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	EventID  string `json:"eventId"`
	ICS      *File  `json:"ics"`
}

// File is the calendar file of a result.
type File struct {
	Method, UID  string
	Sequence     int64
	Content, URL string
}

// Results are all delivery events on the topic, in order.
func (w *World) Results() []Result {
	var out []Result
	for _, m := range w.Broker.Peek(Changes) {
		if m.Subject != "calbridge.delivery.v1" {
			continue
		}
		var envelope struct{ Data Result }
		if err := json.Unmarshal(m.Body, &envelope); err != nil {
			panic(err) // our own event is JSON
		}
		out = append(out, envelope.Data)
	}
	return out
}

// Last is the result of a delivery that a consumer ends with: the one with the
// highest sequence. It fails when one sequence carries two results (I9).
func (w *World) Last(booking, user string) (Result, error) {
	var last Result
	bySequence := map[int64]Result{}
	for _, r := range w.Results() {
		if r.Booking != booking || r.User != user {
			continue
		}
		old, ok := bySequence[r.Sequence]
		if ok && (old.State != r.State || old.Reason != r.Reason || old.Revision != r.Revision || old.EventID != r.EventID) {
			return r, fmt.Errorf("I9: sequence %d carries %+v and %+v", r.Sequence, old, r)
		}
		bySequence[r.Sequence] = r
		if r.Sequence > last.Sequence {
			last = r
		}
	}
	return last, nil
}

// Ours are the live events that Calbridge made for a delivery, in any mailbox:
// those with its mark and a transactionId of ours, which copies lack.
func (w *World) Ours(booking, user string) []exchange.Event {
	d := key.Delivery(Organization, booking, key.User, user)
	var out []exchange.Event
	for _, box := range w.Exchange.Boxes() {
		for _, e := range box.Events {
			if Marked(e, d) && w.made(d, e.TransactionID) {
				out = append(out, e)
			}
		}
	}
	return out
}

// made reports whether a transactionId is one of the first 200 of a delivery.
func (w *World) made(d key.Key, transaction string) bool {
	known, ok := w.transactions[d]
	if !ok {
		known = map[string]bool{}
		for g := range 200 {
			known[key.TransactionID(d, g)] = true
		}
		w.transactions[d] = known
	}
	return known[transaction]
}

// Marked reports whether an event carries the mark of a delivery.
func Marked(e exchange.Event, d key.Key) bool {
	return slices.ContainsFunc(e.Properties, func(p exchange.Property) bool {
		return p.Value == d.Hex()
	})
}

// DeadLetters counts what lies in the dead-letter queues.
func (w *World) DeadLetters() int {
	n := 0
	for _, q := range []string{queue.Bookings, queue.Deliveries, queue.MailboxTasks} {
		n += len(w.Broker.Peek(servicebus.DeadLetter(q)))
	}
	return n
}
