package msgraph

import (
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/shared/graph"
	"github.com/calbridge/calbridge/shared/key"
)

const (
	linkTenant = "11111111-aaaa-4bbb-8ccc-000000000001"
	ainosID    = "22222222-aaaa-4bbb-8ccc-00000000000a"
	bosID      = "22222222-aaaa-4bbb-8ccc-00000000000b"
	calendarID = "AAMkAGQ=_-x"
)

// own is a person's own access.
var own = graph.Access{Tenant: linkTenant, Connection: key.Of("c"), ObjectID: ainosID}

// Contract 4, section 6.4: the forms in which a mailbox and a calendar are named. Nothing
// is followed that leads into another one.
func TestALinkIsFollowedOnlyToTheCalendarThatWasAskedFor(t *testing.T) {
	c, err := New(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	app := graph.AppAccess(linkTenant)
	const root, token = "https://graph.microsoft.com/v1.0", "?$deltatoken=a%2Bb"
	for _, tt := range []struct {
		as                graph.Access
		mailbox, calendar string
		path              string
		want              string // "" refused; "=" as it is
	}{
		{app, "aino@acme.example", "", "/users/aino@acme.example/calendarView/delta", "="},
		{app, "aino@acme.example", "", "/Users('AINO%40ACME.example')/CalendarView/delta()", "="},
		{app, "aino@acme.example", "", "/users('aino@acme.example')/calendarView/microsoft.graph.delta()", "="},
		{app, "aino@acme.example", "", "/users/aino%40acme.example/calendar/calendarView/delta", "="},
		{app, "o'hara@acme.example", "", "/users('o''hara@acme.example')/calendarView/delta", "="},
		{app, "aino@acme.example", calendarID, "/users/aino@acme.example/calendars/" + calendarID + "/calendarView/delta", "="},
		{app, "aino@acme.example", calendarID, "/users('aino@acme.example')/calendars('AAMkAGQ%3D_-x')/calendarView/delta()", "="},
		{own, "aino@acme.example", "", "/users/" + ainosID + "/calendarView/delta", "="},
		{own, "aino@acme.example", "", "/users/" + strings.ToUpper(ainosID) + "@" + linkTenant + "/calendarView/delta", "="},
		{own, "aino@acme.example", "", "/me/calendarView/delta", "="},
		{own, "aino@acme.example", calendarID, "/me/calendars('" + calendarID + "')/calendarView/delta", "="},
		// An address for an id, or an id for an address: asked of the mailbox that was asked for.
		{own, "aino@acme.example", "", "/users/bo@acme.example/calendarView/delta", "/users/" + ainosID + "/calendarView/delta"},
		{app, "aino@acme.example", calendarID, "/users('" + bosID + "')/calendars('" + calendarID + "')/calendarView/delta()",
			"/users/aino@acme.example/calendars('" + calendarID + "')/calendarView/delta()"},

		{app, "aino@acme.example", "", "/users/bo@acme.example/calendarView/delta", ""},
		{app, "aino@acme.example", "", "/users/aino@acme.example.evil.example/calendarView/delta", ""},
		{app, "aino@acme.example", "", "/users/x/calendarView/delta", ""},
		{app, "aino@acme.example", "", "/me/calendarView/delta", ""},
		{app, ainosID, "", "/users/" + bosID + "/calendarView/delta", ""},
		{own, "aino@acme.example", "", "/users/" + bosID + "/calendarView/delta", ""},
		{own, "aino@acme.example", "", "/users/" + bosID + "@" + linkTenant + "/calendarView/delta", ""},
		{app, "aino@acme.example", "", "/users/aino@acme.example/calendars/" + calendarID + "/calendarView/delta", ""},
		{app, "aino@acme.example", calendarID, "/users/aino@acme.example/calendarView/delta", ""},
		{app, "aino@acme.example", calendarID, "/users/aino@acme.example/calendars/" + strings.ToLower(calendarID) + "/calendarView/delta", ""},
		{app, "aino@acme.example", calendarID, "/users/aino@acme.example/calendars/other/calendarView/delta", ""},
		{app, "aino@acme.example", calendarID, "/users/aino@acme.example/calendarGroups/g/calendars/" + calendarID + "/calendarView/delta", ""},
		{app, "aino@acme.example", "", "/users/aino@acme.example/events/delta", ""},
		{app, "aino@acme.example", "", "/users/aino@acme.example/calendarView", ""},
		{app, "aino@acme.example", "", "/users/aino@acme.example/calendarView/delta/x", ""},
		{app, "aino@acme.example", "", "/users/aino@acme.example/../bo@acme.example/calendarView/delta", ""},
		{app, "aino@acme.example", "", "/users/aino@acme.example%2f..%2fbo@acme.example/calendarView/delta", ""},
		{app, "aino@acme.example", "", "/groups/aino@acme.example/calendarView/delta", ""},
		{app, "aino@acme.example", "", "/users('')/calendarView/delta", ""},
		{app, "aino@acme.example", "", "/users", ""},
		{app, "aino@acme.example", "", "/", ""},
	} {
		req, err := c.deltaLink(root+tt.path+token, tt.as, graph.DeltaRequest{Mailbox: tt.mailbox, Calendar: tt.calendar})
		want := strings.Replace(tt.want, "=", tt.path, 1)
		if tt.want != "=" {
			want = tt.want
		}
		if want == "" && err == nil || want != "" && (err != nil || req.path != want+token) {
			t.Errorf("asked for %s %q, told %s: %q, %v", tt.as.Path(tt.mailbox), tt.calendar, tt.path, req.path, err)
		}
	}
}

// Whatever a link is, it leads to the changes of the calendar that was asked for, or nowhere.
func FuzzALinkLeadsNowhereElse(f *testing.F) {
	f.Add("/users/"+ainosID+"/calendarView/delta?x", "")
	f.Add("/users('aino%40acme.example')/calendars('AAMk%2F''')/calendarView/delta()?$skiptoken=a", "AAMk/'")
	f.Add("/me/calendar/calendarView/delta?", "")
	f.Add("/users/../me/calendarView/delta#a", "..")
	c, err := New(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, calendar string) {
		req, err := c.deltaLink("https://graph.microsoft.com/v1.0"+path, own, graph.DeltaRequest{Mailbox: "aino@acme.example", Calendar: calendar})
		if err != nil {
			return
		}
		u, err := url.Parse("https://graph.microsoft.com/v1.0" + req.path)
		if err != nil || u.Host != "graph.microsoft.com" {
			t.Fatalf("%q: %v", req.path, err)
		}
		lower := strings.ToLower(u.Path)
		if !strings.Contains(lower, ainosID) && !strings.HasPrefix(lower, "/v1.0/me/") || !strings.Contains(lower, "/calendarview/") ||
			!strings.Contains(strings.ReplaceAll(u.Path, "''", "'"), strings.ReplaceAll(calendar, "''", "'")) {
			t.Fatalf("%q is not %q", req.path, calendar)
		}
	})
}
