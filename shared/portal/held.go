package portal

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// mostRead and mostHeld are how many rows the set-up page shows; the API lists all.
const (
	mostRead = 10
	mostHeld = 20
)

// setupReading is what the org admin sees of calendars that are read; the section is
// there only where some are.
type setupReading struct {
	Rows []readRow
	// More says that there are others.
	More     bool
	Held     []heldRow
	MoreHeld bool
}

// Any says that there is something to show.
func (s setupReading) Any() bool { return len(s.Rows) > 0 || len(s.Held) > 0 }

// readRow is a connection that is read: the text setup.read.<state>.
type readRow struct {
	Who, State string
	Ended      time.Time // UTC; zero for never
}

// heldRow is a connection that the delete brake holds.
type heldRow struct {
	ID, Who         string
	Since           time.Time
	Removals, Known int
	// Decided is what somebody decided, which takes a moment: the text
	// setup.held.<decision>; "" for nothing.
	Decided string
	Look    string // leads to the page that asks
}

// setupReading fills the section: a page of connections, at most mostRead rows of how
// they stand, and what is held.
func (v *visit) setupReading(ctx context.Context) (s setupReading, err error) {
	page, err := v.portal.deps.Setup.ListConnections(ctx, v.org.ID, "", 100)
	if err != nil {
		return s, err
	}
	s.More = page.Next != ""
	for _, c := range page.Items {
		if !reads(c) {
			continue
		}
		if len(s.Rows) == mostRead {
			s.More = true
			break
		}
		row, err := v.readRow(ctx, c)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil {
			return s, err
		}
		s.Rows = append(s.Rows, row)
	}
	held, next, err := v.portal.deps.Readings.Held(ctx, v.org.ID, key.Key{}, mostHeld)
	if err != nil {
		return s, err
	}
	s.MoreHeld = !next.IsZero()
	for _, h := range held {
		row, err := v.heldRow(ctx, h)
		if err != nil {
			return s, err
		}
		s.Held = append(s.Held, row)
	}
	return s, nil
}

func reads(c engine.Connection) bool {
	return c.Direction == connection.Down || c.Direction == connection.Both
}

func (v *visit) readRow(ctx context.Context, c engine.Connection) (readRow, error) {
	row := readRow{Who: cmp.Or(c.Account.Name, c.Email, c.User)}
	id, err := key.Parse(c.ID)
	if err != nil {
		return row, err
	}
	p, err := v.portal.deps.Readings.Progress(ctx, v.org.ID, id)
	row.State, row.Ended = readState(p), p.Ended
	return row, err
}

func (v *visit) heldRow(ctx context.Context, h state.Held) (heldRow, error) {
	row := heldRow{ID: h.Connection.String(), Who: h.User, Since: h.Since, Removals: h.Removals, Known: h.Known, Decided: h.Decision,
		Look: v.portal.path(pageSetup, v.id) + "?held=" + h.Connection.String()}
	who, err := v.portal.deps.Connections.Person(ctx, v.org.ID, h.User)
	if errors.Is(err, state.ErrNotFound) {
		return row, nil
	}
	row.Who = cmp.Or(who.Name, who.Email, row.Who)
	return row, err
}

// heldPage says what is held of one connection, and asks what is to become of it (A2).
type heldPage struct {
	heldRow
	Home string
}

// askHeld answers GET of setup/<grant>?held=<connection>.
func (v *visit) askHeld(ctx context.Context, id string) Answer {
	connection, err := key.Parse(id)
	if err != nil {
		return v.trouble(notFound)
	}
	home := v.portal.path(pageSetup, v.id)
	after := key.Key{}
	for {
		held, next, err := v.portal.deps.Readings.Held(ctx, v.org.ID, after, mostHeld)
		if err != nil {
			return v.broken(err)
		}
		for _, h := range held {
			if h.Connection != connection {
				continue
			}
			row, err := v.heldRow(ctx, h)
			if err != nil {
				return v.broken(err)
			}
			return v.page(200, "held", heldPage{row, home})
		}
		if after = next; next.IsZero() {
			return v.see(home + "?done=held-over")
		}
	}
}

// decideHeld takes the decision. The same one twice is as once; the first of two counts.
func (p *Portal) decideHeld(ctx context.Context, v *visit) Answer {
	id, err := key.Parse(v.values.Get("connection"))
	decision := v.values.Get("decision")
	if err != nil || decision != state.HeldApprove && decision != state.HeldRestore {
		return v.trouble(formUnreadable)
	}
	done := "held-" + decision
	err = p.deps.Readings.Decide(ctx, v.org.ID, id, decision)
	switch {
	case errors.Is(err, downsync.ErrNotHeld), errors.Is(err, state.ErrNotFound), errors.Is(err, state.ErrPrecondition):
		done = "held-over"
	case err != nil:
		return v.broken(err)
	}
	return v.see(p.path(pageSetup, v.id) + "?done=" + done)
}
