// Package state keeps what Calbridge knows: organisations, people, bookings,
// lanes with what they owe, and the ledger, in the tables of write-path.md
// section 2.
//
// # Tables
//
// Tables is the little of Table Storage that the rest of the package uses. What
// is atomic: the changes of one Apply, which are of one partition. What is not:
// two calls, and the pages of one Query, between which others may write. Every
// write that must not overwrite somebody else's carries the ETag it read.
//
// A call ends in one of four ways: done; refused (ErrNotFound, ErrExists,
// ErrPrecondition or ErrTooLarge, in a *ChangeError where one change is meant),
// and then nothing was stored; ErrInvalid, and then nothing was sent; or any other
// error, and then a write may have happened or may still happen. Rows that could
// not be read are an error, never an empty slice.
//
// *Azure implements Tables over Azure Table Storage through aztables, whose own
// handling of bodies is replaced (see exchange). A write is sent once: whether a
// lost answer was a success is for the engine to find out, by reading again.
// local/tables has a twin in memory. Both refuse by the same Check and pass the
// suite in statetest.
//
// # What is guessed
//
//   - Azure's refused transactions look like the sample in Microsoft's "Performing
//     entity group transactions": one part, "index:message". Without an index
//     the outcome counts as unknown.
//   - Keys count two bytes a UTF-16 unit towards 1 KiB.
//   - An entity's size follows the formula that Microsoft published for billing.
//   - A transaction's 4 MiB are counted generously (see Check), so that it may be
//     refused here somewhat below the service's limit, never above.
//
// # Large values
//
// Pack and Unpack spread a value over binary properties of at most 60 KiB.
package state
