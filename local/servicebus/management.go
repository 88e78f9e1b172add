package servicebus

import (
	"fmt"
	"time"

	"github.com/Azure/go-amqp"
)

// $cbs and $management: requests answered by messages, of which go-amqp reads
// and writes the bytes.

const (
	statusOK        = 200
	statusAccepted  = 202
	statusNoContent = 204
	statusBad       = 400
	statusNotFound  = 404
	statusGone      = 410 // a lock is lost
	statusNotBuilt  = 501
)

// putToken accepts every token.
func putToken(_ *link, request []byte) ([]byte, string, error) {
	return answerRequest(request, func(map[string]any, *amqp.Message) (map[string]any, int, error) {
		return nil, statusAccepted, nil
	})
}

// openManagement makes a link to the management node of a queue, topic,
// subscription or dead-letter queue.
func (l *link) openManagement(base string) error {
	b := l.s.c.b
	e, s := b.senders[base], b.stores[base]
	if e == nil && s == nil {
		return refuse(NotFound, "the messaging entity could not be found")
	}
	l.node = management{b, e, s}.answer
	return nil
}

// management is the node of one entity; one of entity and store may be nil.
type management struct {
	b      *Broker
	entity *entity
	store  *store
}

func (n management) answer(l *link, request []byte) ([]byte, string, error) {
	return answerRequest(request, func(body map[string]any, m *amqp.Message) (map[string]any, int, error) {
		n.b.mu.Lock()
		defer n.b.mu.Unlock()
		operation, _ := m.ApplicationProperties["operation"].(string)
		if n.entity != nil {
			switch operation {
			case "com.microsoft:schedule-message":
				return n.schedule(body)
			case "com.microsoft:cancel-scheduled-message":
				return n.cancel(body)
			}
		}
		if n.store != nil {
			n.store.owner.settle(n.b.Now())
			switch operation {
			case "com.microsoft:renew-lock":
				return n.renew(body)
			case "com.microsoft:renew-session-lock":
				associated, _ := m.ApplicationProperties["associated-link-name"].(string)
				return n.renewSession(body, l.s.c.holderOf(associated))
			case "com.microsoft:peek-message":
				return n.peek(body)
			case "com.microsoft:update-disposition":
				return n.dispose(body)
			}
		}
		return nil, statusNotBuilt, fmt.Errorf("operation %s is not built", operation)
	})
}

// answerRequest decodes a request, has it done, and encodes the answer.
func answerRequest(request []byte, do func(body map[string]any, m *amqp.Message) (map[string]any, int, error)) ([]byte, string, error) {
	var m amqp.Message
	if err := m.UnmarshalBinary(request); err != nil || m.Properties == nil {
		return nil, "", refuse(DecodeError, "the request could not be read")
	}
	body, _ := m.Value.(map[string]any)
	value, status, err := do(body, &m)
	description := "OK"
	if err != nil {
		description = err.Error()
	}
	answer := amqp.Message{
		Properties: &amqp.MessageProperties{CorrelationID: m.Properties.MessageID},
		ApplicationProperties: map[string]any{
			"statusCode":        int32(status),
			"statusDescription": description,
		},
	}
	if value != nil {
		answer.Value = value
	}
	out, err := answer.MarshalBinary()
	return out, text(m.Properties.ReplyTo), err
}

// answerTo queues an answer on the link that the client named.
func (c *conn) answerTo(reply string, payload []byte) {
	for _, s := range c.sessions {
		for _, l := range s.links {
			if !l.incoming && l.store == nil && !l.closing && l.reply == reply {
				l.answers = append(l.answers, payload)
				l.attend()
				return
			}
		}
	}
}

// holderOf is the session held by a link of that name.
func (c *conn) holderOf(name string) *Session {
	for _, s := range c.sessions {
		for _, l := range s.links {
			if l.name == name {
				return l.holder
			}
		}
	}
	return nil
}

// status of a refusal, as the SDK branches on it.
func refused(err error) (map[string]any, int, error) {
	switch asError(err).Condition {
	case MessageLockLost, SessionLockLost:
		return nil, statusGone, err
	case messageNotFound:
		return nil, statusNotFound, err
	}
	return nil, statusBad, err
}

func (n management) schedule(body map[string]any) (map[string]any, int, error) {
	list, _ := body["messages"].([]any)
	var batch []*incoming
	for _, entry := range list {
		fields, _ := entry.(map[string]any)
		payload, _ := fields["message"].([]byte)
		m, err := decodeOne(payload)
		if err != nil {
			return nil, statusBad, fmt.Errorf("a message could not be read")
		}
		batch = append(batch, m)
	}
	numbers, err := n.entity.accept(batch, n.b.Now())
	if err != nil {
		return refused(err)
	}
	return map[string]any{"sequence-numbers": numbers}, statusOK, nil
}

func (n management) cancel(body map[string]any) (map[string]any, int, error) {
	numbers, _ := body["sequence-numbers"].([]int64)
	if err := n.entity.cancel(numbers, n.b.Now()); err != nil {
		return refused(err)
	}
	return nil, statusOK, nil
}

func (n management) renew(body map[string]any) (map[string]any, int, error) {
	tokens, _ := body["lock-tokens"].([]amqp.UUID)
	now := n.b.Now()
	var until []time.Time
	for _, t := range tokens {
		m, err := n.store.find(Token(t))
		if err != nil {
			return refused(err)
		}
		at, err := n.store.renew(m, now)
		if err != nil {
			return refused(err)
		}
		until = append(until, at)
	}
	return map[string]any{"expirations": until}, statusOK, nil
}

func (n management) renewSession(body map[string]any, h *Session) (map[string]any, int, error) {
	id, _ := body["session-id"].(string)
	if h == nil || h.s != n.store || h.lane.id != id {
		return refused(refuse(SessionLockLost, "the session is not held on that link"))
	}
	until, err := h.renew(n.b.Now())
	if err != nil {
		return refused(err)
	}
	return map[string]any{"expiration": until}, statusOK, nil
}

func (n management) peek(body map[string]any) (map[string]any, int, error) {
	from, _ := body["from-sequence-number"].(int64)
	count, _ := body["message-count"].(int32)
	var list []any
	for _, m := range n.store.inOrder() {
		if m.seq < from || len(list) >= int(count) {
			continue
		}
		payload, err := m.outgoing().MarshalBinary()
		if err != nil {
			return nil, statusBad, err
		}
		list = append(list, map[string]any{"message": payload})
	}
	if len(list) == 0 {
		return nil, statusNoContent, nil
	}
	return map[string]any{"messages": list}, statusOK, nil
}

// dispose settles by token: for messages whose link is gone.
func (n management) dispose(body map[string]any) (map[string]any, int, error) {
	tokens, _ := body["lock-tokens"].([]amqp.UUID)
	status, _ := body["disposition-status"].(string)
	changes, _ := body["properties-to-modify"].(map[string]any)
	for _, t := range tokens {
		m, err := n.store.find(Token(t))
		if err != nil {
			return refused(err)
		}
		switch status {
		case "completed":
			n.store.complete(m)
		case "abandoned":
			m.change(changes)
			n.store.giveBack(m, true, n.b.Now())
		case "suspended":
			reason, _ := body["deadletter-reason"].(string)
			description, _ := body["deadletter-description"].(string)
			if err := n.store.deadLetterLocked(m, reason, description, changes); err != nil {
				return refused(err)
			}
		default:
			return nil, statusNotBuilt, fmt.Errorf("disposition %s is not built", status)
		}
	}
	return nil, statusOK, nil
}
