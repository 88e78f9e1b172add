package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

const tableCursors = "cursors"

// CalendarKey names one calendar of a connection; id "" is the default one. It is the
// partition of what is known of it.
func CalendarKey(connection key.Key, id string) key.Key {
	return key.Of("calendar", connection.String(), id)
}

// Cursor is how far a calendar was read, and the round that is under way.
type Cursor struct {
	// Link is the delta link that the last whole round ended with; "" before there was one.
	Link string `json:"link,omitempty"`
	// From and To are the window that Link and Next are of (UTC), To exclusive.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Roll is when the window is to be moved (UTC).
	Roll time.Time `json:"roll"`
	// Basis says under which privacy, and with whose sign-in, the calendar was read:
	// under another everything is read anew.
	Basis string `json:"basis"`
	// Bases counts how often that has changed.
	Bases int `json:"bases,omitempty"`
	// Failures counts the rounds that failed since one ended, in a way that reading
	// again from the same link may not heal.
	Failures int `json:"failures,omitempty"`
	// Trouble counts how often in a row the same page was not answered, as one that is too
	// much for Graph is not.
	Trouble int `json:"trouble,omitempty"`
	// Shrunk is how often the window was halved for that, and Thinned the pages of the
	// round, because one was too large.
	Shrunk  int `json:"shrunk,omitempty"`
	Thinned int `json:"thinned,omitempty"`
	// Shown are hashes of what was shown lately, in which version, and is known by no
	// record: 8 bytes each, the newest last.
	Shown []byte `json:"shown,omitempty"`
	// Unread are the events whose removal the last round could not confirm.
	Unread []Unread `json:"unread,omitempty"`
	// Away are the events that the last round was told to be removed, or did not show, and
	// found all the same: the next one asks whether they are in this calendar.
	Away []string `json:"away,omitempty"`
	// Lost is what the last reading that lost anything has told as gone of this calendar.
	Lost *Losses `json:"lost,omitempty"`
	// Round is the round under way; nil between rounds.
	Round *Round `json:"round,omitempty"`
	// ETag is the row's version; "" for one that is not stored.
	ETag string `json:"-"`
}

// Losses are what a reading told as gone of one calendar: what the delete brake counts in
// the next one, whatever was killed between them.
type Losses struct {
	Reading string `json:"reading"` // a name of it
	Round   string `json:"round"`   // tells the last round from others of that reading
	Count   int    `json:"count"`
}

// Unread is an event that was told to be removed, or not shown, and that could not be read.
type Unread struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since"` // UTC
}

// Round is what a round has seen so far. It is bounded by the reader (package downsync).
type Round struct {
	// Full says that it began without a link: what it does not show is asked for.
	Full bool `json:"full,omitempty"`
	// Next is the link of the next page; "" before the first one of a full round.
	Next string `json:"next,omitempty"`
	// Delta is the link that it ended with; not empty means that all pages are read.
	Delta string `json:"delta,omitempty"`
	Pages int    `json:"pages,omitempty"`
	// Stale counts pages that brought nothing new, one after the other; News those that did.
	Stale int `json:"stale,omitempty"`
	News  int `json:"news,omitempty"`
	// Empty counts pages without items, one after the other.
	Empty int `json:"empty,omitempty"`
	// Seen are hashes of what was shown, and in which version: 12 bytes each.
	Seen []byte `json:"seen,omitempty"`
	// Overflow says that more was shown than Seen can hold: nothing counts as missing.
	Overflow bool `json:"overflow,omitempty"`
	// Masters are the series that were shown, by their ids.
	Masters []string `json:"masters,omitempty"`
	// Removed are the ids that were told to be removed.
	Removed []string `json:"removed,omitempty"`
	// Doubt are the events that were being told when this was stored: where the round is
	// gone through again and does not show one of them, it is asked for.
	Doubt []string `json:"doubt,omitempty"`
	// Gone are hashes of what a direct read has shown to be gone: 8 bytes each.
	Gone []byte `json:"gone,omitempty"`
	// Unread are the events, by their ids, that it could not ask for.
	Unread []string `json:"unread,omitempty"`
	// Unsure are those that were shown and of which it could not be found out whose they are.
	Unsure []string `json:"unsure,omitempty"`
	// Away are those that it has found so far.
	Away []string `json:"away,omitempty"`
	// Found counts what was published.
	Found int `json:"found,omitempty"`
	// Approved and Restored are what a person decided about a round that was held.
	Approved bool `json:"approved,omitempty"`
	Restored bool `json:"restored,omitempty"`
}

// Cursors reads and writes how far calendars were read. A partition is a calendar, the
// row is the empty one.
type Cursors struct{ tables Tables }

// NewCursors returns the cursors kept in tables.
func NewCursors(tables Tables) *Cursors { return &Cursors{versioned(tables)} }

// Get reads a calendar's cursor; a zero one for a calendar that was never read. One request.
func (c *Cursors) Get(ctx context.Context, calendar key.Key) (Cursor, error) {
	e, err := c.tables.Get(ctx, tableCursors, calendar.String(), "")
	if errors.Is(err, ErrNotFound) {
		return Cursor{}, nil
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("state.Cursor %s: %w", calendar, err)
	}
	doc, err := Unpack(e.Props)
	if err != nil {
		return Cursor{}, fmt.Errorf("state.Cursor %s: %w", calendar, err)
	}
	var x Cursor
	if err := json.Unmarshal(doc, &x); err != nil {
		return Cursor{}, fmt.Errorf("state.Cursor %s: %w: %w", calendar, ErrCorrupt, err)
	}
	x.ETag = e.ETag
	return x, nil
}

// Put stores a cursor in place of the version that it was read in, or where that is "",
// of none, and returns its new version. ErrPrecondition or ErrExists: somebody else has
// read the calendar meanwhile; ErrNotFound: it was forgotten. One request.
func (c *Cursors) Put(ctx context.Context, calendar key.Key, x Cursor) (string, error) {
	doc, err := json.Marshal(x)
	if err != nil {
		return "", fmt.Errorf("state.PutCursor %s: %w", calendar, err)
	}
	props, err := Pack(doc)
	if err != nil {
		return "", fmt.Errorf("state.PutCursor %s: %w", calendar, err)
	}
	action := Replace // a shorter one leaves nothing behind
	if x.ETag == "" {
		action = Insert
	}
	tags, err := c.tables.Apply(ctx, tableCursors, []Change{{action, Entity{Partition: calendar.String(), ETag: x.ETag, Props: props}}})
	if err != nil {
		return "", fmt.Errorf("state.PutCursor %s: %w", calendar, err)
	}
	return tags[0], nil
}

// Forget takes a cursor away; one that is gone is as good. One request.
func (c *Cursors) Forget(ctx context.Context, calendar key.Key) error {
	_, err := c.tables.Apply(ctx, tableCursors, []Change{{Delete, Entity{Partition: calendar.String()}}})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("state.ForgetCursor %s: %w", calendar, err)
	}
	return nil
}
