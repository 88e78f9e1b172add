package statetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

// downsyncTests are those of the rows of the way back.
var downsyncTests = []struct {
	name string
	run  func(t *testing.T, tables state.Tables)
}{
	{"a cursor comes back as it was stored, and is stored over its version only", testCursor},
	{"a cursor of a long round fits its row", testLongRound},
	{"what is known of events comes back, and goes", testAppointments},
	{"many records, and large ones, are stored", testManyAppointments},
	{"a turn is on the agenda of its slot until it is taken", testTurns},
	{"what is held is decided once, and goes", testHeld},
	{"a reading's progress comes back", testProgress},
}

func testCursor(t *testing.T, tables state.Tables) {
	rows, calendar := state.NewCursors(tables), state.CalendarKey(randomKey(t), "AAMk/+=")
	if none, err := rows.Get(t.Context(), calendar); err != nil || !cmp.Equal(none, state.Cursor{}) {
		t.Errorf("%v, %+v", err, none)
	}
	x := state.Cursor{Link: "https://graph.microsoft.com/v1.0/x?$deltatoken=" + strings.Repeat("å", 5000), From: noon, To: noon.AddDate(0, 6, 0), Roll: noon,
		Basis: "all/details", Bases: 2, Failures: 1, Trouble: 2, Shrunk: 3, Thinned: 4, Away: []string{"a"}, Round: &state.Round{Full: true, Next: "n", Delta: "d", Pages: 3, Stale: 1, News: 2, Empty: 1,
			Seen: []byte{1, 2, 3}, Overflow: true, Masters: []string{"m"}, Removed: []string{"r"}, Doubt: []string{"q"}, Gone: []byte{9}, Away: []string{"b"}, Unread: []string{"u"}, Found: 4,
			Approved: true, Restored: true}, Shown: []byte{7}, Unread: []state.Unread{{ID: "u", Since: noon}}}
	etag, err := rows.Put(t.Context(), calendar, x)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Put(t.Context(), calendar, x); !errors.Is(err, state.ErrExists) {
		t.Errorf("inserted twice: %v", err)
	}
	x.ETag = etag
	got, err := rows.Get(t.Context(), calendar)
	if diff := cmp.Diff(x, got); err != nil || diff != "" {
		t.Fatalf("%v (-want +got)\n%s", err, diff)
	}
	got.Round, got.Link = nil, "short"
	newer, err := rows.Put(t.Context(), calendar, got)
	if err != nil || newer == etag {
		t.Fatalf("%v, ETag %q", err, newer)
	}
	if _, err := rows.Put(t.Context(), calendar, x); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("over another version: %v", err)
	}
	if again, err := rows.Get(t.Context(), calendar); err != nil || again.Link != "short" || again.Round != nil {
		t.Errorf("%v, %+v", err, again)
	}
	for range 2 {
		if err := rows.Forget(t.Context(), calendar); err != nil {
			t.Error(err)
		}
	}
	if none, err := rows.Get(t.Context(), calendar); err != nil || none.ETag != "" {
		t.Errorf("%v, %+v", err, none)
	}
}

func testLongRound(t *testing.T, tables state.Tables) {
	rows, calendar := state.NewCursors(tables), state.CalendarKey(randomKey(t), "")
	x := state.Cursor{Round: &state.Round{Seen: make([]byte, 40_000*12), Gone: make([]byte, 10_000*8)}}
	for i := range x.Round.Seen {
		x.Round.Seen[i] = byte(i * i >> 5 * 7)
	}
	for i := range 500 {
		x.Round.Masters = append(x.Round.Masters, fmt.Sprintf("AAMk%0150d", i))
	}
	if _, err := rows.Put(t.Context(), calendar, x); err != nil {
		t.Fatal(err)
	}
	got, err := rows.Get(t.Context(), calendar)
	if err != nil || len(got.Round.Seen) != len(x.Round.Seen) || !cmp.Equal(got.Round.Masters, x.Round.Masters) {
		t.Errorf("%v, %d bytes", err, len(got.Round.Seen))
	}
}

func known(n int) state.Known {
	return state.Known{Event: fmt.Sprint("event ", n, "/ä"), Version: "W/\"x\"", Start: noon.Add(time.Duration(n) * time.Hour), End: noon.Add(time.Duration(n+1) * time.Hour), Hash: "h"}
}

func testAppointments(t *testing.T, tables state.Tables) {
	rows, calendar := state.NewAppointments(tables), state.CalendarKey(randomKey(t), "")
	one, two := known(1), known(2)
	single := state.Record{ID: one.Event, One: &one}
	series := state.Record{ID: "a series", Days: map[string]state.Known{"2026-11-23": two, "2026-11-30": known(3)}}
	if err := rows.Save(t.Context(), calendar, []state.Record{single, series, {ID: "never stored"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []state.Record{single, series} {
		got, err := rows.Get(t.Context(), calendar, want.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	}
	if _, err := rows.Get(t.Context(), calendar, "never stored"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := rows.Get(t.Context(), state.CalendarKey(randomKey(t), ""), single.ID); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("in another calendar: %v", err)
	}
	if all, err := rows.All(t.Context(), calendar); err != nil || len(all) != 2 {
		t.Errorf("%v, %d records", err, len(all))
	}
	// An event becomes a series under its id, and another is forgotten.
	if err := rows.Save(t.Context(), calendar, []state.Record{{ID: single.ID, Days: series.Days}, {ID: series.ID}}); err != nil {
		t.Fatal(err)
	}
	all, err := rows.All(t.Context(), calendar)
	if err != nil || len(all) != 1 || all[0].ID != single.ID || all[0].One != nil || len(all[0].Days) != 2 {
		t.Errorf("%v, %+v", err, all)
	}
	if err := rows.Clear(t.Context(), calendar); err != nil {
		t.Fatal(err)
	}
	if all, err := rows.All(t.Context(), calendar); err != nil || len(all) != 0 {
		t.Errorf("%v, %d records", err, len(all))
	}
}

func testManyAppointments(t *testing.T, tables state.Tables) {
	rows, calendar := state.NewAppointments(tables), state.CalendarKey(randomKey(t), "")
	var all []state.Record
	for i := range 230 {
		one := known(i)
		all = append(all, state.Record{ID: one.Event, One: &one})
	}
	for i := range 8 {
		r := state.Record{ID: fmt.Sprint("series ", i), Days: map[string]state.Known{}}
		for day := range 3000 {
			k := known(day)
			k.Event, k.Hash = key.Of("event", fmt.Sprint(i, day)).Hex()+key.Of("more", fmt.Sprint(i, day)).Hex(), key.Of("hash", fmt.Sprint(i, day)).String()
			r.Days[noon.AddDate(0, 0, day).Format(time.DateOnly)] = k
		}
		all = append(all, r)
	}
	if err := rows.Save(t.Context(), calendar, all); err != nil {
		t.Fatal(err)
	}
	if got, err := rows.All(t.Context(), calendar); err != nil || len(got) != len(all) {
		t.Errorf("%v, %d of %d records", err, len(got), len(all))
	}
	gone := make([]state.Record, len(all))
	for i, r := range all {
		gone[i].ID = r.ID
	}
	if err := rows.Save(t.Context(), calendar, gone[:100]); err != nil {
		t.Fatal(err)
	}
	if err := rows.Save(t.Context(), calendar, gone); err != nil { // those that are gone already are as good
		t.Fatal(err)
	}
	if got, err := rows.All(t.Context(), calendar); err != nil || len(got) != 0 {
		t.Errorf("%v, %d records are left", err, len(got))
	}
}

func testTurns(t *testing.T, tables state.Tables) {
	due := state.NewDue(tables)
	// A time that no other test's slots have.
	at := time.Unix(int64(randomKey(t)[0])*1_000_000+int64(randomKey(t)[1])*10_000, 0).UTC().AddDate(100, 0, 0).Truncate(state.SyncSlot)
	var turns []state.SyncTurn
	for range 130 {
		turns = append(turns, state.SyncTurn{Organization: "acme", Connection: randomKey(t), Session: key.Random(), At: at.Add(time.Minute)})
	}
	next := state.SyncTurn{Organization: "b", Connection: randomKey(t), Session: "s", At: at.Add(state.SyncSlot), Down: true}
	for range 2 { // again changes nothing
		if err := due.AddSyncs(t.Context(), append(turns[:len(turns):len(turns)], next)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := due.Syncs(t.Context(), at.Add(state.SyncSlot-time.Second))
	if err != nil || len(got) != len(turns) {
		t.Fatalf("%v, %d of %d", err, len(got), len(turns))
	}
	byKey := map[key.Key]state.SyncTurn{}
	for _, one := range got {
		byKey[one.Connection] = one
	}
	for _, want := range turns {
		if diff := cmp.Diff(want, byKey[want.Connection]); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	}
	if err := due.SyncsDone(t.Context(), turns[:50]); err != nil {
		t.Fatal(err)
	}
	if err := due.SyncsDone(t.Context(), turns); err != nil {
		t.Fatal(err)
	}
	if got, err := due.Syncs(t.Context(), at); err != nil || len(got) != 0 {
		t.Errorf("%v, %d are left", err, len(got))
	}
	if got, err := due.Syncs(t.Context(), next.At); err != nil || len(got) != 1 || got[0] != next {
		t.Errorf("%v, %+v", err, got)
	}
	if err := due.SetSyncRun(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if run, err := due.SyncRun(t.Context()); err != nil || !run.Equal(noon) {
		t.Errorf("%v, %v", err, run)
	}
	if err := due.SetSwept(t.Context(), noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if run, err := due.SyncRun(t.Context()); err != nil || !run.Equal(noon) {
		t.Errorf("the sweep moved the schedule: %v, %v", err, run)
	}
}

func testHeld(t *testing.T, tables state.Tables) {
	rows, organization := state.NewHeldRows(tables), freshOrganization()
	x := state.Held{Organization: organization, Connection: randomKey(t), Lane: randomKey(t), User: "u/ä", Calendar: "c", Since: noon, Removals: 11, Known: 40, Round: "r"}
	if _, err := rows.Get(t.Context(), organization, x.Connection); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := rows.Put(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if err := rows.Put(t.Context(), x); !errors.Is(err, state.ErrExists) {
		t.Errorf("held twice: %v", err)
	}
	got, err := rows.Get(t.Context(), organization, x.Connection)
	want := x
	want.ETag = got.ETag
	if diff := cmp.Diff(want, got); err != nil || diff != "" || got.ETag == "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	decided := got
	decided.Decision = state.HeldApprove
	if err := rows.Put(t.Context(), decided); err != nil {
		t.Fatal(err)
	}
	if err := rows.Put(t.Context(), decided); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("decided from an old version: %v", err)
	}
	other := x
	other.Connection = randomKey(t)
	if err := rows.Put(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	first, next, err := rows.List(t.Context(), organization, key.Key{}, 1)
	if err != nil || len(first) != 1 || next.IsZero() {
		t.Fatalf("%v, %d, %v", err, len(first), next)
	}
	second, end, err := rows.List(t.Context(), organization, next, 1)
	if err != nil || len(second) != 1 || !end.IsZero() || second[0].Connection == first[0].Connection {
		t.Errorf("%v, %+v, %v", err, second, end)
	}
	for range 2 {
		if err := rows.Release(t.Context(), organization, x.Connection); err != nil {
			t.Error(err)
		}
	}
	if all, _, err := rows.List(t.Context(), organization, key.Key{}, 10); err != nil || len(all) != 1 {
		t.Errorf("%v, %d", err, len(all))
	}
}

func testProgress(t *testing.T, tables state.Tables) {
	rows, id := state.NewProgresses(tables), randomKey(t)
	if none, err := rows.Get(t.Context(), id); err != nil || none.State != state.SyncNever {
		t.Errorf("%v, %+v", err, none)
	}
	x := state.Progress{State: state.SyncRunning, Cause: "c", Asked: noon, Began: noon, Ended: noon, Calendars: 3, Done: 1, Pages: 4, Found: 5, Ignored: 6,
		Read: []string{"", "a"}, Skipped: []string{"b"}}
	for range 2 {
		if err := rows.Put(t.Context(), id, x); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := rows.Get(t.Context(), id); err != nil || !cmp.Equal(x, got) {
		t.Errorf("%v, %+v", err, got)
	}
	for range 2 {
		if err := rows.Forget(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if none, err := rows.Get(t.Context(), id); err != nil || none.State != state.SyncNever {
		t.Errorf("%v, %+v", err, none)
	}
}
