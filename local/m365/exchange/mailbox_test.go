package exchange_test

import (
	"errors"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// Contract 9: MailboxNotEnabledForRESTAPI for no licence, on premises, soft-deleted;
// 503 ErrorMailboxMoveInProgress while it moves.
func TestAMailboxGoesAwayAndComesBack(t *testing.T) {
	tests := []struct {
		away exchange.State
		code string
		fate exchange.Fate
		same bool // the id still finds the event
		left int
	}{
		{exchange.OnPremises, "MailboxNotEnabledForRESTAPI", exchange.NewIDs, false, 1},
		{exchange.OnPremises, "MailboxNotEnabledForRESTAPI", exchange.KeptContent, true, 1},
		{exchange.Unlicensed, "MailboxNotEnabledForRESTAPI", exchange.KeptContent, true, 1},
		{exchange.SoftDeleted, "MailboxNotEnabledForRESTAPI", exchange.KeptContent, true, 1},
		{exchange.SoftDeleted, "MailboxNotEnabledForRESTAPI", exchange.Emptied, false, 0},
		{exchange.Moving, "ErrorMailboxMoveInProgress", exchange.KeptContent, true, 1},
	}
	mark, err := exchange.ParsePropertyID("String {6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3} Name Mark")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		w := start(t, exchange.Switches{})
		content := meeting("ours")
		content.TransactionID, content.Properties = "t1", []exchange.Property{{ID: mark, Value: "m"}}
		e, err := w.Create(acme, aino, "", content)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.SetState(acme, aino, test.away); err != nil {
			t.Fatal(err)
		}
		var refusal *exchange.Error
		if _, err := w.Event(acme, aino, e.ID); !errors.As(err, &refusal) || refusal.Code != test.code {
			t.Errorf("%v: %v, want %s", test.away, err, test.code)
		}
		if err := w.Return(acme, aino, test.fate); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Event(acme, aino, e.ID); (err == nil) != test.same {
			t.Errorf("%v, %s: by its old id: %v", test.away, test.fate, err)
		}
		marked, err := w.Marked(acme, aino, mark, "m")
		if err != nil || len(marked) != test.left {
			t.Errorf("%v, %s: %d by mark, %v", test.away, test.fate, len(marked), err)
		}
		if test.left == 1 && (marked[0].ICalUID != e.ICalUID || marked[0].TransactionID != "t1") {
			t.Errorf("%v, %s: %+v", test.away, test.fate, marked[0])
		}
		again, err := w.Create(acme, aino, "", content)
		if err != nil || len(w.Events(acme, aino)) != 1 || test.left == 1 && again.ID != marked[0].ID {
			t.Errorf("%v, %s: the same create again: %v, %d events", test.away, test.fate, err, len(w.Events(acme, aino)))
		}
	}
	w := start(t, exchange.Switches{})
	if w.Return(acme, aino, "burnt") == nil || w.Return(acme, "nobody", exchange.KeptContent) == nil {
		t.Error("an unknown fate or user was taken")
	}
}
