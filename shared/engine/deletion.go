package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// What a deleted organisation leaves (wire.md, DELETE): its events, and the deliveries that
// know of them. Its connections are destroyed with their tokens, and its people are
// forgotten, by tasks after the deletion (connection_task.go, and this file), because
// there may be many; and whatever is left when somebody makes an organisation of the
// same id, before that is there (ClearDeleted). Links, sessions and attempts open nothing
// of a new organisation (organization.State.Earlier).

// ErrClearing: so much of an earlier organisation is left that it has to be asked again.
var ErrClearing = errors.New("the organisation that had this id is still being cleared away")

const (
	// causePeople is the task's that forgets a deleted organisation's people.
	causePeople = "deleted-people"
	// clearConnections and clearPages bound what ClearDeleted does in one invocation.
	clearConnections, clearPages = 100, 10
	clearPeople                  = 500 // a page
)

// ClearDeleted destroys the connections and forgets the people of an organisation that
// was deleted, so that one which is about to be made under the same id inherits nobody's
// calendar, choice or address. For an id that was never used it costs one request, and
// three for one that is cleared. ErrClearing: not all is gone; call it again.
func (e *Engine) ClearDeleted(ctx context.Context, organization string) error {
	fail := func(err error) error { return fmt.Errorf("engine.ClearDeleted: %w", err) }
	deleted, err := e.consents.DeletedAt(ctx, organization)
	if err != nil || deleted.IsZero() {
		return err
	}
	rows, more, err := e.connections.List(ctx, organization, "", clearConnections)
	if err != nil {
		return fail(err)
	}
	for _, row := range rows {
		if err := e.Disconnect(ctx, organization, row.ID, nil); err != nil && !errors.Is(err, state.ErrNotFound) {
			return fail(err)
		}
	}
	if more != "" {
		return fail(ErrClearing)
	}
	for range clearPages {
		left, err := e.forgetPeople(ctx, organization)
		if err != nil {
			return fail(err)
		}
		if !left {
			return nil
		}
	}
	return fail(ErrClearing)
}

// removePeople forgets a page of a deleted organisation's people, and goes on with the
// next; those of one that was made anew meanwhile are that one's.
func (e *Engine) removePeople(ctx context.Context, t task, m queue.Message) error {
	_, _, err := e.consents.Get(ctx, t.Organization)
	if err == nil {
		return nil
	}
	if !errors.Is(err, state.ErrNotFound) {
		return err
	}
	left, err := e.forgetPeople(ctx, t.Organization)
	if err != nil || !left {
		return err
	}
	t.Cause = causePeople
	return e.send(ctx, queue.MailboxTasks, t.message(time.Time{}))
}

// forgetPeople forgets a page of an organisation's people, and what they chose, which
// stands on their lanes too. left says that there are more.
func (e *Engine) forgetPeople(ctx context.Context, organization string) (left bool, err error) {
	people, next, err := e.people.List(ctx, organization, key.Key{}, clearPeople)
	if err != nil {
		return false, err
	}
	lanes := make([]key.Key, len(people))
	err = e.each(ctx, len(people), func(ctx context.Context, i int) error {
		lanes[i] = people[i].Lane
		lane, err := e.lanes.Lane(ctx, people[i].Lane)
		if err != nil || lane.Target == "" || lane.Standing == (state.Standing{}) && lane.Address == "" {
			return err
		}
		lane.Standing, lane.Address, lane.Account, lane.Verdict = state.Standing{}, "", false, ""
		return e.lanes.SetStanding(ctx, lane)
	})
	if err != nil {
		return false, err
	}
	return next != (key.Key{}), e.people.Remove(ctx, organization, lanes)
}
