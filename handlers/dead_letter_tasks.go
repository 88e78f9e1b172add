package handlers

import (
	"context"

	"github.com/calbridge/calbridge/shared/queue"
)

// deadLetterTasks is the function DeadLetterTasks, mailbox-tasks/$deadletterqueue.
func deadLetterTasks(d DeadLetterer) func(context.Context, Invocation) error {
	return deadLetter(d, queue.MailboxTasks)
}
