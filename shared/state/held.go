package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// What a person decides about removals that are held.
const (
	HeldApprove = "approve" // they are told
	HeldRestore = "restore" // they are not: what was removed counts as there
)

// Held is a connection that the delete brake has stopped.
type Held struct {
	Organization string    `json:"-"`
	Connection   key.Key   `json:"-"`
	Lane         key.Key   `json:"lane"`
	User         string    `json:"user"`
	Calendar     string    `json:"calendar"` // whose round it was; "" for the default one
	Since        time.Time `json:"since"`    // UTC
	Removals     int       `json:"removals"` // at least so many
	Known        int       `json:"known"`    // of so many
	// Round names the round that is held.
	Round string `json:"round,omitempty"`
	// Raised says that its alert was published.
	Raised bool `json:"raised,omitempty"`
	// Decision is one of the Held constants; "" while nobody has decided.
	Decision string `json:"decision,omitempty"`
	ETag     string `json:"-"`
}

// HeldRows reads and writes what the delete brake holds. A partition is an
// organisation's, in the table of cursors.
type HeldRows struct{ tables Tables }

// NewHeldRows returns the held connections kept in tables.
func NewHeldRows(tables Tables) *HeldRows { return &HeldRows{versioned(tables)} }

func heldPartition(organization string) string { return "held-" + organization }

// Get reads what is held of a connection; ErrNotFound: nothing. One request.
func (h *HeldRows) Get(ctx context.Context, organization string, id key.Key) (Held, error) {
	e, err := h.tables.Get(ctx, tableCursors, heldPartition(organization), id.String())
	if err != nil {
		return Held{}, fmt.Errorf("state.Held %s: %w", id, err)
	}
	return parseHeld(organization, e)
}

// List reads at most limit held connections of an organisation, those after the one
// that next named (zero: from the first); next is zero when there are no more. One request.
func (h *HeldRows) List(ctx context.Context, organization string, after key.Key, limit int) (items []Held, next key.Key, err error) {
	span := Span{Partition: heldPartition(organization), Limit: limit + 1}
	if !after.IsZero() {
		span.From = after.String() + " "
	}
	rows, err := h.tables.Query(ctx, tableCursors, span)
	if err != nil {
		return nil, next, fmt.Errorf("state.ListHeld: %w", err)
	}
	for _, e := range rows {
		if len(items) == limit {
			return items, items[limit-1].Connection, nil
		}
		one, err := parseHeld(organization, e)
		if err != nil {
			return nil, next, err
		}
		items = append(items, one)
	}
	return items, next, nil
}

// Put stores what is held, in place of the version that it was read in; "" inserts.
// ErrExists, ErrPrecondition, ErrNotFound: it is not as it was read. One request.
func (h *HeldRows) Put(ctx context.Context, x Held) error {
	doc, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("state.PutHeld: %w", err)
	}
	action := Replace
	if x.ETag == "" {
		action = Insert
	}
	_, err = h.tables.Apply(ctx, tableCursors, []Change{{action, Entity{Partition: heldPartition(x.Organization), Row: x.Connection.String(),
		ETag: x.ETag, Props: map[string]any{"doc": doc}}}})
	if err != nil {
		return fmt.Errorf("state.PutHeld %s: %w", x.Connection, err)
	}
	return nil
}

// Release lets a connection go on; one that is not held is as good. One request.
func (h *HeldRows) Release(ctx context.Context, organization string, id key.Key) error {
	_, err := h.tables.Apply(ctx, tableCursors, []Change{{Delete, Entity{Partition: heldPartition(organization), Row: id.String()}}})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("state.ReleaseHeld %s: %w", id, err)
	}
	return nil
}

func parseHeld(organization string, e Entity) (Held, error) {
	x := Held{Organization: organization, ETag: e.ETag}
	doc, _ := e.Props["doc"].([]byte)
	id, err1 := key.Parse(e.Row)
	if err := errors.Join(err1, json.Unmarshal(doc, &x)); err != nil {
		return Held{}, fmt.Errorf("state.Held: %w: %w", ErrCorrupt, err)
	}
	x.Connection = id
	return x, nil
}
