package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// ConnectCallback serves connect/callback, GET only: what Microsoft sends people back
// with. It stores nothing but, for ten minutes and sealed, what a confirmation needs, and
// answers 303 to a clean URL; only where something does not answer that is needed, it is
// a page.
//
// It may come twice (a reload, the back button, an attacker): a state is good for
// once, and whoever comes later is shown what came of it.
func (p *Portal) ConnectCallback(ctx context.Context, r *http.Request) Answer {
	v := p.visit(r)
	v.name = pageAttempt
	q, err := url.ParseQuery(v.query)
	if err != nil {
		return v.see(p.path(pageAttempt, attemptNobodys))
	}
	refused := identity.ParseCallbackError(q)
	f, verdict, err := v.returned(ctx, single(q["state"]))
	if err != nil {
		return v.broken(err)
	}
	if verdict == flowUnknown || !oursToFinish(f) {
		if refused != nil { // Microsoft's word, without anything of ours to do about it
			return v.see(p.path(pageAttempt, string(endOf(refused))))
		}
		return v.see(p.path(pageAttempt, attemptNobodys))
	}
	j, err := journeyOf(f)
	if err != nil {
		return v.broken(err)
	}
	switch verdict {
	case flowUsed, flowStale:
		return v.see(p.path(pageAttempt, f.ID))
	case flowExpired:
		f.Used = v.now
		return v.conclude(ctx, f, j, endExpired)
	}
	s, err := v.secrets(f)
	if err != nil {
		return v.broken(err)
	}
	f.Used = v.now
	f, err = v.keep(ctx, f, nil) // from here on the state is used, and its secrets are gone
	switch {
	case errors.Is(err, state.ErrPrecondition):
		return v.see(p.path(pageAttempt, f.ID))
	case err != nil:
		return v.broken(err)
	}
	if refused != nil && j.Silent {
		return v.leaveAskingThem(ctx, f, j)
	}
	if refused != nil {
		j.Numbers, j.Correlation = numbers(refused), refused.CorrelationID
		return v.conclude(ctx, f, j, endOf(refused))
	}
	return v.arrive(ctx, f, j, s, single(q["code"]))
}

// numbers are those that a page may show.
func numbers(e *identity.TokenError) []int { return e.AADSTS }

// arrive turns the code into a person and looks at their mailbox with the token at
// hand, then asks them to confirm.
func (v *visit) arrive(ctx context.Context, f state.Flow, j journey, s secrets, code string) Answer {
	if code == "" {
		return v.conclude(ctx, f, j, endUnverified)
	}
	in, err := v.portal.deps.Entra.Redeem(ctx, identity.Redemption{Tenant: j.Tenant, RedirectURI: v.portal.url(callback),
		Verifier: s.Verifier, Nonce: s.Nonce, Scopes: j.Asked, Code: code})
	if err != nil {
		return v.notRedeemed(ctx, f, j, err)
	}
	j.Account = connection.Account{Tenant: in.Tenant, ObjectID: in.ObjectID, Name: plain(in.UserName)}
	j.Name, j.Granted = plain(in.Name), in.Granted
	if j.Tenant != identity.Organizations && in.Tenant != j.Tenant {
		return v.conclude(ctx, f, j, endOtherTenant)
	}
	if !j.calendar() {
		if f.Kind == kindRooms && !slices.ContainsFunc(in.Granted, isPlaceRead) {
			return v.conclude(ctx, f, j, endNarrower)
		}
		return v.ask(ctx, f, j, secrets{})
	}
	if len(connection.Missing(in.Granted, j.Direction, j.Scope)) > 0 || in.AccessToken == "" {
		return v.conclude(ctx, f, j, endNarrower)
	}
	m, err := v.portal.deps.Mailboxes.Mailbox(ctx, graph.Access{Tenant: in.Tenant, ObjectID: in.ObjectID, Token: in.AccessToken}, in.ObjectID)
	address, cause, known := found(m, err)
	j.Mailbox, j.Cause = address, cause
	switch {
	case !known:
		return v.caused(v.conclude(ctx, f, j, endPassing), err)
	case cause == reason.MailboxNotFound && j.Role != state.OrgAdmin:
		return v.conclude(ctx, f, j, endNoMailbox)
	}
	return v.ask(ctx, f, j, secrets{Tokens: in.Cache})
}

func isPlaceRead(granted string) bool { return connection.Short(granted) == placeRead }

// notRedeemed ends an attempt whose code gave nobody.
func (v *visit) notRedeemed(ctx context.Context, f state.Flow, j journey, err error) Answer {
	if refused := (*identity.SignInError)(nil); errors.As(err, &refused) {
		j.Account = connection.Account{Tenant: refused.Tenant, Name: refused.UserName}
	}
	if failed := (*identity.TokenError)(nil); errors.As(err, &failed) {
		j.Numbers, j.Correlation = numbers(failed), failed.CorrelationID
	}
	e := endOfRedeem(err)
	answer := v.conclude(ctx, f, j, e)
	if e == endFault || e == endPassing || e == endUnverified {
		return v.caused(answer, err)
	}
	return answer
}

// caused gives an answer a cause for the log.
func (v *visit) caused(a Answer, err error) Answer {
	if a.Cause == nil {
		a.Cause = err
	}
	return a
}

// ask keeps what a confirmation needs for outcomeLife, and sends the browser to it.
func (v *visit) ask(ctx context.Context, f state.Flow, j journey, s secrets) Answer {
	f.Step, f.Expires, f.Detail = stepConfirm, v.now.Add(outcomeLife), j.encode()
	if _, err := v.keep(ctx, f, &s); err != nil {
		return v.broken(err)
	}
	return v.see(v.portal.path(pageAttempt, f.ID))
}
