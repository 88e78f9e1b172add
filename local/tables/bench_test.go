package tables_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/state"
)

// The three requests that a lane makes: read what is owed, read one row, save
// twenty rows. Run them with AZURITE unset; Azurite has no benchmark.
func BenchmarkTwin(b *testing.B) {
	benchmark(b, tables.NewStore(nil).Direct())
}

func BenchmarkHTTP(b *testing.B) {
	_, a := start(b, nil)
	benchmark(b, a)
}

func benchmark(b *testing.B, t state.Tables) {
	changes := make([]state.Change, 20)
	for i := range changes {
		changes[i] = state.Change{Action: state.InsertOrReplace, Entity: state.Entity{Partition: "lane", Row: fmt.Sprintf("d%025d", i), Props: delivery()}}
	}
	if _, err := t.Apply(b.Context(), "lanes", changes); err != nil {
		b.Fatal(err)
	}
	b.Run("transaction of 20", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := t.Apply(b.Context(), "lanes", changes); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("single upsert", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := t.Apply(b.Context(), "lanes", changes[:1]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("point read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := t.Get(b.Context(), "lanes", "lane", changes[7].Entity.Row); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("range of 20", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rows, err := t.Query(b.Context(), "lanes", state.Span{Partition: "lane", From: "d", Before: "e", Limit: 20})
			if err != nil || len(rows) != 20 {
				b.Fatal(len(rows), err)
			}
		}
	})
}

// delivery is about what a lane's d row holds.
func delivery() map[string]any {
	return map[string]any{
		"v": int32(1), "state": "written", "reason": "", "event": "AAMkAGI2TG93AAA=AAMkAGI2TG93AAA=AAMkAGI2TG93AAA=AAMkAGI2TG93AAA=",
		"changeKey": "CQAAABYAAAD/2vT3iYJlQ6oX", "hash": make([]byte, 32), "revision": int64(3), "sequence": int64(7), "generation": int64(1),
		"intent": "none", "ends": time.Date(2026, 12, 1, 17, 20, 0, 0, time.UTC), "debt": make([]byte, 16),
	}
}
