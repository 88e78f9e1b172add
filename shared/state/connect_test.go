package state

import (
	"errors"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

func TestConnectionStrings(t *testing.T) {
	const account = "AccountName=acme;AccountKey=c2VjcmV0"
	for connection, want := range map[string]string{
		"UseDevelopmentStorage=true":  "http://127.0.0.1:10002/devstoreaccount1",
		"UseDevelopmentStorage=true;": "http://127.0.0.1:10002/devstoreaccount1",
		account:                       "https://acme.table.core.windows.net",
		"DefaultEndpointsProtocol=https;" + account + ";EndpointSuffix=core.chinacloudapi.cn": "https://acme.table.core.chinacloudapi.cn",
		account + ";TableEndpoint=http://127.0.0.1:7000/acme/":                                "http://127.0.0.1:7000/acme",
		account + ";TableEndpoint=http://[::1]:7000/acme":                                     "http://[::1]:7000/acme",
		account + ";TableEndpoint=http://localhost:7000/acme":                                 "http://localhost:7000/acme",
		account + ";TableEndpoint=https://tables.example.com/":                                "https://tables.example.com",
	} {
		a, err := NewAzure(connection, nil)
		if err != nil {
			t.Errorf("%s: %v", connection, err)
		} else if a.endpoint != want {
			t.Errorf("%s: %s, want %s", connection, a.endpoint, want)
		}
	}
}

func TestBadConnectionsAreRefusedWithoutTheirValues(t *testing.T) {
	const account = "AccountName=acme;AccountKey=c2VjcmV0"
	for _, connection := range []string{
		"", ";;", "secret", "AccountName=acme", "AccountKey=c2VjcmV0", "AccountName=acme;AccountKey=secret!",
		"AccountName=acme;SharedAccessSignature=sig%3Dsecret",
		account + ";TableEndpoint=http://secret.example.com/", account + ";DefaultEndpointsProtocol=http",
		account + ";TableEndpoint=https://u:secret@h/", account + ";TableEndpoint=https://h/?sig=secret", account + ";TableEndpoint=::secret",
	} {
		_, err := NewAzure(connection, nil)
		if !errors.Is(err, ErrConnection) {
			t.Errorf("%s: %v", connection, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats the value: %v", connection, err)
		}
	}
}

func TestATokenTravelsOverHTTPSOnly(t *testing.T) {
	var cred azcore.TokenCredential // never asked here
	if _, err := NewAzureWithToken("http://127.0.0.1:10002/devstoreaccount1", cred, nil); !errors.Is(err, ErrConnection) {
		t.Errorf("http: %v", err)
	}
	if _, err := NewAzureWithToken("https://acme.table.core.windows.net/", cred, nil); err != nil {
		t.Errorf("https: %v", err)
	}
}
