package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/announce"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

// roster is the engine over the world's tables, which fails as the recorder says.
type roster struct {
	*engine.Engine
	r *recorder
}

// fresh reads organisations without a cache.
type fresh struct{ *state.Organizations }

func (f fresh) Organization(ctx context.Context, id string) (organization.Organization, error) {
	o, _, err := f.Get(ctx, id)
	return o, err
}

// quiet is a bus that takes everything.
type quiet struct{}

func (quiet) Send(context.Context, string, ...queue.Message) error { return nil }

func newRoster(w *world, store state.Tables) roster {
	e := engine.New(engine.Effects{Tables: store, Bus: quiet{}, Organizations: fresh{w.orgs}}, &engine.Options{Now: w.clock.Now})
	return roster{e, w.recorder}
}

func (r roster) People(ctx context.Context, organization, after string, limit int) (engine.People, error) {
	if err := r.r.note(ctx, "people", queue.Message{}); err != nil {
		return engine.People{}, err
	}
	return r.Engine.People(ctx, organization, after, limit)
}

func (r roster) Announce(ctx context.Context, organization string, people []announce.Person) error {
	if err := r.r.note(ctx, "announce", queue.Message{}); err != nil {
		return err
	}
	return r.Engine.Announce(ctx, organization, people)
}

func (w *world) announce(body string) reply {
	return w.web("PUT", "/api/organizations/acme/people", "application/json", body)
}

func (w *world) people(query string) reply {
	return w.web("GET", "/api/organizations/acme/people"+query, "", "")
}

func TestPeopleAreAnnouncedAndListed(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.problem(w.people(""), 404, "not-found")
	w.problem(w.people("?user=u"), 404, "not-found")
	w.problem(w.announce(`{"people":[]}`), 404, "not-found")
	object(t, w.put("acme", `{"profile":"travel","sync":true}`), 201)
	if r := w.people(""); r.status != 200 || r.body != `{"items":[]}` {
		t.Errorf("nobody: %d %s", r.status, r.body)
	}
	if r := w.announce(`{"people":[{"user":"u/1 ä","email":"aino@acme.example","name":"Aino"}]}`); r.status != 200 || r.body != `{"count":1}` {
		t.Errorf("%d %s", r.status, r.body)
	}
	const aino = `{"user":"u/1 ä","name":"Aino","email":"aino@acme.example","active":true,"mailbox":"unknown","connection":"none","offer":"connect"}`
	for _, query := range []string{"", "?user=" + url.QueryEscape("u/1 ä")} {
		if r := w.people(query); r.status != 200 || r.body != `{"items":[`+aino+`]}` {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	if r := w.people("?user=u-2"); r.status != 200 || r.body != `{"items":[]}` {
		t.Errorf("nobody of that id: %d %s", r.status, r.body)
	}
	object(t, w.announce(`{"people":[{"user":"u/1 ä","active":false}]}`), 200)
	if r := w.people(""); !strings.Contains(r.body, `"name":"Aino","email":"aino@acme.example","active":false`) {
		t.Errorf("merged: %s", r.body)
	}
	if strings.Contains(w.logged.String(), "aino") || strings.Contains(w.logged.String(), "u/1") {
		t.Errorf("log: %s", w.logged)
	}
}

func TestABadAnnouncementNamesEveryFaultAndChangesNobody(t *testing.T) {
	w := newWorld(t, 0, nil)
	object(t, w.put("acme", `{"profile":"training"}`), 201)
	d := w.problem(w.announce(`{"people":[{"user":"a"},{"email":"x"},{"user":"a","activ":true}]}`), 400, "invalid")
	var got []string
	for _, f := range d.Errors {
		got = append(got, f.Pointer+" "+f.Code)
	}
	want := []string{"/people/1/user required", "/people/1/email format", "/people/2/activ unknown-member", "/people/2/user duplicate"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	w.problem(w.announce(`{"people":[`+strings.Repeat(`{"user":"a"},`, 1000)+`{"user":"a"}]}`), 400, "invalid")
	w.problem(w.announce(`{"people":["`+strings.Repeat("a", announce.MaxDocument)+`"]}`), 413, "too-large")
	w.problem(w.web("PUT", "/api/organizations/acme/people", "text/plain", `{"people":[]}`), 415, "media-type")
	if r := w.people(""); r.body != `{"items":[]}` {
		t.Errorf("somebody was changed: %s", r.body)
	}
	w.fail = errDown
	r := w.announce(`{"people":[{"user":"a"}]}`)
	w.problem(r, 503, "unavailable")
	if r.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	w.problem(w.people(""), 503, "unavailable")
}

func TestPeopleArePagedByTheirCursor(t *testing.T) {
	w := newWorld(t, 0, nil)
	object(t, w.put("acme", `{"profile":"training"}`), 201)
	var all []string
	for i := range 5 {
		all = append(all, fmt.Sprintf(`{"user":"u%d"}`, i))
	}
	object(t, w.announce(`{"people":[`+strings.Join(all, ",")+`]}`), 200)
	seen := map[string]bool{}
	for next := ""; ; {
		r := w.people("?limit=2&after=" + next)
		var page engine.People
		if err := json.Unmarshal([]byte(r.body), &page); err != nil || r.status != 200 || len(page.Items) > 2 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for _, who := range page.Items {
			seen[who.User] = true
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if len(seen) != 5 {
		t.Errorf("%d people", len(seen))
	}
	for _, query := range []string{"?limit=0", "?limit=201", "?after=!", "?after=" + strings.Repeat("a", 27)} {
		w.problem(w.people(query), 400, "invalid")
	}
}

func TestAPersonsDeliveriesAreListed(t *testing.T) {
	w := newWorld(t, 0, nil)
	object(t, w.put("acme", `{"profile":"training"}`), 201)
	deliveries := func(query string) reply { return w.people("/deliveries" + query) }
	w.problem(deliveries(""), 400, "invalid")
	w.problem(deliveries("?user=u-17"), 404, "not-found")
	object(t, w.announce(`{"people":[{"user":"u-17"}]}`), 200)
	if r := deliveries("?user=u-17"); r.status != 200 || r.body != `{"items":[]}` {
		t.Errorf("nothing yet: %d %s", r.status, r.body)
	}
	w.problem(deliveries("?user=u-17&after=1"), 400, "invalid")
	lane := key.Lane("acme", key.User, "u-17")
	err := state.NewLanes(w.store).Owe(t.Context(), state.Debt{Lane: state.Lane{Key: lane}, Delivery: key.Delivery("acme", "PNR/1", key.User, "u-17"),
		Booking: "PNR/1", Due: w.clock.Now(), Nonce: state.NewDebt(w.clock.Now())})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"items":[{"booking":"PNR/1","user":"u-17","state":"pending","message":"The booking was accepted and is about to be written."}]}`
	if r := deliveries("?user=u-17"); r.status != 200 || r.body != want {
		t.Errorf("%d %s, want %s", r.status, r.body, want)
	}
}

// What docs/http-api.md shows of people is what is taken and answered.
func TestTheExamplesOfPeopleInTheDocumentsHold(t *testing.T) {
	text, err := os.ReadFile("../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## People\n")
	section, _, _ = strings.Cut(section, "\n## ")
	w := newWorld(t, 0, nil)
	object(t, w.put("acme", `{"profile":"training","sync":true}`), 201)
	body := regexp.MustCompile(`(?s)-d '(.*?)'`).FindStringSubmatch(section)
	if body == nil {
		t.Fatal("no example of PUT")
	}
	shown := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(section, -1)
	if len(shown) != 3 {
		t.Fatalf("%d answers are shown, want three", len(shown))
	}
	for i, got := range []reply{w.announce(body[1]), w.people("?user=u-17")} {
		want := strings.Replace(shown[i][1], `"mailbox": "ok"`, `"mailbox": "unknown"`, 1) // nothing is written here
		if diff := cmp.Diff(plain(t, want), plain(t, got.body)); diff != "" || got.status != 200 {
			t.Errorf("example %d: %d (-shown +got)\n%s", i, got.status, diff)
		}
	}
	var page engine.PersonDeliveries
	if err := json.Unmarshal([]byte(shown[2][1]), &page); err != nil || page.Items[0].Booking == "" || page.Items[0].Updated == nil {
		t.Errorf("the shown deliveries: %v %+v", err, page)
	}
	again, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain(t, shown[2][1]), plain(t, string(again))); diff != "" {
		t.Errorf("members that a delivery does not have (-shown +got)\n%s", diff)
	}
}

func plain(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}
