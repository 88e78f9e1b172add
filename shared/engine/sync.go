package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// Stale is how many events would go stale if calendars were not written any more.
type Stale struct {
	Events int
	More   bool // at least so many: not everybody's were counted
}

const (
	stalePeople = 1000 // at most, a request each
	staleEvents = 1000 // after which nobody counts on
)

// Stale counts events of ours that are not over (T4), of the first 1,000 people or up
// to 1,000 events: one request for each of those people. state.ErrNotFound: there is
// no such organisation.
func (e *Engine) Stale(ctx context.Context, organization string) (Stale, error) {
	if _, err := e.orgs.Organization(ctx, organization); err != nil {
		return Stale{}, fmt.Errorf("engine.Stale: %w", err)
	}
	var events atomic.Int64
	now, people, after := e.now(), 0, ""
	for {
		lanes, next, err := e.people.Lanes(ctx, organization, after, lanesPerPage)
		if err != nil {
			return Stale{}, fmt.Errorf("engine.Stale: %w", err)
		}
		err = e.each(ctx, len(lanes), func(ctx context.Context, i int) error {
			rows, err := e.lanes.Deliveries(ctx, lanes[i], now)
			for _, row := range rows {
				if row.Event != "" {
					events.Add(1)
				}
			}
			return err
		})
		if err != nil {
			return Stale{}, fmt.Errorf("engine.Stale: %w", err)
		}
		people += len(lanes)
		if next == "" || people >= stalePeople || events.Load() >= staleEvents {
			return Stale{Events: int(events.Load()), More: next != ""}, nil
		}
		after = next
	}
}

// SetSync switches an organisation's calendar sync on or off, as a PUT of its settings
// would (T4). On reconciles all that is current or upcoming. Off stops all writing and
// leaves connections and events; with remove, events that are not over are removed
// (removed, sync-off), as far as their calendars can be reached. Setting what is set
// already does nothing. Errors: state.ErrNotFound, ErrModuleOff, state.ErrPrecondition
// where others keep changing the settings.
func (e *Engine) SetSync(ctx context.Context, id string, on, remove bool) error {
	decide := func(current *organization.Organization, _ string) (organization.Organization, error) {
		switch {
		case current == nil:
			return organization.Organization{}, state.ErrNotFound
		case on && !current.Module:
			return organization.Organization{}, ErrModuleOff
		}
		next, err := current.WithSync(on, remove)
		if err == nil && next.Sync == current.Sync && next.State.Removing == current.State.Removing {
			err = errSame
		}
		return next, err
	}
	_, err := e.consents.ChangeAfter(ctx, id, decide, func(ctx context.Context, next organization.Organization) error {
		if next.Sync || next.State.Removing {
			return e.Reconcile(ctx, id, "sync")
		}
		return e.Rewatch(ctx, id, "sync")
	})
	if err != nil && !errors.Is(err, errSame) {
		return fmt.Errorf("engine.SetSync: %w", err)
	}
	return nil
}
