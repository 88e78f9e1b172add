package graphapi_test

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphapi"
)

// town is a directory with the users of a world and one without a mailbox.
type town struct{ store *exchange.Store }

func (d town) Profiles(tenant string) []graphapi.Profile {
	all := []graphapi.Profile{{ID: "0d", Principal: "ada@acme.example", Name: "Ada"}}
	for _, u := range d.store.Users(tenant) {
		all = append(all, graphapi.Profile{ID: u.ObjectID, Principal: u.Principal, Name: u.Name, Mail: u.Mail})
	}
	return all
}

func (d town) Profile(tenant, user string) (graphapi.Profile, bool) {
	for _, p := range d.Profiles(tenant) {
		if strings.EqualFold(p.ID, user) || strings.EqualFold(p.Principal, user) {
			return p, true
		}
	}
	return graphapi.Profile{}, false
}

func (d town) Organization(tenant string) (graphapi.Organization, bool) {
	return graphapi.Organization{ID: tenant, Name: "Acme", Domains: []string{"acme.example"}}, tenant == acme
}

// delegated is a world whose tokens are scopes in the name of Aino, or of Ada where
// they begin with "ada:".
func delegated(t *testing.T, opt graphapi.Options) *world {
	w := start(t, exchange.Switches{}, &opt)
	u, err := w.store.User(acme, aino)
	if err != nil {
		t.Fatal(err)
	}
	opt.Directory = town{w.store}
	w.serve(graphapi.New(w.store, scoped{u.ObjectID}, w.clock.Now, &opt))
	return w
}

// scoped reads a token of that kind.
type scoped struct{ aino string }

func (s scoped) Check(authorization, _ string) (graphapi.Caller, error) {
	token := strings.TrimPrefix(authorization, "Bearer ")
	c := graphapi.Caller{Tenant: acme, App: "app-1", User: s.aino}
	if rest, ada := strings.CutPrefix(token, "ada:"); ada {
		c.User, token = "0d", rest
	}
	if roles, app := strings.CutPrefix(token, "app:"); app {
		c.User, c.Roles = "", strings.Split(roles, ",")
		return c, nil
	}
	c.Scopes = strings.Split(token, ",")
	return c, nil
}

// Contract 12: what a signed-in user's token opens.
func TestADelegatedTokenOpensItsUsersOwnMailboxAsFarAsItsScopesGo(t *testing.T) {
	w := delegated(t, graphapi.Options{})
	w.token = "Calendars.ReadWrite"
	id := w.must(201, "POST", "/me/events", flight(1)).id()
	u, _ := w.store.User(acme, aino)
	for _, who := range []string{"/me", "/users/" + aino, "/users/" + strings.ToUpper(aino), "/users/" + u.ObjectID, "/users/a.virtanen@acme.example"} {
		w.must(200, "GET", who+"/events/"+id, nil)
		w.must(200, "GET", who+"/calendar", nil)
	}
	for _, tt := range []struct {
		scopes, method, path string
		status               int
		code                 string
	}{
		{"Calendars.Read", "GET", "/me/events/" + id, 200, ""},
		{"Calendars.Read", "POST", "/me/events", 403, "ErrorAccessDenied"},
		{"Calendars.Read", "PATCH", "/me/events/" + id, 403, "ErrorAccessDenied"},
		{"Calendars.Read", "DELETE", "/me/events/" + id, 403, "ErrorAccessDenied"},
		{"Calendars.Read", "POST", "/me/events/" + id + "/permanentDelete", 403, "ErrorAccessDenied"},
		{"Calendars.ReadBasic", "GET", "/me/events", 200, ""},
		{"Calendars.ReadBasic", "GET", "/me/calendar", 200, ""},
		{"Calendars.ReadBasic", "GET", "/me/events/" + id, 403, "ErrorAccessDenied"},
		{"Calendars.ReadBasic", "GET", "/me/events" + byMark("x"), 403, "ErrorAccessDenied"},
		{"Calendars.ReadBasic", "PATCH", "/me/events/" + id, 403, "ErrorAccessDenied"},
		{"Calendars.ReadBasic.All", "GET", "/me/events", 403, "ErrorAccessDenied"}, // an application's name
		{"User.Read", "GET", "/me/calendar", 403, "ErrorAccessDenied"},
		{"Calendars.Read.Shared", "GET", "/me/calendar", 403, "ErrorAccessDenied"},
		{"Calendars.ReadWrite", "GET", "/users/" + bo + "/calendar", 403, "ErrorAccessDenied"},
		{"Calendars.ReadWrite", "GET", "/users/nobody@acme.example/calendar", 403, "ErrorAccessDenied"},
		{"ada:Calendars.ReadWrite", "GET", "/me/calendar", 404, "MailboxNotEnabledForRESTAPI"},
		{"ada:Calendars.ReadWrite", "GET", "/users/ada@acme.example/calendar", 404, "MailboxNotEnabledForRESTAPI"},
		{"app:Calendars.ReadWrite", "GET", "/users/ada@acme.example/calendar", 404, "MailboxNotEnabledForRESTAPI"},
	} {
		w.token = tt.scopes
		if got := w.do(tt.method, tt.path, nil); got.status != tt.status || got.code() != tt.code {
			t.Errorf("%s: %s %s: %d %s, want %d %s", tt.scopes, tt.method, tt.path, got.status, got.code(), tt.status, tt.code)
		}
	}
	w.token = "Calendars.ReadWrite"
	w.must(204, "DELETE", "/me/events/"+id, nil)
}

// Contract 12: ReadBasic hides body, attachments and extensions.
func TestReadBasicHidesBodiesAndExtensions(t *testing.T) {
	w := delegated(t, graphapi.Options{})
	w.token = "Calendars.ReadWrite"
	w.must(201, "POST", "/me/events", flight(1, "singleValueExtendedProperties", marked("m1")))
	expand := "?$expand=" + strings.ReplaceAll("singleValueExtendedProperties($filter=id eq '"+mark+"')", " ", "%20")
	for scopes, hidden := range map[string]bool{"Calendars.ReadBasic": true, "Calendars.Read": false} {
		w.token = scopes
		one := found(w.must(200, "GET", "/me/events"+expand, nil))[0]
		for _, name := range []string{"body", "bodyPreview", "singleValueExtendedProperties"} {
			if _, has := one[name]; has == hidden {
				t.Errorf("%s: %s there: %t", scopes, name, has)
			}
		}
		if one["subject"] == nil || one["start"] == nil {
			t.Errorf("%s: %v", scopes, one)
		}
	}
}

// Contract 12, U: newer pages of the documentation accept ReadBasic for more.
func TestReadBasicOpensMoreWhereTheSwitchSaysSo(t *testing.T) {
	const window = "/me/calendarView?startDateTime=2026-12-01T00:00:00Z&endDateTime=2026-12-02T00:00:00Z"
	for _, more := range []bool{false, true} {
		w := delegated(t, graphapi.Options{BasicReads: more})
		w.token = "Calendars.ReadBasic"
		if got := w.do("GET", window, nil); (got.status == 200) != more {
			t.Errorf("switch %t: %d", more, got.status)
		}
	}
}

// Contract 12: others' calendars take a .Shared permission, and the owner's leave.
func TestASharedCalendarTakesASharedPermissionAndTheOwnersLeave(t *testing.T) {
	w := delegated(t, graphapi.Options{})
	path := "/users/" + bo + "/events"
	expect := func(scopes, method string, status int, code string) {
		t.Helper()
		w.token = scopes
		if got := w.do(method, path, flight(1)); got.status != status || got.code() != code {
			t.Errorf("%s: %s: %d %s, want %d %s", scopes, method, got.status, got.code(), status, code)
		}
	}
	expect("Calendars.Read.Shared", "GET", 404, "ErrorItemNotFound")
	if err := w.store.Share(acme, bo, aino, false); err != nil {
		t.Fatal(err)
	}
	expect("Calendars.ReadWrite", "GET", 403, "ErrorAccessDenied")
	expect("Calendars.Read.Shared", "GET", 200, "")
	expect("Calendars.Read.Shared", "POST", 403, "ErrorAccessDenied")
	expect("Calendars.ReadWrite.Shared", "POST", 403, "ErrorAccessDenied")
	if err := w.store.Share(acme, bo, aino, true); err != nil {
		t.Fatal(err)
	}
	expect("Calendars.ReadWrite.Shared", "POST", 201, "")
	expect("Calendars.Read.Shared", "POST", 403, "ErrorAccessDenied")
	if err := w.store.Unshare(acme, bo, aino); err != nil {
		t.Fatal(err)
	}
	expect("Calendars.ReadWrite.Shared", "GET", 404, "ErrorItemNotFound")
}

// Contract 12, design.md (Permissions): the directory opens to a signed-in user's token
// only, and as far as its scopes go.
func TestTheDirectoryIsForSignedInUsers(t *testing.T) {
	w := delegated(t, graphapi.Options{})
	for _, tt := range []struct {
		token, path string
		status      int
	}{
		{"app:User.Read.All,Calendars.ReadWrite", "/users/" + aino, 403}, {"app:User.Read.All", "/users", 403}, {"app:User.Read.All", "/organization", 403},
		{"Calendars.ReadWrite", "/me", 403}, {"Calendars.ReadWrite", "/organization", 403}, {"Calendars.ReadWrite", "/users", 403},
		{"User.Read", "/me", 200}, {"User.Read", "/users/" + aino, 200}, {"User.Read", "/organization", 200},
		{"User.Read", "/users/" + bo, 403}, {"User.Read", "/users", 403},
		{"User.ReadBasic.All", "/users/" + bo, 200}, {"User.ReadBasic.All", "/users", 200}, {"User.ReadBasic.All", "/users/nobody", 404},
		{"ada:User.Read", "/me", 200}, {"User.Read", "/me?$select=nonsense", 400},
	} {
		w.token = tt.token
		got := w.do("GET", tt.path, nil)
		if got.status != tt.status || tt.status == 403 && got.code() != "Authorization_RequestDenied" {
			t.Errorf("%s: %s: %d %s, want %d", tt.token, tt.path, got.status, got.body, tt.status)
		}
	}
	w.token = "User.Read"
	me := w.must(200, "GET", "/me?$select=mail,userPrincipalName", nil)
	if me.json["userPrincipalName"] != aino || me.json["displayName"] != nil || me.json["id"] == nil {
		t.Errorf("me: %s", me.body)
	}
	org := found(w.must(200, "GET", "/organization", nil))
	if len(org) != 1 || org[0]["id"] != acme || !strings.Contains(string(w.must(200, "GET", "/organization", nil).body), `"acme.example"`) {
		t.Errorf("organization: %v", org)
	}
	w.token = "ada:User.Read"
	if got := w.must(200, "GET", "/me", nil); !strings.Contains(string(got.body), `"mail":null`) {
		t.Errorf("without mail: %s", got.body)
	}
	w.must(405, "PATCH", "/me", map[string]any{})
}
