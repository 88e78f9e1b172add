package tables_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/state"
)

func put(row string) []state.Change {
	return []state.Change{{Action: state.Insert, Entity: state.Entity{Partition: "p", Row: row, Props: map[string]any{"n": int32(1)}}}}
}

func two() []state.Change { return append(put("x"), put("y")...) }

// once counts the operations of a kind and fails the first n of them.
func once(kind tables.Kind, n int32, f tables.Fault) (hook func(tables.Operation) tables.Fault, count *atomic.Int32) {
	count = new(atomic.Int32)
	return func(op tables.Operation) tables.Fault {
		if op.Kind == kind && count.Add(1) <= n {
			return f
		}
		return tables.Fault{}
	}, count
}

// outcome is unknown: none of the errors that tell about rows.
func unknown(err error) bool {
	var refused *state.ChangeError
	return err != nil && !errors.As(err, &refused) && !errors.Is(err, state.ErrNotFound) && !errors.Is(err, state.ErrExists)
}

func TestAWriteIsSentOnce(t *testing.T) {
	for name, fault := range map[string]tables.Fault{
		"server error": {Status: 500, Code: "InternalError"}, "busy": {Status: 503, Code: "ServerBusy"},
		"throttled": {Status: 429}, "cut": {Cut: true}, "answer lost": {Lost: true},
	} {
		for kind, changes := range map[tables.Kind][]state.Change{tables.KindInsert: put("a"), tables.KindTransaction: two()} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				server, a := start(t, nil)
				if _, err := a.Apply(t.Context(), "lanes", put("before")); err != nil { // opens the connection and the table
					t.Fatal(err)
				}
				hook, sent := once(kind, 1, fault)
				server.Fail(hook)
				if _, err := a.Apply(t.Context(), "lanes", changes); !unknown(err) {
					t.Errorf("Apply: %v", err)
				}
				if sent.Load() != 1 {
					t.Errorf("sent %d times", sent.Load())
				}
				rows, err := a.Query(t.Context(), "lanes", state.Span{Partition: "p"})
				stored := 1
				if fault.Lost {
					stored += len(changes)
				}
				if err != nil || len(rows) != stored {
					t.Errorf("%d rows, want %d (%v)", len(rows), stored, err)
				}
			})
		}
	}
}

func TestAReadIsTriedAgain(t *testing.T) {
	server, a := start(t, nil)
	if _, err := a.Apply(t.Context(), "lanes", put("a")); err != nil {
		t.Fatal(err)
	}
	for name, fault := range map[string]tables.Fault{"busy": {Status: 503}, "cut": {Cut: true}} {
		hook, _ := once(tables.KindGet, 2, fault)
		server.Fail(hook)
		if _, err := a.Get(t.Context(), "lanes", "p", "a"); err != nil {
			t.Errorf("%s: Get: %v", name, err)
		}
		hook, _ = once(tables.KindQuery, 2, fault)
		server.Fail(hook)
		if rows, err := a.Query(t.Context(), "lanes", state.Span{Partition: "p"}); err != nil || len(rows) != 1 {
			t.Errorf("%s: Query: %v", name, err)
		}
	}
	hook, asked := once(tables.KindQuery, 100, tables.Fault{Status: 503})
	server.Fail(hook)
	if rows, err := a.Query(t.Context(), "lanes", state.Span{Partition: "p"}); err == nil {
		t.Errorf("an outage is %d rows and no error", len(rows))
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestAnOutageIsNeitherAbsenceNorConflict(t *testing.T) {
	server, a := start(t, nil)
	if err := a.Ping(t.Context()); err != nil {
		t.Fatalf("Ping: %v", err)
	}
	server.Down(true)
	if _, err := a.Get(t.Context(), "lanes", "p", "a"); !unknown(err) {
		t.Errorf("Get: %v", err)
	}
	if _, err := a.Apply(t.Context(), "lanes", put("a")); !unknown(err) {
		t.Errorf("Apply: %v", err)
	}
	if err := a.Ping(t.Context()); err == nil {
		t.Error("Ping succeeds while the service is down")
	}
	server.Down(false)
	if _, err := a.Apply(t.Context(), "lanes", put("a")); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	server.Close()
	if _, err := a.Get(t.Context(), "lanes", "p", "a"); !unknown(err) {
		t.Errorf("Get without a server: %v", err)
	}
}

func TestEveryTryHasADeadlineOfItsOwn(t *testing.T) {
	server, _ := start(t, nil)
	a := connect(t, server.ConnectionString(), &state.Options{Timeout: 50 * time.Millisecond})
	if _, err := a.Apply(t.Context(), "lanes", put("a")); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	hook, asked := once(tables.KindGet, 1, tables.Fault{Before: release})
	server.Fail(hook)
	if _, err := a.Get(t.Context(), "lanes", "p", "a"); err != nil || asked.Load() != 2 {
		t.Errorf("Get after a hung try: %v, asked %d times", err, asked.Load())
	}
	hook, _ = once(tables.KindInsert, 1, tables.Fault{Before: release})
	server.Fail(hook)
	if _, err := a.Apply(t.Context(), "lanes", put("b")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Apply: %v", err)
	}
	close(release)
}

// A late commit happens after the caller has given up. The store asks its clock
// when it commits, under the lock that a reader then waits for.
func TestALateWriteStillHappens(t *testing.T) {
	committing := make(chan struct{}, 10)
	store := tables.NewStore(func() time.Time {
		committing <- struct{}{}
		return time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	})
	if _, err := store.Direct().Apply(t.Context(), "lanes", put("before")); err != nil {
		t.Fatal(err)
	}
	<-committing
	server, err := tables.Start(store, "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	a := connect(t, server.ConnectionString(), nil)
	arrived, release := make(chan struct{}), make(chan struct{})
	server.Fail(func(op tables.Operation) tables.Fault {
		close(arrived)
		return tables.Fault{Before: release}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := a.Apply(ctx, "lanes", put("late")); !errors.Is(err, context.Canceled) {
		t.Fatalf("Apply: %v", err)
	}
	if _, err := store.Direct().Get(t.Context(), "lanes", "p", "late"); !errors.Is(err, state.ErrNotFound) {
		t.Fatalf("before the release: %v", err)
	}
	close(release)
	<-committing
	if _, err := store.Direct().Get(t.Context(), "lanes", "p", "late"); err != nil {
		t.Fatalf("after the release: %v", err)
	}
}

func TestATableBeingDeletedIsAnError(t *testing.T) {
	now := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	server, err := tables.Start(tables.NewStore(func() time.Time { return now }), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	a := connect(t, server.ConnectionString(), nil)
	if _, err := a.Apply(t.Context(), "ledger", put("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := sdk(t, server).DeleteTable(t.Context(), "ledger", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), "ledger", put("b")); !unknown(err) || !strings.Contains(err.Error(), "TableBeingDeleted") {
		t.Errorf("Apply: %v", err)
	}
	if _, err := a.Get(t.Context(), "ledger", "p", "a"); !unknown(err) {
		t.Errorf("Get: %v", err)
	}
	now = now.Add(time.Minute)
	if _, err := a.Apply(t.Context(), "ledger", put("b")); err != nil {
		t.Errorf("after the deletion: %v", err)
	}
	if _, err := a.Get(t.Context(), "ledger", "p", "a"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a row of the deleted table: %v", err)
	}
}

// Keys may hold what personal data can be guessed from; errors hold none of it.
func TestErrorsNameNoKeysAndNoValues(t *testing.T) {
	server, a := start(t, nil)
	change := []state.Change{{Action: state.Replace, Entity: state.Entity{Partition: "secret", Row: "secret", Props: map[string]any{"n": "secret"}}}}
	check := func(name string, err error) {
		t.Helper()
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "127.0.0.1") && name != "closed" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := a.Get(t.Context(), "lanes", "secret", "secret")
	check("absent", err)
	_, err = a.Apply(t.Context(), "lanes", change)
	check("refused", err)
	_, err = a.Apply(t.Context(), "lanes", append(change, state.Change{Entity: state.Entity{Partition: "secret2"}}))
	check("invalid", err)
	change[0].Entity.Props["n"] = 5
	_, err = a.Apply(t.Context(), "lanes", change)
	check("type", err)
	server.Fail(func(tables.Operation) tables.Fault { return tables.Fault{Cut: true} })
	_, err = a.Get(t.Context(), "lanes", "secret", "secret")
	check("cut", err)
	server.Close()
	_, err = a.Get(t.Context(), "lanes", "secret", "secret")
	check("closed", err)
}

func TestManyCallsShareFewConnections(t *testing.T) {
	server, _ := start(t, nil)
	var opened atomic.Int32
	counting := &http.Transport{MaxIdleConnsPerHost: 64}
	counting.DialContext = dialCounter(&opened)
	a := connect(t, server.ConnectionString(), &state.Options{Transport: counting})
	for i := range 20 {
		if _, err := a.Apply(t.Context(), "lanes", put(string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Get(t.Context(), "lanes", "p", "none"); !errors.Is(err, state.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections for calls one after the other", opened.Load())
	}
}
