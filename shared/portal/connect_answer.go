package portal

import (
	"context"
	"errors"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// answerConnect takes the answer to the question. No discards the tokens. Yes is noted
// first, so that a "no" from another tab comes too late, and then done; a second "yes",
// as of a double click or after we stopped half-way, does the same again, which changes
// nothing more.
func (p *Portal) answerConnect(ctx context.Context, v *visit, f state.Flow) Answer {
	here := p.path(pageAttempt, f.ID)
	j, err := journeyOf(f)
	if err != nil {
		return v.broken(err)
	}
	answer, over := v.values.Get("answer"), !v.now.Before(f.Expires)
	switch {
	case f.Outcome != "" || answer != "yes" && answer != "no":
		return v.see(here)
	case f.Step == stepYes && answer == "yes" && !over:
		return v.sayYes(ctx, f, j)
	case f.Step != stepConfirm:
		return v.see(here)
	case answer == "no":
		return v.conclude(ctx, f, j, endDeclined)
	case over:
		return v.conclude(ctx, f, j, endTimeout)
	}
	if f.Kind == kindConnect {
		if _, t := plan(v.org, j.Role, f.User); t != "" {
			return v.trouble(t)
		}
	}
	return v.sayYes(ctx, f, j)
}

// sayYes notes that the person said yes, and carries it out.
func (v *visit) sayYes(ctx context.Context, f state.Flow, j journey) Answer {
	s, err := v.secrets(f)
	if err != nil {
		return v.broken(err)
	}
	if f.Step == stepConfirm {
		j.Said = v.now
		f.Step, f.Detail = stepYes, j.encode()
		f, err = v.keep(ctx, f, &s)
		if errors.Is(err, state.ErrPrecondition) {
			return v.see(v.portal.path(pageAttempt, f.ID))
		}
		if err != nil {
			return v.broken(err)
		}
	}
	return v.carryOut(ctx, f, j, s)
}

// stopped ends an attempt to which the person said yes and that nobody brought to its
// end in time: what was stored before we stopped is there.
func (v *visit) stopped(ctx context.Context, f state.Flow, j journey) Answer {
	all, err := v.portal.deps.Connections.Connections(ctx, f.Organization, f.User)
	if err != nil {
		return v.broken(err)
	}
	for _, c := range all {
		if j.signedIn(c) && !c.SignedIn.Before(f.Used.Truncate(time.Second)) {
			return v.conclude(ctx, f, j, endConnected)
		}
	}
	return v.conclude(ctx, f, j, endInterrupted)
}

// carryOut does what was confirmed. It may be repeated.
func (v *visit) carryOut(ctx context.Context, f state.Flow, j journey, s secrets) Answer {
	if f.Kind == kindRooms {
		return v.conclude(ctx, f, j, endRooms)
	}
	if j.Role == state.OrgAdmin {
		if bad := v.prove(ctx, &j); bad != nil {
			return *bad
		}
		if j.Proof == organization.UnexpectedTenant {
			return v.conclude(ctx, f, j, endOtherTenant)
		}
		if err := v.proveSilently(ctx, j); err != nil {
			return v.broken(err)
		}
		if j.onlyProof() || !v.org.AnyTenant() && v.org.State.Tenant != j.Account.Tenant {
			return v.conclude(ctx, f, j, endProven)
		}
	}
	if v.org.Accounts != "any" && j.Account.Tenant != v.org.State.Tenant {
		return v.conclude(ctx, f, j, endOtherTenant)
	}
	e, _, _, existing, err := v.judged(ctx, f, j)
	switch {
	case err != nil:
		return v.broken(err)
	case e != "":
		return v.conclude(ctx, f, j, e)
	}
	c, err := v.connect(ctx, f, j, s.Tokens)
	switch {
	case errors.Is(err, engine.ErrConnectionsFull):
		return v.conclude(ctx, f, j, endFull)
	case errors.Is(err, engine.ErrModuleOff):
		return v.trouble(moduleOff)
	case errors.Is(err, state.ErrNotFound):
		return v.trouble(organizationGone)
	case err != nil:
		return v.broken(err)
	}
	if !c.Primary && j.leads(v.org, existing) {
		yes := true
		if _, err := v.portal.deps.Connections.ChangeConnection(ctx, f.Organization, c.ID, engine.ConnectionChange{Primary: &yes}, nil); err != nil {
			return v.broken(err)
		}
	}
	return v.conclude(ctx, f, j, endConnected)
}

// prove notes which tenant the organisation's admin signed in to, which may bind it.
func (v *visit) prove(ctx context.Context, j *journey) *Answer {
	result, err := v.portal.deps.Consents.ProveAdmin(ctx, v.org.ID, j.Account.Tenant)
	if err != nil {
		return v.failed(err)
	}
	j.Proof = result.Outcome
	v.org.State = result.Consent.State // what is cached may be older
	return nil
}

// connect stores the connection under the id that its account has or gets.
func (v *visit) connect(ctx context.Context, f state.Flow, j journey, tokens []byte) (connection.Connection, error) {
	var c connection.Connection
	var err error
	for range 3 { // another tab may connect the same account at this moment
		var id key.Key
		if id, err = v.portal.deps.Connections.ConnectionID(ctx, f.Organization, f.User, j.Account); err != nil {
			return c, err
		}
		sealed := v.portal.deps.Tokens.SealTokens(f.Organization, id, j.Account.Tenant, j.Account.ObjectID, tokens)
		c, err = v.portal.deps.Connections.Connect(ctx, connection.Connection{ID: id, Organization: f.Organization, User: f.User, Delegated: true,
			Email: j.email(), Account: j.Account, Mailbox: j.Mailbox, Direction: j.Direction, Scope: j.Scope, Granted: j.Granted, Cause: j.Cause}, sealed)
		if !errors.Is(err, engine.ErrAccountMoved) {
			return c, err
		}
	}
	return c, err
}

// email is the address that was signed in with, as Microsoft told it.
func (j journey) email() string {
	if j.Mailbox != "" {
		return j.Mailbox
	}
	return fold(j.Account.Name)
}
