package settings

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// deployed is how settings look in Azure.
func deployed() map[string]string {
	return map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT":        "40123",
		"PUBLIC_URL":                          "https://calendar.example.com",
		"TABLES__serviceUri":                  "https://acme.table.core.windows.net/",
		"TABLES__credential":                  "managedidentity",
		"TABLES__clientId":                    "22222222-2222-4222-8222-22222222222A",
		"SERVICEBUS__fullyQualifiedNamespace": "acme.servicebus.windows.net",
		"AZURE_CLIENT_ID":                     "22222222-2222-4222-8222-222222222222",
		"ENTRA_CLIENT_ID":                     "11111111-1111-4111-8111-111111111111",
		"ENTRA_MANAGED_IDENTITY":              "22222222-2222-4222-8222-222222222222",
		"TOKEN_KEYSET":                        testKeyset,
		"LINK_KEYS":                           "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8, Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=",
		"ALLOWED_RETURN_ORIGINS":              "https://App.example.com, https://two.example.com:8443,https://three.example.com:443",
		"ALERT_SENDER":                        "alerts@example.com",
		"ALERT_TENANT":                        "example.com",
	}
}

const testKeyset = `{"primaryKeyId":1030424251,"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey","value":"GiC1RHkuO3EU4Z+ljyJjDtNHfqS6F5ssXGWNCypEC4IjZA==","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":1030424251,"outputPrefixType":"TINK"}]}`

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := values[name]; return value, ok }
}

func TestDeployedSettingsAreRead(t *testing.T) {
	s, err := Read(lookup(deployed()))
	if err != nil {
		t.Fatal(err)
	}
	if s.Port != 40123 || s.PublicURL != "https://calendar.example.com" || s.Loopback {
		t.Errorf("port %d, public URL %q, loopback %v", s.Port, s.PublicURL, s.Loopback)
	}
	if s.Tables.Endpoint != "https://acme.table.core.windows.net" || s.Tables.ClientID != "22222222-2222-4222-8222-22222222222a" {
		t.Errorf("tables %+v", s.Tables)
	}
	if s.ServiceBus.Endpoint != "acme.servicebus.windows.net" {
		t.Errorf("service bus %+v", s.ServiceBus)
	}
	if s.Entra.Authority != defaultAuthority || s.GraphEndpoint != defaultGraph || s.DownSyncSchedule != defaultSchedule {
		t.Errorf("defaults: %q, %q, %q", s.Entra.Authority, s.GraphEndpoint, s.DownSyncSchedule)
	}
	if len(s.LinkKeys) != 2 || s.LinkKeys[0].ID != "630dcd29" || len(s.LinkKeys[0].Key.Reveal()) != 32 {
		t.Errorf("link keys %d, first id %q", len(s.LinkKeys), s.LinkKeys[0].ID)
	}
	want := []string{"https://app.example.com", "https://two.example.com:8443", "https://three.example.com"}
	if !slices.Equal(s.ReturnOrigins, want) {
		t.Errorf("return origins %q, want %q", s.ReturnOrigins, want)
	}
	if s.TokenKeyset.Reveal() != testKeyset {
		t.Error("the keyset does not come back")
	}
}

func TestWhatIsOnlyOnLoopbackMayBeHTTP(t *testing.T) {
	values := deployed()
	values["PUBLIC_URL"] = "http://[::1]:7071"
	values["ENTRA_AUTHORITY"] = "http://localhost:9000/"
	values["GRAPH_ENDPOINT"] = "http://127.8.0.1:9000"
	s, err := Read(lookup(values))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Loopback || s.Entra.Authority != "http://localhost:9000" || s.GraphEndpoint != "http://127.8.0.1:9000" {
		t.Errorf("%v %q %q", s.Loopback, s.Entra.Authority, s.GraphEndpoint)
	}
}

// faultsOf reads with some settings changed; "-" takes one away.
func faultsOf(t *testing.T, changes map[string]string) []Fault {
	t.Helper()
	values := deployed()
	for name, value := range changes {
		if value == "-" {
			delete(values, name)
			continue
		}
		values[name] = value
	}
	_, err := Read(lookup(values))
	if err == nil {
		return nil
	}
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("error of type %T", err)
	}
	return invalid.Faults
}

func TestEachMistakeIsNamedByItsSetting(t *testing.T) {
	long := strings.Repeat("A", 42)
	tests := []struct {
		name    string
		changes map[string]string
		setting string // the only one that is complained of
		detail  string
	}{
		{"no port", map[string]string{"FUNCTIONS_CUSTOMHANDLER_PORT": "-"}, "FUNCTIONS_CUSTOMHANDLER_PORT", "is missing"},
		{"empty is absent", map[string]string{"FUNCTIONS_CUSTOMHANDLER_PORT": " "}, "FUNCTIONS_CUSTOMHANDLER_PORT", "is missing"},
		{"port 0", map[string]string{"FUNCTIONS_CUSTOMHANDLER_PORT": "0"}, "FUNCTIONS_CUSTOMHANDLER_PORT", "1 to 65535"},
		{"port 65536", map[string]string{"FUNCTIONS_CUSTOMHANDLER_PORT": "65536"}, "FUNCTIONS_CUSTOMHANDLER_PORT", "1 to 65535"},
		{"no public URL", map[string]string{"PUBLIC_URL": "-"}, "PUBLIC_URL", "is missing"},
		{"public URL over http", map[string]string{"PUBLIC_URL": "http://calendar.example.com"}, "PUBLIC_URL", "https"},
		{"a name that only begins like loopback", map[string]string{"PUBLIC_URL": "http://127.0.0.1.example.com"}, "PUBLIC_URL", "https"},
		{"public URL with slash", map[string]string{"PUBLIC_URL": "https://calendar.example.com/"}, "PUBLIC_URL", "slash"},
		{"public URL with api", map[string]string{"PUBLIC_URL": "https://calendar.example.com/api"}, "PUBLIC_URL", "/api"},
		{"public URL with query", map[string]string{"PUBLIC_URL": "https://calendar.example.com?x"}, "PUBLIC_URL", "query"},
		{"public URL with user", map[string]string{"PUBLIC_URL": "https://me@calendar.example.com"}, "PUBLIC_URL", "user"},
		{"public URL relative", map[string]string{"PUBLIC_URL": "calendar.example.com"}, "PUBLIC_URL", "absolute"},
		{"no tables", map[string]string{"TABLES__serviceUri": "-"}, "TABLES", "is missing"},
		{"tables twice", map[string]string{"TABLES": "AccountName=a;AccountKey=b"}, "TABLES__serviceUri", "one too many"},
		{"tables over http", map[string]string{"TABLES__serviceUri": "http://acme.example.com"}, "TABLES__serviceUri", "https"},
		{"tables without key", map[string]string{"TABLES__serviceUri": "-", "TABLES": "AccountName=a"}, "TABLES", "AccountKey"},
		{"tables as shortcut", map[string]string{"TABLES__serviceUri": "-", "TABLES": "UseDevelopmentStorage=true"}, "TABLES", "AccountName"},
		{"tables as nonsense", map[string]string{"TABLES__serviceUri": "-", "TABLES": "nonsense"}, "TABLES", "connection string"},
		{"unknown credential", map[string]string{"TABLES__credential": "password"}, "TABLES__credential", "managedidentity"},
		{"client id no GUID", map[string]string{"TABLES__clientId": "me"}, "TABLES__clientId", "GUID"},
		{"namespace with scheme", map[string]string{"SERVICEBUS__fullyQualifiedNamespace": "sb://acme.servicebus.windows.net"}, "SERVICEBUS__fullyQualifiedNamespace", "host name"},
		{"no bus", map[string]string{"SERVICEBUS__fullyQualifiedNamespace": "-"}, "SERVICEBUS", "is missing"},
		{"bus without key", map[string]string{"SERVICEBUS__fullyQualifiedNamespace": "-", "SERVICEBUS": "Endpoint=sb://x/;SharedAccessKeyName=a"}, "SERVICEBUS", "SharedAccessKey"},
		{"bus without endpoint", map[string]string{"SERVICEBUS__fullyQualifiedNamespace": "-", "SERVICEBUS": "SharedAccessKeyName=a;SharedAccessKey=b"}, "SERVICEBUS", "Endpoint"},
		{"bus of one queue", map[string]string{"SERVICEBUS__fullyQualifiedNamespace": "-", "SERVICEBUS": "Endpoint=sb://x/;SharedAccessKeyName=a;SharedAccessKey=b;EntityPath=q"}, "SERVICEBUS", "EntityPath"},
		{"own identity no GUID", map[string]string{"AZURE_CLIENT_ID": "x"}, "AZURE_CLIENT_ID", "GUID"},
		{"no app", map[string]string{"ENTRA_CLIENT_ID": "-"}, "ENTRA_CLIENT_ID", "is missing"},
		{"app no GUID", map[string]string{"ENTRA_CLIENT_ID": "app"}, "ENTRA_CLIENT_ID", "GUID"},
		{"no credential", map[string]string{"ENTRA_MANAGED_IDENTITY": "-"}, "ENTRA_CLIENT_SECRET", "ENTRA_CLIENT_CERTIFICATE"},
		{"two credentials", map[string]string{"ENTRA_CLIENT_SECRET": "x"}, "ENTRA_MANAGED_IDENTITY", "one too many"},
		{"certificate nowhere", map[string]string{"ENTRA_MANAGED_IDENTITY": "-", "ENTRA_CLIENT_CERTIFICATE": "/nowhere.pem"}, "ENTRA_CLIENT_CERTIFICATE", "can be read"},
		{"authority over http", map[string]string{"ENTRA_AUTHORITY": "http://login.example.com"}, "ENTRA_AUTHORITY", "loopback"},
		{"authority with path", map[string]string{"ENTRA_AUTHORITY": "https://login.example.com/common"}, "ENTRA_AUTHORITY", "path"},
		{"Graph over http", map[string]string{"GRAPH_ENDPOINT": "http://graph.example.com"}, "GRAPH_ENDPOINT", "loopback"},
		{"Graph with version", map[string]string{"GRAPH_ENDPOINT": "https://graph.microsoft.com/v1.0"}, "GRAPH_ENDPOINT", "path"},
		{"no keyset", map[string]string{"TOKEN_KEYSET": "-"}, "TOKEN_KEYSET", "is missing"},
		{"keyset no JSON", map[string]string{"TOKEN_KEYSET": "{"}, "TOKEN_KEYSET", "Tink"},
		{"keyset and more", map[string]string{"TOKEN_KEYSET": testKeyset + "{}"}, "TOKEN_KEYSET", "read"},
		{"keyset without primary", map[string]string{"TOKEN_KEYSET": strings.Replace(testKeyset, "1030424251", "7", 1)}, "TOKEN_KEYSET", "primary"},
		{"keyset disabled", map[string]string{"TOKEN_KEYSET": strings.Replace(testKeyset, "ENABLED", "DISABLED", 1)}, "TOKEN_KEYSET", "primary"},
		{"keyset of another kind", map[string]string{"TOKEN_KEYSET": strings.Replace(testKeyset, "AesGcmKey", "HmacKey", 1)}, "TOKEN_KEYSET", "AEAD"},
		{"no link keys", map[string]string{"LINK_KEYS": "-"}, "LINK_KEYS", "is missing"},
		{"link key of 31 bytes", map[string]string{"LINK_KEYS": long}, "LINK_KEYS", "item 1"},
		{"link key in base64", map[string]string{"LINK_KEYS": long + "++"}, "LINK_KEYS", "base64url"},
		{"second link key empty", map[string]string{"LINK_KEYS": long + "AA,"}, "LINK_KEYS", "item 2"},
		{"same link key twice", map[string]string{"LINK_KEYS": long + "A," + long + "A"}, "LINK_KEYS", "item 2"},
		{"schedule too often", map[string]string{"DOWNSYNC_SCHEDULE": "0 */29 * * * *"}, "DOWNSYNC_SCHEDULE", "30 minutes"},
		{"origin with path", map[string]string{"ALLOWED_RETURN_ORIGINS": "https://a.example.com,https://b.example.com/"}, "ALLOWED_RETURN_ORIGINS", "item 2"},
		{"any origin", map[string]string{"ALLOWED_RETURN_ORIGINS": "*"}, "ALLOWED_RETURN_ORIGINS", "item 1"},
		{"sender alone", map[string]string{"ALERT_TENANT": "-"}, "ALERT_TENANT", "ALERT_SENDER"},
		{"tenant alone", map[string]string{"ALERT_SENDER": "-"}, "ALERT_SENDER", "ALERT_TENANT"},
		{"sender no address", map[string]string{"ALERT_SENDER": "alerts"}, "ALERT_SENDER", "address"},
		{"tenant no tenant", map[string]string{"ALERT_TENANT": "our tenant"}, "ALERT_TENANT", "tenant id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := faultsOf(t, test.changes)
			if len(got) != 1 || got[0].Setting != test.setting || !strings.Contains(got[0].Detail, test.detail) {
				t.Errorf("got %q, want one fault of %s that says %q", got, test.setting, test.detail)
			}
		})
	}
}

func TestAllMistakesAreReportedTogetherWithoutAnyValue(t *testing.T) {
	values := map[string]string{}
	for name := range deployed() {
		values[name] = "s3cr3t-" + name
	}
	_, err := Read(lookup(values))
	if err == nil {
		t.Fatal("nonsense was accepted")
	}
	lines := strings.Split(err.Error(), "\n")
	named := map[string]bool{}
	for _, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		named[name] = true
	}
	for name := range deployed() {
		if !named[name] {
			t.Errorf("%s is not named", name)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("a value is shown: %v", err)
	}
}

func TestNothingSetNamesWhatIsNeeded(t *testing.T) {
	_, err := Read(lookup(nil))
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v", err)
	}
	var names []string
	for _, f := range invalid.Faults {
		names = append(names, f.Setting)
	}
	want := []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "PUBLIC_URL", "TABLES", "SERVICEBUS", "ENTRA_CLIENT_ID", "ENTRA_CLIENT_SECRET", "TOKEN_KEYSET", "LINK_KEYS"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

func BenchmarkRead(b *testing.B) {
	values := maps.Clone(deployed())
	for b.Loop() {
		if _, err := Read(lookup(values)); err != nil {
			b.Fatal(err)
		}
	}
}
