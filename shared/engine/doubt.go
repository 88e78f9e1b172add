package engine

import (
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// When is consent lost, and when is it back (identity.md section 2): this file takes
// what turns, probes and refreshes saw to the rules of organization.Doubted and
// Worked. What speaks against a consent stands in the organisation's own row, which
// every turn has in memory anyway: so it costs a write when something speaks against it
// that did not before, a write when it is over, and nothing else.
//
// A consent that is missing closes no calendar: every write is tried, ends with its
// own reason, and shows when the way is open again. Of an application organisation
// one mailbox is asked again every day, of a delegated one every connection's
// refresh tells.

// unsettled reports whether a failure may come from a consent so new that not all of
// Microsoft knows it: 700016, 401 and 403 in the 15 minutes after it.
func unsettled(org organization.Organization, err *graph.Error, now time.Time) bool {
	if now.Sub(org.State.ConsentedAt) >= organization.Settling {
		return false
	}
	switch err.Kind {
	case graph.Unauthorised:
		return err.Reason == "" || err.Reason == reasonConsent
	case graph.Unreachable:
		return err.Forbidden()
	}
	return false
}

func (t *turn) unsettled(err *graph.Error) bool { return unsettled(t.org, err, t.now()) }

// judgeConsent takes what an application organisation's turn showed of its consent:
// a calendar that was written speaks for it, refusals speak against it. Those of
// people's connections come by ConnectionFailed.
func (t *turn) judgeConsent(ctx context.Context) error {
	worked, seen := false, organization.Seen{}
	for _, s := range t.slots {
		switch {
		case s.fate != done || !s.mine:
		case s.step.op == state.OpCreate, s.step.op == state.OpPatch, s.step.op == state.OpDelete:
			worked = true
		case s.step.state != ICS || t.reach.delegated:
		case s.step.reason == reasonConsent && t.org.State.Tenant != "":
			seen = seenOf(t.lane, organization.SignGone, false)
		case s.step.reason == reason.OutsideScope && seen.Sign == "":
			seen = seenOf(t.lane, organization.SignRefused, t.info.Verdict == state.MailboxOK)
		}
	}
	switch {
	case worked:
		return t.consentWorked(ctx, t.org, !t.reach.delegated)
	case seen.Sign != "":
		return t.doubtConsent(ctx, t.org, seen)
	}
	return nil
}

func seenOf(lane key.Key, sign organization.Sign, good bool) organization.Seen {
	return organization.Seen{Lane: lane.String(), Sign: sign, Good: good}
}

// doubtByConnection takes what a person's refresh showed of the consent.
func (e *Engine) doubtByConnection(ctx context.Context, c connection.Connection, fate graph.Fate) error {
	sign := organization.SignRequired
	switch fate {
	case graph.FateApp:
		sign = organization.SignGone
	case graph.FateConsent:
	default:
		return nil
	}
	org, err := e.orgs.Organization(ctx, c.Organization)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if org.State.Tenant != c.Account.Tenant {
		return nil // another tenant's matter
	}
	return e.doubtConsent(ctx, org, seenOf(key.Lane(c.Organization, key.User, c.User), sign, false))
}

// doubtConsent counts a sign. org is the organisation as it was read before; what it
// knows already costs nothing.
func (e *Engine) doubtConsent(ctx context.Context, org organization.Organization, seen organization.Seen) error {
	if _, news := org.Doubted(seen, e.now()); !news {
		return nil
	}
	lost := false
	_, err := e.changeConsent(ctx, org.ID, "", "", func(o organization.Organization) (organization.Organization, error) {
		next, news := o.Doubted(seen, e.now())
		lost = news && next.State.Consent == organization.ConsentMissing
		return next, nil
	})
	if err != nil || !lost || org.Permission != organization.Application {
		return ignoreGone(err)
	}
	lane, err := key.Parse(seen.Lane)
	if err != nil {
		return err
	}
	return e.probeTomorrow(ctx, org.ID, lane)
}

// consentWorked takes that a calendar was written; app says with the app's own token,
// which is as good as a probe.
func (e *Engine) consentWorked(ctx context.Context, org organization.Organization, app bool) error {
	work := func(o organization.Organization) (organization.Organization, bool) {
		o, news := o.Worked(e.now())
		if app && o.State.BoundBy == organization.BoundByConsent && o.State.Consent == organization.ConsentGranted &&
			o.State.Evidence != organization.EvidenceProbe {
			return o.Witness(organization.EvidenceProbe), true
		}
		return o, news
	}
	if _, news := work(org); !news {
		return nil
	}
	_, err := e.changeConsent(ctx, org.ID, "", "", func(o organization.Organization) (organization.Organization, error) {
		o, _ = work(o)
		return o, nil
	})
	return ignoreGone(err)
}

// consentProven takes that a token was made in a tenant, or a mailbox of it was read, just
// now: the consent is there, if it is that tenant's. evidence is "" where that is no
// evidence of more.
func (e *Engine) consentProven(ctx context.Context, id, tenant, evidence string) error {
	org, err := e.orgs.Organization(ctx, id)
	if err != nil || org.State.Tenant != tenant {
		return ignoreGone(err) // another tenant's token says nothing
	}
	prove := func(o organization.Organization) organization.Organization { return o.Prove(evidence, nil) }
	if org.State.BoundBy != organization.BoundByConsent {
		evidence = "" // the operator answers for it
	}
	if sameState(org.State, prove(org.Clone()).State) {
		return nil
	}
	_, err = e.changeConsent(ctx, id, "", "", func(o organization.Organization) (organization.Organization, error) {
		return prove(o), nil
	})
	return ignoreGone(err)
}

// ignoreGone takes an organisation that was deleted meanwhile for nothing to do.
func ignoreGone(err error) error {
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	return err
}
