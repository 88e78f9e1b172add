package portal

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/calbridge/calbridge/shared/connection"
	"github.com/calbridge/calbridge/shared/organization"
)

// consented is a site whose tenant's administrator has allowed Calendars.ReadWrite for all.
func consented(t *testing.T, settings map[string]any) *site {
	t.Helper()
	s := connectable(t, settings)
	s.allow(organization.ConsentGranted, "Calendars.ReadWrite", "User.Read")
	return s
}

// allow sets how the consent stands, and what was granted with it.
func (s *site) allow(consent string, granted ...string) {
	s.t.Helper()
	_, err := s.orgs.Change(context.Background(), "acme", func(o *organization.Organization, _ string) (organization.Organization, error) {
		o.State.Consent, o.State.GrantedScopes = consent, granted
		return *o, nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// asked are tenant and permissions of the last sign-in that was begun.
func (s *site) asked() (string, []string) {
	l := s.entra.leaves[len(s.entra.leaves)-1]
	return l.Tenant, l.Scopes
}

// domains answers whose acme.example is.
type domains struct {
	tenant string
	err    error
	asked  []string
}

func (d *domains) TenantOf(_ context.Context, domain string) (string, error) {
	d.asked = append(d.asked, domain)
	return d.tenant, d.err
}

// Contract 12, 13; package connection, By which name to ask.
func TestWhoseAdministratorHasAllowedMoreIsNotAskedAgain(t *testing.T) {
	s := consented(t, map[string]any{"profile": "planning", "accounts": "tenant"})
	b, apps := s.veras()
	b.get(apps.href("Connect Outlook calendar")).says("Only read it: only when you are busy. Your administrator has allowed more already: Calendars.ReadWrite.").
		says("Write bookings into it. Microsoft asks for Calendars.ReadWrite.")
	q := b.leaveWith(apps, "down:busy")
	if tenant, names := s.asked(); tenant != contoso || !slices.Equal(names, []string{"Calendars.ReadWrite"}) {
		t.Errorf("asked %s for %v", tenant, names)
	}
	b.press(b.returns(q, s.vera()), "Yes, connect it", "answer", "yes").is(200, "Your calendar is connected")
	c := s.connections("u-17")[0]
	if c.Direction != connection.Down || c.Scope != connection.Busy || c.Writes() {
		t.Errorf("connected for %s %s", c.Direction, c.Scope)
	}
	b.leaveWith(apps, "down:shared")
	if _, names := s.asked(); !slices.Equal(names, []string{"Calendars.ReadWrite", "Calendars.Read.Shared"}) {
		t.Errorf("asked for %v", names)
	}
	for _, consent := range []string{organization.ConsentNone, organization.ConsentStarted} {
		s.allow(consent, "Calendars.ReadWrite")
		b.leaveWith(apps, "down:busy")
		if _, names := s.asked(); !slices.Equal(names, []string{"Calendars.ReadBasic"}) {
			t.Errorf("%s: asked for %v", consent, names)
		}
	}
}

// R3: whose tenant is not known to have allowed anything is asked for the least.
func TestWhoMayBeOfAnyTenantIsAskedForTheLeastUnlessTheirAddressSaysWhose(t *testing.T) {
	for name, tt := range map[string]struct {
		of     *domains
		choice string
		button []string
		tenant string
		want   string
		asked  int
	}{
		"of the tenant":      {&domains{tenant: contoso}, "down:busy", nil, contoso, "Calendars.ReadWrite", 1},
		"of another":         {&domains{tenant: fabrikam}, "down:busy", nil, "organizations", "Calendars.ReadBasic", 1},
		"of none":            {&domains{}, "down:details", nil, "organizations", "Calendars.Read", 1},
		"Entra is down":      {&domains{err: errors.New("down")}, "down:busy", nil, "organizations", "Calendars.ReadBasic", 1},
		"needs no asking":    {&domains{tenant: contoso}, "up:readwrite", nil, "organizations", "Calendars.ReadWrite", 0},
		"another account":    {&domains{tenant: contoso}, "down:busy", []string{"account", "other"}, "organizations", "Calendars.ReadBasic", 0},
		"nobody can be told": {nil, "down:busy", nil, "organizations", "Calendars.ReadBasic", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := consented(t, planner)
			if tt.of != nil {
				s.portal.deps.Domains = tt.of
			}
			b, apps := s.veras()
			b.leave(apps, "Connect Outlook calendar", append([]string{"choice", tt.choice}, tt.button...)...)
			if tenant, names := s.asked(); tenant != tt.tenant || !slices.Equal(names, []string{tt.want}) {
				t.Errorf("asked %s for %v", tenant, names)
			}
			if tt.of != nil && (len(tt.of.asked) != tt.asked || tt.asked > 0 && tt.of.asked[0] != "acme.example") {
				t.Errorf("asked whose %v is", tt.of.asked)
			}
		})
	}
}
