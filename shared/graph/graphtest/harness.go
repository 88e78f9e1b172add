// Package graphtest is the conformance suite of graph.Calendar. The client over
// HTTP (graph/msgraph against the simulator) and the simulator's twin both run
// it, so that what the property tests find with the twin holds over the wire.
//
// A backend gives a Harness: the Calendar, a few names, and a World, which is
// what a test can see and do behind Graph's back. Every case starts in a fresh
// one. Section numbers in the cases are those of graph/contract.md.
package graphtest

import (
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
)

// Harness is one fresh Graph with at least two mailboxes, both empty.
type Harness struct {
	Calendar graph.Calendar
	// Tenant is one in which the app may write.
	Tenant string
	// Mailbox and Second are the primary addresses of two working mailboxes of
	// Tenant; Alias is another address of Mailbox; Unknown is nobody's.
	Mailbox, Alias, Second, Unknown string
	// Foreign is a tenant that never consented to the app.
	Foreign string
	World   World
}

// World is Exchange and its owners as a test sees and moves them. Methods end
// the test when they cannot do what is asked.
type World interface {
	// Events lists what lives in a mailbox, whatever its state.
	Events(mailbox string) []Seen
	// UserDeletes deletes an event, as its owner would in Outlook.
	UserDeletes(mailbox, id string)
	// UserCopies pastes a copy of an event beside it and returns the copy's id. The
	// copy carries the mark and no transactionId (write-path.md section 4).
	UserCopies(mailbox, id string) string
	// UserImports imports a calendar file with one event, whose UID becomes its
	// iCalUId as it stands or wrapped (graph.WrappedUID), and returns the event's id.
	UserImports(mailbox, uid string, wrapped bool) string
	// UserRepeats makes an event one that takes place on five days, of which one has
	// another title, and lets Graph list that exception beside the series.
	UserRepeats(mailbox, id string)
	// SetState changes what stands in the way of a mailbox.
	SetState(mailbox string, state State)
	// SetTransactions chooses a reading of what the contract leaves open (2.5).
	SetTransactions(Transactions)
	// Throttle answers the next n calls to a mailbox with 429 and Retry-After, in a
	// batch item by item.
	Throttle(mailbox string, n int, retryAfter time.Duration)
	// Fail answers the next n whole requests with a status and code, carrying
	// nothing out. A batch is one request.
	Fail(n, status int, code string)
	// LoseAnswers carries the next n whole requests out and never answers them.
	LoseAnswers(n int)
	// Mails counts the mails that Exchange has sent so far.
	Mails() int
}

// State of a mailbox, after the 403 and 404 rows of section 9.
type State int

// The states a World can set.
const (
	Ready State = iota
	Unlicensed
	OnPremises
	OutsideScope
)

// Transactions is how Graph treats a transactionId.
type Transactions struct {
	Memory Memory
	// NameExisting adds @event.existingEventId to a duplicate's error.
	NameExisting bool
}

// Memory is what becomes of a transactionId when its event is deleted.
type Memory int

// The four readings that the write path must survive.
const (
	Freed     Memory = iota // a create with it makes a new event
	Kept                    // a create with it is a duplicate
	Ghost                   // a create with it is answered with the dead event
	Forgotten               // never remembered at all
)

// Seen is an event as it lies in the mailbox.
type Seen struct {
	ID, Subject, Body   string // Body is the stored HTML
	Start, End          event.Time
	AllDay              bool
	Place, Street       string
	ShowAs, Sensitivity string
	Categories          []string
	ReminderOn          bool
	ReminderMinutes     int
	Mark, TransactionID string
	Attendees           int
}

// Run runs every case against fresh harnesses.
func Run(t *testing.T, start func(t *testing.T) Harness) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(suite{t, start(t)}) })
	}
}

var cases = []struct {
	name string
	run  func(suite)
}{
	{"a created event holds what was sent", createHoldsContent},
	{"an all-day event keeps its days", allDay},
	{"get tells id, key, mark and transaction", getTells},
	{"get tells the body only when asked", getBody},
	{"a patch changes what it names and nothing else", patchNamed},
	{"a patch clears", patchClears},
	{"a patch can bring a merged body", patchMergedBody},
	{"delete deletes, and twice is gone", deleteTwice},
	{"what the user deleted is gone for every call", gone},
	{"an id that was never one is gone", malformedID},
	{"an event of another mailbox is gone", otherMailbox},
	{"find finds by mark in one mailbox", find},
	{"a copy carries the mark and no transaction", copied},
	{"an imported file is found by its UID, plain or wrapped", findUID},
	{"a repeated create answers with the first event", repeatedCreate},
	{"a used transaction with other content is a duplicate", duplicate},
	{"a duplicate names the event where Graph does", duplicateNames},
	{"a transaction whose event was deleted, four readings", memory},
	{"if-match guards patch and delete", ifMatch},
	{"twenty mixed calls answer in their order", twentyMixed},
	{"no calls, no results", noCalls},
	{"more than twenty are refused whole", tooMany},
	{"an unfit call is refused and the others are made", unfit},
	{"a throttled item is the only one that fails", throttledItem},
	{"a throttled call says how long", throttledCall},
	{"a failed request fails every call, answered", failedRequest},
	{"a lost answer is unanswered, and repeating is safe", lostAnswer},
	{"a lost batch leaves every call unanswered", lostBatch},
	{"a cancelled context calls nobody", cancelled},
	{"an unknown mailbox is not found", unknownMailbox},
	{"a closed mailbox says why", closedMailbox},
	{"one bad mailbox does not spoil the others", mixedMailboxes},
	{"a tenant without consent is unauthorised", foreignTenant},
	{"two addresses of one mailbox have one owner", owner},
	{"no call ever sends mail", noMail},
}
