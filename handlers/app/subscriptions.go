package app

import (
	"context"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// subscriptions are the keeper of subscriptions with the syncer, which reads what a
// notification told of. The engine, the keeper and the syncer each call another one, so
// its fields are set once these are there; nothing is called before.
type subscriptions struct {
	*subscribe.Keeper
	syncer *downsync.Syncer
}

// Task takes a message of the operations sync, subscribe and renew.
func (s *subscriptions) Task(ctx context.Context, m queue.Message) error {
	if subscribe.Takes(m) {
		return s.Keeper.Task(ctx, m, s.syncer)
	}
	return s.syncer.Task(ctx, m)
}
