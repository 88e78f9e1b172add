package world

import (
	"bytes"
	"context"
	"fmt"

	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

// rows are tables as the running build reads and writes them.
func (w *World) rows(t state.Tables) state.Tables { return state.WithVersion(t, w.Version) }

// stamped is the bus as the running build writes to it.
func (w *World) stamped(bus queue.Sender) queue.Sender {
	if w.Version.Or() == version.Current {
		return bus
	}
	return stampedBus{bus, w.Version}
}

// stampedBus gives the messages between functions another version than this build's.
type stampedBus struct {
	queue.Sender
	own version.Version
}

// Send implements queue.Sender. What a message of another build is sent again as stays as
// it is.
func (b stampedBus) Send(ctx context.Context, entity string, messages ...queue.Message) error {
	ours, theirs := fmt.Appendf(nil, `{"v":%d,`, version.Current), fmt.Appendf(nil, `{"v":%d,`, b.own)
	out := make([]queue.Message, len(messages))
	for i, m := range messages {
		if again := m.Number(queue.AwaitProperty) + m.Number(queue.AttemptProperty) + m.Number(queue.RoundProperty); again == 0 && bytes.HasPrefix(m.Body, ours) {
			m.Body = append(bytes.Clone(theirs), m.Body[len(ours):]...)
		}
		out[i] = m
	}
	return b.Sender.Send(ctx, entity, out...)
}
