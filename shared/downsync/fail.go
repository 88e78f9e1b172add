package downsync

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// again ends a task that failed: a refusal of the bus is returned, and what another build
// has to take; what nobody but a
// person heals is told to whoever looks after connections, and after anything else the
// task comes again, later.
func (s *Syncer) again(ctx context.Context, m queue.Message, r *reading, err error) error {
	var refused *queue.Refused
	var failure *graph.Error
	switch {
	case err == nil || errors.As(err, &refused) || queue.Unread(err):
		return err
	case r != nil && errors.As(err, &failure) && failure.Kind == graph.Throttled:
		return s.throttled(ctx, r, failure)
	case r != nil && errors.As(err, &failure) && failure.Kind != graph.Transient && failure.Kind != graph.Conflict:
		return s.closed(ctx, r, failure)
	}
	attempt := m.Number(queue.AttemptProperty) + 1
	s.log.WarnContext(ctx, "postponed", "queue", queue.MailboxTasks, "attempt", attempt, "error", err)
	if r != nil && attempt > maxAttempts {
		return s.failed(ctx, r, causeUnavailable)
	}
	if r != nil {
		if err := r.progressed(ctx); err != nil { // it decides nothing
			s.log.WarnContext(ctx, "progress not stored", "connection", r.c.ID, "error", err)
		}
	}
	return s.resend(ctx, m, s.now().Add(s.backoff(attempt)), s.soFar(r, attempt))
}

// unopened ends a task that could not begin. One whose turn comes again anyway is left to
// that after some time, so that what stays as it is does not gather tasks for ever.
func (s *Syncer) unopened(ctx context.Context, cause string, m queue.Message, err error) error {
	comes := cause == CauseSchedule || cause == CauseNotified || cause == CauseAgain
	var refused *queue.Refused
	if comes && m.Number(queue.AttemptProperty) >= maxAttempts && !errors.As(err, &refused) && !queue.Unread(err) {
		s.log.ErrorContext(ctx, "a reading could not begin and is left to the schedule", "cause", cause, "error", err)
		return nil
	}
	return s.again(ctx, m, nil, err)
}

// soFar are the properties with which a reading goes on where it is.
func (s *Syncer) soFar(r *reading, attempt int64) map[string]any {
	p := map[string]any{queue.AttemptProperty: attempt}
	if r != nil && r.begun && r.progress.State == state.SyncRunning {
		p[doneProperty], p[pagesProperty], p[itemsProperty], p[newsProperty] = int64(r.progress.Done), int64(r.progress.Pages), int64(r.items), int64(r.news)
	}
	return p
}

// backoff doubles from two seconds to five minutes, plus or minus a fifth.
func (s *Syncer) backoff(attempt int64) time.Duration {
	d := min(2*time.Second<<min(attempt-1, 10), 5*time.Minute)
	return d + time.Duration((s.jitter()-0.5)*0.4*float64(d))
}

// closed takes that the calendar cannot be read until somebody mends something.
func (s *Syncer) closed(ctx context.Context, r *reading, failure *graph.Error) error {
	if failure.Kind == graph.Unauthorised || failure.Kind == graph.Unreachable {
		if err := s.failures.ConnectionFailed(ctx, r.c, failure); err != nil {
			return s.again(ctx, r.m, nil, err)
		}
	}
	return s.failed(ctx, r, whyOf(failure))
}

func whyOf(failure *graph.Error) string {
	if failure.Kind == graph.Transient {
		return causeUnavailable
	}
	return cmp.Or(failure.Reason, failure.Code, causeUnavailable)
}

// failed notes that a reading could not be done; the next turn tries again.
func (s *Syncer) failed(ctx context.Context, r *reading, cause string) error {
	r.progress.State, r.progress.Cause = state.SyncFailed, cause
	if err := r.progressed(ctx); err != nil {
		return s.again(ctx, r.m, nil, err)
	}
	return nil
}
