package engine

import (
	"context"
	"errors"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
)

var _ downsync.Ours = (*Engine)(nil)

// Changed says what an item of a lane's mailbox is to us, and does all that follows
// from a change of an event that we wrote (downsync.Ours).
func (e *Engine) Changed(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox string, item graph.Item) (downsync.Fate, error) {
	return downsync.Foreign, errors.New("not built")
}
