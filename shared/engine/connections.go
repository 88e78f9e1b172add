package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// Errors of the use cases of connections; compare with errors.Is. What has no row is
// state.ErrNotFound.
var (
	// ErrAccountMoved: the account has got another connection id meanwhile, so the
	// tokens are sealed for the wrong one. Ask ConnectionID again, seal again, connect.
	ErrAccountMoved = errors.New("the account is connected under another id")
	// ErrFirstNone: direction none is for a connection that exists (R2).
	ErrFirstNone = errors.New("a new connection cannot have direction none")
	// ErrConnectionsFull: the person has as many connections as one transaction can keep.
	ErrConnectionsFull = errors.New("the person has too many connections")
	// ErrNotProbed: a connection by probe is for organisations of permission application.
	ErrNotProbed = errors.New("the organisation's people sign in: there is no connection by probe")
	// ErrNoConsent: the organisation is bound to no tenant yet.
	ErrNoConsent = errors.New("the organisation's tenant has not consented")
	// ErrForeignTenant: the organisation takes accounts of its own tenant only.
	ErrForeignTenant = errors.New("the account is of another tenant")
	// ErrNotPrimary: a person's primary connection stops being it only when another one becomes it.
	ErrNotPrimary = errors.New("another connection has to be made the primary one")
	// ErrScope: the scope does not go with the direction: writing has readwrite, reading has not.
	ErrScope = errors.New("the scope does not go with the direction")
	// ErrCalendarChoice: only the default calendar can be written to.
	ErrCalendarChoice = errors.New("only the default calendar can be written to")
	// ErrOptOut: the organisation does not let people opt out.
	ErrOptOut = errors.New("the organisation does not let people opt out")
	// ErrModuleOff: the operator has not enabled the integration for the organisation (R1).
	ErrModuleOff = errors.New("the integration is not enabled for the organisation")
)

// MaxConnections is how many connections one person may have: all of them change in
// one transaction of 100 rows.
const MaxConnections = 20

// ScopeMissing says that a change needs more than was granted. Nothing was changed:
// the old direction stays in force until the person signs in for the new one (R3).
type ScopeMissing struct {
	// Connection is the connection as it is.
	Connection connection.Connection
	// Direction and Scope are what was wanted, to be passed to the sign-in.
	Direction connection.Direction
	Scope     connection.Scope
	// Missing are the delegated permissions to ask for, short.
	Missing []string
}

func (e *ScopeMissing) Error() string {
	return "not granted: " + strings.Join(e.Missing, ", ")
}

// ConnectionChange is what is to change of a connection; nil is not said.
type ConnectionChange struct {
	Direction *connection.Direction
	// Scope is for reading; writing always has readwrite. A direction that is changed
	// without a scope keeps the scope where that suits it, else takes its least.
	Scope *connection.Scope
	// Calendars are those read from, by id; empty is the default one. Only a direction
	// that reads has any.
	Calendars *[]connection.Calendar
	// Calendar is the one written to; only "" is accepted, the default one.
	Calendar *string
	// Primary true makes it the one that receives writes. False on the primary one is
	// ErrNotPrimary.
	Primary *bool
}

// CheckConnection objects to a change or a disconnect, of the row as it is at that
// moment; its error is returned as it is. A page checks whose the connection is, the
// API its version. It may be called several times. Nil objects to nothing.
type CheckConnection func(c connection.Connection, version string) error

// VersionedConnection is a connection and the version of its row, never empty.
type VersionedConnection struct {
	connection.Connection
	Version string
	// New says that it was just made; another of the same account was there else.
	New bool
}

// ConnectionPage is a page of an organisation's connections.
type ConnectionPage struct {
	Items []Connection `json:"items"`
	// Next continues the list; empty when there is no more.
	Next string `json:"next,omitempty"`
}

// Connection is a connection as wire.md has it (Connections and people).
type Connection struct {
	ID          string               `json:"id"`
	User        string               `json:"user"`
	Email       string               `json:"email"`
	Account     connection.Account   `json:"account"`
	Direction   connection.Direction `json:"direction"`
	Scope       connection.Scope     `json:"scope"`
	Calendars   []Calendar           `json:"calendars"`
	Calendar    string               `json:"calendar"`
	Primary     bool                 `json:"primary"`
	State       connection.State     `json:"state"`
	Since       time.Time            `json:"since"`
	LastRefresh *time.Time           `json:"lastRefresh,omitempty"` // never, for a connection by probe
	Lapses      int                  `json:"lapses"`
}

// Calendar is a calendar that is read, as wire.md has it.
type Calendar struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ConnectionOf is c as the API shows it.
func ConnectionOf(c connection.Connection) Connection {
	out := Connection{ID: c.ID.String(), User: c.User, Email: c.Email, Account: c.Account, Direction: c.Direction, Scope: c.Scope,
		Calendars: make([]Calendar, len(c.Calendars)), Calendar: c.Calendar, Primary: c.Primary, State: c.State, Since: c.Since.UTC(), Lapses: c.Lapses}
	for i, from := range c.Calendars {
		out.Calendars[i] = Calendar{from.ID, from.Name}
	}
	if !c.LastRefresh.IsZero() {
		at := c.LastRefresh.UTC()
		out.LastRefresh = &at
	}
	return out
}

// Connections are a person's connections, the primary one first, the others as they
// were made; none is an empty slice. It costs one request.
func (e *Engine) Connections(ctx context.Context, organization, user string) ([]connection.Connection, error) {
	rows, err := e.connections.Of(ctx, organization, key.Lane(organization, key.User, user))
	if err != nil {
		return nil, fmt.Errorf("engine.Connections: %w", err)
	}
	out := []connection.Connection{}
	for _, row := range present(rows) {
		out = append(out, row.Connection)
	}
	return out, nil
}

// present are the connections that are not about to go, in the order that people see:
// the primary one first, the others as they were made.
func present(rows []state.Stored) []state.Stored {
	rows = slices.DeleteFunc(slices.Clone(rows), func(s state.Stored) bool { return s.State == connection.Disconnected })
	slices.SortStableFunc(rows, func(a, b state.Stored) int {
		if a.Primary != b.Primary {
			if a.Primary {
				return -1
			}
			return 1
		}
		return a.Created.Compare(b.Created)
	})
	return rows
}

// Connection reads one connection. state.ErrNotFound: there is none of that id.
func (e *Engine) Connection(ctx context.Context, organization string, id key.Key) (VersionedConnection, error) {
	row, err := e.connections.Get(ctx, organization, id)
	if err == nil && row.State == connection.Disconnected {
		err = state.ErrNotFound
	}
	if err != nil {
		return VersionedConnection{}, fmt.Errorf("engine.Connection: %w", err)
	}
	return versioned(row), nil
}

// versioned gives a row its version: that of the row, and whether it is primary, which
// the rows of others decide too.
func versioned(row state.Stored) VersionedConnection {
	return VersionedConnection{Connection: row.Connection, Version: fmt.Sprintf("%s %t", row.ETag, row.Primary)}
}

// ListConnections lists an organisation's connections, at most limit, those after the
// cursor, in an order that stays but means nothing. state.ErrNotFound: no such organisation. ErrBadCursor: after is none that the
// list gave out.
func (e *Engine) ListConnections(ctx context.Context, organization, after string, limit int) (ConnectionPage, error) {
	if _, err := e.orgs.Organization(ctx, organization); err != nil {
		return ConnectionPage{}, fmt.Errorf("engine.ListConnections: %w", err)
	}
	rows, next, err := e.connections.List(ctx, organization, after, limit)
	if errors.Is(err, state.ErrInvalid) {
		return ConnectionPage{}, errors.Join(ErrBadCursor, err)
	}
	if err != nil {
		return ConnectionPage{}, fmt.Errorf("engine.ListConnections: %w", err)
	}
	page := ConnectionPage{Items: []Connection{}, Next: next}
	for _, row := range rows {
		if row.State != connection.Disconnected { // about to go
			page.Items = append(page.Items, ConnectionOf(row.Connection))
		}
	}
	return page, nil
}

// ConnectionsOf lists one person's connections; state.ErrNotFound: no such organisation.
func (e *Engine) ConnectionsOf(ctx context.Context, organization, user string) (ConnectionPage, error) {
	if _, err := e.orgs.Organization(ctx, organization); err != nil {
		return ConnectionPage{}, fmt.Errorf("engine.ConnectionsOf: %w", err)
	}
	all, err := e.Connections(ctx, organization, user)
	page := ConnectionPage{Items: make([]Connection, len(all))}
	for i, c := range all {
		page.Items[i] = ConnectionOf(c)
	}
	return page, err
}
