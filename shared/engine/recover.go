package engine

import (
	"context"
	"errors"
	"time"
)

// After tables were lost or restored from an old copy, a row may not know of an
// event that is in the calendar, of numbers that were used, or of its own
// generation. So every row that was not looked at since is in doubt: the calendar
// is asked by the row's event, else by mark, before anything is created.
const (
	// recovery is how long after the operator's word rows are still looked at: what
	// is sent again by then finds its events.
	recovery = 30 * 24 * time.Hour
	// Sequences and generations go on far above any that was used before, so that
	// consumers do not drop new results as old, and no transactionId is used twice.
	sequenceLeap   = 1_000_000
	generationLeap = 1_000
)

// Recoverer remembers that an organisation's tables were lost.
type Recoverer interface {
	// Recover returns state.ErrNotFound for an unknown organisation.
	Recover(ctx context.Context, organization string) error
}

// ErrNoRecovery is returned where the engine was made without a Recoverer.
var ErrNoRecovery = errors.New("engine: made without a Recoverer")

// Recover orders a look on every row of an organisation before any create, and
// owes all that is current and upcoming again. It returns how many organisations
// were marked, which is one.
func (e *Engine) Recover(ctx context.Context, organization string) (int, error) {
	if e.recoverer == nil {
		return 0, ErrNoRecovery
	}
	if err := e.recoverer.Recover(ctx, organization); err != nil {
		return 0, err
	}
	return 1, e.Reconcile(ctx, organization, "recover")
}

// recover puts a row in doubt that was not looked at since tables were lost.
func (t *turn) recover(s *slot) {
	since := t.org.State.RecoveredAt
	if since.IsZero() || t.start.Sub(since) > recovery || !s.row.Looked.Before(since) || s.want.hold {
		return
	}
	s.row.Looked = t.start.UTC()
	s.row.Sequence += sequenceLeap
	s.row.Generation += generationLeap
	if s.why == notAsked {
		s.why = inDoubt
	}
}
