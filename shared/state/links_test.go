package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/state"
)

// counting counts what is read.
type counting struct {
	state.Tables
	reads int
}

func (c *counting) Get(ctx context.Context, table, partition, row string) (state.Entity, error) {
	c.reads++
	return c.Tables.Get(ctx, table, partition, row)
}

func (c *counting) Query(ctx context.Context, table string, span state.Span) ([]state.Entity, error) {
	c.reads++
	return c.Tables.Query(ctx, table, span)
}

// manyLinks are more than a request lists, of which each was made a minute after the one
// before.
func manyLinks(t *testing.T, role string, n int) (*state.Links, *counting, time.Time) {
	t.Helper()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	store := &counting{Tables: tables.NewStore(func() time.Time { return now }).Direct()}
	links := state.NewLinks(store)
	for i := range n {
		l := state.Link{ID: fmt.Sprintf("l%03d", i), Role: role, Organization: "acme", Created: now, Expires: now.Add(30 * 24 * time.Hour)}
		if _, err := links.Put(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	return links, store, now
}

// "Make a new link (the old one stops)": a booking app that makes one for each page that
// it shows has made hundreds.
func TestEveryLinkOfARoleEndsHoweverManyThereAre(t *testing.T) {
	links, _, now := manyLinks(t, state.EntraAdmin, 130)
	other := state.Link{ID: "other", Role: state.OrgAdmin, Organization: "acme", Created: now, Expires: now.Add(time.Hour)}
	if _, err := links.Put(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := links.End(t.Context(), "acme", state.EntraAdmin, "l129", now); err != nil {
		t.Fatal(err)
	}
	for i := range 130 {
		l, err := links.Get(t.Context(), fmt.Sprintf("l%03d", i))
		if err != nil || l.Live(now) != (i == 129) {
			t.Fatalf("l%03d: %+v, %v", i, l, err)
		}
	}
	if l, err := links.Get(t.Context(), "other"); err != nil || !l.Live(now) {
		t.Errorf("another role's ended: %v", err)
	}
}

func TestLinksAreListedNewestFirstAndNoFurtherThanIsLookedAt(t *testing.T) {
	links, store, _ := manyLinks(t, state.EntraAdmin, 130)
	store.reads = 0
	for l, err := range links.Of(t.Context(), "acme", state.EntraAdmin) {
		if err != nil || l.ID != "l129" {
			t.Fatalf("%s, %v", l.ID, err)
		}
		break
	}
	if store.reads != 2 {
		t.Errorf("%d requests for the newest", store.reads)
	}
	n := 129
	for l, err := range links.Of(t.Context(), "acme", state.EntraAdmin) {
		if err != nil || l.ID != fmt.Sprintf("l%03d", n) {
			t.Fatalf("%s, %v; want %d", l.ID, err, n)
		}
		n--
	}
	if n != -1 {
		t.Errorf("%d are missing", n+1)
	}
}
