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
	"github.com/calbridge/calbridge/shared/version"
)

// maxRounds is how often a dead letter goes back to work.
const maxRounds = 3

// Unread takes a message that this build could not read, or that leads to rows which it
// cannot (queue.Unread). What another build wrote waits up to a day for a build that reads
// it: one of a newer version is there while an update rolls, or comes back after a
// rollback. What nobody reads in that time, and what is malformed, goes the way of dead
// letters. An error means that the bus refused.
func (e *Engine) Unread(ctx context.Context, source string, m queue.Message, why error) error {
	e.log.WarnContext(ctx, "message not read", "queue", source, "message", m.ID, "error", why)
	if version.Is(why) {
		if next, waits := m.Await(e.now(), e.jitter()); waits {
			return e.send(ctx, source, next)
		}
	}
	return e.DeadLetter(ctx, source, m)
}

// DeadLetter takes a message from the dead-letter queue of source, or one that goes the
// same way. It touches no delivery and no calendar, because it runs outside the lane: the
// message goes back to its queue, later, three times; then a lane is told to give up what
// it owed, which becomes files and an alert, a booking goes to bookings-rejected, and a
// task ends in an alert.
func (e *Engine) DeadLetter(ctx context.Context, source string, m queue.Message) error {
	round := m.Number(queue.RoundProperty) + 1
	e.log.WarnContext(ctx, "dead letter", "queue", source, "message", m.ID, "round", round)
	if round > maxRounds {
		return e.giveUp(ctx, source, m)
	}
	next := queue.Message{ID: fmt.Sprintf("%.100s.d%d", m.ID, round), // no attempt has one like it, which the bus would swallow
		SessionID: m.SessionID, Subject: m.Subject,
		ContentType: m.ContentType, Body: m.Body, ScheduledFor: e.now().Add(e.backoff(int(round), time.Minute, time.Hour)),
		Properties: map[string]any{queue.RoundProperty: round}}
	for _, name := range append([]string{queue.TraceProperty, queue.AwaitProperty, afterProperty, chainProperty, beforeProperty}, subscribe.Properties()...) {
		if v, ok := m.Properties[name]; ok {
			next.Properties[name] = v
		}
	}
	return e.send(ctx, source, next)
}

func (e *Engine) giveUp(ctx context.Context, source string, m queue.Message) error {
	switch source {
	case queue.Bookings:
		return e.giveUpBooking(ctx, m)
	case queue.MailboxTasks:
		return e.giveUpTask(ctx, m)
	}
	lane, err := key.Parse(m.SessionID)
	if err != nil {
		return e.alertDead(ctx, "alert/wake-up/"+m.ID, "", "A message of deliveries without a lane was given up; nothing is known of what it was for.")
	}
	if _, err := e.readWake(m); err == nil && m.Number(queue.AwaitProperty) == 0 {
		return e.send(ctx, queue.Deliveries, giveUpMessage(lane, e.now(), time.Time{}))
	}
	// Another build's, or for its rows: nothing is wrong with the lane, so that nothing is
	// given up. What it owes stands in its rows; it is looked at again until it can be read.
	day := e.now().UTC().Format(time.DateOnly)
	if err := e.alertDead(ctx, "alert/version/"+day, "", "Messages or rows of deliveries were written by another version, which is not running: what they are for waits."); err != nil {
		return err
	}
	return e.send(ctx, queue.Deliveries, wake(lane, e.now().Add(e.backoff(1, time.Hour, time.Hour))))
}

// alertDead tells of what was given up; the same id is the same alert.
func (e *Engine) alertDead(ctx context.Context, id, organization, text string) error {
	alert := outbound.Alert{ID: key.UUID(id), Code: "dead-letter", State: "raised", Message: text}
	return e.send(ctx, queue.Changes, message(alert.Event(e.origin(organization))))
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
// the next change of settings orders it anew. Those that no running build can read are one
// alert a day for their organisation.
func (e *Engine) giveUpTask(ctx context.Context, m queue.Message) error {
	var t task
	if err := json.Unmarshal(m.Body, &t); err != nil {
		e.log.ErrorContext(ctx, "dead task is not JSON", "message", m.ID)
		t = task{}
	}
	if m.Number(queue.AwaitProperty) != 0 {
		day := e.now().UTC().Format(time.DateOnly)
		return e.alertDead(ctx, "alert/version/tasks/"+t.Organization+"/"+day, t.Organization,
			"Tasks of mailboxes, or rows that they need, were written by another version, which is not running: they were given up.")
	}
	return e.alertDead(ctx, "alert/task/"+m.ID, t.Organization, "A task of kind "+orReason(word(t.Op), "unknown")+" was given up.")
}
