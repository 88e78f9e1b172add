package msgraph_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/local/m365/changes"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphapi"
	"github.com/calbridge/calbridge/local/m365/graphworld"
	"github.com/calbridge/calbridge/local/m365/notify"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
	"github.com/calbridge/calbridge/shared/graph/msgraph"
)

// readTokens gives the tokens of graphworld's readings; the app has none in Foreign.
type readTokens struct{}

func (readTokens) Token(ctx context.Context, as graph.Access, fresh bool) (string, error) {
	if as.Connection == graphworld.Basic {
		return "basic", nil
	}
	return listTokens{}.Token(ctx, as, fresh)
}

// readers checks the tokens of readTokens.
type readers struct{ world *graphworld.World }

func (r readers) Check(authorization, token string) (graphapi.Caller, error) {
	if authorization == "Bearer basic" {
		return graphapi.Caller{Tenant: graphworld.Tenant, App: client, User: r.world.ObjectID(), Scopes: []string{"Calendars.ReadBasic"}}, nil
	}
	return listers(r).Check(authorization, token)
}

// overHTTP is a client of a fresh simulator whose changes and subscriptions are at hand.
func overHTTP(t *testing.T) (*graphworld.World, *msgraph.Client, *changes.Tracker, *notify.Hub) {
	store := exchange.New(time.Now, exchange.Switches{})
	world := graphworld.New(t, store, nil)
	tracker, hub := changes.New(store, store.Now), notify.New(store, store.Now, notify.OverHTTP(nil), nil)
	hub.Set(notify.Switches{ByHand: true})
	api := graphapi.New(store, readers{world}, time.Now, &graphapi.Options{Changes: tracker, Hub: hub})
	world.Trouble = graphworld.Rules{T: t, Set: api.Faults()}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	c, err := msgraph.New(readTokens{}, &msgraph.Options{Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return world, c, tracker, hub
}

func TestTheClientPassesTheCasesOfReadersOverHTTP(t *testing.T) {
	graphtest.RunReader(t, func(t *testing.T) graphtest.Readings {
		world, c, tracker, _ := overHTTP(t)
		return world.Readings(c, c, tracker)
	})
}

func TestTheClientPassesTheCasesOfSubscribersOverHTTP(t *testing.T) {
	graphtest.RunSubscriber(t, func(t *testing.T) graphtest.Notified {
		sink := &graphworld.Sink{}
		server := httptest.NewServer(sink)
		t.Cleanup(server.Close)
		world, c, _, hub := overHTTP(t)
		return world.Notified(c, c, hub, sink, server.URL)
	})
}

// window is December 2026.
var window = graph.DeltaRequest{Mailbox: "aino o'hara+x@acme.example", From: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}

// Contract 4.3, 10: what is not in the token goes along with every page, and nothing is
// asked for that is refused.
func TestEveryPageIsAskedForWithItsPreferences(t *testing.T) {
	type seen struct{ URL, Prefer string }
	var got []seen
	var base string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, seen{r.RequestURI, r.Header.Get("Prefer")})
		if strings.Contains(r.URL.Path, "/events/") {
			fmt.Fprint(w, `{"id":"E"}`)
			return
		}
		link := "/v1.0/users('Aino%20O''Hara+x%40acme.example')/calendarView/delta()?$deltatoken=a%2Bb"
		if strings.Contains(r.URL.Path, "/calendars") {
			link = "/v1.0/users('aino%20o''hara+x%40acme.example')/calendars('AAMk=%2Fx')/calendarView/delta()?$deltatoken=a%2Bb"
		}
		fmt.Fprintf(w, `{"value":[],"@odata.deltaLink":%q}`, base+link)
	}))
	defer server.Close()
	base = server.URL
	c, err := msgraph.New(listTokens{}, &msgraph.Options{Endpoint: base})
	if err != nil {
		t.Fatal(err)
	}
	app := graph.AppAccess(graphworld.Tenant)
	first, chosen := window, window
	first.PageSize, chosen.Calendar = 50, "AAMk=/x"
	for _, r := range []graph.DeltaRequest{first, chosen} {
		page, err := c.Delta(t.Context(), app, r)
		if err != nil {
			t.Fatal(err)
		}
		r.Link, r.From = page.Delta, time.Time{}
		if _, err := c.Delta(t.Context(), app, r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Read(t.Context(), app, "x", "E"); err != nil {
		t.Fatal(err)
	}
	const prefer, mailbox = `IdType="ImmutableId", outlook.timezone="UTC"`, "/v1.0/users/aino%20o%27hara%2Bx%40acme.example"
	const dates = "?endDateTime=2027-01-01T00%3A00%3A00Z&startDateTime=2026-12-01T00%3A00%3A00Z"
	const link, chosenLink = "/v1.0/users('Aino%20O''Hara+x%40acme.example')/calendarView/delta()?$deltatoken=a%2Bb",
		"/v1.0/users('aino%20o''hara+x%40acme.example')/calendars('AAMk=%2Fx')/calendarView/delta()?$deltatoken=a%2Bb"
	want := []seen{
		{mailbox + "/calendarView/delta()" + dates, prefer + ", odata.maxpagesize=50"}, {link, prefer + ", odata.maxpagesize=50"},
		{mailbox + "/calendars/AAMk%3D%2Fx/calendarView/delta()" + dates, prefer}, {chosenLink, prefer},
		{"/v1.0/users/x/events/E?$expand=singleValueExtendedProperties%28%24filter%3Did%20eq%20%27" + "String%20%7B6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3%7D%20Name%20CalbridgeDelivery%27%29" +
			"&$select=id,changeKey,iCalUId,type,seriesMasterId,originalStart,start,end,originalStartTimeZone,originalEndTimeZone,isAllDay,isCancelled,isOrganizer,isReminderOn,reminderMinutesBeforeStart,showAs,sensitivity,responseStatus,subject,location,body,organizer,attendees,categories,recurrence", prefer},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// answering is a client of a server that answers every request with a body.
func answering(t *testing.T, status int, body string) (*msgraph.Client, *int) {
	t.Helper()
	sent := new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*sent++
		w.WriteHeader(status)
		fmt.Fprint(w, strings.ReplaceAll(body, "HOST", "http://"+r.Host))
	}))
	t.Cleanup(server.Close)
	c, err := msgraph.New(listTokens{}, &msgraph.Options{Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c, sent
}

// Style.md, Errors: zero items and "could not read" never look alike.
func TestAPageThatCannotBeReadIsNoEmptyPage(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want int // items; -1 where it must fail
	}{
		"nothing changed":        {`{"value":[],"@odata.deltaLink":"HOST/v1.0/users/x/calendarView/delta?d"}`, 0},
		"no link":                {`{"value":[]}`, -1},
		"two links":              {`{"value":[],"@odata.deltaLink":"a","@odata.nextLink":"b"}`, -1},
		"no value":               {`{"@odata.deltaLink":"a"}`, -1},
		"value is null":          {`{"value":null,"@odata.deltaLink":"a"}`, -1},
		"HTML":                   {`<html>`, -1},
		"nothing":                {``, -1},
		"cut off":                {`{"value":[{"id":"a"}`, -1},
		"an item without an id":  {`{"value":[{"subject":"x"},{"id":"b"}],"@odata.deltaLink":"a"}`, 1},
		"a removed without id":   {`{"value":[{"@removed":{"reason":"deleted"}}],"@odata.deltaLink":"a"}`, 0},
		"unknown properties":     {`{"value":[{"id":"b","colour":{"a":[1]},"@odata.x":null}],"@odata.deltaLink":"a","@more":1}`, 1},
		"a number for a subject": {`{"value":[{"id":"b","subject":7}],"@odata.deltaLink":"a"}`, -1},
	} {
		c, sent := answering(t, 200, tt.body)
		page, err := c.Delta(t.Context(), graph.AppAccess(graphworld.Tenant), window)
		if (err != nil) != (tt.want < 0) || err == nil && len(page.Items) != tt.want || err != nil && (page.Items != nil || page.Next+page.Delta != "") || *sent != 1 {
			t.Errorf("%s: %+v of %d requests, %v", name, page, *sent, err)
		}
	}
}

// Contract 2.3, 4.4 and section 16: odd items are what they can be, never a panic.
func TestOddItemsAreRead(t *testing.T) {
	for name, tt := range map[string]struct {
		item string
		want graph.Item
	}{
		"moved out of the window":      {`{"id":"a","@removed":{"reason":"deleted"},"subject":"x"}`, graph.Item{ID: "a", Removed: true}},
		"removed, to be restored":      {`{"id":"a","@removed":{"reason":"changed"}}`, graph.Item{ID: "a", Removed: true}},
		"removed, in some way":         {`{"id":"a","@removed":{}}`, graph.Item{ID: "a", Removed: true}},
		"not removed":                  {`{"id":"a","@removed":null}`, graph.Item{ID: "a"}},
		"slim":                         {`{"id":"a","type":"occurrence","seriesMasterId":"m","start":{"dateTime":"2026-12-02T09:00:00.0000000","timeZone":"UTC"}}`, graph.Item{ID: "a", Kind: graph.Occurrence, Series: "m", Start: time.Date(2026, 12, 2, 9, 0, 0, 0, time.UTC)}},
		"an unknown kind":              {`{"id":"a","type":"future","seriesMasterId":"m"}`, graph.Item{ID: "a", Kind: graph.Exception, Series: "m"}},
		"another zone than asked for":  {`{"id":"a","start":{"dateTime":"2026-12-02T09:00:00","timeZone":"FLE Standard Time"}}`, graph.Item{ID: "a", Start: time.Date(2026, 12, 2, 7, 0, 0, 0, time.UTC)}},
		"an unknown zone":              {`{"id":"a","start":{"dateTime":"2026-12-02T09:00:00","timeZone":"Moon"}}`, graph.Item{ID: "a"}},
		"outside the calendar's years": {`{"id":"a","start":{"dateTime":"99999-12-02T09:00:00","timeZone":"UTC"},"originalStart":"0000"}`, graph.Item{ID: "a"}},
		"a whole day, some zone":       {`{"id":"a","isAllDay":true,"start":{"dateTime":"2026-12-02T00:00:00.0000000","timeZone":"Moon"}}`, graph.Item{ID: "a", AllDay: true, Start: time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)}},
		"nulls":                        {`{"id":"a","subject":null,"start":null,"body":null,"attendees":null,"organizer":{"emailAddress":null},"recurrence":null,"categories":null}`, graph.Item{ID: "a"}},
	} {
		c, _ := answering(t, 200, `{"value":[`+tt.item+`],"@odata.deltaLink":"a"}`)
		page, err := c.Delta(t.Context(), graph.AppAccess(graphworld.Tenant), window)
		if err != nil || len(page.Items) != 1 {
			t.Errorf("%s: %+v, %v", name, page, err)
			continue
		}
		if diff := cmp.Diff(tt.want, page.Items[0]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestAnAppointmentWithFiveHundredPeopleIsReadWhole(t *testing.T) {
	var people []string
	for n := range 500 {
		people = append(people, fmt.Sprintf(`{"type":"optional","status":{"response":"none"},"emailAddress":{"name":"N","address":"p%d@acme.example"}}`, n))
	}
	c, _ := answering(t, 200, `{"value":[{"id":"a","attendees":[`+strings.Join(people, ",")+`]}],"@odata.deltaLink":"a"}`)
	page, err := c.Delta(t.Context(), graph.AppAccess(graphworld.Tenant), window)
	if err != nil || len(page.Items) != 1 || len(page.Items[0].People) != 500 || page.Items[0].People[499].Address != "p499@acme.example" {
		t.Errorf("%d items, %v", len(page.Items), err)
	}
}

// A page has no $select and never splits a series: it may be longer than other answers,
// and still has a bound.
func TestAPageIsBounded(t *testing.T) {
	big := func(bytes int) string {
		return `{"value":[{"id":"a","body":{"content":"` + strings.Repeat("x", bytes) + `"}}],"@odata.deltaLink":"a"}`
	}
	c, _ := answering(t, 200, big(9<<20))
	if _, err := c.Delta(t.Context(), graph.AppAccess(graphworld.Tenant), window); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(t.Context(), graph.AppAccess(graphworld.Tenant), "x", "a"); err == nil {
		t.Error("a single event of 9 MiB was read")
	}
	c, _ = answering(t, 200, big(32<<20))
	if page, err := c.Delta(t.Context(), graph.AppAccess(graphworld.Tenant), window); !errors.Is(err, graph.ErrTooLarge) || page.Delta != "" {
		t.Errorf("no bound, or it is not told: %v", err)
	}
}

func FuzzAPageOfChangesIsReadOrRefused(f *testing.F) {
	f.Add(`{"value":[],"@odata.deltaLink":"a"}`)
	f.Add(`{"value":[{"id":"a","@removed":{}},{"id":"b","type":"seriesMaster","recurrence":{"pattern":{}},"start":{"dateTime":"2026-12-02T09:00:00","timeZone":"UTC"}}],"@odata.nextLink":"a"}`)
	f.Add(`{"value":[{"id":"a","start":{"dateTime":"2026-12-02T99:00:00Z","timeZone":"Europe/Helsinki"},"isAllDay":true}],"@odata.deltaLink":"b"}`)
	f.Fuzz(func(t *testing.T, body string) {
		c, err := msgraph.New(listTokens{}, &msgraph.Options{Transport: canned(body)})
		if err != nil {
			t.Fatal(err)
		}
		page, err := c.Delta(t.Context(), graph.AppAccess(graphworld.Tenant), window)
		if err == nil && (page.Next == "") == (page.Delta == "") {
			t.Errorf("%+v", page)
		}
		for _, i := range page.Items {
			if i.ID == "" || i.Removed && i.Kind != graph.Single {
				t.Errorf("%+v", i)
			}
		}
	})
}

// canned answers every request with a body.
type canned string

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.WriteString(string(c))
	return w.Result(), nil
}

// Contract 6.2: what a subscription is asked to be, and that nothing is sent that would
// not fit.
func TestASubscriptionIsAskedForAsItIsToBe(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		_, _ = fmt.Fprintf(&b, "%s %s %s ", r.Method, r.RequestURI, r.Header.Get("Prefer"))
		buf := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(buf)
		b.Write(buf)
		bodies = append(bodies, b.String())
		fmt.Fprint(w, `{"id":"S","resource":"users/x/events","expirationDateTime":"2026-12-07T10:00:00Z"}`)
	}))
	defer server.Close()
	c, err := msgraph.New(listTokens{}, &msgraph.Options{Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	app, until := graph.AppAccess(graphworld.Tenant), time.Date(2026, 12, 7, 12, 0, 0, 0, time.FixedZone("", 7200))
	s := graph.Subscription{Mailbox: "aino o'hara+x@acme.example", ClientState: "1.a.b", Expires: until}
	made, err := c.Subscribe(t.Context(), app, s, "https://p.example/n", "https://p.example/l")
	if err != nil || made != (graph.Subscription{ID: "S", Mailbox: s.Mailbox, ClientState: "1.a.b", Expires: until.UTC()}) {
		t.Errorf("%+v, %v", made, err)
	}
	if renewed, err := c.Renew(t.Context(), app, "S", until); err != nil || renewed.Mailbox != "x" {
		t.Errorf("%+v, %v", renewed, err)
	}
	if err := c.Unsubscribe(t.Context(), app, "S"); err != nil {
		t.Error(err)
	}
	want := []string{
		`POST /v1.0/subscriptions IdType="ImmutableId" {"changeType":"created,updated,deleted","clientState":"1.a.b","expirationDateTime":"2026-12-07T10:00:00Z","lifecycleNotificationUrl":"https://p.example/l","notificationUrl":"https://p.example/n","resource":"users/aino o'hara+x@acme.example/events"}`,
		`PATCH /v1.0/subscriptions/S IdType="ImmutableId" {"expirationDateTime":"2026-12-07T10:00:00Z"}`,
		`DELETE /v1.0/subscriptions/S IdType="ImmutableId" `,
	}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for name, change := range map[string]func(*graph.Subscription){
		"a path":          func(s *graph.Subscription) { s.Mailbox = "x/messages?a=" },
		"a step":          func(s *graph.Subscription) { s.Mailbox = ".." },
		"no state":        func(s *graph.Subscription) { s.ClientState = "" },
		"a long state":    func(s *graph.Subscription) { s.ClientState = strings.Repeat("x", 129) },
		"without an end":  func(s *graph.Subscription) { s.Expires = time.Time{} },
		"nobody's events": func(s *graph.Subscription) { s.Mailbox = "" },
	} {
		bad := s
		change(&bad)
		if _, err := c.Subscribe(t.Context(), app, bad, "https://p.example/n", ""); err == nil || len(bodies) != 3 {
			t.Errorf("%s was sent", name)
		}
	}
}
