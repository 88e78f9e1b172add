package infra_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/shared/identity"
	"github.com/calbridge/calbridge/shared/organization"
)

func declared(t *testing.T) infra.Registration {
	t.Helper()
	r, err := infra.LoadRegistration()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// asked are the scopes with which browsers leave for Microsoft.
func asked(t *testing.T, leave identity.ConsentLeave) []string {
	t.Helper()
	users, err := identity.NewUsers("11111111-1111-4111-8111-111111111111", identity.Secret("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	leave.Tenant, leave.RedirectURI, leave.State = identity.Organizations, "https://calendar.example.com/api/consent/callback", "s"
	address, err := users.AdminConsentURL(leave)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(u.Query().Get("scope"))
}

// design.md, Permissions: one application permission and the OIDC scopes, nothing
// else, ever. They are compared with what the program asks for.
func TestTheRegistrationDeclaresWhatTheProgramAsksForAndNothingElse(t *testing.T) {
	roles, scopes, err := declared(t).Permissions()
	if err != nil {
		t.Fatal(err)
	}
	ask := organization.Ask{Application: true}
	if diff := cmp.Diff(ask.Names(), roles); diff != "" {
		t.Errorf("application permissions (-asked +declared)\n%s", diff)
	}
	if !slices.Equal(roles, []string{"Calendars.ReadWrite"}) {
		t.Errorf("application permissions are %v", roles)
	}
	var oidc []string
	for _, scope := range asked(t, identity.ConsentLeave{Scopes: []string{"Calendars.ReadWrite"}}) {
		if !strings.Contains(scope, "://") {
			oidc = append(oidc, scope)
		}
	}
	if diff := cmp.Diff(oidc, scopes); diff != "" {
		t.Errorf("scopes (-asked +declared)\n%s", diff)
	}
	for _, scope := range asked(t, identity.ConsentLeave{Application: true}) {
		if !slices.Contains(scopes, scope) && !strings.HasSuffix(scope, "/.default") {
			t.Errorf("an application's consent asks for %s, which is not declared", scope)
		}
	}
}

func TestAPermissionThatIsNotOursIsNotDeclaredUnnoticed(t *testing.T) {
	for name, change := range map[string]func(*infra.Registration){
		"another role": func(r *infra.Registration) {
			r.RequiredResourceAccess[0].Access[0].ID = "df021288-bdef-4463-88db-98f22de89214"
		},
		"the role for people": func(r *infra.Registration) { r.RequiredResourceAccess[0].Access[0].Type = "Scope" },
		"another API's": func(r *infra.Registration) {
			r.RequiredResourceAccess[0].ResourceAppID = "00000002-0000-0000-c000-000000000000"
		},
	} {
		r := declared(t)
		change(&r)
		if roles, scopes, err := r.Permissions(); err == nil {
			t.Errorf("%s: %v and %v", name, roles, scopes)
		}
	}
}

// Several tenants, and the administrator's roles in the id token (identity.md 2.5).
func TestTheRegistrationIsForAllTenantsAndTellsRoles(t *testing.T) {
	if r := declared(t); r.SignInAudience != "AzureADMultipleOrgs" || r.GroupMembershipClaims != "DirectoryRole" {
		t.Errorf("audience %s, claims %s", r.SignInAudience, r.GroupMembershipClaims)
	}
}

// callbacks are the redirect URIs that functions/ serve, below PUBLIC_URL.
func callbacks(t *testing.T) []string {
	t.Helper()
	var host struct {
		Extensions struct{ HTTP struct{ RoutePrefix string } }
	}
	if err := json.Unmarshal([]byte(text(t, "../host.json")), &host); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, function := range []string{"ConsentCallback", "ConnectCallback"} {
		var f struct{ Bindings []struct{ Route string } }
		if err := json.Unmarshal([]byte(text(t, "../functions/"+function+"/function.json")), &f); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, "/"+host.Extensions.HTTP.RoutePrefix+"/"+f.Bindings[0].Route)
	}
	return paths
}

func TestTheTemplateHasTheRedirectsThatAreServedAndNamesNoPermission(t *testing.T) {
	bicep := text(t, "app/registration.bicep")
	var redirects []string
	for _, m := range regexp.MustCompile(`'\$\{publicUrl\}([^']*)'`).FindAllStringSubmatch(bicep, -1) {
		redirects = append(redirects, m[1])
	}
	if diff := cmp.Diff(callbacks(t), redirects); diff != "" {
		t.Errorf("(-served +registered)\n%s", diff)
	}
	for _, member := range []string{"signInAudience", "groupMembershipClaims", "requiredResourceAccess"} {
		if !strings.Contains(bicep, member+": registration."+member) {
			t.Errorf("%s is not that of registration.json", member)
		}
	}
	guid := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-`)
	if guid.MatchString(bicep) || strings.Contains(bicep, "passwordCredentials") || strings.Contains(bicep, "keyCredentials") {
		t.Error("the template has an id or a credential of its own")
	}
}

// A token for another audience is refused by Entra, so template and program must mean
// the same in every cloud (identity.md section 4).
func TestTheFederatedCredentialHasTheAudienceThatTheProgramAsksFor(t *testing.T) {
	audience := regexp.MustCompile(`['"](api://AzureADTokenExchange\w*)['"]`)
	of := func(path string) []string {
		var all []string
		for _, m := range audience.FindAllStringSubmatch(text(t, path), -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff(of("../shared/identity/credential.go"), of("app/registration.bicep")); diff != "" {
		t.Errorf("(-program +template)\n%s", diff)
	}
}
