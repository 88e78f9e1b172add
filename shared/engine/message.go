package engine

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	"github.com/calbridge/calbridge/shared/queue"
)

// internalOp is the body of a wake-up or task (wire.md, Internal messages).
type internalOp struct {
	V  int    `json:"v"`
	Op string `json:"op"`
}

const opGiveUp = "give-up"

// opOf reads what a message asks for. What cannot be read is a wake-up: looking
// at a lane never harms, and a message that nobody understands must not block it.
func opOf(m queue.Message) string {
	var op internalOp
	if json.Unmarshal(m.Body, &op) != nil || op.Op == "" {
		return "wake"
	}
	return op.Op
}

// property reads a counter; what is absent or no number is 0.
func property(m queue.Message, name string) int64 {
	switch v := m.Properties[name].(type) {
	case int64:
		return v
	case int32:
		return int64(v)
	case int:
		return int64(v)
	case float64:
		return int64(v)
	}
	return 0
}

func withProperty(m queue.Message, name string, value any) map[string]any {
	p := maps.Clone(m.Properties)
	if p == nil {
		p = map[string]any{}
	}
	p[name] = value
	return p
}

// traced gives messages the trace of the work that sends them.
func traced(ctx context.Context, messages []queue.Message) []queue.Message {
	trace := queue.Trace(ctx)
	if trace == "" {
		return messages
	}
	out := make([]queue.Message, len(messages))
	for i, m := range messages {
		if m.Properties[queue.TraceProperty] == nil {
			m.Properties = withProperty(m, queue.TraceProperty, trace)
		}
		out[i] = m
	}
	return out
}

// baseID is the id of the first of a message's re-sends.
func baseID(m queue.Message) string {
	const max = 100 // leaves room for the counter below 128 characters
	id := m.ID
	if n := strings.LastIndexByte(id, '.'); n > 0 && property(m, "attempt") > 0 {
		id = id[:n]
	}
	if len(id) > max {
		id = id[:max]
	}
	return id
}
