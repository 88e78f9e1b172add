package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsAreNeverPrinted(t *testing.T) {
	values := deployed()
	delete(values, "ENTRA_MANAGED_IDENTITY")
	delete(values, "TABLES__serviceUri")
	values["ENTRA_CLIENT_SECRET"] = "tell-nobody"
	values["TABLES"] = "AccountName=acme;AccountKey=dGVsbC1ub2JvZHk="
	s, err := Read(lookup(values))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", s.Entra.Secret)
	}
	encoded, err := json.Marshal(map[string]any{"s": s, "m": map[Secret]int{s.Entra.Secret: 1}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "settings", s, "secret", s.Entra.Secret)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "settings", s, "secret", s.Entra.Secret)
	keys := s.LinkKeys[0].Key.Reveal()
	for _, secret := range []string{"tell-nobody", fmt.Sprintf("%x", "tell-nobody"), "dGVsbC1ub2JvZHk=", "GiC1RHkuO3EU4Z", keys, fmt.Sprintf("%x", keys)} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is printed", secret)
		}
	}
	if s.Entra.Secret.Reveal() != "tell-nobody" || s.Entra.Secret.IsZero() || !(Secret{}).IsZero() {
		t.Error("the secret is lost")
	}
}
