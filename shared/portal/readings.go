package portal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// Readings reads people's calendars, and knows how that stands; *downsync.Syncer does.
type Readings interface {
	// SyncNow orders that a connection's calendars are read at once.
	// downsync.ErrNotRead: they are not to be read. state.ErrNotFound: there is no such connection.
	SyncNow(ctx context.Context, organization string, id key.Key) error
	Progress(ctx context.Context, organization string, id key.Key) (state.Progress, error)
	// Held lists connections that the delete brake holds, and Decide lets one go on.
	// downsync.ErrNotHeld: there is nothing to decide. state.ErrPrecondition: somebody has
	// decided otherwise.
	Held(ctx context.Context, organization string, after key.Key, limit int) (items []state.Held, next key.Key, err error)
	Decide(ctx context.Context, organization string, id key.Key, decision string) error
}

// appReading is how the reading of an account's calendars stands (R5, R7): the text
// reading.<state>.
type appReading struct {
	State string
	// Asked, Began and Ended are UTC, zero for never.
	Asked, Began, Ended time.Time
	// Calendars is how many there are to read, Done how many of them are read, Found how
	// many changes were told.
	Calendars, Done, Found int
	// Skipped is how many of the chosen calendars are not there any more.
	Skipped int
	// Failed is how many could not be read where others were.
	Failed int
	Why    explanation
	// May says that it can be asked for.
	May bool
}

// readSoon is the state of what was not to be read when it was last tried, and is now.
const readSoon = "soon"

// Busy says that it changes by itself soon: the page then looks again sooner.
func (r appReading) Busy() bool { return r.State == state.SyncQueued || r.State == state.SyncRunning }

// reading is how an account's reading stands; nil where its calendars are not read.
func (v *visit) reading(ctx context.Context, c connection.Connection) (*appReading, error) {
	if !c.Reads() {
		return nil, nil
	}
	p, err := v.portal.deps.Readings.Progress(ctx, v.session.Organization, c.ID)
	if errors.Is(err, state.ErrNotFound) { // it went this moment
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &appReading{State: p.State, Asked: p.Asked, Began: p.Began, Ended: p.Ended, Calendars: p.Calendars, Done: p.Done, Found: p.Found, Skipped: len(p.Skipped)}
	if n := len(p.Failed); p.State == state.SyncFailed && n < p.Calendars {
		r.Failed = n
	}
	if r.State = readState(p); r.Asked.IsZero() {
		r.Asked = v.now
	}
	_, r.May = downsync.AccessTo(v.org, c)
	switch { // as it is now, though nobody has tried since
	case !r.May && r.State != state.SyncOff:
		r.State, p.Cause = state.SyncOff, v.whyOff()
	case r.May && r.State == state.SyncOff:
		r.State = readSoon
	}
	if r.State == state.SyncFailed || r.State == state.SyncOff {
		r.Why = v.whyNotRead(p.Cause)
	}
	return r, nil
}

// whyOff is why the calendars of an account that is for reading are not read, as a
// progress' cause says it.
func (v *visit) whyOff() string {
	switch {
	case !v.org.Module:
		return "module-off"
	case !v.org.Sync:
		return "sync-off"
	case v.org.DownSync.Privacy == "nothing":
		return "nothing-told"
	}
	return "not-connected"
}

// readState is a progress' state; what a later version says is shown as if nothing was
// known. The texts are reading.<state> and setup.read.<state>.
func readState(p state.Progress) string {
	known := []string{state.SyncQueued, state.SyncRunning, state.SyncDone, state.SyncFailed, state.SyncHeld, state.SyncOff}
	if !slices.Contains(known, p.State) || p.State == state.SyncDone && p.Ended.IsZero() {
		return state.SyncNever
	}
	return p.State
}

// whyNotRead are the words of a progress' cause.
func (v *visit) whyNotRead(cause string) explanation {
	if word := "reading.why." + cause; v.lang.has(word) {
		return explanation{What: v.say(word)}
	}
	if _, ok := reason.Find(cause); ok {
		return v.because(cause)
	}
	return explanation{What: v.say("reading.why.other")}
}

// syncApp reads an account's calendars now (R5). Twice before the reading begins is as once.
func (p *Portal) syncApp(ctx context.Context, v *visit) Answer {
	c, bad := v.own(ctx, v.values.Get("connection"))
	if bad != nil {
		return *bad
	}
	err := p.deps.Readings.SyncNow(ctx, v.session.Organization, c.ID)
	switch {
	case errors.Is(err, downsync.ErrNotRead):
		return v.trouble(notRead)
	case errors.Is(err, state.ErrNotFound):
		return v.trouble(notFound)
	case err != nil:
		return v.broken(err)
	}
	return v.done("sync")
}
