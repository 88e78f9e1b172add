package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// Change is one event of the topic changes, as far as the stack looks at it.
type Change struct {
	ID           string
	Type         string
	Organization string
	At           time.Time // received
	Booking      string
	User         string
	Room         string
	State        string
	Reason       string
	Revision     int64
	Sequence     int64
	EventID      string
	// MessageID, Pointers and Codes are of calbridge.rejected.v1.
	MessageID string
	Pointers  []string
	Codes     []string
	// Code and Text are of calbridge.alert.v1.
	Code, Text string
	// Raw is the whole event, as it came.
	Raw []byte
}

// Target is one delivery.
type Target struct{ Organization, Booking, User string }

// Target of a delivery event.
func (c Change) Target() Target { return Target{c.Organization, c.Booking, c.User + c.Room} }

// Result is state and reason, as in "skipped not-assigned".
func (c Change) Result() string {
	if c.Reason == "" {
		return c.State
	}
	return c.State + " " + c.Reason
}

// Changes reads the topic's subscription all and keeps what it read, as a booking
// app would: the result of the highest sequence per delivery.
type Changes struct {
	each func(Change)

	mu     sync.Mutex
	news   chan struct{} // closed and replaced at every change
	latest map[Target]Change
	others []Change // rejected, alerts, and whatever else
	seen   map[string]bool
	total  int
}

// Follow starts to read; each is called for every new event, one at a time, and
// may be nil. It reads until ctx ends.
func Follow(ctx context.Context, client *azservicebus.Client, each func(Change)) (*Changes, error) {
	receiver, err := client.NewReceiverForSubscription("changes", "all", nil)
	if err != nil {
		return nil, fmt.Errorf("stack.Follow: %w", err)
	}
	c := &Changes{each: each, news: make(chan struct{}), latest: map[Target]Change{}, seen: map[string]bool{}}
	go c.read(ctx, receiver)
	return c, nil
}

// read goes on after every error: the connection may be cut, and is made again.
func (c *Changes) read(ctx context.Context, receiver *azservicebus.Receiver) {
	for ctx.Err() == nil {
		messages, err := receiver.ReceiveMessages(ctx, 100, nil)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		for _, m := range messages {
			c.take(m.Body)
		}
		complete(ctx, receiver, messages)
	}
}

// settleWithin bounds one settlement. The SDK settles on a link made anew what came
// over one that was cut, which nobody answers.
const settleWithin = 2 * time.Second

// complete settles messages until one cannot be: then the link is lost, and with it
// the others. They come again when their locks run out, with ids that are known.
func complete(ctx context.Context, receiver *azservicebus.Receiver, messages []*azservicebus.ReceivedMessage) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(settleWithin, cancel)
	for _, m := range messages {
		if receiver.CompleteMessage(ctx, m, nil) != nil {
			return
		}
		late.Reset(settleWithin)
	}
}

// take keeps one event. Who waits hears of it after each has seen it.
func (c *Changes) take(body []byte) {
	change, err := parse(body)
	if err != nil {
		change = Change{Type: "malformed", Text: err.Error()}
	}
	c.mu.Lock()
	known := c.seen[change.ID]
	c.seen[change.ID] = true
	c.mu.Unlock()
	if known {
		return
	}
	if c.each != nil {
		c.each(change)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	if change.Type != "calbridge.delivery.v1" {
		c.others = append(c.others, change)
	} else if change.Sequence > c.latest[change.Target()].Sequence {
		c.latest[change.Target()] = change
	}
	close(c.news)
	c.news = make(chan struct{})
}

func parse(body []byte) (Change, error) {
	var event struct {
		ID, Type, Subject string
		Data              struct {
			Booking, User, Room, State, Reason string
			Organization, ID, MessageID        string
			Code, Message                      string
			EventID                            string
			Revision, Sequence                 int64
			Faults                             []struct{ Pointer, Code string }
		}
		Source string
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return Change{}, err
	}
	if event.ID == "" || event.Type == "" {
		return Change{}, errors.New("no CloudEvents event")
	}
	d := event.Data
	c := Change{ID: event.ID, Type: event.Type, Organization: organizationOf(event.Source), At: time.Now(), Booking: d.Booking, User: d.User, Room: d.Room,
		State: d.State, Reason: d.Reason, Revision: d.Revision, Sequence: d.Sequence, EventID: d.EventID,
		MessageID: d.MessageID, Code: d.Code, Text: d.Message, Raw: body}
	for _, f := range d.Faults {
		c.Pointers, c.Codes = append(c.Pointers, f.Pointer), append(c.Codes, f.Code)
	}
	return c, nil
}

// organizationOf is the end of a source, <PUBLIC_URL>/api/organizations/<organization>.
func organizationOf(source string) string {
	for i := len(source) - 1; i >= 0; i-- {
		if source[i] == '/' {
			return source[i+1:]
		}
	}
	return ""
}

// Latest is the last result of a delivery; false while there is none.
func (c *Changes) Latest(t Target) (Change, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change, ok := c.latest[t]
	return change, ok
}

// Others are the events that are not results of deliveries.
func (c *Changes) Others() []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Change(nil), c.others...)
}

// Total counts the different events read.
func (c *Changes) Total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Wait returns when done is true, which is asked after every event; or with ctx's
// error.
func (c *Changes) Wait(ctx context.Context, done func() bool) error {
	for {
		c.mu.Lock()
		news := c.news
		c.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
