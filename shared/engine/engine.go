// Package engine is what Calbridge does: it takes bookings in, keeps what each
// target is owed, and makes calendars hold it.
//
// # How a booking reaches a calendar
//
// Submit puts a booking on the queue; Intake stores the highest revision and adds
// debt to every target's lane; Write serves one lane: it loads the latest booking,
// decides, plans one attempt per delivery, saves it as an intent, calls Graph,
// publishes, and saves the result. Every message only wakes a lane; what is owed
// stands in the tables. Each step may be repeated, and a kill between any two is
// repaired by the next wake-up (write-path.md; the algorithm is explored there as
// a model, and plan is its function of the same name).
//
// # What people do to our events
//
// Changed is asked about every item of a calendar's changes (package downsync). It tells
// of what people did, and leaves orders in the row: fields to be written again, or an
// event to be looked for; the lane carries them out (changed.go, tell.go, mend.go).
//
// Guessed: that our text survives as text between the markers, and that a deleted event
// does not answer to its id. Decided here, since the specification is silent: what is put
// back, how often an hour, and what of a person's words is told (tell.go).
//
// # Errors
//
// Intake, Write and DeadLetter return an error only when the bus refuses a send:
// only then does a redelivery heal anything. When tables, Graph or Entra are down
// they send the message again, scheduled later, and succeed.
//
// Effects go through state.Tables, queue.Sender, graph.Calendar and a clock, so
// that a test can stop the engine before and after each of them.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

// Times of the write path (write-path.md sections 1, 3 and 4).
const (
	callDeadline = 20 * time.Second // of one request to Graph
	intentLife   = 60 * time.Second // an older intent makes no call
	lookDelay    = 10 * time.Minute // until what an overtaken attempt did must have landed
	heldDelay    = 24 * time.Hour   // between looks that cannot be taken
	giveUpAfter  = 24 * time.Hour   // of failures that may pass
)

// maxRows is how many deliveries one invocation serves: a $batch takes no more.
const maxRows = 20

// Organizations finds an organisation's effective settings. It returns
// state.ErrNotFound for one that is unknown or deleted.
type Organizations interface {
	Organization(ctx context.Context, id string) (organization.Organization, error)
}

// Effects are what the engine acts on.
type Effects struct {
	Tables        state.Tables
	Bus           queue.Sender
	Calendar      graph.Calendar
	Organizations Organizations
	// Reader may be nil; then it cannot be told what became of events (Transient).
	Reader graph.Reader
	// Endings may be nil; then subscriptions of connections that go end by themselves.
	Endings Endings
	// Recoverer may be nil; then Recover fails.
	Recoverer Recoverer
	// Domains may be nil; then a domain in tenant.expected proves nothing.
	Domains Domains
	// Refresher may be nil; then no token is kept alive.
	Refresher Refresher
	// Calendars may be nil; then no calendar can be chosen (Transient).
	Calendars graph.Calendars
	// Shelf may be nil; then the lists of what lies on queues, and sending it back, fail.
	Shelf queue.Shelf
}

// Options may be nil, and so may each part.
type Options struct {
	// PublicURL is the outside base URL, without /api.
	PublicURL string
	Now       func() time.Time
	// Jitter returns numbers from 0 to 1.
	Jitter func() float64
	Log    *slog.Logger
	// Unpaced lets a backfill wake all lanes at once, which shows the writer's own
	// speed. Only benchmarks set it.
	Unpaced bool
	// CredentialExpires is when the app's certificate ends (UTC); zero for a credential
	// that does not say.
	CredentialExpires time.Time
	// Parallel is how many table requests of one invocation run at once; 0 means 8.
	Parallel int
	// Version is of the messages that are read; 0 means that of this build.
	Version version.Version
}

// Engine is safe for concurrent use and keeps nothing between calls.
type Engine struct {
	lanes       *state.Lanes
	bookings    *state.Bookings
	people      *state.People
	due         *state.Due
	ledger      *state.Ledger
	consents    *state.Organizations
	connections *state.Connections
	incidents   *state.Incidents
	flows       *state.Flows

	domains   Domains
	refresher Refresher
	bus       queue.Sender
	calendar  graph.Calendar
	calendars graph.Calendars
	reader    graph.Reader
	endings   Endings
	orgs      Organizations
	recoverer Recoverer
	shelf     queue.Shelf
	publicURL string
	now       func() time.Time
	jitter    func() float64
	log       *slog.Logger
	parallel  int
	version   version.Version
	unpaced   bool
	expires   time.Time // of the app's certificate
}

// New returns an engine over its effects.
func New(fx Effects, o *Options) *Engine {
	if o == nil {
		o = &Options{}
	}
	e := &Engine{
		lanes: state.NewLanes(fx.Tables), bookings: state.NewBookings(fx.Tables), people: state.NewPeople(fx.Tables),
		due: state.NewDue(fx.Tables), ledger: state.NewLedger(fx.Tables), connections: state.NewConnections(fx.Tables), domains: fx.Domains,
		incidents: state.NewIncidents(fx.Tables), flows: state.NewFlows(fx.Tables), refresher: fx.Refresher,
		bus: fx.Bus, calendar: fx.Calendar, calendars: fx.Calendars, reader: fx.Reader, endings: fx.Endings, orgs: fx.Organizations, recoverer: fx.Recoverer, shelf: fx.Shelf,
		publicURL: o.PublicURL, now: o.Now, jitter: o.Jitter, log: o.Log, parallel: o.Parallel, unpaced: o.Unpaced, version: o.Version.Or(),
		expires: o.CredentialExpires,
	}
	if e.now == nil {
		e.now = time.Now
	}
	e.consents = state.NewOrganizations(fx.Tables, e.now)
	if e.jitter == nil {
		e.jitter = rand.Float64
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.parallel == 0 {
		e.parallel = 8
	}
	return e
}

// send sends in the trace of the work, also when the invocation's own time is up. Its
// error is a *queue.Refused.
func (e *Engine) send(ctx context.Context, entity string, messages ...queue.Message) error {
	return queue.Send(ctx, e.bus, entity, messages...)
}

// again ends an invocation that failed: a refusal of the bus is returned; what this
// build cannot read goes to one that can, or to the dead letters; after anything else the
// message is sent once more, later, under a new id.
func (e *Engine) again(ctx context.Context, entity string, m queue.Message, err error) error {
	var refused *queue.Refused
	switch {
	case err == nil || errors.As(err, &refused):
		return err
	case queue.Unread(err):
		return e.Unread(ctx, entity, m, err)
	}
	attempt := m.Number(queue.AttemptProperty) + 1
	e.log.WarnContext(ctx, "postponed", "queue", entity, "attempt", attempt, "error", err)
	return e.send(ctx, entity, m.Again(e.now().Add(e.backoff(int(attempt), time.Second, 5*time.Minute)), map[string]any{queue.AttemptProperty: attempt}))
}

// backoff doubles from first to at most last, plus or minus a fifth.
func (e *Engine) backoff(attempt int, first, last time.Duration) time.Duration {
	d := first
	for ; attempt > 1 && d < last; attempt-- {
		d *= 2
	}
	d = min(d, last)
	return d + time.Duration((e.jitter()-0.5)*0.4*float64(d))
}
