package statetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/shared/state"
)

// model is what one partition should hold.
type model struct {
	rows  map[string]props
	etags map[string]string
	stale string
}

// testModel drives random transactions and compares with a map.
func testModel(t *testing.T, b bench) {
	partition := 0
	rapid.Check(t, func(rt *rapid.T) {
		partition++
		m := model{rows: map[string]props{}, etags: map[string]string{}, stale: `W/"datetime'2001-01-01T00%3A00%3A00.0000000Z'"`}
		name := fmt.Sprint("p", partition)
		for range rapid.IntRange(1, 8).Draw(rt, "transactions") {
			changes := m.draw(rt, name)
			index, want := m.expect(changes)
			tags, err := b.Apply(t.Context(), b.table, changes)
			var refused *state.ChangeError
			switch {
			case want == nil && err != nil:
				rt.Fatalf("Apply: %v", err)
			case want != nil && (!errors.As(err, &refused) || refused.Index != index || !errors.Is(err, want)):
				rt.Fatalf("Apply: %v, want change %d: %v", err, index, want)
			case want == nil:
				m.take(changes, tags)
			}
		}
		got := map[string]props{}
		for _, e := range b.query(t, state.Span{Partition: name}) {
			got[e.Row] = e.Props
			if e.ETag != m.etags[e.Row] {
				rt.Fatalf("row %s has ETag %s, want %s", e.Row, e.ETag, m.etags[e.Row])
			}
		}
		if diff := cmp.Diff(m.rows, got); diff != "" {
			rt.Fatalf("rows (-want +got):\n%s", diff)
		}
	})
}

// draw makes a transaction of one to five changes of different rows.
func (m *model) draw(rt *rapid.T, partition string) []state.Change {
	rows := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}), 1, 5, rapid.ID[string]).Draw(rt, "rows")
	changes := make([]state.Change, len(rows))
	for i, row := range rows {
		action := state.Action(rapid.IntRange(int(state.Insert), int(state.Delete)).Draw(rt, "action"))
		tag := ""
		if action >= state.Replace {
			tag = rapid.SampledFrom([]string{"", m.etags[row], m.etags[row], m.stale}).Draw(rt, "etag")
		}
		p := props{}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3, rapid.ID[string]).Draw(rt, "names") {
			p[name] = rapid.Int32Range(0, 9).Draw(rt, "value")
		}
		changes[i] = change(action, partition, row, tag, p)
	}
	return changes
}

// expect returns the first refusal.
func (m *model) expect(changes []state.Change) (int, error) {
	for i, c := range changes {
		_, exists := m.rows[c.Entity.Row]
		switch {
		case c.Action == state.Insert && exists:
			return i, state.ErrExists
		case c.Action >= state.Replace && !exists:
			return i, state.ErrNotFound
		case c.Entity.ETag != "" && c.Entity.ETag != m.etags[c.Entity.Row]:
			return i, state.ErrPrecondition
		}
	}
	return 0, nil
}

func (m *model) take(changes []state.Change, tags []string) {
	for i, c := range changes {
		row := c.Entity.Row
		if old := m.etags[row]; old != "" {
			m.stale = old
		}
		if c.Action == state.Delete {
			delete(m.rows, row)
			delete(m.etags, row)
			continue
		}
		stored := props{}
		if slices.Contains([]state.Action{state.Merge, state.InsertOrMerge}, c.Action) {
			maps.Copy(stored, m.rows[row])
		}
		maps.Copy(stored, c.Entity.Props)
		m.rows[row], m.etags[row] = stored, tags[i]
	}
}
