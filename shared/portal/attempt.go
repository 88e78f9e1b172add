package portal

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// pageAttempt is the clean URL that callbacks lead to: how an attempt stands. It goes by
// the flow's cookie.
const pageAttempt = "attempt"

// What stands in the place of a flow's id where a callback has none to show.
const (
	attemptNobodys = "unknown" // not this browser's
	attemptPast    = "over"    // its answer was used before
)

// refusals are the last words of Microsoft about an attempt that is nobody's, which the
// page says in the place of an id.
var refusals = []ending{endApproval, endRequested, endPolicy, endCancelled, endPassing, endDenied, endUnverified, endFault}

// attempt is a kind of flow: what its page shows, and the forms on it.
type attempt struct {
	show func(context.Context, *visit, state.Flow) Answer
	post map[string]func(context.Context, *visit, state.Flow) Answer
}

// attempts lists the kinds.
func (p *Portal) attempts() map[string]attempt {
	type forms = map[string]func(context.Context, *visit, state.Flow) Answer
	return map[string]attempt{
		kindConsent: {p.showConsent, forms{"confirm": p.confirm, "decline": p.decline, "signin": p.signInAgain, "more": p.consentMore, "probe": p.probeAttempt}},
		kindConnect: {p.showConnect, forms{"answer": p.answerConnect}},
		kindRooms:   {p.showConnect, forms{"answer": p.answerConnect}},
	}
}

// showAttempt answers GET of an attempt's page.
func (p *Portal) showAttempt(ctx context.Context, v *visit) Answer {
	switch e := ending(v.id); {
	case v.id == attemptPast:
		return v.trouble(attemptOver)
	case slices.Contains(refusals, e):
		return v.endPage(http.StatusForbidden, endData{Ending: e})
	}
	f, kind, bad := v.itsAttempt(ctx)
	if bad != nil {
		return *bad
	}
	return kind.show(ctx, v, f)
}

// postAttempt answers the forms of an attempt's page.
func (p *Portal) postAttempt(ctx context.Context, v *visit) Answer {
	f, kind, bad := v.itsAttempt(ctx)
	if bad != nil {
		return *bad
	}
	serve := kind.post[v.action]
	if serve == nil {
		return v.trouble(notFound)
	}
	if !v.formHolds(f.Browser) {
		return v.trouble(formStale)
	}
	return serve(ctx, v, f)
}

// itsAttempt finds the flow that the path names, which must be this browser's.
func (v *visit) itsAttempt(ctx context.Context) (state.Flow, attempt, *Answer) {
	f, ok, err := v.flow(ctx, v.id)
	kind, known := v.portal.attempts()[f.Kind]
	switch {
	case err != nil:
		a := v.broken(err)
		return f, kind, &a
	case !ok || !known:
		a := v.trouble(attemptUnknown)
		return f, kind, &a
	}
	return f, kind, v.attend(ctx, f)
}

// attend makes the visit one of a flow's page. The answer is not nil where the
// organisation's pages are closed.
func (v *visit) attend(ctx context.Context, f state.Flow) *Answer {
	v.name, v.id, v.browser = pageAttempt, f.ID, f.Browser
	locale := ""
	if s, err := v.portal.deps.Sessions.Get(ctx, f.Session); err == nil {
		locale, v.session.ReturnURL = s.Locale, s.ReturnURL
	}
	return v.about(ctx, f.Organization, locale, f.Created)
}

// outcomePage is how an attempt ended, or where it stands: its texts are
// outcome.<name>.title, .what and .next.
type outcomePage struct {
	Name  string
	Bad   bool
	Pairs []string
	// Cause is what Microsoft's code means; nil where there is none.
	Cause *explanation
	// Action posts a form with a button; "" for none.
	Action, ActionText string
	// Link leads on; "" for none.
	Link, LinkText string
	// Test is the form that tests what was allowed; nil where nothing is to be tested.
	Test *testForm
}

// failure explains why a sign-in failed, by Entra's number, its word, or our refusal of
// what it answered; nil where it did not.
func (v *visit) failure(d detail) *explanation {
	if d.Cause == "" {
		return nil
	}
	e := explanation{Code: d.Cause, Correlation: d.Correlation}
	number, err := strconv.Atoi(d.Cause)
	if key := "refusal." + d.Cause; v.lang.has(key + ".what") {
		e.What, e.Next, e.Owner = v.say(key+".what"), v.say(key+".next"), reason.User
		return &e
	}
	row := codeOf(number)
	if err != nil {
		row = graph.FindCode(graph.FromEntra, http.StatusBadRequest, d.Cause)
	}
	e.What, e.Next, e.Owner = row.Sentence, row.Next, row.Owner
	if e.What == "" {
		e.What, e.Next, e.Owner = v.say("refusal.other.what"), v.say("refusal.other.next"), reason.User
	}
	if err == nil {
		e.Code = "AADSTS" + d.Cause
	}
	return &e
}

// showConsent shows how an Entra admin's attempt stands.
func (p *Portal) showConsent(ctx context.Context, v *visit, f state.Flow) Answer {
	d := detailOf(f)
	if f.Step == stepDone && v.org.State.BoundAttempt == f.ID { // it may have waited for that
		f.Outcome = string(organization.Bound)
	}
	o := outcomePage{Pairs: []string{"tenant", d.Tenant, "expected", v.org.ExpectedTenant}}
	switch {
	case f.Step == stepDone:
		o.Name, o.Bad = "consent."+f.Outcome, outcome(f.Outcome).failed()
		if o.Bad {
			o.Cause = v.failure(d)
		}
		if o.Bad && f.Outcome != string(organization.BoundElsewhere) { // whose link is over
			o.Link, o.LinkText = p.home(state.EntraAdmin, f.Session), "outcome.again"
		}
		if f.Outcome == string(organization.Bound) || f.Outcome == string(organization.Allowed) {
			p.bound(v, f, d, &o)
		}
	case f.Step == stepConfirm && v.now.Before(f.Expires):
		return p.showConfirm(ctx, v, f)
	case f.Step == stepConsenting:
		o.Name, o.Link, o.LinkText = "consent.away", p.home(state.EntraAdmin, f.Session), "outcome.again"
	default:
		o.Name, o.Cause, o.Bad = "consent.resume", v.failure(d), d.Cause != ""
		o.Action, o.ActionText = p.path(pageAttempt, f.ID, "signin"), "outcome.continue"
	}
	return v.page(http.StatusOK, "outcome", o)
}

// bound is what remains to be done once a tenant is bound, or allowed it.
func (p *Portal) bound(v *visit, f state.Flow, d detail, o *outcomePage) {
	switch {
	case v.org.Consent == "scoped" && v.org.Permission == organization.Application:
		o.Name, o.Test = "consent.bound-scoped", v.testForm(p.path(pageAttempt, f.ID, "probe"))
	case len(d.Missing) > 0:
		o.Name, o.Pairs = o.Name+"-more", append(o.Pairs, "missing", strings.Join(d.Missing, ", "))
		o.Action, o.ActionText = p.path(pageAttempt, f.ID, "more"), "outcome.more"
	}
}
