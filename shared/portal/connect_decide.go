package portal

import (
	"errors"
	"slices"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
)

// ending is how an attempt to sign in ended: the last word of the keys of its texts,
// end.<ending>.title, .what and .next.
type ending string

// The endings. All but the first three leave everything as it was.
const (
	endConnected ending = "connected"
	endProven    ending = "proven" // the tenant, without a calendar
	endRooms     ending = "rooms"

	endDeclined    ending = "declined"     // on our page
	endTimeout     ending = "timeout"      // not confirmed within outcomeLife
	endExpired     ending = "expired"      // came back too late
	endInterrupted ending = "interrupted"  // came back, and we stopped half-way
	endCancelled   ending = "cancelled"    // on Microsoft's page
	endApproval    ending = "approval"     // an administrator has to approve (90094)
	endRequested   ending = "requested"    // the person asked an administrator for it (90095)
	endDenied      ending = "denied"       // refused, Microsoft does not say why
	endPolicy      ending = "policy"       // Conditional Access, not assigned, tenant restrictions
	endOtherTenant ending = "other-tenant" // than the organisation's
	endPersonal    ending = "personal"     // a personal Microsoft account
	endNoMailbox   ending = "no-mailbox"   // the account has none at all
	endNarrower    ending = "narrower"     // less was granted than asked for
	endAddress     ending = "address"      // another address than the link's, which the organisation forbids
	endFull        ending = "full"         // as many connections as there can be
	endUnverified  ending = "unverified"   // what came back is not to be trusted
	endPassing     ending = "passing"      // Microsoft or we had an outage
	endFault       ending = "fault"        // the deployment's, for the operator
)

// Numbers of Entra that choose the text (contract 13.5); decisions go by the error,
// which comes second here only because redirects carry access_denied for all of them.
var (
	numbersApproval  = []int{90094}
	numbersRequested = []int{90095}
	numbersCancelled = []int{65004}
	numbersPolicy    = []int{53000, 53001, 53002, 53003, 530032, 50131, 50105, 500021, 500022, 500212, 500213}
	numbersPassing   = []int{90055, 90033, 90006, 90024, 50033, 90090, 90012}
)

// endOf is how a sign-in ended that Microsoft sent back with an error, or whose code
// it would not redeem.
func endOf(e *identity.TokenError) ending {
	has := func(numbers []int) bool {
		return slices.ContainsFunc(e.AADSTS, func(n int) bool { return slices.Contains(numbers, n) })
	}
	switch {
	case has(numbersApproval):
		return endApproval
	case has(numbersRequested):
		return endRequested
	case has(numbersPolicy):
		return endPolicy
	case has(numbersCancelled) || e.Suberror == "cancel":
		return endCancelled
	case has(numbersPassing):
		return endPassing
	}
	switch e.Code {
	case "access_denied":
		return endDenied
	case "consent_required", "interaction_required", "login_required":
		return endApproval
	case "server_error", "temporarily_unavailable":
		return endPassing
	case "invalid_grant": // the code was used, has expired, or is not of this attempt
		return endUnverified
	case "":
		return endPassing // no answer of Entra's
	}
	if e.Status == 429 || e.Status >= 500 {
		return endPassing
	}
	return endFault
}

// endOfRedeem is how a sign-in ended whose code could not be turned into a person.
func endOfRedeem(err error) ending {
	if refused := (*identity.SignInError)(nil); errors.As(err, &refused) {
		switch refused.Refusal {
		case identity.WrongTenant:
			return endOtherTenant
		case identity.ConsumerAccount:
			return endPersonal
		case identity.KeysUnreachable:
			return endPassing
		}
		return endUnverified
	}
	if failed := (*identity.TokenError)(nil); errors.As(err, &failed) {
		return endOf(failed)
	}
	return endPassing
}

// found is what the probe of a mailbox says: its address; or the reason why it cannot
// be used; or that nobody knows right now.
func found(m graph.Mailbox, err error) (address, cause string, known bool) {
	if err == nil {
		return fold(m.Address), "", true
	}
	failed := (*graph.Error)(nil)
	if errors.As(err, &failed) && failed.Kind == graph.Unreachable && failed.Reason != "" {
		return "", failed.Reason, true
	}
	return "", "", false
}

// doubt is why a person should look twice before they confirm: the last word of the
// key doubt.<doubt>.
type doubt string

// The doubts, the gravest first.
const (
	doubtAddress   doubt = "address"    // another address than the link's
	doubtNoAddress doubt = "no-address" // the link names none
	doubtAccount   doubt = "account"    // another account than the one that was to be connected again
	doubtMailbox   doubt = "mailbox"    // the mailbox cannot be used now
	doubtReplaces  doubt = "replaces"   // bookings go to this calendar instead of the one before
)

// person is who a link is for, by what the booking app says of them.
type person struct {
	Name    string // for display
	Email   string // the link's, else the one that the app announced
	Account string // user name or object id, where the app names one
}

// is reports whether an account is the person's: its user name or the address of its
// mailbox is the one that is expected, or the app names the account itself. A user
// name proves nothing by itself; this only compares what people are asked about.
func (p person) is(j journey) bool {
	for _, expected := range []string{fold(p.Email), fold(p.Account)} {
		if expected != "" && slices.Contains([]string{fold(j.Account.Name), fold(j.Mailbox), j.Account.ObjectID}, expected) {
			return true
		}
	}
	return false
}

// judge says how an attempt that came back would end if it was confirmed, "" where it
// may be, and what to say first. existing are the person's connections.
func judge(org organization.Organization, who person, j journey, existing []connection.Connection) (ending, []doubt) {
	var doubts []doubt
	require := org.AddressMatch != "warn"
	switch {
	case who.is(j):
	case require:
		return endAddress, nil
	case who.Email == "" && who.Account == "":
		doubts = append(doubts, doubtNoAddress)
	default:
		doubts = append(doubts, doubtAddress)
	}
	if j.Connection != "" && !slices.ContainsFunc(existing, func(c connection.Connection) bool { return c.ID.String() == j.Connection && j.signedIn(c) }) {
		doubts = append(doubts, doubtAccount)
	}
	if j.Cause != "" {
		doubts = append(doubts, doubtMailbox)
	}
	if j.replaces(org, existing) {
		doubts = append(doubts, doubtReplaces)
	}
	return "", doubts
}

// replaces reports whether the account takes the place of another one as the calendar
// that bookings go to: where people have no cards with several accounts, the one that
// was connected last is meant.
func (j journey) replaces(org organization.Organization, existing []connection.Connection) bool {
	if org.Profile == organization.Planning || j.Direction == connection.Down {
		return false
	}
	primary, ok := connection.Primary(existing)
	return ok && !j.signedIn(primary)
}

// leads reports whether the account becomes the one that bookings go to: it replaces
// another, or nothing could be written to the one so far, which is only read.
func (j journey) leads(org organization.Organization, existing []connection.Connection) bool {
	primary, ok := connection.Primary(existing)
	mute := ok && primary.Direction == connection.Down && (j.Direction == connection.Up || j.Direction == connection.Both)
	return mute || j.replaces(org, existing)
}

// signedIn reports whether the attempt is of the account of a connection.
func (j journey) signedIn(c connection.Connection) bool {
	return c.Account.Tenant == j.Account.Tenant && c.Account.ObjectID == j.Account.ObjectID
}

// seen says how much of the calendar the booking product and those who plan with it
// get to see: the last word of the key seen.<word>.
func seen(org organization.Organization, c choice) string {
	switch {
	case c.Direction != connection.Down && c.Direction != connection.Both:
		return "none"
	case org.DownSync.Privacy == "nothing" && c.Direction == connection.Both:
		return "ours"
	case org.DownSync.Privacy == "nothing":
		return "nothing"
	case c.Scope == connection.Busy || org.DownSync.Privacy == "busy":
		return "busy"
	case org.DownSync.Privacy == "title":
		return "title"
	}
	return "all"
}
