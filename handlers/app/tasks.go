package app

import (
	"context"
	"encoding/json"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/queue"
)

// owner does the tasks of some operations.
type owner interface {
	// Task takes a message of the queue mailbox-tasks. An error means that the bus refused,
	// or that this build cannot read the message or what it is about (queue.Unread).
	Task(ctx context.Context, m queue.Message) error
}

// tasks hands each task to who owns its operation; the engine's are all others, also
// those of which nobody knows. What its owner cannot read goes to another build, or the
// way of dead letters, as the engine decides.
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
		err := t.owners[task.Op].Task(ctx, m)
		if queue.Unread(err) {
			return t.Unread(ctx, queue.MailboxTasks, m, err)
		}
		return err
	}
	return t.Engine.Task(ctx, m)
}
