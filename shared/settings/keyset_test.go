package settings

import (
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// seals reports whether Tink makes a working AEAD of a keyset.
func seals(text string) bool {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(strings.NewReader(text)))
	if err != nil {
		return false
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return false
	}
	sealed, err := primitive.Encrypt([]byte("x"), nil)
	if err != nil {
		return false
	}
	opened, err := primitive.Decrypt(sealed, nil)
	return err == nil && string(opened) == "x"
}

func FuzzKeyset(f *testing.F) {
	f.Add(testKeyset)
	f.Add(`{"primaryKeyId":1,"key":[null]}`)
	f.Fuzz(func(t *testing.T, text string) {
		values := deployed()
		values["TOKEN_KEYSET"] = text
		if s, err := Read(lookup(values)); err == nil && !seals(s.TokenKeyset.Reveal()) {
			t.Fatal("accepted, and Tink refuses it")
		}
	})
}
