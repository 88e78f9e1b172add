package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/subscribe"
)

// What follows from a person's connections (this file): the product is told, the
// person's calendar follows, the people row says how they stand, the token is on the
// agenda of those to keep alive, what is disconnected goes, and one connection is
// primary. All of it is computed from the rows as they are, so it may be repeated, and
// each connection remembers what was done for it (Told, Followed, Kept).
//
// Whoever changes connections sends a task move, for later, before the change is
// stored, and lets everything follow at once after it. So a change of which nothing
// follows cannot be: a kill in between is repaired by the task.

// moveLater is longer than an invocation may take: whoever read the rows as they were
// has ended by then.
const moveLater = 75 * time.Second

// ensureFollow orders that what follows from a person's connections is looked at again.
func (e *Engine) ensureFollow(ctx context.Context, organization string, lane key.Key, cause string) error {
	return e.send(ctx, queue.MailboxTasks,
		task{Op: opMove, Organization: organization, Lane: lane.String(), Cause: cause}.message(e.now().Add(moveLater)))
}

// follow makes what follows from a person's connections so. Where somebody else
// changes them meanwhile it begins again; after five times it leaves the rest to the
// task that they ordered.
func (e *Engine) follow(ctx context.Context, organization, user string) error {
	lane := key.Lane(organization, key.User, user)
	for range 5 {
		rows, err := e.connections.Of(ctx, organization, lane)
		if err != nil {
			return err
		}
		again, err := e.followOnce(ctx, organization, lane, rows)
		if errors.Is(err, state.ErrPrecondition) || errors.Is(err, state.ErrNotFound) || err == nil && again {
			continue
		}
		if err != nil {
			return fmt.Errorf("what follows from connections: %w", err)
		}
		return e.tellPeople(ctx, organization, user, rows)
	}
	return nil
}

// followOnce does what is to be done for the rows; again means that the rows have changed by it.
func (e *Engine) followOnce(ctx context.Context, organization string, lane key.Key, rows []state.Stored) (again bool, err error) {
	here := present(rows)
	for _, row := range rows {
		if row.State != connection.Disconnected {
			continue
		}
		if err := e.tellConnection(ctx, row.Connection); err != nil {
			return false, err
		}
		if err := e.orderReading(ctx, row.Connection); err != nil { // which forgets what was read
			return false, err
		}
		next := key.Key{}
		if len(here) > 0 {
			next = here[0].ID
		}
		return true, e.connections.Delete(ctx, organization, lane, row.ID, row.ETag, next)
	}
	if len(here) > 0 && !here[0].Primary {
		return true, e.connections.SetPrimary(ctx, organization, lane, here[0].ID)
	}
	for _, row := range here {
		if err := e.followConnection(ctx, row, lane); err != nil {
			return false, err
		}
	}
	return false, nil
}

// followConnection does what is to be done for one connection, and remembers it.
func (e *Engine) followConnection(ctx context.Context, row state.Stored, lane key.Key) error {
	c := row.Connection
	told, way, reading := toldID(c), wayOf(c), readingOf(c)
	if followed(row) {
		return nil
	}
	if c.Told != told {
		if err := e.tellConnection(ctx, c); err != nil {
			return err
		}
	}
	if c.Followed != way && way != "" {
		t := task{Op: opBackfill, Organization: c.Organization, Lane: lane.String(), Cause: causeTakeover}
		if err := e.send(ctx, queue.MailboxTasks, t.message(time.Time{})); err != nil {
			return err
		}
	}
	if unkept(c) {
		if err := e.due.AddKeepAlive(ctx, refreshAt(c.ID, e.now()), c.Organization, lane, c.ID); err != nil {
			return err
		}
	}
	if c.Ordered != reading {
		if err := e.orderReading(ctx, c); err != nil {
			return err
		}
	}
	c.Told, c.Followed, c.Ordered, c.Kept = told, way, reading, c.SignedIn
	_, err := e.connections.Put(ctx, c, nil, row.ETag)
	return err
}

// wayOf names the way on which a person's bookings are written through a connection;
// "" while there is none. When it changes to another, the calendar follows.
func wayOf(c connection.Connection) string {
	if !c.Primary || !c.Writes() || c.State != connection.Connected {
		return ""
	}
	return key.Of("way", c.Account.Tenant, c.Account.ObjectID, c.Mailbox, c.Calendar, c.SignedIn.UTC().Format(time.RFC3339Nano)).String()
}

// readingOf names the way on which a connection's calendars are read; "" while they are
// not. When it changes they are read anew, or left.
func readingOf(c connection.Connection) string {
	if !c.Reads() || c.State != connection.Connected {
		return ""
	}
	parts := []string{c.Account.Tenant, c.Account.ObjectID, c.Mailbox, string(c.Scope), c.SignedIn.UTC().Format(time.RFC3339Nano)}
	for _, one := range c.Calendars {
		parts = append(parts, one.ID)
	}
	return key.Of("reading", parts...).String()
}

// orderReading orders that a connection's calendars are subscribed to and read (R7), or
// where they are not to be any more, that they are left. What changes between the two is
// notified. What is to be read has a turn of the schedule before that, so that it is read
// whatever becomes of the orders.
func (e *Engine) orderReading(ctx context.Context, c connection.Connection) error {
	if readingOf(c) != "" {
		if err := e.due.AddSyncs(ctx, []state.SyncTurn{downsync.FirstTurn(c, e.now())}); err != nil {
			return err
		}
	}
	return e.send(ctx, queue.MailboxTasks, subscribe.Message(c, subscribe.CauseFollow, time.Time{}),
		downsync.Message(c.Organization, c, downsync.CauseConnect, time.Time{}))
}

// toldID is the id of the event that tells of a connection's state. Of a pause nothing
// is told: the event stays that of before.
func toldID(c connection.Connection) string {
	if c.State == connection.Paused {
		return c.Told
	}
	return connectionEvent(c).EventID()
}

func connectionEvent(c connection.Connection) outbound.Connection {
	return outbound.Connection{ID: c.ID, User: c.User, State: string(c.State), Reason: c.Cause, Message: ConnectionWords(c).Sentence,
		Correlation: c.Correlation, Since: c.Since}
}

// tellConnection tells the topic how a connection stands.
func (e *Engine) tellConnection(ctx context.Context, c connection.Connection) error {
	return e.send(ctx, queue.Changes, message(connectionEvent(c).Event(e.origin(c.Organization))))
}

// tellPeople tells the people row how the person's connections stand, if that is news.
func (e *Engine) tellPeople(ctx context.Context, organization, user string, rows []state.Stored) error {
	lane := key.Lane(organization, key.User, user)
	stands, cause, email := state.NoConnection, "", ""
	for _, row := range present(rows)[:min(1, len(present(rows)))] {
		stands, cause, email = string(row.State), row.Cause, row.Email
	}
	who, err := e.people.Person(ctx, organization, lane)
	isNew := errors.Is(err, state.ErrNotFound)
	if err != nil && !isNew {
		return err
	}
	if isNew && stands == state.NoConnection || !isNew && who.Connection == stands && who.Cause == cause {
		return nil
	}
	return e.people.SetConnection(ctx, organization,
		state.Person{Lane: lane, User: user, Email: email, Connection: stands, Cause: cause}, isNew)
}
