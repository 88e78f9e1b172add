package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/booking"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// maxRounds is how often a dead letter goes back to work.
const maxRounds = 3

// DeadLetter takes a message from the dead-letter queue of source. It touches no
// delivery and no calendar, because it runs outside the lane: the message goes
// back to its queue, later, three times; then a lane is told to give up what it
// owed, which becomes files and an alert, and a booking goes to bookings-rejected.
func (e *Engine) DeadLetter(ctx context.Context, source string, m queue.Message) error {
	round := property(m, "round") + 1
	e.log.WarnContext(ctx, "dead letter", "queue", source, "message", m.ID, "round", round)
	if source == queue.Bookings && round > maxRounds {
		return e.giveUpBooking(ctx, m)
	}
	if source == queue.MailboxTasks && round > maxRounds {
		return e.giveUpTask(ctx, m)
	}
	next := queue.Message{ID: fmt.Sprintf("%.100s.d%d", m.ID, round), // no attempt has one like it, which the bus would swallow
		SessionID: m.SessionID, Subject: m.Subject,
		ContentType: m.ContentType, Body: m.Body, ScheduledFor: e.now().Add(e.backoff(int(round), time.Minute, time.Hour)),
		Properties: map[string]any{"round": round}}
	for _, name := range append([]string{queue.TraceProperty, afterProperty, chainProperty}, subscribe.Properties()...) {
		if v, ok := m.Properties[name]; ok {
			next.Properties[name] = v
		}
	}
	if source == queue.Deliveries && round > maxRounds {
		lane, err := key.Parse(m.SessionID)
		if err != nil {
			e.log.ErrorContext(ctx, "dead wake-up without a lane dropped", "message", m.ID)
			return nil
		}
		next = giveUpMessage(lane, e.now(), time.Time{})
	}
	return e.send(ctx, source, next)
}

// giveUpBooking rejects a booking that could not be taken in, with an alert.
func (e *Engine) giveUpBooking(ctx context.Context, m queue.Message) error {
	bad := &booking.Invalid{Faults: []booking.Fault{{Code: reasonGaveUp,
		Detail: "The booking could not be stored, however often it was tried; send it again, or redrive it."}}}
	var known *booking.Invalid
	if d, err := booking.Decode(m.Body); err == nil {
		bad.Organization, bad.ID = d.Booking.Organization, d.Booking.ID
	} else if errors.As(err, &known) {
		bad.Organization, bad.ID = known.Organization, known.ID
	}
	alert := outbound.Alert{ID: key.UUID("alert/booking/" + m.ID), Code: "dead-letter", State: "raised",
		Message: "A booking message was given up and lies in bookings-rejected.", Booking: bad.ID}
	if err := e.send(ctx, queue.Changes, message(alert.Event(e.origin(bad.Organization)))); err != nil {
		return err
	}
	return e.reject(ctx, m, bad)
}

// giveUpTask ends a task that could not be done, with an alert; the schedule or
// the next change of settings orders it anew.
func (e *Engine) giveUpTask(ctx context.Context, m queue.Message) error {
	var t task
	if err := json.Unmarshal(m.Body, &t); err != nil {
		e.log.ErrorContext(ctx, "dead task is not JSON", "message", m.ID)
	}
	alert := outbound.Alert{ID: key.UUID("alert/task/" + m.ID), Code: "dead-letter", State: "raised",
		Message: "A task of kind " + orReason(t.Op, "unknown") + " was given up."}
	return e.send(ctx, queue.Changes, message(alert.Event(e.origin(t.Organization))))
}

// giveUpMessage tells a lane to give up what it owed before an instant.
func giveUpMessage(lane key.Key, before, at time.Time) queue.Message {
	m := wake(lane, at)
	m.Body = []byte(`{"v":1,"op":"` + opGiveUp + `"}`)
	m.Properties = map[string]any{"before": before.UTC().Format(time.RFC3339Nano)}
	return m
}

// beforeOf reads which debts a give-up means: those made before it.
func beforeOf(m queue.Message) time.Time {
	text, _ := m.Properties["before"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
