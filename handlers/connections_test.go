package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/engine"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/queue"
	"github.com/calbridge/calbridge/shared/state"
)

const acmeTenant = "0b6e7d2a-5c1f-4d8e-9a3b-7f6c5d4e3b2a"

// connectors is the engine over the world's tables, which fails as the recorder says.
type connectors struct {
	*engine.Engine
	r *recorder
}

func (w *world) connections() connectors {
	return connectors{engine.New(engine.Effects{Tables: w.store, Bus: quiet{}, Organizations: fresh{w.orgs}, Calendar: mailboxes{}, Calendars: mailboxes{}},
		&engine.Options{Now: w.clock.Now}), w.recorder}
}

func (c connectors) ListConnections(ctx context.Context, organization, after string, limit int) (engine.ConnectionPage, error) {
	if err := c.r.note(ctx, "connections", queue.Message{}); err != nil {
		return engine.ConnectionPage{}, err
	}
	return c.Engine.ListConnections(ctx, organization, after, limit)
}

// mailboxes is a Graph that knows the mailboxes of acme.example.
type mailboxes struct{}

func (mailboxes) Mailbox(_ context.Context, _ graph.Access, address string) (graph.Mailbox, error) {
	if strings.HasPrefix(address, "outside") {
		return graph.Mailbox{}, graph.Classify(403, "ErrorAccessDenied", nil)
	}
	if !strings.HasSuffix(address, "@acme.example") {
		return graph.Mailbox{}, graph.Classify(404, "ErrorInvalidUser", nil)
	}
	return graph.Mailbox{Address: address}, nil
}

// Calendars lists two; mailboxes of other names fail in their ways.
func (mailboxes) Calendars(_ context.Context, _ graph.Access, mailbox string) ([]graph.Folder, error) {
	switch {
	case strings.HasPrefix(mailbox, "shut"):
		return nil, graph.Classify(404, "MailboxNotEnabledForRESTAPI", nil)
	case strings.HasPrefix(mailbox, "denied"):
		return nil, graph.Classify(403, "ErrorAccessDenied", nil)
	case strings.HasPrefix(mailbox, "slow"):
		return nil, graph.Classify(429, "ApplicationThrottled", nil)
	}
	return []graph.Folder{{ID: "AAD", Name: "Calendar", Default: true, Owner: mailbox}, {ID: "AAA", Name: "Team", Owner: mailbox}}, nil
}

func (mailboxes) Do(context.Context, graph.Access, []graph.Call) []graph.Result { return nil }

// organization puts an organisation and binds it.
func (w *world) organization(profile string) {
	w.t.Helper()
	object(w.t, w.put("acme", `{"profile":"`+profile+`","sync":true}`), 201)
	w.web("POST", "/api/operator/organizations/acme/tenant", "application/json", `{"tenant":"`+acmeTenant+`","note":"test"}`)
}

// connect stores what a person confirmed on our page.
func (w *world) connect(user, name string, granted ...string) connection.Connection {
	w.t.Helper()
	account := connection.Account{Tenant: acmeTenant, ObjectID: "00000000-0000-4000-8000-" + key.Of(name).Hex()[:12], Name: name + "@acme.example"}
	e := w.connections().Engine
	id, err := e.ConnectionID(w.t.Context(), "acme", user, account)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := e.Connect(w.t.Context(), connection.Connection{ID: id, Organization: "acme", User: user, Email: account.Name, Mailbox: account.Name,
		Account: account, Direction: connection.Down, Granted: granted}, []byte("sealed"))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) at(method, id, body string, headers ...string) reply {
	kind := ""
	if body != "" {
		kind = "application/json"
	}
	return w.web(method, "/api/organizations/acme/connections"+id, kind, body, headers...)
}

func TestAConnectionIsListedReadChangedAndEnded(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.problem(w.at("GET", "", ""), 404, "not-found")
	w.organization("travel")
	if r := w.at("GET", "", ""); r.status != 200 || r.body != `{"items":[]}` {
		t.Errorf("none: %d %s", r.status, r.body)
	}
	c := w.connect("u/1 ä", "aino", "Calendars.ReadWrite")
	id := "/" + c.ID.String()
	want := fmt.Sprintf(`{"id":%q,"user":"u/1 ä","email":"aino@acme.example","account":{"tenant":%q,"objectId":%q,"name":"aino@acme.example"},`+
		`"direction":"down","scope":"busy","calendars":[],"calendar":"","primary":true,"state":"connected","since":"2026-11-21T09:00:00Z",`+
		`"lastRefresh":"2026-11-21T09:00:00Z","lapses":0}`, c.ID, acmeTenant, c.Account.ObjectID)
	read := w.at("GET", id, "")
	alone := strings.TrimSuffix(want, "}") + `,"sync":{"state":"never","calendars":0,"done":0,"found":0}}`
	if read.status != 200 || read.body != alone || read.header.Get("ETag") == "" {
		t.Errorf("%d %s, want %s", read.status, read.body, alone)
	}
	for _, query := range []string{"", "?user=" + url.QueryEscape("u/1 ä")} {
		if r := w.at("GET", query, ""); r.status != 200 || r.body != `{"items":[`+want+`]}` {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	if r := w.at("GET", "?user=u-2", ""); r.status != 200 || r.body != `{"items":[]}` {
		t.Errorf("of nobody: %d %s", r.status, r.body)
	}
	tag := read.header.Get("ETag")
	w.problem(w.at("PATCH", id, `{"direction":"none"}`, `If-Match: "other"`), 412, "precondition-failed")
	changed := w.at("PATCH", id, `{"direction":"both","calendars":[{"id":"AAA","name":"as they call it"}]}`, "If-Match: "+tag)
	if changed.status != 200 || !strings.Contains(changed.body, `"direction":"both","scope":"readwrite","calendars":[{"id":"AAA","name":"Team"}]`) ||
		changed.header.Get("ETag") == tag {
		t.Errorf("%d %s", changed.status, changed.body)
	}
	w.problem(w.at("DELETE", id, "", "If-Match: "+tag), 412, "precondition-failed")
	w.problem(w.at("DELETE", id+"?events=remove", ""), 400, "invalid")
	if r := w.people(""); !strings.Contains(r.body, `"connection":"connected","offer":"none"`) {
		t.Errorf("people: %s", r.body)
	}
	if r := w.at("DELETE", id, "", "If-Match: "+changed.header.Get("ETag")); r.status != 200 || r.body != `{"id":"`+c.ID.String()+`","state":"disconnected"}` {
		t.Errorf("%d %s", r.status, r.body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		w.problem(w.at(method, id, ""), 404, "not-found")
	}
	if strings.Contains(w.logged.String(), "aino") || strings.Contains(w.logged.String(), "u/1") {
		t.Errorf("log: %s", w.logged)
	}
}

func TestAChangeBeyondWhatWasGrantedComesWithALinkToGrantIt(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.organization("travel")
	c := w.connect("u-1", "aino", "Calendars.ReadBasic")
	d := w.problem(w.at("PATCH", "/"+c.ID.String(), `{"direction":"up"}`), 409, "scope-missing")
	if diff := cmp.Diff([]string{"Calendars.ReadWrite"}, d.Permissions); diff != "" || d.ConnectExpires == nil ||
		!strings.HasPrefix(d.Connect, "https://calendar.example.com/api/portal/go/") || !strings.Contains(d.Connect, "?r=user&s=") {
		t.Errorf("%+v", d)
	}
	if r := w.at("GET", "/"+c.ID.String(), ""); !strings.Contains(r.body, `"direction":"down"`) {
		t.Errorf("the old direction is not in force: %s", r.body)
	}
	id := strings.TrimPrefix(strings.Split(d.Connect, "?")[0], "https://calendar.example.com/api/portal/go/")
	issued, err := state.NewLinks(w.store).Get(t.Context(), id)
	if err != nil || issued.User != "u-1" || issued.Role != state.LinkUser || issued.Organization != "acme" {
		t.Errorf("%+v %v", issued, err)
	}
}

func TestCalendarsThatCannotBeReadAreRefusedWithTheirPlaces(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.organization("travel")
	for body, want := range map[string]string{
		`{"calendars":[{"id":"AAA"},{"id":"ZZZ"}]}`:                  "/calendars/1/id unknown",
		`{"calendars":[{"id":"AAA"},{"id":"AAD"},{"id":"AAA"}]}`:     "/calendars/2/id duplicate",
		`{"direction":"none","calendars":[{"id":"AAA"}]}`:            "/calendars value",
		`{"direction":"up","calendars":[{"id":"AAA"}]}`:              "/calendars value",
		`{"calendars":[` + strings.Repeat(`{"id":"A"},`, 50) + `7]}`: "/calendars too-many",
	} {
		c := w.connect("u-1", "aino", "Calendars.ReadWrite")
		d := w.problem(w.at("PATCH", "/"+c.ID.String(), body), 400, "invalid")
		if len(d.Errors) != 1 || d.Errors[0].Pointer+" "+d.Errors[0].Code != want {
			t.Errorf("%s: %+v, want %s", body, d.Errors, want)
		}
		if r := w.at("GET", "/"+c.ID.String(), ""); !strings.Contains(r.body, `"direction":"down","scope":"busy","calendars":[]`) {
			t.Errorf("%s changed it: %s", body, r.body)
		}
	}
	const one = `{"calendars":[{"id":"AAA"}]}`
	for name, want := range map[string]struct {
		status int
		code   string
	}{"shut": {409, "conflict"}, "denied": {409, "conflict"}, "slow": {503, "unavailable"}} {
		c := w.connect("u-1", name, "Calendars.ReadBasic")
		w.problem(w.at("PATCH", "/"+c.ID.String(), one), want.status, want.code)
	}
	c := w.connect("u-1", "aino", "Calendars.ReadBasic")
	if r := w.at("PATCH", "/"+c.ID.String(), one); r.status != 200 || !strings.Contains(r.body, `"calendars":[{"id":"AAA","name":"Team"}],"calendar":""`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := w.at("PATCH", "/"+c.ID.String(), `{"calendars":[]}`); r.status != 200 || !strings.Contains(r.body, `"calendars":[]`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.problem(w.at("PATCH", "/"+c.ID.String(), `{"scope":"shared","calendars":[{"id":"AAA"}]}`), 409, "scope-missing")
}

func TestAConnectionByProbeOverHTTP(t *testing.T) {
	w := newWorld(t, 0, nil)
	const good = `{"user":"u-1","email":"aino@acme.example","direction":"up"}`
	w.problem(w.at("POST", "", good), 404, "not-found")
	object(t, w.put("acme", `{"profile":"training"}`), 201)
	w.problem(w.at("POST", "", good), 409, "conflict") // nobody has consented
	w.organizationBound("training")
	r := w.at("POST", "", good)
	if r.status != 201 || r.header.Get("ETag") == "" || !strings.Contains(r.body, `"primary":true,"state":"connected"`) || strings.Contains(r.body, "lastRefresh") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := w.at("POST", "", good); r.status != 200 {
		t.Errorf("again: %d %s", r.status, r.body)
	}
	if d := w.problem(w.at("POST", "", `{"user":"u-1","email":"x@other.example","direction":"up"}`), 400, "invalid"); d.Errors[0].Pointer != "/email" ||
		d.Errors[0].Code != "mailbox-not-found" {
		t.Errorf("%+v", d.Errors)
	}
	w.problem(w.at("POST", "", `{"user":"u-2","email":"b@acme.example","direction":"none"}`), 400, "invalid")
	object(t, w.put("acme", `{"profile":"training","permission":"delegated"}`), 200)
	w.problem(w.at("POST", "", good), 409, "conflict")
}

func (w *world) organizationBound(profile string) {
	w.t.Helper()
	w.web("POST", "/api/operator/organizations/acme/tenant", "application/json", `{"tenant":"`+acmeTenant+`","note":"test"}`)
}

func TestFaultsOfConnectionDocumentsAreAllNamed(t *testing.T) {
	long := strings.Repeat("x", 600)
	for body, want := range map[string][]string{
		`[`:                           {" syntax"},
		`{}`:                          {" required"},
		`{"direktion":"up"}`:          {"/direktion unknown-member"},
		`{"direction":"sideways"}`:    {"/direction value"},
		`{"direction":7,"primary":1}`: {"/direction type", "/primary type"},
		`{"scope":"all"}`:             {"/scope value"},
		`{"calendar":"` + long + `"}`: {"/calendar too-long"},
		`{"calendars":{}}`:            {"/calendars type"},
		`{"calendars":[` + strings.Repeat("7,", 50) + `7]}`:       {"/calendars too-many"},
		`{"calendars":[{"id":""},7,{"id":"a"},{"id":"a","x":1}]}`: {"/calendars/0/id required", "/calendars/1 type", "/calendars/3/x unknown-member", "/calendars/3/id duplicate"},
	} {
		_, faults := decodeConnectionChange([]byte(body))
		var got []string
		for _, f := range faults {
			got = append(got, f.Pointer+" "+f.Code)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", body, diff)
		}
	}
	_, faults := decodeProbe([]byte(`{"user":"","email":7}`))
	if len(faults) != 3 {
		t.Errorf("%+v", faults)
	}
	_, faults = decodeChoice([]byte(`{"user":"u","offer":"maybe"}`))
	if len(faults) != 1 || faults[0].Pointer != "/offer" {
		t.Errorf("%+v", faults)
	}
}

func TestBadRequestsForConnectionsAreRefused(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.organization("travel")
	c := w.connect("u-1", "aino", "Calendars.ReadWrite")
	id := "/" + c.ID.String()
	for body, pointer := range map[string]string{`{"primary":false}`: "/primary", `{"calendar":"AAA"}`: "/calendar", `{"scope":"readwrite"}`: "/scope"} {
		if d := w.problem(w.at("PATCH", id, body), 400, "invalid"); len(d.Errors) != 1 || d.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", body, d.Errors)
		}
	}
	w.problem(w.web("PATCH", "/api/organizations/acme/connections"+id, "text/plain", `{}`), 415, "media-type")
	w.problem(w.at("PATCH", id, `{"calendar":"`+strings.Repeat("x", maxBody)+`"}`), 413, "too-large")
	for _, path := range []string{"/x", "/" + strings.ToUpper(c.ID.String()), id + "/sync", "/" + key.Random()} {
		w.problem(w.at("GET", path, ""), 404, "not-found")
	}
	w.problem(w.web("GET", "/api/organizations/other/connections"+id, "", ""), 404, "not-found")
	w.problem(w.at("GET", "?after=x", ""), 400, "invalid")
	w.problem(w.at("GET", "?limit=0", ""), 400, "invalid")
	w.fail = errDown
	w.problem(w.at("GET", "", ""), 503, "unavailable")
}

func TestAPersonsChoicesComeByTheBookingApp(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.organization("travel")
	choose := func(body string) reply {
		return w.web("PATCH", "/api/organizations/acme/people/offer", "application/json", body)
	}
	w.problem(choose(`{"user":"u-1","offer":"dismissed"}`), 404, "not-found")
	object(t, w.announce(`{"people":[{"user":"u-1","email":"aino@acme.example"}]}`), 200)
	for _, step := range []struct{ body, offer string }{
		{`{"user":"u-1","offer":"dismissed"}`, "none"}, {`{"user":"u-1","offer":"dismissed"}`, "none"},
		{`{"user":"u-1","offer":"open"}`, "connect"}, {`{"user":"u-1","paused":true,"optedOut":true}`, "connect"},
	} {
		r := choose(step.body)
		var who engine.Person
		if err := json.Unmarshal([]byte(r.body), &who); err != nil || r.status != 200 || who.Offer != step.offer {
			t.Errorf("%s: %d %s", step.body, r.status, r.body)
		}
	}
	row, err := state.NewPeople(w.store).Person(t.Context(), "acme", key.Lane("acme", key.User, "u-1"))
	if err != nil || !row.Paused || !row.OptedOut {
		t.Errorf("%+v %v", row, err)
	}
	object(t, w.put("acme", `{"profile":"travel","sync":true,"optOut":false}`), 200)
	w.problem(choose(`{"user":"u-1","optedOut":true}`), 409, "conflict")
	w.problem(choose(`{"user":"u-1"}`), 400, "invalid")
}

func TestAListOfConnectionsGoesOnWhereItStopped(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.organization("travel")
	var want []string
	for i := range 7 {
		want = append(want, w.connect(fmt.Sprint("u-", i%3), fmt.Sprint("a", i), "Calendars.ReadBasic").ID.String())
	}
	var got []string
	for query := "?limit=2"; ; {
		var page engine.ConnectionPage
		if err := json.Unmarshal([]byte(w.at("GET", query, "").body), &page); err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Items {
			got = append(got, c.ID)
		}
		if page.Next == "" {
			break
		}
		query = "?limit=2&after=" + page.Next
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDeletingAnOrganisationOrdersItsConnectionsDestroyedFirst(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.organization("travel")
	w.problem(w.web("DELETE", "/api/organizations/acme", "", "", `If-Match: "other"`), 412, "precondition-failed")
	if calls := w.called(); slices.Contains(calls, "disconnect all acme") {
		t.Errorf("ordered for a deletion that was refused: %v", calls)
	}
	object(t, w.web("DELETE", "/api/organizations/acme", "", ""), 202)
	if calls := w.called(); !slices.Contains(calls, "disconnect all acme") {
		t.Errorf("not ordered: %v", calls)
	}
}

func TestHealthShowsWhenTheCertificateEnds(t *testing.T) {
	w := newWorld(t, 0, nil)
	h := &health{now: w.clock.Now, ends: w.clock.Now().AddDate(0, 0, 29)}
	body, err := json.Marshal(h.ask(t.Context()).body)
	if err != nil || !strings.Contains(string(body), `"certificate":{"days":29,"expiresAt":"2026-12-20T09:00:00Z"}`) {
		t.Errorf("%s %v", body, err)
	}
}
