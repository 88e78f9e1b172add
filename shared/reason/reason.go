// Package reason is the closed list of what a delivery can come to and why
// (design.md, States and reasons): the words of the topic, of the booking's
// status and of the pages.
//
// Every reason has one sentence for people, one owner, who can change it, and one
// next step (features.md A10). They are English; a page that speaks another
// language translates by the reason's name. Which codes of Graph and Entra lead
// to which reason is in package graph (codes.go).
//
// A reason is never added here alone: design.md, docs/schemas/delivery.v1.json
// and docs/http-api.md list the same ones, and a test holds the schema to it.
//
// Guessed: the owners and next steps, which design.md does not name; and the
// sentences, of which features.md L7 gives the content of two.
package reason

// The states of a delivery.
const (
	Pending = "pending" // only over HTTP, before the first result
	Written = "written" // the only one without a reason, besides pending
	Removed = "removed"
	ICS     = "ics"
	Skipped = "skipped"
)

// The reasons, in the order of design.md.
const (
	Cancelled    = "cancelled"
	NotInvited   = "not-invited-any-more"
	Inactive     = "inactive"
	Erased       = "erased"
	ModuleOff    = "module-off"
	SyncOff      = "sync-off"
	Disconnected = "disconnected"

	NotConnected       = "not-connected"
	NeedsReauth        = "needs-reauth"
	ConsentMissing     = "consent-missing"
	BlockedByPolicy    = "blocked-by-policy"
	OutsideScope       = "outside-scope"
	OptedOut           = "opted-out"
	Paused             = "paused"
	DirectionDownOnly  = "direction-down-only"
	PersonalMailbox    = "personal-mailbox"
	MailboxNotFound    = "mailbox-not-found"
	MailboxOnPremises  = "mailbox-on-premises"
	MailboxUnavailable = "mailbox-unavailable"
	NoRecurrence       = "recurrence-unsupported"
	RefusedByGraph     = "refused-by-graph"
	GaveUp             = "gave-up"

	NotAssigned   = "not-assigned"
	NotScheduled  = "not-scheduled"
	InThePast     = "in-the-past"
	RemovedByUser = "removed-by-user"
	Invalid       = "invalid"
	ConflictLost  = "conflict-lost"
	Duplicate     = "duplicate-recipient"
	Held          = "held"
)

// Owner is who can change what a reason says.
type Owner string

// The owners. The organisation's admin works in the booking product, the Entra
// admin in the organisation's Microsoft 365 tenant.
const (
	User              Owner = "user"
	EntraAdmin        Owner = "entra-admin"
	OrganisationAdmin Owner = "organisation-admin"
	Operator          Owner = "operator"
	BookingApp        Owner = "booking-app"
)

// Words say a thing to people: what it is, whose it is, and what to do next. All
// three are always there; Next is "Nothing to do." where that is the truth.
type Words struct {
	Sentence string
	Owner    Owner
	Next     string
}

// Entry is one reason.
type Entry struct {
	Name string
	// States that may carry it: Removed, ICS or Skipped.
	States []string
	Words
}

// All returns the reasons in the order of design.md. The caller may keep it.
func All() []Entry { return append([]Entry(nil), entries...) }

// Find returns the entry of a reason; false for what is none.
func Find(name string) (Entry, bool) {
	for _, e := range entries {
		if e.Name == name {
			return e, true
		}
	}
	return Entry{}, false
}

// May reports whether a state can carry the reason.
func (e Entry) May(state string) bool {
	for _, s := range e.States {
		if s == state {
			return true
		}
	}
	return false
}

// Sentence says a result in plain words. What is in no list, as an older build's
// row may hold, is named.
func Sentence(state, name string) string {
	switch state {
	case Written:
		return "The booking is in the calendar."
	case Pending:
		return "The booking was accepted and is about to be written."
	}
	if e, ok := Find(name); ok {
		return e.Sentence
	}
	return "The calendar was not changed: " + name + "."
}
