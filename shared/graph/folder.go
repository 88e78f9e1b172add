package graph

import "context"

// MaxFolders is how many calendars of one mailbox are listed at most.
const MaxFolders = 1000

// MaxFolderID is how long an id of a calendar may be, in bytes.
const MaxFolderID = 512

// Folder is one of a mailbox's calendars, as GET users/{mailbox}/calendars lists it
// (graph/contract.md section 5).
type Folder struct {
	// ID never changes while the calendar exists in that mailbox (section 10). It is of
	// the mailbox whose list it is in, also for a calendar that somebody else shares.
	ID string
	// Name is what people called it: any characters, not unique; "" where Graph gave none.
	Name string
	// Default is the mailbox's own calendar, which bookings are written to.
	Default bool
	// CanEdit says that whoever asked may write to it.
	CanEdit bool
	// Owner is the address of whose calendar it is, in lower case, OwnerName their name.
	// It is another's than the mailbox's where it is shared.
	Owner, OwnerName string
	// Color is a member of Graph's calendarColor, such as lightBlue; "" and auto are none.
	Color string
}

// Calendars lists the calendars of mailboxes. Msgraph's client and the simulator's twin do.
type Calendars interface {
	// Calendars lists the calendars of a mailbox, the default one first, the others in
	// Graph's order. Of an access with an object id it is that account's own list,
	// whatever mailbox says. Calendars that others share with the account are in it
	// where the access has a .Shared permission.
	//
	// Its error is a *Error: also where not every page could be read, or where there are
	// more than MaxFolders, so that a list is always whole. One request for 100
	// calendars, and one more after a 401.
	Calendars(ctx context.Context, as Access, mailbox string) ([]Folder, error)
}
