package downsync

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/state"
)

// Bounds of a round, against chains of pages that never end (graph/contract.md 4.3).
const (
	maxPages = 2000
	maxEmpty = 50 // pages without items, one after the other
	maxStale = 2  // pages without news, beyond as many as had some
	// maxFailures is after how many broken rounds a calendar is read anew.
	maxFailures = 3
)

// round is the reading of one calendar.
type round struct {
	*reading
	id      string // of the calendar
	shared  bool   // it is somebody else's
	written bool   // it is the default one, into which bookings go
	key     key.Key
	cursor  state.Cursor
	*memory
	book   *book
	series map[string]*series // of this slice; nil for one that is not there
	mine   map[string]bool    // ids of events of ours that this slice has met
	events []outbound.Event   // to be published before the book is saved
	before *int               // what lostBefore found; nil before it has looked
}

// errBroken ends a round that makes no sense; why says what is wrong with it.
type errBroken struct{ why string }

func (e errBroken) Error() string { return "downsync: broken round: " + e.why }

// errAnew ends a round that lacks what only a full one shows.
var errAnew = errors.New("downsync: a full round is needed")

// errStray says that a link leads somewhere else than to the calendar, and was not followed.
var errStray = errors.New("downsync: a link leads elsewhere")

// blind reports whether events of the calendar cannot be read by their ids: with no more
// than busy times (graph/contract.md section 12), and in somebody else's mailbox.
func (x *round) blind() bool { return basic(x.c) || x.shared }

// calendar reads one calendar; more says that the slice ended before it was through.
func (r *reading) calendar(ctx context.Context, of connection.Calendar) (more bool, err error) {
	x := &round{reading: r, id: of.ID, shared: of.Shared, written: of.Default, key: state.CalendarKey(r.c.ID, of.ID), series: map[string]*series{}, mine: map[string]bool{}}
	x.book = newBook(r.appointments, x.key)
	x.book.whole = r.onlyOurs() // then there is nothing to know
	if x.cursor, err = r.cursors.Get(ctx, x.key); err != nil {
		return false, err
	}
	if err := x.narrowed(ctx); err != nil {
		return false, err
	}
	x.open()
	more, err = x.run(ctx)
	var broken errBroken
	switch {
	case errors.As(err, &broken):
		return false, x.giveUp(ctx, broken.why)
	case err != nil && x.cursor.Round != nil && (x.cursor.Round.Pages > 0 || unanswerable(err) || answered(err)):
		// What was learnt is told before it is taken for told.
		if failed := x.flush(ctx); errors.Is(failed, errAnew) {
			return false, err
		} else if failed != nil {
			return false, failed
		}
		if err := x.save(ctx); err != nil {
			return false, err
		}
	}
	return more, err
}

// open goes on with a round, or begins one: a full one where there is no link, where
// something else may be told by now, and where it is time to move the window.
func (x *round) open() {
	basis := basisOf(x.org, x.c)
	roll := !x.cursor.Roll.IsZero() && !x.began.Before(x.cursor.Roll)
	switch {
	case x.cursor.Basis != basis, x.cursor.Round == nil && (x.cursor.Link == "" || roll):
		if roll {
			x.cursor.Shrunk = max(0, x.cursor.Shrunk-1)
		}
		x.anew()
	case x.cursor.Round == nil:
		x.cursor.Round = &state.Round{Next: x.cursor.Link, Removed: x.unanswered()}
		x.memory = remember(x.cursor.Round)
	default:
		x.memory = remember(x.cursor.Round)
	}
}

// anew begins a full round. What it does not show is asked for at its end.
func (x *round) anew() {
	w := appointment.NewWindow(x.key, x.began).Shrunk(x.key, x.began, x.cursor.Shrunk)
	if basis := basisOf(x.org, x.c); basis != x.cursor.Basis {
		x.cursor.Basis = basis
		x.cursor.Bases++
	}
	x.cursor.Link = ""
	x.cursor.From, x.cursor.To, x.cursor.Roll = w.From, w.To, w.Roll
	x.cursor.Round = &state.Round{Full: true, Removed: x.unanswered()}
	x.memory = remember(x.cursor.Round)
}

func (x *round) window() appointment.Window {
	return appointment.Window{From: x.cursor.From, To: x.cursor.To}
}

// kept is the time of which appointments stay known: the window as it was before it was
// shrunk, and a day more, since whole days have no zone (graph/contract.md 2.3) and may be
// shown though they begin at the window's end.
func (x *round) kept() appointment.Window {
	w := x.window().Whole()
	w.To = w.To.AddDate(0, 0, 1)
	return w
}

// run reads pages until the round ends, then does what only its end allows.
func (x *round) run(ctx context.Context) (more bool, err error) {
	for {
		if more, err = x.readPages(ctx); more || err != nil {
			return more, err
		}
		if x.cursor.Round == nil {
			return false, nil // there is no such calendar
		}
		if more, err = x.close(ctx); !errors.Is(err, errAnew) {
			return more, err
		}
		x.anew()
	}
}

// readPages reads pages until there are no more, or the slice is over.
func (x *round) readPages(ctx context.Context) (more bool, err error) {
	for x.cursor.Round.Delta == "" {
		if x.budget == 0 || x.spent() {
			return true, x.save(ctx)
		}
		x.budget--
		page, err := x.fetch(ctx)
		if less, failed := x.less(err); less {
			continue
		} else if failed != nil {
			return false, failed
		}
		var failure *graph.Error
		stray := errors.Is(err, errStray)
		if stray {
			x.log.WarnContext(ctx, "a page's link leads elsewhere and is not followed: the calendar is read anew", "connection", x.c.ID)
		}
		if errors.As(err, &failure) && failure.Kind == graph.Gone || stray {
			if x.cursor.Round.Next == "" {
				return false, x.calendarGone(ctx)
			}
			if x.cursor.Failures++; x.cursor.Failures > maxFailures {
				return false, errBroken{causeLink}
			}
			x.anew() // an expired link, or one that leads elsewhere: read anew, and compared
			continue
		}
		if err != nil {
			return false, err
		}
		err = x.take(ctx, page)
		if errors.Is(err, errAnew) {
			x.anew()
			continue
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// fetch asks for the next page.
func (x *round) fetch(ctx context.Context) (graph.DeltaPage, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	link := x.cursor.Round.Next
	page, err := x.reader.Delta(ctx, x.as, graph.DeltaRequest{Mailbox: x.c.Mailbox, Calendar: x.id, From: x.cursor.From, To: x.cursor.To,
		Link: link, PageSize: x.size()})
	var failure *graph.Error
	if errors.As(err, &failure) && failure.Kind == graph.Invalid && link != "" {
		if failure.Status == 0 {
			return page, errStray
		}
		return page, errBroken{causeLink} // Graph cannot read it
	}
	if err == nil && (page.Next == "") == (page.Delta == "") {
		return page, errBroken{causeLink}
	}
	return page, err
}

// take tells what a page tells, and goes on behind it.
func (x *round) take(ctx context.Context, page graph.DeltaPage) error {
	round := x.cursor.Round
	x.memory.save(round) // as it was before the page: see flush
	fresh, err := x.page(ctx, page.Items)
	if err != nil {
		return err
	}
	if err := x.flush(ctx); err != nil {
		return err
	}
	round.Pages++
	x.progress.Pages++
	if page.Next != "" && endless(round, page, fresh) {
		return errBroken{causeLoop}
	}
	round.Next, round.Delta = page.Next, page.Delta
	if page.Next != "" {
		x.watched = true
	}
	return x.show(ctx)
}

// endless reports whether a chain of pages is not to be followed any further: it leads
// to itself, or brings nothing new. Since an item may come several times in a round
// (contract 4.4), as many pages may repeat what was shown as showed it, and a few more.
func endless(round *state.Round, page graph.DeltaPage, fresh int) bool {
	switch {
	case len(page.Items) == 0:
		round.Empty++
	case fresh == 0:
		round.Empty, round.Stale = 0, round.Stale+1
	default:
		round.Empty, round.Stale, round.News = 0, 0, round.News+1
	}
	return page.Next == round.Next || round.Pages >= maxPages || round.Empty > maxEmpty || round.Stale > round.News+maxStale
}

// flush publishes what is to be told, and then remembers that it was. Before that it
// stores what it is about to tell, and the round as it was when it last learnt something
// (memory.save), with the link of the very page: after a kill the page is read again, and
// may not show any more what was told of it. That is then asked for at the round's end.
func (x *round) flush(ctx context.Context) (err error) {
	if len(x.events) > 0 || len(x.book.stored) > 0 {
		x.cursor.Round.Doubt = nil // a full round asks for whatever it does not show
		if !x.cursor.Round.Full {
			if x.cursor.Round.Doubt = x.book.changed(x.doubt); len(x.cursor.Round.Doubt) > maxNamed {
				return errAnew
			}
		}
		// It also shows whether somebody else has read the calendar meanwhile.
		if x.cursor.ETag, err = x.cursors.Put(ctx, x.key, x.cursor); err != nil {
			return err
		}
	}
	if len(x.events) > 0 {
		if err := x.book.announce(ctx); err != nil {
			return err
		}
		if err := x.publish(ctx, x.events); err != nil {
			return err
		}
		x.events = nil
	}
	if err := x.book.save(ctx); err != nil {
		return err
	}
	return nil
}

// save stores how far the round has come.
func (x *round) save(ctx context.Context) (err error) {
	x.memory.save(x.cursor.Round)
	x.cursor.ETag, err = x.cursors.Put(ctx, x.key, x.cursor)
	return err
}

// giveUp leaves a round that makes no sense: nothing follows from what it did not show.
// The next turn begins from the last whole round, and after some of them anew.
func (x *round) giveUp(ctx context.Context, why string) error {
	x.log.WarnContext(ctx, "round left", "connection", x.c.ID, "why", why, "pages", x.cursor.Round.Pages)
	if x.cursor.Failures++; x.cursor.Failures >= maxFailures || x.cursor.Round.Found > 0 {
		x.cursor.Link = "" // what was told may be gone when the link is followed again
	}
	x.cursor.Round = nil
	x.unreadable(x.id, why)
	var err error
	x.cursor.ETag, err = x.cursors.Put(ctx, x.key, x.cursor)
	return err
}

// calendarGone passes over a calendar that is not there: its appointments were not
// deleted one by one, and nothing is said of them.
func (x *round) calendarGone(ctx context.Context) error {
	x.progress.Skipped = withCalendar(x.progress.Skipped, x.id)
	x.progress.Cause = causeGone
	x.cursor.Round = nil
	if x.cursor.ETag == "" {
		return nil
	}
	var err error
	x.cursor.ETag, err = x.cursors.Put(ctx, x.key, x.cursor)
	return err
}

// finish ends the round: the next one begins where it ended.
func (x *round) finish(ctx context.Context) (err error) {
	x.cursor.Unread, x.cursor.Away = x.stillUnread(), slices.Sorted(maps.Keys(x.away))
	x.cursor.Link, x.cursor.Round, x.cursor.Failures, x.cursor.Thinned = x.cursor.Round.Delta, nil, 0, 0
	x.cursor.ETag, err = x.cursors.Put(ctx, x.key, x.cursor)
	return err
}

func withCalendar(ids []string, id string) []string {
	if slices.Contains(ids, id) {
		return ids
	}
	return append(slices.Clone(ids), id)
}
