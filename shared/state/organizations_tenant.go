package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/calbridge/calbridge/shared/organization"
)

// tenantPartition lists the organisations that are or were bound to a tenant, or allowed to
// its people.
func tenantPartition(tenant string) string { return "-tenant" + tenant }

// maxOfTenant bounds how many organisations of one tenant are read.
const maxOfTenant = 100

// indexTenant notes under a tenant that an organisation is about to be bound to it, or
// allowed to its people, before that happens: a kill in between leaves an entry that
// OfTenant skips. Most changes do neither and cost nothing.
func (s *Organizations) indexTenant(ctx context.Context, current *organization.Organization, next organization.Organization) error {
	for _, tenant := range tenantsOf(next) {
		if current != nil && slices.Contains(tenantsOf(*current), tenant) {
			continue
		}
		_, err := s.tables.Apply(ctx, tableOrganizations, []Change{{InsertOrReplace, Entity{
			Partition: tenantPartition(tenant), Row: next.ID}}})
		if err != nil {
			return fmt.Errorf("state.PutOrganization %s: tenant: %w", next.ID, err)
		}
	}
	return nil
}

// tenantsOf are the tenants under which an organisation is found.
func tenantsOf(o organization.Organization) []string {
	var all []string
	if o.State.Tenant != "" {
		all = append(all, o.State.Tenant)
	}
	for _, a := range o.State.Allowed {
		all = append(all, a.Tenant)
	}
	return all
}

// OfTenant reads the organisations that are bound to a tenant or allowed to its people, in
// the order of their ids, at most 100. One request, and one for each that is or was.
func (s *Organizations) OfTenant(ctx context.Context, tenant string) ([]organization.Organization, error) {
	rows, err := s.tables.Query(ctx, tableOrganizations, Span{Partition: tenantPartition(tenant), Limit: maxOfTenant})
	if err != nil {
		return nil, fmt.Errorf("state.OfTenant: %w", err)
	}
	var out []organization.Organization
	for _, e := range rows {
		o, _, err := s.Get(ctx, e.Row)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if slices.Contains(tenantsOf(o), tenant) {
			out = append(out, o)
		}
	}
	return out, nil
}

// underwayDoc is what the row keeps of a consent beside what is shown of it.
type underwayDoc struct {
	Attempt      organization.Attempt  `json:"attempt,omitzero"`
	BoundAttempt string                `json:"boundAttempt,omitempty"`
	AdminTenant  string                `json:"adminTenant,omitempty"`
	Decided      organization.Decision `json:"decided,omitzero"`
	Doubt        organization.Doubt    `json:"doubt,omitzero"`
	Removing     bool                  `json:"removing,omitempty"`
	// Allowed was added later: rows without it have none.
	Allowed []organization.Allowance `json:"allowed,omitempty"`
}

func underway(s organization.State) (string, error) {
	doc, err := json.Marshal(underwayDoc{s.Attempt, s.BoundAttempt, s.AdminTenant, s.Decided, s.Doubt, s.Removing, s.Allowed})
	return string(doc), err
}

// parseUnderway reads it; a row of the version before has none.
func parseUnderway(e Entity, s *organization.State) error {
	text, _ := e.Props["consent"].(string)
	if text == "" {
		return nil
	}
	var doc underwayDoc
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return fmt.Errorf("consent: %w: %w", ErrCorrupt, err)
	}
	s.Attempt, s.BoundAttempt, s.AdminTenant, s.Decided, s.Doubt = doc.Attempt, doc.BoundAttempt, doc.AdminTenant, doc.Decided, doc.Doubt
	s.Removing, s.Allowed = doc.Removing, doc.Allowed
	return nil
}
