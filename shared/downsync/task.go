package downsync

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/outbound"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Properties of a task's messages.
const (
	doneProperty  = "done"  // how many calendars this reading has finished
	newsProperty  = "news"  // how many changes it has found since a link, not in full rounds
	pagesProperty = "pages" // how many pages it has read
	itemsProperty = "items" // how many items they had that were not known in that version
	turnProperty  = "turn"  // whose turn it is: since when, in Unix seconds
)

const (
	maxAttempts = 8                // then the schedule's next turn tries again
	patience    = 3                // attempts after which one event that cannot be read is left as it is
	againAfter  = 60 * time.Second // until a notified change that was not found is looked for again
	callTimeout = 20 * time.Second // of one request to Graph (write-path.md section 1)
)

// Message is the task that reads a connection's calendars, visible at an instant; zero
// is at once.
func Message(organization string, c connection.Connection, cause string, at time.Time) queue.Message {
	return message(organization, c.ID, Session(c), cause, at)
}

func message(organization string, id key.Key, session, cause string, at time.Time) queue.Message {
	return queue.Task{Op: Op, Organization: organization, Connection: id.String(), Cause: cause}.Message(session, at)
}

// send sends in the trace of the work, also when the invocation's own time is up. Its
// error is a *queue.Refused.
func (s *Syncer) send(ctx context.Context, entity string, messages ...queue.Message) error {
	return queue.Send(ctx, s.bus, entity, messages...)
}

func (s *Syncer) publish(ctx context.Context, events []outbound.Event) error {
	messages := make([]queue.Message, len(events))
	for i, e := range events {
		messages[i] = queue.Message{ID: e.ID, SessionID: e.Session, Subject: e.Type, ContentType: outbound.ContentType, Body: e.Body,
			Properties: map[string]any{"organization": e.Organization, "type": e.Type}}
	}
	return s.send(ctx, queue.Changes, messages...)
}

func (s *Syncer) origin(organization string) outbound.Origin {
	return outbound.Origin{PublicURL: s.publicURL, Organization: organization, Time: s.now()}
}

// resend sends a task's message once more, under a new id, with other properties.
func (s *Syncer) resend(ctx context.Context, m queue.Message, at time.Time, properties map[string]any) error {
	return s.send(ctx, queue.MailboxTasks, m.Again(at, properties))
}

// Task takes a message of the queue mailbox-tasks whose op is Op. It reads, publishes,
// marks as owed and wakes lanes; it never changes an event. Whatever fails but the bus
// ends with the same task, later, and success; an error means that the bus refused, or
// that another build has to take the message (queue.Unread).
//
// A connection in whose calendar nothing changed costs one request to Graph, and of the
// tables eight: the connection (2), the lane, what is held, the progress (read and
// written), the cursor (read and written).
func (s *Syncer) Task(ctx context.Context, m queue.Message) error {
	t, err := queue.ReadTask(m, s.version)
	if err != nil {
		return err
	}
	id, err := key.Parse(t.Connection)
	if err != nil || t.Op != Op || t.Organization == "" {
		return &queue.Malformed{Why: "no connection to read"}
	}
	run, err := s.open(ctx, t, id, m)
	if err != nil {
		return s.unopened(ctx, t.Cause, m, err)
	}
	if run == nil {
		return nil
	}
	return s.again(ctx, m, run, run.read(ctx))
}

// reading is one task's work on a connection.
type reading struct {
	*Syncer
	m        queue.Message
	cause    string
	org      organization.Organization
	c        connection.Connection
	lane     key.Key
	as       graph.Access
	began    time.Time // of this slice
	budget   int       // of pages that are left
	progress state.Progress
	begun    bool // the progress is this reading's; before that it is that of another
	watched  bool // somebody may look at the progress right now
	items    int  // of the pages that were read, that were not known in that version
	news     int  // changes since a link, which a notification should have told of
}

// open reads what a task needs to begin; nil where there is nothing to do.
func (s *Syncer) open(ctx context.Context, t queue.Task, id key.Key, m queue.Message) (*reading, error) {
	row, err := s.connections.Get(ctx, t.Organization, id)
	if errors.Is(err, state.ErrNotFound) || err == nil && row.State == connection.Disconnected {
		return nil, s.forget(ctx, t.Organization, id)
	}
	if err != nil {
		return nil, err
	}
	org, err := s.orgs.Organization(ctx, t.Organization)
	if errors.Is(err, state.ErrNotFound) {
		return nil, s.forget(ctx, t.Organization, id)
	}
	if err != nil {
		return nil, err
	}
	r := &reading{Syncer: s, m: m, cause: t.Cause, org: org, c: row.Connection, lane: key.Lane(t.Organization, key.User, row.User),
		began: s.now(), budget: s.pages, items: int(m.Number(itemsProperty)), news: int(m.Number(newsProperty))}
	if r.progress, err = s.progress.Get(ctx, id); err != nil {
		return nil, err
	}
	why := ""
	if r.as, why = accessTo(org, r.c); why != "" {
		return nil, r.off(ctx, why)
	}
	if turn := m.Number(turnProperty); turn > 0 && r.progress.State == state.SyncDone && r.progress.Began.Unix() >= turn {
		return nil, nil // it was read since its turn came
	}
	lane, err := s.lanes.Lane(ctx, r.lane)
	if err != nil {
		return nil, err
	}
	if lane.NotBefore.After(r.began) {
		return nil, s.wait(ctx, r, lane.NotBefore)
	}
	return r, nil
}

// spread is a random part of a span.
func (s *Syncer) spread(d time.Duration) time.Duration { return time.Duration(s.jitter() * float64(d)) }

// read reads all calendars of a connection, as far as one slice goes.
func (r *reading) read(ctx context.Context) error {
	if stop, err := r.heldBack(ctx); err != nil || stop {
		return err
	}
	all := calendars(r.c)
	if err := r.begin(ctx, all); err != nil {
		return err
	}
	for n := r.progress.Done; n < len(all); n++ {
		more, err := r.calendar(ctx, all[n])
		if err = r.passOver(ctx, all[n], err, len(all)); err != nil {
			return err
		}
		if r.progress.State == state.SyncHeld {
			return r.progressed(ctx)
		}
		if more {
			return r.next(ctx)
		}
		r.progress.Done++
	}
	return r.end(ctx)
}

// begin notes that a reading begins, or goes on.
func (r *reading) begin(ctx context.Context, all []connection.Calendar) error {
	p := &r.progress
	if r.m.Number(doneProperty) == 0 && r.m.Number(pagesProperty) == 0 {
		*p = state.Progress{Asked: p.Asked, Began: r.began.UTC(), Ended: p.Ended, Read: p.Read, Left: p.Left}
	}
	p.State, p.Cause, p.Calendars = state.SyncRunning, "", len(all)
	p.Done = min(int(r.m.Number(doneProperty)), len(all))
	r.begun = true
	before := slices.Clone(p.Read)
	if err := r.leave(ctx, all); err != nil {
		return err
	}
	for _, one := range all {
		p.Read = withCalendar(p.Read, one.ID)
		p.Left = slices.DeleteFunc(p.Left, func(id string) bool { return id == one.ID })
	}
	// What is going to be read is noted first, so that whatever is left of it is found.
	r.watched = r.cause == CauseRequest || r.cause == CauseConnect || p.Pages > 0 || !slices.Equal(p.Read, before)
	if r.cause != CauseSchedule && r.cause != CauseNotified && r.cause != CauseAgain {
		if err := r.ensureTurn(ctx); err != nil {
			return err
		}
	}
	return r.show(ctx)
}

// show stores the progress where somebody may be looking at it.
func (r *reading) show(ctx context.Context) error {
	if !r.watched {
		return nil
	}
	return r.progressed(ctx)
}

func (r *reading) progressed(ctx context.Context) error {
	return r.Syncer.progress.Put(ctx, r.c.ID, r.progress)
}

// next goes on in another slice.
func (r *reading) next(ctx context.Context) error {
	if err := r.progressed(ctx); err != nil {
		return err
	}
	return r.resend(ctx, r.m, time.Time{}, map[string]any{doneProperty: int64(r.progress.Done), pagesProperty: int64(r.progress.Pages),
		itemsProperty: int64(r.items), newsProperty: int64(r.news), queue.AttemptProperty: int64(0), waitsProperty: int64(0)})
}

// end notes that all calendars were read, and does what follows from that.
func (r *reading) end(ctx context.Context) error {
	p := &r.progress
	if p.State == state.SyncRunning {
		p.State = state.SyncDone
	}
	if len(p.Failed) > 0 {
		p.State, p.Cause = state.SyncFailed, p.Failed[0].Cause
	}
	p.Ended = r.now().UTC()
	if r.cause == CauseSchedule && r.news > 0 && r.watch != nil {
		if err := r.watch.SweepFound(ctx, r.org.ID, r.c.ID); err != nil {
			return err
		}
	}
	if r.cause == CauseAgain && r.items == 0 {
		if err := r.fleeting(ctx); err != nil {
			return err
		}
	}
	if r.cause == CauseNotified && r.items == 0 {
		again := message(r.org.ID, r.c.ID, r.m.SessionID, CauseAgain, r.now().Add(againAfter))
		if err := r.send(ctx, queue.MailboxTasks, again); err != nil {
			return err
		}
	}
	return r.progressed(ctx)
}

// off notes that a connection's calendars are not to be read. Where that is the
// connection's own doing it leaves the agenda; where it is the organisation's it stays
// there, which costs nothing, so that it is read again when the settings allow it. What
// is known of the calendars is forgotten where the direction reads nothing any more, and
// where nothing of them may be told. Where module or sync are off, or the sign-in is dead,
// it stays until they are read again, or the connection goes, so that nothing is told twice.
func (r *reading) off(ctx context.Context, why string) error {
	turn := r.dropTurn
	if why == causeModuleOff || why == causeSyncOff || why == causeNothing || why == causeTenant {
		turn = r.ensureTurn
	}
	if err := turn(ctx); err != nil {
		return err
	}
	forgets := (!r.c.Reads() || r.onlyOurs()) && len(r.progress.Read) > 0
	if r.progress.State == state.SyncOff && r.progress.Cause == why && !forgets {
		return nil
	}
	if forgets {
		if err := r.blank(ctx); err != nil {
			return err
		}
	}
	r.progress.State, r.progress.Cause = state.SyncOff, why
	return r.progressed(ctx)
}

// spent reports whether the slice's time is up.
func (r *reading) spent() bool { return r.now().Sub(r.began) >= r.slice }

// forget destroys what is known of a connection that is gone.
func (s *Syncer) forget(ctx context.Context, organization string, id key.Key) error {
	p, err := s.progress.Get(ctx, id)
	if err != nil {
		return err
	}
	r := reading{Syncer: s, c: connection.Connection{ID: id}, began: s.now()}
	if r.org, err = s.orgs.Organization(ctx, organization); err == nil {
		err = r.dropTurn(ctx)
	}
	if err != nil && !errors.Is(err, state.ErrNotFound) { // of an organisation that is gone the schedule itself drops them
		return err
	}
	if err := r.clear(ctx, slices.Concat(p.Read, p.Left)); err != nil {
		return err
	}
	if err := s.endHeld(ctx, organization, id, overGone); err != nil {
		return err
	}
	return s.progress.Forget(ctx, id)
}

// clear forgets calendars.
func (r *reading) clear(ctx context.Context, ids []string) error {
	for _, id := range ids {
		calendar := state.CalendarKey(r.c.ID, id)
		if err := r.appointments.Clear(ctx, calendar); err != nil {
			return err
		}
		if err := r.cursors.Forget(ctx, calendar); err != nil {
			return err
		}
	}
	return nil
}
