package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/state"
)

func withLedger(t *testing.T, w *world.World, after string, limit int) engine.Status {
	t.Helper()
	s, err := w.Engine().StatusWithLedger(t.Context(), world.Organization, "b", after, limit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheStatusShowsEveryAttemptOfEachDelivery(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	send(t, w, bookingOf(t, "b", 1, map[string]any{"people": []person{someone("aino"), someone("bert")}}))
	settle(t, w)
	w.Advance(time.Hour)
	send(t, w, bookingOf(t, "b", 2, map[string]any{"title": "A"})) // bert is no longer on it
	send(t, w, bookingOf(t, "other", 1, nil))
	settle(t, w)
	first := withLedger(t, w, "", 1)
	second := withLedger(t, w, first.Next, 1)
	if len(first.Deliveries) != 1 || len(second.Deliveries) != 1 || second.Next != "" {
		t.Fatalf("%+v\n%+v", first, second)
	}
	for i, d := range []engine.DeliveryStatus{first.Deliveries[0], second.Deliveries[0]} {
		user := []string{"aino", "bert"}[i]
		last := d.Ledger[len(d.Ledger)-1]
		if d.User != user || last.Revision != 2 || last.State != d.State || last.Reason != d.Reason || last.Sequence != d.Sequence {
			t.Errorf("%s: %+v, last attempt %+v", user, d, last)
		}
		seen := map[int64]bool{}
		for j, entry := range d.Ledger {
			seen[entry.Revision] = true
			if j > 0 && entry.At.Before(d.Ledger[j-1].At) || entry.Operation == "" || entry.At.IsZero() {
				t.Errorf("%s: entry %d is %+v", user, j, entry)
			}
		}
		if !seen[1] || !seen[2] {
			t.Errorf("%s: revisions %v, want 1 and 2", user, seen)
		}
	}
	if create := first.Deliveries[0].Ledger[0]; create.Operation != "create" || create.Status != 201 || create.EventID == "" || create.RequestID == "" {
		t.Errorf("the create is %+v", create)
	}
	without, err := w.Engine().Status(t.Context(), world.Organization, "b", "", 10)
	if text, _ := json.Marshal(without); err != nil || strings.Contains(string(text), "ledger") {
		t.Errorf("not asked for: %s, %v", text, err)
	}
}

func TestADeliveryThatWasNotTriedYetHasAnEmptyLedger(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	revise(t, w, 1, "A")
	text, err := json.Marshal(withLedger(t, w, "", 10))
	if err != nil || !strings.Contains(string(text), `"ledger":[]`) {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := w.Engine().StatusWithLedger(t.Context(), world.Organization, "x", "", 10); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("unknown booking: %v", err)
	}
	if _, err := w.Engine().StatusWithLedger(t.Context(), world.Organization, "b", "x", 10); !errors.Is(err, engine.ErrBadCursor) {
		t.Errorf("bad cursor: %v", err)
	}
}

// One query per delivery and month, from the month of acceptance, as far back as
// the organisation keeps its ledger, and never more than 13.
func TestTheLedgerIsReadFromAcceptanceOn(t *testing.T) {
	w := newWorld(t, exchange.Switches{})
	far := map[string]any{"start": map[string]any{"dateTime": "2029-12-01T10:00:00"}, "end": map[string]any{"dateTime": "2029-12-01T11:00:00"}}
	send(t, w, bookingOf(t, "b", 1, far))
	settle(t, w)
	for _, step := range []struct {
		days, keep, months int
		created            bool // the attempt of the first month is still shown
	}{
		{0, 180, 1, true},
		{15, 180, 2, true},     // 5 December
		{100, 180, 5, true},    // 15 March
		{100, 180, 7, false},   // 23 June: from 25 December on
		{0, 3650, 8, true},     // kept for ten years: from acceptance on
		{400, 3650, 13, false}, // July 2028
	} {
		w.Advance(time.Duration(step.days) * 24 * time.Hour)
		w.Org.Retention.LedgerDays = step.keep
		tables := &counting{Tables: w.Tables}
		e := engine.New(engine.Effects{Tables: tables, Bus: w.Bus, Calendar: w.Calendar, Organizations: w}, &engine.Options{Now: w.Now})
		s, err := e.StatusWithLedger(t.Context(), world.Organization, "b", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if tables.ledger != step.months || (len(s.Deliveries[0].Ledger) > 0) != step.created {
			t.Errorf("%s: %d months read, want %d; %d entries", w.Now().Format(time.DateOnly), tables.ledger, step.months, len(s.Deliveries[0].Ledger))
		}
	}
	w.Org = nil // deleted: the default holds
	if s := withLedger(t, w, "", 10); len(s.Deliveries) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestALedgerThatCannotBeReadIsAnErrorAndNotEmpty(t *testing.T) {
	w := written(t)
	e := engine.New(engine.Effects{Tables: &counting{Tables: w.Tables, fail: fmt.Errorf("down")}, Bus: w.Bus, Calendar: w.Calendar, Organizations: w},
		&engine.Options{Now: w.Now})
	if s, err := e.StatusWithLedger(t.Context(), world.Organization, "b", "", 10); err == nil {
		t.Errorf("%+v", s)
	}
}

// counting counts queries of the ledger, which it can fail.
type counting struct {
	state.Tables
	mu     sync.Mutex
	ledger int
	fail   error
}

func (c *counting) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	if strings.HasPrefix(table, "ledger") {
		c.mu.Lock()
		c.ledger++
		c.mu.Unlock()
		if c.fail != nil {
			return nil, c.fail
		}
	}
	return c.Tables.Query(ctx, table, span)
}
