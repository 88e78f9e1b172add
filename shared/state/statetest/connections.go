package statetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// RunRows runs what is kept of connections, links, sessions, flows and the agenda of
// refreshes over a state.Tables: the rules of each are kept by its transactions, so
// they are shown on every backend. The tables that open returns may share one store.
func RunRows(t *testing.T, open func(t *testing.T) state.Tables) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, tables state.Tables)
	}{
		{"a connection comes back as it was stored", testConnection},
		{"a connection is found by its id, and by its person", testConnectionFound},
		{"one connection of a person is primary, whoever writes", testPrimary},
		{"of many who make theirs primary one wins", testPrimaryRace},
		{"the first of a person's connections is primary, added at once or not", testAddRace},
		{"a stale version writes nothing", testConnectionConflict},
		{"tokens are saved alone, and large ones too", testTokens},
		{"tokens that are destroyed leave nothing behind", testTokensDestroyed},
		{"a deleted connection is gone everywhere", testConnectionDeleted},
		{"a list comes in pages that miss nobody", testConnectionList},
		{"a link comes back, newest first in its list", testLinks},
		{"ended links stay ended", testLinksEnd},
		{"a session comes back", testSessions},
		{"a flow is used once", testFlows},
		{"what a flow keeps sealed is destroyed when it has ended", testUnseal},
		{"a refresh is on the agenda until it is taken", testKeepAlive},
		{"ids from outside name nothing by accident", testOddIDs},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
	for _, test := range downsyncTests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 123456700, time.UTC)

func randomKey(t *testing.T) key.Key {
	t.Helper()
	k, err := key.Parse(key.Random())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// freshOrganization is one that no other test uses.
func freshOrganization() string { return "o-" + key.Random() }

func sample(t *testing.T, organization, user string) connection.Connection {
	t.Helper()
	return connection.Connection{ID: randomKey(t), Organization: organization, User: user, Delegated: true, Email: "Aino@acme.example",
		Account: connection.Account{Tenant: "3d5c2d4e-90fe-4f5c-8f1e-9f6a6f2f7a01", ObjectID: "9d6f7a1e-0000-4000-8000-000000000001", Name: "aino@acme.example"},
		Mailbox: "aino@acme.example", Direction: connection.Both, Scope: connection.ReadWrite, Granted: []string{"Calendars.ReadWrite", "User.Read"},
		Calendars: []connection.Calendar{{ID: "AAMk/+=", Name: "Työ \U0001F4C5"}}, State: connection.NeedsReauth, Cause: "700082", Correlation: "c-1",
		Since: noon, LastRefresh: noon.Add(-time.Hour), Created: noon.Add(-2 * time.Hour), SignedIn: noon.Add(-2 * time.Hour), Failing: noon, Warned: 7,
		Lapses: 2, Claims: `{"access_token":{}}`}
}

func put(t *testing.T, c *state.Connections, x connection.Connection, sealed []byte) string {
	t.Helper()
	etag, err := c.Put(t.Context(), x, sealed, "")
	if err != nil {
		t.Fatal(err)
	}
	return etag
}

func laneOf(x connection.Connection) key.Key { return key.Lane(x.Organization, key.User, x.User) }

func testConnection(t *testing.T, tables state.Tables) {
	c := state.NewConnections(tables)
	x := sample(t, freshOrganization(), "u-17/ä")
	x.Primary = true
	etag := put(t, c, x, []byte("sealed"))
	got, err := c.Of(t.Context(), x.Organization, laneOf(x))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]state.Stored{{Connection: x, Sealed: []byte("sealed"), ETag: etag}}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := c.Put(t.Context(), x, nil, ""); !errors.Is(err, state.ErrExists) {
		t.Errorf("inserted twice: %v", err)
	}
	probe := connection.Connection{ID: randomKey(t), Organization: x.Organization, User: "by probe"}
	put(t, c, probe, nil)
	stored, err := c.Get(t.Context(), x.Organization, probe.ID)
	if err != nil || !stored.LastRefresh.IsZero() || len(stored.Sealed) != 0 || len(stored.Granted) != 0 || stored.Primary {
		t.Errorf("%v, %+v", err, stored)
	}
}

func testConnectionFound(t *testing.T, tables state.Tables) {
	c, organization := state.NewConnections(tables), freshOrganization()
	mine, theirs := sample(t, organization, "me"), sample(t, organization, "them")
	put(t, c, mine, nil)
	put(t, c, theirs, nil)
	if got, err := c.Get(t.Context(), organization, mine.ID); err != nil || got.User != "me" {
		t.Errorf("%v, %+v", err, got)
	}
	if all, err := c.Of(t.Context(), organization, laneOf(mine)); err != nil || len(all) != 1 || all[0].ID != mine.ID {
		t.Errorf("%v, %+v", err, all)
	}
	if _, err := c.Get(t.Context(), freshOrganization(), mine.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("another organisation's: %v", err)
	}
	if _, err := c.Get(t.Context(), organization, randomKey(t)); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("an unknown one: %v", err)
	}
	if all, err := c.Of(t.Context(), organization, key.Lane(organization, key.User, "nobody")); err != nil || len(all) != 0 {
		t.Errorf("nobody's: %v, %v", err, all)
	}
}

func primaries(t *testing.T, c *state.Connections, organization string, lane key.Key) (ids []key.Key) {
	t.Helper()
	all, err := c.Of(t.Context(), organization, lane)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if x.Primary {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

func testPrimary(t *testing.T, tables state.Tables) {
	c, organization := state.NewConnections(tables), freshOrganization()
	a, b := sample(t, organization, "me"), sample(t, organization, "me")
	lane := laneOf(a)
	a.Primary = true
	first := put(t, c, a, nil)
	put(t, c, b, nil)
	if got := primaries(t, c, organization, lane); !slices.Equal(got, []key.Key{a.ID}) {
		t.Fatalf("primary %v", got)
	}
	if err := c.SetPrimary(t.Context(), organization, lane, b.ID); err != nil {
		t.Fatal(err)
	}
	// A writer that read before that change does not undo it.
	a.State = connection.Connected
	if _, err := c.Put(t.Context(), a, nil, first); err != nil {
		t.Fatal(err)
	}
	if got := primaries(t, c, organization, lane); !slices.Equal(got, []key.Key{b.ID}) {
		t.Errorf("primary %v, want %v", got, b.ID)
	}
	if err := c.SetPrimary(t.Context(), organization, lane, randomKey(t)); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("an unknown one: %v", err)
	}
	if got := primaries(t, c, organization, lane); !slices.Equal(got, []key.Key{b.ID}) {
		t.Errorf("primary %v after a refusal", got)
	}
	inserted := sample(t, organization, "me")
	inserted.Primary = true
	put(t, c, inserted, nil)
	if got := primaries(t, c, organization, lane); !slices.Equal(got, []key.Key{inserted.ID}) {
		t.Errorf("primary %v, want the one that came as such", got)
	}
}

func testPrimaryRace(t *testing.T, tables state.Tables) {
	c, organization := state.NewConnections(tables), freshOrganization()
	var all []connection.Connection
	for range 5 {
		x := sample(t, organization, "me")
		put(t, c, x, nil)
		all = append(all, x)
	}
	var wg sync.WaitGroup
	for _, x := range all {
		wg.Go(func() {
			if err := c.SetPrimary(t.Context(), organization, laneOf(x), x.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := primaries(t, c, organization, laneOf(all[0])); len(got) != 1 {
		t.Errorf("primary: %v", got)
	}
}

func testAddRace(t *testing.T, tables state.Tables) {
	c, organization := state.NewConnections(tables), freshOrganization()
	lane := key.Lane(organization, key.User, "me")
	var wg sync.WaitGroup
	for range 3 {
		x := sample(t, organization, "me")
		wg.Go(func() {
			_, err := c.Add(t.Context(), organization, lane, func(all []state.Stored) (connection.Connection, []byte, error) { return x, []byte("s"), nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := c.Of(t.Context(), organization, lane)
	if got := primaries(t, c, organization, lane); err != nil || len(all) != 3 || len(got) != 1 {
		t.Errorf("%v, %d connections, primary: %v", err, len(all), got)
	}
}

func testConnectionConflict(t *testing.T, tables state.Tables) {
	c, x := state.NewConnections(tables), sample(t, freshOrganization(), "me")
	first := put(t, c, x, []byte("one"))
	x.State = connection.Connected
	second, err := c.Put(t.Context(), x, nil, first)
	if err != nil || second == first || second == "" {
		t.Fatalf("%v, ETag %q after %q", err, second, first)
	}
	x.State = connection.Paused
	if _, err := c.Put(t.Context(), x, []byte("two"), first); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("put: %v", err)
	}
	if _, err := c.SaveTokens(t.Context(), x.Organization, laneOf(x), x.ID, []byte("two"), first, noon, nil); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("tokens: %v", err)
	}
	if err := c.Delete(t.Context(), x.Organization, laneOf(x), x.ID, first, key.Key{}); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("delete: %v", err)
	}
	got, err := c.Get(t.Context(), x.Organization, x.ID)
	if err != nil || got.State != connection.Connected || string(got.Sealed) != "one" || got.ETag != second {
		t.Errorf("%v, %+v", err, got)
	}
	if _, err := c.Put(t.Context(), sample(t, x.Organization, "me"), nil, first); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("an update of nothing: %v", err)
	}
}

func testTokens(t *testing.T, tables state.Tables) {
	c, x := state.NewConnections(tables), sample(t, freshOrganization(), "me")
	etag := put(t, c, x, []byte("first"))
	large := make([]byte, 200<<10) // more than a property holds
	for i := range large {
		large[i] = byte(i * i >> 3)
	}
	at := noon.Add(time.Hour)
	etag, err := c.SaveTokens(t.Context(), x.Organization, laneOf(x), x.ID, large, etag, at, []string{"Calendars.Read"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Get(t.Context(), x.Organization, x.ID)
	want := x
	want.LastRefresh, want.Granted = at, []string{"Calendars.Read"}
	if diff := cmp.Diff(state.Stored{Connection: want, Sealed: large, ETag: etag}, got); err != nil || diff != "" {
		t.Fatalf("%v (-want +got)\n%.500s", err, diff)
	}
	if _, err := c.SaveTokens(t.Context(), x.Organization, laneOf(x), x.ID, []byte("small"), etag, at, nil); err != nil {
		t.Fatal(err)
	}
	if got, err = c.Get(t.Context(), x.Organization, x.ID); err != nil || string(got.Sealed) != "small" || !slices.Equal(got.Granted, want.Granted) {
		t.Errorf("%v, %d bytes, granted %v", err, len(got.Sealed), got.Granted)
	}
	// A change of the connection keeps them.
	if _, err := c.Put(t.Context(), got.Connection, nil, got.ETag); err != nil {
		t.Fatal(err)
	}
	if got, err = c.Get(t.Context(), x.Organization, x.ID); err != nil || string(got.Sealed) != "small" || !got.LastRefresh.Equal(at) {
		t.Errorf("%v, %q", err, got.Sealed)
	}
	if _, err := c.SaveTokens(t.Context(), x.Organization, laneOf(x), randomKey(t), nil, "", at, nil); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("tokens of nothing: %v", err)
	}
}

func testTokensDestroyed(t *testing.T, tables state.Tables) {
	c, x := state.NewConnections(tables), sample(t, freshOrganization(), "me")
	etag := put(t, c, x, make([]byte, 150<<10))
	if _, err := c.Put(t.Context(), x, []byte{}, etag); err != nil {
		t.Fatal(err)
	}
	row, err := tables.Get(t.Context(), "connections", x.Organization, laneOf(x).String()+x.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range row.Props {
		if chunk, ok := value.([]byte); ok && name != "doc" && len(chunk) > 0 {
			t.Errorf("%s still has %d bytes", name, len(chunk))
		}
	}
}

func testConnectionDeleted(t *testing.T, tables state.Tables) {
	c, organization := state.NewConnections(tables), freshOrganization()
	a, b := sample(t, organization, "me"), sample(t, organization, "me")
	lane := laneOf(a)
	a.Primary = true
	put(t, c, a, nil)
	put(t, c, b, nil)
	if err := c.Delete(t.Context(), organization, lane, a.ID, "", b.ID); err != nil {
		t.Fatal(err)
	}
	if got := primaries(t, c, organization, lane); !slices.Equal(got, []key.Key{b.ID}) {
		t.Errorf("primary %v, want the next one", got)
	}
	if _, err := c.Get(t.Context(), organization, a.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("found: %v", err)
	}
	if err := c.Delete(t.Context(), organization, lane, a.ID, "", key.Key{}); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if err := c.Delete(t.Context(), organization, lane, b.ID, "", key.Key{}); err != nil {
		t.Fatal(err)
	}
	rows, err := tables.Query(t.Context(), "connections", state.Span{Partition: organization})
	if err != nil || len(rows) != 0 {
		t.Errorf("%v, %d rows are left", err, len(rows))
	}
}

func testConnectionList(t *testing.T, tables state.Tables) {
	c, organization := state.NewConnections(tables), freshOrganization()
	want, primary := map[key.Key]bool{}, 0
	for i := range 12 {
		for range i%3 + 1 {
			x := sample(t, organization, fmt.Sprintf("u-%d", i))
			x.Primary = true
			put(t, c, x, nil)
			want[x.ID] = true
		}
	}
	for limit := 1; limit <= 24; limit += 4 {
		got, after, pages := map[key.Key]bool{}, "", 0
		primary = 0
		for {
			items, next, err := c.List(t.Context(), organization, after, limit)
			if err != nil || len(items) > limit {
				t.Fatalf("%v, %d items", err, len(items))
			}
			for _, x := range items {
				if got[x.ID] {
					t.Errorf("limit %d: %v twice", limit, x.ID)
				}
				got[x.ID] = true
				if x.Primary {
					primary++
				}
			}
			if pages++; next == "" {
				break
			}
			after = next
		}
		if !cmp.Equal(want, got) || primary != 12 || pages != (24+limit-1)/limit {
			t.Errorf("limit %d: %d of %d in %d pages, %d primary", limit, len(got), len(want), pages, primary)
		}
	}
	if _, _, err := c.List(t.Context(), organization, "x", 1); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("an odd place: %v", err)
	}
	if items, next, err := c.List(t.Context(), freshOrganization(), "", 10); err != nil || next != "" || len(items) != 0 {
		t.Errorf("of nobody: %v, %v, %q", err, items, next)
	}
}
