package engine

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// publish tells the topic each result, under the number that its intent reserved.
// A delete on the way to something else has none.
func (t *turn) publish(ctx context.Context) error {
	var messages []queue.Message
	for _, s := range t.slots {
		if s.fate != done || s.step.outcome != final || !s.mine {
			continue
		}
		messages = append(messages, message(t.delivered(s).Event(t.origin())))
		if s.alert != "" {
			messages = append(messages, message(t.alert(s).Event(t.origin())))
		}
	}
	return t.send(ctx, queue.Changes, messages...)
}

func (t *turn) origin() outbound.Origin {
	return outbound.Origin{PublicURL: t.publicURL, Organization: t.info.Organization, Time: t.now()}
}

func (t *turn) delivered(s *slot) outbound.Delivery {
	return outbound.Delivery{Booking: s.row.Booking, Kind: t.info.Kind, ID: t.info.Target, Revision: s.want.revision,
		Sequence: s.row.Intent.Sequence, State: s.step.state, Reason: s.step.reason,
		Message: sentence(s.step.state, s.step.reason), EventID: s.eventAfter()}
}

// eventAfter is the event that is there once the step is done.
func (s *slot) eventAfter() string {
	switch {
	case s.step.state == Written && s.step.op != state.OpNone:
		return s.result.ID
	case s.step.state == Written:
		return s.step.event
	case s.want.hold:
		return s.row.Event
	}
	return ""
}

func (t *turn) alert(s *slot) outbound.Alert {
	return outbound.Alert{ID: key.UUID(fmt.Sprintf("alert/%s/%d/%s", s.row.Key.Hex(), s.row.Intent.Sequence, s.alert)),
		Code: s.alert, State: "raised", Message: sentence(s.step.state, s.step.reason), Booking: s.row.Booking,
		Kind: t.info.Kind, Target: t.info.Target}
}

// message is the Service Bus message that carries an event (wire.md, Outbound events).
func message(e outbound.Event) queue.Message {
	return queue.Message{ID: e.ID, SessionID: e.Session, Subject: e.Type, ContentType: outbound.ContentType, Body: e.Body,
		Properties: map[string]any{"organization": e.Organization, "type": e.Type}}
}

// sentence says a result in plain words, for people who read the topic or the
// booking's status.
func sentence(state, reason string) string {
	switch state {
	case Written:
		return "The booking is in the calendar."
	case Pending:
		return "The booking was accepted and is about to be written."
	}
	if s, ok := sentences()[reason]; ok {
		return s
	}
	return "The calendar was not changed: " + reason + "."
}

func sentences() map[string]string {
	return map[string]string{
		reasonCancelled:       "The booking was cancelled.",
		reasonNotInvited:      "The person is no longer on the booking.",
		reasonModuleOff:       "Calendar integration is switched off for the organisation.",
		reasonSyncOff:         "Calendar sync is switched off for the organisation.",
		reasonNotConnected:    "No calendar is connected.",
		reasonConsent:         "The organisation's Microsoft 365 tenant has not consented to Calbridge.",
		reasonNotFound:        "No Microsoft 365 mailbox was found for the address.",
		reasonRecurrence:      "The series cannot be written as calendar events.",
		reasonRefused:         "Microsoft 365 refused the event; the operator has been alerted.",
		reasonGaveUp:          "The calendar could not be written for a day; the operator has been alerted.",
		reasonNotAssigned:     "The session is not assigned to the person.",
		reasonNotScheduled:    "The booking has no time yet.",
		reasonPast:            "The booking is over.",
		reasonByUser:          "The person deleted the event from the calendar.",
		reasonDuplicate:       "Another person on the booking has the same mailbox and got the event.",
		"mailbox-on-premises": "The mailbox is on an Exchange server of the organisation; it has to move to Exchange Online.",
		"mailbox-unavailable": "The mailbox is inactive, without licence, on premises, or not ready yet.",
		"outside-scope":       "The mailbox is outside what the organisation allowed Calbridge to reach.",
		"needs-reauth":        "The person has to connect the calendar again.",
		"blocked-by-policy":   "A policy of the organisation keeps Calbridge out.",
	}
}
