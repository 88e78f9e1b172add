// Package subscribe keeps a subscription at Graph for every mailbox whose calendars are
// read, and takes what Graph then sends: so an edit in Outlook is known in seconds, and
// the schedule (package downsync) only catches what a notification missed
// (write-path.md section 6; graph/contract.md section 6; feature A14).
//
// # What a notification may cause
//
// Anybody can post to the address of notifications. What counts is the client state that
// we gave Graph with the subscription, signed for the connection and the tenant
// ([ClientState]); whatever else a notification says is a hint. [Receiver] checks it
// without reading anything, and puts a task on the bus: the calendar is looked at, which
// harms nobody however often a genuine call is replayed, since those of five seconds are
// one task. Nothing of a notification is data.
//
// # Level, not edge
//
// [Keeper.Task] makes a connection's subscription what it should be now, from its rows:
// made, renewed, made anew, or ended. So it does not matter which task came first, twice
// or late. A row says what we know ([state.Subscription]); before a subscription is made
// the row has forgotten the one before and stands on the agenda, so that a kill at any
// moment is repaired within the hour, and the subscription that nobody heard of is found
// by Graph's conflict (409) and adopted. What Graph notifies of and no row has is ended.
//
// # Renewal
//
// A subscription lasts seven days less twenty minutes (contract 6.2: at most 10,080
// minutes) and is renewed by PATCH two days and some hours before its end, hourly from
// then on until that works. It is made anew where the key that signed its client state is
// not the one that signs now: an old key stays for eight days (design.md, LINK_KEYS),
// which is longer than a subscription lasts. So it is where the connection's mailbox has
// changed, and where PUBLIC_URL has: the next hourly run notices that and looks at all.
//
// # Where there is none
//
// A connection with Calendars.ReadBasic may not subscribe (contract 6.2), and Graph
// refuses some others: too many of all apps (403), a permission that only includes
// reading. There the schedule alone finds changes. A 403 says nothing of whether the
// calendar can be read; a look at the mailbox does, which is ordered (op probe) and
// fails the connection where it is refused too. A 401 fails it at once.
//
// Of two connections of one mailbox, Graph lets one subscribe. The other is served by
// the same subscription ([state.Sharer]), and gets its own when that one ends. Of two
// deployments of one app registration (staging, production) it lets one subscribe, too:
// a subscription that notifies another address than ours, which a GET shows, is left alone, and
// asked for again in a day.
//
// # Silent ones
//
// Where the schedule found a change of which no notification came within the next
// fifteen minutes (Graph may delay ten, contract 6.5), the subscription is ended, made
// anew, counted in its row and logged. Where calendars of others are read too, whose
// changes are not told, nothing can be concluded.
//
// # Decided here
//
// Ending goes with the person's token where they signed in. When it is dead, or the
// tenant's consent gone, it is tried once; the subscription ends by itself within a week,
// its row then goes, and what it tells until then is dropped, with a line in the log.
// Lifecycle events come to the same address as changes.
//
// # Clocks
//
// A task that notifications share is received after the last of them came as long as no
// instance's clock is more than five seconds behind the bus's: its bucket then ends
// before the task may be received. A clock that is ahead delays readings by as much. The client state has no
// time in it, and all else here is in minutes.
package subscribe

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/link"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

// Operations of a task.
const (
	OpSubscribe = "subscribe" // a connection's subscription is made, or ended
	OpRenew     = "renew"     // it is renewed
)

// Causes of a task.
const (
	CauseFollow      = "follow"      // the connection has changed
	CauseSettings    = "settings"    // its organisation's settings have
	CauseDue         = "due"         // it is time to renew
	CauseReauthorize = "reauthorize" // Graph asks for it
	CauseRemoved     = "removed"     // Graph has ended it
	CauseUnknown     = "unknown"     // Graph notified of one that the row does not have
	CauseOwner       = "owner"       // the one that served it has ended
	CauseSilent      = "silent"      // it did not tell of a change that was found
)

// Path is where Graph sends notifications, below the public URL.
const Path = "/api/graph/notifications"

// Times.
const (
	life        = 7*24*time.Hour - 20*time.Minute // of a subscription (contract 6.2)
	renewAhead  = 48 * time.Hour                  // before its end, and up to twelve hours more
	patched     = 10 * time.Minute                // within which Graph wants no second PATCH (contract 6.1)
	retry       = time.Hour                       // until what failed is tried again by the agenda
	refusedFor  = 24 * time.Hour                  // until what Graph does not allow is
	callTimeout = 20 * time.Second                // of one request to Graph (write-path.md section 1)
	endTimeout  = 5 * time.Second                 // of the last request before tokens are destroyed
	heardGrain  = 5 * time.Minute                 // how exactly it is known when one was heard
	patience    = 15 * time.Minute                // in which a notification of a change that was found may still come
	maxAttempts = 6                               // in one go; then the agenda
	pageSize    = 50                              // connections of an organisation that one task orders
)

// Organizations finds an organisation's effective settings. It returns
// state.ErrNotFound for one that is unknown or deleted.
type Organizations interface {
	Organization(ctx context.Context, id string) (organization.Organization, error)
}

// Failures takes what Graph or Entra answered where a connection was used.
type Failures interface {
	ConnectionFailed(ctx context.Context, seen connection.Connection, failure *graph.Error) error
}

// Syncer reads a connection's calendars.
type Syncer interface {
	// Task takes a message whose op is downsync.Op. An error means that the bus refused,
	// or that another build has to take the message (queue.Unread).
	Task(ctx context.Context, m queue.Message) error
}

// Effects are what the use cases act on. All are required.
type Effects struct {
	Tables        state.Tables
	Bus           queue.Sender
	Subscriber    graph.Subscriber
	Organizations Organizations
	Failures      Failures
	Keys          *link.Keys
}

// Options may be nil, and so may each part but PublicURL.
type Options struct {
	// PublicURL is the outside base URL, without /api. Settings allow http on loopback
	// only; Graph allows it nowhere.
	PublicURL string
	Now       func() time.Time
	// Jitter returns numbers from 0 to 1.
	Jitter func() float64
	Log    *slog.Logger
	// Version is of the messages that are read; 0 means that of this build.
	Version version.Version
}

// Keeper is safe for concurrent use and keeps nothing between calls.
type Keeper struct {
	rows        *state.Subscriptions
	connections *state.Connections
	due         *state.Due

	bus        queue.Sender
	subscriber graph.Subscriber
	orgs       Organizations
	failures   Failures
	keys       *link.Keys

	notify  string // where Graph sends notifications
	now     func() time.Time
	jitter  func() float64
	log     *slog.Logger
	version version.Version
}

var _ downsync.Watch = (*Keeper)(nil)

// New returns the use cases over their effects.
func New(fx Effects, o *Options) *Keeper {
	if o == nil {
		o = &Options{}
	}
	k := &Keeper{
		rows: state.NewSubscriptions(fx.Tables), connections: state.NewConnections(fx.Tables), due: state.NewDue(fx.Tables),
		bus: fx.Bus, subscriber: fx.Subscriber, orgs: fx.Organizations, failures: fx.Failures, keys: fx.Keys,
		notify: strings.TrimSuffix(o.PublicURL, "/") + Path, now: o.Now, jitter: o.Jitter, log: o.Log, version: o.Version.Or(),
	}
	if k.now == nil {
		k.now = time.Now
	}
	if k.jitter == nil {
		k.jitter = rand.Float64
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	return k
}

// Message is the task that makes a connection's subscription what it should be, visible
// at an instant; zero is at once.
func Message(c connection.Connection, cause string, at time.Time) queue.Message {
	return queue.Task{Op: OpSubscribe, Organization: c.Organization, Connection: c.ID.String(), Cause: cause}.Message(downsync.Session(c), at)
}

// AllMessage is the task that does so for all connections of an organisation.
func AllMessage(organization, cause string, at time.Time) queue.Message {
	return queue.Task{Op: OpSubscribe, Organization: organization, Cause: cause}.Message(key.Organization(organization).String(), at)
}
