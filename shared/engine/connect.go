package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// ConnectionID tells under which id an account of a person is, or is to be,
// connected, so that its tokens can be sealed for that id: that of the connection
// which the person has of the same tenant and object id, else a new random one. It
// stores nothing.
func (e *Engine) ConnectionID(ctx context.Context, organization, user string, account connection.Account) (key.Key, error) {
	rows, err := e.connections.Of(ctx, organization, key.Lane(organization, key.User, user))
	if err != nil {
		return key.Key{}, fmt.Errorf("engine.ConnectionID: %w", err)
	}
	if row, ok := ofAccount(rows, connection.Connection{Account: account}); ok {
		return row.ID, nil
	}
	return key.Parse(key.Random())
}

// ofAccount finds the connection of the same account: that which signed in, by tenant
// and object id; that by probe, by tenant and mailbox.
func ofAccount(rows []state.Stored, c connection.Connection) (state.Stored, bool) {
	for _, row := range present(rows) {
		same := strings.EqualFold(row.Account.Tenant, c.Account.Tenant) && strings.EqualFold(row.Account.ObjectID, c.Account.ObjectID)
		if same && (c.Account.ObjectID != "" || row.Mailbox == c.Mailbox) {
			return row, true
		}
	}
	return state.Stored{}, false
}

// Connect stores what a person confirmed. c says organisation, user, id (from
// ConnectionID), account, email, mailbox, direction, scope, what was granted, and, for
// a mailbox that cannot be used, its Cause; the rest of c is decided here. sealed is
// the token cache, sealed for that id; nil for a connection by probe.
//
// The same account of the same person keeps its id, its calendars and its lapses, and
// gets the new tokens; another account is another connection. The first is primary, and so
// is the first with a sign-in, or without one, after some of the other kind. What
// was missed is owed, the product is told, and the token is put on the agenda of those
// to keep alive. Repeating it changes nothing more.
//
// Errors: state.ErrNotFound, no such organisation; ErrModuleOff, ErrFirstNone,
// ErrForeignTenant, ErrAccountMoved, ErrConnectionsFull, *ScopeMissing.
func (e *Engine) Connect(ctx context.Context, c connection.Connection, sealed []byte) (connection.Connection, error) {
	stored, err := e.connect(ctx, c, sealed)
	if err != nil {
		return connection.Connection{}, fmt.Errorf("engine.Connect: %w", err)
	}
	return stored.Connection, nil
}

func (e *Engine) connect(ctx context.Context, c connection.Connection, sealed []byte) (state.Stored, error) {
	if err := e.mayConnect(ctx, c); err != nil {
		return state.Stored{}, err
	}
	c = e.confirmed(c, len(sealed) > 0)
	if missing := connection.Missing(c.Granted, c.Direction, c.Scope); c.Delegated && len(missing) > 0 {
		return state.Stored{}, &ScopeMissing{Connection: c, Direction: c.Direction, Scope: c.Scope, Missing: missing}
	}
	lane := key.Lane(c.Organization, key.User, c.User)
	if !c.Delegated {
		if err := e.lanes.SetChosen(ctx, lane); err != nil { // before the row: else the lane would not read it
			return state.Stored{}, err
		}
	}
	if err := e.ensureFollow(ctx, c.Organization, lane, "connect"); err != nil {
		return state.Stored{}, err
	}
	stored, err := e.storeConnect(ctx, lane, c, sealed)
	if err != nil {
		return state.Stored{}, err
	}
	if err := e.follow(ctx, c.Organization, c.User); err != nil {
		return state.Stored{}, err
	}
	return stored, nil
}

// mayConnect refuses as connectable does, but only by an organisation as it is now: the
// tenant may have been bound this very second, and settings are cached.
func (e *Engine) mayConnect(ctx context.Context, c connection.Connection) error {
	org, err := e.orgs.Organization(ctx, c.Organization)
	if err == nil {
		err = connectable(org, c)
	}
	if err == nil {
		return nil
	}
	fresh, _, missing := e.consents.Get(ctx, c.Organization)
	if missing != nil {
		return err
	}
	return connectable(fresh, c)
}

// connectable refuses what no confirmation makes right (R1, R2, I7).
func connectable(org organization.Organization, c connection.Connection) error {
	switch {
	case !org.Module:
		return ErrModuleOff
	case org.Accounts != "any" && !strings.EqualFold(c.Account.Tenant, org.State.Tenant):
		return ErrForeignTenant
	case !c.Direction.Valid():
		return fmt.Errorf("direction: %w", state.ErrInvalid)
	}
	return nil
}

// confirmed is c as it begins.
func (e *Engine) confirmed(c connection.Connection, delegated bool) connection.Connection {
	now := e.now().UTC()
	c.Account.Tenant, c.Account.ObjectID = strings.ToLower(c.Account.Tenant), strings.ToLower(c.Account.ObjectID)
	c.Mailbox = strings.ToLower(c.Mailbox)
	c.Delegated, c.Scope = delegated, connection.ScopeFor(c.Direction, c.Scope)
	c.Granted = slices.Clone(c.Granted)
	c.Created, c.Since, c.SignedIn, c.LastRefresh = now, now, time.Time{}, time.Time{}
	if delegated {
		c.SignedIn, c.LastRefresh = now, now
	}
	c.State = stateOf(c)
	return c
}

// stateOf is the state of a connection whose token works.
func stateOf(c connection.Connection) connection.State {
	switch {
	case c.Direction == connection.None:
		return connection.Paused
	case c.Cause != "":
		return connection.Unreachable
	}
	return connection.Connected
}

// storeConnect inserts the connection, or renews the one of the same account.
func (e *Engine) storeConnect(ctx context.Context, lane key.Key, c connection.Connection, sealed []byte) (state.Stored, error) {
	for range 5 {
		var known state.Stored
		stored, err := e.connections.Add(ctx, c.Organization, lane, func(all []state.Stored) (connection.Connection, []byte, error) {
			row, ok := ofAccount(all, c)
			if ok {
				known = row
				return c, nil, errKnownAccount
			}
			if c.Direction == connection.None {
				return c, nil, ErrFirstNone
			}
			if len(all) >= MaxConnections {
				return c, nil, ErrConnectionsFull
			}
			c.Primary = !slices.ContainsFunc(present(all), func(s state.Stored) bool { return s.Delegated == c.Delegated })
			return c, sealed, nil
		})
		if !errors.Is(err, errKnownAccount) {
			return stored, err
		}
		if c.Delegated && known.ID != c.ID {
			return state.Stored{}, ErrAccountMoved
		}
		if err := e.tellWarningOver(ctx, known.Connection); err != nil {
			return state.Stored{}, err
		}
		next := renewed(known.Connection, c)
		etag, err := e.connections.Put(ctx, next, sealed, known.ETag)
		if errors.Is(err, state.ErrPrecondition) || errors.Is(err, state.ErrNotFound) {
			continue
		}
		return state.Stored{Connection: next, Sealed: sealed, ETag: etag}, err
	}
	return state.Stored{}, fmt.Errorf("the person's connections: %w", state.ErrPrecondition)
}

var errKnownAccount = errors.New("the account is connected already")

// renewed is a connection that was signed in for again: as c says, under what it was.
func renewed(was, c connection.Connection) connection.Connection {
	next := c
	next.ID, next.Primary, next.Created = was.ID, was.Primary, was.Created
	if c.Delegated {
		next.Former = was.At(c.Mailbox).Former
	}
	next.Lapses, next.Policy, next.Told, next.Followed, next.Ordered, next.Kept = was.Lapses, was.Policy, was.Told, was.Followed, was.Ordered, was.Kept
	if len(next.Calendars) == 0 {
		next.Calendars = was.Calendars
	}
	if next.Calendar == "" {
		next.Calendar = was.Calendar
	}
	if next.State == was.State && next.Cause == was.Cause {
		next.Since = was.Since
	}
	return next.Narrowed()
}

// ConnectByProbe makes a connection without a sign-in for a person of an organisation
// whose permission is application: it asks with the app's own token which mailbox
// answers for the address. An address that no mailbox answers for is a *graph.Error
// of kind Unreachable with its reason, and nothing is stored. Other errors: as Connect, and
// ErrNotProbed, ErrNoConsent.
func (e *Engine) ConnectByProbe(ctx context.Context, organizationID, user, email string, direction connection.Direction) (VersionedConnection, error) {
	fail := func(err error) (VersionedConnection, error) {
		return VersionedConnection{}, fmt.Errorf("engine.ConnectByProbe: %w", err)
	}
	org, err := e.orgs.Organization(ctx, organizationID)
	switch {
	case err != nil:
		return fail(err)
	case !org.Module:
		return fail(ErrModuleOff)
	case org.Permission != organization.Application:
		return fail(ErrNotProbed)
	case org.State.Tenant == "":
		return fail(ErrNoConsent)
	}
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	box, err := e.calendar.Mailbox(call, graph.AppAccess(org.State.Tenant), email)
	if err != nil {
		failure := graphError(err)
		if unsettled(org, failure, e.now()) {
			failure = &graph.Error{Kind: graph.Transient, Status: failure.Status, Code: failure.Code, Cause: failure}
		}
		return fail(failure)
	}
	if err := e.consentProven(ctx, organizationID, org.State.Tenant, organization.EvidenceProbe); err != nil {
		return fail(err)
	}
	id, err := key.Parse(key.Random())
	if err != nil {
		return fail(err)
	}
	stored, err := e.connect(ctx, connection.Connection{ID: id, Organization: organizationID, User: user, Email: email, Mailbox: box.Address,
		Account: connection.Account{Tenant: org.State.Tenant, Name: email}, Direction: direction}, nil)
	if err != nil {
		return fail(err)
	}
	// Following has changed the row since it was stored.
	found, err := e.Connection(ctx, organizationID, stored.ID)
	found.New = stored.ID == id
	return found, err
}
