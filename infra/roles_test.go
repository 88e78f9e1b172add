package infra_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A block is a resource or module of a Bicep file, as text.
type block struct {
	Kind, Symbol, Of string // resource or module; its name; the type, or the file
	Text             string
}

// blocks are the resources and modules of a file that begin at the start of a line.
func blocks(t *testing.T, file string) []block {
	t.Helper()
	var all []block
	for _, m := range regexp.MustCompile(`(?ms)^(resource|module) (\w+) '([^'@]+)[^']*'([^\n]*\{\n.*?)^\}`).FindAllStringSubmatch(text(t, file), -1) {
		all = append(all, block{m[1], m[2], m[3], m[4]})
	}
	if len(all) == 0 {
		t.Fatalf("%s declares nothing", file)
	}
	return all
}

// of is the block of that symbol.
func of(t *testing.T, file, symbol string) block {
	t.Helper()
	for _, b := range blocks(t, file) {
		if b.Symbol == symbol {
			return b
		}
	}
	t.Fatalf("%s has no %s", file, symbol)
	return block{}
}

// value is what stands behind the first member of that name, to the end of its line.
func (b block) value(member string) string {
	m := regexp.MustCompile(`(?m)^ *` + member + `: (.+)$`).FindStringSubmatch(b.Text)
	if m == nil {
		return ""
	}
	return m[1]
}

// functions/contract.md 8.4. An id of one digit more or less is a role that is not there,
// and Azure says so only when it deploys.
func TestRolesHaveTheIdsThatAzureGaveThem(t *testing.T) {
	want := map[string]string{
		"blobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "tableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
		"serviceBusDataOwner": "090c5cfd-751d-490a-894a-3ce6f1109419", "serviceBusDataReceiver": "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
		"serviceBusDataSender": "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", "metricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
		"keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6", "keyVaultSecretsOfficer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
	}
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^  (\w+): '([0-9a-f-]{36})'$`).FindAllStringSubmatch(text(t, "core/roles.bicep"), -1) {
		got[m[1]] = m[2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Azure's +ours)\n%s", diff)
	}
}

// Who may do what where. The left side is what main.bicep calls it: the loops over served
// queues, parked ones and topics are of TestQueuesThatNoFunctionServes….
func TestEveryRoleIsGivenToWhomWhereAndForWhatItIsMeant(t *testing.T) {
	want := map[string][]string{ // principal, scope, role
		"app/roles.bicep hostBlobs":        {"principalId", "hostStorage", "blobDataOwner"},
		"app/roles.bicep hostTables":       {"principalId", "hostStorage", "tableDataContributor"},
		"app/roles.bicep tables":           {"principalId", "tablesStorage", "tableDataContributor"},
		"app/roles.bicep serve":            {"principalId", "servedQueue[i]", "serviceBusDataOwner"},
		"app/roles.bicep park":             {"principalId", "parkedQueue[i]", "serviceBusDataSender"},
		"app/roles.bicep redrive":          {"principalId", "parkedQueue[i]", "serviceBusDataReceiver"},
		"app/roles.bicep publish":          {"principalId", "publishedTopic[i]", "serviceBusDataSender"},
		"app/roles.bicep secrets":          {"principalId", "vault", "keyVaultSecretsUser"},
		"app/roles.bicep telemetry":        {"principalId", "component", "metricsPublisher"},
		"app/people.bicep fillVault":       {"deployerId", "vault", "keyVaultSecretsOfficer"},
		"app/people.bicep localTables":     {"deployerId", "tablesStorage", "tableDataContributor"},
		"app/people.bicep localQueues":     {"deployerId", "queue[i]", "serviceBusDataOwner"},
		"app/people.bicep localTopic":      {"deployerId", "namespace::topic", "serviceBusDataOwner"},
		"app/people.bicep send":            {"id", "namespace::bookings", "serviceBusDataSender"},
		"app/people.bicep receive":         {"id", "namespace::topic::all", "serviceBusDataReceiver"},
		"app/roles.bicep served queues":    {"served", "namespace"},
		"app/roles.bicep parked queues":    {"parked", "namespace"},
		"app/roles.bicep published topics": {"published", "namespace"},
	}
	got := map[string][]string{}
	for _, file := range []string{"app/roles.bicep", "app/people.bicep"} {
		for _, b := range blocks(t, file) {
			if b.Of != "Microsoft.Authorization/roleAssignments" {
				continue
			}
			role := first(`roleDefinitionId: subscriptionResourceId\('Microsoft.Authorization/roleDefinitions', roleIds\.(\w+)\)`, b.Text)
			if len(role) != 1 {
				t.Fatalf("%s %s: roles %v", file, b.Symbol, role)
			}
			scope, principal := b.value("scope"), b.value("principalId")
			got[file+" "+b.Symbol] = []string{principal, scope, role[0]}
			// The name must tell all three apart, or one assignment takes another's place.
			if name := "guid(" + scope + ".id, " + principal + ", roleIds." + role[0] + ")"; b.value("name") != name {
				t.Errorf("%s %s is named %s, want %s", file, b.Symbol, b.value("name"), name)
			}
			// Azure looks an identity that was made this minute up in vain, unless told what it is.
			if file == "app/roles.bicep" && b.value("principalType") != "'ServicePrincipal'" {
				t.Errorf("%s: principalType %s", b.Symbol, b.value("principalType"))
			}
		}
	}
	for symbol, name := range map[string]string{"servedQueue": "served queues", "parkedQueue": "parked queues", "publishedTopic": "published topics"} {
		b := of(t, "app/roles.bicep", symbol)
		got["app/roles.bicep "+name] = []string{first(`for name in (\w+):`, b.Text)[0], b.value("parent")}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-meant +given)\n%s", diff)
	}
	for _, file := range []string{"main.bicep", "app/function.bicep", "app/bus.bicep", "core/storage.bicep", "core/vault.bicep"} {
		if strings.Contains(text(t, file), "roleAssignments") {
			t.Errorf("%s gives roles: they all stand in two files", file)
		}
	}
}

// Two ids of one identity, two accounts, one vault: what is swapped is still of the right
// type, and fails in Azure only.
func TestModulesAreGivenWhatTheyAskFor(t *testing.T) {
	for module, params := range map[string]map[string]string{
		"roles": {"principalId": "identity.outputs.principalId", "hostStorageName": "hostStorage.outputs.name", "tablesStorageName": "tablesStorage.outputs.name",
			"namespaceName": "bus.outputs.name", "vaultName": "vault.outputs.name", "componentName": "monitoring.outputs.componentName",
			"served": "served", "parked": "parked", "published": "topics"},
		"people": {"tablesStorageName": "tablesStorage.outputs.name", "namespaceName": "bus.outputs.name", "vaultName": "vault.outputs.name", "deployerId": "principalId",
			"deployerType": "principalType", "deployerRunsLocally": "deployerRunsLocally", "queues": "queues",
			"bookingSenders": "commaSeparated(bookingSenders)", "changeReceivers": "commaSeparated(changeReceivers)"},
		"hostStorage":   {"name": "'host-storage'", "containers": "[packageContainer]", "sku": "storageRedundancy", "privateOnly": "privateNetwork"},
		"tablesStorage": {"name": "'tables-storage'", "tables": "resources.tables", "sku": "storageRedundancy", "lock": "lockTables", "privateOnly": "privateNetwork"},
		"app": {"identityId": "identity.outputs.id", "packageUrl": "'${hostStorage.outputs.blobEndpoint}${packageContainer}'", "serviceName": "serviceName",
			"subnetId": "privateNetwork ? network!.outputs.appSubnetId : ''", "dependsOn": "[roles, endpoints]"},
		"endpoints":    {"subnetId": "network!.outputs.endpointSubnetId"},
		"registration": {"publicUrl": "url", "identityPrincipalId": "identity.outputs.principalId"},
		"settings": {"appName": "app.outputs.name", "vaultUri": "vault.outputs.uri", "entraCredential": "entraCredential",
			"storageAccountName": "hostStorage.outputs.name", "tablesEndpoint": "tablesStorage.outputs.tableEndpoint", "identityClientId": "identity.outputs.clientId",
			"applicationInsightsConnectionString": "monitoring.outputs.connectionString",
			"applicationInsightsAuthentication":   "'ClientId=${identity.outputs.clientId};Authorization=AAD'",
			"publicUrl":                           "url", "serviceBusNamespace": "bus.outputs.host", "entraClientId": "clientId", "entraAuthority": "authorityUrl", "graphEndpoint": "graphUrl",
			"downSyncSchedule":     "empty(downSyncSchedule) ? '" + defaultSchedule(t) + "' : downSyncSchedule",
			"allowedReturnOrigins": "allowedReturnOrigins", "alertSender": "alertSender", "alertTenant": "alertTenant"},
		"actionGroup": {"emails": "emails"},
		"alertsBus":   {"namespaceName": "bus.outputs.name", "actionGroupId": "actionGroup.outputs.id", "served": "served", "parked": "parked", "waitingMessages": "alertWaitingMessages"},
		"alertsLog": {"componentId": "monitoring.outputs.componentId", "workspaceId": "monitoring.outputs.workspaceId", "actionGroupId": "actionGroup.outputs.id",
			"failures": "alertFailures", "errors": "alertErrors", "lateSeconds": "alertLateSeconds"},
		"health": {"componentId": "monitoring.outputs.componentId", "actionGroupId": "actionGroup.outputs.id", "publicUrl": "url"},
		"budget": {"actionGroupId": "actionGroup.outputs.id", "amount": "monthlyBudget", "emails": "emails",
			"start": "empty(budgetStart) ? thisMonth : budgetStart"},
	} {
		b := of(t, "main.bicep", module)
		if b.value("scope") != "group" {
			t.Errorf("%s is deployed to %s", module, b.value("scope"))
		}
		for param, want := range params {
			if got := b.value(param); got != want {
				t.Errorf("%s: %s is %s, want %s", module, param, got, want)
			}
		}
	}
	for module, condition := range map[string]string{"network": "privateNetwork", "endpoints": "privateNetwork", "registration": "empty(entraClientId)",
		"health": "healthTestSeconds > 0", "budget": "monthlyBudget > 0"} {
		if header, _, _ := strings.Cut(of(t, "main.bicep", module).Text, "\n"); header != " = if ("+condition+") {" {
			t.Errorf("%s is deployed%s", module, header)
		}
	}
	var outputs []string
	for _, o := range [][2]string{{"AZURE_FUNCTION_NAME string", "app.outputs.name"}, {"KEY_VAULT_NAME string", "vault.outputs.name"}, {"PUBLIC_URL string", "url"},
		{"IDENTITY_PRINCIPAL_ID string", "identity.outputs.principalId"}, {"IDENTITY_CLIENT_ID string", "identity.outputs.clientId"}, {"AZURE_RESOURCE_GROUP string", "group.name"}} {
		if !strings.Contains(text(t, "main.bicep"), "\noutput "+o[0]+" = "+o[1]+"\n") {
			outputs = append(outputs, o[0])
		}
	}
	if len(outputs) > 0 {
		t.Errorf("outputs that the hooks read are something else: %v", outputs)
	}
}

// defaultSchedule is the program's.
func defaultSchedule(t *testing.T) string {
	t.Helper()
	found := first(`defaultSchedule\s+= "([^"]+)"`, text(t, "../shared/settings/settings.go"))
	if len(found) != 1 {
		t.Fatalf("the program's default is one of %q", found)
	}
	return found[0]
}

// azd finds what it deploys to by these tags, and takes away what has the first.
func TestEverythingHasTheTagsThatAzdLooksFor(t *testing.T) {
	main := text(t, "main.bicep")
	if !strings.Contains(main, "\nvar tags = { 'azd-env-name': environmentName }\n") || of(t, "main.bicep", "group").value("tags") != "tags" {
		t.Error("the resource group has no azd-env-name")
	}
	if got := of(t, "app/function.bicep", "app").value("tags"); got != "union(tags, { 'azd-service-name': serviceName })" {
		t.Errorf("the app's tags are %s", got)
	}
	untagged := []string{"roles", "people", "settings", "registration", "budget"} // nothing in them can have tags
	for _, b := range blocks(t, "main.bicep") {
		if b.Kind == "module" && (b.value("tags") == "tags") == slices.Contains(untagged, b.Symbol) {
			t.Errorf("%s: tags %q", b.Symbol, b.value("tags"))
		}
	}
}
