package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	tink "github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/calbridge/calbridge/shared/seal"
	"github.com/calbridge/calbridge/shared/settings"
)

// runKeys runs the command over what stands on standard input.
func runKeys(t *testing.T, in, line string) string {
	t.Helper()
	var out strings.Builder
	if err := run(strings.Fields(line), streams{strings.NewReader(in), &out, nothing}); err != nil {
		t.Fatalf("keys %s: %v", line, err)
	}
	return out.String()
}

func nothing(string) (string, bool) { return "", false }

// deployed are settings that are in order, but for the keys given.
func deployed(set, links string) map[string]string {
	return map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": "40123", "PUBLIC_URL": "https://calendar.example.com",
		"TABLES__serviceUri": "https://example.table.core.windows.net", "SERVICEBUS__fullyQualifiedNamespace": "example.servicebus.windows.net",
		"ENTRA_CLIENT_ID": "11111111-1111-4111-8111-111111111111", "ENTRA_MANAGED_IDENTITY": "22222222-2222-4222-8222-222222222222",
		"TOKEN_KEYSET": set, "LINK_KEYS": links,
	}
}

func read(t *testing.T, set, links string) settings.Settings {
	t.Helper()
	values := deployed(set, links)
	s, err := settings.Read(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ids are the first words of list.
func ids(t *testing.T, kind, value string) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(runKeys(t, value, kind+" list")) {
		ids = append(ids, strings.Fields(line)[0])
	}
	return ids
}

func sealer(t *testing.T, text string) *seal.Sealer {
	t.Helper()
	s, err := seal.New(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewKeysAreAcceptedByTheSettingsAndDifferEveryTime(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		set, links := runKeys(t, "", "token-keyset"), runKeys(t, "", "link-keys")
		s := read(t, set, links)
		if len(s.LinkKeys) != 1 || len(s.LinkKeys[0].Key.Reveal()) != 32 {
			t.Errorf("%d link keys, want one of 32 bytes", len(s.LinkKeys))
		}
		sealer(t, s.TokenKeyset.Reveal())
		if seen[set] || seen[links] {
			t.Error("the same key was made twice")
		}
		seen[set], seen[links] = true, true
	}
}

func TestTinkTakesTheKeysetAndItsRotation(t *testing.T) {
	set := runKeys(t, "", "token-keyset")
	for _, text := range []string{set, runKeys(t, set, "token-keyset add"), runKeys(t, set, "token-keyset add -use")} {
		handle, err := insecurecleartextkeyset.Read(tink.NewJSONReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		primitive, err := aead.New(handle)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := primitive.Decrypt(sealer(t, text).Seal([]byte("cache"), []byte("row")), []byte("row"))
		if err != nil || string(plain) != "cache" {
			t.Errorf("Tink opens %q, %v", plain, err)
		}
	}
}

// The rotation of the package comment: at every step instances of the step before
// and of the step after open what the other seals.
func TestWhileAKeysetIsRotatedOldAndNewInstancesOpenEachOthersRows(t *testing.T) {
	first := runKeys(t, "", "token-keyset")
	added := runKeys(t, first, "token-keyset add")
	id := ids(t, "token-keyset", added)[1]
	used := runKeys(t, added, "token-keyset use "+id)
	dropped := runKeys(t, used, "token-keyset drop "+ids(t, "token-keyset", first)[0])

	steps := []*seal.Sealer{sealer(t, first), sealer(t, added), sealer(t, used), sealer(t, dropped)}
	opens := func(by, of int) bool {
		plain, _, err := steps[by].Open(steps[of].Seal([]byte("cache"), []byte("row")), []byte("row"))
		return err == nil && string(plain) == "cache"
	}
	for i := range len(steps) - 1 {
		if !opens(i, i+1) || !opens(i+1, i) {
			t.Errorf("steps %d and %d do not open each other's rows", i, i+1)
		}
	}
	if !opens(2, 0) {
		t.Error("a row that was sealed before the rotation cannot be opened")
	}
	if opens(3, 0) {
		t.Error("a dropped key still opens")
	}
}

func TestWhileLinkKeysAreRotatedOldAndNewInstancesVerifyEachOthersLinks(t *testing.T) {
	set := runKeys(t, "", "token-keyset")
	first := runKeys(t, "", "link-keys")
	added := runKeys(t, first, "link-keys add")
	id := ids(t, "link-keys", added)[1]
	used := runKeys(t, added, "link-keys use "+id)
	dropped := runKeys(t, used, "link-keys drop "+ids(t, "link-keys", first)[0])

	steps := []string{first, added, used, dropped}
	verifies := func(by, of int) bool {
		signer := read(t, set, steps[of]).LinkKeys[0]
		for _, k := range read(t, set, steps[by]).LinkKeys {
			if k.ID == signer.ID && k.Key.Reveal() == signer.Key.Reveal() {
				return true
			}
		}
		return false
	}
	for i := range len(steps) - 1 {
		if !verifies(i, i+1) || !verifies(i+1, i) {
			t.Errorf("steps %d and %d do not verify each other's links", i, i+1)
		}
	}
	if !verifies(2, 0) || verifies(3, 0) {
		t.Error("old links are verified until the old key is dropped, and not after")
	}
}

func TestAKeyThatHasToGoAtOnceIsReplacedInOneStep(t *testing.T) {
	for _, kind := range []string{"token-keyset", "link-keys"} {
		old := runKeys(t, "", kind)
		oldID := ids(t, kind, old)[0]
		replaced := runKeys(t, old, kind+" add -use")
		if got := ids(t, kind, replaced); len(got) != 2 || got[0] == oldID || got[1] != oldID {
			t.Errorf("%s: %v after %s, want a new one in use before it", kind, got, oldID)
		}
		if got := ids(t, kind, runKeys(t, replaced, kind+" drop "+oldID)); len(got) != 1 || got[0] == oldID {
			t.Errorf("%s: %v, want the new one alone", kind, got)
		}
	}
}

func TestWhatIsListedAndWhatIsRefusedShowsNoKey(t *testing.T) {
	for _, kind := range []string{"token-keyset", "link-keys"} {
		value := runKeys(t, runKeys(t, "", kind), kind+" add")
		list := runKeys(t, value, kind+" list")
		in := ids(t, kind, value)[0]
		for _, line := range []string{"use 1", "drop 1", "drop " + in} {
			var out strings.Builder
			err := run(append([]string{kind}, strings.Fields(line)...), streams{strings.NewReader(value), &out, nothing})
			if err == nil || out.Len() > 0 {
				t.Errorf("%s %s: %v, and wrote %d bytes; want an error and nothing", kind, line, err, out.Len())
			}
			list += fmt.Sprint(err)
		}
		_, err := changed(kind, "garbage!"+value, "add")
		if err == nil {
			t.Errorf("%s: garbage was taken", kind)
		}
		for _, secret := range secretsOf(t, kind, value) {
			if strings.Contains(list+fmt.Sprint(err), secret) {
				t.Errorf("%s: a key is shown", kind)
			}
		}
	}
}

func changed(kind, in, order string) (string, error) {
	var out strings.Builder
	err := run([]string{kind, order}, streams{strings.NewReader(in), &out, nothing})
	return out.String(), err
}

func secretsOf(t *testing.T, kind, value string) []string {
	t.Helper()
	if kind == "link-keys" {
		return strings.Split(strings.TrimSpace(value), ",")
	}
	set, err := seal.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, k := range set.Key {
		text, err := json.Marshal(k.KeyData.Value)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, strings.Trim(string(text), `"`))
	}
	return secrets
}

func TestADisabledKeyIsNotPutInUse(t *testing.T) {
	value := runKeys(t, runKeys(t, "", "token-keyset"), "token-keyset add")
	id := ids(t, "token-keyset", value)[1]
	set, err := seal.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	set.Key[1].Status = "DISABLED"
	disabled, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"token-keyset", "use", id}, streams{strings.NewReader(string(disabled)), &strings.Builder{}, nothing}); err == nil {
		t.Error("put in use")
	}
	if list := runKeys(t, string(disabled), "token-keyset list"); !strings.Contains(list, id+" disabled AesGcmKey") {
		t.Errorf("listed as %q", list)
	}
}

func TestWrongCommandLinesAreToldFromWrongKeys(t *testing.T) {
	for _, line := range []string{"", "keys", "token-keyset make", "link-keys add twice", "link-keys use", "token-keyset drop", "link-keys list all", "check a b"} {
		err := run(strings.Fields(line), streams{strings.NewReader(""), &strings.Builder{}, nothing})
		if !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", line, err)
		}
	}
	for _, line := range []string{"token-keyset add", "link-keys add", "link-keys list"} {
		err := run(strings.Fields(line), streams{strings.NewReader(""), &strings.Builder{}, nothing})
		if err == nil || errors.Is(err, errUsage) {
			t.Errorf("%q of nothing: %v", line, err)
		}
	}
}

func TestCheckSaysTheFaultsOfAFileOneLineEach(t *testing.T) {
	file := func(values map[string]string) string {
		text, err := json.Marshal(map[string]any{"IsEncrypted": false, "Values": values})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "local.settings.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	values := deployed(runKeys(t, "", "token-keyset"), runKeys(t, "", "link-keys"))
	values["FUNCTIONS_CUSTOMHANDLER_PORT"] = "" // the host's
	if out := runKeys(t, "", "check "+file(values)); !strings.Contains(out, "in order") {
		t.Errorf("said %q", out)
	}
	values["PUBLIC_URL"], values["LINK_KEYS"] = "http://calendar.example.com", "short"
	err := run([]string{"check", file(values)}, streams{nil, &strings.Builder{}, nothing})
	var invalid *settings.Invalid
	if !errors.As(err, &invalid) || len(invalid.Faults) != 2 || strings.Count(err.Error(), "\n") != 1 ||
		!strings.Contains(err.Error(), "PUBLIC_URL ") || !strings.Contains(err.Error(), "LINK_KEYS ") {
		t.Errorf("said %v", err)
	}
	if out := runKeys(t, "", "check ../../local.settings.sample.json"); !strings.Contains(out, "in order") {
		t.Errorf("said %q of the sample", out)
	}
}

func TestCheckReadsTheEnvironmentWhereNoFileIsNamed(t *testing.T) {
	values := deployed(runKeys(t, "", "token-keyset"), runKeys(t, "", "link-keys"))
	env := func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	if err := run([]string{"check"}, streams{nil, &strings.Builder{}, env}); err != nil {
		t.Error(err)
	}
	if err := run([]string{"check"}, streams{nil, &strings.Builder{}, nothing}); err == nil {
		t.Error("no settings at all are in order")
	}
}

func TestCheckQuotesNothingOfAFileThatItCannotRead(t *testing.T) {
	for _, content := range []string{`{"Values":{"LINK_KEYS":["geheim"]}}`, `{"Values":{"LINK_KEYS":"geheim"`, `{"IsEncrypted":true,"Values":{"LINK_KEYS":"geheim"}}`} {
		path := filepath.Join(t.TempDir(), "local.settings.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := run([]string{"check", path}, streams{nil, &strings.Builder{}, nothing})
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", content, err)
		}
	}
}

// A keyset or a list of link keys that anybody has is taken or refused, never
// broken: whatever add makes of it the settings take.
func FuzzAdd(f *testing.F) {
	f.Add("6bspjG0MAJDTySH_cjh2sKeKvBciHIMgw6gqhjQiPpE,UX6EwNq3xgnqUcQ3Ewd8mgyKXOURbHoYUbOs25ljzck", "")
	f.Add("", `{"primaryKeyId":1,"key":[]}`)
	f.Fuzz(func(t *testing.T, links, set string) {
		if out, err := changed("link-keys", links, "add"); err == nil {
			if _, err := settings.ParseLinkKeys(strings.TrimSpace(out)); err != nil {
				t.Errorf("link keys: %v", err)
			}
		}
		if out, err := changed("token-keyset", set, "add"); err == nil {
			if _, err := seal.New(out); err != nil {
				t.Errorf("keyset: %v", err)
			}
		}
	})
}
