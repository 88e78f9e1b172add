package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// ItemKind is what an event is to its series.
type ItemKind int

// The kinds (graph/contract.md 3.3).
const (
	Single     ItemKind = iota // takes place once
	Master                     // a series; its times are those of the first occurrence
	Occurrence                 // a day of a series that is as the series says
	Exception                  // a day of a series that somebody changed
)

// String names the kind as Graph does.
func (k ItemKind) String() string {
	return [...]string{"singleInstance", "seriesMaster", "occurrence", "exception"}[k]
}

// Person is an organizer or an attendee.
type Person struct {
	Name, Address string
	// Type is required, optional or resource; "" for an organizer.
	Type string
	// Response is none, accepted, tentativelyAccepted, declined, notResponded or
	// organizer; "" where Graph told none.
	Response string
}

// Item is one entry of a delta page, or what a direct read told of an event
// (contract 4.4). Of a removed one only ID is set; of an Occurrence in a delta page ID,
// ChangeKey, Kind, Series, Start and End, and nothing else. What ReadBasic hides is
// empty.
type Item struct {
	ID string // immutable
	// ChangeKey is as Graph told it, without W/ and quotes; compare with SameVersion.
	ChangeKey string
	ICalUID   string
	Removed   bool // @removed
	Kind      ItemKind
	Series    string    // the master's id, of Occurrence and Exception
	Original  time.Time // originalStart where told, UTC; zero for slim occurrences
	// Start and End are in UTC. Of an all-day event they are its dates' midnights
	// written as UTC, whatever zone it was made in (2.3); End is exclusive.
	Start, End time.Time
	Created    time.Time // UTC; zero where not told, as by a direct read
	// StartZone and EndZone are originalStartTimeZone and originalEndTimeZone as told.
	StartZone, EndZone                       string
	AllDay, Cancelled, IsOrganizer, Reminder bool
	ShowAs, Sensitivity                      string
	// Response is the owner's answer: organizer for events of their own.
	Response                          string
	Subject, Location, Body, BodyType string // BodyType is html or text
	Organizer                         Person
	People                            []Person // attendees
	Categories                        []string
	ReminderMinutes                   int
	// Recurrence is Graph's patternedRecurrence as it was told, of a Master.
	Recurrence json.RawMessage
	// Mark is ours in lower-case hex, and only of a direct read; "" where there is none.
	Mark string
}

// DeltaRequest asks for one page.
type DeltaRequest struct {
	Mailbox string // address or object id
	// Calendar is a calendar's id; "" is the default one.
	Calendar string
	// From and To are the window, of a first call; a link has its own.
	From, To time.Time
	// Link is a page's Next or Delta, as it was told; "" begins anew.
	Link string
	// PageSize is a hint; 0 gives none. A series is never split, so pages can be longer.
	PageSize int
}

// DeltaPage is one page of a round. Exactly one of Next and Delta is set: Next leads on,
// also from an empty page, Delta ends the round and begins the next one. An item may be
// on several pages; the last one counts. A Master stands for the whole series: of its
// occurrences in the window those that the round does not have are gone (4.5).
type DeltaPage struct {
	Items       []Item
	Next, Delta string
}

// ErrTooLarge is the cause of a page's failure that is larger than what is read of one: it
// would be so again. Ask for shorter pages, or for a smaller window.
var ErrTooLarge = errors.New("the page is too large")

// Reader reads mailboxes. Msgraph's client and the simulator's twin do. Of an access
// with an object id it reads that account's own mailbox, whatever mailbox says.
type Reader interface {
	// Delta reads one page. Its error is *Error. Kind Gone with a link: the link has
	// expired (410 in all its forms), read anew; without one: there is no such
	// calendar. A link to a host, version or path that is not Graph's own, or to another
	// mailbox or calendar than the request names, is never followed (Kind Invalid, no
	// Status). A page that is larger than what is read is Transient and ErrTooLarge. One
	// request, and one more after a 401.
	Delta(ctx context.Context, as Access, r DeltaRequest) (DeltaPage, error)
	// Read reads one event with the mark expanded; Kind Gone when there is none.
	Read(ctx context.Context, as Access, mailbox, id string) (Item, error)
}

// ClassifyDelta is Classify for the answer to a delta request: every code of an expired
// link is Gone whatever the status, and a 410 is also where its body tells no code
// (contract 4.6).
func ClassifyDelta(status int, code string, header http.Header) *Error {
	e := Classify(status, code, header)
	if e != nil && (status == http.StatusGone || expiredLink(code)) {
		e.Kind, e.Reason = Gone, ""
	}
	return e
}

// expiredLink knows the codes of an expired link.
func expiredLink(code string) bool {
	for _, known := range []string{"syncStateNotFound", "syncStateInvalid", "resyncRequired", "errorInvalidDeltaToken"} {
		if strings.EqualFold(code, known) {
			return true
		}
	}
	return false
}
