package statetest

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/state"
)

func testLinks(t *testing.T, tables state.Tables) {
	s, organization := state.NewLinks(tables), freshOrganization()
	var want []string
	for i := range 3 {
		l := state.Link{ID: key.Random(), Role: state.EntraAdmin, Organization: organization, Email: "a@acme.example", Locale: "fi",
			ReturnURL: "https://app.example/", By: "Aino", Created: noon.Add(time.Duration(i) * time.Minute), Expires: noon.Add(time.Hour)}
		etag, err := s.Put(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		l.ETag = etag
		if got, err := s.Get(t.Context(), l.ID); err != nil || !cmp.Equal(l, got) {
			t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(l, got))
		}
		want = append([]string{l.ID}, want...)
	}
	other := state.Link{ID: key.Random(), Role: state.OrgAdmin, Organization: organization, Created: noon, Expires: noon}
	if _, err := s.Put(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	var got []string
	for l, err := range s.Of(t.Context(), organization, state.EntraAdmin) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, l.ID)
	}
	if !cmp.Equal(want, got) {
		t.Errorf("(-want +got)\n%s", cmp.Diff(want, got))
	}
	if _, err := s.Get(t.Context(), key.Random()); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("an unknown one: %v", err)
	}
	other.ETag = ""
	if _, err := s.Put(t.Context(), other); !errors.Is(err, state.ErrExists) {
		t.Errorf("inserted twice: %v", err)
	}
}

func testLinksEnd(t *testing.T, tables state.Tables) {
	s, organization := state.NewLinks(tables), freshOrganization()
	ids := map[string]string{}
	for _, name := range []string{"old", "over", "new"} {
		l := state.Link{ID: key.Random(), Role: state.EntraAdmin, Organization: organization, Created: noon, Expires: noon.Add(time.Hour)}
		if name == "over" {
			l.Expires = noon
		}
		if _, err := s.Put(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		ids[name] = l.ID
	}
	for range 2 {
		if err := s.End(t.Context(), organization, state.EntraAdmin, ids["new"], noon.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	for name, ended := range map[string]time.Time{"old": noon.Add(time.Minute), "over": {}, "new": {}} {
		l, err := s.Get(t.Context(), ids[name])
		if err != nil || !l.Ended.Equal(ended) {
			t.Errorf("%s: %v, ended %v, want %v", name, err, l.Ended, ended)
		}
	}
	// Whoever read it before does not bring it back.
	l, err := s.Get(t.Context(), ids["new"])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.End(t.Context(), organization, state.EntraAdmin, "", noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	l.Opened = noon
	if _, err := s.Put(t.Context(), l); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("a stale write: %v", err)
	}
}

func testSessions(t *testing.T, tables state.Tables) {
	s := state.NewSessions(tables)
	x := state.Session{ID: key.Random(), Browser: "b", Role: state.LinkUser, Organization: "acme", User: "u", Email: "u@acme.example", Locale: "fi",
		ReturnURL: "https://app.example/", Link: key.Random(), Created: noon, Expires: noon.Add(time.Hour)}
	etag, err := s.Put(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	x.ETag = etag
	if got, err := s.Get(t.Context(), x.ID); err != nil || !cmp.Equal(x, got) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(x, got))
	}
	x.Expires = noon
	if x.ETag, err = s.Put(t.Context(), x); err != nil || x.ETag == etag {
		t.Errorf("%v, ETag %q", err, x.ETag)
	}
	x.ETag = etag
	if _, err := s.Put(t.Context(), x); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("a stale write: %v", err)
	}
	if _, err := s.Get(t.Context(), key.Random()); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("an unknown one: %v", err)
	}
}

func testFlows(t *testing.T, tables state.Tables) {
	s, organization := state.NewFlows(tables), freshOrganization()
	if _, err := s.Latest(t.Context(), organization, "connect", "u"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("none yet: %v", err)
	}
	f := state.Flow{ID: key.Random(), Kind: "connect", Organization: organization, User: "u", Link: "l", Session: "s", Browser: "b", State: "st",
		Created: noon, Expires: noon.Add(time.Hour), Step: "left", Detail: []byte(`{"a":1}`), Sealed: make([]byte, 100<<10)}
	f.Sealed[99] = 1
	etag, err := s.Put(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	f.ETag = etag
	for name, read := range map[string]func() (state.Flow, error){
		"by id":  func() (state.Flow, error) { return s.Get(t.Context(), f.ID) },
		"latest": func() (state.Flow, error) { return s.Latest(t.Context(), organization, "connect", "u") },
	} {
		if got, err := read(); err != nil || !cmp.Equal(f, got) {
			t.Errorf("%s: %v (-want +got)\n%.500s", name, err, cmp.Diff(f, got))
		}
	}
	used := f
	used.Used, used.Sealed = noon, nil
	if used.ETag, err = s.Put(t.Context(), used); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), f); !errors.Is(err, state.ErrPrecondition) {
		t.Errorf("used twice: %v", err)
	}
	if got, err := s.Get(t.Context(), f.ID); err != nil || len(got.Sealed) != 0 || !got.Used.Equal(noon) {
		t.Errorf("%v, %d secret bytes are left, used %v", err, len(got.Sealed), got.Used)
	}
	next := state.Flow{ID: key.Random(), Kind: "connect", Organization: organization, User: "u", Created: noon, Expires: noon}
	if _, err := s.Put(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Latest(t.Context(), organization, "connect", "u"); err != nil || got.ID != next.ID {
		t.Errorf("%v, latest %s", err, got.ID)
	}
	if _, err := s.Latest(t.Context(), organization, "consent", "u"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("of another kind: %v", err)
	}
}

func testUnseal(t *testing.T, tables state.Tables) {
	s, organization := state.NewFlows(tables), freshOrganization()
	start := noon.AddDate(1+rand.IntN(100), 0, rand.IntN(365)) // an agenda of its own
	put := func(f state.Flow) state.Flow {
		t.Helper()
		etag, err := s.Put(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		f.ETag = etag
		return f
	}
	flow := func(minutes int) state.Flow {
		return state.Flow{ID: key.Random(), Kind: "connect", Organization: organization, User: "u", Created: start,
			Expires: start.Add(time.Duration(minutes) * time.Minute), Detail: []byte(`{"a":1}`), Sealed: []byte("tokens")}
	}
	run := func(at time.Time) {
		t.Helper()
		for slot := range 4 {
			found, err := s.Sealed(t.Context(), at.Add(-time.Duration(slot)*state.SealedSlot))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				if err := s.Unseal(t.Context(), f, at); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	sealed := func(f state.Flow) string {
		t.Helper()
		got, err := s.Get(t.Context(), f.ID)
		if err != nil || string(got.Detail) != `{"a":1}` || !got.Expires.Equal(f.Expires) {
			t.Fatalf("%v: %+v", err, got)
		}
		return string(got.Sealed)
	}
	ended, open, longer, answered := put(flow(10)), put(flow(30)), put(flow(10)), put(flow(10))
	longer.Expires = longer.Expires.Add(2 * time.Hour)
	longer = put(longer)
	answered.Sealed = nil
	answered = put(answered)
	run(start.Add(20 * time.Minute))
	for name, tt := range map[string]struct {
		f    state.Flow
		want string
	}{"ended": {ended, ""}, "not ended": {open, "tokens"}, "made longer": {longer, "tokens"}, "answered": {answered, ""}} {
		if got := sealed(tt.f); got != tt.want {
			t.Errorf("%s: %q is left", name, got)
		}
	}
	run(start.Add(2 * time.Hour))
	if got := sealed(open) + sealed(longer); got != "tokens" {
		t.Errorf("then %q is left", got)
	}
	run(start.Add(3 * time.Hour))
	if got := sealed(longer); got != "" {
		t.Errorf("at last %q is left", got)
	}
	for hour := range 4 {
		if found, err := s.Sealed(t.Context(), start.Add(time.Duration(hour)*time.Hour)); err != nil || len(found) > 0 {
			t.Errorf("hour %d: %v, %d are on the agenda for ever", hour, err, len(found))
		}
	}
}

func testKeepAlive(t *testing.T, tables state.Tables) {
	d, organization := state.NewDue(tables), freshOrganization()
	lane, id := key.Lane(organization, key.User, "u"), randomKey(t)
	mine := func() (found []state.KeepAlive) {
		all, err := d.KeepAlives(t.Context(), noon.Add(59*time.Minute)) // the same slot
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if k.Organization == organization {
				found = append(found, k)
			}
		}
		return found
	}
	for range 2 {
		if err := d.AddKeepAlive(t.Context(), noon, organization, lane, id); err != nil {
			t.Fatal(err)
		}
	}
	found := mine()
	if len(found) != 1 || found[0].Lane != lane || found[0].Connection != id {
		t.Fatalf("found %+v", found)
	}
	if len(mine()) != 1 {
		t.Error("reading took it away: a kill would lose it")
	}
	for range 2 {
		if err := d.KeepAliveDone(t.Context(), found[0]); err != nil {
			t.Error(err)
		}
	}
	if left := mine(); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func testOddIDs(t *testing.T, tables state.Tables) {
	organization := freshOrganization()
	links, flows := state.NewLinks(tables), state.NewFlows(tables)
	if _, err := links.Put(t.Context(), state.Link{ID: key.Random(), Role: state.OrgAdmin, Organization: organization, Created: noon}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "-" + organization, "a/b", "a b", "a\x00", "ä", "a'b", string(make([]byte, 2000))} {
		if _, err := links.Get(t.Context(), id); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("link %.20q: %v", id, err)
		}
		if _, err := flows.Get(t.Context(), id); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("flow %.20q: %v", id, err)
		}
		if _, err := state.NewSessions(tables).Get(t.Context(), id); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("session %.20q: %v", id, err)
		}
	}
}
