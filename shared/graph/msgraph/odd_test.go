package msgraph_test

import (
	"strings"
	"testing"

	"github.com/calbridge/calbridge/local/m365/exchange"
	"github.com/calbridge/calbridge/local/m365/graphworld"
	"github.com/calbridge/calbridge/shared/graph"
)

// An address goes into paths and into URLs inside a batch. Whatever stands in it, the
// mailbox that it names is called, and no other one and no other path.
func TestOddAddressesReachTheirMailboxOnly(t *testing.T) {
	there := []string{"o'neill@acme.example", "mia+trips@acme.example", "päivi@acme.example", "o''dowd@acme.example", "a%2Fb@acme.example",
		"a&b=c@acme.example", "x#y@acme.example", "what?@acme.example", "slash/calendar@acme.example", "mia trips@acme.example", "{me}@acme.example"}
	w := wire(t)
	for _, address := range append(there, "mia@acme.example", "a@acme.example", "x@acme.example") {
		w.sim.Exchange.AddUser(graphworld.Tenant, exchange.User{Principal: address, Mail: address})
	}
	as := graph.AppAccess(graphworld.Tenant)
	for i, address := range there {
		box, err := w.Mailbox(t.Context(), as, address)
		if err != nil || box.Address != strings.ToLower(address) {
			t.Errorf("%q: %+v, %v", address, box, err)
		}
		create := flight(i)
		create.Mailbox = address
		w.must(t, w.Do(t.Context(), as, []graph.Call{create}))
		find := graph.Call{Op: graph.Find, Mailbox: address, Mark: create.Mark}
		uid := graph.Call{Op: graph.FindUID, Mailbox: address, UID: "o'neill+\"x\"@acme.example"}
		batch := w.Do(t.Context(), as, []graph.Call{find, uid})
		w.must(t, batch)
		if len(batch[0].Found) != 1 || len(batch[1].Found) != 0 {
			t.Errorf("%q: found %d by mark and %d by a UID, want 1 and none", address, len(batch[0].Found), len(batch[1].Found))
		}
	}
	for _, box := range w.sim.Exchange.Boxes() {
		want := 0
		for _, address := range there {
			if box.User.Mail == address {
				want = 1
			}
		}
		if len(box.Events) != want {
			t.Errorf("%q holds %d events, want %d", box.User.Mail, len(box.Events), want)
		}
	}
	for _, address := range []string{"AINO+x@ACME.example", "mia%2Btrips@acme.example", "..@acme.example", "../me", "o’neill@acme.example", "pa\u0308ivi@acme.example"} {
		if box, err := w.Mailbox(t.Context(), as, address); err == nil {
			t.Errorf("%q is %q", address, box.Address)
		}
	}
	if box, err := w.Mailbox(t.Context(), as, "MIA+Trips@Acme.Example"); err != nil || box.Address != "mia+trips@acme.example" {
		t.Errorf("in upper case: %+v, %v", box, err)
	}
}
