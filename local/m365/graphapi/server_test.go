package graphapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphapi"
)

const (
	acme  = "aaaaaaaa-0000-4000-8000-000000000001"
	other = "aaaaaaaa-0000-4000-8000-000000000002"
	aino  = "aino@acme.example"
	bo    = "bo@acme.example"
	mark  = "String {6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3} Name CalbridgeDelivery"
)

// tokens is a fake checker: the bearer token is a name in the map.
type tokens map[string]graphapi.Caller

func (t tokens) Check(authorization, host string) (graphapi.Caller, error) {
	name, ok := strings.CutPrefix(authorization, "Bearer ")
	caller, known := t[name]
	switch {
	case name == "claims":
		return caller, &graphapi.Refusal{Message: "Continuous access evaluation.", Claims: "e30="}
	case !ok || !known:
		return caller, errors.New("no such token")
	}
	return caller, nil
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a Graph over HTTP with two users in acme and one in other.
type world struct {
	testing.TB
	store *exchange.Store
	api   *graphapi.API
	clock *clock
	url   string
	token string
	// check, when set, looks at every answer.
	check func(reply)
}

func start(t testing.TB, switches exchange.Switches, opt *graphapi.Options) *world {
	c := &clock{now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	store := exchange.New(c.Now, switches)
	store.AddUser(acme, exchange.User{Principal: aino, Aliases: []string{"a.virtanen@acme.example"}, Name: "Aino"})
	store.AddUser(acme, exchange.User{Principal: bo})
	u := store.AddUser(other, exchange.User{Principal: "cy@other.example"})
	user, err := store.User(acme, aino)
	if err != nil {
		t.Fatal(err)
	}
	api := graphapi.New(store, tokens{
		"app":    {Tenant: acme, App: "app-1", Roles: []string{"Calendars.ReadWrite"}},
		"app2":   {Tenant: acme, App: "app-2", Roles: []string{"Calendars.ReadWrite"}},
		"reader": {Tenant: acme, App: "app-1", Roles: []string{"Calendars.Read"}},
		"basic":  {Tenant: acme, App: "app-1", Roles: []string{"Calendars.ReadBasic.All"}},
		"none":   {Tenant: acme, App: "app-1"},
		"other":  {Tenant: other, App: "app-1", Roles: []string{"Calendars.ReadWrite"}},
		"aino":   {Tenant: acme, App: "app-1", Scopes: []string{"Calendars.ReadWrite"}, User: user.ObjectID},
		"cy":     {Tenant: other, App: "app-1", Scopes: []string{"Calendars.ReadWrite"}, User: u.ObjectID},
	}, c.Now, opt)
	w := &world{TB: t, store: store, clock: c, token: "app"}
	w.serve(api)
	return w
}

// serve makes an API the one that is asked.
func (w *world) serve(api *graphapi.API) {
	server := httptest.NewServer(api)
	w.Cleanup(server.Close)
	w.api, w.url = api, server.URL+"/v1.0"
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
}

func (r reply) code() string {
	e, _ := r.json["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

func (r reply) id() string { id, _ := r.json["id"].(string); return id }

// try makes a request; header is name, value, name, value.
func (w *world) try(method, path string, body any, header ...string) (reply, error) {
	w.Helper()
	url := path
	if !strings.HasPrefix(path, "http") {
		url = w.url + path
	}
	var content []byte
	switch b := body.(type) {
	case nil:
	case string:
		content = []byte(b)
	case []byte:
		content = b
	default:
		content, _ = json.Marshal(b)
	}
	req, err := http.NewRequestWithContext(w.Context(), method, url, bytes.NewReader(content))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode, header: resp.Header}
	if r.body, err = io.ReadAll(resp.Body); err != nil {
		return r, err
	}
	json.Unmarshal(r.body, &r.json)
	if w.check != nil {
		w.check(r)
	}
	return r, nil
}

func (w *world) do(method, path string, body any, header ...string) reply {
	w.Helper()
	r, err := w.try(method, path, body, header...)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// must makes a request that has to be answered with a status.
func (w *world) must(status int, method, path string, body any, header ...string) reply {
	w.Helper()
	r := w.do(method, path, body, header...)
	if r.status != status {
		w.Fatalf("%s %s: %d %s, want %d\n%s", method, path, r.status, r.code(), status, r.body)
	}
	return r
}

// fails makes a request that has to be refused with a status and code.
func (w *world) fails(status int, code, method, path string, body any, header ...string) reply {
	w.Helper()
	r := w.do(method, path, body, header...)
	if r.status != status || r.code() != code {
		w.Errorf("%s %s: %d %s, want %d %s\n%s", method, path, r.status, r.code(), status, code, r.body)
	}
	return r
}

const events = "/users/" + aino + "/events"

// flight is the body of a create.
func flight(n int, more ...any) map[string]any {
	m := map[string]any{
		"subject": fmt.Sprintf("Flight %d", n),
		"body":    map[string]any{"contentType": "HTML", "content": "<p>Seat 1A</p>"},
		"start":   map[string]any{"dateTime": "2026-12-01T16:05:00", "timeZone": "Europe/Helsinki"},
		"end":     map[string]any{"dateTime": "2026-12-01T17:20:00", "timeZone": "Europe/London"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] == nil {
			delete(m, more[i].(string))
			continue
		}
		m[more[i].(string)] = more[i+1]
	}
	return m
}

func marked(value string) any {
	return []any{map[string]any{"id": mark, "value": value}}
}

// byMark is the query that finds an event by its mark.
func byMark(value string) string {
	filter := "singleValueExtendedProperties/Any(ep: ep/id eq '" + mark + "' and ep/value eq '" + value + "')"
	return "?$filter=" + strings.ReplaceAll(filter, " ", "%20")
}

func found(r reply) []map[string]any {
	var all []map[string]any
	list, _ := r.json["value"].([]any)
	for _, one := range list {
		all = append(all, one.(map[string]any))
	}
	return all
}
