package exchange

import "time"

// Memory is what Exchange does with a transactionId when its event is deleted,
// which nobody outside knows (2.5, open question 1).
type Memory int

// The four readings that the write path must survive.
const (
	// FreedOnDelete forgets it: the next create with it makes a new event.
	FreedOnDelete Memory = iota
	// Kept remembers it: the next create with it is a duplicate, of whatever content.
	Kept
	// Ghost remembers it, and a create with the same content is answered 201 with
	// the dead event.
	Ghost
	// Forgotten never remembers any.
	Forgotten
)

// Switches decide what the contract marks as unknown. The zero value is the
// contract's working assumption.
type Switches struct {
	Memory Memory
	// MemoryLasts is how long a transactionId is remembered; 0 for ever.
	MemoryLasts time.Duration
	// DuplicateStatus of ErrorDuplicateTransactionId: 400 when 0; some expect 409.
	DuplicateStatus int
	// NameExisting adds @event.existingEventId to that error.
	NameExisting bool
	// SearchLag is how long a new event is not found by an extended property.
	SearchLag time.Duration
	// SearchByHand hides new events from that search until Store.Index is called.
	SearchByHand bool
	// WrapUIDs lets the iCalUId of an event imported from a file be the file's UID
	// wrapped in a GlobalObjectId; else it is the UID as it stands.
	WrapUIDs bool
	// ListExceptions lets lists and searches of events have the exceptions of series
	// too, as some saw it; the documentation says that they have not (2.1, section 16).
	ListExceptions bool
	// DeletedAnswer lets a deleted event be read by its immutable id for as long as
	// it lies in Deleted Items, that is for ever. No list or search has it, and it can
	// be neither changed nor deleted again. Otherwise it is ErrorItemNotFound.
	DeletedAnswer bool
	// Rewriting is how hard HTML bodies are rewritten (2.2).
	Rewriting Rewriting
	// UnknownUserCode is the code of the 404 for an unknown user:
	// Request_ResourceNotFound when "", else for instance ErrorInvalidUser.
	UnknownUserCode string
	// ZoneFailureCode is the code for an unknown zone: TimeZoneNotSupportedException
	// when "", else ErrorPropertyValidationFailure (2.3).
	ZoneFailureCode string
}
