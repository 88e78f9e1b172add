package subscribe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

const (
	back      = 7 * 24 * time.Hour // how far the timer looks back for what was not done
	ahead     = 8 * 24 * time.Hour // within which every connection on the agenda has its slot
	spread    = 10 * time.Minute   // over which one run's tasks are spread at the most
	moving    = 50 * time.Minute   // the same, where all subscriptions are to notify another address
	movePace  = 10 * pace          // how far apart these are: five a second
	perSend   = 1000               // messages that are given to the bus at once
	maxParall = 8                  // slots that are read at once
)

// Renewals orders a look at every subscription that is due: it reads the slots of the
// agenda up to now and nothing of the connections themselves. A connection stays in its
// slot until its task has put it elsewhere, so that whatever becomes of the task, it is
// ordered again in an hour; runs of the same hour order the same one. An error means that
// not all were ordered.
//
// Where PUBLIC_URL is not what it was in the run before, or nobody knows what it was, the
// whole agenda is due, spread over most of the hour: what notifies the old address is made
// anew, and of the rest nothing is asked. That costs a run one request in other hours.
func (k *Keeper) Renewals(ctx context.Context) error {
	now := k.now().UTC()
	address, err := k.due.Notified(ctx)
	if err != nil {
		return fmt.Errorf("subscribe.Renewals: %w", err)
	}
	due, err := k.agenda(ctx, now.Add(-back), now)
	errs := []error{err, k.order(ctx, due, now, min(pace, spread/time.Duration(max(1, len(due)))))}
	if address != k.notify {
		later, err := k.agenda(ctx, now.Add(state.RenewalSlot), now.Add(ahead))
		errs = append(errs, err, k.order(ctx, later, now, min(movePace, moving/time.Duration(max(1, len(later))))))
		if errors.Join(errs...) == nil {
			errs = append(errs, k.due.SetNotified(ctx, k.notify))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("subscribe.Renewals: %w", err)
	}
	return nil
}

// agenda reads the slots from one instant to another, both included. With an error it
// returns what could be read.
func (k *Keeper) agenda(ctx context.Context, from, to time.Time) ([]state.Renewal, error) {
	slots := int(to.Sub(from)/state.RenewalSlot) + 1
	due := make([][]state.Renewal, slots)
	errs := make([]error, slots)
	running := make(chan struct{}, maxParall)
	for i := range slots {
		running <- struct{}{}
		go func() {
			defer func() { <-running }()
			at := to.Add(-time.Duration(i) * state.RenewalSlot).Truncate(state.RenewalSlot)
			due[i], errs[i] = k.due.Renewals(ctx, at)
		}()
	}
	for range maxParall {
		running <- struct{}{}
	}
	return slices.Concat(due...), errors.Join(errs...)
}

// order sends the tasks of connections, some time apart.
func (k *Keeper) order(ctx context.Context, due []state.Renewal, now time.Time, apart time.Duration) error {
	messages := make([]queue.Message, len(due))
	for i, r := range due {
		messages[i] = renewal(r, now)
		messages[i].ScheduledFor = now.Add(time.Duration(i) * apart)
	}
	for batch := range slices.Chunk(messages, perSend) {
		if err := k.send(ctx, batch...); err != nil {
			return err
		}
	}
	return nil
}

// renewal is the task of a connection that is due.
func renewal(r state.Renewal, now time.Time) queue.Message {
	m := queue.Task{Op: OpRenew, Organization: r.Organization, Connection: r.Connection.String(), Cause: CauseDue}.Message(r.Session, time.Time{})
	m.ID = key.Of("renewal", r.Connection.String(), r.At.Format(time.RFC3339), now.Truncate(state.RenewalSlot).Format(time.RFC3339)).String()
	m.Properties = map[string]any{slotProperty: r.At.Unix()}
	return m
}
