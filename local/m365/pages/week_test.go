package pages_test

import (
	"net/url"
	"testing"

	"github.com/calbridge/calbridge/local/browser"
	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Whoever watches a mailbox's week sees an edit without a hand; a form that is open stays,
// and without script the page still comes again.
func TestAnEditArrivesWhileOneWatches(t *testing.T) {
	if testing.Short() {
		t.Log("the browser is left out")
		return
	}
	w := start(t)
	aino := w.Exchange.AddUser(acme, exchange.User{Principal: "aino@acme.example", Name: "Aino"})
	owner := w.Exchange.Owner(acme, aino.ObjectID)
	subject, from, to := "Dentist", exchange.Time{DateTime: "2026-12-01T10:00:00", Zone: "UTC"}, exchange.Time{DateTime: "2026-12-01T11:00:00", Zone: "UTC"}
	e, err := owner.Create(exchange.Change{Subject: &subject, Start: &from, End: &to})
	if err != nil {
		t.Fatal(err)
	}
	retitle := func(subject string) {
		t.Helper()
		if err := owner.Retitle(e.ID, subject); err != nil {
			t.Fatal(err)
		}
	}
	address := w.URL() + "/calendars/week?" + url.Values{"tenant": {acme}, "user": {aino.ObjectID}}.Encode()
	b := browser.Start(t)
	for _, script := range []bool{true, false} {
		p := b.Person(t)
		if !script {
			p.WithoutScripts()
		}
		p.Open(address)
		p.Sees("10:00–11:00")
		p.Sees(subject)
		subject = map[bool]string{true: "Surgeon", false: "Optician"}[script]
		retitle(subject)
		p.Sees(subject)
		if !script {
			continue
		}
		p.Evaluate(`document.querySelector("details").open = true; 0`, nil)
		retitle("Nobody")
		p.Sees("The calendar has changed.")
		p.Sees(subject)
		p.Evaluate(`document.querySelector("details").open = false; 0`, nil)
		subject = "Nobody"
		p.Sees(subject)
		p.Accessible()
		if complaints := p.Complaints(); len(complaints) > 0 {
			t.Errorf("%v", complaints)
		}
	}
}
