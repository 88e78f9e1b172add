package graphapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphapi"
	"github.com/calbridge/calbridge/local/m365/notify"
)

// product answers handshakes, and 202 to notifications, whose bodies it keeps.
type product struct {
	*httptest.Server
	mu   sync.Mutex
	got  []string
	deaf bool // does not answer handshakes as it should
}

func listen(t *testing.T) *product {
	p := &product{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.URL.Query().Get("validationToken")
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case token != "" && p.deaf:
			w.WriteHeader(http.StatusForbidden)
		case token != "":
			w.Header().Set("Content-Type", "text/plain")
			w.Write([]byte(token))
		default:
			var b strings.Builder
			r.Write(&b)
			p.got = append(p.got, b.String())
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// wish is the body of a create.
func (p *product) wish(more ...any) m {
	b := m{"changeType": "created,updated,deleted", "notificationUrl": p.URL + "/n?code=x", "lifecycleNotificationUrl": p.URL + "/l",
		"resource": "users/" + aino + "/events", "clientState": "secret", "expirationDateTime": "2026-11-26T12:00:00Z"}
	for i := 0; i+1 < len(more); i += 2 {
		b[more[i].(string)] = more[i+1]
	}
	return b
}

// 6.1, 6.2: the life of a subscription over HTTP.
func TestASubscriptionOverHTTP(t *testing.T) {
	w, p := start(t, exchange.Switches{}, nil), listen(t)
	made := w.must(201, "POST", "/subscriptions", p.wish("@odata.type", "#microsoft.graph.subscription", "includeResourceData", false), "Prefer", `IdType="ImmutableId"`)
	id := made.id()
	want := m{"@odata.context": w.url + "/$metadata#subscriptions/$entity", "id": id, "resource": "users/" + aino + "/events", "applicationId": "app-1", "changeType": "created,updated,deleted",
		"clientState": "secret", "notificationUrl": p.URL + "/n?code=x", "notificationQueryOptions": nil, "lifecycleNotificationUrl": p.URL + "/l",
		"expirationDateTime": "2026-11-26T12:00:00Z", "creatorId": "app-1", "includeResourceData": nil, "latestSupportedTlsVersion": "v1_2",
		"encryptionCertificate": nil, "encryptionCertificateId": nil, "notificationUrlAppId": nil, "notificationContentType": nil}
	if diff := cmp.Diff(want, made.json); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	r := w.fails(409, "ObjectIdentifierInUse", "POST", "/subscriptions", p.wish())
	if !strings.Contains(string(r.body), id) {
		t.Errorf("%s", r.body)
	}
	w.api.Hub().Set(notify.Switches{DuplicateCode: "none"})
	if r := w.fails(409, "", "POST", "/subscriptions", p.wish()); strings.Contains(string(r.body), `"code"`) || !strings.Contains(string(r.body), id) {
		t.Errorf("%s", r.body)
	}
	if all := value(w.must(200, "GET", "/subscriptions", nil)); len(all) != 1 || all[0]["id"] != id {
		t.Errorf("%v", all)
	}
	if r := w.must(200, "PATCH", "/subscriptions/"+id, m{"expirationDateTime": "2026-11-27T12:00:00.5+02:00"}); r.json["expirationDateTime"] != "2026-11-27T10:00:00.5Z" {
		t.Errorf("renewed: %s", r.body)
	}
	if r := w.must(200, "GET", "/subscriptions('"+id+"')", nil); r.json["expirationDateTime"] != "2026-11-27T10:00:00.5Z" {
		t.Errorf("%s", r.body)
	}
	w.must(204, "POST", "/subscriptions/"+id+"/reauthorize", nil)
	w.must(204, "POST", "/subscriptions/"+id+"/microsoft.graph.reauthorize()", nil)
	e := w.must(201, "POST", events, flight(1))
	if n := w.api.Hub().Deliver(t.Context()); n != 1 || !strings.Contains(p.got[0], `"changeType":"created"`) || !strings.HasPrefix(p.got[0], "POST /n?code=x ") || strings.Contains(p.got[0], e.id()) {
		t.Errorf("%d: %v", n, p.got)
	}
	w.token = "app2"
	w.fails(404, "ResourceNotFound", "DELETE", "/subscriptions/"+id, nil)
	w.token = "app"
	w.must(204, "DELETE", "/subscriptions/"+id, nil)
	for _, try := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"PATCH", ""}, {"POST", "/reauthorize"}} {
		w.fails(404, "ResourceNotFound", try[0], "/subscriptions/"+id+try[1], m{"expirationDateTime": "2026-11-27T12:00:00Z"})
	}
	w.fails(405, "Request_BadRequest", "PUT", "/subscriptions/"+id, nil)
	w.fails(405, "Request_BadRequest", "GET", "/subscriptions/"+id+"/reauthorize", nil)
	w.fails(400, "BadRequest", "GET", "/subscriptions/"+id+"/nonsense", nil)
}

// 6.2: what is refused.
func TestASubscriptionIsRefused(t *testing.T) {
	w, p := start(t, exchange.Switches{}, nil), listen(t)
	for name, tt := range map[string]struct {
		status int
		code   string
		body   any
	}{
		"no JSON":            {400, "InvalidRequest", "{"},
		"a list":             {400, "InvalidRequest", "[]"},
		"null":               {400, "InvalidRequest", "null"},
		"an unknown member":  {400, "InvalidRequest", p.wish("colour", "red")},
		"a number":           {400, "InvalidRequest", p.wish("clientState", 7)},
		"no resource":        {400, "InvalidRequest", p.wish("resource", nil)},
		"another resource":   {400, "InvalidRequest", p.wish("resource", "users/"+aino+"/messages")},
		"one event":          {400, "InvalidRequest", p.wish("resource", "users/"+aino+"/events/x")},
		"absolute":           {400, "InvalidRequest", p.wish("resource", "https://graph.microsoft.com/v1.0/users/"+aino+"/events")},
		"a filter":           {501, "NotImplemented", p.wish("resource", "users/"+aino+"/events?$filter=x")},
		"resource data":      {501, "NotImplemented", p.wish("includeResourceData", true)},
		"me for an app":      {400, "BadRequest", p.wish("resource", "me/events")},
		"an unknown mailbox": {404, "Request_ResourceNotFound", p.wish("resource", "users/nobody@acme.example/events")},
		"no such calendar":   {404, "ErrorItemNotFound", p.wish("resource", "users/"+aino+"/calendars/AAAA/events")},
		"an odd date":        {400, "InvalidRequest", p.wish("expirationDateTime", "tomorrow")},
		"far ahead":          {400, "InvalidRequest", p.wish("expirationDateTime", "2027-11-26T12:00:00Z")},
		"plain http":         {400, "InvalidRequest", p.wish("notificationUrl", "http://product.example/n")},
	} {
		if r := w.do("POST", "/subscriptions", tt.body); r.status != tt.status || r.code() != tt.code {
			t.Errorf("%s: %d %s\n%s", name, r.status, r.code(), r.body)
		}
	}
	p.deaf = true
	w.fails(400, "ValidationError", "POST", "/subscriptions", p.wish())
	p.deaf = false
	id := w.must(201, "POST", "/subscriptions", p.wish()).id()
	w.fails(400, "InvalidRequest", "PATCH", "/subscriptions/"+id, m{"lifecycleNotificationUrl": p.URL}) // delete and make anew (6.1)
	w.fails(400, "InvalidRequest", "PATCH", "/subscriptions/"+id, m{"clientState": "other"})
	if n := w.store.Listed(acme, aino); n == 0 {
		t.Error("subscribing is not counted")
	}
}

// 6.2, 12: who may subscribe to what.
func TestWhoMaySubscribe(t *testing.T) {
	w, p := start(t, exchange.Switches{}, nil), listen(t)
	u, err := w.store.User(acme, aino)
	w.ok(err)
	w.ok(w.store.Share(acme, bo, aino, true))
	w.serve(newAPI(w, scoped{u.ObjectID}))
	for _, tt := range []struct {
		token, resource string
		readOnly        bool
		status          int
	}{
		{"app:Calendars.Read", "users/" + aino + "/events", true, 201},
		{"app:Calendars.ReadWrite", "users/" + aino + "/events", false, 201},
		{"app:Calendars.ReadWrite", "users/" + aino + "/events", true, 403},
		{"app:Calendars.ReadBasic.All", "users/" + aino + "/events", false, 403},
		{"app:Mail.Send", "users/" + aino + "/events", false, 403},
		{"Calendars.Read", "me/events", true, 201},
		{"Calendars.ReadWrite", "/users/" + aino + "/events", false, 201},
		{"Calendars.Read", "users/" + bo + "/events", false, 403},
		{"Calendars.Read.Shared", "users/" + bo + "/events", false, 403},
		{"Calendars.ReadBasic", "me/events", false, 403},
	} {
		w.token = tt.token
		w.api.Hub().Set(notify.Switches{ReadOnly: tt.readOnly})
		r := w.do("POST", "/subscriptions", p.wish("resource", tt.resource))
		if r.status != tt.status {
			t.Errorf("%+v: %d %s", tt, r.status, r.body)
		}
		if r.status == 201 {
			w.must(204, "DELETE", "/subscriptions/"+r.id(), nil)
		}
	}
	// Exchange's own assignment is a permission too, that no token shows.
	w.store.SetScope(acme, "app-1", aino)
	w.token = "app:Mail.Send"
	w.api.Hub().Set(notify.Switches{})
	w.must(204, "DELETE", "/subscriptions/"+w.must(201, "POST", "/subscriptions", p.wish()).id(), nil)
	w.store.SetScope(acme, "app-1")
	// A user's is nobody else's, and needs the permission still when it is renewed.
	w.token = "Calendars.Read"
	id := w.must(201, "POST", "/subscriptions", p.wish("resource", "me/events")).id()
	w.token = "app:Calendars.Read"
	w.fails(404, "ResourceNotFound", "GET", "/subscriptions/"+id, nil)
	w.token = "User.Read"
	w.fails(403, "ErrorAccessDenied", "PATCH", "/subscriptions/"+id, m{"expirationDateTime": "2026-11-26T13:00:00Z"})
	w.fails(403, "ErrorAccessDenied", "POST", "/subscriptions/"+id+"/reauthorize", nil)
}

// A handshake that takes its time blocks no mailbox.
func TestAHandshakeTakesNoSlotOfTheMailbox(t *testing.T) {
	busy, free := make(chan struct{}), make(chan struct{})
	store := exchange.New(time.Now, exchange.Switches{})
	store.AddUser(acme, exchange.User{Principal: aino})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { busy <- struct{}{}; <-free }))
	defer slow.Close()
	w := &world{TB: t, store: store, token: "app"}
	w.serve(graphapi.New(store, tokens{"app": {Tenant: acme, App: "app-1", Roles: []string{"Calendars.ReadWrite"}}}, time.Now, &graphapi.Options{Limits: graphapi.Limits{Concurrency: 1}}))
	p := &product{Server: slow}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.fails(400, "ValidationError", "POST", "/subscriptions", p.wish("expirationDateTime", time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "lifecycleNotificationUrl", nil))
	}()
	<-busy
	w.must(200, "GET", events, nil)
	close(free)
	<-done
}
