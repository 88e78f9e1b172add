package downsync

import (
	"cmp"
	"context"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/queue"
)

// waitsProperty is how often a task was asked to wait since it came further: no failed attempts.
const waitsProperty = "waits"

// maxWaits is how often it waits, which takes half an hour or longer; then the schedule's
// next turn tries again.
const maxWaits = 12

// throttled leaves the whole lane alone for as long as Graph asks, and comes again.
func (s *Syncer) throttled(ctx context.Context, r *reading, failure *graph.Error) error {
	until := s.now().Add(cmp.Or(failure.RetryAfter, s.backoff(r.m.Number(waitsProperty)+1)))
	if err := s.lanes.SetNotBefore(ctx, r.lane, until); err != nil {
		return s.again(ctx, r.m, nil, err)
	}
	return s.wait(ctx, r, until)
}

// wait lets a task come again once its lane may be used, and later each time.
func (s *Syncer) wait(ctx context.Context, r *reading, until time.Time) error {
	waits := r.m.Number(waitsProperty) + 1
	if waits > maxWaits {
		if err := r.ensureTurn(ctx); err != nil {
			return s.again(ctx, r.m, nil, err)
		}
		return s.failed(ctx, r, causeUnavailable)
	}
	if later := s.now().Add(s.backoff(waits)); later.After(until) {
		until = later
	}
	p := s.soFar(r, r.m.Number(queue.AttemptProperty))
	p[waitsProperty] = waits
	return s.resend(ctx, r.m, until.Add(s.spread(2*time.Second)), p)
}
