package infra_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/infra"
	"github.com/calbridge/calbridge/shared/settings"
)

// certificate has what PKCS#12 begins with; only whoever opens it would notice more.
var certificate = base64.StdEncoding.EncodeToString(append([]byte{0x30, 0x82}, make([]byte, 300)...))

// examples are values that the program accepts, for every setting that it reads.
var examples = map[string]string{
	"FUNCTIONS_CUSTOMHANDLER_PORT":        "40123",
	"PUBLIC_URL":                          "https://calendar.example.com",
	"TABLES":                              "DefaultEndpointsProtocol=https;AccountName=example;AccountKey=YQ==",
	"TABLES__serviceUri":                  "https://example.table.core.windows.net/",
	"TABLES__credential":                  "managedidentity",
	"TABLES__clientId":                    "22222222-2222-4222-8222-222222222222",
	"SERVICEBUS":                          "Endpoint=sb://example.servicebus.windows.net;SharedAccessKeyName=n;SharedAccessKey=YQ==",
	"SERVICEBUS__fullyQualifiedNamespace": "example.servicebus.windows.net",
	"SERVICEBUS__credential":              "managedidentity",
	"SERVICEBUS__clientId":                "22222222-2222-4222-8222-222222222222",
	"AZURE_CLIENT_ID":                     "22222222-2222-4222-8222-222222222222",
	"ENTRA_CLIENT_ID":                     "11111111-1111-4111-8111-111111111111",
	"ENTRA_CLIENT_SECRET":                 "s",
	"ENTRA_CLIENT_CERTIFICATE":            certificate,
	"ENTRA_MANAGED_IDENTITY":              "22222222-2222-4222-8222-222222222222",
	"ENTRA_AUTHORITY":                     "https://login.microsoftonline.com/",
	"GRAPH_ENDPOINT":                      "https://graph.microsoft.com",
	"TOKEN_KEYSET":                        `{"primaryKeyId":7,"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey","value":"GiAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":7,"outputPrefixType":"TINK"}]}`,
	"LINK_KEYS":                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"DOWNSYNC_SCHEDULE":                   "0 */30 * * * *",
	"ALLOWED_RETURN_ORIGINS":              "https://product.example.com",
	"ALERT_SENDER":                        "alerts@example.com",
	"ALERT_TENANT":                        "example.com",
	"GOGC":                                "400",
}

// faults are the settings that Read complains about.
func faults(values map[string]string) []string {
	_, err := settings.Read(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	var invalid *settings.Invalid
	if !errors.As(err, &invalid) {
		return nil
	}
	var names []string
	for _, f := range invalid.Faults {
		names = append(names, f.Setting)
	}
	return names
}

// full are the examples of one alternative of every group, the one for Azure.
func full(t *testing.T) map[string]string {
	t.Helper()
	values := maps.Clone(examples)
	for _, name := range []string{"TABLES", "SERVICEBUS", "ENTRA_CLIENT_SECRET", "ENTRA_CLIENT_CERTIFICATE"} {
		delete(values, name)
	}
	if got := faults(values); got != nil {
		t.Fatalf("the examples are refused: %v", got)
	}
	return values
}

func byName(t *testing.T) map[string]infra.Setting {
	t.Helper()
	all := map[string]infra.Setting{}
	for _, s := range load(t).Settings {
		if _, twice := all[s.Name]; twice {
			t.Errorf("%s is listed twice", s.Name)
		}
		all[s.Name] = s
	}
	return all
}

// What the program reads are the settings that settings.Read asks for, and those
// that cmd/handler looks up by itself.
func TestListHasEverySettingThatTheProgramReadsAndNoOther(t *testing.T) {
	asked := map[string]bool{}
	if _, err := settings.Read(func(name string) (string, bool) { asked[name] = true; return "", false }); err == nil {
		t.Fatal("no settings at all were accepted")
	}
	for _, path := range []string{"../cmd/handler/main.go", "../handlers/app/app.go"} {
		for _, m := range regexp.MustCompile(`(?:LookupEnv|Getenv|lookup)\("([^"]+)"\)`).FindAllStringSubmatch(text(t, path), -1) {
			asked[m[1]] = true
		}
	}
	listed := map[string]bool{}
	for name, s := range byName(t) {
		if s.Reader == "program" {
			listed[name] = true
		}
	}
	if diff := cmp.Diff(asked, listed); diff != "" {
		t.Errorf("(-read +listed)\n%s", diff)
	}
}

func TestEveryMemberOfASettingHasAKnownValue(t *testing.T) {
	known := func(s infra.Setting, member, value string, values ...string) {
		if !slices.Contains(values, value) {
			t.Errorf("%s: %s is %q", s.Name, member, value)
		}
	}
	for _, s := range byName(t) {
		known(s, "reader", s.Reader, "program", "host")
		known(s, "need", s.Need, "required", "optional", "alternative", "together")
		known(s, "local", s.Local, "value", "empty", "absent")
		known(s, "azure.from", s.Azure.From, infra.FromLiteral, infra.FromValue, infra.FromKeyVault, infra.FromHost, infra.FromNowhere)
		known(s, "azure.when", s.Azure.When, "", "identity", "secret", "certificate")
		if (s.Need == "alternative" || s.Need == "together") && s.Group == "" {
			t.Errorf("%s: %s, but of no group", s.Name, s.Need)
		}
		if given := slices.Contains([]string{infra.FromLiteral, infra.FromValue, infra.FromKeyVault}, s.Azure.From); given != (s.Azure.Value != "") {
			t.Errorf("%s: from %s with value %q", s.Name, s.Azure.From, s.Azure.Value)
		}
		if s.Secret && s.Azure.From != infra.FromKeyVault && s.Azure.From != infra.FromNowhere || !s.Secret && s.Azure.From == infra.FromKeyVault {
			t.Errorf("%s: secret %v, from %s: secrets and nothing else come from Key Vault", s.Name, s.Secret, s.Azure.From)
		}
	}
}

// need says what the program demands.
func TestNeedIsWhatTheProgramDemands(t *testing.T) {
	groups := map[string][]string{}
	for name, s := range byName(t) {
		if s.Need == "alternative" && s.Reader == "program" {
			groups[s.Group] = append(groups[s.Group], name)
		}
		values := full(t)
		delete(values, name)
		switch got := faults(values); {
		case s.Reader != "program" || s.Need == "alternative":
		case s.Need == "optional" && got != nil:
			t.Errorf("%s is optional, but without it: %v", name, got)
		case s.Need == "required" && !slices.Equal(got, []string{name}):
			t.Errorf("%s is required, but without it: %v", name, got)
		case s.Need == "together" && got == nil:
			t.Errorf("%s goes with others, but they are taken without it", name)
		}
	}
	for group, names := range groups {
		values := full(t)
		for _, name := range names {
			delete(values, name)
		}
		if got := faults(values); len(got) == 0 {
			t.Errorf("%s: none of %v is accepted", group, names)
		}
		for i, name := range names {
			one, two := maps.Clone(values), maps.Clone(values)
			one[name] = examples[name]
			if got := faults(one); got != nil {
				t.Errorf("%s alone: %v", name, got)
			}
			two[name], two[names[(i+1)%len(names)]] = examples[name], examples[names[(i+1)%len(names)]]
			if got := faults(two); len(got) == 0 {
				t.Errorf("%s and another are accepted", name)
			}
		}
	}
}

// What the deployment sets, by the rule of app/settings.bicep, is what the program
// starts with, in each way of proving the app to Entra.
func TestTheProgramStartsWithTheSettingsOfTheDeployment(t *testing.T) {
	for _, when := range []string{"identity", "secret", "certificate"} {
		values := map[string]string{}
		for name, s := range byName(t) {
			switch {
			case s.Azure.When != "" && s.Azure.When != when:
			case s.Azure.From == infra.FromLiteral:
				values[name] = s.Azure.Value
			case slices.Contains([]string{infra.FromValue, infra.FromKeyVault, infra.FromHost}, s.Azure.From):
				values[name] = examples[name]
			}
		}
		if got := faults(values); got != nil {
			t.Errorf("%s: %v", when, got)
		}
		for _, absent := range []string{"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE"} {
			if _, ok := values[absent]; ok {
				t.Errorf("%s is set: Flex refuses it (contract 6.1)", absent)
			}
		}
	}
}

func TestTheSampleHasTheListAndNothingElse(t *testing.T) {
	var file struct{ Values map[string]string }
	if err := json.Unmarshal([]byte(text(t, "../local.settings.sample.json")), &file); err != nil {
		t.Fatal(err)
	}
	got, want := map[string]string{}, map[string]string{}
	for name, value := range file.Values {
		got[name] = "value"
		if value == "" {
			got[name] = "empty"
		}
	}
	for name, s := range byName(t) {
		if s.Local != "absent" {
			want[name] = s.Local
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-listed +sample)\n%s", diff)
	}
}

// A row of the table begins with "| `NAME` |".
func TestTheOperatorsPageTellsEverySetting(t *testing.T) {
	_, table, found := strings.Cut(text(t, "../docs/operate.md"), "\n## Settings\n")
	if !found {
		t.Fatal("docs/operate.md has no section Settings")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Za-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
		told = append(told, m[1])
	}
	slices.Sort(told)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(byName(t))), told); diff != "" {
		t.Errorf("(-listed +told)\n%s", diff)
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
