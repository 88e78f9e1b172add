package state

import (
	"context"
	"errors"
	"fmt"
)

// Entity is one row of a table.
type Entity struct {
	// Partition and Row are its keys: at most 1 KiB, without / \ # ? and control characters.
	Partition, Row string
	// ETag is the version read or written; "" is "any version" in a Change.
	ETag string
	// Props holds string, bool, int32, int64, float64, []byte and time.Time (UTC). A property is at
	// most 64 KiB (strings count two bytes a character), an entity 1 MiB.
	Props map[string]any
}

// Action says how a Change treats what is stored.
type Action int

// The actions of the Table service. Replace, Merge and Delete take Entity.ETag as
// If-Match ("" means any); Insert and the two upserts take none.
const (
	Insert          Action = iota // fails with ErrExists when the row is there
	InsertOrReplace               // stores exactly these properties
	InsertOrMerge                 // keeps the properties not named
	Replace                       // ErrNotFound when the row is missing, ErrPrecondition when its ETag differs
	Merge                         // the same
	Delete                        // the same
)

// Change is one write of a transaction.
type Change struct {
	Action Action
	Entity Entity
}

// Span is a range of one partition: From <= row < Before. An empty Before means
// to the end of the partition.
type Span struct {
	Partition    string
	From, Before string
	// Limit is the highest number of rows wanted; 0 means all of them.
	Limit int
}

// Tables is the little of Table Storage that we use. *Azure implements it over
// aztables; local/tables has a twin in memory that passes the same suite.
//
// A table that does not exist yet is made by the first call that names it.
// Any error but those below leaves the outcome of a write unknown: it may have
// happened, or may still happen.
type Tables interface {
	// Get returns one row, or ErrNotFound.
	Get(ctx context.Context, table, partition, row string) (Entity, error)
	// Query returns the rows of a span in key order, following continuations. No
	// rows is an empty slice and no error; what could not be read is an error.
	Query(ctx context.Context, table string, span Span) ([]Entity, error)
	// Apply makes all changes or none (an entity group transaction: one partition,
	// at most 100 changes, each row at most once, 4 MiB) and returns the new ETags in
	// order ("" for deletes). A refused change is a *ChangeError naming it.
	// A single change is sent as one plain request. No changes is no request.
	Apply(ctx context.Context, table string, changes []Change) ([]string, error)
}

// Errors that callers decide on; compare with errors.Is.
var (
	ErrNotFound     = errors.New("no such row")
	ErrExists       = errors.New("row exists")
	ErrPrecondition = errors.New("row changed meanwhile")
	ErrTooLarge     = errors.New("transaction, entity or property too large")
)

// ChangeError tells which change of a transaction was refused. Nothing was stored.
type ChangeError struct {
	Index int   // of the first refused change
	Err   error // ErrNotFound, ErrExists, ErrPrecondition or ErrTooLarge
}

func (e *ChangeError) Error() string { return fmt.Sprintf("change %d: %v", e.Index, e.Err) }

// Unwrap makes errors.Is see the reason.
func (e *ChangeError) Unwrap() error { return e.Err }
