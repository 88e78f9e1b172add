package portal

import (
	"cmp"
	"slices"
	"strings"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// choice is what a person can connect an account for. Its text form is the value of
// the form: down:busy.
type choice struct {
	Direction connection.Direction
	Scope     connection.Scope
}

func (c choice) String() string { return string(c.Direction) + ":" + string(c.Scope) }

// Permissions are what Microsoft is asked for.
func (c choice) Permissions() []string { return connection.Permissions(c.Direction, c.Scope) }

// writing is what every profile but planning offers: bookings go up, and the calendar
// is never listed.
var writing = choice{connection.Up, connection.ReadWrite}

// choices are what an organisation's people may choose from, least first (R3).
func choices(org organization.Organization) []choice {
	if org.Profile != organization.Planning {
		return []choice{writing}
	}
	return []choice{
		{connection.Down, connection.Busy}, {connection.Down, connection.Details}, {connection.Down, connection.Shared},
		writing, {connection.Both, connection.ReadWrite},
	}
}

// choose returns the choice that was asked for, if it is one that is offered; else,
// for "", the one that an existing connection has, or the least.
func choose(offered []choice, asked string, existing *connection.Connection) (choice, bool) {
	if asked != "" {
		i := slices.IndexFunc(offered, func(c choice) bool { return c.String() == asked })
		if i < 0 {
			return choice{}, false
		}
		return offered[i], true
	}
	if existing != nil {
		if has := (choice{existing.Direction, existing.Scope}); slices.Contains(offered, has) {
			return has, true
		}
	}
	return offered[0], true
}

// Kinds of flows that begin at connect/start.
const (
	kindConnect = "connect" // a calendar, by a user or for the org admin's own
	kindRooms   = "rooms"   // the room manager reads the directory's rooms
)

// placeRead is what a room manager is asked for.
const placeRead = "Place.Read.All"

// errand is what somebody may leave for Microsoft with.
type errand struct {
	Kind string
	// Tenant is the authority: a GUID, or identity.Organizations.
	Tenant string
	// Choices are what an account may be connected for. None: the sign-in only proves
	// who it is.
	Choices []choice
}

// plan decides what a person of a role signs in for, and where; the trouble is "" where
// nothing stands in the way. user is "" where the link named none.
func plan(org organization.Organization, role, user string) (errand, trouble) {
	s := org.State
	switch role {
	case state.RoomManager:
		if s.Tenant == "" {
			return errand{}, consentMissing
		}
		return errand{Kind: kindRooms, Tenant: s.Tenant}, ""
	case state.OrgAdmin:
		return planAdmin(org, user), ""
	}
	e := errand{Kind: kindConnect, Tenant: s.Tenant, Choices: choices(org)}
	if org.AnyTenant() {
		e.Tenant = identity.Organizations
	}
	switch {
	case org.Permission != organization.Delegated:
		return e, noSignIn
	case user == "":
		return e, noPerson
	case !org.Sync:
		return e, syncOff
	case e.Tenant == "" || s.Consent == organization.ConsentMissing && e.Tenant != identity.Organizations:
		return e, consentMissing
	}
	return e, ""
}

// planAdmin is the organisation admin's sign-in: it proves the tenant (identity.md
// section 2.5), whether or not anybody consented yet and sync is on, and connects their
// own calendar where people sign in and Microsoft would let them (T3, L1).
func planAdmin(org organization.Organization, user string) errand {
	tenant := cmp.Or(org.State.Tenant, org.State.Attempt.Tenant)
	if org.AnyTenant() && user != "" { // nobody has to allow it first
		return errand{Kind: kindConnect, Tenant: identity.Organizations, Choices: choices(org)}
	}
	e := errand{Kind: kindConnect, Tenant: cmp.Or(tenant, identity.Organizations)}
	if tenant != "" && org.State.Consent != organization.ConsentMissing && org.Permission == organization.Delegated && user != "" {
		e.Choices = choices(org)
	}
	return e
}

// again narrows an errand to an account that is connected already: it signs in where it
// did before. An account that a policy keeps out is left alone, because signing in would
// not help (identity.md section 4).
func (e errand) again(c connection.Connection) (errand, trouble) {
	if c.State == connection.BlockedByPolicy {
		return e, policyBlocks
	}
	e.Tenant = c.Account.Tenant
	return e, ""
}

// fold makes addresses comparable.
func fold(address string) string { return strings.ToLower(strings.TrimSpace(address)) }
