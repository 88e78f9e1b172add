package downsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/appointment"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

const (
	shortest = 30 * time.Minute // interval, because Microsoft throttles (R8)
	// horizon is how far ahead a run of the schedule looks: to the next run, with a slot
	// to spare for a timer that fires early or late.
	horizon = shortest + state.SyncSlot
	// lookBack is how far back the first run looks; others begin where the one before was.
	lookBack = 24 * time.Hour
	// marked is after how many slots of the past a run notes how far it has come, so that
	// after a long pause even runs that are cut off come to the present.
	marked = 144
)

// every is how often an organisation's calendars are read.
func every(org organization.Organization) time.Duration {
	return max(time.Duration(org.DownSync.EveryMinutes)*time.Minute, shortest)
}

// reads reports whether an organisation has a connection's calendars read at all.
func reads(org organization.Organization, t state.SyncTurn) bool {
	return org.Module && org.Sync && !(t.Down && appointment.Privacy(org.DownSync.Privacy) == appointment.Nothing)
}

// Due enqueues the connections whose turn comes until the next run, each to be received
// at its own moment of the interval, and puts them on the agenda again (R8). It reads the
// slots of that time and of what the run before left, nothing of the connections
// themselves, and the settings of their organisations once: 10,000 due connections cost
// some 200 transactions and one sending.
//
// A turn that is overdue, because runs were late or failed, is not made up for: the
// connection has its next one at its own moment within half an hour, and then as ever.
// A kill in between enqueues a turn again, under the same message id.
//
// Turns and organisations that another build wrote (version.Error) stay where they are,
// for a build that reads them, and so do those of organisations whose settings cannot be
// read; the rest is enqueued, and the error returned in the end.
func (s *Syncer) Due(ctx context.Context) error {
	now := s.now().UTC()
	last, err := s.due.SyncRun(ctx)
	if err != nil {
		return fmt.Errorf("downsync.Due: %w", err)
	}
	from := now.Add(-lookBack)
	if !last.IsZero() {
		from = last
	}
	var unread error
	orgs, n := map[string]settings{}, 0
	// A turn that is put into a later slot of this run is taken there.
	for slot := from.Truncate(state.SyncSlot); slot.Before(now.Add(horizon)); slot = slot.Add(state.SyncSlot) {
		stays, err := s.dueSlot(ctx, slot, now, orgs)
		if err != nil {
			return fmt.Errorf("downsync.Due: %w", err)
		}
		if stays != nil {
			unread = stays
		}
		if n++; n%marked == 0 && slot.Before(now) && unread == nil {
			if err := s.due.SetSyncRun(ctx, slot); err != nil {
				return fmt.Errorf("downsync.Due: %w", err)
			}
		}
	}
	if unread == nil {
		unread = s.due.SetSyncRun(ctx, now)
	}
	if unread != nil {
		return fmt.Errorf("downsync.Due: %w", unread)
	}
	return nil
}

// dueSlot takes one slot. The next turns are stored before the messages are sent, and the
// slot is emptied after that: whatever becomes of the messages, there is a next turn.
// stays says why some of the turns stay in the slot.
func (s *Syncer) dueSlot(ctx context.Context, slot, now time.Time, orgs map[string]settings) (stays, err error) {
	turns, err := s.due.Syncs(ctx, slot)
	if version.Is(err) {
		stays, err = err, nil
	}
	if err != nil || len(turns) == 0 {
		return stays, err
	}
	var next, done []state.SyncTurn
	var messages []queue.Message
	for _, t := range turns {
		org, err := s.known(ctx, t.Organization, orgs)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			stays = err
			continue
		}
		done = append(done, t)
		if err != nil {
			continue // deleted: its connections leave the agenda
		}
		at := t.At
		if at.Before(now) {
			at = appointment.Moment(t.Connection, shortest, now)
		}
		following := t
		following.At = appointment.Moment(t.Connection, every(org), at.Add(every(org)/2))
		next = append(next, following)
		if reads(org, t) {
			m := message(t.Organization, t.Connection, t.Session, CauseSchedule, at)
			m.ID = key.Of("sync-turn", t.Connection.String(), at.Format(time.RFC3339)).String()
			m.Properties = map[string]any{turnProperty: at.Unix()}
			messages = append(messages, m)
		}
	}
	if err := s.due.AddSyncs(ctx, next); err != nil {
		return nil, err
	}
	if err := s.send(ctx, queue.MailboxTasks, messages...); err != nil {
		return nil, err
	}
	return stays, s.due.SyncsDone(ctx, done)
}

// settings are an organisation's, or why they could not be read.
type settings struct {
	org organization.Organization
	err error
}

// known is an organisation, asked for once.
func (s *Syncer) known(ctx context.Context, id string, orgs map[string]settings) (organization.Organization, error) {
	one, asked := orgs[id]
	if !asked {
		one.org, one.err = s.orgs.Organization(ctx, id)
		orgs[id] = one
	}
	return one.org, one.err
}

// FirstTurn is the turn with which a connection whose calendars are to be read comes onto
// the agenda: at its own moment within half an hour. Where its organisation has them read
// less often, the schedule finds that out then.
func FirstTurn(c connection.Connection, now time.Time) state.SyncTurn {
	return state.SyncTurn{Organization: c.Organization, Connection: c.ID, Session: Session(c), At: appointment.Moment(c.ID, shortest, now), Down: !c.Writes()}
}

// ensureTurn puts a connection on the agenda, at its next moment; it is the same one
// whoever computes it.
func (r *reading) ensureTurn(ctx context.Context) error { return r.due.AddSyncs(ctx, r.turns()[:1]) }

// dropTurn takes it from there, from wherever the schedule may have put it already.
func (r *reading) dropTurn(ctx context.Context) error { return r.due.SyncsDone(ctx, r.turns()) }

// turns are the moments at which the connection can be on the agenda: the next one, those
// that a run of the schedule has gone through ahead, and the one behind.
func (r *reading) turns() (all []state.SyncTurn) {
	interval := every(r.org)
	last := r.began.Add(horizon + state.SyncSlot + interval)
	for at := appointment.Moment(r.c.ID, interval, r.began); len(all) == 0 || !at.After(last); at = at.Add(interval) {
		all = append(all, state.SyncTurn{Organization: r.org.ID, Connection: r.c.ID, Session: Session(r.c), At: at, Down: !r.c.Writes()})
	}
	return all
}
