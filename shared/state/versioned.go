package state

import (
	"context"
	"maps"

	"github.com/calbridge/calbridge/shared/version"
)

// Properties that say who wrote a row.
const (
	// versionProperty is the version of the build that wrote to the row last.
	versionProperty = "v"
	// wholeProperty is that of the build that last wrote it as a whole or as it had read
	// it, where that is not version 1. A merge without an ETag, by a build that has not
	// read the row, leaves it alone: so a build of version 1 that adds a debt to a row of
	// version 2 does not make it look like one that it can read.
	wholeProperty = "w"
)

// Versioned are tables whose rows carry the version of the build that wrote them, and
// which refuse to read those that the build cannot (package version). It costs no request.
//
// Reading a row of another version is a *version.Error, which is no ErrNotFound and no
// ErrCorrupt: nobody takes the row for one that is missing or spoilt. A Query that meets
// one returns the error and those rows that can be read, for those who go through an
// agenda; everybody else goes by the error.
//
// What is written without having been read can fall on a row of a newer version: a merge
// leaves that row unreadable (see wholeProperty) and only adds; InsertOrReplace, used for
// rows that are whole in themselves (agendas, pointers), puts an older row in its place,
// which newer builds read.
type Versioned struct {
	tables Tables
	own    version.Version
}

var _ Tables = (*Versioned)(nil)

// WithVersion returns tables as a build of some version reads and writes them. Every
// constructor of this package takes tables as they are for those of version.Current.
func WithVersion(tables Tables, own version.Version) *Versioned {
	return &Versioned{tables: tables, own: own.Or()}
}

func versioned(tables Tables) Tables {
	if v, ok := tables.(*Versioned); ok {
		return v
	}
	return WithVersion(tables, version.Current)
}

// Get is Tables.Get; a *version.Error means that the row is there and cannot be read.
func (t *Versioned) Get(ctx context.Context, table, partition, row string) (Entity, error) {
	e, err := t.tables.Get(ctx, table, partition, row)
	if err != nil {
		return e, err
	}
	if err := t.check(table, e); err != nil {
		return Entity{}, err
	}
	return e, nil
}

// Query is Tables.Query; with a *version.Error it returns those rows that can be read.
func (t *Versioned) Query(ctx context.Context, table string, span Span) ([]Entity, error) {
	rows, err := t.tables.Query(ctx, table, span)
	if err != nil {
		return rows, err
	}
	var first error
	readable := rows[:0]
	for _, e := range rows {
		if err := t.check(table, e); err == nil {
			readable = append(readable, e)
		} else if first == nil {
			first = err
		}
	}
	return readable, first
}

func (t *Versioned) check(table string, e Entity) error {
	for _, name := range []string{versionProperty, wholeProperty} {
		if w := written(e, name); !t.own.Reads(w) {
			return t.own.Check("a row of "+table, w)
		}
	}
	return nil
}

// written is the version in a property; one of another type was written by nobody we know.
func written(e Entity, name string) int64 {
	switch v := e.Props[name].(type) {
	case nil:
		return 0
	case int32:
		return int64(v)
	case int64:
		return v
	}
	return -1
}

// Apply is Tables.Apply; what is written carries the version.
func (t *Versioned) Apply(ctx context.Context, table string, changes []Change) ([]string, error) {
	stamped := make([]Change, len(changes))
	for i, c := range changes {
		stamped[i] = t.stamp(c)
	}
	return t.tables.Apply(ctx, table, stamped)
}

func (t *Versioned) stamp(c Change) Change {
	if c.Action == Delete {
		return c
	}
	props := make(map[string]any, len(c.Entity.Props)+2)
	maps.Copy(props, c.Entity.Props)
	props[versionProperty] = int32(t.own)
	blind := c.Action == InsertOrMerge || c.Action == Merge && c.Entity.ETag == ""
	if t.own > 1 && !blind {
		props[wholeProperty] = int32(t.own)
	}
	c.Entity.Props = props
	return c
}
