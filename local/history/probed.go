package history

import (
	"context"
	"errors"

	"pgregory.net/rapid"

	"github.com/calbridge/calbridge/local/world"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/state"
)

// Histories in which nobody signs in and connections are made by probe: their direction
// and the primary one's mailbox decide, and who has none is written to by address.

// probe does one thing to somebody's connections by probe.
func (h *history) probe() {
	user := rapid.SampledFrom(h.users()).Draw(h.T, "who")
	connected := h.connections(user)
	what := rapid.IntRange(0, 6).Draw(h.T, "connection by probe")
	if what < 3 || len(connected) == 0 {
		a := rapid.SampledFrom(h.accounts[user]).Draw(h.T, "which mailbox")
		d := rapid.SampledFrom([]connection.Direction{connection.Up, connection.Both, connection.Down}).Draw(h.T, "direction")
		h.Logf("%s is connected to %s: %s", user, a.Address, d)
		h.until(func() error {
			_, err := h.w.Engine().ConnectByProbe(context.Background(), world.Organization, user, a.Address, d)
			if refused := (*graph.Error)(nil); errors.As(err, &refused) || errors.Is(err, engine.ErrModuleOff) {
				return nil
			}
			return err
		})
		return
	}
	c := rapid.SampledFrom(connected).Draw(h.T, "which connection")
	switch what {
	case 3:
		h.Logf("%s is the primary mailbox", c.Mailbox)
		h.until(func() error { return h.changed(c, engine.ConnectionChange{Primary: new(true)}) })
	case 4, 5:
		h.turn(c, rapid.SampledFrom([]connection.Direction{connection.Up, connection.Both, connection.Down, connection.None}).Draw(h.T, "turn"))
	case 6:
		h.Logf("%s is disconnected", c.Mailbox)
		h.until(func() error {
			err := h.w.Engine().Disconnect(context.Background(), world.Organization, c.ID, nil)
			if errors.Is(err, state.ErrNotFound) {
				return nil // the answer to an earlier try was lost
			}
			return err
		})
	}
}

// until asks again until it is heard, as whoever calls the API does.
func (h *history) until(ask func() error) {
	const tries = 20
	var err error
	for range tries {
		if err = ask(); err == nil {
			return
		}
	}
	h.Fatal(err)
}

func (h *history) changed(c connection.Connection, change engine.ConnectionChange) error {
	_, err := h.w.Engine().ChangeConnection(context.Background(), world.Organization, c.ID, change, nil)
	return err
}

// turn gives a connection another direction.
func (h *history) turn(c connection.Connection, d connection.Direction) {
	h.Logf("%s is turned to %s", c.Mailbox, d)
	h.until(func() error { return h.changed(c, engine.ConnectionChange{Direction: &d}) })
}

// openProbed lets bookings be written again wherever somebody is connected.
func (h *history) openProbed() {
	for _, user := range h.users() {
		for _, c := range h.connections(user) {
			h.turn(c, connection.Both)
		}
	}
}
