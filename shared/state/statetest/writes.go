package statetest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/state"
)

func testAbsent(t *testing.T, b bench) {
	b.missing(t, "p", "a") // the table does not exist either
	if rows := b.query(t, state.Span{Partition: "p"}); len(rows) != 0 {
		t.Errorf("Query: %d rows", len(rows))
	}
	for _, action := range []state.Action{state.Replace, state.Merge, state.Delete} {
		b.refuse(t, 0, state.ErrNotFound, change(action, "p", "a", "", nil))
		b.refuse(t, 0, state.ErrNotFound, change(action, "p", "a", `W/"datetime'2020-01-01T00%3A00%3A00.0000000Z'"`, nil))
	}
	b.missing(t, "p", "a")
}

func testInsertTwice(t *testing.T, b bench) {
	b.apply(t, insert("p", "a", props{"n": int32(1)}))
	b.refuse(t, 0, state.ErrExists, insert("p", "a", props{"n": int32(2)}))
	b.holds(t, "p", "a", props{"n": int32(1)})
	b.apply(t, insert("p", "", props{"n": int32(3)}), insert("p", "b", nil))
	b.holds(t, "p", "", props{"n": int32(3)})
	b.apply(t, insert("q", "a", props{"n": int32(4)}))
	b.holds(t, "q", "a", props{"n": int32(4)})
	b.apply(t, change(state.Delete, "p", "", "", nil), change(state.Delete, "p", "a", "", nil))
	b.missing(t, "p", "")
	b.apply(t, insert("p", "a", nil))
	b.holds(t, "p", "a", props{})
}

func testConditions(t *testing.T, b bench) {
	for _, others := range []int{0, 1} { // alone, and in a transaction
		row := string(rune('a' + others))
		send := func(c state.Change) []state.Change {
			if others == 0 {
				return []state.Change{c}
			}
			return []state.Change{change(state.InsertOrMerge, "p", "other", "", nil), c}
		}
		stale := b.apply(t, insert("p", row, props{"n": int32(1), "m": int32(1)}))[0]
		fresh := b.apply(t, send(change(state.Replace, "p", row, stale, props{"n": int32(2)}))...)[others]
		b.holds(t, "p", row, props{"n": int32(2)})
		for _, action := range []state.Action{state.Replace, state.Merge, state.Delete} {
			b.refuse(t, others, state.ErrPrecondition, send(change(action, "p", row, stale, props{"n": int32(9)}))...)
		}
		b.holds(t, "p", row, props{"n": int32(2)})
		fresh = b.apply(t, send(change(state.Merge, "p", row, fresh, props{"m": int32(3)}))...)[others]
		b.holds(t, "p", row, props{"n": int32(2), "m": int32(3)})
		b.apply(t, send(change(state.Replace, "p", row, "", props{"n": int32(4)}))...)
		b.apply(t, send(change(state.Merge, "p", row, "", props{"m": int32(5)}))...)
		b.holds(t, "p", row, props{"n": int32(4), "m": int32(5)})
		b.refuse(t, others, state.ErrPrecondition, send(change(state.Delete, "p", row, fresh, nil))...)
		fresh = b.get(t, "p", row).ETag
		if tag := b.apply(t, send(change(state.Delete, "p", row, fresh, nil))...)[others]; tag != "" {
			t.Errorf("a delete returned the ETag %q", tag)
		}
		b.missing(t, "p", row)
	}
}

func testUpserts(t *testing.T, b bench) {
	b.apply(t, change(state.InsertOrMerge, "p", "a", "", props{"n": int32(1), "m": int32(1)}))
	b.apply(t, change(state.InsertOrMerge, "p", "a", "", props{"m": "two"}))
	b.holds(t, "p", "a", props{"n": int32(1), "m": "two"})
	b.apply(t, change(state.InsertOrReplace, "p", "a", "", props{"k": true}))
	b.holds(t, "p", "a", props{"k": true})
	b.apply(t,
		change(state.InsertOrReplace, "p", "b", "", props{"n": int32(1)}),
		change(state.InsertOrMerge, "p", "c", "", props{"n": int32(1)}),
		change(state.InsertOrMerge, "p", "a", "", props{"n": int32(1)}))
	b.apply(t,
		change(state.InsertOrReplace, "p", "b", "", props{"m": int32(2)}),
		change(state.InsertOrMerge, "p", "c", "", props{"m": int32(2)}),
		change(state.Merge, "p", "a", "", nil))
	b.holds(t, "p", "a", props{"k": true, "n": int32(1)})
	b.holds(t, "p", "b", props{"m": int32(2)})
	b.holds(t, "p", "c", props{"n": int32(1), "m": int32(2)})
}

func testETags(t *testing.T, b bench) {
	seen := map[string]bool{}
	note := func(tag string) {
		t.Helper()
		if tag == "" || seen[tag] {
			t.Fatalf("ETag %q is empty or was there before", tag)
		}
		seen[tag] = true
		if got := b.get(t, "p", "a").ETag; got != tag {
			t.Fatalf("Get shows %q, Apply returned %q", got, tag)
		}
		if got := b.query(t, state.Span{Partition: "p", From: "a", Limit: 1})[0].ETag; got != tag {
			t.Fatalf("Query shows %q, Apply returned %q", got, tag)
		}
	}
	same := props{"n": int32(1)}
	note(b.apply(t, insert("p", "a", same))[0])
	for _, action := range []state.Action{state.Replace, state.Merge, state.InsertOrReplace, state.InsertOrMerge} {
		note(b.apply(t, change(action, "p", "a", "", same))[0])
		note(b.apply(t, change(state.InsertOrMerge, "p", "z", "", same), change(action, "p", "a", "", same))[1])
	}
}

func testTransaction(t *testing.T, b bench) {
	old := b.apply(t, insert("p", "a", props{"n": int32(0)}), insert("p", "b", props{"n": int32(0)}), insert("p", "c", nil))
	tags := b.apply(t,
		insert("p", "d", props{"n": int32(1)}),
		change(state.Replace, "p", "a", old[0], props{"m": int32(1)}),
		change(state.Delete, "p", "c", old[2], nil),
		change(state.Merge, "p", "b", old[1], props{"m": int32(1)}),
		change(state.InsertOrReplace, "p", "e", "", props{"text": "line\r\n--changeset\u2028 \"quoted\" {x}"}))
	for i, row := range []string{"d", "a", "", "b", "e"} {
		want := ""
		if row != "" {
			want = b.get(t, "p", row).ETag
		}
		if tags[i] != want {
			t.Errorf("ETag %d is %q, the row's is %q", i, tags[i], want)
		}
	}
	b.holds(t, "p", "a", props{"m": int32(1)})
	b.holds(t, "p", "b", props{"n": int32(0), "m": int32(1)})
	b.missing(t, "p", "c")
	b.holds(t, "p", "e", props{"text": "line\r\n--changeset\u2028 \"quoted\" {x}"})
}

func testRefusal(t *testing.T, b bench) {
	tag := b.apply(t, insert("p", "stays", props{"n": int32(1)}))[0]
	b.apply(t, change(state.Replace, "p", "stays", "", props{"n": int32(2)}))
	good := make([]state.Change, 20)
	for i := range good {
		good[i] = insert("p", "new"+string(rune('a'+i)), props{"n": int32(i)})
	}
	for _, refused := range []struct {
		change state.Change
		want   error
	}{
		{insert("p", "stays", nil), state.ErrExists},
		{change(state.Replace, "p", "stays", tag, nil), state.ErrPrecondition},
		{change(state.Merge, "p", "stays", tag, nil), state.ErrPrecondition},
		{change(state.Delete, "p", "stays", tag, nil), state.ErrPrecondition},
		{change(state.Replace, "p", "none", "", nil), state.ErrNotFound},
		{change(state.Delete, "p", "none", "", nil), state.ErrNotFound},
	} {
		for _, at := range []int{0, 1, 11, 20} {
			b.refuse(t, at, refused.want, slices.Insert(slices.Clone(good), at, refused.change)...)
		}
	}
	b.refuse(t, 3, state.ErrExists, append(slices.Clone(good[:3]), insert("p", "stays", nil), change(state.Delete, "p", "none", "", nil))...)
	if diff := cmp.Diff([]string{"stays"}, rowsOf(b.query(t, state.Span{Partition: "p"}))); diff != "" {
		t.Errorf("rows after refusals (-want +got):\n%s", diff)
	}
	b.holds(t, "p", "stays", props{"n": int32(2)})
	b.apply(t, good...)
}
