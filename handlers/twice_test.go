package handlers

import (
	"slices"
	"testing"

	"github.com/calbridge/calbridge/shared/problem"
)

// Of two members of one name nobody knows which was meant, and readers differ: no document
// of the API is taken by the last of them. Bookings are tested in package booking.
func TestAMemberThatIsThereTwiceIsRefusedInEveryDocument(t *testing.T) {
	w := newWorld(t, 0, nil)
	w.organization("travel")
	c := w.connect("u-1", "aino", "Calendars.ReadWrite")
	connection := "organizations/acme/connections/" + c.ID.String()
	shown := func() [2]string { return [2]string{w.get("acme").body, w.web("GET", "/api/"+connection, "", "").body} }
	before := shown()
	for _, tt := range []struct{ method, path, body, pointer string }{
		{"PUT", "organizations/acme", `{"profile":"travel","sync":true,"sync":false}`, "/sync"},
		{"PUT", "organizations/acme", `{"profile":"travel","downSync":{"privacy":"busy","privacy":"all"}}`, "/downSync/privacy"},
		{"PUT", "organizations/acme/people", `{"people":[],"people":[{"user":"u-2"}]}`, "/people"},
		{"PUT", "organizations/acme/people", `{"people":[{"user":"u-2","email":"a@acme.example","email":"b@acme.example"}]}`, "/people/0/email"},
		{"PATCH", "organizations/acme/people/offer", `{"user":"u-1","user":"u-2","offer":"dismissed"}`, "/user"},
		{"POST", "organizations/acme/connections", `{"user":"u-1","email":"aino@acme.example","direction":"up","direction":"both"}`, "/direction"},
		{"PATCH", connection, `{"direction":"none","direction":"both"}`, "/direction"},
		{"PATCH", connection, `{"calendars":[{"id":"a","id":"b"}]}`, "/calendars/0/id"},
		{"POST", "organizations/acme/consent", `{"decision":"refuse","decision":"approve","attempt":"x"}`, "/decision"},
		{"POST", "organizations/acme/consent", `{"inside":"a@acme.example","outside":"b@acme.example","outside":"c@acme.example"}`, "/outside"},
		{"POST", "organizations/acme/held", `{"connection":"` + c.ID.String() + `","decision":"restore","decision":"approve"}`, "/decision"},
		{"POST", "operator/organizations/acme/tenant", `{"tenant":null,"tenant":"` + acmeTenant + `"}`, "/tenant"},
		{"POST", "operator/redrive", `{"kind":"rejected","max":1,"max":100}`, "/max"},
		{"POST", "links", `{"organization":"acme","role":"user","role":"org-admin","user":"u-1"}`, "/role"},
	} {
		d := w.problem(w.web(tt.method, "/api/"+tt.path, "application/json", tt.body), 400, "invalid")
		if !slices.ContainsFunc(d.Errors, func(f problem.Fault) bool { return f.Pointer == tt.pointer && f.Code == "duplicate-member" }) {
			t.Errorf("%s %s %s: %+v", tt.method, tt.path, tt.body, d.Errors)
		}
	}
	if after := shown(); after != before {
		t.Errorf("something was taken:\n%s\n%s", before, after)
	}
}
