package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/reason"
	"github.com/calbridge/calbridge/shared/state"
)

// policyLoop is how long after a sign-in the same policy error, come again, means that
// signing in is pointless (identity.md section 4).
const policyLoop = 7 * 24 * time.Hour

// policyErrors are the AADSTS numbers by which a policy asks for a person where none is:
// multi-factor sign-in, sign-in frequency, a device. With the person in front of it each
// passes, and refreshes fail again (graph/contract.md 13.5).
var policyErrors = []int{50072, 50074, 50076, 50078, 50079, 50097, 50158, 70043, 70044}

// ConnectionFailed takes what Graph or Entra answered where a connection was used. seen
// is the connection as it was read before: what has been signed in for since is not
// touched by it. A token that is dead, and a policy that keeps us out, change the
// connection, once, and are told at once; what may pass is counted down; what is our own
// credential's fault alerts the operator and changes no connection.
func (e *Engine) ConnectionFailed(ctx context.Context, seen connection.Connection, failure *graph.Error) error {
	fate := fateOf(failure)
	if err := e.doubtByConnection(ctx, seen, fate); err != nil {
		return err
	}
	switch {
	case fate == graph.FateCredential:
		return e.raise(ctx, credentialIncident(failure))
	case fate == graph.FatePassing && failure.Kind != graph.Unauthorised && failure.Kind != graph.Unreachable:
		return nil // throttled, or nobody answered: says nothing of the connection
	}
	return e.turnConnection(ctx, seen, func(c connection.Connection) connection.Connection {
		return failed(c, fate, failure, e.now().UTC())
	})
}

// connectionRefreshed takes that a connection's token was renewed.
func (e *Engine) connectionRefreshed(ctx context.Context, seen connection.Connection) error {
	if err := e.consentProven(ctx, seen.Organization, seen.Account.Tenant, ""); err != nil {
		return err
	}
	if seen.State != connection.BlockedByPolicy && seen.Failing.IsZero() && seen.Warned == 0 {
		return nil
	}
	if err := e.tellWarningOver(ctx, seen); err != nil {
		return err
	}
	return e.turnConnection(ctx, seen, func(c connection.Connection) connection.Connection { return refreshed(c, e.now().UTC()) })
}

// turnConnection changes a connection that is still the one of the sign-in that was
// seen, and lets everything follow.
func (e *Engine) turnConnection(ctx context.Context, seen connection.Connection, turn func(connection.Connection) connection.Connection) error {
	lane := key.Lane(seen.Organization, key.User, seen.User)
	for range 5 {
		row, err := e.connections.Get(ctx, seen.Organization, seen.ID)
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if row.State == connection.Disconnected || !row.SignedIn.Equal(seen.SignedIn) {
			return nil
		}
		next := turn(row.Connection)
		if reflect.DeepEqual(next, row.Connection) {
			return nil
		}
		moves := next.State != row.State || next.Cause != row.Cause
		if moves {
			if err := e.ensureFollow(ctx, row.Organization, lane, "state"); err != nil {
				return err
			}
		}
		_, err = e.connections.Put(ctx, next, nil, row.ETag)
		if errors.Is(err, state.ErrPrecondition) || errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err != nil || !moves {
			return err
		}
		return e.follow(ctx, row.Organization, row.User)
	}
	return fmt.Errorf("connection %s: %w", seen.ID, state.ErrPrecondition)
}

// failed is c after a failure.
func failed(c connection.Connection, fate graph.Fate, failure *graph.Error, now time.Time) connection.Connection {
	next := c
	switch fate {
	case graph.FateDead, graph.FateConsent:
		switch {
		case c.State == connection.NeedsReauth:
			return c
		case c.State == connection.BlockedByPolicy && c.Policy != "" && c.Policy == causeOf(failure):
			return c // known, and signing in has been shown to be pointless
		}
		next = died(c, causeOf(failure), policyLike(failure), now)
	case graph.FatePolicy:
		if next.Failing.IsZero() {
			next.Failing = now
		}
		if c.State == connection.BlockedByPolicy || c.State == connection.NeedsReauth {
			return next
		}
		next.State, next.Cause = connection.BlockedByPolicy, causeOf(failure)
		next.Lapses++
	default:
		if failure.Kind == graph.Unreachable {
			return unreached(c, orReason(failure.Reason, graph.ReasonUnavailable), now)
		}
		if next.Failing.IsZero() {
			next.Failing = now
		}
		return next
	}
	next.Since, next.Correlation = now, correlationOf(failure)
	if claims := claimsOf(failure); claims != "" {
		next.Claims = claims
	}
	return next
}

// died is c with a dead token. The policy error that it died of before, soon after a
// sign-in, come again soon after the next one, is no matter of signing in.
func died(c connection.Connection, cause string, policy bool, now time.Time) connection.Connection {
	soon := policy && now.Sub(c.SignedIn) <= policyLoop
	loops := soon && c.Policy == cause
	if c.State != connection.BlockedByPolicy {
		c.Lapses++
	}
	c.State, c.Cause, c.Policy = connection.NeedsReauth, cause, ""
	if soon {
		c.Policy = cause
	}
	if loops {
		c.State = connection.BlockedByPolicy
		c.Failing = now
	}
	return c
}

// unreached is c whose token works and whose mailbox does not. Another cause begins anew:
// somebody else may be the one to mend it, so it is told.
func unreached(c connection.Connection, cause string, now time.Time) connection.Connection {
	if c.State != connection.Connected && c.State != connection.Unreachable || c.Cause == cause {
		return c
	}
	c.State, c.Cause, c.Correlation, c.Since = connection.Unreachable, cause, "", now
	return c
}

// reached is c whose mailbox answered.
func reached(c connection.Connection, now time.Time) connection.Connection {
	if c.State == connection.Unreachable {
		c.Cause, c.Correlation = "", ""
		c.State, c.Since = stateOf(c), now
	}
	return c
}

// refreshed is c whose token was renewed. What no policy blocks any more is as good as
// it was; a mailbox that nobody has seen yet is still to be looked for.
func refreshed(c connection.Connection, now time.Time) connection.Connection {
	c.Failing, c.Warned = time.Time{}, 0
	if c.State == connection.BlockedByPolicy {
		c.Cause, c.Correlation, c.Claims, c.Policy = "", "", "", ""
		if c.Mailbox == "" {
			c.Cause = graph.ReasonUnavailable
		}
		c.State, c.Since = stateOf(c), now
	}
	return c
}

// fateOf is what a failure means for the connection: as package graph says, else by
// the reason that the failure carries.
func fateOf(failure *graph.Error) graph.Fate {
	if fate := graph.FateOf(failure); fate != graph.FatePassing || failure.Kind != graph.Unauthorised {
		return fate
	}
	switch failure.Reason {
	case graph.ReasonBlockedByPolicy:
		return graph.FatePolicy
	case graph.ReasonNeedsReauth:
		return graph.FateDead
	case graph.ReasonConsentMissing:
		if strings.Contains(failure.Code, "consent_required") {
			return graph.FateConsent
		}
		return graph.FateApp
	}
	if failure.Code == "invalid_client" {
		return graph.FateCredential
	}
	return graph.FatePassing
}

// What an error of a token may tell besides its kind.
type (
	tokenFailure interface {
		TokenFailure() (code string, aadsts []int, status int, retryAfter time.Duration)
	}
	correlated interface{ Correlation() string }
	challenge  interface{ ClaimsChallenge() string }
)

// numbersOf are Entra's numbers of a failure, if it has any.
func numbersOf(failure *graph.Error) []int {
	if t := tokenFailure(nil); errors.As(failure, &t) {
		_, numbers, _, _ := t.TokenFailure()
		return numbers
	}
	return nil
}

// causeOf names a failure in a row and an event: Entra's number, else its error.
func causeOf(failure *graph.Error) string {
	if numbers := numbersOf(failure); len(numbers) > 0 {
		return strconv.Itoa(numbers[0])
	}
	return orReason(failure.Code, failure.Reason)
}

func correlationOf(failure *graph.Error) string {
	if c := correlated(nil); errors.As(failure, &c) {
		return c.Correlation()
	}
	return ""
}

func claimsOf(failure *graph.Error) string {
	if c := challenge(nil); errors.As(failure, &c) {
		return c.ClaimsChallenge()
	}
	return ""
}

// policyLike reports whether a policy asked for the person.
func policyLike(failure *graph.Error) bool {
	return strings.HasPrefix(failure.Code, "interaction_required") ||
		slices.ContainsFunc(numbersOf(failure), func(n int) bool { return slices.Contains(policyErrors, n) })
}

// ConnectionWords say how a connection stands: a sentence, whose it is to change, and the next step (A10).
func ConnectionWords(c connection.Connection) reason.Words {
	name := ""
	switch c.State {
	case connection.Connected:
		return reason.Words{Sentence: "The calendar is connected.", Owner: reason.User, Next: "Nothing to do."}
	case connection.NeedsReauth:
		name = reason.NeedsReauth
	case connection.BlockedByPolicy:
		name = reason.BlockedByPolicy
	case connection.Paused:
		name = reason.Paused
	case connection.Disconnected:
		name = reason.Disconnected
	default:
		name = c.Cause
	}
	if entry, ok := reason.Find(name); ok {
		return entry.Words
	}
	return reason.Words{Sentence: "The mailbox cannot be reached.", Owner: reason.EntraAdmin, Next: "Nothing to do: it is looked at again every day."}
}
