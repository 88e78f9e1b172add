package handlers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/problem"
	"github.com/calbridge/calbridge/shared/state"
)

// Directory is all organisations, for the operator; *state.Organizations is one.
type Directory interface {
	List(ctx context.Context, after string, limit int) (items []organization.Organization, next string, err error)
	Bind(ctx context.Context, id, tenant, note string) (state.Written, error)
}

// operator is the function Operator, behind the host's admin key.
type operator struct {
	directory Directory
	tasks     Tasker
	repair    Repairer
	log       *slog.Logger
}

// summary is an organisation without personal data: no alert addresses.
type summary struct {
	Organization string             `json:"organization"`
	DisplayName  string             `json:"displayName"`
	Profile      string             `json:"profile"`
	Module       bool               `json:"module"`
	Sync         bool               `json:"sync"`
	Permission   string             `json:"permission"`
	State        organization.State `json:"state"`
}

func (o operator) list(ctx context.Context, r *request) answer {
	after, limit, bad := r.page()
	if bad != nil {
		return *bad
	}
	from, err := base64.RawURLEncoding.DecodeString(after)
	if err != nil || len(from) > 0 && !organization.ValidID(string(from)) {
		return problemAnswer(codeInvalid, badCursor)
	}
	all, next, err := o.directory.List(ctx, string(from), limit)
	if err != nil {
		return unavailable(err)
	}
	items := make([]summary, len(all))
	for i, org := range all {
		items[i] = summary{org.ID, org.DisplayName, org.Profile, org.Module, org.Sync, org.Permission, org.State}
	}
	body := map[string]any{"items": items}
	if next != "" {
		body["next"] = base64.RawURLEncoding.EncodeToString([]byte(next))
	}
	return answer{status: http.StatusOK, body: body}
}

// tenant binds and unbinds by hand. Invariant I7: only this route, behind the
// admin key, and the consent flow ever decide where an organisation's calls go.
func (o operator) tenant(ctx context.Context, r *request) answer {
	body, bad := r.body(maxBody, "application/json")
	if bad != nil {
		return *bad
	}
	tenant, note, faults := decodeTenant(body)
	if len(faults) > 0 {
		return problemAnswer(codeInvalid, "Nothing was bound; errors says what is wrong.", faults...)
	}
	order := o.tasks.Reconcile
	if tenant == "" { // nothing is written any more, and nothing read
		order = o.tasks.Rewatch
	}
	if err := order(ctx, r.organization, "tenant"); err != nil {
		return unavailable(err)
	}
	written, err := o.directory.Bind(ctx, r.organization, tenant, note)
	if err != nil {
		return organizationProblem(err)
	}
	o.log.Info("tenant decided by the operator", "organization", r.organization, "tenant", written.Organization.State.Tenant)
	return writtenAnswer(http.StatusOK, written)
}

// decodeTenant reads {"tenant":"<GUID>" or null,"note"}; tenant must be there.
func decodeTenant(body []byte) (tenant, note string, faults []problem.Fault) {
	fault := func(pointer, code, detail string) {
		faults = append(faults, problem.Fault{Pointer: pointer, Code: code, Detail: detail})
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		fault("", "syntax", "The body must be one JSON object.")
		return "", "", faults
	}
	faults = problem.Twice(body)
	raw, ok := members["tenant"]
	switch {
	case !ok:
		fault("/tenant", "required", "This must be the tenant's GUID, or null to unbind.")
	case string(raw) == "null":
	case json.Unmarshal(raw, &tenant) != nil || !organization.IsGUID(tenant):
		fault("/tenant", "format", "This must be the tenant's GUID, or null to unbind.")
	}
	if raw, ok := members["note"]; ok {
		if json.Unmarshal(raw, &note) != nil {
			fault("/note", "type", "This must be a string.")
		} else if utf8.RuneCountInString(note) > 1000 {
			fault("/note", "too-long", "This must be at most 1,000 characters.")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name != "tenant" && name != "note" {
			fault("/"+problem.Escape(name), "unknown-member", "There is no such member.")
		}
	}
	return tenant, note, faults
}
