package graphapi_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Contract 9 and 12; design.md, Permissions.
func TestOnlyAGrantedTokenOpensAMailbox(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	id := w.must(201, "POST", events, flight(1)).id()
	calendar, event := "/users/"+aino+"/calendar", events+"/"+id
	for _, tt := range []struct {
		token, method, path string
		status              int
		code                string
	}{
		{"nobody", "GET", calendar, 401, "InvalidAuthenticationToken"},
		{"none", "GET", calendar, 403, "ErrorAccessDenied"},
		{"none", "POST", events, 403, "ErrorAccessDenied"},
		{"reader", "GET", event, 200, ""},
		{"reader", "PATCH", event, 403, "ErrorAccessDenied"},
		{"reader", "DELETE", event, 403, "ErrorAccessDenied"},
		{"reader", "POST", events, 403, "ErrorAccessDenied"},
		{"basic", "GET", events, 200, ""},
		{"basic", "GET", event, 403, "ErrorAccessDenied"},
		{"other", "GET", calendar, 404, "Request_ResourceNotFound"},
		{"other", "GET", event, 404, "Request_ResourceNotFound"},
		{"app", "GET", "/users/cy@other.example/calendar", 404, "Request_ResourceNotFound"},
		{"app", "GET", "/users/nobody@acme.example/calendar", 404, "Request_ResourceNotFound"},
		{"app", "GET", "/users/" + aino, 403, "Authorization_RequestDenied"},
		{"app", "GET", "/users('" + aino + "')", 403, "Authorization_RequestDenied"},
		{"app", "GET", "/users", 403, "Authorization_RequestDenied"},
		{"app", "GET", "/organization", 403, "Authorization_RequestDenied"},
		{"app", "GET", "/organization/" + acme, 403, "Authorization_RequestDenied"},
		{"app", "GET", "/me/events", 400, "BadRequest"},
		{"aino", "GET", "/me/events/" + id, 200, ""},
		{"aino", "GET", "/users/" + bo + "/calendar", 403, "ErrorAccessDenied"},
		{"cy", "GET", calendar, 403, "ErrorAccessDenied"},
		{"app", "GET", "/subscriptions", 200, ""},
		{"app", "GET", "/subscriptions/x", 404, "ResourceNotFound"},
		{"app", "GET", "/places", 501, "NotImplemented"},
		{"app", "GET", "/nonsense", 400, "BadRequest"},
		{"app", "GET", "/users/" + aino + "/nonsense", 400, "BadRequest"},
		{"app", "PUT", event, 405, "Request_BadRequest"},
		{"app", "DELETE", calendar, 405, "Request_BadRequest"},
	} {
		w.token = tt.token
		got := w.do(tt.method, tt.path, nil)
		if got.status != tt.status || got.code() != tt.code {
			t.Errorf("%s: %s %s: %d %s, want %d %s", tt.token, tt.method, tt.path, got.status, got.code(), tt.status, tt.code)
		}
	}
}

// Contract 9: the shape of every error; 1: the headers of every answer.
func TestEveryErrorHasCodeMessageAndInnerError(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	for _, path := range []string{"/nonsense", "/users/x/calendar", events + "/AAA=", "/users/" + aino} {
		r := w.do("GET", path, nil, "client-request-id", "c-1")
		e, _ := r.json["error"].(map[string]any)
		inner, _ := e["innerError"].(map[string]any)
		if e["code"] == "" || e["message"] == nil || inner["request-id"] != r.header.Get("request-id") ||
			inner["client-request-id"] != "c-1" || r.header.Get("client-request-id") != "c-1" || inner["date"] != "2026-11-20T12:00:00" {
			t.Errorf("%s: %s, header %v", path, r.body, r.header)
		}
	}
	w.token = "claims"
	r := w.fails(401, "InvalidAuthenticationToken", "GET", events, nil)
	if c := r.header.Get("WWW-Authenticate"); !strings.HasPrefix(c, "Bearer ") || !strings.Contains(c, `claims="e30="`) {
		t.Errorf("challenge %q", c)
	}
	ok := start(t, exchange.Switches{}, nil).must(200, "GET", "/users/"+aino+"/calendar", nil)
	for name, want := range map[string]string{
		"Content-Type":  "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
		"Cache-Control": "private", "OData-Version": "4.0",
	} {
		if got := ok.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if ok.header.Get("client-request-id") != ok.header.Get("request-id") || ok.header.Get("x-ms-ags-diagnostic") == "" {
		t.Errorf("headers %v", ok.header)
	}
}

// design.md, Permissions: owner.address tells which mailbox answers.
func TestACalendarTellsItsOwner(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	for _, name := range []string{aino, "A.Virtanen@ACME.example"} {
		got := w.must(200, "GET", "/users/"+url.PathEscape(name)+"/calendar?$select=owner", nil)
		owner, _ := got.json["owner"].(map[string]any)
		if owner["address"] != aino || got.json["color"] != nil {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	all := w.must(200, "GET", "/users/"+aino+"/calendars", nil)
	if got := found(all); len(got) != 1 || got[0]["isDefaultCalendar"] != true || got[0]["isRemovable"] != false {
		t.Errorf("calendars: %s", all.body)
	}
	w.fails(404, "ErrorItemNotFound", "GET", "/users/"+aino+"/calendars/AAA=", nil)
	w.fails(400, "ErrorInvalidIdMalformed", "GET", "/users/"+aino+"/calendars/!", nil)
}

// Contract 9: the 403 and 404 rows about mailboxes.
func TestAClosedMailboxSaysWhy(t *testing.T) {
	w := start(t, exchange.Switches{UnknownUserCode: "ErrorInvalidUser"}, nil)
	for state, want := range map[exchange.State]struct {
		status int
		code   string
	}{
		exchange.NoMailbox:    {404, "MailboxNotEnabledForRESTAPI"},
		exchange.OnPremises:   {404, "MailboxNotEnabledForRESTAPI"},
		exchange.Unlicensed:   {404, "MailboxNotEnabledForRESTAPI"},
		exchange.OutsideScope: {403, "ErrorAccessDenied"},
		exchange.NoFederation: {404, "extensionError"},
		exchange.Moving:       {503, "ErrorMailboxMoveInProgress"},
	} {
		if err := w.store.SetState(acme, aino, state); err != nil {
			t.Fatal(err)
		}
		w.fails(want.status, want.code, "GET", "/users/"+aino+"/calendar", nil)
		w.fails(want.status, want.code, "POST", events, flight(1))
		w.fails(want.status, want.code, "GET", events+byMark("ab"), nil)
	}
	w.must(200, "GET", "/users/"+bo+"/calendar", nil)
	w.fails(404, "ErrorInvalidUser", "GET", "/users/nobody/calendar", nil)
}
