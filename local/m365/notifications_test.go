package m365_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/graphworld"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
)

// heard is a product that tells a test what it hears.
type heard struct {
	graphworld.Sink
	arrived chan graphtest.Notification
}

func (h *heard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.Sink.ServeHTTP(w, r)
	for _, n := range h.Take() {
		h.arrived <- n
	}
}

// subscribe makes a subscription over Graph and gives its id and what it hears.
func (w *world) subscribe() (string, *heard) {
	w.Helper()
	h := &heard{arrived: make(chan graphtest.Notification, 100)}
	product := httptest.NewServer(h)
	w.Cleanup(product.Close)
	body, err := json.Marshal(map[string]any{"changeType": "created,updated,deleted", "notificationUrl": product.URL + "/n", "lifecycleNotificationUrl": product.URL + "/l",
		"resource": "users/" + aino + "/events", "clientState": "secret", "expirationDateTime": w.Clock.Now().Add(48 * time.Hour)})
	if err != nil {
		w.Fatal(err)
	}
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(w.must(201, "POST", "/v1.0/subscriptions", string(body))), &made); err != nil {
		w.Fatal(err)
	}
	return made.ID, h
}

// hears waits for the next notification.
func (h *heard) hears(t *testing.T, kind string) {
	t.Helper()
	if n := <-h.arrived; n.Change+n.Lifecycle != kind || n.ClientState != "secret" || n.Tenant != acme {
		t.Errorf("heard %+v, want %s", n, kind)
	}
}

// What people do on the pages and by deeds is told at once, and what the clock brings when
// it is moved; nobody asks for it.
func TestWhoHasSubscribedHearsOfEditsByItself(t *testing.T) {
	w := start(t)
	w.must(201, "POST", "/v1.0/users/"+aino+"/events", flight)
	id, h := w.subscribe()
	event := w.Exchange.Events(acme, aino)[0].ID
	w.must(200, "POST", "/sim/people", `{"tenant":"`+acme+`","user":"`+aino+`","event":"`+event+`","do":"retitle","subject":"x"}`)
	h.hears(t, "updated")
	w.must(200, "POST", "/sim/notify", `{"latencyMs":60000}`)
	w.must(200, "POST", "/sim/people", `{"tenant":"`+acme+`","user":"`+aino+`","event":"`+event+`","do":"delete"}`)
	if pending := w.must(200, "GET", "/sim/notifications", ""); !strings.Contains(pending, `"kind":"deleted"`) {
		t.Errorf("%s", pending)
	}
	w.must(200, "POST", "/sim/clock", `{"advance":"1m"}`)
	h.hears(t, "deleted")
	w.must(200, "POST", "/sim/notify", `{}`)
	w.Clock.Advance(47*time.Hour - 30*time.Second)
	h.hears(t, "reauthorizationRequired")
	w.must(200, "POST", "/sim/subscriptions", `{"id":"`+id+`","send":"subscriptionRemoved"}`)
	h.hears(t, "subscriptionRemoved")
	if all := w.must(200, "GET", "/sim/subscriptions", ""); strings.TrimSpace(all) != "[]" {
		t.Errorf("%s", all)
	}
}

// A subscription is shown without its client state, and every look at a mailbox is counted.
func TestControlsShowSubscriptionsAndLooks(t *testing.T) {
	w := start(t)
	id, _ := w.subscribe()
	if all := w.must(200, "GET", "/sim/subscriptions", ""); !strings.Contains(all, id) || strings.Contains(all, "secret") || !strings.Contains(all, `"endpoint":"works"`) {
		t.Errorf("%s", all)
	}
	w.must(200, "GET", "/v1.0/users/"+aino+"/calendarView/delta?startDateTime=2026-12-01&endDateTime=2026-12-31", "")
	looks := w.must(200, "GET", "/sim/looks", "")
	if !strings.Contains(looks, `"kind":"subscribe","count":1,"lists":true`) || !strings.Contains(looks, `"kind":"delta","count":1,"lists":true`) {
		t.Errorf("%s", looks)
	}
	if n := w.Exchange.Listed(acme, aino); n != 2 {
		t.Errorf("%d", n)
	}
}

func TestControlsOfChangesRefuseWhatIsNone(t *testing.T) {
	w := start(t)
	for path, body := range map[string]string{
		"/sim/delta": `{"colour":1}`, "/sim/delta/expire": `{"tenant":"` + acme + `","user":"nobody"}`, "/sim/notify": `[]`, "/sim/subscriptions": `{"id":"x","send":"missed"}`,
		"/sim/notifications": `{"do":"forge"}`, "/sim/endpoints": `{"url":"http://x","state":"odd"}`,
	} {
		w.must(400, "POST", path, body)
	}
	w.must(400, "POST", "/sim/notifications", `{"do":"delay","by":"soon"}`)
}

// Closing ends the delivery, also one that waits for an answer.
func TestClosingEndsADeliveryThatWaits(t *testing.T) {
	w := start(t)
	reached, free := make(chan struct{}, 10), make(chan struct{})
	product := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			rw.Header().Set("Content-Type", "text/plain")
			rw.Write([]byte(token))
			return
		}
		reached <- struct{}{}
		<-free
	}))
	defer product.Close()
	defer close(free)
	w.must(201, "POST", "/v1.0/subscriptions", `{"changeType":"created","notificationUrl":"`+product.URL+`","resource":"users/`+aino+`/events","expirationDateTime":"2026-12-02T00:00:00Z"}`)
	w.must(201, "POST", "/v1.0/users/"+aino+"/events", flight)
	<-reached
	w.Close()
	if n := len(w.Hub.Pending()); n != 1 {
		t.Errorf("%d pending: what nobody answered was not tried", n)
	}
}

// Whoever took the permission back is not told of anything any more, until it is given and
// the subscription renewed.
func TestAPermissionThatWasTakenBackHoldsNotifications(t *testing.T) {
	w := start(t)
	id, h := w.subscribe()
	w.Entra.Consent(acme, app) // no role is left
	w.must(201, "POST", "/v1.0/users/"+aino+"/events", flight)
	h.hears(t, "reauthorizationRequired")
	if p := w.Hub.Pending(); len(p) == 0 || p[0].Kind != "created" || p[0].Attempts != 0 {
		t.Errorf("pending %+v", p)
	}
	w.Entra.Consent(acme, app, "Calendars.Read")
	w.must(200, "PATCH", "/v1.0/subscriptions/"+id, `{"expirationDateTime":"2026-12-02T00:00:00Z"}`)
	h.hears(t, "created")
	user, err := w.Exchange.User(acme, aino)
	if err != nil {
		t.Fatal(err)
	}
	for i, do := range []func(){
		func() { w.Entra.Grant(acme, app, user.ObjectID, "Calendars.Read") },
		func() { w.Entra.DisableUser(acme, user.ObjectID, true) },
		func() { w.Entra.DisableUser(acme, user.ObjectID, false) },
		func() { w.Entra.RemoveGrants(acme, app, user.ObjectID) },
	} {
		do()
		if got := w.Entra.Standing(acme, app, user.ObjectID); (len(got.Scopes) == 1) != (i%2 == 0) || len(got.Roles) != 0 {
			t.Errorf("%d: %+v", i, got)
		}
	}
}
