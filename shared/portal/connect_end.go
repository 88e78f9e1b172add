package portal

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// endData is the page of an attempt that ended. Its texts are end.<ending>.title,
// .what and .next.
type endData struct {
	Ending ending
	// What and Next are the keys of its texts, Code what Microsoft said: filled in by endPage.
	What, Next, Code string
	Bad              bool
	Owner            reason.Owner // who takes the next step
	// Account is the user name that was used, Tenant its directory, Expected the one that
	// was expected; "" where nothing is to be said of them.
	Account, Tenant, Expected string
	Email                     string // the address that was expected
	Numbers                   []int
	Correlation               string
	Reads                     bool // only
	// Cause is the reason why the mailbox cannot be used, "" where it can.
	Cause explanation
	// ConsentLink is to be forwarded (R4); Retry begins another attempt, Home is the page
	// that it was begun from.
	ConsentLink, Retry, Home, HomeText string
	// Helps says that the consent link does.
	Helps bool
}

// homes are the texts of the link to the page that a role began at.
var homes = map[string]string{state.LinkUser: "end.home", state.OrgAdmin: "end.home.setup", state.RoomManager: "end.home.rooms"}

// owners are who takes the next step; the person where none is named.
var owners = map[ending]reason.Owner{
	endApproval:    reason.EntraAdmin,
	endRequested:   reason.EntraAdmin,
	endPolicy:      reason.EntraAdmin,
	endNoMailbox:   reason.EntraAdmin,
	endFault:       reason.Operator,
	endAddress:     reason.User,
	endOtherTenant: reason.User,
}

// approvals are the endings at which the consent link helps.
var approvals = []ending{endApproval, endRequested, endDenied, endNarrower}

// helps reports whether the consent link helps at an ending.
func helps(e ending) bool { return slices.Contains(approvals, e) }

func (e ending) good() bool { return slices.Contains([]ending{endConnected, endProven, endRooms}, e) }

// endPage answers with the page of an ending.
func (v *visit) endPage(status int, d endData) Answer {
	d.Bad = !d.Ending.good() && d.Ending != endDeclined
	d.Owner = reason.User
	if o, ok := owners[d.Ending]; ok {
		d.Owner = o
	}
	key := "end." + string(d.Ending)
	d.What, d.Next, d.Helps = key+".what", key+".next", helps(d.Ending)
	switch {
	case d.Ending == endConnected && d.Cause.What != "":
		d.Next = "end.connected.next.mailbox"
	case d.Ending == endConnected && d.Reads:
		d.Next = "end.connected.next.down"
	case d.Ending == endOtherTenant && d.Account == "":
		d.What = "end.other-tenant.what.unknown"
	case d.Ending == endAddress && d.Email == "":
		d.What = "end.address.what.nobody"
	}
	for _, n := range d.Numbers {
		d.Code += " AADSTS" + strconv.Itoa(n)
	}
	d.Code = strings.TrimSpace(d.Code)
	return v.page(status, "connect-end", d)
}

// ended is what the page of a flow says that has ended.
func (v *visit) ended(f state.Flow, j journey) endData {
	d := endData{Ending: ending(f.Outcome), Numbers: j.Numbers, Correlation: j.Correlation, Email: j.Email,
		Reads: j.Direction == connection.Down, Home: v.portal.home(j.Role, f.Session), HomeText: homes[j.Role]}
	switch d.Ending {
	case endConnected, endAddress, endNoMailbox, endProven, endRooms, endOtherTenant, endPersonal:
		d.Account, d.Tenant = j.Account.Name, j.Account.Tenant
	}
	if d.Ending == endOtherTenant {
		d.Expected = cmp.Or(v.org.State.Tenant, v.org.State.Attempt.Tenant, v.org.ExpectedTenant, j.Tenant)
	}
	if !d.Ending.good() && d.Ending != endFull {
		d.Retry = v.portal.startPath(f.Session, j.Connection, j.choice())
	}
	if j.Cause != "" && d.Ending.good() {
		d.Cause = v.because(j.Cause)
	}
	return d
}
