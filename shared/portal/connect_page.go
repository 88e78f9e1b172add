package portal

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/state"
)

const (
	// unfinishedAfter is how long somebody may be away at Microsoft before we say that
	// they may be stuck there (R4).
	unfinishedAfter = 10 * time.Minute
	// workingFor is how long a callback may take before we say that it stopped half-way.
	workingFor = time.Minute
)

// questionPage asks whose calendar is to be connected to whom.
type questionPage struct {
	Rooms bool
	// Name, Account and Mailbox are of who signed in.
	Name, Account, Mailbox, Tenant string
	// Person and Expected are name and address of whom it is for; Who is the best of them.
	Person, Expected, Who string
	// OnlyProof says that only the tenant is proven, Calendar that it was to be connected.
	OnlyProof, Calendar bool
	Direction           string
	Seen                string
	Permissions         []string
	Doubts              []doubt
	Cause               explanation // why the mailbox cannot be used
	Until               time.Time
	Replaced            string // the account that received bookings so far
	Action              string
}

// waitPage is an attempt that did not come back, or is being worked on.
type waitPage struct {
	Started     time.Time
	Late        bool // away for longer than unfinishedAfter
	Working     bool
	ConsentLink string
	Retry       string
	// Repeat posts "yes" once more, after we stopped half-way; "" where that is not so.
	Repeat string
}

// showConnect shows how somebody's attempt to connect stands.
func (p *Portal) showConnect(ctx context.Context, v *visit, f state.Flow) Answer {
	j, err := journeyOf(f)
	if err != nil {
		return v.broken(err)
	}
	switch {
	case f.Outcome != "":
		return v.showEnd(ctx, f, j)
	case f.Used.IsZero():
		return v.showWaiting(ctx, f, j)
	case f.Step == stepYes:
		return v.showSaid(ctx, f, j)
	case f.Step != stepConfirm && v.now.Before(f.Used.Add(workingFor)):
		return v.showWorking(f)
	case f.Step != stepConfirm:
		return v.conclude(ctx, f, j, endInterrupted)
	case !v.now.Before(f.Expires):
		return v.conclude(ctx, f, j, endTimeout)
	}
	return v.showQuestion(ctx, f, j)
}

func (v *visit) showEnd(ctx context.Context, f state.Flow, j journey) Answer {
	d := v.ended(f, j)
	if helps(d.Ending) {
		var err error
		if d.ConsentLink, err = v.consentLink(ctx, true, j.Email); err != nil {
			return v.broken(err)
		}
	}
	return v.endPage(http.StatusOK, d)
}

func (v *visit) showWaiting(ctx context.Context, f state.Flow, j journey) Answer {
	link, err := v.consentLink(ctx, false, j.Email)
	if err != nil {
		return v.broken(err)
	}
	return v.page(http.StatusOK, "connect-wait", waitPage{Started: f.Created, Late: !v.now.Before(f.Created.Add(unfinishedAfter)),
		ConsentLink: link, Retry: v.portal.startPath(f.Session, j.Connection, j.choice())})
}

// showSaid shows an attempt to which the person said yes: under way, or to be confirmed
// once more, because we stopped half-way. There is no "no" any more: what was stored
// is on the page of connected apps.
func (v *visit) showSaid(ctx context.Context, f state.Flow, j journey) Answer {
	switch {
	case !v.now.Before(f.Expires):
		return v.stopped(ctx, f, j)
	case v.now.Before(j.Said.Add(workingFor)):
		return v.showWorking(f)
	}
	return v.page(http.StatusOK, "connect-wait", waitPage{Started: f.Created, Repeat: v.portal.path(pageAttempt, f.ID, "answer")})
}

// showWorking says that it is being done, and looks again.
func (v *visit) showWorking(f state.Flow) Answer {
	a := v.page(http.StatusOK, "connect-wait", waitPage{Started: f.Created, Working: true})
	a.Header.Set("Refresh", "2")
	return a
}

// showQuestion asks. Whoever must not be connected is told at once, and their tokens go.
func (v *visit) showQuestion(ctx context.Context, f state.Flow, j journey) Answer {
	d := questionPage{Rooms: f.Kind == kindRooms, Name: j.Name, Account: j.Account.Name, Mailbox: j.Mailbox, Tenant: j.Account.Tenant,
		Direction: string(j.Direction), Seen: seen(v.org, j.choice()), Permissions: j.Asked, Until: f.Expires,
		Action: v.portal.path(pageAttempt, f.ID, "answer"), OnlyProof: j.onlyProof(), Calendar: j.calendar()}
	if d.Rooms {
		return v.page(http.StatusOK, "connect-confirm", d)
	}
	e, doubts, who, existing, err := v.judged(ctx, f, j)
	switch {
	case err != nil:
		return v.broken(err)
	case e != "":
		return v.conclude(ctx, f, j, e)
	}
	d.Doubts, d.Person, d.Expected, d.Who = doubts, plain(who.Name), plain(who.Email), cmp.Or(who.Name, who.Email)
	if j.Cause != "" {
		d.Cause = v.because(j.Cause)
	}
	if primary, ok := connection.Primary(existing); ok {
		d.Replaced = primary.Account.Name
	}
	return v.page(http.StatusOK, "connect-confirm", d)
}

// judged gathers what judge needs.
func (v *visit) judged(ctx context.Context, f state.Flow, j journey) (ending, []doubt, person, []connection.Connection, error) {
	who, err := v.who(ctx, f, j)
	if err != nil {
		return "", nil, who, nil, err
	}
	existing, err := v.portal.deps.Connections.Connections(ctx, f.Organization, f.User)
	if err != nil {
		return "", nil, who, nil, err
	}
	if j.onlyProof() {
		return "", nil, who, existing, nil // only the tenant is proven
	}
	e, doubts := judge(v.org, who, j, existing)
	return e, doubts, who, existing, nil
}
