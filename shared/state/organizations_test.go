package state_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/google/go-cmp/cmp"
)

// rows is just enough of state.Tables for organisations: one change at a time.
// before is called ahead of every write and may fail it.
type rows struct {
	mu     sync.Mutex
	stored map[string]state.Entity // table|partition|row
	writes int
	reads  int
	before func(table string, c state.Change) error
}

func newRows() *rows { return &rows{stored: map[string]state.Entity{}} }

func place(table, partition, row string) string { return table + "|" + partition + "|" + row }

func (r *rows) Get(_ context.Context, table, partition, row string) (state.Entity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	e, ok := r.stored[place(table, partition, row)]
	if !ok {
		return state.Entity{}, state.ErrNotFound
	}
	return e, nil
}

func (r *rows) Query(_ context.Context, table string, span state.Span) ([]state.Entity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := []state.Entity{}
	for at, e := range r.stored {
		if strings.HasPrefix(at, table+"|"+span.Partition+"|") && e.Row >= span.From {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b state.Entity) int { return strings.Compare(a.Row, b.Row) })
	if span.Limit > 0 && len(found) > span.Limit {
		found = found[:span.Limit]
	}
	return found, nil
}

func (r *rows) Apply(_ context.Context, table string, changes []state.Change) ([]string, error) {
	c := changes[0]
	if r.before != nil {
		if err := r.before(table, c); err != nil {
			return nil, err
		}
	}
	if err := state.Check(table, changes); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := place(table, c.Entity.Partition, c.Entity.Row)
	was, exists := r.stored[at]
	switch {
	case c.Action == state.Insert && exists:
		return nil, &state.ChangeError{Err: state.ErrExists}
	case c.Action == state.Merge && !exists:
		return nil, &state.ChangeError{Err: state.ErrNotFound}
	case c.Action == state.Merge && c.Entity.ETag != was.ETag:
		return nil, &state.ChangeError{Err: state.ErrPrecondition}
	}
	r.writes++
	c.Entity.ETag = fmt.Sprintf(`W/"%d"`, r.writes)
	r.stored[at] = c.Entity
	return []string{c.Entity.ETag}, nil
}

type testClock struct{ now time.Time }

func (c *testClock) Now() time.Time { return c.now }

func organizations() (*state.Organizations, *rows, *testClock) {
	r, c := newRows(), &testClock{time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	return state.NewOrganizations(r, c.Now), r, c
}

// to is a Decide that ignores what is there, but for its state.
func to(t *testing.T, id, document string) state.Decide {
	t.Helper()
	next, faults := organization.Decode([]byte(document))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return func(current *organization.Organization, _ string) (organization.Organization, error) {
		if current != nil {
			return current.Replace(next)
		}
		return next.WithID(id), nil
	}
}

func put(t *testing.T, s *state.Organizations, id, document string) state.Written {
	t.Helper()
	w, err := s.Change(t.Context(), id, to(t, id, document))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAnOrganisationComesBackAsItWasWritten(t *testing.T) {
	s, _, _ := organizations()
	if _, _, err := s.Get(t.Context(), "acme"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("before: %v", err)
	}
	if _, _, err := s.Get(t.Context(), "a/b"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("not an id: %v", err)
	}
	first := put(t, s, "acme", `{"profile":"travel","alerts":{"emails":["a@b.example"]}}`)
	got, version, err := s.Get(t.Context(), "acme")
	if err != nil || version != first.Version || !first.Created {
		t.Fatalf("got %q, %v; written %+v", version, err, first)
	}
	if diff := cmp.Diff(first.Organization, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if second := put(t, s, "acme", `{"profile":"rooms"}`); second.Created || second.Version == version {
		t.Errorf("second: %+v", second)
	}
}

func TestARaceIsDecidedAgainOnWhatTheOtherWrote(t *testing.T) {
	s, r, _ := organizations()
	put(t, s, "acme", `{"profile":"travel"}`)
	raced := false
	r.before = func(_ string, c state.Change) error {
		if c.Action == state.Merge && !raced {
			raced = true
			if _, err := s.Bind(t.Context(), "acme", "0b6e7d2a-5c1f-4d8e-9a3b-7f6c5d4e3b2a", ""); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	w := put(t, s, "acme", `{"profile":"rooms"}`)
	if w.Organization.Profile != "rooms" || w.Organization.State.Tenant == "" {
		t.Errorf("one of two changes was lost: %+v", w.Organization)
	}
}

func TestWhoAlwaysLosesIsToldSo(t *testing.T) {
	s, r, _ := organizations()
	r.before = func(_ string, c state.Change) error {
		if c.Action == state.Insert {
			return &state.ChangeError{Err: state.ErrExists}
		}
		return nil
	}
	if _, err := s.Change(t.Context(), "acme", to(t, "acme", `{"profile":"rooms"}`)); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("got %v", err)
	}
}

// The index is written first: killed in between, there is an entry without an
// organisation, which lists skip, and never the other way round.
func TestAKillBetweenIndexAndRowLeavesNothingThatListsMiss(t *testing.T) {
	s, r, _ := organizations()
	killed := errors.New("killed")
	r.before = func(_ string, c state.Change) error {
		if c.Action == state.Insert {
			return killed
		}
		return nil
	}
	if _, err := s.Change(t.Context(), "acme", to(t, "acme", `{"profile":"rooms"}`)); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	items, next, err := s.List(t.Context(), "", 10)
	if len(items) != 0 || next != "" || err != nil {
		t.Errorf("half an organisation is listed: %v %q %v", items, next, err)
	}
	r.before = nil
	put(t, s, "acme", `{"profile":"rooms"}`)
	if items, _, err = s.List(t.Context(), "", 10); len(items) != 1 || err != nil {
		t.Errorf("after the repeat: %v %v", items, err)
	}
}

func TestListsAreInOrderAndCompleteForEveryPageSize(t *testing.T) {
	s, _, _ := organizations()
	want := []string{"0", "A", "acme", "acme-1", "acme.x", "acme0", "acme_", "b", "z"}
	for _, id := range []string{"z", "acme", "acme_", "0", "acme.x", "b", "acme-1", "A", "acme0", "gone", "acme-gone"} {
		put(t, s, id, `{"profile":"rooms"}`)
	}
	for _, id := range []string{"gone", "acme-gone"} {
		if err := s.Delete(t.Context(), id, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		for after := ""; ; {
			items, next, err := s.List(t.Context(), after, limit)
			if err != nil || len(items) > limit {
				t.Fatal(len(items), err)
			}
			for _, o := range items {
				got = append(got, o.ID)
			}
			if after = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %d (-want +got)\n%s", limit, diff)
		}
	}
}

func TestDeletingKeepsTheTenantButNobodysAddress(t *testing.T) {
	s, r, _ := organizations()
	put(t, s, "acme", `{"profile":"rooms","alerts":{"emails":["a@b.example"]}}`)
	refused := errors.New("refused")
	if err := s.Delete(t.Context(), "acme", func(string) error { return refused }); err != refused {
		t.Errorf("got %v", err)
	}
	if err := s.Delete(t.Context(), "acme", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	row := r.stored[place("organizations", "acme", "")]
	if strings.Contains(string(row.Props["settings"].([]byte)), "@") || row.Props["deleted"] != true {
		t.Errorf("left: %v", row.Props)
	}
	if err := s.Delete(t.Context(), "acme", func(string) error { return nil }); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if w := put(t, s, "acme", `{"profile":"rooms"}`); !w.Created {
		t.Error("made again, but not as new")
	}
}

// design.md, Operator: bound by hand, in the ledger as such.
func TestEveryBindingIsInTheLedgerBeforeItHolds(t *testing.T) {
	s, r, clock := organizations()
	const tenant = "0b6e7d2a-5c1f-4d8e-9a3b-7f6c5d4e3b2a"
	put(t, s, "acme", `{"profile":"training"}`)
	down := errors.New("down")
	r.before = func(table string, _ state.Change) error {
		if strings.HasPrefix(table, "ledger") {
			return down
		}
		return nil
	}
	if _, err := s.Bind(t.Context(), "acme", tenant, "note"); !errors.Is(err, down) {
		t.Fatalf("got %v", err)
	}
	if o, _, _ := s.Get(t.Context(), "acme"); o.State.Tenant != "" {
		t.Error("bound without a trace")
	}
	r.before = nil
	for _, tenant := range []string{tenant, tenant, "", ""} { // each second one changes nothing
		clock.now = clock.now.Add(time.Second)
		if _, err := s.Bind(t.Context(), "acme", tenant, "note"); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for at, e := range r.stored {
		if strings.HasPrefix(at, "ledger202611|") {
			got = append(got, e.Props["doc"].(string))
		}
	}
	slices.Sort(got)
	want := []string{
		`{"at":"2026-11-21T09:00:01Z","operation":"bind","by":"operator","tenant":"` + tenant + `","note":"note"}`,
		`{"at":"2026-11-21T09:00:03Z","operation":"unbind","by":"operator","tenant":"` + tenant + `","note":"note"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := s.Bind(t.Context(), "nobody", tenant, ""); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("unknown organisation: %v", err)
	}
}

// write-path.md section 1: caches of organisations live at most 15 s.
func TestACachedOrganisationIsAtMostFifteenSecondsOld(t *testing.T) {
	s, r, clock := organizations()
	cached := state.NewCachedOrganizations(s, clock.Now)
	if _, err := cached.Organization(t.Context(), "acme"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	put(t, s, "acme", `{"profile":"rooms","alerts":{"emails":["a@b.example"]}}`)
	o, err := cached.Organization(t.Context(), "acme")
	if err != nil || !o.Sync {
		t.Fatalf("absence was remembered: %+v, %v", o, err)
	}
	o.Alerts.Emails[0] = "changed"
	put(t, s, "acme", `{"profile":"rooms","sync":false}`)
	clock.now = clock.now.Add(state.CacheTime - 1)
	reads := r.reads
	if o, err = cached.Organization(t.Context(), "acme"); err != nil || !o.Sync || o.Alerts.Emails[0] != "a@b.example" || r.reads != reads {
		t.Errorf("just before: %+v, %v, %d reads", o, err, r.reads-reads)
	}
	clock.now = clock.now.Add(1)
	if o, err = cached.Organization(t.Context(), "acme"); err != nil || o.Sync {
		t.Errorf("after 15 s: %+v, %v", o, err)
	}
	clock.now = clock.now.Add(-time.Hour)
	if err := s.Delete(t.Context(), "acme", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := cached.Organization(t.Context(), "acme"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a clock set back keeps old rows: %v", err)
	}
}

const acmeTenant = "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a01"

// identity.md section 2: credentials are keyed by (tenant, consent version).
func TestANewConsentIsAnotherVersionOfItsTenant(t *testing.T) {
	s, r, clock := organizations()
	cached := state.NewCachedOrganizations(s, clock.Now)
	put(t, s, "acme", `{"profile":"training"}`)
	put(t, s, "sister", `{"profile":"training"}`)
	see := func() string {
		t.Helper()
		clock.now = clock.now.Add(time.Minute)
		for _, id := range []string{"acme", "sister"} {
			if _, err := cached.Organization(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		reads := r.reads
		version := cached.ConsentVersion(acmeTenant)
		if r.reads != reads {
			t.Error("the version was read from a table")
		}
		return version
	}
	bind := func(id, to string) {
		t.Helper()
		if _, err := s.Bind(t.Context(), id, to, ""); err != nil {
			t.Fatal(err)
		}
	}
	if v := see(); v != "" {
		t.Errorf("nobody consented: %q", v)
	}
	bind("acme", acmeTenant)
	first := see()
	if again := see(); first == "" || again != first {
		t.Errorf("%q, then %q", first, again)
	}
	bind("sister", acmeTenant)
	second := see()
	if second == first {
		t.Error("another organisation's consent is no other version")
	}
	bind("sister", "")
	if v := see(); v != second {
		t.Errorf("back to %q from %q: an older token would be taken again", v, second)
	}
	if v := cached.ConsentVersion("another"); v != "" {
		t.Errorf("of an unknown tenant: %q", v)
	}
}

func TestTheOrganisationsOfATenantAreThoseBoundToItNow(t *testing.T) {
	s, r, _ := organizations()
	for _, id := range []string{"a", "b", "c"} {
		put(t, s, id, `{"profile":"training"}`)
		if _, err := s.Bind(t.Context(), id, acmeTenant, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Bind(t.Context(), "b", "", ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "c", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	// A kill between the index and the organisation leaves no organisation out.
	put(t, s, "d", `{"profile":"training"}`)
	r.before = func(_ string, c state.Change) error {
		if c.Entity.Partition == "d" {
			return errors.New("killed")
		}
		return nil
	}
	if _, err := s.Bind(t.Context(), "d", acmeTenant, ""); err == nil {
		t.Fatal("it was not killed")
	}
	r.before = nil
	found := func() (ids []string) {
		t.Helper()
		all, err := s.OfTenant(t.Context(), acmeTenant)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range all {
			ids = append(ids, o.ID)
		}
		return ids
	}
	if got := found(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("found %v", got)
	}
	if _, err := s.Bind(t.Context(), "d", acmeTenant, ""); err != nil {
		t.Fatal(err)
	}
	if got := found(); !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("found %v", got)
	}
}

func TestWhatIsUnderWayComesBack(t *testing.T) {
	s, _, clock := organizations()
	put(t, s, "acme", `{"profile":"travel"}`)
	want := organization.State{Consent: "pending-approval", AdminTenant: acmeTenant, BoundAttempt: "x",
		Attempt: organization.Attempt{ID: "a", Started: clock.now, Tenant: acmeTenant, Domain: "acme.example", Offered: clock.now, AdminRole: true, Scopes: []string{"User.Read"}},
		Decided: organization.Decision{Attempt: "b", Approve: true, At: clock.now},
		Doubt:   organization.Doubt{Since: clock.now, Seen: []organization.Seen{{Lane: "l", Sign: organization.SignRefused, Good: true}}}}
	_, err := s.Change(t.Context(), "acme", func(o *organization.Organization, _ string) (organization.Organization, error) {
		next := o.Clone()
		next.State = want
		return next, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := s.Get(t.Context(), "acme")
	if diff := cmp.Diff(want, o.State); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if shown, err := o.MarshalJSON(); err != nil || strings.Contains(string(shown), "acme.example") {
		t.Errorf("%v, a GET of the organisation shows %s", err, shown)
	}
}
