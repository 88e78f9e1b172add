package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
)

// States of a connection's down-sync.
const (
	SyncNever   = "never"   // it was never read
	SyncQueued  = "queued"  // it was asked for, and has not begun
	SyncRunning = "running" // it is being read
	SyncDone    = "done"    // it was read to the end
	SyncFailed  = "failed"  // it could not be read: Cause says why; it is tried again
	SyncHeld    = "held"    // the delete brake has stopped it
	SyncOff     = "off"     // it is not to be read
)

// Progress is how the reading of a connection's calendars stands, for people to watch
// and for health. It decides nothing.
type Progress struct {
	State string `json:"state"`
	// Cause is a reason of package reason, or a word of package downsync; "" for none.
	Cause string `json:"cause,omitempty"`
	// Asked is when somebody last asked for it, Began when the reading began that is
	// under way or was the last, Ended when one last came to its end. UTC, zero for never.
	Asked time.Time `json:"asked"`
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Calendars is how many there are to read, Done how many of them were; Pages and
	// Found are how many pages were read and how many changes told in that reading.
	Calendars int `json:"calendars"`
	Done      int `json:"done"`
	Pages     int `json:"pages"`
	Found     int `json:"found"`
	// Ignored counts items that no sense could be made of.
	Ignored int `json:"ignored,omitempty"`
	// Read are the calendars of which something may be known, by their ids.
	Read []string `json:"read,omitempty"`
	// Skipped are the calendars that are not there any more, by their ids.
	Skipped []string `json:"skipped,omitempty"`
	// Failed are the calendars of that reading that could not be read, in the order in
	// which they failed; the others were.
	Failed []CalendarFailure `json:"failed,omitempty"`
	// Left are calendars that were read once and are not any more: of them nothing is
	// known but how often they have changed what may be told.
	Left []string `json:"left,omitempty"`
}

// CalendarFailure is why one of several calendars could not be read.
type CalendarFailure struct {
	Calendar string `json:"calendar"` // its id; "" is the default one
	Cause    string `json:"cause"`    // as Progress has it
}

// Progresses reads and writes how readings stand. They lie in the table of cursors, one
// row a connection.
type Progresses struct{ tables Tables }

// NewProgresses returns the progresses kept in tables.
func NewProgresses(tables Tables) *Progresses { return &Progresses{versioned(tables)} }

const progressRow = "progress"

// Get reads how a connection's reading stands; SyncNever where nothing is known. One request.
func (p *Progresses) Get(ctx context.Context, connection key.Key) (Progress, error) {
	e, err := p.tables.Get(ctx, tableCursors, connection.String(), progressRow)
	if errors.Is(err, ErrNotFound) {
		return Progress{State: SyncNever}, nil
	}
	if err != nil {
		return Progress{}, fmt.Errorf("state.Progress %s: %w", connection, err)
	}
	var x Progress
	doc, _ := e.Props["doc"].([]byte)
	if err := json.Unmarshal(doc, &x); err != nil {
		return Progress{}, fmt.Errorf("state.Progress %s: %w: %w", connection, ErrCorrupt, err)
	}
	return x, nil
}

// Put stores it, whatever was there. One request.
func (p *Progresses) Put(ctx context.Context, connection key.Key, x Progress) error {
	doc, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("state.PutProgress: %w", err)
	}
	_, err = p.tables.Apply(ctx, tableCursors, []Change{{InsertOrReplace, Entity{Partition: connection.String(), Row: progressRow,
		Props: map[string]any{"doc": doc}}}})
	if err != nil {
		return fmt.Errorf("state.PutProgress %s: %w", connection, err)
	}
	return nil
}

// Forget takes it away; what is gone is as good. One request.
func (p *Progresses) Forget(ctx context.Context, connection key.Key) error {
	_, err := p.tables.Apply(ctx, tableCursors, []Change{{Delete, Entity{Partition: connection.String(), Row: progressRow}}})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("state.ForgetProgress %s: %w", connection, err)
	}
	return nil
}
