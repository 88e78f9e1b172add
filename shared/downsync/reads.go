package downsync

import (
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/organization"
)

// AccessTo says in whose name a connection's calendars may be read; false where they may
// not be: its direction, its state, or the organisation's settings say so. It is pure.
func AccessTo(org organization.Organization, c connection.Connection) (graph.Access, bool) {
	as, why := accessTo(org, c)
	return as, why == ""
}
