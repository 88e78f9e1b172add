package engine

import (
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// open reads what the lane owes and picks what this turn serves.
func (t *turn) open(ctx context.Context) (err error) {
	var owed []state.Owed
	if t.info, owed, t.more, err = t.lanes.Open(ctx, t.lane, t.start, maxRows); err != nil {
		return err
	}
	for _, o := range owed {
		t.left[o.Row] = o.Due
	}
	if t.info.NotBefore.After(t.start) {
		t.until = t.info.NotBefore
		return nil
	}
	picks := pick(owed, t.start)
	slots, err := t.read(ctx, picks)
	if err != nil {
		return err
	}
	t.slots = alone(slots)
	return t.strays(ctx, picks, slots)
}

// strays keeps owed rows whose delivery is not there, or cannot be read, from
// blocking the lane: the operator's recovery brings back what is missing.
func (t *turn) strays(ctx context.Context, picks []picked, slots []*slot) error {
	for i, s := range slots {
		if s != nil {
			continue
		}
		t.log.ErrorContext(ctx, "owed rows without a readable delivery dropped", "lane", t.lane, "delivery", picks[i].delivery)
		if err := t.lanes.Drop(ctx, t.lane, picks[i].rows()); err != nil {
			return err
		}
		for _, o := range picks[i].rows() {
			delete(t.left, o.Row)
		}
	}
	return nil
}

// picked is a delivery that is due, with its owed rows.
type picked struct {
	delivery key.Key
	live     bool
	debts    []state.Owed
	look     *state.Owed
}

func (p picked) rows() []state.Owed {
	if p.look == nil {
		return p.debts
	}
	return append(p.debts[:len(p.debts):len(p.debts)], *p.look)
}

// maxSettled is how many owed rows of one delivery a turn takes away: with what
// else changes they fit into a transaction. The rest finds nothing owed later.
const maxSettled = 90

// pick groups owed rows by delivery and takes the first 20 that are due, in the
// order of the rows: live ones, or where none is due, bulk. A turn that serves live
// work takes no bulk along, since its $batch would take that much longer.
func pick(owed []state.Owed, now time.Time) []picked {
	var out []picked
	at := map[key.Key]int{}
	for _, o := range owed {
		_, seen := at[o.Delivery]
		if len(out) > 0 && out[0].live && o.Priority > state.Live {
			continue // bulk waits for a turn of its own
		}
		if !seen && !o.Due.After(now) && len(out) < maxRows {
			at[o.Delivery] = len(out)
			out = append(out, picked{delivery: o.Delivery, live: o.Priority == state.Live})
		}
	}
	for _, o := range owed {
		i, ok := at[o.Delivery]
		switch {
		case !ok:
		case !o.Look && len(out[i].debts) < maxSettled:
			out[i].debts = append(out[i].debts, o)
		case !o.Look:
		case !o.Due.After(now):
			out[i].look = &o
		}
	}
	return out
}

// read loads the delivery rows. It comes before the bookings are loaded: an
// older booking must never meet a newer debt.
func (t *turn) read(ctx context.Context, picks []picked) ([]*slot, error) {
	slots := make([]*slot, len(picks))
	err := t.each(ctx, len(picks), func(ctx context.Context, i int) error {
		d, err := t.lanes.Delivery(ctx, t.lane, picks[i].delivery)
		if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrCorrupt) {
			return nil // see strays
		}
		if err != nil {
			return err
		}
		slots[i] = &slot{stored: d, row: d, debts: picks[i].debts, look: picks[i].look, debt: d.Debt}
		if s := slots[i]; s.look != nil && s.look.Nonce != d.Look.Nonce {
			s.debts = append(s.debts, *s.look) // of a look that ended: only to be cleared
			s.look = nil
		}
		return nil
	})
	return slots, err
}

// alone leaves a delivery whose attempts died twice to a turn of its own, so that
// what kills the process kills no other delivery's turn.
func alone(slots []*slot) []*slot {
	const deaths = 2 // the first attempt counts as 0, and its intent is still there
	var quiet []*slot
	for i, s := range slots {
		if s == nil {
			continue
		}
		if s.stored.Intent.Op == "" || s.stored.Intent.Attempt+1 < deaths {
			quiet = append(quiet, s)
		} else if i == 0 {
			return slots[:1]
		}
	}
	return quiet
}
