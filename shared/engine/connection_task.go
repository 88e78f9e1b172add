package engine

import (
	"context"
	"errors"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// connectionTask takes a task about connections. They outlive their organisation by as
// long as it takes to destroy them, so that it is read only where it matters.
func (e *Engine) connectionTask(ctx context.Context, t task, m queue.Message) error {
	id, err := key.Parse(t.Connection)
	switch {
	case t.Op == opMove:
		return e.moveTask(ctx, t, m)
	case t.Op == opDisconnect && t.Connection == "":
		return e.disconnectAll(ctx, t, m)
	case err != nil:
	case t.Op == opDisconnect:
		err := e.Disconnect(ctx, t.Organization, id, nil)
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		return err
	case t.Op == opKeepAlive:
		return e.keepAlive(ctx, t.Organization, id)
	case t.Op == opProbe:
		return e.probeTask(ctx, t.Organization, id)
	}
	return &queue.Malformed{Why: "no connection, or not one of its operations"}
}

// moveTask does what follows from a person's connections; where it names no lane, it has
// that done for all of the organisation.
func (e *Engine) moveTask(ctx context.Context, t task, m queue.Message) error {
	if t.Lane == "" {
		return e.catchUpTask(ctx, t, m)
	}
	lane, err := key.Parse(t.Lane)
	if err != nil {
		return &queue.Malformed{Why: "no lane"}
	}
	rows, err := e.connections.Of(ctx, t.Organization, lane)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		return e.follow(ctx, t.Organization, rows[0].User)
	}
	who, err := e.people.Person(ctx, t.Organization, lane)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.follow(ctx, t.Organization, who.User)
}

// disconnectPage is how many connections of a deleted organisation one task looks at.
const disconnectPage = 50

// DisconnectAll orders that the connections of an organisation are destroyed, because
// it is about to be deleted. It is called before that is stored, so that a deletion
// without it cannot be; an organisation that is not deleted then keeps them.
func (e *Engine) DisconnectAll(ctx context.Context, organization string) error {
	return e.send(ctx, queue.MailboxTasks,
		task{Op: opDisconnect, Organization: organization, Cause: "deleted"}.message(e.now().Add(settling)))
}

// disconnectAll destroys a page of an organisation's connections, those from before it
// was last deleted, and goes on with the next page: whoever makes an organisation of
// that id again does not inherit anybody's calendar.
func (e *Engine) disconnectAll(ctx context.Context, t task, m queue.Message) error {
	deleted, err := e.consents.DeletedAt(ctx, t.Organization)
	if err != nil || deleted.IsZero() {
		return err
	}
	if t.Cause == causePeople {
		return e.removePeople(ctx, t, m)
	}
	after := m.Text(afterProperty)
	rows, next, err := e.connections.List(ctx, t.Organization, after, disconnectPage)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Created.After(deleted) || row.SignedIn.After(deleted) {
			continue
		}
		if err := e.Disconnect(ctx, t.Organization, row.ID, nil); err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
	}
	if next == "" {
		return e.removePeople(ctx, t, m)
	}
	rest := t.message(e.now())
	rest.Properties = map[string]any{afterProperty: next}
	return e.send(ctx, queue.MailboxTasks, rest)
}
