package handlers

import (
	"context"

	"github.com/calbridge/calbridge/shared/queue"
)

// Tasker does the work that only reads calendars and marks rows as owed.
type Tasker interface {
	// Task takes a message of the queue mailbox-tasks. An error means that the bus
	// refused.
	Task(ctx context.Context, m queue.Message) error
	// KeepAlive enqueues what is due by the hour. An error means that not all could
	// be looked at; the next run looks again.
	KeepAlive(ctx context.Context) error
	// Reconcile orders a new look at everything of an organisation whose settings are
	// about to change. An error means that the bus refused.
	Reconcile(ctx context.Context, organization, cause string) error
	// Rewatch orders that the subscriptions to an organisation's calendars are ended or
	// made as they should be, because that is about to change though nothing has to be
	// written. An error means that the bus refused.
	Rewatch(ctx context.Context, organization, cause string) error
	// DisconnectAll orders that an organisation's connections are destroyed once it is
	// deleted, which it is about to be. An error means that the bus refused.
	DisconnectAll(ctx context.Context, organization string) error
	// ClearDeleted destroys what is left of a deleted organisation's connections and
	// people, before one is made of its id. engine.ErrClearing: not all is gone yet.
	ClearDeleted(ctx context.Context, organization string) error
}

// mailboxTask is the function MailboxTask, queue mailbox-tasks, one session at a time.
func mailboxTask(t Tasker) func(context.Context, Invocation) error {
	return func(ctx context.Context, inv Invocation) error { return t.Task(ctx, inv.Message) }
}
