package handlers

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// readers reads no calendar: what is asked of it is the real thing, without Graph.
type readers struct {
	*downsync.Syncer
	r *recorder
}

func (w *world) readings() readers {
	return readers{downsync.New(downsync.Effects{Tables: w.store, Bus: quiet{}, Organizations: fresh{w.orgs}},
		&downsync.Options{Now: w.clock.Now}), w.recorder}
}

func (r readers) Due(ctx context.Context) error { return r.r.note(ctx, "due", queue.Message{}) }

// planning puts an organisation that reads calendars, bound.
func (w *world) planning() {
	w.t.Helper()
	object(w.t, w.put("acme", `{"profile":"planning","module":true}`), 201)
	w.organizationBound("planning")
}

func (w *world) held(method, query, body string) reply {
	kind := ""
	if body != "" {
		kind = "application/json"
	}
	return w.web(method, "/api/organizations/acme/held"+query, kind, body)
}

func TestACalendarIsReadWhenSomebodyAsks(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.planning()
	c := w.connect("u-1", "aino", "Calendars.ReadWrite")
	id := "/" + c.ID.String()
	const none = `"sync":{"state":"never","calendars":0,"done":0,"found":0}`
	if r := w.at("GET", id, ""); !strings.Contains(r.body, none) {
		t.Errorf("before: %d %s", r.status, r.body)
	}
	const queued = `"sync":{"state":"queued","asked":"2026-11-21T09:00:00Z","calendars":0,"done":0,"found":0}`
	for range 2 {
		if r := w.at("POST", id+"/sync", ""); r.status != 202 || r.body != `{"id":"`+c.ID.String()+`",`+queued+`}` {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if r := w.at("GET", id, ""); !strings.Contains(r.body, queued) {
		t.Errorf("after: %d %s", r.status, r.body)
	}
	if r := w.at("GET", "", ""); strings.Contains(r.body, `"sync"`) {
		t.Errorf("the list costs a request for each: %s", r.body)
	}
}

func TestACalendarThatIsNotReadIsNotOrderedToBe(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.problem(w.at("POST", "/"+key.Random()+"/sync", ""), 404, "not-found")
	w.planning()
	w.problem(w.at("POST", "/"+key.Random()+"/sync", ""), 404, "not-found")
	w.problem(w.at("POST", "/x/sync", ""), 404, "not-found")
	w.problem(w.at("GET", "/"+key.Random()+"/sync", ""), 404, "not-found")
	c := w.connect("u-1", "aino", "Calendars.ReadWrite")
	id := "/" + c.ID.String()
	for _, d := range []connection.Direction{connection.Up, connection.None} {
		if r := w.at("PATCH", id, `{"direction":"`+string(d)+`"}`); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		w.problem(w.at("POST", id+"/sync", ""), 409, "conflict")
		if r := w.at("GET", id, ""); strings.Contains(r.body, `"sync"`) {
			t.Errorf("%s: %s", d, r.body)
		}
	}
	if r := w.at("PATCH", id, `{"direction":"down"}`); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	object(t, w.put("acme", `{"profile":"planning","sync":true,"module":false}`), 200)
	w.problem(w.at("POST", id+"/sync", ""), 409, "conflict")
}

func TestWhatTheBrakeHoldsIsListedAndDecided(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.problem(w.held("GET", "", ""), 404, "not-found")
	w.planning()
	if r := w.held("GET", "", ""); r.status != 200 || r.body != `{"items":[]}` {
		t.Errorf("nothing: %d %s", r.status, r.body)
	}
	ids := map[string]bool{}
	for _, name := range []string{"aino", "bo", "cy"} {
		c := w.connect("u-"+name, name, "Calendars.ReadWrite")
		ids[c.ID.String()] = true
		err := state.NewHeldRows(w.store).Put(t.Context(), state.Held{Organization: "acme", Connection: c.ID, User: c.User, Since: w.clock.Now(), Removals: 41, Known: 60})
		if err != nil {
			t.Fatal(err)
		}
	}
	var one heldView
	for query := "?limit=1"; ; {
		var page heldPage
		if err := json.Unmarshal([]byte(w.held("GET", query, "").body), &page); err != nil || len(page.Items) != 1 {
			t.Fatalf("%s: %+v %v", query, page, err)
		}
		one = page.Items[0]
		if !ids[one.Connection] || one.Removals != 41 || one.Known != 60 || one.Since != w.clock.Now() || !strings.HasPrefix(one.User, "u-") {
			t.Errorf("%+v", one)
		}
		delete(ids, one.Connection)
		if page.Next == "" {
			break
		}
		query = "?limit=1&after=" + page.Next
	}
	if len(ids) != 0 {
		t.Errorf("not listed: %v", ids)
	}
	approve := `{"connection":"` + one.Connection + `","decision":"approve"}`
	for range 2 {
		if r := w.held("POST", "", approve); r.status != 202 || r.body != approve {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	w.problem(w.held("POST", "", strings.Replace(approve, "approve", "restore", 1)), 409, "conflict")
	if r := w.held("GET", "", ""); !strings.Contains(r.body, `"connection":"`+one.Connection+`","user":"`+one.User+`","calendar":"","since":"2026-11-21T09:00:00Z","removals":41,"known":60,"decision":"approve"`) ||
		strings.Contains(r.body, "@") {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestADecisionAboutNothingIsRefused(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.planning()
	for body, want := range map[string]string{
		`{}`: "/connection required", `{"connection":"x","decision":"approve"}`: "/connection format",
		`{"connection":"` + key.Random() + `","decision":"perhaps"}`:    "/decision value",
		`{"connection":"` + key.Random() + `","decision":7}`:            "/decision type",
		`{"connection":"` + key.Random() + `","decision":"","more":{}}`: "/more unknown-member", `7`: " syntax",
	} {
		d := w.problem(w.held("POST", "", body), 400, "invalid")
		if len(d.Errors) == 0 || d.Errors[0].Pointer+" "+d.Errors[0].Code != want {
			t.Errorf("%s: %+v, want %s", body, d.Errors, want)
		}
	}
	w.problem(w.held("POST", "", `{"connection":"`+key.Random()+`","decision":"approve"}`), 404, "not-found")
	w.problem(w.held("GET", "?after=x", ""), 400, "invalid")
	w.problem(w.held("GET", "?limit=0", ""), 400, "invalid")
	w.problem(w.web("POST", "/api/organizations/acme/held", "text/plain", `{}`), 415, "media-type")
}

func FuzzDecisionsAboutWhatIsHeld(f *testing.F) {
	f.Add(`{"connection":"aaaaaaaaaaaaaaaaaaaaaaaaaa","decision":"approve"}`)
	f.Add(`{"connection":null,"decision":["restore"]}`)
	f.Fuzz(func(t *testing.T, body string) {
		id, decision, faults := decodeHeld([]byte(body))
		if len(faults) == 0 && (id.IsZero() && id.String() != strings.Repeat("a", 26) || decision != state.HeldApprove && decision != state.HeldRestore) {
			t.Errorf("%s: taken as %s %q", body, id, decision)
		}
	})
}
