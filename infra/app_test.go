package infra_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// functions/contract.md 6.1 and 8.2: what is left out here or spelt otherwise deploys, and
// does not start.
func TestTheAppIsACustomHandlerOnFlexConsumptionWithOneIdentity(t *testing.T) {
	plan, app := of(t, "app/function.bicep", "plan"), of(t, "app/function.bicep", "app")
	for member, want := range map[string]string{"kind": "'functionapp'", "name: 'FC1'\n    tier": "'FlexConsumption'", "reserved": "true"} {
		if got := plan.value(member); got != want {
			t.Errorf("plan: %s is %s, want %s", member, got, want)
		}
	}
	for member, want := range map[string]string{
		"kind":         "'functionapp,linux'",
		"serverFarmId": "plan.id",
		"type: 'UserAssigned'\n    userAssignedIdentities":                         "{ '${identityId}': {} }",
		"keyVaultReferenceIdentity":                                                "identityId",
		"type: 'blobContainer'\n          value":                                   "packageUrl",
		"type: 'UserAssignedIdentity'\n            userAssignedIdentityResourceId": "identityId",
		"name: 'custom'\n        version":                                          "'1.0'",
		"instanceMemoryMB":                                                         "instanceMemoryMB",
		"maximumInstanceCount":                                                     "maximumInstanceCount",
		"alwaysReady":                                                              "httpInstances > 0 ? [{ name: 'http', instanceCount: httpInstances }] : []",
	} {
		if got := app.value(member); got != want {
			t.Errorf("app: %s is %s, want %s", member, got, want)
		}
	}
}

// The list has the properties; app/bus.bicep only carries them over.
func TestTheBusIsMadeOfTheListAndNothingElse(t *testing.T) {
	for symbol, want := range map[string][2]string{
		"queues": {"queue in resources.queues", "queue.properties"}, "topics": {"topic in resources.topics", "topic.properties"},
		"topicSubscriptions": {"s in subscriptions", "s.properties"}, "subscriptionRules": {"rule in rules", "rule.properties"},
	} {
		b := of(t, "app/bus.bicep", symbol)
		if got := [2]string{first(`\[for ([^:]+):`, b.Text)[0], b.value("properties")}; got != want {
			t.Errorf("%s: %q, want %q", symbol, got, want)
		}
	}
	if got, want := first(`(?m)^output host string = (.*)$`, text(t, "app/bus.bicep")), "split(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':')[0]"; got[0] != want {
		t.Errorf("the host is %s", got[0])
	}
	storage := of(t, "core/storage.bicep", "account").Text
	for _, line := range []string{"resource container 'containers' = [for c in containers: {\n      name: c\n", "resource table 'tables' = [for t in tables: {\n      name: t\n"} {
		if !strings.Contains(storage, line) {
			t.Errorf("storage lacks %q", line)
		}
	}
}

// Azure leaves a reference that it cannot read as it stands, and the program does not start.
func TestSecretsAreReferredToAsTheVaultNamesThem(t *testing.T) {
	settings := text(t, "app/settings.bicep")
	// vaultUri ends with a slash: https://<name>.vault.azure.net/
	if !strings.Contains(settings, "=> '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secret})'\n") || !strings.Contains(settings, "s.azure.from == 'keyVault' ? secretReference(vaultUri, s.azure.value)") {
		t.Error("references are made otherwise")
	}
	if got := first(`(?m)^output uri string = (.*)$`, text(t, "core/vault.bicep")); !slices.Equal(got, []string{"vault.properties.vaultUri"}) {
		t.Errorf("the vault's address is %q", got)
	}
}

// A category that a service does not have fails the deployment, and one that is left out
// is missed when somebody asks who did it.
func TestEveryServiceLogsWhatItHas(t *testing.T) {
	want := map[string][]string{
		"app/function.bicep logs": {"app", "FunctionAppLogs", "AllMetrics"}, "app/bus.bicep logs": {"namespace", "AllMetrics"}, "core/vault.bicep logs": {"vault", "AuditEvent", "AllMetrics"},
		"core/storage.bicep blobLogs": {"account::blobs", "Transaction"}, "core/storage.bicep tableLogs": {"account::tableService", "Transaction"},
	}
	got := map[string][]string{}
	for _, file := range []string{"app/function.bicep", "app/bus.bicep", "core/vault.bicep", "core/storage.bicep"} {
		for _, b := range blocks(t, file) {
			if b.Of == "Microsoft.Insights/diagnosticSettings" {
				got[file+" "+b.Symbol] = append([]string{b.value("scope")}, first(`category: '(\w+)'`, b.Text)...)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Azure's +ours)\n%s", diff)
	}
	all := first(`'(\w+Logs)'`, text(t, "app/bus.bicep"))
	if want := []string{"OperationalLogs", "VNetAndIPFilteringLogs", "RuntimeAuditLogs", "OperationalLogs"}; !slices.Equal(all, want) {
		t.Errorf("the bus logs %q, want %q", all, want)
	}
	for _, category := range strings.Split(azdParameters(t)["storageLogCategories"][1], ",") {
		if !slices.Contains([]string{"StorageRead", "StorageWrite", "StorageDelete"}, category) {
			t.Errorf("storage has no category %q", category)
		}
	}
}

// Names that lead to a private endpoint only if they are exactly these.
func TestPrivateNamesAreThoseOfTheServices(t *testing.T) {
	cloud := text(t, "core/cloud.bicep")
	for _, line := range []string{
		"  blob: 'privatelink.blob.${storage}'\n", "  table: 'privatelink.table.${storage}'\n",
		"  vault: 'privatelink${replace(keyVault, '.vault.', '.vaultcore.')}'\n", "  namespace: 'privatelink${replace(sql, '.database.', '.servicebus.')}'\n",
	} {
		if !strings.Contains(cloud, line) {
			t.Errorf("core/cloud.bicep lacks %s", strings.TrimSpace(line))
		}
	}
	for _, m := range regexp.MustCompile(`id: (\w+)\.outputs\.id, group: '(\w+)', zone: zones\.(\w+) \}`).FindAllStringSubmatch(text(t, "main.bicep"), -1) {
		services := map[string]string{"blob": "hostStorage", "table": "hostStorage tablesStorage", "vault": "vault", "namespace": "bus"}
		if m[2] != m[3] || !slices.Contains(strings.Fields(services[m[2]]), m[1]) {
			t.Errorf("the endpoint %s of %s has the zone %s", m[2], m[1], m[3])
		}
	}
}

// Entra compares issuer and subject letter for letter.
func TestTheFederatedCredentialIsOfTheIdentityAndTheTenant(t *testing.T) {
	b := of(t, "app/registration.bicep", "credential")
	for member, want := range map[string]string{
		"name":      "'${app.uniqueName}/function-app'",
		"issuer":    "'${authority(environment().authentication.loginEndpoint)}/${tenant().tenantId}/v2.0'",
		"subject":   "identityPrincipalId",
		"audiences": "[audiences[environment().name]]",
	} {
		if got := b.value(member); got != want {
			t.Errorf("%s is %s, want %s", member, got, want)
		}
	}
}

// functions/contract.md 8.3. Host and SDKs take any text for these, and fail when they ask
// for a token.
func TestEverySettingOfAnIdentityNamesTheOneThatHasTheRoles(t *testing.T) {
	found := 0
	for name, s := range byName(t) {
		want := map[string]string{"AZURE_CLIENT_ID": "identityClientId", "ENTRA_MANAGED_IDENTITY": "identityClientId", "ENTRA_CLIENT_ID": "entraClientId",
			"AzureWebJobsStorage__accountName": "storageAccountName", "TABLES__serviceUri": "tablesEndpoint", "SERVICEBUS__fullyQualifiedNamespace": "serviceBusNamespace",
			"AzureWebJobsDisableHomepage": "true"}[name]
		switch {
		case strings.HasSuffix(name, "__clientId"):
			want = "identityClientId"
		case strings.HasSuffix(name, "__credential"):
			want = "managedidentity"
		case want == "":
			continue
		}
		if found++; s.Azure.Value != want {
			t.Errorf("%s is %s, want %s", name, s.Azure.Value, want)
		}
	}
	if found != 13 {
		t.Errorf("%d settings were looked at", found)
	}
}

// What is asked for from outside is the route of Health below the prefix.
func TestHealthIsAskedForWhereItIsServed(t *testing.T) {
	var host struct {
		Extensions struct{ HTTP struct{ RoutePrefix string } }
	}
	var health struct{ Bindings []struct{ Route string } }
	for file, into := range map[string]any{"../host.json": &host, "../functions/Health/function.json": &health} {
		if err := json.Unmarshal([]byte(text(t, file)), into); err != nil {
			t.Fatal(err)
		}
	}
	want := "'${publicUrl}/" + host.Extensions.HTTP.RoutePrefix + "/" + health.Bindings[0].Route + "'"
	if got := of(t, "app/health.bicep", "test").value("RequestUrl"); got != want {
		t.Errorf("asks %s, served is %s", got, want)
	}
	// Azure refuses a test that does not name its component so.
	if got := of(t, "app/health.bicep", "test").value("tags"); got != "union(tags, { 'hidden-link:${componentId}': 'Resource' })" {
		t.Errorf("tags %s", got)
	}
}
