package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
)

const (
	tableOrganizations = "organizations"
	// indexPartition lists the organisations there ever were, one row each. No
	// organisation's id begins with a hyphen.
	indexPartition = "-index"
)

// Organizations keeps the organisations: a row each, and an index for lists.
//
// The index row is written before the organisation's own, so that a kill in
// between leaves an entry that lists skip, never an organisation that they miss.
// A deleted organisation's row stays, marked: it keeps the tenant for what is
// still to be cleared away, and it lets the id be used again.
type Organizations struct {
	tables Tables
	now    func() time.Time
}

// NewOrganizations returns the organisations kept in tables.
func NewOrganizations(tables Tables, now func() time.Time) *Organizations {
	return &Organizations{versioned(tables), now}
}

// Get returns an organisation and its version, which changes with every write
// and is never empty. ErrNotFound: there is none, or it was deleted.
func (s *Organizations) Get(ctx context.Context, id string) (organization.Organization, string, error) {
	o, etag, deleted, err := s.get(ctx, id)
	if err == nil && deleted {
		return organization.Organization{}, "", fmt.Errorf("state.Organization %s: deleted: %w", id, ErrNotFound)
	}
	return o, etag, err
}

func (s *Organizations) get(ctx context.Context, id string) (o organization.Organization, etag string, deleted bool, err error) {
	if !organization.ValidID(id) {
		return o, "", false, fmt.Errorf("state.Organization: not an id: %w", ErrNotFound)
	}
	e, err := s.tables.Get(ctx, tableOrganizations, id, "")
	if err != nil {
		return o, "", false, fmt.Errorf("state.Organization %s: %w", id, err)
	}
	settings, _ := e.Props["settings"].([]byte)
	known, _ := e.Props["state"].(string)
	deleted, _ = e.Props["deleted"].(bool)
	var st organization.State
	if err := json.Unmarshal([]byte(known), &st); err != nil {
		return o, "", false, fmt.Errorf("state.Organization %s: state: %w", id, err)
	}
	st.Before, _ = e.Props["deletedAt"].(time.Time)
	if err := parseUnderway(e, &st); err != nil {
		return o, "", false, fmt.Errorf("state.Organization %s: %w", id, err)
	}
	if o, err = organization.Restore(id, settings, st); err != nil {
		return o, "", false, fmt.Errorf("state.Organization %s: %w", id, err)
	}
	return o, e.ETag, deleted, nil
}

// Decide makes of an organisation as it is what it shall be. current is nil when
// there is none or it was deleted; version is "" then. It may be called several
// times and has no effect of its own; an error stops the change.
type Decide func(current *organization.Organization, version string) (organization.Organization, error)

// Written is what a change left behind.
type Written struct {
	Organization organization.Organization
	Version      string
	Created      bool // there was none before, or a deleted one
}

// Change writes what decide makes of an organisation, if nobody wrote it
// meanwhile; else it reads again. The error of decide is returned as it is.
// ErrPrecondition: others kept writing. After any other error the outcome is unknown.
func (s *Organizations) Change(ctx context.Context, id string, decide Decide) (Written, error) {
	return s.ChangeAfter(ctx, id, decide, nil)
}

// ChangeAfter is Change with something to do before each write, once it is known
// what will be written: what must not be missing after a kill. It may be called
// several times; its error, returned as it is, stops the change.
func (s *Organizations) ChangeAfter(ctx context.Context, id string, decide Decide, before func(context.Context, organization.Organization) error) (Written, error) {
	for range 5 {
		row, err := s.open(ctx, id)
		if err != nil {
			return Written{}, err
		}
		next, err := decide(row.current, row.version)
		if err != nil {
			return Written{}, err
		}
		next.State.Before = row.before
		if before != nil {
			if err := before(ctx, next); err != nil {
				return Written{}, err
			}
		}
		if err := s.indexTenant(ctx, row.current, next); err != nil {
			return Written{}, err
		}
		etag, err := s.put(ctx, next, row.etag, false)
		if errors.Is(err, ErrPrecondition) || errors.Is(err, ErrExists) {
			continue
		}
		return Written{Organization: next, Version: etag, Created: row.current == nil}, err
	}
	return Written{}, fmt.Errorf("state.Organization %s: %w", id, ErrPrecondition)
}

// opened is a row as Decide sees it, with the ETag that the write carries.
type opened struct {
	current       *organization.Organization // nil when absent or deleted
	version, etag string                     // etag is also a deleted row's
	before        time.Time                  // when one of the id was last deleted
}

func (s *Organizations) open(ctx context.Context, id string) (opened, error) {
	o, etag, deleted, err := s.get(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return opened{}, nil
	case err != nil:
		return opened{}, err
	case deleted:
		return opened{etag: etag, before: o.State.Before}, nil
	}
	return opened{&o, etag, etag, o.State.Before}, nil
}

// Delete marks an organisation as deleted unless check objects, whose error is
// returned as it is. ErrNotFound: there is none.
func (s *Organizations) Delete(ctx context.Context, id string, check func(version string) error) error {
	for range 5 {
		o, etag, err := s.Get(ctx, id)
		if err != nil {
			return err
		}
		if err := check(etag); err != nil {
			return err
		}
		// Only what clearing away needs is kept, and nobody's address.
		doc, err := json.Marshal(map[string]any{"profile": o.Profile, "module": false, "sync": false})
		if err != nil {
			return err
		}
		o.Document = doc
		if _, err = s.put(ctx, o, etag, true); !errors.Is(err, ErrPrecondition) {
			return err
		}
	}
	return fmt.Errorf("state.Organization %s: %w", id, ErrPrecondition)
}

// DeletedAt is when an organisation was last deleted (UTC), also if there is one of its
// id again; zero for never. What is older than that is not the new one's.
func (s *Organizations) DeletedAt(ctx context.Context, id string) (time.Time, error) {
	if !organization.ValidID(id) {
		return time.Time{}, nil
	}
	e, err := s.tables.Get(ctx, tableOrganizations, id, "")
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("state.Organization %s: %w", id, err)
	}
	at, _ := e.Props["deletedAt"].(time.Time)
	return at, nil
}

// put stores an organisation if its row still has the ETag; "" means no row.
func (s *Organizations) put(ctx context.Context, o organization.Organization, etag string, deleted bool) (string, error) {
	known, err1 := json.Marshal(o.State)
	way, err2 := underway(o.State)
	if err := errors.Join(err1, err2); err != nil {
		return "", fmt.Errorf("state.PutOrganization %s: %w", o.ID, err)
	}
	action := Merge // keeps when it was last deleted
	if etag == "" {
		action = Insert
		index := Entity{Partition: indexPartition, Row: o.ID}
		if _, err := s.tables.Apply(ctx, tableOrganizations, []Change{{InsertOrReplace, index}}); err != nil {
			return "", fmt.Errorf("state.PutOrganization %s: index: %w", o.ID, err)
		}
	}
	props := map[string]any{"settings": []byte(o.Document), "state": string(known), "consent": way, "deleted": deleted}
	if deleted {
		props["deletedAt"] = s.now().UTC()
	}
	tags, err := s.tables.Apply(ctx, tableOrganizations, []Change{{action, Entity{Partition: o.ID, ETag: etag, Props: props}}})
	if err != nil {
		return "", fmt.Errorf("state.PutOrganization %s: %w", o.ID, err)
	}
	return tags[0], nil
}

// List returns at most limit organisations after an id ("" for the first), in
// the order of their ids, and the id to go on after, "" when there is no more.
func (s *Organizations) List(ctx context.Context, after string, limit int) (items []organization.Organization, next string, err error) {
	for from := "0"; ; {
		if after != "" {
			// No id continues another with a character as low as this one.
			from = after + "!"
		}
		rows, err := s.tables.Query(ctx, tableOrganizations, Span{Partition: indexPartition, From: from, Limit: limit + 1})
		if err != nil {
			return nil, "", fmt.Errorf("state.ListOrganizations: %w", err)
		}
		for _, row := range rows {
			if len(items) == limit {
				return items, items[limit-1].ID, nil
			}
			after = row.Row
			o, _, err := s.Get(ctx, row.Row)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, "", err
			}
			items = append(items, o)
		}
		if len(rows) <= limit {
			return items, "", nil
		}
	}
}

// Binding is what the ledger keeps of a decision about an organisation's tenant.
type Binding struct {
	At        time.Time `json:"at"`
	Operation string    `json:"operation"` // bind, unbind, allow or refuse
	By        string    `json:"by"`        // operator, consent, or function-key
	Tenant    string    `json:"tenant,omitempty"`
	Note      string    `json:"note,omitempty"`
	Attempt   string    `json:"attempt,omitempty"` // of a consent
}

// Bind binds an organisation to a tenant by the operator's hand, or with an
// empty tenant unbinds it. The ledger tells of it before it happens: an entry
// without a binding is an attempt that failed. A binding that changes nothing
// leaves no entry.
//
// ErrNotFound, organization.ErrTenantBound and organization.ErrUnexpectedTenant
// mean that nothing was changed.
func (s *Organizations) Bind(ctx context.Context, id, tenant, note string) (Written, error) {
	at := s.now().UTC()
	var was organization.State
	decide := func(current *organization.Organization, _ string) (organization.Organization, error) {
		if current == nil {
			return organization.Organization{}, fmt.Errorf("state.Bind %s: %w", id, ErrNotFound)
		}
		was = current.State
		if tenant == "" {
			return current.Unbind(), nil
		}
		return current.Bind(tenant, at)
	}
	return s.ChangeAfter(ctx, id, decide, func(ctx context.Context, next organization.Organization) error {
		if next.State.Tenant == was.Tenant {
			return nil
		}
		entry := Binding{At: at, Operation: "bind", By: organization.BoundByOperator, Tenant: next.State.Tenant, Note: note}
		if tenant == "" {
			entry.Operation, entry.Tenant = "unbind", was.Tenant
		}
		return s.Record(ctx, id, entry)
	})
}

// Recover notes that tables were lost or restored from an old copy, so that the
// organisation's rows are looked at before anything is created. ErrNotFound for an
// unknown organisation.
func (s *Organizations) Recover(ctx context.Context, id string) error {
	at := s.now().UTC()
	_, err := s.Change(ctx, id, func(current *organization.Organization, _ string) (organization.Organization, error) {
		if current == nil {
			return organization.Organization{}, fmt.Errorf("state.Recover %s: %w", id, ErrNotFound)
		}
		next := current.Clone()
		next.State.RecoveredAt = at
		return next, nil
	})
	return err
}

// Record adds to the ledger under the organisation's own session key, which no lane has.
func (s *Organizations) Record(ctx context.Context, id string, entry Binding) error {
	doc, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("state.Bind %s: %w", id, err)
	}
	row := fmt.Sprintf("b%013d%s", entry.At.UnixMilli(), key.Random())
	_, err = s.tables.Apply(ctx, ledgerTable(entry.At), []Change{{Insert, Entity{
		Partition: key.Organization(id).String(), Row: row, Props: map[string]any{"doc": string(doc)}}}})
	if err != nil {
		return fmt.Errorf("state.Bind %s: ledger: %w", id, err)
	}
	return nil
}
