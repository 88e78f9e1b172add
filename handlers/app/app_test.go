package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/calbridge/calbridge/shared/settings"
)

// sample is local.settings.sample.json with a free port, and with nobody
// listening at any address it names.
func sample(t *testing.T) (values map[string]string, port int) {
	t.Helper()
	raw, err := os.ReadFile("../../local.settings.sample.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Values map[string]string }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file.Values["FUNCTIONS_CUSTOMHANDLER_PORT"] = strconv.Itoa(port)
	file.Values["TABLES"] = strings.Replace(file.Values["TABLES"], ":10002", ":9", 1)
	file.Values["SERVICEBUS"] = strings.Replace(file.Values["SERVICEBUS"], ":5672", ":9", 1)
	file.Values["GRAPH_ENDPOINT"] = "http://127.0.0.1:9"
	return file.Values, port
}

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

func TestItListensWhileEveryDependencyIsDownAndStopsWhenTold(t *testing.T) {
	values, port := sample(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	logged, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, lookup(values), stdout, &Options{Version: "1.2.3", Commit: "abc"})
		_ = stdout.Close()
	}()
	lines := bufio.NewScanner(logged)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"msg":"listening"`) {
		t.Fatalf("first line of the log: %s, ended: %v", lines.Text(), <-ended)
	}
	base := "http://127.0.0.1:" + strconv.Itoa(port)
	if status, _ := fetch(t, base+"/"); status != 200 {
		t.Errorf("GET /: %d", status)
	}
	status, body := fetch(t, base+"/api/health")
	want := `{"commit":"abc","dependencies":{"graph":"unavailable","serviceBus":"unavailable","tables":"unavailable"},"status":"unavailable","version":"1.2.3"}`
	if status != 503 || body != want {
		t.Errorf("health: %d %s", status, body)
	}
	stop()
	go func() { _, _ = io.Copy(io.Discard, logged) }()
	if err := <-ended; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestFaultySettingsAreFatalAndAllNamed(t *testing.T) {
	values, _ := sample(t)
	delete(values, "PUBLIC_URL")
	values["SERVICEBUS"] = "secret"
	err := Run(t.Context(), lookup(values), io.Discard, nil)
	var invalid *settings.Invalid
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "PUBLIC_URL") || !strings.Contains(err.Error(), "SERVICEBUS") ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestAPortThatIsTakenIsFatal(t *testing.T) {
	values, port := sample(t)
	l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var log bytes.Buffer
	if err := Run(t.Context(), lookup(values), &log, nil); err == nil {
		t.Error("it claims to have served")
	}
}

// Every way to name a service or to prove who we are, from settings to clients.
func TestEveryKindOfCredentialConnects(t *testing.T) {
	for name, change := range map[string]map[string]string{
		"connection strings": {},
		"managed identity": {"TABLES": "", "TABLES__serviceUri": "https://acme.table.core.windows.net", "TABLES__credential": "managedidentity",
			"SERVICEBUS": "", "SERVICEBUS__fullyQualifiedNamespace": "acme.servicebus.windows.net", "SERVICEBUS__credential": "managedidentity",
			"AZURE_CLIENT_ID": "22222222-2222-4222-8222-222222222222"},
		"federated": {"ENTRA_CLIENT_SECRET": "", "ENTRA_MANAGED_IDENTITY": "22222222-2222-4222-8222-222222222222",
			"ENTRA_AUTHORITY": "https://login.microsoftonline.com"},
		"certificate": {"ENTRA_CLIENT_SECRET": "", "ENTRA_CLIENT_CERTIFICATE": certificatePEM(t)},
	} {
		values, _ := sample(t)
		for setting, value := range change {
			values[setting] = value
		}
		s, err := settings.Read(lookup(values))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, err := connect(s, time.Now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := p.close(t.Context()); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}
}

func certificatePEM(t *testing.T) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
