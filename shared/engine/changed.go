package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/event"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/ics"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// What became of an event that we wrote (write-path.md section 6; I2, I4, I6).
//
// A page of changes only hints. What differs from all that we wrote, or may still be
// writing, is read from the calendar before anything follows, and the delivery row must
// stand unchanged around that reading: so neither an old page nor a write of ours that is
// under way is ever taken for a person's doing. A row remembers what is known of its
// event as a trace (event.Sight): what was confirmed, and what of people's changes was
// told. What the trace already has is an echo.
//
// Nothing here writes a calendar. A change that is to be put back becomes an order in the
// row and a debt of the lane (mend.go); an event that is gone becomes the order to ask
// the calendar, and the lane tells what it found: of one deletion that, of a mailbox that
// was emptied nothing (brake.go).

var (
	_ downsync.Ours      = (*Engine)(nil)
	_ downsync.Inventory = (*Engine)(nil)
	_ downsync.Restorer  = (*Engine)(nil)
)

// Events are the events of ours that a mailbox is known to hold and that end within a
// span (downsync.Inventory). It reads the lane's history: only full readings ask.
func (e *Engine) Events(ctx context.Context, lane key.Key, mailbox string, from, to time.Time) ([]string, error) {
	rows, err := e.lanes.Deliveries(ctx, lane, from)
	if err != nil {
		return nil, fmt.Errorf("engine.Events: %w", err)
	}
	var out []string
	for _, d := range rows {
		if d.Event != "" && strings.EqualFold(d.Home.Mailbox, mailbox) && d.Ends.After(from) && d.Ends.Before(to) {
			out = append(out, d.Event)
		}
	}
	return out, nil
}

// Written are the events of ours in a mailbox that were written since an instant
// (downsync.Inventory). It reads the lane's history, too.
func (e *Engine) Written(ctx context.Context, lane key.Key, mailbox string, since time.Time) ([]downsync.Written, error) {
	rows, err := e.lanes.Deliveries(ctx, lane, since)
	if err != nil {
		return nil, fmt.Errorf("engine.Written: %w", err)
	}
	var out []downsync.Written
	for _, d := range rows {
		if d.Event != "" && strings.EqualFold(d.Home.Mailbox, mailbox) && d.Updated.After(since) {
			out = append(out, downsync.Written{ID: d.Event, ChangeKey: d.ChangeKey, Ends: d.Ends})
		}
	}
	return out, nil
}

var (
	errBusy     = errors.New("the delivery keeps changing")
	errMoved    = errors.New("the delivery has changed meanwhile")
	errUnseen   = errors.New("the event may not be read")
	errNoReader = &graph.Error{Kind: graph.Transient, Cause: errors.New("engine: made without a Reader")}
)

// Changed says what an item of a lane's mailbox is to us, and does all that follows
// from a change of an event that we wrote (downsync.Ours).
//
// It costs one request to lanes for an event that is not ours, and two more to be sure
// of it; two for an echo; for a change four, one to Graph, one to bookings, and one send.
// While the lane owes something an event that is not known costs a request to Graph.
// Errors of Graph are *graph.Error.
func (e *Engine) Changed(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox string, item graph.Item) (downsync.Fate, error) {
	c := &changing{Engine: e, organization: organization, lane: lane, as: as, mailbox: mailbox, item: item}
	fate, err := c.run(ctx)
	if errors.Is(err, errBusy) {
		return fate, fmt.Errorf("engine.Changed: %w", err)
	}
	return fate, err
}

func (c *changing) run(ctx context.Context) (downsync.Fate, error) {
	const tries = 4
	for range tries {
		if fate, err := c.look(ctx); !errors.Is(err, errMoved) {
			return fate, err
		}
	}
	return downsync.Foreign, errBusy
}

// Restore has an event of ours that is gone made again, because a person restored what
// was gone with it (A2; downsync.Restorer): the lane makes it, whatever recreateRemoved
// says, and nothing is told of its deletion. What is not ours, or is there, is left as it
// is. It may be repeated. Errors are those of Changed.
func (e *Engine) Restore(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox, id string) error {
	c := &changing{Engine: e, organization: organization, lane: lane, as: as, mailbox: mailbox, item: graph.Item{ID: id, Removed: true}, restore: true}
	if _, err := c.run(ctx); err != nil {
		return fmt.Errorf("engine.Restore: %w", err)
	}
	return nil
}

// changing is one item that is looked at.
type changing struct {
	*Engine
	organization string
	lane         key.Key
	as           graph.Access
	mailbox      string
	item         graph.Item
	restore      bool // what is gone is to be made again
}

func (c *changing) look(ctx context.Context) (downsync.Fate, error) {
	id := c.item.ID
	day := c.item.Kind == graph.Occurrence || c.item.Kind == graph.Exception
	if day {
		id = c.item.Series
	}
	if id == "" {
		return downsync.Foreign, nil
	}
	delivery, err := c.lanes.OfEvent(ctx, c.lane, id)
	switch {
	case errors.Is(err, state.ErrNotFound) && (day || c.item.Removed):
		return downsync.Foreign, nil // what is ours has no days, and what is unknown and gone is nobody's
	case errors.Is(err, state.ErrNotFound):
		return c.unknown(ctx)
	case err != nil:
		return downsync.Foreign, err
	case day:
		return downsync.Handled, nil // its series comes as well (contract 4.5), and tells that it is one
	}
	return c.known(ctx, delivery)
}

// known decides about an event that a delivery names.
func (c *changing) known(ctx context.Context, delivery key.Key) (downsync.Fate, error) {
	row, err := c.lanes.Delivery(ctx, c.lane, delivery)
	if err != nil {
		return downsync.Foreign, err
	}
	if row.Event != c.item.ID {
		return downsync.Echo, nil // it was ours: an old page, or an event that is to go
	}
	if row.Intent.Op == state.OpDelete && row.Intent.Event == row.Event {
		return downsync.Echo, nil // our own deletion, done or about to be
	}
	if !c.item.Removed {
		known, err := c.asKnown(ctx, row, c.item)
		if err != nil || known {
			return downsync.Echo, errors.Join(err, c.remind(ctx, row))
		}
	}
	seen, there, err := c.read(ctx)
	if errors.Is(err, errUnseen) {
		return downsync.Echo, nil
	}
	if err != nil {
		return downsync.Foreign, err
	}
	now, err := c.lanes.Delivery(ctx, c.lane, delivery)
	if err != nil {
		return downsync.Foreign, err
	}
	if now.ETag != row.ETag {
		return downsync.Foreign, errMoved
	}
	if !there {
		return c.gone(ctx, row)
	}
	known, err := c.asKnown(ctx, row, seen)
	if err != nil || known {
		return downsync.Echo, errors.Join(err, c.remind(ctx, row))
	}
	return downsync.Handled, c.tell(ctx, row, seen)
}

// read reads the event itself. Who may see no more than busy times cannot: then a page's
// word counts, but never that the event is gone.
func (c *changing) read(ctx context.Context) (seen graph.Item, there bool, err error) {
	if c.reader == nil {
		return graph.Item{}, false, errNoReader
	}
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	seen, err = c.reader.Read(call, c.as, c.mailbox, c.item.ID)
	if err == nil {
		return seen, true, nil
	}
	failure := graphError(err)
	switch {
	case failure.Kind == graph.Gone:
		return graph.Item{}, false, nil
	case failure.Forbidden() && !c.item.Removed:
		return c.item, true, nil
	case failure.Forbidden():
		return graph.Item{}, false, errUnseen
	}
	return graph.Item{}, false, failure
}

// asKnown reports whether an item is as the row knows it, or as a call of ours that may
// still land makes it (I6). Its version says nothing: the one that our last write made has
// in it what people had changed before.
func (c *changing) asKnown(ctx context.Context, row state.Delivery, item graph.Item) (bool, error) {
	if row.Sight == "" { // written by an older build
		p, err := c.project(ctx, row)
		if err != nil {
			return false, err
		}
		row.Sight = p.confirmed(row)
	}
	return strange(row, sightOf(item).Trace()) == 0, nil
}

// strange are the aspects of a trace that are neither what the row knows of its event nor
// what an open or overtaken attempt writes.
func strange(row state.Delivery, trace string) event.Aspects {
	out := event.Differ(row.Sight, trace)
	ours := row.Look.Sights
	if row.Intent.InDoubt() {
		if row.Intent.Sight == "" && row.Intent.Op != state.OpDelete {
			return 0 // an attempt of an older build: what it writes is not known
		}
		ours = withSight(ours, row.Intent.Sight)
	}
	for _, one := range ours {
		out &= event.Differ(one, trace) | ^event.Known(one)
	}
	return out
}

// sightOf is what is seen of an item.
func sightOf(i graph.Item) event.Sight {
	s := event.Sight{Subject: i.Subject, Place: i.Location, ShowAs: i.ShowAs, Sensitivity: i.Sensitivity,
		Start: i.Start, End: i.End, AllDay: i.AllDay, Cancelled: i.Cancelled, Series: i.Kind == graph.Master, Unread: i.Body == ""}
	switch i.Response {
	case "accepted", "tentativelyAccepted", "declined":
		s.Answer = i.Response
	}
	if text, ok := event.Ours(i.Body); ok {
		s.Text = text
	} else {
		s.Text = event.NoText
	}
	return s
}

// remind wakes the lane once more where it owes what was ordered: whoever ordered it may
// have died before.
func (c *changing) remind(ctx context.Context, row state.Delivery) error {
	if row.Heard.Mend.ID == "" || row.Debt == "" {
		return nil
	}
	return c.send(ctx, queue.Deliveries, wake(c.lane, time.Time{}))
}

// gone orders the lane to ask the calendar for an event that did not answer, a little
// later, so that it sees all that is gone with it.
func (c *changing) gone(ctx context.Context, row state.Delivery) (downsync.Fate, error) {
	const gather = 10 * time.Second
	if m := row.Heard.Mend; m.Gone && (m.Restore || !c.restore) {
		return downsync.Handled, c.remind(ctx, row)
	}
	u := state.Update{Before: row, After: row}
	u.After.Heard.Mend.ID, u.After.Heard.Mend.Gone, u.After.Heard.Mend.Restore = key.Random(), true, c.restore
	due := c.now().Add(gather).Truncate(time.Millisecond)
	if c.restore {
		due = c.now().Truncate(time.Millisecond)
	}
	return downsync.Handled, c.order(ctx, u, due)
}

// order saves an update with a debt, and wakes the lane for it. The debt is in the same
// transaction as what it is for; a kill before the wake-up is repaired when the page is
// read again (remind).
func (c *changing) order(ctx context.Context, u state.Update, due time.Time) error {
	u.After.Debt = state.NewDebt(c.now())
	u.Owe = append(u.Owe, state.Owed{Priority: state.Live, Due: due, Delivery: u.Before.Key, Nonce: u.After.Debt})
	if err := c.put(ctx, u); err != nil {
		return err
	}
	return c.send(ctx, queue.Deliveries, wake(c.lane, due))
}

func (c *changing) put(ctx context.Context, u state.Update) error {
	saved, err := c.lanes.Save(ctx, c.lane, []state.Update{u}, nil)
	if err != nil {
		return err
	}
	if _, ok := saved[u.Before.Key]; !ok {
		return errMoved
	}
	return nil
}

// unknown decides about an event that no delivery of the lane names. It may be ours all
// the same: from a file of ours that was imported, or made by an attempt that is not
// confirmed. A lane that owes nothing has none of those; what was confirmed in between is
// named by now.
func (c *changing) unknown(ctx context.Context) (downsync.Fate, error) {
	_, owed, _, err := c.lanes.Open(ctx, c.lane, c.now(), 1)
	if err != nil {
		return downsync.Foreign, err
	}
	if delivery, ok := ics.Delivery(c.item.ICalUID); ok {
		switch _, err := c.lanes.Delivery(ctx, c.lane, delivery); {
		case err == nil:
			return downsync.Echo, nil
		case !errors.Is(err, state.ErrNotFound):
			return downsync.Foreign, err
		}
	}
	if mayBeOwed(c.item, owed) {
		return c.marked(ctx)
	}
	switch _, err := c.lanes.OfEvent(ctx, c.lane, c.item.ID); {
	case err == nil:
		return downsync.Foreign, errMoved
	case !errors.Is(err, state.ErrNotFound):
		return downsync.Foreign, err
	}
	return downsync.Foreign, nil
}

// mayBeOwed reports whether an event may have been made for what a lane owes. One that is
// much older than anything owed was not: while a calendar of a thousand events is first
// read, bookings are written into it. The margin is for a debt that was renewed while an
// attempt stayed in doubt, which gives up after a day.
func mayBeOwed(item graph.Item, owed []state.Owed) bool {
	const margin = 7 * 24 * time.Hour
	return slices.ContainsFunc(owed, func(o state.Owed) bool {
		ordered := state.DebtTime(o.Nonce)
		return o.Look || ordered.IsZero() || item.Created.IsZero() || !item.Created.Before(ordered.Add(-margin))
	})
}

// marked asks the calendar whether an unknown event carries our mark, and by the rule of
// own whether it is ours or somebody's copy of ours.
func (c *changing) marked(ctx context.Context) (downsync.Fate, error) {
	call, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	r := c.calendar.Do(call, c.as, []graph.Call{{Op: graph.Get, Mailbox: c.mailbox, Event: c.item.ID}})[0]
	if r.Err != nil && r.Err.Kind == graph.Gone {
		return downsync.Echo, nil // it is not there any more, which comes as well
	}
	if r.Err != nil && r.Err.Forbidden() {
		return downsync.Foreign, nil // who may see busy times only writes nothing
	}
	if r.Err != nil {
		return downsync.Foreign, r.Err
	}
	delivery, ok := key.FromHex(r.Event.Mark)
	if !ok {
		return downsync.Foreign, nil
	}
	row, err := c.lanes.Delivery(ctx, c.lane, delivery)
	if errors.Is(err, state.ErrNotFound) {
		return downsync.Foreign, nil
	}
	if err != nil {
		return downsync.Foreign, err
	}
	if row.Event == c.item.ID {
		return downsync.Foreign, errMoved
	}
	if len(own(row, []found{{event: r.Event}})) == 0 {
		return downsync.Foreign, nil
	}
	return downsync.Echo, nil
}
