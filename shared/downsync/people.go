package downsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// Errors that callers decide on, besides state.ErrNotFound.
var (
	// ErrNotRead means that the connection's calendars are not to be read: its direction,
	// its state, or the organisation's settings say so.
	ErrNotRead = errors.New("the connection's calendars are not read")
	// ErrNotHeld means that there is nothing to decide.
	ErrNotHeld = errors.New("nothing of the connection is held")
)

// pause is the least time between two orders of people that are followed at once.
const pause = 5 * time.Second

// SyncNow orders that a connection's calendars are read at once (R5, R7): of several
// orders before the reading begins one remains. What is ordered after that is a reading of
// its own, since the first one may have passed by what has changed meanwhile; it begins
// five seconds after the first was ordered. state.ErrNotFound: there is no such connection; ErrNotRead.
func (s *Syncer) SyncNow(ctx context.Context, organization string, id key.Key) error {
	row, err := s.connections.Get(ctx, organization, id)
	if err != nil {
		return fmt.Errorf("downsync.SyncNow: %w", err)
	}
	org, err := s.orgs.Organization(ctx, organization)
	if err != nil {
		return fmt.Errorf("downsync.SyncNow: %w", err)
	}
	if _, why := accessTo(org, row.Connection); why != "" {
		return fmt.Errorf("downsync.SyncNow: %w: %s", ErrNotRead, why)
	}
	now := s.now().UTC()
	p, err := s.progress.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("downsync.SyncNow: %w", err)
	}
	at := p.Asked.Add(pause)
	if !at.After(now) {
		at = time.Time{}
	}
	// Before it is sent, since the reading may be over before the bus has answered; and
	// once for each message, since of a duplicate no reading begins.
	if p.State != state.SyncQueued || !p.Asked.After(p.Began) {
		p.Asked = now
		if p.State != state.SyncRunning && p.State != state.SyncHeld {
			p.State = state.SyncQueued
		}
		if err := s.progress.Put(ctx, id, p); err != nil {
			return fmt.Errorf("downsync.SyncNow: %w", err)
		}
	}
	m := Message(organization, row.Connection, CauseRequest, at)
	// The minute is for an order that never became a reading.
	m.ID = key.Of("sync-now", id.String(), p.Began.UTC().Format(time.RFC3339Nano), now.Truncate(time.Minute).Format(time.RFC3339)).String()
	if err := s.send(ctx, queue.MailboxTasks, m); err != nil {
		return fmt.Errorf("downsync.SyncNow: %w", err)
	}
	return nil
}

// Progress tells how the reading of a connection's calendars stands; state.ErrNotFound:
// there is no such connection. Three requests.
func (s *Syncer) Progress(ctx context.Context, organization string, id key.Key) (state.Progress, error) {
	row, err := s.connections.Get(ctx, organization, id)
	if err == nil && row.State == connection.Disconnected {
		err = state.ErrNotFound
	}
	if err != nil {
		return state.Progress{}, fmt.Errorf("downsync.Progress: %w", err)
	}
	return s.progress.Get(ctx, id)
}

// Held lists at most limit connections of an organisation that the delete brake holds,
// those after the one that next named (zero: the first).
func (s *Syncer) Held(ctx context.Context, organization string, after key.Key, limit int) (items []state.Held, next key.Key, err error) {
	return s.held.List(ctx, organization, after, limit)
}

// Decide approves or restores what is held of a connection, state.HeldApprove or
// state.HeldRestore, and lets it go on. The first decision counts; the same one again
// changes nothing, another one is state.ErrPrecondition. ErrNotHeld; state.ErrInvalid for
// what is neither.
func (s *Syncer) Decide(ctx context.Context, organization string, id key.Key, decision string) error {
	if decision != state.HeldApprove && decision != state.HeldRestore {
		return fmt.Errorf("downsync.Decide: %w", state.ErrInvalid)
	}
	h, err := s.held.Get(ctx, organization, id)
	if errors.Is(err, state.ErrNotFound) {
		return fmt.Errorf("downsync.Decide: %w", ErrNotHeld)
	}
	if err != nil {
		return fmt.Errorf("downsync.Decide: %w", err)
	}
	switch h.Decision {
	case decision:
	case "":
		h.Decision = decision
		if err := s.held.Put(ctx, h); err != nil {
			return fmt.Errorf("downsync.Decide: %w", err)
		}
	default:
		return fmt.Errorf("downsync.Decide: %w", state.ErrPrecondition)
	}
	row, err := s.connections.Get(ctx, organization, id)
	if err != nil {
		return fmt.Errorf("downsync.Decide: %w", err)
	}
	if err := s.send(ctx, queue.MailboxTasks, Message(organization, row.Connection, CauseHeld, time.Time{})); err != nil {
		return fmt.Errorf("downsync.Decide: %w", err)
	}
	return nil
}
