package m365_test

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/entra"
)

func TestACalendarIsAddedByTheControls(t *testing.T) {
	w := start(t)
	before, err := w.Exchange.Calendars(acme, aino)
	if err != nil {
		t.Fatal(err)
	}
	made := w.must(200, "POST", "/sim/calendars", `{"tenant":"`+acme+`","user":"`+aino+`","name":"Team 📅","color":"LIGHTBLUE"}`)
	after, err := w.Exchange.Calendars(acme, aino)
	if err != nil || len(after) != len(before)+1 {
		t.Fatalf("%d calendars, %v", len(after), err)
	}
	if c := after[len(after)-1]; c.Name != "Team 📅" || c.Color != "lightBlue" || c.Default || made != `{"id":"`+c.ID+`"}`+"\n" {
		t.Errorf("%+v, told %s", c, made)
	}
	for _, body := range []string{`{"tenant":"` + acme + `","user":"nobody","name":"x"}`, `{"tenant":"` + acme + `","user":"` + aino + `","color":"red"}`, `{"x":1}`} {
		w.must(400, "POST", "/sim/calendars", body)
	}
}

// Contract 5 and 12, with tokens of Entra: what others share is in the list of a token
// that was granted Calendars.Read.Shared, and in no other.
func TestASharedCalendarIsListedForATokenThatWasGrantedIt(t *testing.T) {
	w := start(t)
	w.Entra.Register(entra.App{ID: app, Secrets: []string{"secret"}, RedirectURIs: []string{back}})
	w.must(200, "POST", "/sim/mailboxes", `{"tenant":"`+acme+`","principal":"bo@acme.example","name":"Bo Berg"}`)
	w.must(200, "POST", "/sim/shares", `{"tenant":"`+acme+`","owner":"bo@acme.example","with":"`+aino+`","as":"reader"}`)
	for scopes, want := range map[string]bool{"Calendars.ReadBasic": false, "Calendars.Read": false, "Calendars.Read Calendars.Read.Shared": true} {
		w.token = w.delegated(aino, "openid "+scopes)["access_token"].(string)
		if got := strings.Contains(w.must(200, "GET", "/v1.0/me/calendars?$top=100", ""), "bo@acme.example"); got != want {
			t.Errorf("%s: listed %t", scopes, got)
		}
	}
}
