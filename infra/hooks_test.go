package infra_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/shared/settings"
)

// environment is what azd gives its hooks: the environment's values, outputs included.
func environment(more ...string) []string {
	return append([]string{"AZURE_ENV_NAME=dev", "AZURE_SUBSCRIPTION_ID=sub-1", "AZURE_RESOURCE_GROUP=rg-dev", "AZURE_FUNCTION_NAME=func-1",
		"KEY_VAULT_NAME=vault-1", "PUBLIC_URL=" + public, "IDENTITY_PRINCIPAL_ID=" + principal}, more...)
}

const (
	before = "hooks/before-provision.sh"
	after  = "hooks/after-provision.sh"
)

func TestTheVaultIsFilledWithKeysThatTheSettingsAccept(t *testing.T) {
	then, out, said, err := play(t, newCloud(), environment(), after)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	var want []string
	for _, s := range byName(t) {
		if s.Azure.From == infra.FromKeyVault && s.Azure.When == "" {
			want = append(want, s.Azure.Value)
		}
	}
	slices.Sort(want)
	vault := then.Vaults["vault-1"]
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(vault))); diff != "" {
		t.Fatalf("secrets (-listed +filled)\n%s", diff)
	}
	values := full(t)
	values["TOKEN_KEYSET"], values["LINK_KEYS"] = vault["token-keyset"], vault["link-keys"]
	if _, err := settings.Read(func(name string) (string, bool) { v, ok := values[name]; return v, ok }); err != nil {
		t.Error(err)
	}
	for _, c := range then.Calls {
		out += strings.Join(c.Args, " ")
	}
	for name, value := range vault {
		if strings.Contains(out+said, value) || strings.HasSuffix(value, "\n") {
			t.Errorf("%s was shown, or ends with a new line", name)
		}
	}
	if !slices.Equal(then.Refreshed, []string{"/subscriptions/sub-1/resourceGroups/rg-dev/providers/Microsoft.Web/sites/func-1"}) {
		t.Errorf("told to look again: %v", then.Refreshed)
	}
	if len(then.Apps) > 0 {
		t.Error("a registration was made beside that of the template")
	}
}

func TestKeysThatAreThereAreNeverReplaced(t *testing.T) {
	c := newCloud()
	c.Vaults["vault-1"]["token-keyset"] = "old"
	then, _, said, err := play(t, c, environment(), after)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if got := then.Vaults["vault-1"]; got["token-keyset"] != "old" || got["link-keys"] == "" {
		t.Errorf("the vault holds %d secrets, token-keyset replaced: %v", len(got), got["token-keyset"] != "old")
	}
	then.Calls = nil
	again, _, said, err := play(t, then, environment(), after)
	if err != nil || said != "" || len(again.changes()) > 0 || !maps.Equal(again.Vaults["vault-1"], then.Vaults["vault-1"]) {
		t.Errorf("%v, said %q, changed %q", err, said, again.changes())
	}
}

func TestARoleThatIsNotKnownYetIsWaitedForAndAMissingOneIsTold(t *testing.T) {
	c := newCloud()
	c.VaultDenied = 2
	then, _, said, err := play(t, c, environment(), after)
	if err != nil || len(then.Vaults["vault-1"]) != 2 || strings.Count(said, "does not let us in yet") != 2 {
		t.Errorf("%v, %d secrets: %s", err, len(then.Vaults["vault-1"]), said)
	}
	c.VaultDenied = 1000
	then, _, said, err = play(t, c, environment(), after)
	if err == nil || len(then.Vaults["vault-1"]) > 0 || !strings.Contains(said, "Key Vault Secrets Officer") || !strings.Contains(said, "Caller is not authorized") {
		t.Errorf("%v: %s", err, said)
	}
}

func TestAHookOutsideOfAzdSaysWhatIsMissing(t *testing.T) {
	then, _, said, err := play(t, newCloud(), []string{"AZURE_SUBSCRIPTION_ID=sub-1", "KEY_VAULT_NAME="}, after)
	if err == nil || !strings.Contains(said, "AZURE_RESOURCE_GROUP is missing") || len(then.Calls) > 0 {
		t.Errorf("%v, %d calls: %s", err, len(then.Calls), said)
	}
	c := newCloud()
	c.SignedOut = true
	if _, _, said, err = play(t, c, environment(), after); err == nil || !strings.Contains(said, "az login") {
		t.Errorf("%v: %s", err, said)
	}
}

func TestACredentialThatOnlyTheOperatorHasIsAskedFor(t *testing.T) {
	_, _, said, err := play(t, newCloud(), environment("CALBRIDGE_ENTRA_CREDENTIAL=certificate"), after)
	if err != nil || !strings.Contains(said, "into the vault as entra-client-certificate") {
		t.Errorf("%v: %s", err, said)
	}
	c := newCloud()
	c.Vaults["vault-1"]["entra-client-certificate"] = "PEM"
	if _, _, said, _ = play(t, c, environment("CALBRIDGE_ENTRA_CREDENTIAL=certificate"), after); strings.Contains(said, "entra-client-certificate") {
		t.Errorf("asked for what is there: %s", said)
	}
	for _, kind := range []string{"secret", "certificate"} {
		if !slices.ContainsFunc(load(t).Settings, func(s infra.Setting) bool { return s.Azure.Value == "entra-client-"+kind && s.Azure.When == kind }) {
			t.Errorf("the list knows no entra-client-%s", kind)
		}
	}
}

func TestTheHooksMakeTheRegistrationOnlyWhereItIsChosen(t *testing.T) {
	then, _, said, err := play(t, newCloud(), environment(), before)
	if err != nil || said != "" || len(then.Calls) > 0 {
		t.Errorf("not chosen: %v, %d calls: %s", err, len(then.Calls), said)
	}
	chosen := environment("CALBRIDGE_REGISTRATION=script", "CALBRIDGE_REGISTRATION_DISPLAY_NAME=Acme Calendar")
	if then, _, said, err = play(t, newCloud(), chosen, before); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	client := then.Apps[0]["appId"].(string)
	if then.Azd["CALBRIDGE_ENTRA_CLIENT_ID"] != client || then.Apps[0]["uniqueName"] != "calbridge-dev" || then.Apps[0]["displayName"] != "Acme Calendar" {
		t.Errorf("azd was told %v, made %v", then.Azd, then.Apps[0])
	}
	if then, _, said, err = play(t, then, append(chosen, "CALBRIDGE_ENTRA_CLIENT_ID="+client), after); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if len(then.Apps) != 1 || len(redirectsOf(then.Apps[0])) != 2 || len(then.Credentials) != 1 {
		t.Errorf("%d apps, redirects %v, credentials %v", len(then.Apps), redirectsOf(then.Apps[0]), then.Credentials)
	}
}

func TestAnAddressThatNobodyCouldSignInToIsRefusedBeforeAnythingIsMade(t *testing.T) {
	for _, address := range []string{"https://calendar.example.com/", "https://calendar.example.com/api", "http://calendar.example.com", "calendar.example.com", "https://", "https://a b"} {
		then, _, said, err := play(t, newCloud(), environment("CALBRIDGE_PUBLIC_URL="+address, "CALBRIDGE_REGISTRATION=script"), before)
		if err == nil || !strings.Contains(said, "CALBRIDGE_PUBLIC_URL must") || len(then.Calls) > 0 {
			t.Errorf("%s: %v, %d calls: %s", address, err, len(then.Calls), said)
		}
	}
	if _, _, said, err := play(t, newCloud(), environment("CALBRIDGE_PUBLIC_URL="+public), before); err != nil {
		t.Errorf("%s: %v: %s", public, err, said)
	}
}

// Flex Consumption delegates the subnet to Microsoft.App/environments.
func TestThePrivateNetworksProviderIsRegistered(t *testing.T) {
	for _, env := range [][]string{nil, {"CALBRIDGE_PRIVATE_NETWORK=false"}} {
		if then, _, said, err := play(t, newCloud(), environment(env...), before); err != nil || len(then.Calls) > 0 {
			t.Errorf("%v: %v, %d calls: %s", env, err, len(then.Calls), said)
		}
	}
	delegated, _, _ := strings.Cut(first(`serviceName: '([^']+)'`, text(t, "core/network.bicep"))[0], "/")
	then, _, said, err := play(t, newCloud(), environment("CALBRIDGE_PRIVATE_NETWORK=true"), before)
	if err != nil || !slices.Equal(then.Providers, []string{delegated + " sub-1"}) {
		t.Errorf("%v, registered %q: %s", err, then.Providers, said)
	}
	// Before the very first provisioning azd has not asked for the subscription yet.
	then, _, said, err = play(t, newCloud(), []string{"AZURE_ENV_NAME=dev", "AZURE_SUBSCRIPTION_ID=", "CALBRIDGE_PRIVATE_NETWORK=true"}, before)
	if err != nil || !slices.Equal(then.Providers, []string{delegated}) {
		t.Errorf("%v, registered %q: %s", err, then.Providers, said)
	}
}

// The template would make a second registration beside the script's if the names
// differed, and the hooks would get nothing if the template put it out otherwise.
func TestHooksAndTemplateAgreeOnNames(t *testing.T) {
	template, parameters := text(t, "main.bicep"), text(t, "main.parameters.json")
	if !strings.Contains(template, "'calbridge-${environmentName}'") {
		t.Error("the template has another default for the registration's key")
	}
	variable := regexp.MustCompile(`\$\{?([A-Z][A-Z_]+)`)
	loop := regexp.MustCompile(`(?m)^for name in ([A-Z_ ]+); do$`)
	own := []string{"CALBRIDGE_REGISTRATION", "AZURE_ENV_NAME", "AZURE_SUBSCRIPTION_ID"} // azd's, and the hooks' own switch
	for _, hook := range []string{before, after} {
		names := first(variable.String(), text(t, hook))
		for _, list := range first(loop.String(), text(t, hook)) {
			names = append(names, strings.Fields(list)...)
		}
		for _, name := range names {
			if !slices.Contains(own, name) && !strings.Contains(template, "\noutput "+name+" ") && !strings.Contains(parameters, "${"+name+"=") {
				t.Errorf("%s reads %s, which is neither an output nor a parameter", hook, name)
			}
		}
	}
}

// filled is a cloud after the first deployment, with azd's environment.
func filled(t *testing.T) cloud {
	t.Helper()
	c, _, said, err := play(t, newCloud(), environment(), after)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	c.Calls, c.Refreshed = nil, nil
	c.Azd = map[string]string{"KEY_VAULT_NAME": "vault-1", "AZURE_SUBSCRIPTION_ID": "sub-1", "AZURE_RESOURCE_GROUP": "rg-dev", "AZURE_FUNCTION_NAME": "func-1"}
	return c
}

func TestAKeyIsRotatedInTheVaultStepByStep(t *testing.T) {
	c := filled(t)
	turn := func(step ...string) []string {
		t.Helper()
		c.Refreshed = nil
		then, out, said, err := play(t, c, nil, "rotate.sh", step...)
		if err != nil {
			t.Fatalf("%v: %v: %s", step, err, said)
		}
		for _, call := range then.Calls {
			out += strings.Join(call.Args, " ")
		}
		for _, value := range []string{c.Vaults["vault-1"]["link-keys"], then.Vaults["vault-1"]["link-keys"]} {
			if strings.Contains(out+said, value) {
				t.Errorf("%v: a key was shown", step)
			}
		}
		if told := len(then.Refreshed) == 1; told == (step[1] == "list") {
			t.Errorf("%v: the app was told %d times", step, len(then.Refreshed))
		}
		c = then
		keys, err := settings.ParseLinkKeys(then.Vaults["vault-1"]["link-keys"])
		if err != nil {
			t.Fatalf("%v: %v", step, err)
		}
		var ids []string
		for _, k := range keys {
			ids = append(ids, k.ID)
		}
		return ids
	}
	first := turn("link-keys", "list")
	added := turn("link-keys", "add")
	if len(added) != 2 || added[0] != first[0] {
		t.Fatalf("%v after %v", added, first)
	}
	if used := turn("link-keys", "use", added[1]); !slices.Equal(used, []string{added[1], first[0]}) {
		t.Errorf("%v after %v", used, added)
	}
	if last := turn("link-keys", "drop", first[0]); !slices.Equal(last, added[1:]) {
		t.Errorf("%v are left", last)
	}
}

func TestAStepThatFailsLeavesTheVaultAsItIs(t *testing.T) {
	c := filled(t)
	broken := filled(t)
	broken.Vaults["vault-1"]["token-keyset"] = "no keyset"
	for name, one := range map[string]struct {
		cloud cloud
		args  []string
	}{
		"key in use":     {c, []string{"link-keys", "drop", signing(t, c)}},
		"unknown key":    {c, []string{"token-keyset", "use", "1"}},
		"unknown order":  {c, []string{"token-keyset", "replace"}},
		"unknown secret": {c, []string{"entra-client-secret", "add"}},
		"no order":       {c, []string{"token-keyset"}},
		"not readable":   {broken, []string{"token-keyset", "add"}},
	} {
		then, out, _, err := play(t, one.cloud, nil, "rotate.sh", one.args...)
		if err == nil || out != "" || !maps.Equal(then.Vaults["vault-1"], one.cloud.Vaults["vault-1"]) || len(then.changes()) > 0 {
			t.Errorf("%s: %v, printed %q, changed %q", name, err, out, then.changes())
		}
	}
}

// signing is the id of the link key that signs.
func signing(t *testing.T, c cloud) string {
	t.Helper()
	keys, err := settings.ParseLinkKeys(c.Vaults["vault-1"]["link-keys"])
	if err != nil {
		t.Fatal(err)
	}
	return keys[0].ID
}

// project is azure.yaml, as far as it is used; another member is a mistake.
type project struct {
	Name     string
	Metadata struct{ Template string }
	Infra    struct{ Provider, Path, Module string }
	Services map[string]service
	Hooks    map[string]hook
}

type service struct {
	Host, Language, Project, Dist string
	RemoteBuild                   *bool `yaml:"remoteBuild"`
	Hooks                         map[string]hook
}

type hook struct{ Posix, Windows struct{ Shell, Run string } }

// functions/contract.md 8.1.
func TestAzureYAMLIsWhatAzdExpects(t *testing.T) {
	var p project
	d := yaml.NewDecoder(strings.NewReader(text(t, "../azure.yaml")))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`).MatchString(p.Name) || p.Infra.Provider != "bicep" || p.Infra.Path != "infra" || p.Infra.Module != "main" {
		t.Errorf("name %q, infra %+v", p.Name, p.Infra)
	}
	api, found := p.Services["api"]
	if !found || len(p.Services) != 1 || !strings.Contains(text(t, "main.bicep"), "var serviceName = 'api'") {
		t.Errorf("services %v, and the template tags another", slices.Sorted(maps.Keys(p.Services)))
	}
	if api.Host != "function" || api.Language != "custom" || api.Project != "." || api.Dist != "build/app" || api.RemoteBuild == nil || *api.RemoteBuild {
		t.Errorf("service %+v", api)
	}
	hooks := maps.Clone(p.Hooks)
	maps.Copy(hooks, api.Hooks)
	if got := slices.Sorted(maps.Keys(hooks)); !slices.Equal(got, []string{"postprovision", "prepackage", "preprovision"}) {
		t.Errorf("hooks %v", got)
	}
	for name, h := range hooks {
		info, err := os.Stat(filepath.Join("..", h.Posix.Run))
		if err != nil || info.Mode()&0o111 == 0 || h.Posix.Shell != "sh" || !strings.HasPrefix(text(t, filepath.Join("..", h.Posix.Run)), "#!/bin/sh\n") {
			t.Errorf("%s: %v, %+v", name, err, h.Posix)
		}
		if _, err := os.Stat(filepath.Join("..", h.Windows.Run)); err != nil || h.Windows.Shell != "pwsh" {
			t.Errorf("%s: %v, %+v", name, err, h.Windows)
		}
	}
}

// azd may start a hook in the folder of its script: it finds the root by itself. What it
// packages is what `make package` makes, of the same version: else nobody could compare
// the bytes that are deployed with those of a release.
func TestThePackageThatIsDeployedIsThatOfMakeAndOfTheVersionThatIsGiven(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "go"), []byte("#!/bin/sh\npwd\necho \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("hooks/package.sh")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(script)))
	runs := func(in, version string, command ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir = in
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "VERSION=") && !strings.HasPrefix(v, "MAKE") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, "PATH="+folder+":"+os.Getenv("PATH"), "COMMIT=c0ffee")
		if version != "" {
			cmd.Env = append(cmd.Env, "VERSION="+version)
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	for given, want := range map[string]string{"": "dev", "v1.2.3": "v1.2.3"} {
		hook := runs(folder, given, "sh", script)
		if made := runs(root, given, "make", "--no-print-directory", "package"); hook != made {
			t.Errorf("the hook ran %q, make %q", hook, made)
		}
		if !regexp.MustCompile("^" + regexp.QuoteMeta(root) + `\nrun \./cmd/package .*-version ` + regexp.QuoteMeta(want) + ` -commit c0ffee\n$`).MatchString(hook) {
			t.Errorf("version %q: ran %q", given, hook)
		}
	}
}
