package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
)

// Organizations keeps the organisations; *state.Organizations does.
type Organizations interface {
	Get(ctx context.Context, id string) (organization.Organization, string, error)
	Change(ctx context.Context, id string, decide state.Decide) (state.Written, error)
	Delete(ctx context.Context, id string, check func(version string) error) error
}

// StatusReader tells how a booking stands.
type StatusReader interface {
	// Status returns at most limit deliveries of a booking, those after the opaque
	// after. state.ErrNotFound: the booking was never accepted. engine.ErrBadCursor:
	// after is none that Status gave out.
	Status(ctx context.Context, organization, booking, after string, limit int) (engine.Status, error)
	// StatusWithLedger is Status with every attempt of each delivery.
	StatusWithLedger(ctx context.Context, organization, booking, after string, limit int) (engine.Status, error)
}

// organizations is the function Organizations: what lies at and below
// organizations/{organization}. Any other of its resources is 404.
type organizations struct {
	store  Organizations
	status StatusReader
	tasks  Tasker
}

var errPrecondition = errors.New("If-Match or If-None-Match does not hold")

func (o organizations) get(ctx context.Context, r *request) answer {
	org, version, err := o.store.Get(ctx, r.organization)
	if err != nil {
		return organizationProblem(err)
	}
	return answer{status: http.StatusOK, body: org, headers: map[string]string{"ETag": etag(version)}}
}

func (o organizations) put(ctx context.Context, r *request) answer {
	body, bad := r.body(organization.MaxDocument, "application/json")
	if bad != nil {
		return *bad
	}
	next, faults := organization.Decode(body)
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "The organisation was not changed; errors says what is wrong.", faults...)
	}
	written, err := o.store.Change(ctx, r.organization, func(current *organization.Organization, version string) (organization.Organization, error) {
		if !preconditionHolds(r.Header, version) {
			return organization.Organization{}, errPrecondition
		}
		if current == nil {
			return next.WithID(r.organization), o.tasks.ClearDeleted(ctx, r.organization)
		}
		replaced, err := current.Replace(next)
		if err == nil && switchedOff(*current, replaced) {
			err = o.tasks.Rewatch(ctx, r.organization, "settings")
		}
		if err != nil || !matters(*current, replaced) {
			return replaced, err
		}
		return replaced, o.tasks.Reconcile(ctx, r.organization, "settings")
	})
	if err != nil {
		return organizationProblem(err)
	}
	status := http.StatusOK
	if written.Created {
		status = http.StatusCreated
	}
	return writtenAnswer(status, written)
}

// matters reports whether calendars may have to change because settings did.
// Switching off changes none: what was written stays.
func matters(before, after organization.Organization) bool {
	anybodys := after.Permission == organization.Delegated && after.Accounts == "any" // needs no tenant's consent
	if !after.Module || !after.Sync || after.State.Tenant == "" && !anybodys {
		return false
	}
	old, err1 := json.Marshal(before)
	now, err2 := json.Marshal(after)
	return errors.Join(err1, err2) != nil || !bytes.Equal(old, now)
}

// switchedOff reports whether calendars that may be read are not to be any more.
func switchedOff(before, after organization.Organization) bool {
	return before.Module && before.Sync && !(after.Module && after.Sync)
}

func (o organizations) delete(ctx context.Context, r *request) answer {
	if r.URL.Query().Has("events") {
		return problemAnswer(codeInvalid, "This version deletes organisations only with their events left in place: leave out events.")
	}
	err := o.store.Delete(ctx, r.organization, func(version string) error {
		if !preconditionHolds(r.Header, version) {
			return errPrecondition
		}
		return o.tasks.DisconnectAll(ctx, r.organization)
	})
	if err != nil {
		return organizationProblem(err)
	}
	return answer{status: http.StatusAccepted, body: map[string]string{"organization": r.organization}}
}

func (o organizations) bookings(ctx context.Context, r *request) answer {
	after, limit, bad := r.page()
	if bad != nil {
		return *bad
	}
	query := r.URL.Query()
	id := query.Get("id")
	if id == "" {
		return problemAnswer(codeInvalid, "The query parameter id is missing: the booking's id.")
	}
	read := o.status.Status
	switch query.Get("ledger") {
	case "", "false":
	case "true":
		read = o.status.StatusWithLedger
	default:
		return problemAnswer(codeInvalid, "The query parameter ledger must be true or false.")
	}
	status, err := read(ctx, r.organization, id, after, limit)
	if errors.Is(err, state.ErrNotFound) {
		return notFound("No such booking was accepted for this organisation.")
	}
	if errors.Is(err, engine.ErrBadCursor) {
		return problemAnswer(codeInvalid, badCursor)
	}
	if err != nil {
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: status}
}

func writtenAnswer(status int, w state.Written) answer {
	return answer{status: status, body: w.Organization, headers: map[string]string{"ETag": etag(w.Version)}}
}

// organizationProblem turns what can go wrong with an organisation into an answer.
func organizationProblem(err error) answer {
	switch {
	case errors.Is(err, state.ErrNotFound):
		return notFound("There is no such organisation.")
	case errors.Is(err, errPrecondition):
		return problemAnswer(codePrecondition, "The organisation is not in the version that the request names. Read it again.")
	case errors.Is(err, state.ErrPrecondition):
		return problemAnswer(codeConflict, "Others kept changing the organisation. Read it again.")
	case errors.Is(err, organization.ErrTenantBound):
		return problemAnswer(codeTenantBound, "The organisation is bound to another tenant; the operator can unbind it.")
	case errors.Is(err, organization.ErrUnexpectedTenant):
		return problemAnswer(codeConflict, "The organisation's tenant.expected names another tenant.")
	}
	return unavailable(err)
}
