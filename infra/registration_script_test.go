package infra_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	script    = "registration.sh"
	public    = "https://calendar.example.com"
	principal = "77777777-7777-4777-8777-777777777777"
)

func newCloud() cloud {
	return cloud{Endpoint: "https://graph.microsoft.com", Login: "https://login.microsoftonline.com", Tenant: tenantID,
		Vaults: map[string]map[string]string{"vault-1": {}}}
}

// same reports whether a part of an application is what registration.json says.
func same(t *testing.T, app map[string]any) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(text(t, "registration.json")), &want); err != nil {
		t.Fatal(err)
	}
	for member, value := range want {
		if !reflect.DeepEqual(app[member], value) {
			t.Errorf("%s is %v, want %v", member, app[member], value)
		}
	}
}

func redirectsOf(app map[string]any) []string {
	var all []string
	for _, uri := range app["web"].(map[string]any)["redirectUris"].([]any) {
		all = append(all, uri.(string))
	}
	return all
}

func TestTheScriptMakesTheRegistrationOfTheTemplate(t *testing.T) {
	after, out, said, err := play(t, newCloud(), nil, script, "-p", public, "-i", principal)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if len(after.Apps) != 1 || out != after.Apps[0]["appId"].(string)+"\n" {
		t.Fatalf("%d apps, printed %q", len(after.Apps), out)
	}
	app := after.Apps[0]
	same(t, app)
	if app["displayName"] != "Calbridge" || app["uniqueName"] != "calbridge" {
		t.Errorf("named %v, key %v", app["displayName"], app["uniqueName"])
	}
	var want []string
	for _, path := range callbacks(t) {
		want = append(want, public+path)
	}
	if diff := cmp.Diff(want, redirectsOf(app)); diff != "" {
		t.Errorf("redirects (-served +registered)\n%s", diff)
	}
	if len(after.Principals) != 1 || after.Principals[0]["appId"] != app["appId"] {
		t.Errorf("service principals %v", after.Principals)
	}
	credentials := after.Credentials[app["id"].(string)]
	if len(credentials) != 1 || credentials[0]["issuer"] != "https://login.microsoftonline.com/"+tenantID+"/v2.0" ||
		credentials[0]["subject"] != principal || !reflect.DeepEqual(credentials[0]["audiences"], []any{"api://AzureADTokenExchange"}) {
		t.Errorf("federated credentials %v", credentials)
	}
}

// The template and the script write the same name, so that one takes over from the other.
func TestScriptAndTemplateNameTheCredentialAlike(t *testing.T) {
	for path, name := range map[string]string{script: "(name='function-app')", "app/registration.bicep": "'${app.uniqueName}/function-app'"} {
		if !strings.Contains(text(t, path), name) {
			t.Errorf("%s does not name %s", path, name)
		}
	}
}

func TestASecondRunChangesNothing(t *testing.T) {
	after, first, said, err := play(t, newCloud(), nil, script, "-p", public, "-i", principal)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	after.Calls = nil
	again, second, said, err := play(t, after, nil, script, "-p", public, "-i", principal)
	if err != nil || first != second || said != "" {
		t.Errorf("%v, printed %q after %q, said %q", err, second, first, said)
	}
	if calls := again.changes(); len(calls) > 0 {
		t.Errorf("changed something: %q", calls)
	}
}

// Before provisioning neither address nor identity is known: the script runs twice.
func TestTheScriptRunsInTwoSteps(t *testing.T) {
	after, _, said, err := play(t, newCloud(), nil, script)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	same(t, after.Apps[0])
	if got := redirectsOf(after.Apps[0]); len(got) > 0 || len(after.Credentials) > 0 {
		t.Errorf("redirects %v, credentials %v", got, after.Credentials)
	}
	after, _, said, err = play(t, after, nil, script, "-p", public, "-i", principal)
	if err != nil || len(redirectsOf(after.Apps[0])) != 2 || len(after.Credentials) != 1 || len(after.Apps) != 1 {
		t.Errorf("%v: %s: %+v", err, said, after.Apps)
	}
}

func TestWhatIsWrongIsMendedAndWhatIsOthersStays(t *testing.T) {
	after, _, said, err := play(t, newCloud(), nil, script, "-p", public, "-i", principal)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	app := after.Apps[0]
	id := app["id"].(string)
	app["signInAudience"], app["groupMembershipClaims"] = "AzureADMyOrg", nil
	app["requiredResourceAccess"] = []any{map[string]any{"resourceAppId": "00000003-0000-0000-c000-000000000000", "resourceAccess": []any{
		map[string]any{"id": "df021288-bdef-4463-88db-98f22de89214", "type": "Role"}}}}
	app["web"] = map[string]any{"redirectUris": []any{"https://old.example.com/api/consent/callback"}, "homePageUrl": "https://example.com"}
	after.Credentials[id][0]["subject"] = "somebody else"
	after.Credentials[id] = append(after.Credentials[id], map[string]any{"name": "pipeline", "issuer": "https://token.actions.githubusercontent.com"})

	after, _, said, err = play(t, after, nil, script, "-n", "Acme Calendar", "-p", public, "-i", principal)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	app = after.Apps[0]
	same(t, app)
	if got := redirectsOf(app); len(got) != 3 || got[0] != "https://old.example.com/api/consent/callback" || app["web"].(map[string]any)["homePageUrl"] == nil {
		t.Errorf("web is %v, want two redirects more and nothing less", app["web"])
	}
	if app["displayName"] != "Acme Calendar" || after.Credentials[id][0]["subject"] != principal || after.Credentials[id][1]["name"] != "pipeline" {
		t.Errorf("name %v, credentials %v", app["displayName"], after.Credentials[id])
	}
}

func TestOtherCloudsHaveTheirOwnAddresses(t *testing.T) {
	for login, want := range map[string]struct{ issuer, audience string }{
		"https://login.microsoftonline.us": {"https://login.microsoftonline.us/", "api://AzureADTokenExchangeUSGov"},
		"https://login.chinacloudapi.cn":   {"https://login.partner.microsoftonline.cn/", "api://AzureADTokenExchangeChina"},
	} {
		c := newCloud()
		c.Endpoint, c.Login = "https://graph.example", login
		after, _, said, err := play(t, c, nil, script, "-i", principal)
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		got := after.Credentials[after.Apps[0]["id"].(string)][0]
		if got["issuer"] != want.issuer+tenantID+"/v2.0" || !reflect.DeepEqual(got["audiences"], []any{want.audience}) {
			t.Errorf("%s: credential %v", login, got)
		}
	}
}

func TestWithoutRightsOrSignInTheScriptSaysSoInOneSentence(t *testing.T) {
	denied, out := newCloud(), newCloud()
	denied.Denied, out.SignedOut = true, true
	for name, c := range map[string]struct {
		cloud cloud
		says  string
	}{
		"no rights":  {denied, "operator@example.com may not do this: it takes Application Administrator"},
		"signed out": {out, "sign in first: az login"},
	} {
		after, printed, said, err := play(t, c.cloud, nil, script, "-p", public)
		if err == nil || printed != "" || !strings.Contains(said, c.says) {
			t.Errorf("%s: %v, printed %q, said %q", name, err, printed, said)
		}
		if len(after.Apps) > 0 {
			t.Errorf("%s: made %v", name, after.Apps)
		}
	}
}

func TestWhatWouldNeedQuotingIsRefused(t *testing.T) {
	for _, args := range [][]string{{"-n", `x", "signInAudience": "y`}, {"-u", "a'b"}, {"-u", ""}, {"-p", "http://calendar.example.com"},
		{"-p", public + "/"}, {"-p", public + `/"`}, {"-i", "x y"}, {"more"}, {"-z"}} {
		after, out, said, err := play(t, newCloud(), nil, script, args...)
		if err == nil || out != "" || said == "" || len(after.Calls) > 0 {
			t.Errorf("%q: %v, printed %q, said %q, %d calls", args, err, out, said, len(after.Calls))
		}
	}
}

// Without az: the sentence, and not the shell's.
func TestWithoutTheAzureCLIItIsNamed(t *testing.T) {
	tools := t.TempDir()
	for _, tool := range []string{"dirname", "mktemp", "rm", "sh"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(tools, tool)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(tools, "sh"), script)
	cmd.Env = []string{"PATH=" + tools}
	said, err := cmd.CombinedOutput()
	if err == nil || !slices.Contains(strings.Split(string(said), "\n"), "registration: the Azure CLI (az) is not installed") {
		t.Errorf("%v: %s", err, said)
	}
}
