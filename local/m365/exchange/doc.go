// Package exchange is the calendar side of Exchange Online as Microsoft Graph
// shows it, in memory: tenants, users with mailboxes, calendars, events. It
// knows no HTTP and no JSON. graphapi puts Graph's wire format over it, twin
// puts graph.Calendar over it, web shows it; so both ways in obey one set of
// rules.
//
// # Rules and their source
//
// Section numbers are those of graph/contract.md.
//
//   - An event has two ids, an immutable and a mutable one, in the formats of 3.6
//     and 10; either finds it. The mutable one changes when the event moves to
//     another calendar.
//
//   - Every write gives a new change key (2.6). A condition may be "*", or a weak
//     or strong tag with the 22-byte or the 30-byte form; anything else than a
//     match is 412 ErrorIrresolvableConflict (2.4).
//
//   - Defaults of a fresh event are those of 2.2; times are as in 2.3; bodies are
//     stored as an HTML document with CRLF line ends.
//
//   - transactionId is remembered per mailbox and compared with the content of the
//     request (2.5). What is unknown there has a switch, see Switches.
//
//   - Events are found by an extended property with the comparison rules of 2.8,
//     after the lag that Switches sets.
//
//   - Every mail that Exchange would send is recorded (2.7), with who caused it.
//
//   - A calendar file is imported by UID and SEQUENCE (Owner.Import); its UID is
//     kept or wrapped in a GlobalObjectId ([MS-OXCICAL] 2.1.3.1.1.20.26).
//
//   - Bodies are rewritten as Switches.Rewriting says (2.2); Teams appends its block,
//     and taking its link out ends the online meeting.
//
//   - A mailbox goes away (SetState) and comes back as it was, with other ids, or
//     empty (Return).
//
//   - A series is expanded when it is looked at (3.5); its occurrences are no items.
//
//   - Every change is told to whoever watches (Watch), and every look at a mailbox is
//     counted (Looks, Listed).
//
// # Guessed
//
//   - How Exchange and Outlook rewrite bodies beyond meta tags and CRLF, and the
//     markup of Teams' block: see Rewriting and teams.go.
//   - What Outlook does with an equal SEQUENCE, a cancel, attendees: see Owner.Import.
//   - That a move of a mailbox may give its events new ids and keeps iCalUId, mark
//     and transactionId: see NewIDs.
//   - The immutable id is 51 bytes long and starts with AAkALg, as such ids do in
//     public samples; the contract gives no format for it.
//   - Codes where the contract has none: end before start and a bad duration are
//     ErrorPropertyValidationFailure; a dateTime with an offset, which the
//     contract calls not contractual, is refused with ErrorInvalidRequest, and so
//     is a malformed extended property id.
//   - An event may last 1,825 days; 400 ErrorCalendarDurationIsTooLong beyond, as
//     in Exchange Web Services.
//   - originalStartTimeZone is the Windows name where there is one.
//   - All-day events are dates: midnight in whatever zone is asked for.
//   - A list is of the whole mailbox where the path names no calendar.
//
// # Concurrency and time
//
// A Store is safe for concurrent use; each method is atomic. Its clock is the
// function given to New; nothing in it sleeps or starts goroutines. Ids and
// change keys come from counters and hashes, so the same calls at the same
// times give the same store.
package exchange
