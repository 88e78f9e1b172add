package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/notify"
)

const (
	acme, globex = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
	aino, cy     = "aino@acme.example", "cy@globex.example"
	there        = "https://product.example/notify?code=x"
	life         = "https://product.example/life"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// subscriber is the product: it answers as the test says and keeps what it got.
type subscriber struct {
	mu     sync.Mutex
	got    []post
	answer func(p post) notify.Reply // nil: 202 at once
}

// post is one POST with notifications.
type post struct {
	url   string
	notes []map[string]any
}

func (s *subscriber) post(_ context.Context, address, contentType string, body []byte) (notify.Reply, error) {
	u, err := url.Parse(address)
	if err != nil {
		return notify.Reply{}, err
	}
	if token := u.Query().Get("validationToken"); token != "" {
		if len(body) > 0 || contentType != "text/plain; charset=utf-8" || !strings.HasPrefix(token, "Validation: ") {
			return notify.Reply{Status: 400}, nil
		}
		return notify.Reply{Status: 200, ContentType: "text/plain; charset=utf-8", Body: []byte(token)}, nil
	}
	var collection struct{ Value []map[string]any }
	if err := json.Unmarshal(body, &collection); err != nil || contentType != "application/json; charset=utf-8" {
		return notify.Reply{}, errors.New("no collection")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := post{address, collection.Value}
	s.got = append(s.got, p)
	if s.answer != nil {
		return s.answer(p), nil
	}
	return notify.Reply{Status: 202}, nil
}

// take gives what has arrived since, in short: kinds, or lifecycle events.
func (s *subscriber) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []string{}
	for _, p := range s.got {
		var kinds []string
		for _, n := range p.notes {
			kind, _ := n["changeType"].(string)
			event, _ := n["lifecycleEvent"].(string)
			kinds = append(kinds, kind+event)
		}
		all = append(all, strings.Join(kinds, " "))
	}
	s.got = nil
	return all
}

// world is a store with a hub whose clock stands still.
type world struct {
	*testing.T
	now   time.Time
	store *exchange.Store
	hub   *notify.Hub
	*subscriber
	user string
}

func start(t *testing.T, s notify.Switches) *world {
	w := &world{T: t, now: noon, subscriber: &subscriber{}}
	clock := func() time.Time { return w.now }
	w.store = exchange.New(clock, exchange.Switches{})
	w.user = w.store.AddUser(acme, exchange.User{Principal: aino}).ObjectID
	w.store.AddUser(globex, exchange.User{Principal: cy})
	w.hub = notify.New(w.store, clock, w.post, &notify.Options{Switches: s})
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

var app = notify.Caller{Tenant: acme, App: "app"}

func (w *world) wish(more ...func(*notify.Subscription)) notify.Subscription {
	s := notify.Subscription{Resource: "users/" + aino + "/events", User: w.user, ChangeType: "created,updated,deleted",
		NotifyURL: there, LifecycleURL: life, ClientState: "secret", Immutable: true, Expires: w.now.Add(6 * 24 * time.Hour)}
	for _, f := range more {
		f(&s)
	}
	return s
}

func (w *world) subscribe(more ...func(*notify.Subscription)) notify.Subscription {
	w.Helper()
	s, err := w.hub.Create(w.Context(), app, w.wish(more...))
	w.ok(err)
	return s
}

// refuses fails unless a subscription is refused.
func (w *world) refuses(what string, status int, code, message string, more ...func(*notify.Subscription)) {
	w.Helper()
	_, err := w.hub.Create(w.Context(), app, w.wish(more...))
	var e *exchange.Error
	if !errors.As(err, &e) || e.Status != status || e.Code != code || !strings.Contains(e.Message, message) {
		w.Errorf("%s: %+v (%v)", what, e, err)
	}
}

func (w *world) create(tenant, user string) exchange.Event {
	w.Helper()
	start, end := exchange.Time{DateTime: "2026-12-01T10:00:00", Zone: "UTC"}, exchange.Time{DateTime: "2026-12-01T11:00:00", Zone: "UTC"}
	e, err := w.store.Owner(tenant, user).Create(exchange.Change{Start: &start, End: &end})
	w.ok(err)
	return e
}

// arrives delivers what is due and says what arrived.
func (w *world) arrives(what string, want ...string) {
	w.Helper()
	w.hub.Deliver(w.Context())
	if diff := cmp.Diff(append([]string{}, want...), w.take()); diff != "" {
		w.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// 6.2: limits.
func TestASubscriptionKeepsToItsLimits(t *testing.T) {
	w := start(t, notify.Switches{})
	if s := w.subscribe(func(s *notify.Subscription) { s.Expires = w.now.Add(time.Minute) }); !s.Expires.Equal(w.now.Add(45 * time.Minute)) {
		t.Errorf("raised to %v", s.Expires)
	}
	w.now = w.now.Add(time.Hour)
	max := w.subscribe(func(s *notify.Subscription) { s.Expires = w.now.Add(10_080 * time.Minute) })
	w.ok(w.hub.Delete(app, max.ID))
	for name, f := range map[string]func(*notify.Subscription){
		"too far ahead":   func(s *notify.Subscription) { s.Expires = w.now.Add(10_080*time.Minute + time.Second) },
		"in the past":     func(s *notify.Subscription) { s.Expires = w.now },
		"no end":          func(s *notify.Subscription) { s.Expires = time.Time{} },
		"a long state":    func(s *notify.Subscription) { s.ClientState = strings.Repeat("ö", 129) },
		"no change type":  func(s *notify.Subscription) { s.ChangeType = "" },
		"another type":    func(s *notify.Subscription) { s.ChangeType = "created,missed" },
		"plain http":      func(s *notify.Subscription) { s.NotifyURL = "http://product.example/" },
		"no address":      func(s *notify.Subscription) { s.NotifyURL = "" },
		"half an address": func(s *notify.Subscription) { s.LifecycleURL = "/life" },
		"an old TLS":      func(s *notify.Subscription) { s.TLS = "v0_9" },
	} {
		w.refuses(name, 400, "InvalidRequest", "", f)
	}
	w.subscribe(func(s *notify.Subscription) {
		s.ClientState = strings.Repeat("ö", 128)
		s.NotifyURL = "http://127.0.0.1:7071/x"
	})
	w.hub.Set(notify.Switches{ClipLong: true})
	if s := w.subscribe(func(s *notify.Subscription) { s.ChangeType, s.Expires = "deleted", w.now.AddDate(1, 0, 0) }); !s.Expires.Equal(w.now.Add(10_080 * time.Minute)) {
		t.Errorf("clipped to %v", s.Expires)
	}
}

// 6.2: a duplicate names the one there is; other types, apps, users or resources are none.
func TestADuplicateIsAConflictThatNamesTheOther(t *testing.T) {
	w := start(t, notify.Switches{})
	first := w.subscribe()
	same := func(s *notify.Subscription) {
		s.ChangeType, s.Resource = "Deleted, updated,created", "/USERS/"+aino+"/events"
	}
	w.refuses("same", 409, "ObjectIdentifierInUse", "Subscription Id "+first.ID+" already exists for the requested combination", same)
	w.hub.Set(notify.Switches{DuplicateCode: "Conflict"})
	w.refuses("same", 409, "Conflict", first.ID, same)
	w.hub.Set(notify.Switches{DuplicateCode: "none"})
	w.refuses("same", 409, "", first.ID, same)
	w.subscribe(func(s *notify.Subscription) { s.ChangeType = "created" })
	_, err := w.hub.Create(t.Context(), notify.Caller{Tenant: acme, App: "other"}, w.wish())
	w.ok(err)
	_, err = w.hub.Create(t.Context(), notify.Caller{Tenant: acme, App: "app", User: w.user}, w.wish())
	w.ok(err)
	w.now = first.Expires
	w.subscribe() // the first has ended
}

// 6.2: a thousand to a mailbox, of all apps.
func TestAMailboxHasAThousandSubscriptionsAtMost(t *testing.T) {
	w := start(t, notify.Switches{})
	for i := range 1000 {
		_, err := w.hub.Create(t.Context(), notify.Caller{Tenant: acme, App: fmt.Sprint(i)}, w.wish())
		w.ok(err)
	}
	w.refuses("one more", 403, "Forbidden", "1000")
}

// 6.3: what passes for a handshake, and what not.
func TestTheHandshakeWantsTheTokenAsPlainTextInTime(t *testing.T) {
	w := start(t, notify.Switches{})
	for name, tt := range map[string]struct {
		answer  func(token string) (notify.Reply, error)
		message string
	}{
		"another status": {func(k string) (notify.Reply, error) {
			return notify.Reply{Status: 202, ContentType: "text/plain", Body: []byte(k)}, nil
		}, "must respond with 200 OK"},
		"forbidden": {func(string) (notify.Reply, error) { return notify.Reply{Status: 403}, nil }, "must respond with 200 OK"},
		"another type": {func(k string) (notify.Reply, error) {
			return notify.Reply{Status: 200, ContentType: "text/html", Body: []byte(k)}, nil
		}, "must respond with 200 OK"},
		"escaped": {func(k string) (notify.Reply, error) {
			return notify.Reply{Status: 200, ContentType: "text/plain", Body: []byte(url.QueryEscape(k))}, nil
		}, "must respond with 200 OK"},
		"with a line end": {func(k string) (notify.Reply, error) {
			return notify.Reply{Status: 200, ContentType: "text/plain", Body: []byte(k + "\n")}, nil
		}, "must respond with 200 OK"},
		"refused": {func(string) (notify.Reply, error) { return notify.Reply{}, errors.New("connection refused") }, "must respond with 200 OK"},
		"late": {func(k string) (notify.Reply, error) {
			return notify.Reply{Status: 200, ContentType: "text/plain", Body: []byte(k), Took: 11 * time.Second}, nil
		}, "timed out"},
		"never": {func(string) (notify.Reply, error) { return notify.Reply{}, context.DeadlineExceeded }, "timed out"},
	} {
		for _, bad := range []string{there, life} { // both addresses are asked
			hub := notify.New(w.store, func() time.Time { return w.now }, func(ctx context.Context, address, kind string, body []byte) (notify.Reply, error) {
				u, err := url.Parse(address)
				w.ok(err)
				if strings.HasPrefix(address, bad) {
					return tt.answer(u.Query().Get("validationToken"))
				}
				return w.post(ctx, address, kind, body)
			}, nil)
			_, err := hub.Create(t.Context(), app, w.wish())
			var e *exchange.Error
			if !errors.As(err, &e) || e.Status != 400 || e.Code != "ValidationError" || !strings.Contains(e.Message, tt.message) || len(hub.Subscriptions()) != 0 {
				t.Errorf("%s of %s: %+v", name, bad, e)
			}
			hub.Set(notify.Switches{ValidationCode: "InvalidRequest", NameStatus: true})
			_, err = hub.Create(t.Context(), app, w.wish())
			if !errors.As(err, &e) || e.Code != "InvalidRequest" || name == "forbidden" && !strings.HasSuffix(e.Message, "HTTP status code is 'Forbidden'.") {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
}

// 6.1: renewing lasts longer, authorising does not; an unknown or ended one is 404.
func TestASubscriptionIsRenewedAuthorisedAndEnded(t *testing.T) {
	w := start(t, notify.Switches{AuthorisedMS: 3_600_000})
	s := w.subscribe()
	w.now = w.now.Add(time.Minute)
	until := w.now.Add(7 * 24 * time.Hour)
	renewed, err := w.hub.Renew(t.Context(), app, s.ID, until, "")
	w.ok(err)
	if !renewed.Expires.Equal(until) || !renewed.Authorised.Equal(w.now.Add(time.Hour)) {
		t.Errorf("%+v", renewed)
	}
	w.now = w.now.Add(time.Minute)
	w.ok(w.hub.Reauthorise(app, strings.ToUpper(s.ID)))
	got, err := w.hub.Get(app, s.ID)
	w.ok(err)
	if !got.Expires.Equal(until) || !got.Authorised.Equal(w.now.Add(time.Hour)) {
		t.Errorf("%+v", got)
	}
	if got.Hasty != 1 {
		t.Errorf("hasty %d times", got.Hasty)
	}
	w.now = w.now.Add(10 * time.Minute)
	_, err = w.hub.Renew(t.Context(), app, s.ID, until, "")
	w.ok(err)
	if got, _ = w.hub.Get(app, s.ID); got.Hasty != 1 {
		t.Errorf("hasty %d times, ten minutes later", got.Hasty)
	}
	other := notify.Caller{Tenant: acme, App: "other"}
	gone := func(what string, err error) {
		t.Helper()
		var e *exchange.Error
		if !errors.As(err, &e) || e.Status != 404 || e.Code != "ResourceNotFound" {
			t.Errorf("%s: %v", what, err)
		}
	}
	gone("another app's", w.hub.Delete(other, s.ID))
	gone("a user's", w.hub.Reauthorise(notify.Caller{Tenant: acme, App: "app", User: "u"}, s.ID))
	if n := len(w.hub.List(other)); n != 0 || len(w.hub.List(app)) != 1 {
		t.Errorf("%d of another", n)
	}
	w.ok(w.hub.Delete(app, s.ID))
	gone("deleted", w.hub.Delete(app, s.ID))
	s = w.subscribe()
	w.now = s.Expires
	_, err = w.hub.Renew(t.Context(), app, s.ID, w.now.Add(time.Hour), "")
	gone("expired", err)
}

// 6.4: what is sent.
func TestANotificationIsAsGraphWritesIt(t *testing.T) {
	w := start(t, notify.Switches{})
	s := w.subscribe()
	e := w.create(acme, aino)
	w.hub.Deliver(t.Context())
	path := "Users/" + w.user + "/Events/" + e.ID
	want := []map[string]any{{"subscriptionId": s.ID, "subscriptionExpirationDateTime": "2026-11-26T12:00:00+00:00", "tenantId": acme, "changeType": "created", "clientState": "secret",
		"resource": path, "resourceData": map[string]any{"@odata.type": "#Microsoft.Graph.Event", "@odata.id": path, "@odata.etag": `W/"` + exchange.LongChangeKey(e.ChangeKey) + `"`, "id": e.ID}}}
	if diff := cmp.Diff(want, w.got[0].notes); diff != "" || w.got[0].url != there {
		t.Errorf("to %s (-want +got):\n%s", w.got[0].url, diff)
	}
	for casing, resource := range map[string]string{"lower": "users/" + w.user + "@" + acme + "/events/" + e.MutableID, "keys": "Users('" + w.user + "')/Events('" + e.MutableID + "')"} {
		w.take()
		w.hub.Set(notify.Switches{Casing: casing, WithIDs: true})
		w.ok(w.hub.Delete(app, w.hub.Subscriptions()[0].ID))
		w.subscribe(func(s *notify.Subscription) { s.Immutable = false })
		w.ok(w.store.Owner(acme, aino).Retitle(e.ID, casing))
		w.hub.Deliver(t.Context())
		if n := w.got[0].notes[0]; n["resource"] != resource || n["resourceData"].(map[string]any)["id"] != e.MutableID || n["id"] == nil {
			t.Errorf("%s: %v", casing, n)
		}
	}
}

// 6.4: created, updated, deleted; a series is told by its master, whatever happened to a day of it.
func TestASeriesIsToldByItsMaster(t *testing.T) {
	w := start(t, notify.Switches{})
	w.subscribe()
	e := w.create(acme, aino)
	owner := w.store.Owner(acme, aino)
	rule := &exchange.Recurrence{Pattern: exchange.Pattern{Type: "daily", Interval: 1}, Range: exchange.Range{Type: "numbered", StartDate: "2026-12-01", Count: 5}}
	_, err := owner.Change(e.ID, exchange.Change{Recurrence: &rule})
	w.ok(err)
	days, err := w.store.Instances(acme, aino, e.ID, noon, noon.AddDate(0, 1, 0))
	w.ok(err)
	w.ok(owner.Retitle(days[1].ID, "other"))
	w.ok(owner.Delete(days[2].ID))
	w.ok(owner.Delete(e.ID))
	w.hub.Deliver(t.Context())
	kinds := []string{}
	for _, n := range w.got[0].notes {
		kinds = append(kinds, n["changeType"].(string))
		if id := n["resourceData"].(map[string]any)["id"]; id != e.ID {
			t.Errorf("told of %v", id)
		}
	}
	if want := []string{"created", "updated", "updated", "updated", "deleted"}; !slices.Equal(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
}

// 6.4: storms; only what was asked for.
func TestOneEditMayBeManyNotifications(t *testing.T) {
	w := start(t, notify.Switches{Storm: 2})
	w.subscribe()
	e := w.create(acme, aino)
	w.arrives("a create", "created updated updated")
	w.ok(w.store.Owner(acme, aino).Retitle(e.ID, "x"))
	w.arrives("an edit", "updated updated updated")
	w.ok(w.store.Owner(acme, aino).Delete(e.ID))
	w.arrives("a delete", "deleted")
	w.ok(w.hub.Delete(app, w.hub.Subscriptions()[0].ID))
	w.subscribe(func(s *notify.Subscription) { s.ChangeType = "deleted" })
	e = w.create(acme, aino)
	w.ok(w.store.Owner(acme, aino).Delete(e.ID))
	w.arrives("deletes only", "deleted")
}

// 6.4: several subscriptions and tenants in one POST, and not more than its size.
func TestSeveralTenantsAreInOnePost(t *testing.T) {
	w := start(t, notify.Switches{Batch: 3})
	w.subscribe()
	theirs, err := w.store.User(globex, cy)
	w.ok(err)
	_, err = w.hub.Create(t.Context(), notify.Caller{Tenant: globex, App: "app"}, w.wish(func(s *notify.Subscription) { s.User = theirs.ObjectID }))
	w.ok(err)
	for range 2 {
		w.create(acme, aino)
		w.create(globex, cy)
	}
	w.hub.Deliver(t.Context())
	if len(w.got) != 2 || len(w.got[0].notes) != 3 || w.got[0].notes[0]["tenantId"] != acme || w.got[0].notes[1]["tenantId"] != globex {
		t.Errorf("%v", w.got)
	}
}

// 6.1: a subscription to one calendar hears of that calendar.
func TestASubscriptionToACalendarHearsOfItAlone(t *testing.T) {
	w := start(t, notify.Switches{})
	team, err := w.store.AddCalendar(acme, aino, "Team")
	w.ok(err)
	main, err := w.store.Calendar(acme, aino, "")
	w.ok(err)
	w.subscribe(func(s *notify.Subscription) { s.Calendar = team.ID })
	e := w.create(acme, aino)
	w.arrives("in the other")
	for _, tt := range []struct{ calendar, want string }{{team.ID, "created"}, {main.ID, "deleted"}} {
		_, err = w.store.Owner(acme, aino).File(e.ID, tt.calendar)
		w.ok(err)
		w.arrives("filed", tt.want)
	}
	w.hub.Set(notify.Switches{NoCalendars: true})
	w.refuses("not documented", 400, "InvalidRequest", "", func(s *notify.Subscription) { s.Calendar, s.Resource = main.ID, "another" })
}

// The notification of a change comes with latency, by the clock.
func TestNotificationsComeLate(t *testing.T) {
	w := start(t, notify.Switches{LatencyMS: 60_000})
	w.subscribe()
	w.create(acme, aino)
	w.arrives("at once")
	if next, some := w.hub.Next(); !some || !next.Equal(noon.Add(time.Minute)) {
		t.Errorf("next %v", next)
	}
	w.now = w.now.Add(time.Minute)
	w.arrives("a minute later", "created")
	if len(w.hub.Pending()) != 0 {
		t.Errorf("%v", w.hub.Pending())
	}
}
