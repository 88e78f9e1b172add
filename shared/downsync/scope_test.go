package downsync_test

import (
	"bytes"
	"testing"

	"github.com/calbridge/calbridge/local/m365/twin"
	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/downsync"
)

// A person who was told that only busy times are seen (R3, A6) is told the truth,
// whatever the organisation would like to see and whatever the token could read: Microsoft
// gives a broader one where an administrator allowed it.
func TestAConnectionForBusyTimesTellsNoMoreWhateverTheOrganisationAllows(t *testing.T) {
	for _, basic := range []bool{true, false} {
		r := newRig(t, `"downSync":{"privacy":"all"}`)
		r.c.Scope = connection.Busy
		r.connect()
		r.twin.Grant(r.c.ID, twin.Account{Tenant: tenant, ObjectID: r.c.Account.ObjectID, Basic: basic})
		r.meet("Unutterable", monday)
		r.sync(downsync.CauseConnect)
		all := r.appointments()
		if len(all) != 1 || all[0].Title != nil || all[0].Body != nil || all[0].ShowAs != "busy" || bytes.Contains(r.topic[0].Body, []byte("nutter")) {
			t.Errorf("a token that sees only busy times (%t): %s", basic, r.topic[0].Body)
		}
	}
}
