package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/host"
	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/stack"
	"github.com/calbridge/calbridge/shared/queue"
)

// operator calls the function Operator and reads its answer.
func (w *world) operator(method, path, body string, status int, into any) {
	w.t.Helper()
	var sent []byte
	if body != "" {
		sent = []byte(body)
	}
	got, err := w.API().Do(w.t.Context(), method, "operator/"+path, host.MasterKey, "application/json", sent)
	if err != nil || got.Status != status {
		w.t.Fatalf("%s %s: %v, status %d: %s", method, path, err, got.Status, got.Body)
	}
	if err := json.Unmarshal(got.Body, into); err != nil {
		w.t.Fatal(err)
	}
}

// A booking of an organisation that came later: rejected, listed, redriven, written.
func TestTheOperatorHasARejectedBookingTakenIn(t *testing.T) {
	w := start(t, stack.Options{})
	b := booked{Organization: northwind, ID: "b", Revision: 1, People: []string{"nils"}}
	if err := w.Bus.Sender().Send(t.Context(), queue.Bookings, queue.Message{ID: "early", Body: b.event()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(w.Bus.Peek(queue.Rejected)) == 1 }, "the booking was not rejected")
	var list struct {
		Items []struct {
			MessageID, Organization, Reason string
		}
	}
	w.operator(http.MethodGet, "rejected", "", 200, &list)
	if len(list.Items) != 1 || list.Items[0].MessageID != "early" || list.Items[0].Organization != northwind || list.Items[0].Reason == "" {
		t.Errorf("listed: %+v", list)
	}
	w.organization(northwind, other, "northwind.example")
	w.M365.Exchange.AddUser(other, exchange.User{Principal: "nils@northwind.example"})
	const order = `{"kind":"rejected","organization":"northwind"}`
	var done struct{ Count int }
	w.operator(http.MethodPost, "redrive", order, 202, &done)
	if done.Count != 1 {
		t.Errorf("redriven: %d, want 1", done.Count)
	}
	w.settle(b, "written")
	w.operator(http.MethodPost, "redrive", order, 202, &done)
	if done.Count != 0 {
		t.Errorf("redriven again: %d, want 0", done.Count)
	}
	got, err := w.API().Do(t.Context(), http.MethodGet, "organizations/northwind/bookings?id=b&ledger=true", host.FunctionKey, "", nil)
	if err != nil || got.Status != 200 || !strings.Contains(string(got.Body), `"operation":"create"`) || !strings.Contains(string(got.Body), `"requestId"`) {
		t.Errorf("the ledger: %v, %d %s", err, got.Status, got.Body)
	}
	w.nothingLost()
}
