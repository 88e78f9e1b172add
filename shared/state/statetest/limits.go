package statetest

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/state"
)

func testInvalid(t *testing.T, b bench) {
	good := insert("p", "good", nil)
	for name, bad := range map[string]state.Change{
		"slash":              insert("p", "a/b", nil),
		"backslash":          insert("p", `a\b`, nil),
		"hash":               insert("p", "a#b", nil),
		"question mark":      insert("p", "a?b", nil),
		"tab":                insert("p", "a\tb", nil),
		"delete character":   insert("p", "a\x7f", nil),
		"C1 control":         insert("p", "a\u0085", nil),
		"not UTF-8":          insert("p", "a\xff", nil),
		"long row key":       insert("p", strings.Repeat("x", 513), nil),
		"slash in partition": insert("a/b", "r", nil),
		"no partition":       insert("", "r", nil),
		"insert with ETag":   change(state.Insert, "p", "r", "W/\"x\"", nil),
		"ETag with newline":  change(state.Replace, "p", "r", "x\r\ny: z", nil),
		"unknown action":     change(state.Action(17), "p", "r", "", nil),
		"empty name":         insert("p", "r", props{"": true}),
		"name with hyphen":   insert("p", "r", props{"a-b": true}),
		"name with digit":    insert("p", "r", props{"1a": true}),
		"system name":        insert("p", "r", props{"RowKey": "x"}),
		"annotation":         insert("p", "r", props{"a@odata.type": "x"}),
		"long name":          insert("p", "r", props{strings.Repeat("n", 256): true}),
		"int":                insert("p", "r", props{"n": 5}),
		"nil":                insert("p", "r", props{"n": nil}),
		"NaN":                insert("p", "r", props{"n": math.NaN()}),
		"infinity":           insert("p", "r", props{"n": math.Inf(-1)}),
		"text not UTF-8":     insert("p", "r", props{"s": "\xff"}),
		"time before 1601":   insert("p", "r", props{"t": time.Time{}}),
	} {
		t.Run(name, func(t *testing.T) {
			b.fail(t, state.ErrInvalid, bad)
			b.fail(t, state.ErrInvalid, good, bad)
		})
	}
	b.fail(t, state.ErrInvalid, good, insert("q", "r", nil))
	b.fail(t, state.ErrInvalid, good, insert("p", "r", nil), change(state.Delete, "p", "good", "", nil))
	if rows := b.query(t, state.Span{Partition: "p"}); len(rows) != 0 {
		t.Errorf("stored nevertheless: %q", rowsOf(rows))
	}
	if _, err := b.Get(t.Context(), b.table, "p", "a/b"); err == nil {
		t.Error("Get with a slash in the key succeeded")
	}
	for _, table := range []string{"", "ab", "1abc", "a-bc", "a/b", strings.Repeat("x", 64)} {
		if _, err := b.Query(t.Context(), table, state.Span{Partition: "p"}); err == nil {
			t.Errorf("table name %q was accepted", table)
		}
	}
}

func testSizes(t *testing.T, b bench) {
	b.apply(t, insert("p", strings.Repeat("r", 512), props{
		"binary":                 make([]byte, state.MaxProperty),
		"text":                   strings.Repeat("x", state.MaxProperty/2),
		strings.Repeat("n", 255): true,
	}))
	for name, tooLarge := range map[string]props{
		"binary": {"v": make([]byte, state.MaxProperty+1)},
		"text":   {"v": strings.Repeat("x", state.MaxProperty/2+1)},
		"wide":   {"v": strings.Repeat("😀", state.MaxProperty/4) + "x"},
		"entity": filled(17, 62<<10),
		"many":   filled(253, 1),
	} {
		t.Run(name, func(t *testing.T) {
			b.refuse(t, 0, state.ErrTooLarge, insert("p", "r", tooLarge))
			b.refuse(t, 1, state.ErrTooLarge, insert("p", "good", nil), insert("p", "r", tooLarge))
		})
	}
	b.apply(t, insert("p", "full", text(32, 16_000))) // 1,024,000 bytes, as UTF-16
	b.refuse(t, 0, state.ErrTooLarge, insert("p", "r", text(33, 16_000)))
	b.apply(t, insert("p", "wide", filled(252, 1)))

	hundred := make([]state.Change, 0, 101)
	for i := range 100 {
		hundred = append(hundred, insert("h", fmt.Sprintf("%03d", i), props{"data": bytes.Repeat([]byte{byte(i)}, 20<<10)}))
	}
	b.fail(t, state.ErrTooLarge, append(hundred, insert("h", "one more", nil))...)
	b.apply(t, hundred...) // 2.7 MiB on the wire
	for i := range hundred {
		hundred[i] = change(state.Replace, "h", hundred[i].Entity.Row, "", props{"data": make([]byte, 32<<10)})
	}
	b.fail(t, state.ErrTooLarge, hundred...) // 4.3 MiB
	if got := b.get(t, "h", "007").Props["data"].([]byte); len(got) != 20<<10 || got[0] != 7 {
		t.Error("a transaction that was too large changed something")
	}
	b.missing(t, "p", "good")
	b.missing(t, "h", "one more")
}

func text(n, length int) props {
	p := props{}
	for i := range n {
		p[fmt.Sprintf("p%03d", i)] = strings.Repeat("x", length)
	}
	return p
}

func filled(n, size int) props {
	p := props{}
	for i := range n {
		p[fmt.Sprintf("p%03d", i)] = make([]byte, size)
	}
	return p
}
