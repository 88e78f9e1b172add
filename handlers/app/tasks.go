package app

import (
	"context"
	"encoding/json"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/queue"
)

// owner does the tasks of some operations.
type owner interface {
	// Task takes a message of the queue mailbox-tasks. An error means that the bus refused.
	Task(ctx context.Context, m queue.Message) error
}

// tasks hands each task to who owns its operation; the engine's are all others, also
// those of which nobody knows, which it logs.
type tasks struct {
	*engine.Engine
	owners map[string]owner // by op
}

// Task takes a message of the queue mailbox-tasks. An error means that the bus refused.
func (t tasks) Task(ctx context.Context, m queue.Message) error {
	var task struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(m.Body, &task); err == nil && t.owners[task.Op] != nil {
		return t.owners[task.Op].Task(ctx, m)
	}
	return t.Engine.Task(ctx, m)
}
