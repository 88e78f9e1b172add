// Package connection holds the model of a connection: one Microsoft 365 account
// that a person has connected, or that an organisation's administrator consent
// reaches without a sign-in.
//
// It is pure: no clock, no network, no storage. Its JSON names are those of wire.md,
// Connections and people.
//
// # Direction, scope, permission
//
// A direction says which way bookings and appointments travel; a scope says how much
// of a calendar is read; both together name the least permission of Microsoft Graph
// that does it (identity.md section 3, feature R3):
//
//	direction      scope      delegated permission
//	down           busy       Calendars.ReadBasic
//	down           details    Calendars.Read
//	down           shared     Calendars.Read, Calendars.Read.Shared
//	up, both       readwrite  Calendars.ReadWrite
//	none           (kept)     none beyond what was granted
//
// A tenant-wide grant may put more into a token than was asked for, so the direction
// is enforced in code as well: see [Connection.Writes] and [Connection.Reads].
//
// # By which name to ask
//
// Microsoft's APIs accept a wider permission where a narrower one would do
// (graph/contract.md section 12); of consents nothing of the kind is written there (13.2,
// 13.3), and a consent grants the scopes that it was asked for by name. So a person of a
// tenant whose administrator allowed Calendars.ReadWrite for everybody would be asked
// again for Calendars.ReadBasic, and where people may not consent would be sent to the
// administrator who has allowed more than that already. Decided: where such a grant is on
// record and the sign-in is at that very tenant, it is asked for by the name of what was
// granted ([Ask]). Least privilege (R3) is kept, because a grant for all is in every
// token of that tenant, asked for or not (identity.md section 3); nobody is asked to allow
// more than they need, because nobody is asked. Anywhere else the least is asked for.
package connection

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// Direction says which way bookings and appointments travel.
type Direction string

// The directions (feature R2).
const (
	Down Direction = "down" // appointments of the calendar are read
	Up   Direction = "up"   // bookings are written; the calendar is never listed
	Both Direction = "both"
	None Direction = "none" // paused without being deleted
)

// Valid reports whether d is one of the four.
func (d Direction) Valid() bool { return slices.Contains([]Direction{Down, Up, Both, None}, d) }

// Scope says how much of a calendar a connection may read or write.
type Scope string

// The scopes.
const (
	Busy      Scope = "busy"    // free and busy times only
	Details   Scope = "details" // titles, places, people
	Shared    Scope = "shared"  // details, also of calendars that others share
	ReadWrite Scope = "readwrite"
)

// Valid reports whether s is one of the four.
func (s Scope) Valid() bool { return slices.Contains([]Scope{Busy, Details, Shared, ReadWrite}, s) }

// ScopeFor is the scope that a direction has when none is named, and that it keeps
// where given suits it: writing needs ReadWrite, reading is by default Busy, the
// least (R3). Direction None keeps what is given.
func ScopeFor(d Direction, given Scope) Scope {
	switch {
	case d == Up || d == Both:
		return ReadWrite
	case d == None && given != "":
		return given
	case given == Details || given == Shared:
		return given
	}
	return Busy
}

// State is how a connection stands (wire.md, Connections and people).
type State string

// The states.
const (
	Connected       State = "connected"
	NeedsReauth     State = "needs-reauth"      // the token is dead: the user signs in again
	BlockedByPolicy State = "blocked-by-policy" // the Entra admin has to change a policy; reconnecting is pointless
	Unreachable     State = "unreachable"       // the mailbox cannot be read: see Cause
	Paused          State = "paused"            // direction none
	Disconnected    State = "disconnected"
)

// Account is who signed in: the tenant and object id name them, nothing else does.
type Account struct {
	Tenant   string `json:"tenant"`   // GUID in lower case
	ObjectID string `json:"objectId"` // GUID in lower case; "" for a connection by probe
	Name     string `json:"name"`     // user name, for display only
}

// Bounds of the calendars that a connection reads from: all of them fit into its row.
const (
	MaxCalendars    = 50
	MaxCalendarName = 100 // characters; longer names are cut
)

// Calendar is one of an account's calendars that was chosen to be read.
type Calendar struct {
	// ID is Graph's, of the account's list, which never changes while the calendar is
	// there; a calendar that others share has one of that list too.
	ID string `json:"id"`
	// Name is what it was called when it was chosen.
	Name string `json:"name"`
	// Default says that it is the account's own calendar, the one that is read where none
	// is chosen; Shared that it is somebody else's, which takes the scope Shared. Neither
	// is on the wire.
	Default bool `json:"default,omitempty"`
	Shared  bool `json:"shared,omitempty"`
}

// Connection is one connected account of a person.
type Connection struct {
	ID           key.Key
	Organization string
	User         string // the booking product's id of the person
	// Delegated says that the person signed in and that calls are made with their
	// token; else the organisation's own permission is used (permission: application).
	Delegated bool
	Email     string // the address that was signed in with, as Microsoft told it
	Account   Account
	// Mailbox is the owner's address in lower case, as the probe found it; "" where
	// the account has no mailbox that can be used: then Cause says why.
	Mailbox string
	// Former are addresses that the same mailbox had before, the last one first: events
	// are remembered by the address at which they were written (package engine).
	Former    []string
	Direction Direction
	Scope     Scope
	// Granted are the delegated permissions that the last token response named,
	// short, in order: Calendars.ReadWrite.
	Granted   []string
	Calendars []Calendar // read from; empty: the default one
	Calendar  string     // written to; "" is the default one
	// Primary is the one connection of its person that receives writes.
	Primary bool
	State   State
	// Cause is why the state is not Connected: an AADSTS number such as "700082", or a
	// reason of package reason. "" when connected.
	Cause string
	// Correlation is Entra's correlation id of the failure, for the one who can mend it.
	Correlation string
	// Since is when the connection got into its state; LastRefresh when its token was
	// last renewed; Created when it was first made. All UTC.
	Since, LastRefresh, Created time.Time
	// SignedIn is when the person last signed in for it (UTC).
	SignedIn time.Time
	// Failing is since when refreshes fail in a way that may pass; zero when they do
	// not. Warned is the last number of days left of which somebody was warned.
	Failing time.Time
	Warned  int
	// Lapses counts how often the connection has died so far.
	Lapses int
	// Policy is the policy error of which it died within a week of a sign-in; the same
	// one again means that signing in is pointless (identity.md section 4).
	Policy string
	// Told and Followed name what the product was last told of the connection, and for
	// which way of writing the calendar was last made to follow (package engine).
	Told, Followed string
	// Ordered names for which way of reading the calendars were last ordered to be read
	// (package engine).
	Ordered string
	// Kept is the sign-in (SignedIn) whose token was put on the agenda of those to keep
	// alive; zero before.
	Kept time.Time
	// Claims is the challenge that the next sign-in has to pass on; "" for none.
	Claims string
}

// TokenLife is how long a refresh token lives after its last use at the most; Entra
// does not say when one dies (identity.md section 4).
const TokenLife = 90 * 24 * time.Hour

// SignIn names the sign-in that the connection's tokens come from, so that one of an
// earlier sign-in is neither used nor held against it.
func (c Connection) SignIn() string { return strconv.FormatInt(c.SignedIn.UnixNano(), 36) }

// maxFormer bounds how many former addresses are remembered.
const maxFormer = 10

// At is c with its mailbox at an address, "" where there is none to be used now. What it
// had before is remembered: of one account there is one mailbox.
func (c Connection) At(address string) Connection {
	if c.Mailbox != "" && c.Mailbox != address {
		c.Former = append([]string{c.Mailbox}, c.Former...)
	}
	c.Former = slices.DeleteFunc(slices.Clone(c.Former), func(f string) bool { return f == address })
	c.Former = c.Former[:min(len(c.Former), maxFormer)]
	if len(c.Former) == 0 {
		c.Former = nil
	}
	c.Mailbox = address
	return c
}

// Expires estimates when the token dies if nobody uses it.
func (c Connection) Expires() time.Time { return c.LastRefresh.Add(TokenLife) }

// Writes reports whether the connection's direction allows writes.
func (c Connection) Writes() bool { return c.Direction == Up || c.Direction == Both }

// Reads reports whether the connection's direction allows its calendars to be listed.
func (c Connection) Reads() bool { return c.Direction == Down || c.Direction == Both }

// Narrowed is c without the calendars of others, where its scope does not reach them
// (any more). Where that leaves none, the default calendar is read.
func (c Connection) Narrowed() Connection {
	if c.Scope != Shared && slices.ContainsFunc(c.Calendars, isShared) {
		c.Calendars = slices.DeleteFunc(slices.Clone(c.Calendars), isShared)
	}
	return c
}

func isShared(c Calendar) bool { return c.Shared }

// Usable reports whether calls may be made with the connection at all.
func (c Connection) Usable() bool {
	return c.State == Connected || c.State == Paused || c.State == Unreachable
}

// Permissions are the delegated permissions of Graph that a direction and scope
// need, least first.
func Permissions(d Direction, s Scope) []string {
	if d == None {
		return nil
	}
	switch ScopeFor(d, s) {
	case ReadWrite:
		return []string{"Calendars.ReadWrite"}
	case Details:
		return []string{"Calendars.Read"}
	case Shared:
		return []string{"Calendars.Read", "Calendars.Read.Shared"}
	}
	return []string{"Calendars.ReadBasic"}
}

// Missing are the permissions that a direction and scope need and granted does not
// hold. A wider one holds the narrower ones.
func Missing(granted []string, d Direction, s Scope) []string {
	var missing []string
	for _, p := range Permissions(d, s) {
		if !slices.ContainsFunc(granted, func(g string) bool { return holds(g, p) }) {
			missing = append(missing, p)
		}
	}
	return missing
}

// Ask are the names by which to ask for the permissions that are needed, in a tenant
// where others were granted for everybody: those that hold what is needed stand in its place.
func Ask(needed, granted []string) []string {
	var names []string
	for _, p := range needed {
		same := func(g string) bool { return strings.EqualFold(Short(g), p) }
		at := slices.IndexFunc(granted, func(g string) bool { return holds(g, p) })
		if at >= 0 && !slices.ContainsFunc(granted, same) {
			p = Short(granted[at])
		}
		if !slices.Contains(names, p) {
			names = append(names, p)
		}
	}
	return names
}

// holds reports whether a granted permission allows what another asks for.
func holds(granted, asked string) bool {
	order := []string{"calendars.readbasic", "calendars.read", "calendars.readwrite"}
	granted, asked = Short(granted), Short(asked)
	if strings.EqualFold(granted, asked) {
		return true
	}
	have, want := slices.Index(order, strings.ToLower(granted)), slices.Index(order, strings.ToLower(asked))
	return have >= 0 && want >= 0 && have >= want
}

// Short is a permission without the resource that it belongs to.
func Short(permission string) string {
	return permission[strings.LastIndexByte(permission, '/')+1:]
}

// Primary picks the connection of a person that receives writes: the one marked
// primary; false when there is none. The first connection of a person is primary,
// so that there is one wherever there is any (feature R6).
func Primary(all []Connection) (Connection, bool) {
	for _, c := range all {
		if c.Primary && c.State != Disconnected {
			return c, true
		}
	}
	return Connection{}, false
}
