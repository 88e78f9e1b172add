package engine

import (
	"context"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Catching up (this file): what follows from connections is done when they change. Those
// that a build stored which did less, one without down-sync say, would wait for their next
// change: they have no turn of the schedule and no subscription. So once a day all
// connections are looked through, and those of which something does not follow yet are
// followed. So are tokens put on the agenda again of which the hourly timer has lost sight,
// because it did not run for longer than it looks back. It costs a list of the organisations, one request for 200 connections, and
// nothing more where nothing is missing; whatever an hour's run does not come to, the next
// one does.

const (
	catchUpEvery = 24 * time.Hour
	forgotten    = 3 * 24 * time.Hour // since the last refresh of a token that has one daily
	catchUpPage  = 200                // connections, and organisations, that are read at once
	causeCatchUp = "catch-up"
)

// catchUp orders a look through the connections of all organisations, once a day.
func (e *Engine) catchUp(ctx context.Context) error {
	now := e.now()
	last, err := e.due.CaughtUp(ctx)
	if err != nil || now.Sub(last) < catchUpEvery {
		return err
	}
	for after := ""; ; {
		all, next, err := e.consents.List(ctx, after, catchUpPage)
		if err != nil {
			return err
		}
		var messages []queue.Message
		for _, o := range all {
			if o.Module {
				messages = append(messages, task{Op: opMove, Organization: o.ID, Cause: causeCatchUp}.message(time.Time{}))
			}
		}
		if err := e.send(ctx, queue.MailboxTasks, messages...); err != nil {
			return err
		}
		if next == "" {
			return e.due.SetCaughtUp(ctx, now)
		}
		after = next
	}
}

// catchUpTask orders for each person of a page of an organisation's connections of which
// something does not follow yet that it does, and goes on with the next page.
func (e *Engine) catchUpTask(ctx context.Context, t task, m queue.Message) error {
	rows, next, err := e.connections.List(ctx, t.Organization, m.Text(afterProperty), catchUpPage)
	if err != nil {
		return err
	}
	now := e.now()
	var lanes []key.Key
	for _, row := range rows {
		lane := key.Lane(t.Organization, key.User, row.User)
		if refreshable(row) && now.Sub(later(row.LastRefresh, row.SignedIn)) > forgotten { // its slot is the same whoever computes it
			if err := e.due.AddKeepAlive(ctx, refreshAt(row.ID, now), t.Organization, lane, row.ID); err != nil {
				return err
			}
		}
		if (row.State == connection.Disconnected || !followed(row)) && !slices.Contains(lanes, lane) {
			lanes = append(lanes, lane)
		}
	}
	var messages []queue.Message
	for i, lane := range lanes {
		messages = append(messages, task{Op: opMove, Organization: t.Organization, Lane: lane.String(), Cause: causeCatchUp}.message(e.paced(now, i)))
	}
	if next != "" {
		rest := t.message(e.paced(now, len(lanes)))
		rest.Properties = map[string]any{afterProperty: next}
		messages = append(messages, rest)
	}
	return e.send(ctx, queue.MailboxTasks, messages...)
}

// followed reports whether all that follows from a connection as it is was done.
func followed(row state.Stored) bool {
	c := row.Connection
	return c.Told == toldID(c) && c.Followed == wayOf(c) && c.Ordered == readingOf(c) && !unkept(c)
}

// unkept reports whether the token of the last sign-in is not on the agenda of those to
// keep alive.
func unkept(c connection.Connection) bool { return c.Delegated && !c.Kept.Equal(c.SignedIn) }
