// Package downsync reads the calendars that people connected and tells the booking app
// what changed in them (write-path.md section 6; features R5 to R8, A2, A6). It reads,
// publishes, and has others mark rows as owed; it never changes an event.
//
// # A round
//
// One task reads all calendars of a connection, one after the other, one request at a
// time: [Syncer.Task]. A calendar is read by calendarView/delta, from the link that the
// last round ended with, page by page. Every page is compared with what is known of its
// events (package state, Appointments), and what is news is published. Only the end of a
// round says what is missing from it. A slice ends after 20 pages or 35 seconds and goes
// on in another task.
//
// Without a link a round is full: at first, after the link has expired (410), when
// something else may be told (privacy, scope), and once a week, at the calendar's own
// moment, to move the window. It is compared like any other, so nothing is told twice.
// What the window has left behind is forgotten, and not told as deleted.
//
// # Nothing is deleted because it was absent (A2)
//
// What a page calls removed, a day that its series came without (graph/contract.md 4.5),
// and whatever a full round did not show is asked for by its id. Only what is not there
// then counts as deleted, and what a later round finds to have left the calendars that are
// read (away.go). What is there is told as it is now; outside of the window it is forgotten
// after that. A round that breaks off, ends nowhere or cannot be read concludes
// nothing. Where events cannot be read by their ids, with busy times only and in calendars
// of others, a fresh read of the time that they took is asked instead. What could not be
// asked for (no answer three times, or a refusal) is asked for in each round for a day, a
// hundred events at most, and after that by the full ones; it counts as there meanwhile.
//
// When more is gone in one round than the organisation's brake allows, nothing of it is
// told; the connection is held until somebody approves, and it is told, or restores, and it
// is forgotten without a word: what was deleted in Outlook cannot be put back there, and
// stays with the booking app.
//
// # With the privacy nothing
//
// A connection through which bookings are written, too, is read for events of ours alone:
// each item is asked about (three requests to the tables, in every full round again), and of
// what is not ours there is no record, nothing told, and nothing counted. While a round is under way its row has hashes of what was shown and the
// ids of what was removed. When the privacy becomes nothing, what was known is forgotten
// without a word; the cursor is emptied first, so that whatever a kill leaves of the records
// counts as unknown, and is told anew when it may be. A connection that is only read is not
// read then.
//
// # Looking again
//
// A reading that a notification caused and that finds nothing is done again after a minute,
// once: a delta may be late. What is shown in a version that was known counts as nothing,
// since a change may come again in a later round. When nothing is found again, the events of
// ours are asked about that were written lately and that no reading has shown: one of them
// may have come and gone between two readings.
//
// # Being asked to wait
//
// A 429 puts off the lane, and is no failed attempt. A task that was put off twelve times, in
// half an hour or more, ends as one that failed, and the schedule's next turn goes on.
//
// # Kills
//
// A round writes before it tells: the link of the very page with the names of the events
// that it is about to tell, then those events as being in doubt; then it publishes; then it
// stores what was told. So what a killed task may have told is either told again under the
// same id or asked for, and never forgotten. The link of the next page is stored after that.
//
// # Ids
//
// The id of an event names connection, appointment, content and version, and how often it
// has changed what may be told; a re-send has the same one, and an appointment that is
// changed back is told all the same. The id of a deletion names the version that was last
// told. A day of a series is named by series and date (package appointment).
//
// # Costs
//
// A calendar in which nothing changed costs one request to Graph, whose answer is a link
// and no items (below 2 kB), and eight of the tables. A change costs one page and four
// requests to the tables more, a deletion one direct read more. The schedule: see
// [Syncer.Due].
//
// A first reading of 10,000 events costs 200 requests to Graph, in ten slices: pages of 50,
// so that none comes near the 32 MiB that are read of one (graph/contract.md 4.3 calls 200
// safe, for which it would be 50 requests), unless its events have 650 kB each.
//
// # What is too much for Graph
//
// A page that is larger than what is read is asked for again with half as many events, until
// it has one. Where Graph does not answer for a page (503, 504, nothing in time; contract
// 4.6) three times in a row, the round is left, and the next one asks for a smaller window:
// what is ahead is halved, down to twelve days. For the link of the last whole round, which is
// a small request as a rule, it takes sixteen times, so that Graph's own bad hour shrinks
// nothing. Every day it is made larger again. What is outside of the smaller window is
// neither told nor forgotten meanwhile; what became of it shows when it is read again.
//
// # What stays broken
//
// A link to which Graph answers with a failure of any other kind is left after forty in a
// row, some three hours, and the calendar is read anew. A series that cannot be read, and an
// event of which it cannot be found out whether it is ours, stay as they are known and hold
// up nothing else; they are asked about again like what was removed and could not be read.
// A turn that cannot begin, because rows cannot be read, is left after eight attempts to the
// next one.
//
// # Guessed
//
//   - An event that is removed from its calendar and still there, in the window, was moved
//     to another calendar, or the page was late: it is told as it is now, and the next round
//     finds out which (see away.go). One that went into a calendar that is not read is told
//     as deleted then: it left what is read, and nobody will say what becomes of it.
//   - An event that becomes ours is told as deleted: its booking stands for it. So is an
//     event under its old name that becomes a series, or stops being one.
//   - Calendars that are not chosen any more are not read, and what was known of them is
//     forgotten, as it is where the direction reads nothing any more. Nothing is said of what
//     was in them: nobody deleted it. The booking app, which knows the connection, discards it.
//   - A calendar that is not there any more says nothing of its events either.
package downsync

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

// Op is the operation of a task that reads the calendars of a connection.
const Op = "sync"

// Causes of a task (wire.md, Internal messages).
const (
	CauseConnect  = "connect"  // the calendar was just connected, or its direction changed
	CauseRequest  = "request"  // somebody asked for it
	CauseSchedule = "schedule" // it is the connection's turn
	CauseNotified = "notified" // Graph said that something has changed
	CauseAgain    = "again"    // nothing was found of what Graph had said
	CauseMissed   = "missed"   // Graph said that it could not tell everything
	CauseHeld     = "held"     // a person has decided about what was held
)

// Fate is what an item of a calendar is to us.
type Fate int

// The fates.
const (
	Foreign Fate = iota // no event of ours: an appointment
	Echo                // ours, as we wrote it
	Handled             // ours, changed by somebody: all that follows was done
)

// Ours knows the events that we wrote.
type Ours interface {
	// Changed says what an item of a lane's mailbox is to us. For ours it does all that
	// follows: publishes, owes, wakes. A removed item it confirms by a direct read before
	// anything follows. It may be called again with the same item, which changes nothing.
	// A day of a series is asked about by its series' master.
	Changed(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox string, item graph.Item) (Fate, error)
}

// Inventory is what an Ours may be as well: then what of ours a full round did not show is
// asked about, too, as if it had been told to be removed. One without it hears of no
// deletion that happened while a link was expired.
type Inventory interface {
	// Events are the ids of the events of ours that a mailbox is known to hold and that
	// end within a span.
	Events(ctx context.Context, lane key.Key, mailbox string, from, to time.Time) ([]string, error)
	// Written are the events of ours in a mailbox that were written since an instant.
	Written(ctx context.Context, lane key.Key, mailbox string, since time.Time) ([]Written, error)
}

// Written is an event of ours as it was last written.
type Written struct {
	ID, ChangeKey string
	Ends          time.Time // UTC
}

// Restorer is what an Ours may be as well: then events of ours that are gone together with
// what a person restored (A2) are made again. With one without it they stay as they are
// until the next full round.
type Restorer interface {
	// Restore has an event of ours that a direct read confirms to be gone made again by
	// its lane; of what is not ours, or there, nothing follows. It may be repeated.
	Restore(ctx context.Context, organization string, lane key.Key, as graph.Access, mailbox, id string) error
}

// Organizations finds an organisation's effective settings. It returns
// state.ErrNotFound for one that is unknown or deleted.
type Organizations interface {
	Organization(ctx context.Context, id string) (organization.Organization, error)
}

// Failures takes what Graph or Entra answered where a connection was used.
type Failures interface {
	ConnectionFailed(ctx context.Context, seen connection.Connection, failure *graph.Error) error
}

// Watch is told that a turn of the schedule found changes of which no notification had
// told, so that a subscription that is silent is rebuilt (A14).
type Watch interface {
	SweepFound(ctx context.Context, organization string, connection key.Key) error
}

// Effects are what the use cases act on.
type Effects struct {
	Tables        state.Tables
	Bus           queue.Sender
	Reader        graph.Reader
	Organizations Organizations
	Ours          Ours
	Failures      Failures
	// Watch may be nil.
	Watch Watch
}

// Options may be nil, and so may each part.
type Options struct {
	// PublicURL is the outside base URL, without /api.
	PublicURL string
	Now       func() time.Time
	// Jitter returns numbers from 0 to 1.
	Jitter func() float64
	Log    *slog.Logger
	// Pages is how many pages one slice reads at most; 0 means 20. Slice is how long
	// after its beginning no further page is asked for; 0 means 35 seconds.
	Pages int
	Slice time.Duration
	// PageSize is the hint that Graph is given; 0 means 50 (see package comment, Costs).
	PageSize int
	// Version is of the messages that are read; 0 means that of this build.
	Version version.Version
}

// Syncer is safe for concurrent use and keeps nothing between calls.
type Syncer struct {
	connections  *state.Connections
	cursors      *state.Cursors
	appointments *state.Appointments
	due          *state.Due
	held         *state.HeldRows
	lanes        *state.Lanes
	progress     *state.Progresses

	bus      queue.Sender
	reader   graph.Reader
	orgs     Organizations
	ours     Ours
	failures Failures
	watch    Watch

	publicURL string
	now       func() time.Time
	jitter    func() float64
	log       *slog.Logger
	pages     int
	slice     time.Duration
	pageSize  int
	version   version.Version
}

// New returns the use cases over their effects.
func New(fx Effects, o *Options) *Syncer {
	if o == nil {
		o = &Options{}
	}
	s := &Syncer{
		connections: state.NewConnections(fx.Tables), cursors: state.NewCursors(fx.Tables), appointments: state.NewAppointments(fx.Tables),
		due: state.NewDue(fx.Tables), held: state.NewHeldRows(fx.Tables), lanes: state.NewLanes(fx.Tables), progress: state.NewProgresses(fx.Tables),
		bus: fx.Bus, reader: fx.Reader, orgs: fx.Organizations, ours: fx.Ours, failures: fx.Failures, watch: fx.Watch,
		publicURL: o.PublicURL, now: o.Now, jitter: o.Jitter, log: o.Log, pages: o.Pages, slice: o.Slice, pageSize: o.PageSize, version: o.Version.Or(),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.jitter == nil {
		s.jitter = rand.Float64
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.pages == 0 {
		s.pages = 20
	}
	if s.slice == 0 {
		s.slice = 35 * time.Second
	}
	if s.pageSize == 0 {
		s.pageSize = 50
	}
	return s
}
