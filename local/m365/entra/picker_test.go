package entra

import (
	"fmt"
	"testing"
	"time"

	"github.com/calbridge/calbridge/local/m365/faults"
)

// Of more accounts than the page lists, those of the newest tenants are listed: whoever
// made a tenant to try something finds its people.
func TestThePickerListsTheNewestTenantsFirst(t *testing.T) {
	s := New(time.Now, faults.New(1))
	for i := range 3 {
		tenant := fmt.Sprintf("d0000000-0000-4000-8000-00000000000%d", i)
		domain := fmt.Sprintf("d%d.example", i)
		s.AddTenant(tenant, domain)
		for j := range listed {
			s.AddUser(tenant, User{Principal: fmt.Sprintf("p%d@%s", j, domain)})
		}
	}
	all := s.candidates(&attempt{})
	if got := all[0].tenant.domain(); got != "d2.example" {
		t.Errorf("listed first is one of %s", got)
	}
}
