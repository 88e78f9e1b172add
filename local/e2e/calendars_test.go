package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
)

// connection is one of GET connections, as far as calendars go.
type connection struct {
	ID        string `json:"id"`
	Scope     string `json:"scope"`
	Calendars []struct{ ID, Name string }
}

// R6 over the wire: a planner connects an account to be read, with what others share, and
// chooses calendars; the booking app sees and changes the choice, and is refused what the
// account does not have.
func TestAPlannerChoosesCalendarsThatAreRead(t *testing.T) {
	w := startMoved(t, stack.Options{})
	app := w.Settings["ENTRA_CLIENT_ID"]
	w.M365.AddTenant(tripsTenant, "trips.example")
	w.M365.Entra.Grant(tripsTenant, app, "", "openid", "profile", "offline_access", "Calendars.Read", "Calendars.Read.Shared")
	for _, name := range []string{"vera", "bo"} {
		w.M365.Exchange.AddUser(tripsTenant, exchange.User{Principal: name + "@trips.example", Name: strings.ToUpper(name[:1]) + name[1:]})
	}
	var ids []string
	for _, name := range []string{"Team", "O'Hara's 📅"} {
		c, err := w.M365.Exchange.AddCalendar(tripsTenant, "vera@trips.example", name)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.ID)
	}
	if err := w.M365.Exchange.Share(tripsTenant, "bo@trips.example", "vera@trips.example", false); err != nil {
		t.Fatal(err)
	}
	api := w.API()
	settings := `{"profile":"planning","module":true,"sync":true,"displayName":"Trips Oy","product":{"name":"Booker"},"timeZone":"Europe/Helsinki"}`
	if err := errors.Join(api.PutOrganization(t.Context(), trips, []byte(settings)), api.Bind(t.Context(), trips, tripsTenant)); err != nil {
		t.Fatal(err)
	}
	vera := newTraveller(t)
	vera.open(http.MethodGet, w.userLink(trips, "vera"), nil).press("Continue")
	apps := vera.at.String()
	vera.follow("Connect Outlook calendar").press("Continue to Microsoft", "choice", "down:shared").signIn("vera@trips.example").
		press("Yes, connect it").reads("Your calendar is connected")
	vera.open(http.MethodGet, apps, nil).follow("Choose calendars").reads("O'Hara's 📅").reads("shared by Bo").
		press("Save", "calendar", ids[1]).reads("The calendars that you ticked are read from now on.").reads("O'Hara's 📅")

	call := func(method, path, body string, status int) []byte {
		t.Helper()
		got, err := api.Do(t.Context(), method, "organizations/"+trips+"/connections"+path, host.FunctionKey, "application/json", []byte(body))
		if err != nil || got.Status != status {
			t.Fatalf("%s %s: %v, %d: %s", method, path, err, got.Status, got.Body)
		}
		return got.Body
	}
	read := func() connection {
		t.Helper()
		var list struct{ Items []connection }
		if err := json.Unmarshal(call(http.MethodGet, "", "", 200), &list); err != nil || len(list.Items) != 1 {
			t.Fatalf("%v, %d connections", err, len(list.Items))
		}
		return list.Items[0]
	}
	c := read()
	if len(c.Calendars) != 1 || c.Calendars[0].ID != ids[1] || c.Calendars[0].Name != "O'Hara's 📅" || c.Scope != "shared" {
		t.Fatalf("the API shows %+v", c)
	}
	mounts, err := w.M365.Exchange.Mounts(tripsTenant, "vera@trips.example")
	if err != nil || len(mounts) != 1 {
		t.Fatalf("%d shared calendars, %v", len(mounts), err)
	}
	call(http.MethodPatch, "/"+c.ID, `{"calendars":[{"id":"`+ids[0]+`"},{"id":"`+mounts[0].ID+`"}]}`, 200)
	if c = read(); len(c.Calendars) != 2 || c.Calendars[0].Name != "Team" || c.Calendars[1].Name != "Bo" {
		t.Fatalf("the API shows %+v", c)
	}
	if problem := string(call(http.MethodPatch, "/"+c.ID, `{"calendars":[{"id":"`+ids[0]+`"},{"id":"AAMkNobodys="}]}`, 400)); !strings.Contains(problem, `"/calendars/1/id"`) {
		t.Errorf("refused with %s", problem)
	}
	call(http.MethodPatch, "/"+c.ID, `{"scope":"details"}`, 200)
	if c = read(); len(c.Calendars) != 1 || c.Calendars[0].Name != "Team" {
		t.Errorf("with less the API shows %+v", c)
	}
}
