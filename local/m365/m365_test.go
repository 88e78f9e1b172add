package m365_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365"
	"github.com/calbridge/calbridge/local/m365/entra"
	"github.com/calbridge/calbridge/local/m365/exchange"
)

const (
	acme   = "aaaaaaaa-0000-4000-8000-000000000001"
	globex = "aaaaaaaa-0000-4000-8000-000000000002"
	app    = "bbbbbbbb-0000-4000-8000-000000000001"
	aino   = "aino@acme.example"
)

type world struct {
	*testing.T
	*m365.Server
	url, token string
}

func start(t *testing.T) *world {
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	s := m365.New(&m365.Options{Now: func() time.Time { return now }})
	s.AddTenant(acme, "acme.example")
	s.AddTenant(globex, "globex.example")
	s.Entra.Register(entra.App{ID: app, Secrets: []string{"secret"}})
	s.Entra.Consent(acme, app, "Calendars.ReadWrite")
	s.Exchange.AddUser(acme, exchange.User{Principal: aino, Name: "Aino <script>", TimeZone: "Europe/Helsinki"})
	s.Exchange.AddUser(globex, exchange.User{Principal: "gus@globex.example"})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{T: t, Server: s, url: s.URL()}
	w.token = w.signIn()
	return w
}

func (w *world) signIn() string {
	resp, err := http.PostForm(w.url+"/"+acme+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {"secret"},
		"scope": {"https://graph.microsoft.com/.default"},
	})
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Token == "" {
		w.Fatalf("token: %d %v", resp.StatusCode, err)
	}
	return got.Token
}

func (w *world) send(method, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// must sends a request that has to be answered with a status.
func (w *world) must(status int, method, path, body string) string {
	w.Helper()
	got, answer, err := w.send(method, path, body)
	if err != nil || got != status {
		w.Fatalf("%s %s: %d, %v, want %d\n%s", method, path, got, err, status, answer)
	}
	return answer
}

const flight = `{"subject":"<b>AY1331</b>","start":{"dateTime":"2026-12-01T16:05:00","timeZone":"Europe/Helsinki"},
	"end":{"dateTime":"2026-12-01T17:20:00","timeZone":"Europe/London"}}`

// Contract 12, 13: a token of one tenant opens that tenant's mailboxes only.
func TestATokenFromEntraOpensItsTenantsMailboxesOnly(t *testing.T) {
	w := start(t)
	w.must(201, "POST", "/v1.0/users/"+aino+"/events", flight)
	w.must(404, "GET", "/v1.0/users/gus@globex.example/calendar", "")
	w.must(403, "GET", "/v1.0/users/"+aino, "")
	w.must(403, "GET", "/v1.0/organization", "")
	w.must(400, "GET", "/v1.0/me/events", "")
	w.Clock.Advance(2 * time.Hour)
	w.must(401, "GET", "/v1.0/users/"+aino+"/calendar", "")
	w.token = w.signIn()
	w.must(200, "GET", "/v1.0/users/"+aino+"/calendar", "")
}

func TestTheWeekShowsAnEventAndEscapesIt(t *testing.T) {
	w := start(t)
	w.must(201, "POST", "/v1.0/users/"+aino+"/events", flight)
	list := w.must(200, "GET", "/", "")
	if strings.Contains(list, "<script>") || !strings.Contains(list, "Aino &lt;script&gt;") {
		t.Errorf("list:\n%s", list)
	}
	page := w.must(200, "GET", "/calendars/week?tenant="+acme+"&user="+aino, "")
	for _, want := range []string{"&lt;b&gt;AY1331&lt;/b&gt;", "16:05–19:20", "Tue 1 Dec", "Europe/Helsinki", "grid-row: 65 / 78"} {
		if !strings.Contains(page, want) {
			t.Errorf("the week lacks %q:\n%s", want, page)
		}
	}
	w.must(404, "GET", "/calendars/week?tenant="+acme+"&user=nobody", "")
}

func TestAFormOnThePageDoesWhatTheOwnerWould(t *testing.T) {
	w := start(t)
	w.must(201, "POST", "/v1.0/users/"+aino+"/events", flight)
	event := w.Exchange.Events(acme, aino)[0]
	do := func(action string, more ...string) int {
		form := url.Values{"tenant": {acme}, "user": {aino}, "event": {event.ID}, "action": {action}}
		for i := 0; i+1 < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		resp, err := http.PostForm(w.url+"/calendars/do", form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if status := do("retitle", "subject", "Mine"); status != 200 || w.Exchange.Events(acme, aino)[0].Subject != "Mine" {
		t.Errorf("retitle: %d", status)
	}
	if status := do("later"); status != 200 || w.Exchange.Events(acme, aino)[0].Start.DateTime != "2026-12-02T16:05:00" {
		t.Errorf("later: %d, %v", status, w.Exchange.Events(acme, aino)[0].Start)
	}
	if status := do("copy"); status != 200 || len(w.Exchange.Events(acme, aino)) != 2 {
		t.Errorf("copy: %d", status)
	}
	if status := do("delete"); status != 200 || len(w.Exchange.Events(acme, aino)) != 1 {
		t.Errorf("delete: %d", status)
	}
	if status := do("burn"); status != 400 {
		t.Errorf("unknown action: %d", status)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/calendars/do", strings.NewReader("action=delete"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 403 {
		t.Errorf("from another site: %v, %v", resp, err)
	}
	resp.Body.Close()
}

func TestControlsSeedSpoilMoveAndShow(t *testing.T) {
	w := start(t)
	w.must(200, "POST", "/sim/mailboxes", `{"tenant":"`+acme+`","principal":"bo@acme.example"}`)
	made := w.must(201, "POST", "/v1.0/users/bo@acme.example/events", flight)
	var event struct{ ID string }
	if err := json.Unmarshal([]byte(made), &event); err != nil {
		t.Fatal(err)
	}
	w.must(200, "POST", "/sim/faults", `{"effect":"answer","status":503,"retryAfter":3,"count":1}`)
	w.must(503, "GET", "/v1.0/users/bo@acme.example/calendar", "")
	w.must(200, "GET", "/v1.0/users/bo@acme.example/calendar", "")
	w.must(200, "POST", "/sim/entra/faults", `{"effect":"answer","status":503,"count":1}`)
	w.must(200, "DELETE", "/sim/entra/faults", "")
	w.must(200, "POST", "/sim/outage", `{"graph":"unavailable"}`)
	w.must(503, "GET", "/v1.0/users/bo@acme.example/calendar", "")
	w.must(200, "POST", "/sim/outage", `{"graph":"works"}`)
	w.must(200, "POST", "/sim/clock", `{"advance":"10m"}`)
	if now := w.must(200, "GET", "/sim/clock", ""); !strings.Contains(now, "09:10:00Z") {
		t.Errorf("clock %s", now)
	}
	w.must(200, "POST", "/sim/mailboxes", `{"tenant":"`+acme+`","principal":"bo@acme.example","state":"unlicensed"}`)
	w.must(404, "GET", "/v1.0/users/bo@acme.example/calendar", "")
	w.must(200, "POST", "/sim/mailboxes", `{"tenant":"`+acme+`","principal":"bo@acme.example"}`)
	w.must(200, "POST", "/sim/people", `{"tenant":"`+acme+`","user":"bo@acme.example","event":"`+event.ID+`","do":"invite","invite":["cy@x.example"]}`)
	if mails := w.must(200, "GET", "/sim/mails", ""); !strings.Contains(mails, `"kind":"invite"`) || !strings.Contains(mails, `"by":"person"`) {
		t.Errorf("mails %s", mails)
	}
	if boxes := w.must(200, "GET", "/sim/mailboxes?tenant="+acme+"&user=bo@acme.example", ""); !strings.Contains(boxes, "AY1331") || strings.Contains(boxes, "aino") {
		t.Errorf("mailboxes %s", boxes)
	}
	w.must(200, "POST", "/sim/switches", `{"memory":"ghost","searchLag":"30s"}`)
	for path, body := range map[string]string{
		"/sim/switches": `{"memory":"elephant"}`, "/sim/faults": `{"effect":"explode"}`, "/sim/outage": `{}`,
		"/sim/clock": `{"advance":"soon"}`, "/sim/people": `{"do":"dance"}`, "/sim/mailboxes": `{"nonsense":1}`,
	} {
		w.must(400, "POST", path, body)
	}
}

func TestALateRequestTakesPlaceWhenTheClockIsPutAhead(t *testing.T) {
	w := start(t)
	w.must(200, "POST", "/sim/faults", `{"effect":"late","afterMs":60000,"count":1}`)
	if _, _, err := w.send("POST", "/v1.0/users/"+aino+"/events", flight); err == nil {
		t.Error("the late request was answered")
	}
	if n := len(w.Exchange.Events(acme, aino)); n != 0 {
		t.Errorf("%d events before its time", n)
	}
	w.must(200, "POST", "/sim/clock", `{"advance":"1m"}`)
	if n := len(w.Exchange.Events(acme, aino)); n != 1 {
		t.Errorf("%d events after its time", n)
	}
}

func TestARefusingServerIsNotThereAndComesBackWhereItWas(t *testing.T) {
	w := start(t)
	w.Refuse()
	if _, _, err := w.send("GET", "/v1.0/users/"+aino+"/calendar", ""); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused: %v", err)
	}
	if err := w.Accept(); err != nil {
		t.Fatal(err)
	}
	w.must(200, "GET", "/v1.0/users/"+aino+"/calendar", "")
}
