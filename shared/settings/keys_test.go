package settings

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pemPair makes a key with its self-signed certificate.
func pemPair(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestCertificateComesAsTextFileOrPKCS12(t *testing.T) {
	certificate, key := pemPair(t)
	file := filepath.Join(t.TempDir(), "app.pem")
	if err := os.WriteFile(file, []byte(key+certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	pkcs12 := append([]byte{0x30, 0x82, 0x04, 0x00}, make([]byte, 1024)...)
	tests := []struct {
		name, value, want string
		ok                bool
	}{
		{"PEM", certificate + key, strings.TrimSpace(certificate + key), true},
		{"PEM in one line", strings.ReplaceAll(certificate+key, "\n", `\n`), certificate + key, true},
		{"a file", file, key + certificate, true},
		{"PKCS#12", base64.StdEncoding.EncodeToString(pkcs12), string(pkcs12), true},
		{"without its key", certificate, "", false},
		{"without its certificate", key, "", false},
		{"a folder", filepath.Dir(file), "", false},
		{"nonsense", "AAAA", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			values := deployed()
			delete(values, "ENTRA_MANAGED_IDENTITY")
			values["ENTRA_CLIENT_CERTIFICATE"] = test.value
			s, err := Read(lookup(values))
			if (err == nil) != test.ok {
				t.Fatalf("error %v, want ok %v", err, test.ok)
			}
			if test.ok && s.Entra.Certificate.Reveal() != test.want {
				t.Error("another certificate comes back")
			}
		})
	}
}
