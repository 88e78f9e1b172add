package engine

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
)

// Lying is a page of messages that lie where somebody has to look after them.
type Lying struct {
	Items []LyingMessage `json:"items"`
	// Next continues the list; empty when there is no more.
	Next string `json:"next,omitempty"`
}

// LyingMessage is a message without personal data: what a body or a member's name
// may hold is left out, and so is the booking's id, which is free text; the event
// calbridge.rejected.v1 of the same message id has it.
type LyingMessage struct {
	Queue        string `json:"queue"`
	MessageID    string `json:"messageId"`
	Organization string `json:"organization,omitempty"`
	// Session is the key (a hash) of the lane or mailbox of a wake-up or task.
	Session string `json:"session,omitempty"`
	// Op is what a wake-up or task asks for.
	Op string `json:"op,omitempty"`
	// Reason is the code of the first fault, or the bus's reason of a dead letter.
	Reason string  `json:"reason,omitempty"`
	Faults []Where `json:"faults,omitempty"`
	// Enqueued is when it became visible in its queue (UTC).
	Enqueued time.Time `json:"enqueued"`
	// Size is the length of the body in bytes, as it lies there.
	Size int `json:"size"`
}

// Where is a fault without its sentence.
type Where struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
}

// DeadLetterQueues are the queues that have dead letters, in the order of their list.
func DeadLetterQueues() []string {
	return []string{queue.Bookings, queue.Deliveries, queue.MailboxTasks, queue.Rejected}
}

// Rejected lists what lies in bookings-rejected, oldest first: at most limit
// messages, after the cursor. ErrBadCursor: after is none of this list.
func (e *Engine) Rejected(ctx context.Context, after string, limit int) (Lying, error) {
	from := int64(0)
	if after != "" {
		var err error
		if from, err = sequence(after); err != nil {
			return Lying{}, err
		}
	}
	items, last, more, err := e.peek(ctx, queue.Place{Queue: queue.Rejected}, from, limit)
	out := Lying{Items: items}
	if more {
		out.Next = strconv.FormatInt(last, 10)
	}
	return out, err
}

// DeadLetters lists the dead letters of a queue, or with an empty name of all of
// DeadLetterQueues one after the other; the rest as Rejected.
func (e *Engine) DeadLetters(ctx context.Context, name, after string, limit int) (Lying, error) {
	names := DeadLetterQueues()
	if name != "" {
		names = []string{name}
	}
	from := int64(0)
	if after != "" {
		at, number, _ := strings.Cut(after, ".")
		i := slices.Index(names, at)
		if i < 0 {
			return Lying{}, ErrBadCursor
		}
		var err error
		if from, err = sequence(number); err != nil {
			return Lying{}, err
		}
		names = names[i:]
	}
	out := Lying{Items: []LyingMessage{}}
	for _, name := range names {
		// With a full page one more is looked for, so that next never leads nowhere.
		items, last, more, err := e.peek(ctx, queue.Place{Queue: name, Dead: true}, from, limit-len(out.Items))
		if err != nil {
			return Lying{}, err
		}
		if more && len(items) == 0 {
			return out, nil // next is already that of the queue before
		}
		out.Items = append(out.Items, items...)
		if len(items) > 0 {
			out.Next = name + "." + strconv.FormatInt(last, 10)
		}
		if more {
			return out, nil
		}
		from = 0
	}
	out.Next = ""
	return out, nil
}

// sequence reads the number of the last message of a page.
func sequence(cursor string) (int64, error) {
	n, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || n < 1 {
		return 0, ErrBadCursor
	}
	return n, nil
}

// peek reads at most limit messages behind a sequence number, tells the number of
// the last, and whether there are more. Bodies are not kept: a page of them may be
// 50 MB.
func (e *Engine) peek(ctx context.Context, p queue.Place, after int64, limit int) (items []LyingMessage, last int64, more bool, err error) {
	const most = 32
	if e.shelf == nil {
		return nil, 0, false, ErrNoShelf
	}
	items, last = []LyingMessage{}, after
	for {
		messages, err := e.shelf.Peek(ctx, p, last+1, min(limit+1-len(items), most))
		if err != nil {
			return nil, 0, false, fmt.Errorf("peek at %s: %w", p, err)
		}
		if len(messages) == 0 {
			return items, last, false, nil
		}
		for _, m := range messages {
			if len(items) == limit {
				return items, last, true, nil
			}
			items, last = append(items, shown(p, m)), m.Sequence
		}
	}
}

func shown(p queue.Place, m queue.Stored) LyingMessage {
	out := LyingMessage{Queue: p.Queue, MessageID: m.ID, Organization: organizationOf(m.Message), Enqueued: m.EnqueuedAt, Size: len(m.Body)}
	reason, _ := m.Properties["reason"].(string)
	if p.Dead {
		reason, _ = m.Properties[queue.DeadReasonProperty].(string)
	}
	out.Reason = word(reason)
	if p.Queue == queue.Rejected {
		out.Faults = faultsOf(m.Message)
		return out
	}
	if session, err := key.Parse(m.SessionID); err == nil {
		out.Session = session.String()
	}
	var op struct {
		Op string `json:"op"`
	}
	if json.Unmarshal(m.Body, &op) == nil {
		out.Op = word(op.Op)
	}
	return out
}

// organizationOf is the organisation that a booking or task names, "" when it
// names none that could be one.
func organizationOf(m queue.Message) string {
	var named struct {
		Organization any
		Data         struct{ Organization any }
	}
	plain, err := uncompressed(m)
	if err != nil || json.Unmarshal(plain.Body, &named) != nil {
		return ""
	}
	for _, id := range []any{named.Data.Organization, named.Organization} {
		if id, _ := id.(string); organization.ValidID(id) {
			return id
		}
	}
	return ""
}

// faultsOf are the faults that a rejected message carries.
func faultsOf(m queue.Message) []Where {
	text, _ := m.Properties["faults"].(string)
	var faults []Where
	if json.Unmarshal([]byte(text), &faults) != nil {
		return nil
	}
	for i := range faults {
		faults[i].Pointer, faults[i].Code = impersonal(faults[i].Pointer), word(faults[i].Code)
	}
	return faults
}

var (
	codeWord   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,39}$`)
	memberName = regexp.MustCompile(`^([a-z][A-Za-z]{0,19}|[0-9]{1,4})$`)
)

// word is a code as programs make them, else "": a property may hold anything.
func word(code string) string {
	if codeWord.MatchString(code) {
		return code
	}
	return ""
}

// impersonal cuts a pointer before the first step that a sender may have named:
// below extensions, and whatever does not look like a member of ours.
func impersonal(pointer string) string {
	steps := strings.Split(pointer, "/")
	if steps[0] != "" {
		return ""
	}
	for i, step := range steps[1:] {
		if !memberName.MatchString(step) {
			return strings.Join(steps[:i+1], "/")
		}
		if step == "extensions" {
			return strings.Join(steps[:i+2], "/")
		}
	}
	return pointer
}

// uncompressed is a rejected message as it was before compressed.
func uncompressed(m queue.Message) (queue.Message, error) {
	if m.Properties["encoding"] != "gzip" {
		return m, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(m.Body))
	if err != nil {
		return m, fmt.Errorf("engine: gzip: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(r, queue.MaxMessage+1))
	if err == nil && len(body) > queue.MaxMessage {
		err = queue.ErrTooLarge
	}
	if err != nil {
		return m, fmt.Errorf("engine: gzip: %w", err)
	}
	m.Body = body
	return m, nil
}
