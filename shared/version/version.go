// Package version is the rule by which builds read what other builds wrote: every row of
// the tables and every message between our own functions carries a number, v, and a build
// reads its own and the one before, since a rolling update mixes builds and a rollback
// goes one back (wire.md, Internal messages).
//
// # What a build does with the rest
//
// What a newer build wrote, or one that is too old, is never guessed at, never
// overwritten and never dropped. Reading it is an [*Error]; whoever was at work stops and
// comes again later, where a newer build may take the work (package queue, Message.Await;
// package engine, Unread). Rows are checked in one place, state.Versioned, and messages
// in one, queue.ReadTask.
//
// # Raising it
//
// A change that the build before cannot read raises [Current]; a new property or member
// that it may ignore does not. The build that raises it keeps reading what the one
// before wrote: the rows and messages under testdata/v1 of the packages state, engine,
// subscribe and downsync are those of version 1, and their tests read them as both
// versions do. Rolling back two versions is not possible.
//
// # Decided here
//
// What carries no number counts as version 1. Bookings are not ours: their type,
// calbridge.booking.v1, is their version, and another type is rejected with the reason.
package version

import (
	"errors"
	"fmt"
)

// A Version numbers the formats of rows and messages, from 1.
type Version int32

// Current is what this build writes.
const Current Version = 1

// first is of what carries no number.
const first = 1

// Error says that something was written by a build that this one cannot read.
type Error struct {
	What    string // a table, or a message; without anybody's data
	Written int64
	Own     Version
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s is of version %d, and this build reads %d and the one before", e.What, e.Written, e.Own)
}

// Is reports whether an error says that another build's work was met.
func Is(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// Reads reports whether a build of version v reads what was written in another: its own,
// and the one before. Zero, of what carries no number, is version 1.
func (v Version) Reads(written int64) bool {
	if written == 0 {
		written = first
	}
	return written <= int64(v) && written >= max(first, int64(v)-1)
}

// Check returns an *Error, about what was written, unless v reads it.
func (v Version) Check(what string, written int64) error {
	if v.Reads(written) {
		return nil
	}
	return &Error{What: what, Written: written, Own: v}
}

// Or returns v, or the current version where v is zero.
func (v Version) Or() Version {
	if v == 0 {
		return Current
	}
	return v
}
