package state_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/tables"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
	"github.com/calbridge/calbridge/shared/version"
)

// Rows of every table as each version wrote them stand in testdata/v<version>/rows.json,
// and what that version then read of them in read.json. Both were made once by the code of
// that version (-update makes those of the current one) and are not touched again: a
// version that cannot read those of the one before breaks a rolling update.
var update = flag.Bool("update", false, "write the rows of the current version anew")

const acme = "acme"

var (
	noon  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	lane  = key.Lane(acme, key.User, "u-1")
	conn  = key.Of("test", "connection")
	wrote = key.Of("test", "delivery")
)

func clock() time.Time { return noon }

// storedRow is a row in a file, with the types of its properties.
type storedRow struct {
	Table, Partition, Row string
	Props                 map[string]typed
}

type typed struct {
	Type  string
	Value json.RawMessage
}

func pack(v any) typed {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return typed{fmt.Sprintf("%T", v), text}
}

func (p typed) unpack() any {
	kinds := map[string]any{"string": "", "bool": false, "int32": int32(0), "int64": int64(0), "float64": 0.5, "[]uint8": []byte(nil), "time.Time": time.Time{}}
	v := reflect.New(reflect.TypeOf(kinds[p.Type]))
	if err := json.Unmarshal(p.Value, v.Interface()); err != nil {
		panic(err)
	}
	return v.Elem().Interface()
}

// noted notes in which partitions something was written.
type noted struct {
	state.Tables
	at map[[2]string]bool
}

func (n noted) Apply(ctx context.Context, table string, changes []state.Change) ([]string, error) {
	if len(changes) > 0 {
		n.at[[2]string{table, changes[0].Entity.Partition}] = true
	}
	return n.Tables.Apply(ctx, table, changes)
}

// dump is every row that was written, in order.
func (n noted) dump(t *testing.T) (all []storedRow) {
	t.Helper()
	for at := range n.at {
		rows, err := n.Query(t.Context(), at[0], state.Span{Partition: at[1]})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range rows {
			row := storedRow{at[0], e.Partition, e.Row, map[string]typed{}}
			for name, v := range e.Props {
				row.Props[name] = pack(v)
			}
			all = append(all, row)
		}
	}
	slices.SortFunc(all, func(a, b storedRow) int {
		return strings.Compare(a.Table+"\x00"+a.Partition+"\x00"+a.Row, b.Table+"\x00"+b.Partition+"\x00"+b.Row)
	})
	return all
}

// load is a store with the rows of a file.
func load(t *testing.T, rows []storedRow) state.Tables {
	t.Helper()
	store := tables.NewStore(clock).Direct()
	for _, r := range rows {
		e := state.Entity{Partition: r.Partition, Row: r.Row, Props: map[string]any{}}
		for name, p := range r.Props {
			e.Props[name] = p.unpack()
		}
		if _, err := store.Apply(t.Context(), r.Table, []state.Change{{Action: state.Insert, Entity: e}}); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

func indent(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// file is a file of a version; with -update it is written first, for the current one.
func file(t *testing.T, v version.Version, name string, now any) []byte {
	t.Helper()
	path := filepath.Join("testdata", fmt.Sprintf("v%d", v), name)
	if *update && v == version.Current {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, indent(t, now), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// within reports what of want is not in got: a later version may read more.
func within(path string, want, got any) (missing []string) {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for name, v := range w {
			if name != "ETag" {
				missing = append(missing, within(path+"/"+name, v, g[name])...)
			}
		}
		return missing
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return []string{path}
		}
		for i, v := range w {
			missing = append(missing, within(fmt.Sprint(path, "/", i), v, g[i])...)
		}
		return missing
	}
	if !reflect.DeepEqual(want, got) {
		missing = append(missing, fmt.Sprintf("%s: want %v, got %v", path, want, got))
	}
	return missing
}

// parsed is a value as JSON has it.
func parsed(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A rolling update mixes builds: each reads the rows of its own version and of the one
// before as the build that wrote them did.
func TestRowsOfEveryTableAreReadByTheirVersionAndTheNext(t *testing.T) {
	store := noted{tables.NewStore(clock).Direct(), map[[2]string]bool{}}
	if err := write(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	now, err := read(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for v := max(1, version.Current-1); v <= version.Current; v++ {
		var rows []storedRow
		if err := json.Unmarshal(file(t, v, "rows.json", store.dump(t)), &rows); err != nil {
			t.Fatal(err)
		}
		want := parsed(t, file(t, v, "read.json", now))
		for own := v; own <= v+1; own++ {
			got, err := read(t.Context(), state.WithVersion(load(t, rows), own))
			if err != nil {
				t.Errorf("version %d does not read the rows of %d: %v", own, v, err)
				continue
			}
			for _, missing := range within("", want, parsed(t, indent(t, got))) {
				t.Errorf("version %d reads rows of %d otherwise: %s", own, v, missing)
			}
		}
		for _, table := range []string{"organizations", "people", "connections", "bookings", "lanes", "appointments", "cursors", "due", "links", "flows", "sessions", "ledger202611"} {
			if !slices.ContainsFunc(rows, func(r storedRow) bool { return r.Table == table }) {
				t.Errorf("no row of %s", table)
			}
		}
		for _, r := range rows {
			if written := r.Props["v"]; !bytes.Equal(written.Value, fmt.Append(nil, v)) {
				t.Errorf("%s %s says version %s", r.Table, r.Row, written.Value)
			}
		}
	}
}

// Rows of a newer version, and of one that is too old, are never taken for missing, empty
// or spoilt ones; a build of the version before does not overwrite what it cannot read.
func TestRowsOfAnotherVersionAreNeitherReadNorOverwritten(t *testing.T) {
	store := noted{tables.NewStore(clock).Direct(), map[[2]string]bool{}}
	if err := write(t.Context(), state.WithVersion(store, 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t.Context(), state.WithVersion(store, 2)); err != nil {
		t.Fatal(err)
	}
	before := indent(t, store.dump(t))
	for _, own := range []version.Version{1, 4} {
		all := state.WithVersion(store, own)
		_, err := read(t.Context(), all)
		for _, line := range strings.Split(err.Error(), "\n") {
			if !strings.Contains(line, "is of version 2") {
				t.Errorf("version %d: %s", own, line)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n < 30 || !version.Is(err) || errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrCorrupt) {
			t.Errorf("version %d: %d readers refuse: %v", own, n, err)
		}
	}
	if !bytes.Equal(before, indent(t, store.dump(t))) {
		t.Error("reading has changed rows")
	}
	// What is added without having been read leaves a row unreadable to whoever adds.
	old := state.NewLanes(state.WithVersion(store, 1))
	debt := state.Debt{Lane: state.Lane{Key: lane}, Delivery: wrote, Booking: "b", Due: noon, Nonce: state.NewDebt(noon)}
	if err := errors.Join(old.Owe(t.Context(), debt), old.SetNotBefore(t.Context(), lane, noon)); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Delivery(t.Context(), lane, wrote); !version.Is(err) {
		t.Errorf("version 1 reads a delivery of version 2 to which it has added: %v", err)
	}
	if _, _, _, err := old.Open(t.Context(), lane, noon, 10); !version.Is(err) {
		t.Errorf("version 1 opens a lane of version 2: %v", err)
	}
	d, err := state.NewLanes(state.WithVersion(store, 2)).Delivery(t.Context(), lane, wrote)
	if err != nil || d.Debt != debt.Nonce || d.Event != "AAMk=" {
		t.Errorf("version 2 reads %+v, %v", d, err)
	}
}

// One row that cannot be read does not hide the others of an agenda.
func TestAnAgendaGivesWhatCanBeReadOfIt(t *testing.T) {
	store := tables.NewStore(clock).Direct()
	for v, name := range map[version.Version]string{1: "one", 2: "two"} {
		if err := state.NewDue(state.WithVersion(store, v)).AddRenewal(t.Context(), state.Renewal{Organization: acme, Connection: key.Of(name), Session: name, At: noon}); err != nil {
			t.Fatal(err)
		}
	}
	for own, want := range map[version.Version]int{1: 1, 2: 2} {
		got, err := state.NewDue(state.WithVersion(store, own)).Renewals(t.Context(), noon)
		if len(got) != want || version.Is(err) != (own == 1) {
			t.Errorf("version %d: %v, %v", own, got, err)
		}
	}
}
