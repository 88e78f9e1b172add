package subscribe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

const (
	back      = 7 * 24 * time.Hour // how far the timer looks back for what was not done
	spread    = 10 * time.Minute   // over which one run's tasks are spread at the most
	perSend   = 1000               // messages that are given to the bus at once
	maxParall = 8                  // slots that are read at once
)

// Renewals orders a look at every subscription that is due: it reads the slots of the
// agenda up to now and nothing of the connections themselves. A connection stays in its
// slot until its task has put it elsewhere, so that whatever becomes of the task, it is
// ordered again in an hour; runs of the same hour order the same one. An error means that
// not all were ordered.
func (k *Keeper) Renewals(ctx context.Context) error {
	now := k.now().UTC()
	slots := int(back/state.RenewalSlot) + 1
	due := make([][]state.Renewal, slots)
	errs := make([]error, slots)
	running := make(chan struct{}, maxParall)
	for i := range slots {
		running <- struct{}{}
		go func() {
			defer func() { <-running }()
			at := now.Add(-time.Duration(i) * state.RenewalSlot).Truncate(state.RenewalSlot)
			due[i], errs[i] = k.due.Renewals(ctx, at)
		}()
	}
	for range maxParall {
		running <- struct{}{}
	}
	var messages []queue.Message
	for _, slot := range due {
		for _, r := range slot {
			messages = append(messages, renewal(r, now))
		}
	}
	apart := min(pace, spread/time.Duration(max(1, len(messages))))
	for i := range messages {
		messages[i].ScheduledFor = now.Add(time.Duration(i) * apart)
	}
	for from := 0; from < len(messages); from += perSend {
		if err := k.send(ctx, messages[from:min(from+perSend, len(messages))]...); err != nil {
			errs = append(errs, err)
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("subscribe.Renewals: %w", err)
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
