package statetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/calbridge/calbridge/shared/state"
)

const workers = 16

// together runs f in many goroutines and returns their errors.
func together(f func(worker int) error) []error {
	errs := make([]error, workers)
	var wait sync.WaitGroup
	for i := range workers {
		wait.Go(func() { errs[i] = f(i) })
	}
	wait.Wait()
	return errs
}

func testInsertRace(t *testing.T, b bench) {
	for _, more := range []bool{false, true} {
		row := fmt.Sprint("r", more)
		won := 0
		for _, err := range together(func(worker int) error {
			changes := []state.Change{insert("p", row, props{"n": int32(worker)})}
			if more {
				changes = append(changes, insert("p", fmt.Sprint("of ", worker), nil))
			}
			_, err := b.Apply(t.Context(), b.table, changes)
			return err
		}) {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, state.ErrExists):
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d inserts of one row succeeded", won)
		}
	}
	if rows := b.query(t, state.Span{Partition: "p", From: "of ", Before: "og"}); len(rows) != 1 {
		t.Errorf("%d losers left something behind", len(rows)-1)
	}
}

func testReplaceRace(t *testing.T, b bench) {
	b.apply(t, insert("p", "counter", props{"n": int32(0)}))
	const rounds = 5
	for _, err := range together(func(worker int) error {
		for done := 0; done < rounds; {
			e, err := b.Get(t.Context(), b.table, "p", "counter")
			if err != nil {
				return err
			}
			_, err = b.Apply(t.Context(), b.table, []state.Change{
				change(state.Replace, "p", "counter", e.ETag, props{"n": e.Props["n"].(int32) + 1}),
				insert("p", fmt.Sprintf("by %d.%d", worker, done), nil),
			})
			if err == nil {
				done++
			} else if !errors.Is(err, state.ErrPrecondition) {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	b.holds(t, "p", "counter", props{"n": int32(workers * rounds)})
	if rows := b.query(t, state.Span{Partition: "p", From: "by"}); len(rows) != workers*rounds+1 {
		t.Errorf("%d rows", len(rows))
	}
}

func testTableRace(t *testing.T, b bench) {
	for _, err := range together(func(worker int) error {
		_, err := b.Apply(t.Context(), b.table, []state.Change{insert(fmt.Sprint("p", worker), "a", nil), insert(fmt.Sprint("p", worker), "b", nil)})
		return err
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	for worker := range workers {
		if rows := b.query(t, state.Span{Partition: fmt.Sprint("p", worker)}); len(rows) != 2 {
			t.Errorf("partition %d has %d rows", worker, len(rows))
		}
	}
}
