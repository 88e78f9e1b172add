package downsync

import (
	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
)

// Why a connection's calendars are not read, as a progress' cause says it.
const (
	causeModuleOff    = "module-off"
	causeSyncOff      = "sync-off"
	causeNothing      = "nothing-told" // the organisation's privacy is nothing
	causeDirection    = "direction"
	causeNotConnected = "not-connected"
	causeTenant       = "consent-missing"
	causeGone         = "calendar-gone"
	causeLoop         = "endless"
	causeLink         = "bad-link"
	causeTooLarge     = "too-large"
	causeUnavailable  = "unavailable"
)

// accessTo says in whose name a connection's calendars may be read, or why not at all
// (I4, I7): where bookings only go up, or nothing goes, no calendar is ever listed. It is
// pure.
func accessTo(org organization.Organization, c connection.Connection) (as graph.Access, why string) {
	anyTenant := org.Permission == organization.Delegated && org.Accounts == "any"
	switch {
	case !org.Module:
		return as, causeModuleOff
	case !org.Sync:
		return as, causeSyncOff
	case !c.Reads():
		return as, causeDirection
	case appointment.Privacy(org.DownSync.Privacy) == appointment.Nothing && !c.Writes():
		return as, causeNothing // where bookings go, what people do to those is told
	case !c.Usable(), c.State == connection.Paused, c.Mailbox == "":
		return as, causeNotConnected
	case c.Delegated != (org.Permission == organization.Delegated):
		return as, causeNotConnected
	case !anyTenant && (org.State.Tenant == "" || c.Account.Tenant != org.State.Tenant):
		return as, causeTenant
	case !c.Delegated:
		return graph.AppAccess(org.State.Tenant), ""
	}
	return graph.Access{Tenant: c.Account.Tenant, Organization: c.Organization, Lane: key.Lane(c.Organization, key.User, c.User),
		Connection: c.ID, ObjectID: c.Account.ObjectID, Version: c.SignIn()}, ""
}

// Session is the Service Bus session of a connection's tasks: one task at a time per
// mailbox (wire.md, Internal messages).
func Session(c connection.Connection) string {
	if c.Account.Tenant != "" && c.Account.ObjectID != "" {
		return key.Of("mailbox", c.Account.Tenant, c.Account.ObjectID).String()
	}
	return key.Lane(c.Organization, key.User, c.User).String()
}

// basic reports whether a connection may see no more than busy times: then an event
// cannot be read by its id (graph/contract.md section 12).
func basic(c connection.Connection) bool { return c.Delegated && c.Scope == connection.Busy }

// privacyOf is how much may be told: what the organisation allows, and of who chose to
// show busy times only, no more than those (A6). Microsoft would show titles all the same.
func privacyOf(org organization.Organization, c connection.Connection) appointment.Privacy {
	p := appointment.Privacy(org.DownSync.Privacy)
	if c.Scope == connection.Busy && p != appointment.Nothing {
		return appointment.Busy
	}
	return p
}

// basisOf is under what a calendar was read: under another all of it is read again.
func basisOf(org organization.Organization, c connection.Connection) string {
	return string(privacyOf(org, c)) + "/" + string(c.Scope)
}

// calendars are those to read; the default one has the id "".
func calendars(c connection.Connection) []connection.Calendar {
	chosen := c.Narrowed().Calendars
	if len(chosen) == 0 {
		return []connection.Calendar{{Default: true}}
	}
	return chosen
}
