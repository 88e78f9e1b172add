package downsync

import (
	"context"
	"errors"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Errors that callers decide on, besides state.ErrNotFound.
var (
	// ErrNotRead means that the connection's calendars are not to be read: its direction,
	// its state, or the organisation's settings say so.
	ErrNotRead = errors.New("the connection's calendars are not read")
	// ErrNotHeld means that there is nothing to decide.
	ErrNotHeld = errors.New("nothing of the connection is held")
)

// SyncNow orders that a connection's calendars are read at once (R5, R7): of several
// orders within five seconds one remains. state.ErrNotFound: there is no such connection;
// ErrNotRead.
func (s *Syncer) SyncNow(ctx context.Context, organization string, id key.Key) error {
	return errors.New("not built")
}

// Progress tells how the reading of a connection's calendars stands; state.ErrNotFound:
// there is no such connection.
func (s *Syncer) Progress(ctx context.Context, organization string, id key.Key) (state.Progress, error) {
	return state.Progress{}, errors.New("not built")
}

// Held lists at most limit connections of an organisation that the delete brake holds,
// those after the one that next named (zero: the first).
func (s *Syncer) Held(ctx context.Context, organization string, after key.Key, limit int) (items []state.Held, next key.Key, err error) {
	return s.held.List(ctx, organization, after, limit)
}

// Decide approves or restores what is held of a connection, state.HeldApprove or
// state.HeldRestore, and lets it go on. The first decision counts; the same one again
// changes nothing. ErrNotHeld.
func (s *Syncer) Decide(ctx context.Context, organization string, id key.Key, decision string) error {
	return errors.New("not built")
}

// Due enqueues the connections whose turn it is in the next half hour.
func (s *Syncer) Due(ctx context.Context) error { return errors.New("not built") }

// Task takes a message of the queue mailbox-tasks whose op is Op. An error means that
// the bus refused.
func (s *Syncer) Task(ctx context.Context, m queue.Message) error { return errors.New("not built") }
