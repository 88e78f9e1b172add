package msgraph_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphapi"
	"github.com/calbridge/calbridge/local/m365/graphworld"
	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/graph/graphtest"
	"github.com/calbridge/calbridge/shared/graph/msgraph"
)

// listTokens gives the tokens of graphworld's lists; the app has none in Foreign.
type listTokens struct{}

func (listTokens) Token(_ context.Context, as graph.Access, _ bool) (string, error) {
	switch {
	case as.App() && as.Tenant == graphworld.Tenant:
		return "app", nil
	case as.App():
		return "", unknownApp{}
	case as.Connection == graphworld.Own:
		return "own", nil
	case as.Connection == graphworld.Sharing:
		return "sharing", nil
	}
	return "", ended{}
}

// unknownApp is the refusal of a tenant that never consented.
type unknownApp struct{}

func (unknownApp) Error() string { return "AADSTS700016" }
func (unknownApp) TokenFailure() (string, []int, int, time.Duration) {
	return "unauthorized_client", []int{700016}, 400, 0
}

// listers checks the tokens of listTokens.
type listers struct{ world *graphworld.World }

func (l listers) Check(authorization, _ string) (graphapi.Caller, error) {
	c := graphapi.Caller{Tenant: graphworld.Tenant, App: client, User: l.world.ObjectID(), Scopes: []string{"Calendars.Read"}}
	switch strings.TrimPrefix(authorization, "Bearer ") {
	case "app":
		c.User, c.Scopes, c.Roles = "", nil, []string{"Calendars.ReadWrite"}
	case "sharing":
		c.Scopes = append(c.Scopes, "Calendars.Read.Shared")
	case "own":
	default:
		return graphapi.Caller{}, &graphapi.Refusal{Message: "no token"}
	}
	return c, nil
}

func TestTheClientPassesTheCasesOfListsOverHTTP(t *testing.T) {
	graphtest.RunLists(t, func(t *testing.T) graphtest.Lists {
		store := exchange.New(time.Now, exchange.Switches{})
		world := graphworld.New(t, store, nil)
		api := graphapi.New(store, listers{world}, time.Now, nil)
		world.Trouble = graphworld.Rules{T: t, Set: api.Faults()}
		server := httptest.NewServer(api)
		t.Cleanup(server.Close)
		c, err := msgraph.New(listTokens{}, &msgraph.Options{Endpoint: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		return world.Lists(c, c)
	})
}

// page answers with calendars of these ids, and a link where there is one.
func page(link string, ids ...string) string {
	var items []string
	for _, id := range ids {
		items = append(items, fmt.Sprintf(`{"id":%q,"name":"N","owner":{"address":"A@acme.example"}}`, id))
	}
	if link != "" {
		link = fmt.Sprintf(`,"@odata.nextLink":%q`, link)
	}
	return `{"value":[` + strings.Join(items, ",") + `]` + link + `}`
}

func TestAListThatIsNotWholeIsNoList(t *testing.T) {
	for name, tt := range map[string]struct {
		answers func(base string) []string
		want    int // calendars; -1 where it must fail
		sent    int
	}{
		"one page":               {func(string) []string { return []string{page("", "a", "b")} }, 2, 1},
		"three pages":            {func(b string) []string { return []string{page(b+"2", "a"), page(b+"3", "b", "a"), page("", "c")} }, 3, 3},
		"an empty page leads on": {func(b string) []string { return []string{page(b + "2"), page("", "a")} }, -1, 1},
		"a circle":               {func(b string) []string { return []string{page(b+"2", "a"), page(b+"2", "a")} }, -1, 2},
		"another host":           {func(string) []string { return []string{page("https://evil.example/v1.0/x", "a")} }, -1, 1},
		"another scheme":         {func(b string) []string { return []string{page(strings.Replace(b, "http:", "ftp:", 1), "a")} }, -1, 1},
		"another version":        {func(b string) []string { return []string{page(strings.Replace(b, "v1.0", "beta", 1), "a")} }, -1, 1},
		"the second page fails":  {func(b string) []string { return []string{page(b+"2", "a"), `!500`} }, -1, 2},
		"no JSON":                {func(string) []string { return []string{`<html>`} }, -1, 1},
		"no value":               {func(string) []string { return []string{`{}`} }, -1, 1},
		"no id":                  {func(string) []string { return []string{page("", "")} }, -1, 1},
		"a long id":              {func(string) []string { return []string{page("", strings.Repeat("x", graph.MaxFolderID+1))} }, -1, 1},
		"nothing":                {func(string) []string { return []string{page("")} }, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var answers []string
			sent := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if prefer := r.Header.Get("Prefer"); prefer != `IdType="ImmutableId"` || r.Method != http.MethodGet {
					t.Errorf("%s with Prefer %q", r.Method, prefer)
				}
				body := answers[min(sent, len(answers)-1)]
				sent++
				if body == "!500" {
					w.WriteHeader(http.StatusInternalServerError)
					return
				}
				fmt.Fprint(w, body)
			}))
			defer server.Close()
			answers = tt.answers(server.URL + "/v1.0/users/x/calendars?page=")
			c, err := msgraph.New(listTokens{}, &msgraph.Options{Endpoint: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Calendars(t.Context(), graph.AppAccess(graphworld.Tenant), "aino o'hara@acme.example")
			if (err != nil) != (tt.want < 0) || err == nil && len(got) != tt.want || err != nil && got != nil || sent != tt.sent {
				t.Errorf("%d calendars of %d requests, %v", len(got), sent, err)
			}
		})
	}
}

func TestALongListEndsSomewhere(t *testing.T) {
	sent := 0
	var base string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sent++
		fmt.Fprint(w, page(fmt.Sprint(base, sent), fmt.Sprint("c", sent)))
	}))
	defer server.Close()
	base = server.URL + "/v1.0/users/x/calendars?page="
	c, err := msgraph.New(listTokens{}, &msgraph.Options{Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Calendars(t.Context(), graph.AppAccess(graphworld.Tenant), "x"); err == nil || got != nil || sent > 100 {
		t.Errorf("%d calendars of %d requests, %v", len(got), sent, err)
	}
}

func TestAListAsksForWhatItReadsAndNoMore(t *testing.T) {
	s, c := serve(t, answerWith(200, page("")))
	if _, err := c.Calendars(t.Context(), graph.AppAccess(tenant), "aino o'hara+x@acme.example"); err != nil {
		t.Fatal(err)
	}
	const want = "/v1.0/users/aino%20o%27hara%2Bx%40acme.example/calendars?$select=id,name,color,isDefaultCalendar,canEdit,owner&$top=100"
	if seen := s.requests(); len(seen) != 1 || seen[0].URL != want {
		t.Errorf("%v", seen)
	}
}
