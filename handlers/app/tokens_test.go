package app

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

var created = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func TestRowsKeepTheTokensOfConnections(t *testing.T) {
	rows := state.NewConnections(tables.NewStore(time.Now).Direct())
	c := connection.Connection{ID: key.Of("connection", "1"), Organization: "acme", User: "vera", Delegated: true, Created: created, SignedIn: created,
		Account:   connection.Account{Tenant: "11111111-1111-4111-8111-111111111111", ObjectID: "aaaaaaaa-aaaa-4aaa-8aaa-000000000001"},
		Direction: connection.Down, Scope: connection.Busy, Granted: []string{"Calendars.ReadWrite"}, State: connection.Connected}
	long := bytes.Repeat([]byte("sealed"), 20_000)
	if _, err := rows.Put(t.Context(), c, long, ""); err != nil {
		t.Fatal(err)
	}
	store := tokenRows{rows}
	ref := identity.Ref{Organization: "acme", Lane: key.Lane("acme", key.User, "vera"), Connection: c.ID}
	got, err := store.Tokens(t.Context(), ref)
	if err != nil || got.Tenant != c.Account.Tenant || got.ObjectID != c.Account.ObjectID || !bytes.Equal(got.Sealed, long) || !slices.Equal(got.Scopes, c.Granted) {
		t.Fatalf("%v, %v", got.Scopes, err)
	}
	save := identity.TokenSave{Sealed: []byte("shorter"), Refreshed: created.Add(time.Hour), Granted: []string{"Calendars.ReadBasic"}}
	if err := store.SaveTokens(t.Context(), ref, save, got.ETag); err != nil {
		t.Fatal(err)
	}
	if err := store.SaveTokens(t.Context(), ref, save, got.ETag); !errors.Is(err, identity.ErrConnectionChanged) {
		t.Errorf("an old ETag: %v", err)
	}
	if got, err = store.Tokens(t.Context(), ref); err != nil || string(got.Sealed) != "shorter" || !slices.Equal(got.Scopes, save.Granted) {
		t.Errorf("%d bytes, %v, %v", len(got.Sealed), got.Scopes, err)
	}
	row, err := rows.Get(t.Context(), "acme", c.ID)
	if err != nil || !row.LastRefresh.Equal(save.Refreshed) || row.Direction != c.Direction {
		t.Errorf("%+v, %v", row.Connection, err)
	}
	if err := rows.Delete(t.Context(), "acme", ref.Lane, c.ID, "", key.Key{}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Tokens(t.Context(), ref); !errors.Is(err, identity.ErrNoConnection) {
		t.Errorf("gone: %v", err)
	}
	if err := store.SaveTokens(t.Context(), ref, save, got.ETag); !errors.Is(err, identity.ErrNoConnection) {
		t.Errorf("saved a row that has gone: %v", err)
	}
}

func TestARefreshAsksForWhatWasGrantedByThatName(t *testing.T) {
	for _, tt := range []struct {
		direction connection.Direction
		scope     connection.Scope
		granted   []string
		want      []string
	}{
		{connection.Down, connection.Busy, []string{"Calendars.ReadBasic", "User.Read"}, []string{"Calendars.ReadBasic"}},
		{connection.Down, connection.Busy, []string{"Calendars.ReadWrite", "User.Read"}, []string{"Calendars.ReadWrite"}},
		{connection.Down, connection.Shared, []string{"Calendars.Read", "Calendars.Read.Shared"}, []string{"Calendars.Read", "Calendars.Read.Shared"}},
		{connection.Both, connection.ReadWrite, []string{"Calendars.ReadWrite", "Calendars.Read"}, []string{"Calendars.ReadWrite"}},
		{connection.None, connection.Busy, []string{"Calendars.ReadBasic"}, []string{"Calendars.ReadBasic"}},
		{connection.Up, connection.ReadWrite, []string{"Calendars.Read"}, []string{"Calendars.Read"}},
	} {
		got := refreshed(connection.Connection{Direction: tt.direction, Scope: tt.scope, Granted: tt.granted})
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %s of %v: %v, want %v", tt.direction, tt.scope, tt.granted, got, tt.want)
		}
	}
}

// Who disconnects while a refresh is under way stays disconnected: the answer of Entra
// comes too late to be kept.
func TestADisconnectDuringARefreshIsNotUndone(t *testing.T) {
	rows := state.NewConnections(tables.NewStore(time.Now).Direct())
	c := connection.Connection{ID: key.Of("connection", "1"), Organization: "acme", User: "vera", Delegated: true, Created: created, SignedIn: created,
		Account: connection.Account{Tenant: "11111111-1111-4111-8111-111111111111", ObjectID: "aaaaaaaa-aaaa-4aaa-8aaa-000000000001"}, Direction: connection.Up,
		State: connection.Connected}
	etag, err := rows.Put(t.Context(), c, []byte("sealed"), "")
	if err != nil {
		t.Fatal(err)
	}
	store, ref := tokenRows{rows}, identity.Ref{Organization: "acme", Lane: key.Lane("acme", key.User, "vera"), Connection: c.ID}
	before, err := store.Tokens(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	c.State = connection.Disconnected
	if _, err := rows.Put(t.Context(), c, []byte{}, etag); err != nil {
		t.Fatal(err)
	}
	save := identity.TokenSave{Sealed: []byte("renewed"), Refreshed: created.Add(time.Hour)}
	if err := store.SaveTokens(t.Context(), ref, save, before.ETag); !errors.Is(err, identity.ErrConnectionChanged) {
		t.Errorf("saved: %v", err)
	}
	if _, err := store.Tokens(t.Context(), ref); !errors.Is(err, identity.ErrNoConnection) {
		t.Errorf("tokens of a disconnected connection: %v", err)
	}
	if row, err := rows.Get(t.Context(), "acme", c.ID); err != nil || len(row.Sealed) != 0 || row.State != connection.Disconnected {
		t.Errorf("%s with %d sealed bytes, %v", row.State, len(row.Sealed), err)
	}
}
