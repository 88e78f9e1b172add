package stories

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// The travel booking story: an org admin, an Entra admin, a traveller.
func TestTravelFromTheFirstLinkToDisconnecting(t *testing.T) {
	people, ok := gather(t)
	if !ok {
		return
	}
	w := start(t)
	w.mailbox(acme, "oona@acme.example", "Oona Office")
	w.mailbox(acme, "aino@acme.example", "Aino Traveller")
	w.organization("acme", fields{"displayName": "Acme", "profile": "travel", "timeZone": "Europe/Helsinki", "backfillPastDays": 90,
		"product": fields{"name": "Trips", "url": "https://trips.example"}})
	aino := trip{Organization: "acme", User: "u-aino", Email: "aino@acme.example", Name: "Aino Traveller", Revision: 1}
	early := aino
	early.ID, early.Title, early.Day = "PNR-1/1", "AY1 Helsinki - Oulu", 4
	w.book(early)
	w.result(early, "ics sync-off")

	oona := people.person()
	oona.Open(w.link(fields{"organization": "acme", "role": "org-admin", "user": "u-oona", "email": "oona@acme.example"}))
	oona.at("Continue")
	oona.does("Continue", "Set up the calendar connection")
	oona.Sees("There is no consent link at the moment.")
	oona.does("Make a consent link", "There is a new consent link.")
	consent := oona.Value("Consent link")
	scan(t, w, consent)
	oona.does("Refresh", "perhaps by a mail scanner")
	oona.picture("setup", "")
	administratorConsents(people, w, consent)

	oona.does("Refresh", "An administrator of acme.example consented on")
	oona.does("Connect Outlook calendar", "Connect your Outlook calendar")
	oona.Press("Continue to Microsoft")
	oona.signsIn("oona@acme.example")
	oona.at("Is this right?")
	oona.Sees("oona@acme.example")
	oona.does("Yes, connect it", "Your calendar is connected")
	oona.does("To the set-up page", "Allowed since")
	if g := w.M365.Entra.Grants(acme); len(g.Roles) != 0 {
		t.Errorf("a travel consent granted application permissions: %+v", g.Roles)
	}
	oona.does("Switch calendar sync on", "Calendar sync is on.")
	w.Advance(time.Minute) // until every process knows it
	w.result(early, "ics not-connected")

	traveller(t, people, w, oona, early)
}

// scan opens a link as mail scanners do: nothing happens.
func scan(t *testing.T, w *world, link string) {
	t.Helper()
	for i := range 20 {
		method := http.MethodGet
		if i%2 == 0 {
			method = http.MethodHead
		}
		r, err := http.NewRequestWithContext(t.Context(), method, link, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil || method == http.MethodGet && answer.StatusCode != http.StatusOK {
			t.Fatalf("%s of a link: %v, %v", method, answer, err)
		}
		_ = answer.Body.Close()
	}
	var consent struct{ Consent string }
	if w.get("organizations/acme/consent", &consent); consent.Consent != "none" {
		t.Errorf("after a scan consent is %q", consent.Consent)
	}
}

// administratorConsents is the Entra admin, in a browser of his own, days later.
func administratorConsents(people crowd, w *world, link string) {
	people.t.Helper()
	w.Advance(5 * time.Hour)
	ada := people.person()
	ada.Open(link)
	ada.at("asks you, as an administrator of its Microsoft 365")
	ada.does("Continue", "Allow the calendar connection of Trips")
	ada.Sees("Calendars.ReadWrite")
	ada.Sees("Did you expect this?")
	ada.picture("consent", "")
	ada.Press("Continue to Microsoft")
	ada.signsIn("admin@acme.example")
	ada.Sees("Review for your organization")
	ada.Press("Accept")
	ada.at("Is this the right Microsoft 365?")
	ada.Sees("Ada Admin")
	ada.picture("confirm", "")
	ada.does("Yes, connect it", "Thank you: one step is left, on the other side")
}

// traveller is the rest of the story: files, connecting, death of the token, the end.
func traveller(t *testing.T, people crowd, w *world, oona *somebody, early trip) {
	later, past := early, early
	later.ID, later.Title, later.Day = "PNR-2/1", "AY2 Oulu - Helsinki", 6
	past.ID, past.Title, past.Day = "PNR-0/1", "AY0 Helsinki - Turku", -30
	w.book(later)
	w.book(past)
	file := w.file(w.result(later, "ics not-connected"))
	if _, err := w.M365.Exchange.Owner(acme, early.Email).Import(file); err != nil {
		t.Fatal(err)
	}
	if p := w.person("acme", "u-aino"); p.Offer != "connect" || p.Connection != "none" {
		t.Errorf("before connecting: %+v", p)
	}
	own := func() string {
		return w.link(fields{"organization": "acme", "role": "user", "user": "u-aino", "email": early.Email})
	}
	aino := people.person()
	aino.Open(own())
	aino.does("Continue", "Connected apps")
	aino.Sees("No calendar is connected.")
	aino.does("Connect Outlook calendar", "Connect your Outlook calendar")
	aino.Sees("Please sign in as aino@acme.example")
	aino.Press("Continue to Microsoft")
	aino.signsIn(early.Email)
	aino.at("Is this right?")
	aino.does("Yes, connect it", "Your calendar is connected")
	for _, b := range []trip{early, later, past} {
		w.result(b, "written")
	}
	all := []string{"AY0 Helsinki - Turku, tentative", "AY1 Helsinki - Oulu, tentative", "AY2 Oulu - Helsinki, tentative"}
	holds := func(want []string) {
		t.Helper()
		if got := w.calendar(acme, early.Email); !slices.Equal(got, want) {
			t.Errorf("calendar %q, want %q", got, want)
		}
	}
	holds(all)
	first := w.hears("u-aino", "connected")
	early.Revision, early.Title = 2, "AY1 Helsinki - Oulu (late)"
	later.Revision, later.Status = 2, "cancelled"
	w.book(early)
	w.book(later)
	w.result(early, "written")
	w.result(later, "removed cancelled")
	all = []string{"AY0 Helsinki - Turku, tentative", "AY1 Helsinki - Oulu (late), tentative"}
	holds(all)

	// The token dies: the next delivery is a file, and everybody is told.
	w.M365.Entra.RevokeSessions(acme, early.Email)
	w.Advance(2 * time.Hour)
	early.Revision, early.Title = 3, "AY1 Helsinki - Oulu (later)"
	w.book(early)
	w.result(early, "ics needs-reauth")
	died := w.hears("u-aino", "needs-reauth")
	if died.Connection != first.Connection || died.Message == "" {
		t.Errorf("told %+v of connection %s", died, first.Connection)
	}
	if p := w.person("acme", "u-aino"); p.Offer != "reconnect" || p.Connection != "needs-reauth" {
		t.Errorf("after the token died: %+v", p)
	}
	fresh := later
	fresh.ID, fresh.Title, fresh.Revision, fresh.Status = "PNR-3/1", "AY3 Helsinki - Vaasa", 1, ""
	w.book(fresh)
	w.result(fresh, "ics needs-reauth")
	holds(all)
	oona.does("Refresh", "Have to connect again")
	aino.Open(own())
	aino.does("Continue", "The connection ended on")
	aino.does("Connect again", "Connect aino@acme.example again")
	aino.Press("Continue to Microsoft")
	aino.signsIn(early.Email)
	aino.does("Yes, connect it", "Your calendar is connected")
	w.result(early, "written")
	w.result(fresh, "written")
	holds([]string{"AY0 Helsinki - Turku, tentative", "AY1 Helsinki - Oulu (later), tentative", "AY3 Helsinki - Vaasa, tentative"})
	if again := w.hears("u-aino", "connected"); again.Connection != first.Connection {
		t.Errorf("reconnected as %s, was %s", again.Connection, first.Connection)
	}

	// The end.
	aino.does("Connected apps", "Connected since")
	aino.picture("connected", "")
	aino.picture("mobile-dark", "")
	aino.does("Disconnect", "Disconnect aino@acme.example?")
	aino.does("Disconnect", "It is disconnected")
	w.hears("u-aino", "disconnected")
	early.Revision = 4
	w.book(early)
	w.result(early, "ics not-connected")
	if got := w.connectionsOf("acme", "u-aino"); len(got) > 0 && got[0].State != "disconnected" {
		t.Errorf("after disconnecting: %+v", got)
	}
	dismissed(t, people, w, own)
	w.ends()
}

// dismissed is who said "not now": not asked again, and connects later all the same.
func dismissed(t *testing.T, people crowd, w *world, own func() string) {
	t.Helper()
	aino := people.person()
	aino.Open(own())
	aino.does("Continue", "Connected apps")
	aino.does("Not now", "You are not asked again.")
	if p := w.person("acme", "u-aino"); p.Offer != "none" {
		t.Errorf("after \"not now\": %+v", p)
	}
	aino.does("Connect Outlook calendar", "Connect your Outlook calendar")
	aino.Press("Continue to Microsoft")
	aino.signsIn("aino@acme.example")
	aino.does("Yes, connect it", "Your calendar is connected")
	w.hears("u-aino", "connected")
}
