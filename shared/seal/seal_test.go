package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
	"pgregory.net/rapid"
)

// tinkOf is Tink's own AEAD of a keyset.
func tinkOf(t testing.TB, text string) tink.AEAD {
	t.Helper()
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	return primitive
}

func mustNew(t testing.TB, text string) *Sealer {
	t.Helper()
	s, err := New(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// raw is a template whose keys write no prefix.
func raw(template *tinkpb.KeyTemplate) *tinkpb.KeyTemplate {
	template.OutputPrefixType = tinkpb.OutputPrefixType_RAW
	return template
}

func kinds(t *testing.T) map[string]string {
	return map[string]string{
		"AES128_GCM":        made(t, aead.AES128GCMKeyTemplate()),
		"AES256_GCM":        made(t, aead.AES256GCMKeyTemplate()),
		"AES128_GCM_SIV":    made(t, aead.AES128GCMSIVKeyTemplate()),
		"AES256_GCM_SIV":    made(t, aead.AES256GCMSIVKeyTemplate()),
		"CHACHA20":          made(t, aead.ChaCha20Poly1305KeyTemplate()),
		"XCHACHA20":         made(t, aead.XChaCha20Poly1305KeyTemplate()),
		"AES256_GCM raw":    made(t, raw(aead.AES256GCMKeyTemplate())),
		"AES256_SIV raw":    made(t, raw(aead.AES256GCMSIVKeyTemplate())),
		"CHACHA20 raw":      made(t, raw(aead.ChaCha20Poly1305KeyTemplate())),
		"XCHACHA20 raw":     made(t, raw(aead.XChaCha20Poly1305KeyTemplate())),
		"TINK after RAW":    made(t, raw(aead.AES256GCMKeyTemplate()), aead.AES256GCMKeyTemplate()),
		"RAW after TINK":    made(t, aead.XChaCha20Poly1305KeyTemplate(), raw(aead.AES128GCMKeyTemplate())),
		"several of a kind": made(t, aead.AES256GCMKeyTemplate(), aead.AES256GCMKeyTemplate(), raw(aead.AES256GCMKeyTemplate())),
	}
}

// identity.md section 4: the row is sealed with Tink.
func TestTinkOpensWhatWeSealAndWeWhatTinkSeals(t *testing.T) {
	for name, text := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			ours, theirs := mustNew(t, text), tinkOf(t, text)
			rapid.Check(t, func(t *rapid.T) {
				plain := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "plain")
				associated := rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "associated")
				opened, err := theirs.Decrypt(ours.Seal(plain, associated), associated)
				if err != nil || !bytes.Equal(opened, plain) {
					t.Fatalf("Tink does not open ours: %v", err)
				}
				sealed, err := theirs.Encrypt(plain, associated)
				if err != nil {
					t.Fatal(err)
				}
				opened, old, err := ours.Open(sealed, associated)
				if err != nil || old || !bytes.Equal(opened, plain) {
					t.Fatalf("we do not open Tink's: old %v, %v", old, err)
				}
			})
		})
	}
}

func TestAnythingThatChangedIsNotOpened(t *testing.T) {
	for name, text := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			s := mustNew(t, text)
			rapid.Check(t, func(t *rapid.T) {
				plain := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "plain")
				sealed := s.Seal(plain, []byte("acme"))
				changed := bytes.Clone(sealed)
				changed[rapid.IntRange(0, len(changed)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
				cut := sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "length")]
				for what, try := range map[string][2][]byte{
					"changed": {changed, []byte("acme")}, "cut": {cut, []byte("acme")},
					"for another": {sealed, []byte("globex")}, "for nobody": {sealed, nil}, "nothing": {nil, []byte("acme")},
				} {
					if opened, _, err := s.Open(try[0], try[1]); !errors.Is(err, ErrOpen) || opened != nil {
						t.Fatalf("%s: %v", what, err)
					}
				}
			})
		})
	}
}

// rotate adds a key to a keyset, makes it primary, and sets the status of the others.
func rotate(t *testing.T, text string, template *tinkpb.KeyTemplate, status string) string {
	t.Helper()
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	manager := keyset.NewManagerFromHandle(handle)
	old := handle.KeysetInfo().GetPrimaryKeyId()
	id, err := manager.Add(template)
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.SetPrimary(id); err != nil {
		t.Fatal(err)
	}
	if status == "DISABLED" {
		if err := manager.Disable(old); err != nil {
			t.Fatal(err)
		}
	}
	if handle, err = manager.Handle(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestRotationOpensWhatWasSealedBeforeAndSaysSo(t *testing.T) {
	for name, text := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			before := mustNew(t, text).Seal([]byte("token"), []byte("acme"))
			rotated := rotate(t, text, aead.AES256GCMKeyTemplate(), "ENABLED")
			after := mustNew(t, rotated)
			plain, old, err := after.Open(before, []byte("acme"))
			if err != nil || !old || string(plain) != "token" {
				t.Fatalf("%q, old %v, %v", plain, old, err)
			}
			if _, err := tinkOf(t, rotated).Decrypt(before, []byte("acme")); err != nil {
				t.Errorf("Tink: %v", err)
			}
			again := after.Seal(plain, []byte("acme"))
			if _, old, err := after.Open(again, []byte("acme")); err != nil || old {
				t.Errorf("sealed anew: old %v, %v", old, err)
			}
			if _, _, err := mustNew(t, text).Open(again, []byte("acme")); !errors.Is(err, ErrOpen) {
				t.Errorf("the old keyset opens what the new key sealed: %v", err)
			}
		})
	}
}

func TestADisabledKeyOpensNothing(t *testing.T) {
	for name, text := range map[string]string{
		"TINK": made(t, aead.AES256GCMKeyTemplate()), "RAW": made(t, raw(aead.XChaCha20Poly1305KeyTemplate())),
	} {
		before := mustNew(t, text).Seal([]byte("token"), nil)
		disabled := rotate(t, text, aead.AES256GCMKeyTemplate(), "DISABLED")
		if _, _, err := mustNew(t, disabled).Open(before, nil); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := tinkOf(t, disabled).Decrypt(before, nil); err == nil {
			t.Errorf("%s: Tink opens it", name)
		}
	}
}

func TestOnlyAKeysetIsTaken(t *testing.T) {
	const secret = "s3cr3t-in-a-keyset"
	for _, text := range []string{"", "{}", "null", secret, `{"primaryKeyId":"` + secret + `"}`, `{"` + secret + `":1}`} {
		if _, err := New(text); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeysArePrintedAsNothing(t *testing.T) {
	text := made(t, aead.AES256GCMKeyTemplate())
	set, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	material := set.Key[0].material()
	s := mustNew(t, text)
	for _, v := range []any{set, &set, set.Key[0], s} {
		for _, verb := range []string{"%v", "%+v", "%s", "%#v"} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, hex.EncodeToString(material)) || strings.Contains(out, fmt.Sprint(material[:4])[1:8]) {
				t.Errorf("%s of %T: %s", verb, v, out)
			}
		}
	}
}

// Test vectors of RFC 8452, appendix C.
func TestGCMSIVIsRFC8452s(t *testing.T) {
	for _, v := range []struct{ key, nonce, plain, associated, want string }{
		{"01000000000000000000000000000000", "030000000000000000000000", "", "", "dc20e2d83f25705bb49e439eca56de25"},
		{"01000000000000000000000000000000", "030000000000000000000000", "0100000000000000", "", "b5d839330ac7b786578782fff6013b815b287c22493a364c"},
		{"0100000000000000000000000000000000000000000000000000000000000000", "030000000000000000000000", "", "", "07f5f4169bbf55a8400cd47ea6fd400f"},
		{"0100000000000000000000000000000000000000000000000000000000000000", "030000000000000000000000", "0200000000000000", "01", "1de22967237a813291213f267e3b452f02d01ae33e4ec854"},
		// Appendix C.3: the counter wraps.
		{"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "000000000000000000000000000000004db923dc793ee6497c76dcc03a98e108", "",
			"f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3eaffffffff000000000000000000000000"},
	} {
		parts := [5][]byte{}
		for i, text := range []string{v.key, v.nonce, v.plain, v.associated, v.want} {
			b, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			parts[i] = b
		}
		g, err := newGCMSIV(parts[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Seal(nil, parts[1], parts[2], parts[3]); !bytes.Equal(got, parts[4]) {
			t.Errorf("%x, want %x", got, parts[4])
		}
		if got, err := g.Open(nil, parts[1], parts[4], parts[3]); err != nil || !bytes.Equal(got, parts[2]) {
			t.Errorf("opened %x, %v", got, err)
		}
	}
}

// Whatever is given to Open, it does not panic, and opens only what was sealed.
func FuzzOpen(f *testing.F) {
	const text = `{"primaryKeyId":1,"key":[` +
		`{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmSivKey","value":"GhAAAQIDBAUGBwgJCgsMDQ4P","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":1,"outputPrefixType":"TINK"},` +
		`{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey","value":"GhAAAQIDBAUGBwgJCgsMDQ4P","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":2,"outputPrefixType":"RAW"}]}`
	s := mustNew(f, text)
	theirs := tinkOf(f, text)
	f.Add(s.Seal([]byte("token"), []byte("acme")), []byte("acme"))
	f.Add([]byte{1, 0, 0, 0, 1}, []byte{})
	f.Add([]byte{}, []byte("x"))
	f.Fuzz(func(t *testing.T, sealed, associated []byte) {
		plain, _, err := s.Open(sealed, associated)
		want, errTink := theirs.Decrypt(sealed, associated)
		if (err == nil) != (errTink == nil) || !bytes.Equal(plain, want) {
			t.Errorf("we: %x, %v; Tink: %x, %v", plain, err, want, errTink)
		}
		if err != nil && err.Error() != ErrOpen.Error() {
			t.Errorf("the error says more: %v", err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for name, template := range map[string]*tinkpb.KeyTemplate{"AES256_GCM": aead.AES256GCMKeyTemplate(), "AES256_GCM_SIV": aead.AES256GCMSIVKeyTemplate()} {
		b.Run(name, func(b *testing.B) {
			manager := keyset.NewManager()
			id, err := manager.Add(template)
			if err != nil {
				b.Fatal(err)
			}
			if err := manager.SetPrimary(id); err != nil {
				b.Fatal(err)
			}
			handle, err := manager.Handle()
			if err != nil {
				b.Fatal(err)
			}
			var text bytes.Buffer
			if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
				b.Fatal(err)
			}
			s, plain := mustNew(b, text.String()), make([]byte, 5000)
			for b.Loop() {
				s.Seal(plain, []byte("acme"))
			}
		})
	}
}
