// Package statetest is the suite that every state.Tables passes: the twin in
// local/tables, and *state.Azure against local/tables and against Azurite
// (write-path.md section 2, servicebus.md section 9).
//
// A backend runs it with
//
//	statetest.Run(t, func(t *testing.T) state.Tables { … })
//
// The tables that open returns may share one store: each test uses a table of a
// fresh random name.
package statetest

import (
	"context"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/calbridge/calbridge/shared/state"
)

// Run runs the whole suite. open is called once for each test.
func Run(t *testing.T, open func(t *testing.T) state.Tables) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b bench)
	}{
		{"what is absent is said to be, and an empty range is no error", testAbsent},
		{"an insert stores once, the second is refused", testInsertTwice},
		{"replace, merge and delete take the ETag read, or any", testConditions},
		{"upserts ask nothing, merges keep what they do not name", testUpserts},
		{"every write has a new ETag, and Get and Query show it", testETags},
		{"a transaction answers with its ETags in order", testTransaction},
		{"a refused transaction names the change and stores nothing", testRefusal},
		{"a range comes in key order, from inclusive, before exclusive", testSpan},
		{"a range of more than a page comes whole", testPaging},
		{"values keep type and content", testValues},
		{"keys keep odd characters", testOddKeys},
		{"forbidden keys, names and values are refused before anything is stored", testInvalid},
		{"what just fits is stored, one byte more is too large", testSizes},
		{"caller and store share no memory", testMemory},
		{"a cancelled call says so", testCancel},
		{"of many inserts one wins", testInsertRace},
		{"conditional replaces lose no update", testReplaceRace},
		{"many first calls make one table", testTableRace},
		{"no changes are no request", testNoChanges},
		{"any sequence of writes leaves what a map would hold", testModel},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run(t, bench{open(t), freshName(t)})
		})
	}
}

// bench is one test's store and its own table in it.
type bench struct {
	state.Tables
	table string
}

func freshName(t *testing.T) string {
	t.Helper()
	id, err := uuid.NewRandom()
	if err != nil {
		t.Fatal(err)
	}
	return "t" + hex.EncodeToString(id[:])
}

type props = map[string]any

func insert(partition, row string, p props) state.Change {
	return change(state.Insert, partition, row, "", p)
}

func change(action state.Action, partition, row, etag string, p props) state.Change {
	return state.Change{Action: action, Entity: state.Entity{Partition: partition, Row: row, ETag: etag, Props: p}}
}

// apply makes changes that must succeed.
func (b bench) apply(t *testing.T, changes ...state.Change) []string {
	t.Helper()
	tags, err := b.Apply(t.Context(), b.table, changes)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	if len(tags) != len(changes) {
		t.Fatalf("Apply returned %d ETags for %d changes", len(tags), len(changes))
	}
	return tags
}

// refuse makes changes of which the one at index must be refused with want.
func (b bench) refuse(t *testing.T, index int, want error, changes ...state.Change) {
	t.Helper()
	_, err := b.Apply(t.Context(), b.table, changes)
	var refused *state.ChangeError
	if !errors.As(err, &refused) || refused.Index != index || !errors.Is(err, want) {
		t.Fatalf("Apply: %v, want change %d: %v", err, index, want)
	}
}

// fail makes changes that must fail as a whole with want.
func (b bench) fail(t *testing.T, want error, changes ...state.Change) {
	t.Helper()
	if _, err := b.Apply(t.Context(), b.table, changes); !errors.Is(err, want) {
		t.Fatalf("Apply: %v, want %v", err, want)
	}
}

func (b bench) get(t *testing.T, partition, row string) state.Entity {
	t.Helper()
	e, err := b.Get(t.Context(), b.table, partition, row)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if e.Partition != partition || e.Row != row {
		t.Fatalf("Get(%q, %q) returned the row (%q, %q)", partition, row, e.Partition, e.Row)
	}
	return e
}

func (b bench) missing(t *testing.T, partition, row string) {
	t.Helper()
	if _, err := b.Get(t.Context(), b.table, partition, row); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("Get: %v, want %v", err, state.ErrNotFound)
	}
}

func (b bench) query(t *testing.T, span state.Span) []state.Entity {
	t.Helper()
	rows, err := b.Query(t.Context(), b.table, span)
	if err != nil {
		t.Fatalf("Query: %v", err)
	}
	if rows == nil {
		t.Fatal("Query returned a nil slice")
	}
	return rows
}

// holds compares a stored row's properties.
func (b bench) holds(t *testing.T, partition, row string, want props) {
	t.Helper()
	if diff := cmp.Diff(want, b.get(t, partition, row).Props); diff != "" {
		t.Fatalf("row (-want +got):\n%s", diff)
	}
}

func rowsOf(entities []state.Entity) []string {
	rows := []string{}
	for _, e := range entities {
		rows = append(rows, e.Row)
	}
	return rows
}

func testNoChanges(t *testing.T, b bench) {
	if tags, err := b.Apply(t.Context(), b.table, nil); err != nil || len(tags) != 0 {
		t.Fatalf("Apply of nothing: %v, %v", tags, err)
	}
}

func testCancel(t *testing.T, b bench) {
	b.apply(t, insert("p", "a", nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Apply(ctx, b.table, []state.Change{insert("p", "b", nil)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: %v", err)
	}
	if _, err := b.Apply(ctx, b.table, []state.Change{insert("p", "c", nil), insert("p", "d", nil)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply of two: %v", err)
	}
	if _, err := b.Get(ctx, b.table, "p", "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	if _, err := b.Query(ctx, b.table, state.Span{Partition: "p"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Query: %v", err)
	}
	if diff := cmp.Diff([]string{"a"}, rowsOf(b.query(t, state.Span{Partition: "p"}))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func testMemory(t *testing.T, b bench) {
	own := props{"data": []byte{1, 2, 3}, "n": int32(1)}
	b.apply(t, insert("p", "a", own))
	own["data"].([]byte)[0] = 9
	own["n"], own["new"] = int32(2), true
	want := props{"data": []byte{1, 2, 3}, "n": int32(1)}
	b.holds(t, "p", "a", want)

	for _, read := range []state.Entity{b.get(t, "p", "a"), b.query(t, state.Span{Partition: "p"})[0]} {
		read.Props["data"].([]byte)[0] = 9
		read.Props["new"] = true
		b.holds(t, "p", "a", want)
	}
}
