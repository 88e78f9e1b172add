package engine

import (
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/reason"
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
		if c, ok := t.deletion(s); ok {
			messages = append(messages, message(c.Event(t.origin())))
		}
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
		Message: reason.Sentence(s.step.state, s.step.reason), EventID: s.eventAfter(), ICS: t.file(s)}
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
		Code: s.alert, State: "raised", Message: reason.Sentence(s.step.state, s.step.reason), Booking: s.row.Booking,
		Kind: t.info.Kind, Target: t.info.Target}
}

// message is the Service Bus message that carries an event (wire.md, Outbound events).
func message(e outbound.Event) queue.Message {
	return queue.Message{ID: e.ID, SessionID: e.Session, Subject: e.Type, ContentType: outbound.ContentType, Body: e.Body,
		Properties: map[string]any{"organization": e.Organization, "type": e.Type}}
}
