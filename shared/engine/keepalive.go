package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

// Refresher renews tokens.
type Refresher interface {
	// Refresh renews the token of a stored connection now, whatever its age, and saves
	// it with the time. Its error tells by TokenFailure what Entra said.
	Refresh(ctx context.Context, c connection.Connection) error
}

// back is how far the hourly timer looks back for what an earlier run left.
const back = 7 * 24 * time.Hour

// KeepAlive enqueues what is due by the hour: the refresh of every connection, once a
// day, and the re-checks of unreachable mailboxes; it looks after the alerts of the
// deployment, and destroys the tokens of sign-ins that nobody confirmed. It reads the
// slots of the last week. Once a day it has all connections looked through (catchUp).
func (e *Engine) KeepAlive(ctx context.Context) error {
	now := e.now()
	slots := int(back/state.ProbeSlot) + 1
	var others aside
	err := errors.Join(
		e.each(ctx, slots, func(ctx context.Context, i int) error {
			return e.probeSlot(ctx, now.Add(-time.Duration(i)*state.ProbeSlot), &others)
		}),
		e.each(ctx, slots, func(ctx context.Context, i int) error {
			return e.keepAliveSlot(ctx, now.Add(-time.Duration(i)*state.KeepAliveSlot), &others)
		}),
		e.each(ctx, slots, func(ctx context.Context, i int) error {
			return e.unsealSlot(ctx, now.Add(-time.Duration(i)*state.SealedSlot), &others)
		}),
		others.but(e.catchUp(ctx)), e.watchIncidents(ctx), e.watchCertificate(ctx))
	return errors.Join(err, others.first)
}

// refreshAt is when a connection has its next refresh: at its own hour of the day, which
// spreads them, and which every chain of refreshes of one connection falls into.
func refreshAt(id key.Key, now time.Time) time.Time {
	const day = 24 * time.Hour
	hour := time.Duration(int(id[0])%24) * time.Hour
	at := now.Truncate(day).Add(hour)
	for !at.After(now.Truncate(state.KeepAliveSlot)) {
		at = at.Add(day)
	}
	return at
}

// keepAliveSlot sends a task for each connection of a slot and puts it on the agenda
// again, before it is taken from the slot: whatever becomes of the task, tomorrow has one.
func (e *Engine) keepAliveSlot(ctx context.Context, at time.Time, others *aside) error {
	due, err := e.due.KeepAlives(ctx, at)
	if err := others.but(err); err != nil {
		return err
	}
	now := e.now()
	for i, k := range due {
		alive, err := e.keptAlive(ctx, k)
		if version.Is(err) {
			_ = others.but(err) // it is put aside, with its place on the agenda
			continue
		}
		if err != nil {
			return err
		}
		if alive {
			if err := e.due.AddKeepAlive(ctx, refreshAt(k.Connection, now), k.Organization, k.Lane, k.Connection); err != nil {
				return err
			}
			t := task{Op: opKeepAlive, Organization: k.Organization, Connection: k.Connection.String(), Cause: "daily"}
			if err := e.send(ctx, queue.MailboxTasks, t.message(e.paced(now, i))); err != nil {
				return err
			}
		}
		if err := e.due.KeepAliveDone(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// unsealSlot destroys what attempts to sign in still keep sealed that ended in a slot:
// nobody answered whether their calendar was to be connected.
func (e *Engine) unsealSlot(ctx context.Context, at time.Time, others *aside) error {
	ended, err := e.flows.Sealed(ctx, at)
	if err := others.but(err); err != nil {
		return err
	}
	now := e.now()
	for _, f := range ended {
		if err := others.but(e.flows.Unseal(ctx, f, now)); err != nil {
			return err
		}
	}
	return nil
}

// keptAlive reports whether a connection has a token that may still live. One that
// waits for its person leaves the agenda, and is put on it by the next sign-in.
func (e *Engine) keptAlive(ctx context.Context, k state.KeepAlive) (bool, error) {
	rows, err := e.connections.Of(ctx, k.Organization, k.Lane)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		if row.ID == k.Connection {
			return refreshable(row), nil
		}
	}
	return false, nil
}

func refreshable(row state.Stored) bool {
	return row.Delegated && len(row.Sealed) > 0 && row.State != connection.NeedsReauth && row.State != connection.Disconnected
}

// keepAlive refreshes a connection's token, in a session of its own. A mailbox that
// could not be reached, or was never seen, is looked at again with it.
func (e *Engine) keepAlive(ctx context.Context, organization string, id key.Key) error {
	row, err := e.connections.Get(ctx, organization, id)
	if errors.Is(err, state.ErrNotFound) || err == nil && !refreshable(row) || e.refresher == nil {
		return nil
	}
	if err != nil {
		return err
	}
	c := row.Connection
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	if err := e.refresher.Refresh(call, c); err != nil {
		return e.refreshFailed(ctx, c, err)
	}
	if err := errors.Join(e.credentialWorks(ctx), e.connectionRefreshed(ctx, c)); err != nil {
		return err
	}
	if c.State == connection.Unreachable || c.Mailbox == "" {
		return e.probeConnection(ctx, c)
	}
	return nil
}

// refreshFailed takes the failure of a refresh, and warns when little time is left.
func (e *Engine) refreshFailed(ctx context.Context, c connection.Connection, err error) error {
	failure := refreshError(err)
	if fate := fateOf(failure); fate == graph.FatePassing || fate == graph.FateApp {
		failure.Kind = graph.Unauthorised // also where nobody answered: the countdown goes on
	}
	if err := e.ConnectionFailed(ctx, c, failure); err != nil {
		return err
	}
	return e.warn(ctx, c)
}

// refreshError is what the engine acts on, of a refresh's error.
func refreshError(err error) *graph.Error {
	if known := (*graph.Error)(nil); errors.As(err, &known) {
		copied := *known
		return &copied
	}
	if t := tokenFailure(nil); errors.As(err, &t) {
		code, numbers, status, retryAfter := t.TokenFailure()
		failure := graph.ClassifyToken(code, numbers, status)
		failure.RetryAfter, failure.Cause = retryAfter, err
		return failure
	}
	return &graph.Error{Kind: graph.Transient, Cause: err}
}

// probeConnection looks whether a connection's mailbox can be reached. Who signed in is
// reached as themselves, who did not as the app.
func (e *Engine) probeConnection(ctx context.Context, c connection.Connection) error {
	as := graph.AppAccess(c.Account.Tenant)
	if c.Delegated {
		as = accessOf(key.Lane(c.Organization, key.User, c.User), c)
	}
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	box, err := e.calendar.Mailbox(call, as, c.Email)
	if err != nil {
		failure := graphError(err)
		if failure.Kind == graph.Unreachable || failure.Kind == graph.Unauthorised {
			return e.ConnectionFailed(ctx, c, failure)
		}
		return failure
	}
	return e.turnConnection(ctx, c, func(now connection.Connection) connection.Connection {
		return reached(now.At(box.Address), e.now().UTC())
	})
}

// probeTask looks at one connection's mailbox, if it was not reached before.
func (e *Engine) probeTask(ctx context.Context, organization string, id key.Key) error {
	row, err := e.connections.Get(ctx, organization, id)
	if errors.Is(err, state.ErrNotFound) || err == nil && !row.Usable() {
		return nil
	}
	if err != nil {
		return err
	}
	may, err := e.mayProbe(ctx, row.Connection)
	if err != nil || !may {
		return err
	}
	return e.probeConnection(ctx, row.Connection)
}

// mayProbe reports whether a connection's mailbox may be looked for: as the app only in
// the tenant that the organisation is bound to now, whichever the connection is of (I7).
func (e *Engine) mayProbe(ctx context.Context, c connection.Connection) (bool, error) {
	if c.Delegated {
		return true, nil
	}
	org, err := e.orgs.Organization(ctx, c.Organization)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	return err == nil && org.Permission == organization.Application && org.State.Consented() && org.State.Tenant == c.Account.Tenant, err
}

// warnings are how many days before a token's estimated end people are warned.
var warnings = []int{1, 7, 14}

// warn alerts, once for each number of days, that a token which cannot be renewed
// comes to its end.
func (e *Engine) warn(ctx context.Context, seen connection.Connection) error {
	row, err := e.connections.Get(ctx, seen.Organization, seen.ID)
	if errors.Is(err, state.ErrNotFound) || err == nil && (!refreshable(row) || row.Failing.IsZero()) {
		return nil
	}
	if err != nil {
		return err
	}
	left := row.Expires().Sub(e.now())
	for _, days := range warnings {
		if left > time.Duration(days)*24*time.Hour {
			continue
		}
		if row.Warned != 0 && row.Warned <= days {
			return nil
		}
		if err := e.tellWarning(ctx, row.Connection, days, "raised"); err != nil {
			return err
		}
		return e.turnConnection(ctx, row.Connection, func(c connection.Connection) connection.Connection {
			c.Warned = days
			return c
		})
	}
	return nil
}

// tellWarningOver takes a warning back, if there was one. It comes before the row that
// forgets it, and a repeat is the same event.
func (e *Engine) tellWarningOver(ctx context.Context, c connection.Connection) error {
	if c.Warned == 0 {
		return nil
	}
	return e.tellWarning(ctx, c, c.Warned, "over")
}

func (e *Engine) tellWarning(ctx context.Context, c connection.Connection, days int, how string) error {
	text := fmt.Sprintf("The connection of a calendar cannot be renewed; it ends in about %d days unless that changes.", days)
	if how == "over" {
		text = "The connection of a calendar was renewed or ended: the warning is over."
	}
	alert := outboundAlert("connection-expiring", how, text)
	alert.ID = key.UUID(fmt.Sprintf("alert/expiring/%s/%d/%d/%s", c.ID, c.LastRefresh.Unix(), days, how))
	alert.Kind, alert.Target = key.User, c.User
	return e.send(ctx, queue.Changes, message(alert.Event(e.origin(c.Organization))))
}
