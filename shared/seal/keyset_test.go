package seal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"pgregory.net/rapid"
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

// made is a keyset of Tink's own, one key per template, the last one primary.
func made(t *testing.T, templates ...*tinkpb.KeyTemplate) string {
	t.Helper()
	manager := keyset.NewManager()
	for _, template := range templates {
		id, err := manager.Add(template)
		if err != nil {
			t.Fatal(err)
		}
		if err := manager.SetPrimary(id); err != nil {
			t.Fatal(err)
		}
	}
	handle, err := manager.Handle()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestKeysetsOfTinkAreAccepted(t *testing.T) {
	for name, text := range map[string]string{
		"AES128_GCM":        made(t, aead.AES128GCMKeyTemplate()),
		"AES256_GCM":        made(t, aead.AES256GCMKeyTemplate()),
		"AES256_GCM_RAW":    made(t, aead.AES256GCMNoPrefixKeyTemplate()),
		"AES256_GCM_SIV":    made(t, aead.AES256GCMSIVKeyTemplate()),
		"CHACHA20_POLY1305": made(t, aead.ChaCha20Poly1305KeyTemplate()),
		"XCHACHA20":         made(t, aead.XChaCha20Poly1305KeyTemplate()),
		"rotated":           made(t, aead.AES256GCMKeyTemplate(), aead.AES128GCMKeyTemplate(), aead.XChaCha20Poly1305KeyTemplate()),
	} {
		if _, err := Parse(text); err != nil || !seals(text) {
			t.Errorf("%s: %v, and Tink says %v", name, err, seals(text))
		}
	}
}

func TestKeysetsOfOtherKindsAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"MAC":          made(t, mac.HMACSHA256Tag128KeyTemplate()),
		"AES_CTR_HMAC": made(t, aead.AES128CTRHMACSHA256KeyTemplate()),
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// Whatever is done to a good keyset: what is still accepted, Tink accepts too.
func TestKeysetsAreJudgedAsTinkJudgesThem(t *testing.T) {
	good := made(t, aead.AES256GCMKeyTemplate(), aead.AES128GCMKeyTemplate(), aead.ChaCha20Poly1305KeyTemplate(), aead.AES256GCMSIVKeyTemplate())
	rapid.Check(t, func(t *rapid.T) {
		var set Keyset
		if err := json.Unmarshal([]byte(good), &set); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			spoil(t, &set)
		}
		text, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(string(text)); err == nil && !seals(string(text)) {
			t.Fatalf("accepted, and Tink refuses it: %s", text)
		}
	})
}

func spoil(t *rapid.T, set *Keyset) {
	if len(set.Key) == 0 {
		return
	}
	i := rapid.IntRange(0, len(set.Key)-1).Draw(t, "key")
	k := &set.Key[i]
	switch rapid.IntRange(0, 7).Draw(t, "what") {
	case 0:
		set.Key = append(set.Key[:i:i], set.Key[i+1:]...)
	case 1:
		k.Status = rapid.SampledFrom([]string{"ENABLED", "DISABLED", "DESTROYED", "", "UNKNOWN_STATUS"}).Draw(t, "status")
	case 2:
		k.OutputPrefixType = rapid.SampledFrom([]string{"TINK", "RAW", "", "UNKNOWN_PREFIX"}).Draw(t, "prefix")
	case 3:
		set.PrimaryKeyID = rapid.SampledFrom([]uint32{0, k.KeyID}).Draw(t, "primary")
	case 4:
		k.KeyID = set.Key[0].KeyID
	case 5:
		k.KeyData.Value = k.KeyData.Value[:rapid.IntRange(0, len(k.KeyData.Value)).Draw(t, "length")]
	case 6:
		k.KeyData.Value = append(bytes.Clone(k.KeyData.Value), rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "more")...)
	case 7:
		kind := rapid.SampledFrom([]string{"AesGcmKey", "AesGcmSivKey", "ChaCha20Poly1305Key", "XChaCha20Poly1305Key", "HmacKey", "AesSivKey"}).Draw(t, "kind")
		k.KeyData.TypeURL = keyTypes + kind
	}
}
