package engine

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
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
	// ErrNotPrimary: a person's primary connection stops being it only when another one becomes it.
	ErrNotPrimary = errors.New("another connection has to be made the primary one")
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
	// Calendars are those read from; empty is the default one.
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
}

// ConnectionPage is a page of an organisation's connections.
type ConnectionPage struct {
	Items []Connection `json:"items"`
	// Next continues the list; empty when there is no more.
	Next string `json:"next,omitempty"`
}

// Connection is a connection as wire.md has it (Connections and people).
type Connection struct {
	ID          string                `json:"id"`
	User        string                `json:"user"`
	Email       string                `json:"email"`
	Account     connection.Account    `json:"account"`
	Direction   connection.Direction  `json:"direction"`
	Scope       connection.Scope      `json:"scope"`
	Calendars   []connection.Calendar `json:"calendars"`
	Calendar    string                `json:"calendar"`
	Primary     bool                  `json:"primary"`
	State       connection.State      `json:"state"`
	Since       time.Time             `json:"since"`
	LastRefresh *time.Time            `json:"lastRefresh,omitempty"` // never, for a connection by probe
	Lapses      int                   `json:"lapses"`
}

// ConnectionOf is c as the API shows it.
func ConnectionOf(c connection.Connection) Connection {
	out := Connection{ID: c.ID.String(), User: c.User, Email: c.Email, Account: c.Account, Direction: c.Direction, Scope: c.Scope,
		Calendars: c.Calendars, Calendar: c.Calendar, Primary: c.Primary, State: c.State, Since: c.Since.UTC(), Lapses: c.Lapses}
	if out.Calendars == nil {
		out.Calendars = []connection.Calendar{}
	}
	if !c.LastRefresh.IsZero() {
		at := c.LastRefresh.UTC()
		out.LastRefresh = &at
	}
	return out
}

// ConnectionID tells under which id an account of a person is, or is to be,
// connected, so that its tokens can be sealed for that id: that of the connection
// which the person has of the same tenant and object id, else a new random one. It
// stores nothing.
func (e *Engine) ConnectionID(ctx context.Context, organization, user string, account connection.Account) (key.Key, error) {
	return key.Key{}, errors.ErrUnsupported
}

// Connect stores what a person confirmed. c says organisation, user, id (from
// ConnectionID), account, email, mailbox, direction, scope, what was granted, and, for
// a mailbox that cannot be used, its Cause; the rest of c is decided here. sealed is
// the token cache, sealed for that id; nil for a connection by probe.
//
// The same account of the same person keeps its id, its calendars and its lapses, and
// gets the new tokens; another account is another connection. The first is primary. What
// was missed is owed, the product is told, and the token is put on the agenda of those
// to keep alive. Repeating it changes nothing more.
//
// Errors: state.ErrNotFound, no such organisation; ErrModuleOff, ErrFirstNone,
// ErrAccountMoved, ErrConnectionsFull.
func (e *Engine) Connect(ctx context.Context, c connection.Connection, sealed []byte) (connection.Connection, error) {
	return connection.Connection{}, errors.ErrUnsupported
}

// ConnectByProbe makes a connection without a sign-in for a person of an organisation
// whose permission is application: it asks with the app's own token which mailbox
// answers for the address. An address that no mailbox answers for is a *graph.Error
// of kind Unreachable with its reason, and nothing is stored. Other errors: as Connect, and
// ErrNotProbed, ErrNoConsent.
func (e *Engine) ConnectByProbe(ctx context.Context, organization, user, email string, direction connection.Direction) (VersionedConnection, error) {
	return VersionedConnection{}, errors.ErrUnsupported
}

// Connections are a person's connections, the primary one first, the others as they
// were made; none is an empty slice. It costs one request.
func (e *Engine) Connections(ctx context.Context, organization, user string) ([]connection.Connection, error) {
	return nil, errors.ErrUnsupported
}

// Connection reads one connection. state.ErrNotFound: there is none of that id.
func (e *Engine) Connection(ctx context.Context, organization string, id key.Key) (VersionedConnection, error) {
	return VersionedConnection{}, errors.ErrUnsupported
}

// ListConnections lists an organisation's connections, at most limit, those after the
// cursor, in an order that stays but means nothing. state.ErrNotFound: no such
// organisation. ErrBadCursor: after is none that the list gave out.
func (e *Engine) ListConnections(ctx context.Context, organization, after string, limit int) (ConnectionPage, error) {
	return ConnectionPage{}, errors.ErrUnsupported
}

// ChangeConnection changes a connection and makes calendars follow: a new primary, or
// a way for writes that opens, owes the person's lane. A change to what is so already
// costs a read. Errors: state.ErrNotFound, *ScopeMissing, ErrNotPrimary,
// ErrCalendarChoice, and those of check.
func (e *Engine) ChangeConnection(ctx context.Context, organization string, id key.Key, change ConnectionChange, check CheckConnection) (VersionedConnection, error) {
	return VersionedConnection{}, errors.ErrUnsupported
}

// Disconnect destroys a connection's tokens and then its row; events stay where they
// are. If it was the primary one, the person's oldest other connection becomes it.
// state.ErrNotFound: there is none (any more). It may be repeated.
func (e *Engine) Disconnect(ctx context.Context, organization string, id key.Key, check CheckConnection) error {
	return errors.ErrUnsupported
}

// Dismiss remembers that a person does not want to be offered a connection, or, with
// false, that they may be offered it again. "Connected apps" offers it all the same (T5).
// A connection that is made or dies ends the dismissal. state.ErrNotFound: no such organisation or
// person.
func (e *Engine) Dismiss(ctx context.Context, organization, user string, dismissed bool) error {
	return errors.ErrUnsupported
}

// Summary is how an organisation's people stand.
type Summary struct {
	// People were counted; More says that there are more, who were not.
	People int
	More   bool
	// States counts active people by the state of their connection, "none" included.
	States map[string]int
	// Causes counts those of a state by cause: an AADSTS number or a reason of package
	// reason, as connection.Connection.Cause.
	Causes map[string]map[string]int
	// Mailboxes counts active people by mailbox: ok, unknown or a reason of ics.
	Mailboxes map[string]int
	// Inactive people are counted nowhere else.
	Inactive int
	// Dismissed counts those who dismissed the offer.
	Dismissed int
}

// Summary counts an organisation's people by state, at most 5,000 of them: one request
// for every 1,000. state.ErrNotFound: there is no such organisation.
func (e *Engine) Summary(ctx context.Context, organization string) (Summary, error) {
	return Summary{}, errors.ErrUnsupported
}

// Stale is how many events would go stale, if calendars were not written any more.
type Stale struct {
	Events int
	More   bool // at least so many: not everybody's were counted
}

// Stale counts events of ours that are not over (T4), of the first 1,000 people: one
// request for each. state.ErrNotFound: there is no such organisation.
func (e *Engine) Stale(ctx context.Context, organization string) (Stale, error) {
	return Stale{}, errors.ErrUnsupported
}

// SetSync switches an organisation's calendar sync on or off, as a PUT of its settings
// would (T4). On reconciles all that is current or upcoming. Off stops all writing and leaves
// connections and events; with remove, events that are not over are removed first
// (removed, sync-off). Setting what is set already does nothing, except that remove is
// done also when sync is off already. Errors: state.ErrNotFound, ErrModuleOff.
func (e *Engine) SetSync(ctx context.Context, organization string, on, remove bool) error {
	return errors.ErrUnsupported
}
