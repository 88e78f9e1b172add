package graphapi_test

import (
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

const duplicate = "ErrorDuplicateTransactionId"

// Contract 2.5.
func TestATransactionIDMakesOneEvent(t *testing.T) {
	w := start(t, exchange.Switches{}, nil)
	body := flight(1, "transactionId", "T", "singleValueExtendedProperties", marked("ab"))
	first := w.must(201, "POST", events, body)
	if first.json["transactionId"] != "T" {
		t.Errorf("transactionId %v", first.json["transactionId"])
	}
	w.clock.advance(time.Minute)
	w.must(200, "PATCH", events+"/"+first.id(), map[string]any{"subject": "edited"})
	if again := w.must(201, "POST", events, body); again.id() != first.id() || again.json["subject"] != "edited" {
		t.Errorf("again: %s", again.body)
	}
	r := w.fails(400, duplicate, "POST", events, flight(2, "transactionId", "T"))
	if _, named := r.json["error"].(map[string]any)["@event.existingEventId"]; named {
		t.Error("the event is named though the switch is off")
	}
	w.must(201, "POST", "/users/"+bo+"/events", flight(2, "transactionId", "T")) // per mailbox
	if n := len(w.store.Events(acme, aino)); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Contract 2.5, open question 1: every reading has a switch.
func TestWhatATransactionIDMeansAfterADeletionHasASwitch(t *testing.T) {
	for name, tt := range map[string]struct {
		switches exchange.Switches
		status   int
		same     bool
	}{
		"freed":     {exchange.Switches{}, 201, false},
		"kept":      {exchange.Switches{Memory: exchange.Kept}, 400, false},
		"ghost":     {exchange.Switches{Memory: exchange.Ghost}, 201, true},
		"forgotten": {exchange.Switches{Memory: exchange.Forgotten}, 201, false},
		"409":       {exchange.Switches{Memory: exchange.Kept, DuplicateStatus: 409}, 409, false},
	} {
		w := start(t, tt.switches, nil)
		body := flight(1, "transactionId", "T")
		first := w.must(201, "POST", events, body)
		w.must(204, "DELETE", events+"/"+first.id(), nil)
		got := w.do("POST", events, body)
		if got.status != tt.status || (got.id() == first.id()) != tt.same || tt.status >= 400 && got.code() != duplicate {
			t.Errorf("%s: %d %s, same event %t", name, got.status, got.code(), got.id() == first.id())
		}
		if tt.same {
			w.fails(404, "ErrorItemNotFound", "GET", events+"/"+first.id(), nil)
		}
	}
	w := start(t, exchange.Switches{Memory: exchange.Forgotten}, nil)
	w.must(201, "POST", events, flight(1, "transactionId", "T"))
	w.must(201, "POST", events, flight(1, "transactionId", "T"))
	if n := len(w.store.Events(acme, aino)); n != 2 {
		t.Errorf("forgotten: %d events, want 2", n)
	}
}

func TestATransactionIDIsForgottenAfterItsTimeOrByHand(t *testing.T) {
	w := start(t, exchange.Switches{MemoryLasts: time.Hour}, nil)
	w.must(201, "POST", events, flight(1, "transactionId", "T"))
	w.fails(400, duplicate, "POST", events, flight(2, "transactionId", "T"))
	w.clock.advance(time.Hour)
	w.must(201, "POST", events, flight(2, "transactionId", "T"))
	w.fails(400, duplicate, "POST", events, flight(3, "transactionId", "T"))
	if err := w.store.Forget(acme, aino, "T"); err != nil {
		t.Fatal(err)
	}
	w.must(201, "POST", events, flight(3, "transactionId", "T"))
}

// Contract 2.5: @event.existingEventId, in the form of id that was asked for.
func TestADuplicateNamesTheEventWhereTheSwitchSays(t *testing.T) {
	w := start(t, exchange.Switches{NameExisting: true}, nil)
	first := w.must(201, "POST", events, flight(1, "transactionId", "T"))
	immutable := w.must(200, "GET", events+"/"+first.id(), nil, "Prefer", `IdType="ImmutableId"`).id()
	for prefer, want := range map[string]string{"": first.id(), `IdType="ImmutableId"`: immutable} {
		r := w.fails(400, duplicate, "POST", events, flight(2, "transactionId", "T"), "Prefer", prefer)
		if got := r.json["error"].(map[string]any)["@event.existingEventId"]; got != want {
			t.Errorf("named %v, want %s", got, want)
		}
	}
}
