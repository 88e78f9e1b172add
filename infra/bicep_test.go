package infra_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/infra"
)

// The Bicep files are read as text here: what they are to Azure is judged by the
// checker, and what they are to each other and to the program by these tests.

// first returns the first group of every match.
func first(pattern, in string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(in, -1) {
		found = append(found, m[1])
	}
	return found
}

// azdParameters are main.parameters.json: for each parameter its variable and default.
func azdParameters(t *testing.T) map[string][2]string {
	t.Helper()
	var file struct {
		Parameters map[string]struct{ Value string }
	}
	if err := json.Unmarshal([]byte(text(t, "main.parameters.json")), &file); err != nil {
		t.Fatal(err)
	}
	all := map[string][2]string{}
	for name, p := range file.Parameters {
		m := regexp.MustCompile(`^\$\{([A-Z0-9_]+)(?:=([^}]*))?\}$`).FindStringSubmatch(p.Value)
		if m == nil {
			t.Fatalf("%s is %q, not a variable of azd", name, p.Value)
		}
		all[name] = [2]string{m[1], m[2]}
	}
	return all
}

// Whoever sets nothing gets the same from azd as from az: the defaults stand twice.
func TestEveryParameterCanBeSetThroughAzdAndHasTheSameDefault(t *testing.T) {
	want := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^param (\w+) \w+(?: = (.*))?$`).FindAllStringSubmatch(text(t, "main.bicep"), -1) {
		want[m[1]] = strings.Trim(m[2], "'")
	}
	delete(want, "thisMonth") // the clock, not a choice
	got := map[string]string{}
	for name, p := range azdParameters(t) {
		got[name] = p[1]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-main.bicep +main.parameters.json)\n%s", diff)
	}
}

// azd keeps outputs as variables of its environment. A parameter that took one of them
// would find the last deployment's answer in place of "nothing given".
func TestNoParameterTakesWhatTheLastDeploymentPutOut(t *testing.T) {
	outputs := first(`(?m)^output (\w+) `, text(t, "main.bicep"))
	for name, p := range azdParameters(t) {
		// The location is what was given, and the budget's start must be remembered: Azure
		// refuses another.
		if meant := p[0] == "AZURE_LOCATION" || p[0] == "BUDGET_START"; slices.Contains(outputs, p[0]) != meant {
			t.Errorf("%s takes %s, an output: %v", name, p[0], !meant)
		}
	}
	for _, name := range outputs {
		if name != strings.ToUpper(name) {
			t.Errorf("output %s is not in upper case", name)
		}
	}
}

// Served queues get the role to be served and the alert that nobody does; the others are
// the operator's.
func TestQueuesThatNoFunctionServesAreThoseThatTheDeploymentParks(t *testing.T) {
	served := map[string]bool{}
	for _, all := range bindings(t) {
		for _, b := range all {
			served[b.QueueName] = true
		}
	}
	var want []string
	for _, q := range load(t).Queues {
		if !served[q.Name] {
			want = append(want, q.Name)
		}
	}
	parked := first(`(?m)^var parked = \[(.*)\]$`, text(t, "main.bicep"))
	if len(parked) != 1 {
		t.Fatal("main.bicep has no list of parked queues")
	}
	if diff := cmp.Diff(want, first(`'([^']+)'`, parked[0])); diff != "" {
		t.Errorf("(-not served +parked)\n%s", diff)
	}
}

func TestEveryEntityThatTheDeploymentNamesIsOfTheList(t *testing.T) {
	r := load(t)
	main := text(t, "main.bicep")
	for pattern, found := range map[string]func(string) bool{
		`bookingsQueue: '([^']+)'`: func(n string) bool {
			return slices.ContainsFunc(r.Queues, func(q infra.Queue) bool { return q.Name == n })
		},
		`changes: \{ topic: '([^']+)'`: func(n string) bool {
			return slices.ContainsFunc(r.Topics, func(x infra.Topic) bool { return x.Name == n })
		},
		`, subscription: '([^']+)' \}`: func(n string) bool {
			return slices.ContainsFunc(r.Topics[0].Subscriptions, func(s infra.Subscription) bool { return s.Name == n })
		},
	} {
		names := first(pattern, main)
		if len(names) != 1 || !found(names[0]) {
			t.Errorf("%s: %q", pattern, names)
		}
	}
}

// The list names values; main.bicep gives them to app/settings.bicep.
func TestTheDeploymentGivesEveryValueThatTheListNamesAndNoOther(t *testing.T) {
	var want []string
	for _, s := range load(t).Settings {
		if s.Azure.From == infra.FromValue && !slices.Contains(want, s.Azure.Value) {
			want = append(want, s.Azure.Value)
		}
	}
	slices.Sort(want)
	_, after, _ := strings.Cut(text(t, "main.bicep"), "\n    values: {\n")
	block, _, _ := strings.Cut(after, "\n    }\n")
	given := first(`(?m)^      (\w+): `, block)
	slices.Sort(given)
	if diff := cmp.Diff(want, given); diff != "" {
		t.Errorf("(-named in the list +given by main.bicep)\n%s", diff)
	}
}

// write-path.md section 1: instances times sessions stay below 4,000, because an entity
// bears 5,000 waiting receives.
func TestAsManyInstancesAsMayRunLeaveTheBusItsLimit(t *testing.T) {
	var host struct {
		Extensions struct {
			ServiceBus struct{ MaxConcurrentSessions int }
		}
	}
	if err := json.Unmarshal([]byte(text(t, "../host.json")), &host); err != nil {
		t.Fatal(err)
	}
	bounds := first(`@maxValue\((\d+)\)\nparam maximumInstanceCount int`, text(t, "main.bicep")+text(t, "app/function.bicep"))
	if len(bounds) != 2 || bounds[0] != bounds[1] {
		t.Fatalf("bounds of maximumInstanceCount are %q, want one in both files", bounds)
	}
	most, err := strconv.Atoi(bounds[0])
	if receives := most * host.Extensions.ServiceBus.MaxConcurrentSessions; err != nil || receives == 0 || receives >= 4000 {
		t.Errorf("%d waiting receives, %v", receives, err)
	}
}

// One place each where keys are refused, and none where they are asked for.
func TestNothingKnowsAKey(t *testing.T) {
	for file, lines := range map[string][]string{
		"core/storage.bicep":    {"allowSharedKeyAccess: false", "allowBlobPublicAccess: false", "minimumTlsVersion: 'TLS1_2'", "supportsHttpsTrafficOnly: true"},
		"app/bus.bicep":         {"disableLocalAuth: true", "minimumTlsVersion: '1.2'"},
		"core/monitoring.bicep": {"DisableLocalAuth: true", "disableLocalAuth: true"},
		"core/vault.bicep":      {"enableRbacAuthorization: true", "enablePurgeProtection: true"},
		"app/function.bicep":    {"httpsOnly: true", "minTlsVersion: '1.2'", "scmMinTlsVersion: '1.2'", "remoteDebuggingEnabled: false", "allowedOrigins: []"},
	} {
		for _, line := range lines {
			if !strings.Contains(text(t, file), " "+line+"\n") && !strings.Contains(text(t, file), " "+line+" ") {
				t.Errorf("%s lacks %s", file, line)
			}
		}
	}
	if off := strings.Count(text(t, "app/function.bicep"), "properties: { allow: false }"); off != 2 {
		t.Errorf("%d of two ways to deploy with a password are off", off)
	}
	asks := regexp.MustCompile(`list(Keys|Secrets|AccountSas|ServiceSas)\(|\.list\w*\(|getSecret\(|AccountKey|SharedAccessKey\b|@secure`)
	for _, pattern := range []string{"*.bicep", "*/*.bicep"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if found := asks.FindString(text(t, file)); found != "" {
				t.Errorf("%s has %s", file, found)
			}
		}
	}
}

// Microsoft's list of what Flex Consumption no longer has, properties and settings of other
// plans, says to leave them out (functions/contract.md 6.1).
func TestFlexConsumptionIsGivenNothingOfOtherPlans(t *testing.T) {
	code := regexp.MustCompile(`(?m)//.*$`).ReplaceAllString(text(t, "app/function.bicep"), "")
	for _, property := range []string{"alwaysOn", "ftpsState", "use32BitWorkerProcess", "isReserved", "isXenon", "linuxFxVersion", "windowsFxVersion", "functionAppScaleLimit",
		"preWarmedInstanceCount", "containerSize", "vnetRouteAllEnabled", "vnetContentShareEnabled", "vnetImagePullEnabled", "appSettings"} {
		if strings.Contains(strings.ToLower(code), strings.ToLower(property)+":") {
			t.Errorf("app/function.bicep has %s", property)
		}
	}
	for _, name := range []string{"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTSHARE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
		"WEBSITE_VNET_ROUTE_ALL", "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT", "WEBSITE_TIME_ZONE", "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD"} {
		if s := byName(t)[name]; s.Azure.From != "" && s.Azure.From != infra.FromNowhere {
			t.Errorf("%s is set in Azure, from %s", name, s.Azure.From)
		}
	}
}

// docs/operate.md says what each alert means and what to do, and what can be chosen.
func TestEveryAlertAndEveryChoiceStandsInTheDocuments(t *testing.T) {
	docs := text(t, "../docs/operate.md")
	alerts := 0
	for _, file := range []string{"app/alerts-bus.bicep", "app/alerts-log.bicep", "app/health.bicep", "main.bicep"} {
		for _, name := range first(`(?m)^ +name: '(calbridge-[a-z-]+?)-?(?:\$\{\w+(?:\.\w+)?\})?'$`, text(t, file)) {
			if name == "calbridge-operators" {
				continue // who is told
			}
			if alerts++; !strings.Contains(docs, "| `"+name+"` |") && !strings.Contains(docs, "| `"+name+"-…` |") {
				t.Errorf("docs/operate.md does not say what %s of %s means", name, file)
			}
		}
	}
	if alerts < 10 {
		t.Errorf("only %d alerts were found", alerts)
	}
	for name, p := range azdParameters(t) {
		if !strings.Contains(docs, "`"+p[0]+"`") {
			t.Errorf("docs/operate.md does not name %s, which sets %s", p[0], name)
		}
	}
}
